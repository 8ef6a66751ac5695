/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/object.h"

#include <stdio.h>

#include "graph/graph.h"

/* ---- types -------------------------------------------------------------------------------- */

#define ALL_DTYPES(_)                                                                                                \
    _(NONE), _(F32), _(F16), _(BF16), _(F64), _(F8E4M3FN), _(F8E4M3FNUZ), _(F8E5M2), _(F8E5M2FNUZ), _(F8E8M0),       \
        _(F6E2M3), _(F6E3M2), _(F4E2M1), _(S8), _(U8), _(S16), _(U16), _(S32), _(U32), _(S64), _(U64), _(S4), _(U4), \
        _(S2), _(U2), _(BOOL), _(C64), _(C128), _(STRING)
#define TENSOR_TYPE(name) [PITH_DTYPE_##name] = { PITH_KIND_TENSOR, PITH_DTYPE_##name, NULL }
#define SEQUENCE_TYPE(name) [PITH_DTYPE_##name] = { PITH_KIND_SEQUENCE, PITH_DTYPE_NONE, &tensors[PITH_DTYPE_##name] }
#define OPTIONAL_TYPE(name) [PITH_DTYPE_##name] = { PITH_KIND_OPTIONAL, PITH_DTYPE_NONE, &tensors[PITH_DTYPE_##name] }

static const pith_type tensors[PITH_DTYPE_OBJECT] = { ALL_DTYPES(TENSOR_TYPE) };
static const pith_type sequences[PITH_DTYPE_OBJECT] = { ALL_DTYPES(SEQUENCE_TYPE) };
static const pith_type optionals[PITH_DTYPE_OBJECT] = { ALL_DTYPES(OPTIONAL_TYPE) };

static const pith_type *type_at(const pith_type *types, pith_dtype dtype)
{
    return dtype > PITH_DTYPE_NONE && dtype < PITH_DTYPE_OBJECT ? &types[dtype] : NULL;
}

const pith_type *pith_type_tensor(pith_dtype dtype) { return type_at(tensors, dtype); }
const pith_type *pith_type_sequence(pith_dtype dtype) { return type_at(sequences, dtype); }
const pith_type *pith_type_optional(pith_dtype dtype) { return type_at(optionals, dtype); }

int pith_type_equal(const pith_type *a, const pith_type *b)
{
    for (int depth = 0; a && b && a != b && depth < PITH_MAX_TYPE_DEPTH; depth++) {
        if (a->kind != b->kind || a->dtype != b->dtype) {
            return 0;
        }
        a = a->element;
        b = b->element;
    }
    return a == b;
}

const char *pith_type_text(const pith_type *type, char text[PITH_TYPE_TEXT_BYTES])
{
    static const char *const names[] = { "tensor", "seq", "optional", "map" };
    size_t used = 0, n_open = 0;
    text[0] = '\0';
    for (; type && used < PITH_TYPE_TEXT_BYTES - 40; type = type->element, n_open++) {
        bool has_dtype = type->kind == PITH_KIND_TENSOR || type->kind == PITH_KIND_MAP;
        used += (size_t)snprintf(text + used, PITH_TYPE_TEXT_BYTES - used, "%s(%s%s", names[type->kind],
                                 has_dtype ? pith_dtype_name(type->dtype) : "", type->kind == PITH_KIND_MAP ? "," : "");
    }
    for (; n_open > 0 && used < PITH_TYPE_TEXT_BYTES - 1; n_open--) {
        text[used++] = ')';
        text[used] = '\0';
    }
    return text;
}

static pith_status copy_type(pithi_arena *arena, const pith_type *from, int depth, const pith_type **copy_out)
{
    void *copy = NULL;
    *copy_out = NULL;
    if (!from) {
        return PITH_OK;
    }
    PITH_CHECK(arena->ctx, depth < PITH_MAX_TYPE_DEPTH, PITH_STATUS_LIMIT, "a type is nested deeper than %d",
               PITH_MAX_TYPE_DEPTH);
    PITH_TRY(pithi_arena_alloc(arena, sizeof *from, &copy));
    *(pith_type *)copy = *from;
    *copy_out = copy;
    return copy_type(arena, from->element, depth + 1, &((pith_type *)copy)->element);
}

pith_status pithi_type_copy(pithi_arena *arena, const pith_type *from, const pith_type **copy_out)
{
    return copy_type(arena, from, 0, copy_out);
}

