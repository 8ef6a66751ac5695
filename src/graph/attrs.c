/* SPDX-License-Identifier: Apache-2.0 */
/* Attribute structs through their tables. */
#include "graph/attrs.h"

#include "graph/graph.h"
#include "graph/object.h"

static void *field_of(void *attrs, const pith_attr_spec *spec)
{
    return (char *)attrs + spec->offset;
}

static const void *const_field_of(const void *attrs, const pith_attr_spec *spec)
{
    return (const char *)attrs + spec->offset;
}

pith_status pithi_attrs_new(const pith_op_head *head, pithi_arena *arena, void **attrs_out)
{
    *attrs_out = NULL;
    if (head->attrs_size == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(arena, head->attrs_size, attrs_out));
    for (int i = 0; i < head->n_attrs; i++) {
        const pith_attr_spec *spec = &head->attrs[i];
        void *field = field_of(*attrs_out, spec);
        if (spec->kind == PITH_ATTR_KIND_INT || spec->kind == PITH_ATTR_KIND_CHOICE) {
            *(int64_t *)field = (int64_t)spec->default_value;
        } else if (spec->kind == PITH_ATTR_KIND_FLOAT) {
            *(float *)field = (float)spec->default_value;
        }
    }
    return PITH_OK;
}

static pith_status copy_items(pithi_arena *arena, const void *items, int n_items, size_t item_bytes, void **copy_out)
{
    PITH_TRY(pithi_arena_array(arena, (size_t)n_items, item_bytes, copy_out));
    if (n_items > 0) {
        memcpy(*copy_out, items, (size_t)n_items * item_bytes);
    }
    return PITH_OK;
}

/* Replaces what a field points to by a copy of its own. */
static pith_status deepen_field(const pith_attr_spec *spec, pithi_arena *arena, void *field)
{
    void *items = NULL;
    if (spec->kind == PITH_ATTR_KIND_INTS || spec->kind == PITH_ATTR_KIND_CHOICES) {
        pith_ints *ints = field;
        PITH_TRY(copy_items(arena, ints->items, ints->n_items, sizeof *ints->items, &items));
        ints->items = items;
    } else if (spec->kind == PITH_ATTR_KIND_FLOATS) {
        pith_floats *floats = field;
        PITH_TRY(copy_items(arena, floats->items, floats->n_items, sizeof *floats->items, &items));
        floats->items = items;
    } else if (spec->kind == PITH_ATTR_KIND_TENSOR && *(const pith_tensor **)field) {
        PITH_TRY(copy_items(arena, *(const pith_tensor **)field, 1, sizeof(pith_tensor), &items));
        *(const pith_tensor **)field = items;
    } else if (spec->kind == PITH_ATTR_KIND_STRING && *(const char **)field) {
        PITH_TRY(pithi_arena_text(arena, *(const char **)field, strlen(*(const char **)field), field));
    } else if (spec->kind == PITH_ATTR_KIND_STRINGS) { /* the text itself is shared, as tensors' data are */
        pith_strings *strings = field;
        PITH_TRY(copy_items(arena, strings->items, strings->n_items, sizeof *strings->items, &items));
        strings->items = items;
    } else if (spec->kind == PITH_ATTR_KIND_TYPE) {
        PITH_TRY(pithi_type_copy(arena, *(const pith_type **)field, field));
    }
    return PITH_OK;
}

pith_status pithi_attrs_copy(const pith_op_head *head, const void *attrs, pithi_arena *arena, void *copy)
{
    if (head->attrs_size == 0) {
        return PITH_OK;
    }
    memcpy(copy, attrs, head->attrs_size);
    for (int i = 0; i < head->n_attrs; i++) {
        PITH_TRY(deepen_field(&head->attrs[i], arena, field_of(copy, &head->attrs[i])));
    }
    return PITH_OK;
}

