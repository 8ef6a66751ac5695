/* SPDX-License-Identifier: Apache-2.0 */
#include "passes/linear.h"

static const pith_value *weights_of(const pithi_linear *linear)
{
    return linear->node->inputs[PITHI_LINEAR_WEIGHTS];
}

static const pith_tensor *bias_of(const pithi_linear *linear)
{
    return pithi_constant_input(linear->node, PITHI_LINEAR_BIAS);
}

static int64_t attr_or_zero(const pith_node *node, const char *name)
{
    const int64_t *field = pithi_attr_field(node, name, PITH_ATTR_KIND_INT);
    return field ? *field : 0;
}

static bool is_weight_transposed(const pith_node *node)
{
    return attr_or_zero(node, "transB") || attr_or_zero(node, "trans_b");
}

static bool is_plain_linear(const pith_node *node)
{
    if (!node || !node->op || node->n_inputs < 2 || !node->inputs[0] || !node->inputs[1] || node->n_outputs != 1) {
        return false;
    }
    int residual = node->op->residual_input_plus_1 - 1;
    return node->outputs[0] && pithi_has_no_activation(node) && (residual < 0 || !pithi_node_input(node, residual));
}

static bool make_conv(const pith_node *node, pithi_linear *linear)
{
    const pith_shape *w = &weights_of(linear)->shape;
    if (w->rank < 3) {
        return false;
    }
    bool is_transposed = pithi_is(node, "conv_transpose");
    linear->rank = w->rank;
    linear->channel_from_end = attr_or_zero(node, "channels_last") ? 0 : w->rank - 2;
    int64_t group = pithi_attr_int(node, "group");
    if (group < 1 || group > w->dims[0] || w->dims[0] % group != 0) {
        return false;
    }
    linear->n_channels = is_transposed ? w->dims[1] * group : w->dims[0];
    return true;
}

static bool make_product(const pith_node *node, pithi_linear *linear)
{
    const pith_shape *b = &weights_of(linear)->shape;
    if (b->rank < 2) {
        return false;
    }
    linear->is_product = true;
    linear->rank = pithi_is(node, "gemm") ? 2 : node->outputs[0]->has_shape ? node->outputs[0]->shape.rank : -1;
    linear->n_channels = b->dims[b->rank - (is_weight_transposed(node) ? 2 : 1)];
    return true;
}

bool pithi_linear_behind(const pith_value *value, pithi_linear *linear_out)
{
    pith_node *node = value && value->n_uses == 1 ? value->producer : NULL;
    pithi_linear linear = { .node = node };
    if (!is_plain_linear(node) || !pithi_value_has_dims(weights_of(&linear))) {
        return false;
    }
    if (pithi_is(node, "matmul_nbits")) {
        const char *form = pithi_attr_choice(node, "form");
        const int64_t *dims = weights_of(&linear)->shape.dims;
        linear.rank = node->outputs[0]->has_shape ? node->outputs[0]->shape.rank : -1;
        linear.n_channels = pithi_same_text(form, "bytes") ? pithi_attr_int(node, "N") : dims[form[0] == 'k'];
        *linear_out = linear;
        return true;
    }
    if (weights_of(&linear)->dtype != PITH_DTYPE_F32) {
        return false;
    }
    bool is_conv = pithi_is(node, "conv") || pithi_is(node, "conv_transpose");
    bool is_product = pithi_is(node, "gemm") || pithi_is(node, "matmul");
    *linear_out = linear;
    return is_conv ? make_conv(node, linear_out) : is_product ? make_product(node, linear_out) : false;
}

bool pithi_linear_is_channel_constant(const pithi_linear *linear, const pith_tensor *constant)
{
    if (!constant || constant->dtype != PITH_DTYPE_F32) {
        return false;
    }
    const pith_shape *shape = &constant->shape;
    int rank = linear->rank >= 0 ? linear->rank : 1; /* a product with unknown operands has at least that */
    for (int i = 0; i < shape->rank; i++) {
        bool is_channel = shape->rank - 1 - i == linear->channel_from_end;
        if (shape->dims[i] != 1 && !(is_channel && shape->dims[i] == linear->n_channels)) {
            return false;
        }
    }
    return shape->rank <= rank;
}

double pithi_channel_item(const pith_tensor *constant, int64_t channel)
{
    return pithi_tensor_get_f64(constant, pith_shape_elements(&constant->shape) == 1 ? 0 : channel);
}

bool pithi_linear_takes_offset(const pithi_linear *linear)
{
    const pith_value *bias = pithi_node_input(linear->node, PITHI_LINEAR_BIAS);
    if (!bias || linear->is_product) {
        return !bias || pithi_linear_is_channel_constant(linear, bias->constant);
    }
    return bias->constant && bias->dtype == PITH_DTYPE_F32 && bias->shape.rank == 1 &&
           bias->shape.dims[0] == linear->n_channels;
}

