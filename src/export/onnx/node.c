/* SPDX-License-Identifier: Apache-2.0 */
/* A node as ONNX spells it: the operator's attribute table read backwards, edited by its `to_source`. */
#include "export/onnx/onnx_write.h"
#include "import/onnx/onnx_schema.h"
#include "ops/shared_onnx.h"

/* ---- spelling ------------------------------------------------------------------------------ */

pith_status pithi_onnx_choose_spelling(pith_ctx *ctx, const pith_node *node, const pith_spelling **spelling_out)
{
    PITH_CHECK(ctx, node->op, PITH_STATUS_UNSUPPORTED, "writing ONNX: node '%s' (%s) is unknown to pith: %s",
               node->name, node->source_op, node->unsupported ? node->unsupported : "");
    const pith_spelling *best = NULL;
    for (int i = 0; i < node->op->n_spellings; i++) {
        const pith_spelling *spelling = &node->op->spellings[i];
        bool is_default = spelling->domain[0] == '\0';
        bool speaks_table = !spelling->map || node->op->to_source || node->n_bodies > 0;
        if (!pithi_same_text(spelling->format, "onnx") || !speaks_table || (best && !is_default)) {
            continue;
        }
        bool is_newer = !best || best->domain[0] != '\0' || spelling->since > best->since;
        best = is_newer ? spelling : best;
    }
    PITH_CHECK(ctx, best, PITH_STATUS_UNSUPPORTED,
               "writing ONNX: node '%s': ONNX has no operator for pith's '%s'; switch the pass off that makes it",
               node->name, node->op->head.name);
    *spelling_out = best;
    return PITH_OK;
}

/* ---- attributes ---------------------------------------------------------------------------- */

static bool is_default(const pith_attr_spec *spec, const void *field)
{
    switch (spec->kind) {
    case PITH_ATTR_KIND_INT:
    case PITH_ATTR_KIND_CHOICE: return *(const int64_t *)field == (int64_t)spec->default_value && !spec->is_required;
    case PITH_ATTR_KIND_FLOAT: return *(const float *)field == (float)spec->default_value;
    case PITH_ATTR_KIND_INTS:
    case PITH_ATTR_KIND_CHOICES: return ((const pith_ints *)field)->n_items == 0;
    case PITH_ATTR_KIND_FLOATS: return ((const pith_floats *)field)->n_items == 0;
    case PITH_ATTR_KIND_STRINGS: return ((const pith_strings *)field)->n_items == 0;
    case PITH_ATTR_KIND_TENSOR: return *(const pith_tensor *const *)field == NULL;
    default: return *(const char *const *)field == NULL;
    }
}

static pith_status choice_texts(pithi_arena *arena, const pith_attr_spec *spec, const pith_ints *choices,
                                pith_source_attr *attr)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)choices->n_items, sizeof(const char *), &block));
    const char **texts = block;
    for (int i = 0; i < choices->n_items; i++) {
        texts[i] = spec->choices[choices->items[i]];
    }
    attr->kind = PITH_SOURCE_STRINGS;
    attr->strings = texts;
    attr->n_items = choices->n_items;
    return PITH_OK;
}

static pith_status string_texts(pithi_arena *arena, const pith_strings *strings, pith_source_attr *attr)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)strings->n_items, sizeof(const char *), &block));
    for (int i = 0; i < strings->n_items; i++) {
        const pith_string *item = &strings->items[i];
        PITH_TRY(pithi_arena_text(arena, item->n_bytes ? item->data : "", item->n_bytes, (const char **)block + i));
    }
    attr->kind = PITH_SOURCE_STRINGS;
    attr->strings = block;
    attr->n_items = strings->n_items;
    return PITH_OK;
}

static pith_status read_field(pithi_arena *arena, const pith_attr_spec *spec, const void *field, pith_source_attr *attr)
{
    const pith_ints *ints = field;
    const pith_floats *floats = field;
    attr->name = spec->name;
    switch (spec->kind) {
    case PITH_ATTR_KIND_INT:
        attr->kind = PITH_SOURCE_INT;
        attr->i = *(const int64_t *)field;
        break;
    case PITH_ATTR_KIND_FLOAT:
        attr->kind = PITH_SOURCE_FLOAT;
        attr->f = *(const float *)field;
        break;
    case PITH_ATTR_KIND_CHOICE:
        attr->kind = PITH_SOURCE_STRING;
        attr->s = spec->choices[*(const int64_t *)field];
        break;
    case PITH_ATTR_KIND_INTS:
        attr->kind = PITH_SOURCE_INTS;
        attr->ints = ints->items;
        attr->n_items = ints->n_items;
        break;
    case PITH_ATTR_KIND_FLOATS:
        attr->kind = PITH_SOURCE_FLOATS;
        attr->floats = floats->items;
        attr->n_items = floats->n_items;
        break;
    case PITH_ATTR_KIND_CHOICES: return choice_texts(arena, spec, ints, attr);
    case PITH_ATTR_KIND_STRINGS: return string_texts(arena, field, attr);
    case PITH_ATTR_KIND_TYPE:
        attr->kind = PITH_SOURCE_TYPE;
        attr->type = *(const pith_type *const *)field;
        break;
    case PITH_ATTR_KIND_TENSOR:
        attr->kind = PITH_SOURCE_TENSOR;
        attr->tensor = **(const pith_tensor *const *)field;
        break;
    default:
        attr->kind = PITH_SOURCE_STRING;
        attr->s = *(const char *const *)field;
    }
    return PITH_OK;
}