static void print_ints(const pith_ints *ints, pithi_text *text)
{
    pithi_text_add(text, "[");
    for (int i = 0; i < ints->n_items; i++) {
        pithi_text_add(text, i ? ",%lld" : "%lld", (long long)ints->items[i]);
    }
    pithi_text_add(text, "]");
}

static void print_floats(const pith_floats *floats, pithi_text *text)
{
    pithi_text_add(text, "[");
    for (int i = 0; i < floats->n_items; i++) {
        pithi_text_add(text, i ? ",%.9g" : "%.9g", (double)floats->items[i]);
    }
    pithi_text_add(text, "]");
}

static void print_choices(const pith_attr_spec *spec, const pith_ints *indices, pithi_text *text)
{
    pithi_text_add(text, "[");
    for (int i = 0; i < indices->n_items; i++) {
        pithi_text_add(text, i ? ",%s" : "%s", spec->choices[indices->items[i]]);
    }
    pithi_text_add(text, "]");
}

static void print_strings(const pith_strings *strings, pithi_text *text)
{
    pithi_text_add(text, "[");
    for (int i = 0; i < strings->n_items; i++) {
        const pith_string *item = &strings->items[i];
        pithi_text_add(text, i ? ",\"%.*s\"" : "\"%.*s\"", item->n_bytes > 80 ? 80 : (int)item->n_bytes,
                       item->n_bytes ? item->data : "");
    }
    pithi_text_add(text, "]");
}

bool pithi_attr_is_default(const pith_attr_spec *spec, const void *field)
{
    switch (spec->kind) {
    case PITH_ATTR_KIND_INT:
    case PITH_ATTR_KIND_CHOICE: return *(const int64_t *)field == (int64_t)spec->default_value;
    case PITH_ATTR_KIND_FLOAT: return memcmp(field, &(float){ (float)spec->default_value }, sizeof(float)) == 0;
    case PITH_ATTR_KIND_INTS:
    case PITH_ATTR_KIND_CHOICES: return ((const pith_ints *)field)->n_items == 0;
    case PITH_ATTR_KIND_STRING: return *(const char *const *)field == NULL;
    case PITH_ATTR_KIND_FLOATS: return ((const pith_floats *)field)->n_items == 0;
    case PITH_ATTR_KIND_TENSOR: return *(const pith_tensor *const *)field == NULL;
    case PITH_ATTR_KIND_STRINGS: return ((const pith_strings *)field)->n_items == 0;
    case PITH_ATTR_KIND_TYPE: return *(const pith_type *const *)field == NULL;
    }
    return false;
}

pith_status pithi_attr_check_int(pith_ctx *ctx, const pith_attr_spec *spec, int64_t value)
{
    PITH_CHECK(ctx, spec->is_wide || (value >= -INT32_MAX && value <= INT32_MAX), PITH_STATUS_SHAPE,
               "attribute '%s' is %lld; axes, sizes and counts lie between -%d and %d", spec->name, (long long)value,
               INT32_MAX, INT32_MAX);
    return PITH_OK;
}

void pithi_attrs_print(const pith_op_head *head, const void *attrs, pithi_text *text)
{
    char type[PITH_TYPE_TEXT_BYTES];
    for (int i = 0; i < head->n_attrs; i++) {
        const pith_attr_spec *spec = &head->attrs[i];
        const void *field = const_field_of(attrs, spec);
        if (pithi_attr_is_default(spec, field)) {
            continue;
        }
        pithi_text_add(text, " %s=", spec->name);
        switch (spec->kind) {
        case PITH_ATTR_KIND_INT: pithi_text_add(text, "%lld", (long long)*(const int64_t *)field); break;
        case PITH_ATTR_KIND_CHOICE: pithi_text_add(text, "%s", spec->choices[*(const int64_t *)field]); break;
        case PITH_ATTR_KIND_FLOAT: pithi_text_add(text, "%.9g", (double)*(const float *)field); break;
        case PITH_ATTR_KIND_INTS: print_ints(field, text); break;
        case PITH_ATTR_KIND_FLOATS: print_floats(field, text); break;
        case PITH_ATTR_KIND_TENSOR: pithi_text_add(text, "tensor"); break;
        case PITH_ATTR_KIND_CHOICES: print_choices(spec, field, text); break;
        case PITH_ATTR_KIND_STRING: pithi_text_add(text, "%s", *(const char *const *)field); break;
        case PITH_ATTR_KIND_STRINGS: print_strings(field, text); break;
        case PITH_ATTR_KIND_TYPE:
            pithi_text_add(text, "%s", pith_type_text(*(const pith_type *const *)field, type));
            break;
        }
    }
}