bool pithi_linear_takes_factor(const pithi_linear *linear)
{
    const pith_tensor *weights = weights_of(linear)->constant;
    return weights && weights->dtype == PITH_DTYPE_F32 && pithi_linear_takes_offset(linear) &&
           (!linear->is_product || weights->shape.rank == 2);
}

/* ---- rewriting ---------------------------------------------------------------------------------- */

#define SCALED_IN_PLACE_BYTES 4096 /* smaller constants aren't worth asking who else reads them */

/* Weights as [n_outer][n_channels][n_inner] where channels are those of the output, of one group each. */
typedef struct weight_order {
    int64_t n_outer, n_channels, n_inner;
    int64_t outer_per_group; /* groups lie along `outer` */
} weight_order;

static weight_order order_of(const pithi_linear *linear, const pith_shape *w)
{
    int64_t n_taps = 1;
    for (int i = 2; i < w->rank; i++) {
        n_taps *= w->dims[i];
    }
    if (linear->is_product && !is_weight_transposed(linear->node)) {
        return (weight_order){ w->dims[0], w->dims[1], 1, w->dims[0] };
    }
    if (!pithi_is(linear->node, "conv_transpose")) {
        return (weight_order){ 1, w->dims[0], w->dims[1] * n_taps, 1 };
    }
    return (weight_order){ w->dims[0], w->dims[1], n_taps, w->dims[0] / pithi_attr_int(linear->node, "group") };
}

/* In place if they are a copy that nobody else reads, so that they don't take memory twice. */
static pith_status scale_weights(pith_graph *graph, const pithi_linear *linear, const double *factors)
{
    const pith_value *old_value = weights_of(linear);
    const pith_tensor *old = old_value->constant;
    const float *from = old->data;
    float *to = old->data;
    if (old_value->n_uses != 1 || pith_tensor_bytes(old) < SCALED_IN_PLACE_BYTES ||
        !pithi_arena_owns(&graph->arena, from) || pithi_graph_count_reads(graph, old) != 1) {
        pith_tensor fresh;
        pith_value *value = NULL;
        PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &old->shape, &fresh, &value));
        pithi_set_input(linear->node, PITHI_LINEAR_WEIGHTS, value);
        to = fresh.data;
    }
    const weight_order order = order_of(linear, &old->shape);
    for (int64_t outer = 0; outer < order.n_outer; outer++) {
        const double *of_group = factors + outer / order.outer_per_group * order.n_channels;
        for (int64_t c = 0; c < order.n_channels; c++) {
            for (int64_t i = 0; i < order.n_inner; i++) {
                *to++ = (float)((double)pithi_load_f32(from++) * of_group[c]);
            }
        }
    }
    return PITH_OK;
}

pith_status pithi_linear_scale(pith_graph *graph, const pithi_linear *linear, const double *factors,
                               const double *offsets)
{
    pith_node *node = linear->node;
    const pith_tensor *old = bias_of(linear);
    const pith_shape shape = { 1, { linear->n_channels } };
    double beta = linear->is_product ? (double)pithi_attr_float(node, "beta") : 1.0;
    pith_tensor fresh;
    pith_value *value = NULL;
    if (factors) {
        PITH_TRY(scale_weights(graph, linear, factors));
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &fresh, &value));
    for (int64_t i = 0; i < linear->n_channels; i++) {
        double bias = old ? beta * pithi_channel_item(old, i) : 0.0;
        ((float *)fresh.data)[i] = (float)(bias * (factors ? factors[i] : 1.0) + offsets[i]);
    }
    if (node->n_inputs <= PITHI_LINEAR_BIAS) {
        PITH_TRY(pithi_node_resize_inputs(graph, node, PITHI_LINEAR_BIAS + 1));
    }
    pithi_set_input(node, PITHI_LINEAR_BIAS, value);
    return linear->is_product ? pithi_attr_set_float(graph->ctx, node, "beta", 1.0f) : PITH_OK;
}

pith_status pithi_linear_scale_all(pith_ctx *ctx, const pithi_linear *linear, double factor)
{
    pith_node *node = linear->node;
    double alpha = (double)pithi_attr_float(node, "alpha"), beta = (double)pithi_attr_float(node, "beta");
    PITH_TRY(pithi_attr_set_float(ctx, node, "alpha", (float)(alpha * factor)));
    bool has_bias = pithi_node_input(node, PITHI_LINEAR_BIAS) != NULL;
    return has_bias ? pithi_attr_set_float(ctx, node, "beta", (float)(beta * factor)) : PITH_OK;
}
