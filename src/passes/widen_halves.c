/* SPDX-License-Identifier: Apache-2.0 */
/* Networks in float16 or bfloat16 compute in float32, where the fast kernels are: operands are widened where a region
 * of such operators begins, and rounded where it ends (graph outputs, operators that look at the element type).
 * Weights become float32 constants. Inside of a region results keep float32's precision: see docs/numerics.md. */
#include "graph/float16.h"
#include "passes/fuse_nbits.h"

typedef struct widening {
    pith_graph *graph;
    pith_dtype *dtypes;  /* by value->index: as known or as follows from the operators */
    pith_value **wide;   /* by value->index: the float32 version, or NULL */
    size_t n_values;
    int n_widened;
} widening;

static bool is_half(pith_dtype dtype)
{
    return dtype == PITH_DTYPE_F16 || dtype == PITH_DTYPE_BF16;
}

static pith_dtype dtype_of(const widening *all, const pith_value *value)
{
    return value && (size_t)value->index < all->n_values ? all->dtypes[value->index] : PITH_DTYPE_NONE;
}

/* Operators whose result depends on the element type itself, or that name one in an attribute. */
static bool depends_on_dtype(const pith_node *node)
{
    static const char *const names[] = {
        "bernoulli", "bit_cast", "cast", "cast_like", "constant", "constant_of_shape", "dequantize_linear", "eye_like",
        "is_inf", "is_nan", "mel_weight_matrix", "mod", "multinomial", "one_hot", "quantize_linear", "random_normal",
        "random_normal_like", "random_uniform", "random_uniform_like", "range",
    };
    for (int i = 0; i < PITH_COUNT(names); i++) {
        if (pithi_is(node, names[i])) {
            return true;
        }
    }
    for (int i = 0; i < node->op->n_outputs; i++) {
        if (node->op->outputs[i].dtypes == PITH_DTYPES_OBJECT) { /* a sequence's type has the element's in it */
            return true;
        }
    }
    return node->n_bodies > 0 || (node->op->flags & (PITH_OP_CONTROL | PITH_OP_RANDOM | PITH_OP_READS_SHAPE));
}

static const pith_operand_spec *spec_of(const pith_operand_spec *specs, int n_specs, int index)
{
    return n_specs == 0 ? NULL : &specs[index < n_specs ? index : n_specs - 1];
}

/* Where inference hasn't come by: an output that may be a half is one if the first operand is that may be. */
static pith_dtype guess_output(const widening *all, const pith_node *node, int index)
{
    const pith_operand_spec *output = spec_of(node->op->outputs, node->op->n_outputs, index);
    for (int i = 0; output && i < node->n_inputs; i++) {
        const pith_operand_spec *input = spec_of(node->op->inputs, node->op->n_inputs, i);
        if (input && node->inputs[i] && (input->dtypes & PITH_DTYPES(PITH_DTYPE_F16))) {
            const pith_dtype dtype = dtype_of(all, node->inputs[i]);
            return is_half(dtype) && (output->dtypes & PITH_DTYPES(dtype)) ? dtype : PITH_DTYPE_NONE;
        }
    }
    return PITH_DTYPE_NONE;
}

/* All halves among the operands may as well be float32, and one isn't constant: rows of a table are picked as they
 * are. Sets unknown dtypes of the outputs on the way. */
static bool is_widened(widening *all, const pith_node *node)
{
    bool has_halves = false, is_variable = false, is_unknown = false; /* maybe a half, which must not stay one */
    if (!node->op || depends_on_dtype(node)) {
        return false;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_operand_spec *spec = spec_of(node->op->inputs, node->op->n_inputs, i);
        const pith_dtype dtype = dtype_of(all, node->inputs[i]);
        if (is_half(dtype) && (!spec || !(spec->dtypes & PITH_DTYPES(PITH_DTYPE_F32)))) {
            return false;
        }
        is_unknown = is_unknown || (node->inputs[i] && dtype == PITH_DTYPE_NONE && spec &&
                                    (spec->dtypes & PITH_DTYPES(PITH_DTYPE_F16)));
        has_halves = has_halves || is_half(dtype);
        is_variable = is_variable || (is_half(dtype) && !node->inputs[i]->constant);
    }
    for (int i = 0; has_halves && i < node->n_outputs; i++) {
        const pith_value *output = node->outputs[i];
        if (output && output->dtype == PITH_DTYPE_NONE) {
            all->dtypes[output->index] = guess_output(all, node, i);
            if (i > 0 && pithi_is(node, "layer_normalization")) {
                return false; /* mean and deviation have a type of their own */
            }
        }
    }
    return is_variable && !is_unknown;
}

/* ---- edits ----------------------------------------------------------------------------------- */

/* Behind all that the tables know. */
static pith_status add_value(widening *all, pith_value **value_out)
{
    PITH_TRY(pithi_graph_add_value(all->graph, NULL, value_out));
    (*value_out)->index = (int)all->n_values;
    return PITH_OK;
}

static pith_status insert_cast(widening *all, pith_node *before, pith_value *from, pith_dtype to, pith_value *result)
{
    pith_node *node = NULL;
    const pith_op *cast = pithi_op_find("cast");
    PITH_CHECK(all->graph->ctx, cast, PITH_STATUS_INTERNAL, "this build lacks the operator cast");
    PITH_TRY(pithi_graph_insert_node(all->graph, before, cast, "", &from, 1, &result, 1, &node));
    int64_t *field = pithi_attr_field(node, "to", PITH_ATTR_KIND_CHOICE);
    PITH_CHECK(all->graph->ctx, field, PITH_STATUS_INTERNAL, "the operator cast has no attribute 'to'");
    *field = to;
    result->dtype = to;
    result->shape = from->shape;
    result->has_shape = from->has_shape;
    return PITH_OK;
}