static pith_status collect_attrs(pith_graph *graph, const pith_node *node, pith_source *source)
{
    const pith_op_head *head = &node->op->head;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)head->n_attrs, sizeof(pith_source_attr), &block));
    source->attrs = block;
    for (int i = 0; i < head->n_attrs; i++) {
        const pith_attr_spec *spec = &head->attrs[i];
        const void *field = (const char *)node->attrs + spec->offset;
        if (is_default(spec, field)) {
            continue;
        }
        PITH_TRY(read_field(&graph->arena, spec, field, &source->attrs[source->n_attrs++]));
    }
    return PITH_OK;
}

/* Attributes of pith's own that the operator's to_source has not put into ONNX's words. */
static pith_status refuse_own_attrs(pith_ctx *ctx, const pith_node *node, const pith_source *source)
{
    const pith_op_head *head = &node->op->head;
    for (int i = 0; i < head->n_attrs; i++) {
        for (int k = 0; k < source->n_attrs && head->attrs[i].is_own; k++) {
            PITH_CHECK(ctx, !pithi_same_text(source->attrs[k].name, head->attrs[i].name), PITH_STATUS_UNSUPPORTED,
                       "writing ONNX: node '%s' (%s) has pith's own attribute '%s', which ONNX can't say; switch the "
                       "pass off that sets it", node->name, head->name, head->attrs[i].name);
        }
    }
    return PITH_OK;
}

static pith_status copy_values(pithi_arena *arena, pith_value *const *values, int n_values, int n_spare,
                               pith_value ***copy_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)(n_values + n_spare), sizeof(pith_value *), &block));
    if (n_values > 0) {
        memcpy(block, values, (size_t)n_values * sizeof(pith_value *));
    }
    *copy_out = block;
    return PITH_OK;
}

pith_status pithi_onnx_source_of_node(pith_graph *graph, const pith_node *node, const pith_spelling *spelling,
                                      pith_source *source)
{
    *source = (pith_source){ .graph = graph, .domain = spelling->domain, .type = spelling->name, .name = node->name,
                             .n_inputs = node->n_inputs, .n_outputs = node->n_outputs };
    PITH_TRY(collect_attrs(graph, node, source));
    PITH_TRY(copy_values(&graph->arena, node->inputs, node->n_inputs, PITHI_SOURCE_SPARE, &source->inputs));
    PITH_TRY(copy_values(&graph->arena, node->outputs, node->n_outputs, 0, &source->outputs));
    PITH_TRY(node->op->to_source ? node->op->to_source(graph->ctx, node, source) : PITH_OK);
    return refuse_own_attrs(graph->ctx, node, source);
}

/* ---- writing ------------------------------------------------------------------------------- */

static pith_status write_list(pithi_onnx_writer *writer, const pith_source_attr *attr)
{
    for (int i = 0; i < attr->n_items; i++) {
        switch (attr->kind) {
        case PITH_SOURCE_INTS: PITH_TRY(pithi_wire_int(writer->bytes, ATTRIBUTE_INTS, attr->ints[i])); break;
        case PITH_SOURCE_FLOATS: PITH_TRY(pithi_wire_float(writer->bytes, ATTRIBUTE_FLOATS, attr->floats[i])); break;
        default: PITH_TRY(pithi_wire_text(writer->bytes, ATTRIBUTE_STRINGS, attr->strings[i]));
        }
    }
    return PITH_OK;
}

static pith_status write_payload(pithi_onnx_writer *writer, const pith_source_attr *attr)
{
    switch (attr->kind) {
    case PITH_SOURCE_INT: return pithi_wire_int(writer->bytes, ATTRIBUTE_I, attr->i);
    case PITH_SOURCE_FLOAT: return pithi_wire_float(writer->bytes, ATTRIBUTE_F, attr->f);
    case PITH_SOURCE_STRING: return pithi_wire_text(writer->bytes, ATTRIBUTE_S, attr->s);
    case PITH_SOURCE_TENSOR: return pithi_onnx_write_tensor(writer, ATTRIBUTE_T, "", &attr->tensor);
    case PITH_SOURCE_TYPE: return pithi_onnx_write_type(writer, ATTRIBUTE_TP, attr->type);
    default: return write_list(writer, attr);
    }
}