/* ---- values ------------------------------------------------------------------------------- */

pith_tensor pith_object_view(pith_handle *handle)
{
    return (pith_tensor){ .dtype = PITH_DTYPE_OBJECT, .data = handle };
}

const pith_object *pith_object_of(const pith_tensor *value)
{
    return value && value->dtype == PITH_DTYPE_OBJECT && value->data ? ((const pith_handle *)value->data)->object
                                                                     : NULL;
}

static pith_status copy_value(pithi_arena *arena, const pith_tensor *from, const pith_type *type, pithi_depth depth,
                              pith_tensor *copy);

/* Strings side by side in one block. */
static pith_status copy_strings(pithi_arena *arena, const pith_tensor *from, pith_tensor *copy)
{
    const pith_string *strings = from->data;
    pith_string *copies = copy->data;
    size_t n_strings = (size_t)pith_shape_elements(&from->shape), total = 0;
    void *bytes = NULL;
    for (size_t i = 0; i < n_strings; i++) {
        PITH_CHECK(arena->ctx, strings[i].data || strings[i].n_bytes == 0, PITH_STATUS_ARG, "string %zu has no data",
                   i);
        PITH_CHECK(arena->ctx, pithi_add_size(total, strings[i].n_bytes, &total), PITH_STATUS_LIMIT,
                   "the strings overflow a size");
    }
    PITH_TRY(pithi_arena_alloc(arena, total + !total, &bytes));
    char *at = bytes;
    for (size_t i = 0; i < n_strings; i++) {
        if (strings[i].n_bytes > 0) {
            memcpy(at, strings[i].data, strings[i].n_bytes);
        }
        copies[i] = (pith_string){ at, strings[i].n_bytes };
        at += strings[i].n_bytes;
    }
    return PITH_OK;
}

static pith_status check_object(pith_ctx *ctx, const pith_object *object)
{
    char text[PITH_TYPE_TEXT_BYTES];
    PITH_CHECK(ctx, object && object->type && object->type->element, PITH_STATUS_ARG,
               "an object is missing or has no type");
    const pith_type *type = object->type;
    bool is_map = type->kind == PITH_KIND_MAP;
    PITH_CHECK(ctx, is_map || type->kind == PITH_KIND_SEQUENCE || type->kind == PITH_KIND_OPTIONAL, PITH_STATUS_ARG,
               "an object has the type of a tensor");
    PITH_CHECK(ctx, object->n_items <= INT32_MAX && (object->items || object->n_items == 0), PITH_STATUS_ARG,
               "an object of type %s has %zu items", pith_type_text(type, text), object->n_items);
    PITH_CHECK(ctx, type->kind != PITH_KIND_OPTIONAL || object->n_items <= 1, PITH_STATUS_ARG,
               "an optional has %zu elements", object->n_items);
    PITH_CHECK(ctx, !is_map || (object->keys.dtype == type->dtype && object->keys.shape.rank == 1 &&
                                object->keys.shape.dims[0] == (int64_t)object->n_items),
               PITH_STATUS_ARG, "the keys of a map must be a list of %s, as long as its values",
               pith_dtype_name(type->dtype));
    return PITH_OK;
}

static pith_status copy_object(pithi_arena *arena, const pith_tensor *from, const pith_type *type, pithi_depth depth,
                               pith_tensor *copy)
{
    const pith_object *object = pith_object_of(from);
    char is[PITH_TYPE_TEXT_BYTES], must[PITH_TYPE_TEXT_BYTES];
    void *block = NULL, *items = NULL;
    PITH_TRY(check_object(arena->ctx, object));
    PITH_CHECK(arena->ctx, !type || pith_type_equal(object->type, type), PITH_STATUS_ARG,
               "an item has type %s, its object says %s", pith_type_text(object->type, is), pith_type_text(type, must));
    PITH_TRY(pithi_arena_alloc(arena, sizeof *object, &block));
    PITH_TRY(pithi_arena_array(arena, object->n_items + !object->n_items, sizeof(pith_tensor), &items));
    pith_object *fresh = block;
    *fresh = (pith_object){ .n_items = object->n_items, .items = items };
    fresh->type = type;
    if (!type) { /* its depth bounds the recursion */
        PITH_TRY(pithi_type_copy(arena, object->type, &fresh->type));
    }
    for (size_t i = 0; i < object->n_items; i++) {
        PITH_TRY(copy_value(arena, &object->items[i], fresh->type->element, depth, (pith_tensor *)items + i));
    }
    if (fresh->type->kind == PITH_KIND_MAP) {
        PITH_TRY(copy_value(arena, &object->keys, pith_type_tensor(fresh->type->dtype), depth, &fresh->keys));
    }
    *(pith_handle *)copy->data = (pith_handle){ fresh, 0 };
    return PITH_OK;
}