static pith_status widen_constant(widening *all, const pith_tensor *halves, pith_value **wide_out)
{
    pith_tensor wide;
    PITH_TRY(pithi_graph_new_constant(all->graph, NULL, PITH_DTYPE_F32, &halves->shape, &wide, wide_out));
    (*wide_out)->index = (int)all->n_values;
    const uint16_t *from = halves->data;
    float *to = wide.data;
    const bool is_f16 = halves->dtype == PITH_DTYPE_F16;
    for (int64_t i = 0; i < pith_shape_elements(&halves->shape); i++) {
        to[i] = is_f16 ? pithi_f16_to_f32(from[i]) : pithi_bf16_to_f32(from[i]);
    }
    return PITH_OK;
}

/* The float32 version of an operand, made in front of its first reader. A cast of a constant is for fuse_nbits. */
static pith_status wide_version(widening *all, pith_node *reader, int index, pith_value **wide_out)
{
    pith_value *value = reader->inputs[index], **wide = &all->wide[value->index];
    if (!*wide && value->constant && !pithi_nbits_keeps_halves(reader, index)) {
        PITH_TRY(widen_constant(all, value->constant, wide));
    } else if (!*wide) {
        PITH_TRY(add_value(all, wide));
        PITH_TRY(insert_cast(all, reader, value, PITH_DTYPE_F32, *wide));
    }
    *wide_out = *wide;
    return PITH_OK;
}

static pith_status widen(widening *all, pith_node *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        if (is_half(dtype_of(all, node->inputs[i]))) {
            PITH_TRY(wide_version(all, node, i, &node->inputs[i]));
        }
    }
    pith_node *after = node->next;
    for (int i = 0; i < node->n_outputs; i++) {
        pith_value *narrow = node->outputs[i], *wide = NULL;
        if (!narrow || !is_half(dtype_of(all, narrow))) {
            continue;
        }
        PITH_TRY(add_value(all, &wide));
        wide->dtype = PITH_DTYPE_F32;
        wide->shape = narrow->shape;
        wide->has_shape = narrow->has_shape;
        wide->producer = node;
        node->outputs[i] = wide;
        all->wide[narrow->index] = wide;
        /* The rounded result, for whoever reads that: goes away where nobody does. */
        PITH_TRY(insert_cast(all, after, wide, all->dtypes[narrow->index], narrow));
    }
    all->n_widened++;
    return PITH_OK;
}

/* The dtype that an operator which isn't widened gives its result, where inference hasn't come by. A cast from a half
 * to the same half doesn't end a region: its result is its operand. */
static void see_through(widening *all, const pith_node *node)
{
    const int64_t *to = node->op && pithi_is(node, "cast") ? pithi_attr_field(node, "to", PITH_ATTR_KIND_CHOICE) : NULL;
    const bool is_like = node->op && (pithi_is(node, "cast_like") || (pithi_is(node, "dequantize_linear") &&
                                                                      !pithi_attr_int(node, "output_dtype")));
    const pith_value *result = to || is_like ? node->outputs[0] : NULL;
    const pith_dtype dtype = to ? (pith_dtype)*to : is_like ? dtype_of(all, node->inputs[1]) : PITH_DTYPE_NONE;
    if (!result) {
        return;
    }
    if (result->dtype == PITH_DTYPE_NONE) {
        all->dtypes[result->index] = dtype;
    }
    if (to && is_half(dtype) && dtype_of(all, node->inputs[0]) == dtype) {
        all->dtypes[result->index] = dtype;
        all->wide[result->index] = all->wide[node->inputs[0]->index];
    }
}

static pith_status widen_graph(widening *all)
{
    for (pith_node *node = all->graph->first, *next; node; node = next) {
        next = node->next;
        see_through(all, node);
        if (is_widened(all, node)) {
            PITH_TRY(widen(all, node));
        }
    }
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    widening all = { .graph = graph, .n_values = graph->n_values };
    void *dtypes = NULL, *wide = NULL;
    pith_status status = PITH_OK;
    bool has_halves = false;
    PITH_TRY_GOTO(pithi_alloc_array(graph->ctx, all.n_values, sizeof *all.dtypes, &dtypes), done);
    PITH_TRY_GOTO(pithi_alloc_array(graph->ctx, all.n_values, sizeof *all.wide, &wide), done);
    all.dtypes = dtypes;
    all.wide = wide;
    for (size_t i = 0; i < all.n_values; i++) {
        pith_value *value = graph->values[i];
        value->index = (int)i;
        all.dtypes[i] = value->constant ? value->constant->dtype : value->dtype;
        has_halves = has_halves || is_half(all.dtypes[i]);
    }
    if (has_halves) {
        status = widen_graph(&all);
    }
    *n_changes += all.n_widened;
done:
    pithi_free(graph->ctx, wide);
    pithi_free(graph->ctx, dtypes);
    return status;
}

const pith_pass pithi_pass_widen_halves = {
    .name = "widen_halves", .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "compute float16 and bfloat16 networks in float32; rounding only where a region ends", .run = run,
};