static pith_status write_attr(pithi_onnx_writer *writer, const pith_source_attr *attr)
{
    static const int types[] = {
        [PITH_SOURCE_INT] = ATTRIBUTE_TYPE_INT,       [PITH_SOURCE_FLOAT] = ATTRIBUTE_TYPE_FLOAT,
        [PITH_SOURCE_STRING] = ATTRIBUTE_TYPE_STRING, [PITH_SOURCE_INTS] = ATTRIBUTE_TYPE_INTS,
        [PITH_SOURCE_FLOATS] = ATTRIBUTE_TYPE_FLOATS, [PITH_SOURCE_STRINGS] = ATTRIBUTE_TYPE_STRINGS,
        [PITH_SOURCE_TENSOR] = ATTRIBUTE_TYPE_TENSOR, [PITH_SOURCE_TYPE] = ATTRIBUTE_TYPE_TYPE_PROTO,
    };
    size_t mark = 0;
    PITH_TRY(pithi_wire_begin(writer->bytes, NODE_ATTRIBUTE, &mark));
    PITH_TRY(pithi_wire_text(writer->bytes, ATTRIBUTE_NAME, attr->name));
    PITH_TRY(pithi_wire_int(writer->bytes, ATTRIBUTE_TYPE, types[attr->kind]));
    PITH_TRY(write_payload(writer, attr));
    pithi_wire_end(writer->bytes, mark);
    return PITH_OK;
}

static pith_status write_body(pithi_onnx_writer *writer, const pith_node *node, int index)
{
    const char *name = node->n_bodies == 1 ? "body" : index == 0 ? "then_branch" : "else_branch";
    size_t attr = 0, graph = 0;
    PITH_TRY(pithi_wire_begin(writer->bytes, NODE_ATTRIBUTE, &attr));
    PITH_TRY(pithi_wire_text(writer->bytes, ATTRIBUTE_NAME, name));
    PITH_TRY(pithi_wire_int(writer->bytes, ATTRIBUTE_TYPE, ATTRIBUTE_TYPE_GRAPH));
    PITH_TRY(pithi_wire_begin(writer->bytes, ATTRIBUTE_G, &graph));
    PITH_TRY(pithi_onnx_write_graph(writer, node->bodies[index]));
    pithi_wire_end(writer->bytes, graph);
    pithi_wire_end(writer->bytes, attr);
    return PITH_OK;
}

/* Absent operands at the end of a list are left out. */
static int count_present(pith_value *const *values, int n_values)
{
    while (n_values > 0 && !values[n_values - 1]) {
        n_values--;
    }
    return n_values;
}

static pith_status write_operands(pithi_onnx_writer *writer, const pith_source *source)
{
    int n_inputs = count_present(source->inputs, source->n_inputs);
    int n_outputs = count_present(source->outputs, source->n_outputs);
    for (int i = 0; i < n_inputs; i++) {
        PITH_TRY(pithi_onnx_write_reference(writer, NODE_INPUT, source->inputs[i]));
    }
    for (int i = 0; i < n_outputs; i++) {
        PITH_TRY(pithi_onnx_write_reference(writer, NODE_OUTPUT, source->outputs[i]));
    }
    return PITH_OK;
}

/* Names of nodes are optional in ONNX, but must differ. */
static const char *unused_name(pithi_onnx_writer *writer, const char *name)
{
    size_t mask = writer->n_names - 1, at = (size_t)pithi_hash(PITHI_HASH_START, name, strlen(name)) & mask;
    for (; writer->names[at]; at = (at + 1) & mask) {
        if (pithi_same_text(writer->names[at], name)) {
            return "";
        }
    }
    writer->names[at] = name;
    return name;
}

pith_status pithi_onnx_write_node(pithi_onnx_writer *writer, pith_graph *graph, pith_node *node)
{
    const pith_spelling *spelling = NULL;
    pith_source source;
    PITH_TRY(pithi_onnx_choose_spelling(writer->ctx, node, &spelling));
    PITH_TRY(pithi_onnx_source_of_node(graph, node, spelling, &source));
    PITH_TRY(write_operands(writer, &source));
    PITH_TRY(pithi_wire_text(writer->bytes, NODE_NAME, unused_name(writer, node->name)));
    PITH_TRY(pithi_wire_text(writer->bytes, NODE_OP_TYPE, source.type));
    PITH_TRY(pithi_wire_text(writer->bytes, NODE_DOMAIN, source.domain));
    for (int i = 0; i < source.n_attrs; i++) {
        PITH_TRY(write_attr(writer, &source.attrs[i]));
    }
    for (int i = 0; i < node->n_bodies; i++) {
        PITH_TRY(write_body(writer, node, i));
    }
    return PITH_OK;
}