/* `type`: what the object around wants, in its memory; NULL at the top. */
static pith_status copy_value(pithi_arena *arena, const pith_tensor *from, const pith_type *type, pithi_depth depth,
                              pith_tensor *copy)
{
    size_t n_bytes = 0;
    bool is_object = from->dtype == PITH_DTYPE_OBJECT;
    *copy = (pith_tensor){ .dtype = from->dtype, .shape = from->shape };
    PITH_CHECK(arena->ctx, !type || is_object || (type->kind == PITH_KIND_TENSOR && type->dtype == from->dtype),
               PITH_STATUS_ARG, "an item of dtype %s doesn't fit the type of its object", pith_dtype_name(from->dtype));
    PITH_TRY(pithi_shape_check(arena->ctx, &from->shape, from->dtype, &n_bytes));
    if (depth == PITHI_OUTLINE && type && !is_object) {
        return PITH_OK;
    }
    PITH_CHECK(arena->ctx, from->data || n_bytes == 0, PITH_STATUS_ARG, "a tensor has no data");
    PITH_TRY(pithi_arena_alloc(arena, n_bytes + !n_bytes, &copy->data));
    if (from->dtype == PITH_DTYPE_STRING) {
        return copy_strings(arena, from, copy);
    }
    if (is_object) {
        PITH_CHECK(arena->ctx, from->shape.rank == 0, PITH_STATUS_ARG, "an object must have rank 0");
        return copy_object(arena, from, type, depth, copy);
    }
    if (n_bytes > 0) {
        memcpy(copy->data, from->data, n_bytes);
    }
    return PITH_OK;
}

pith_status pithi_value_copy(pithi_arena *arena, const pith_tensor *from, pithi_depth depth, pith_tensor *copy_out)
{
    return copy_value(arena, from, NULL, depth, copy_out);
}

/* ---- comparison --------------------------------------------------------------------------- */

int pithi_string_order(const pith_string *a, const pith_string *b)
{
    size_t n_common = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
    int order = n_common > 0 ? memcmp(a->data, b->data, n_common) : 0;
    return order != 0 ? order : (a->n_bytes > b->n_bytes) - (a->n_bytes < b->n_bytes);
}

static bool same_strings(const pith_tensor *a, const pith_tensor *b)
{
    const pith_string *x = a->data, *y = b->data;
    for (int64_t i = 0; i < pith_shape_elements(&a->shape); i++) {
        if (!pithi_string_same(&x[i], &y[i])) {
            return false;
        }
    }
    return true;
}

static bool same_value(const pith_tensor *a, const pith_tensor *b, bool is_inside, pithi_depth depth);

static bool same_object(const pith_object *a, const pith_object *b, pithi_depth depth)
{
    if (a == b) {
        return true;
    }
    if (!a || !b || a->n_items != b->n_items || !pith_type_equal(a->type, b->type)) {
        return false;
    }
    for (size_t i = 0; i < a->n_items; i++) {
        if (!same_value(&a->items[i], &b->items[i], true, depth)) {
            return false;
        }
    }
    return a->type->kind != PITH_KIND_MAP || same_value(&a->keys, &b->keys, true, depth);
}

static bool same_value(const pith_tensor *a, const pith_tensor *b, bool is_inside, pithi_depth depth)
{
    if (a->dtype != b->dtype || !pith_shape_equal(&a->shape, &b->shape)) {
        return false;
    }
    if (a->dtype == PITH_DTYPE_OBJECT) {
        return same_object(pith_object_of(a), pith_object_of(b), depth);
    }
    size_t n_bytes = pith_tensor_bytes(a);
    if (n_bytes == 0 || (depth == PITHI_OUTLINE && is_inside)) {
        return true;
    }
    return a->dtype == PITH_DTYPE_STRING ? same_strings(a, b) : memcmp(a->data, b->data, n_bytes) == 0;
}

bool pithi_value_same(const pith_tensor *a, const pith_tensor *b, pithi_depth depth)
{
    return same_value(a, b, false, depth);
}