static bool same_tensor(const pith_tensor *a, const pith_tensor *b)
{
    if (a == b) {
        return true;
    }
    return a && b && a->dtype == b->dtype && pith_shape_equal(&a->shape, &b->shape) &&
           (a->data == b->data || memcmp(a->data, b->data, pith_tensor_bytes(a)) == 0);
}

static bool same_list(const void *a, int n_a, const void *b, int n_b, size_t item_bytes)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, (size_t)n_a * item_bytes) == 0);
}

static bool same_strings(const pith_strings *a, const pith_strings *b)
{
    bool same = a->n_items == b->n_items;
    for (int i = 0; same && i < a->n_items; i++) {
        same = pithi_string_same(&a->items[i], &b->items[i]);
    }
    return same;
}

static bool same_field(const pith_attr_spec *spec, const void *a, const void *b)
{
    switch (spec->kind) {
    case PITH_ATTR_KIND_INT:
    case PITH_ATTR_KIND_CHOICE: return *(const int64_t *)a == *(const int64_t *)b;
    case PITH_ATTR_KIND_FLOAT: return memcmp(a, b, sizeof(float)) == 0;
    case PITH_ATTR_KIND_INTS:
    case PITH_ATTR_KIND_CHOICES: {
        const pith_ints *x = a, *y = b;
        return same_list(x->items, x->n_items, y->items, y->n_items, sizeof *x->items);
    }
    case PITH_ATTR_KIND_FLOATS: {
        const pith_floats *x = a, *y = b;
        return same_list(x->items, x->n_items, y->items, y->n_items, sizeof *x->items);
    }
    case PITH_ATTR_KIND_TENSOR: return same_tensor(*(const pith_tensor *const *)a, *(const pith_tensor *const *)b);
    case PITH_ATTR_KIND_STRING: {
        const char *x = *(const char *const *)a, *y = *(const char *const *)b;
        return x == y || (x && y && pithi_same_text(x, y));
    }
    case PITH_ATTR_KIND_STRINGS: return same_strings(a, b);
    case PITH_ATTR_KIND_TYPE: return pith_type_equal(*(const pith_type *const *)a, *(const pith_type *const *)b);
    }
    return false;
}

bool pithi_attrs_equal(const pith_op_head *head, const void *a, const void *b)
{
    for (int i = 0; i < head->n_attrs; i++) {
        const pith_attr_spec *spec = &head->attrs[i];
        if (!same_field(spec, const_field_of(a, spec), const_field_of(b, spec))) {
            return false;
        }
    }
    return true;
}

uint64_t pithi_attrs_hash(uint64_t seed, const pith_op_head *head, const void *attrs)
{
    uint64_t hash = seed;
    for (int i = 0; i < head->n_attrs; i++) {
        const pith_attr_spec *spec = &head->attrs[i];
        const void *field = const_field_of(attrs, spec);
        if (spec->kind == PITH_ATTR_KIND_INT || spec->kind == PITH_ATTR_KIND_CHOICE) {
            hash = pithi_hash(hash, field, sizeof(int64_t));
        } else if (spec->kind == PITH_ATTR_KIND_FLOAT) {
            hash = pithi_hash(hash, field, sizeof(float));
        } else if (spec->kind == PITH_ATTR_KIND_INTS) {
            const pith_ints *list = field;
            hash = pithi_hash(hash, list->items, (size_t)list->n_items * sizeof *list->items);
        }
    }
    return hash;
}

/* ---- by name ------------------------------------------------------------------------------ */

static const pith_attr_spec *find_spec(const pith_node *node, const char *name)
{
    const pith_op_head *head = node->op ? pithi_op_head(node->op) : NULL;
    for (int i = 0; head && i < head->n_attrs; i++) {
        if (pithi_same_text(head->attrs[i].name, name)) {
            return &head->attrs[i];
        }
    }
    return NULL;
}

void *pithi_attr_field(const pith_node *node, const char *name, pith_attr_kind kind)
{
    const pith_attr_spec *spec = find_spec(node, name);
    return spec && spec->kind == kind ? field_of(node->attrs, spec) : NULL;
}

int64_t pithi_attr_int(const pith_node *node, const char *name)
{
    const int64_t *field = pithi_attr_field(node, name, PITH_ATTR_KIND_INT);
    field = field ? field : pithi_attr_field(node, name, PITH_ATTR_KIND_CHOICE);
    PITH_ASSERT(field);
    return field ? *field : 0;
}

float pithi_attr_float(const pith_node *node, const char *name)
{
    const float *field = pithi_attr_field(node, name, PITH_ATTR_KIND_FLOAT);
    PITH_ASSERT(field);
    return field ? *field : 0.0f;
}

pith_ints pithi_attr_ints(const pith_node *node, const char *name)
{
    const pith_ints *field = pithi_attr_field(node, name, PITH_ATTR_KIND_INTS);
    PITH_ASSERT(field);
    return field ? *field : (pith_ints){ 0 };
}

const char *pithi_attr_choice(const pith_node *node, const char *name)
{
    const pith_attr_spec *spec = find_spec(node, name);
    PITH_ASSERT(spec && spec->kind == PITH_ATTR_KIND_CHOICE);
    return spec && spec->kind == PITH_ATTR_KIND_CHOICE
               ? spec->choices[*(const int64_t *)const_field_of(node->attrs, spec)]
               : "";
}

static pith_status fail_missing(pith_ctx *ctx, const pith_node *node, const char *name)
{
    PITH_FAIL(ctx, PITH_STATUS_INTERNAL, "node '%s' (%s) has no attribute '%s' to set", node->name, node->source_op,
              name);
}

pith_status pithi_attr_set_int(pith_ctx *ctx, pith_node *node, const char *name, int64_t value)
{
    int64_t *field = pithi_attr_field(node, name, PITH_ATTR_KIND_INT);
    field = field ? field : pithi_attr_field(node, name, PITH_ATTR_KIND_CHOICE);
    if (!field) {
        return fail_missing(ctx, node, name);
    }
    *field = value;
    return PITH_OK;
}

pith_status pithi_attr_set_float(pith_ctx *ctx, pith_node *node, const char *name, float value)
{
    float *field = pithi_attr_field(node, name, PITH_ATTR_KIND_FLOAT);
    if (!field) {
        return fail_missing(ctx, node, name);
    }
    *field = value;
    return PITH_OK;
}

pith_status pithi_attr_set_ints(pithi_arena *arena, pith_node *node, const char *name, const int64_t *items,
                                int n_items)
{
    void *copy = NULL;
    pith_ints *field = pithi_attr_field(node, name, PITH_ATTR_KIND_INTS);
    if (!field) {
        return fail_missing(arena->ctx, node, name);
    }
    PITH_TRY(pithi_arena_array(arena, (size_t)n_items, sizeof *items, &copy));
    if (n_items > 0) {
        memcpy(copy, items, (size_t)n_items * sizeof *items);
    }
    *field = (pith_ints){ copy, n_items };
    return PITH_OK;
}
