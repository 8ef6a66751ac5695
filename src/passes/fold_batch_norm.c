/* SPDX-License-Identifier: Apache-2.0 */
/* A batch normalisation, or a product with constants per channel, behind a linear operator goes into its weights
 * and bias: f (W x + b) + o = (f W) x + (f b + o). Computed in double, rounded once. */
#include <math.h>

#include "passes/linear.h"

/* ---- batch normalisation ------------------------------------------------------------------------ */

enum { NORM_SCALE = 1, NORM_BIAS, NORM_MEAN, NORM_VARIANCE };

static bool is_inference_norm(const pith_node *node, const pithi_linear *linear)
{
    bool fits = node->n_inputs == 5 && pithi_attr_int(node, "training_mode") == 0;
    for (int i = 1; i < node->n_outputs; i++) {
        fits &= node->outputs[i] == NULL;
    }
    int from_end = pithi_attr_int(node, "channels_last") ? 0 : linear->rank - 2;
    fits &= linear->rank >= 2 && from_end == linear->channel_from_end;
    for (int i = NORM_SCALE; i <= NORM_VARIANCE && fits; i++) {
        const pith_tensor *constant = pithi_constant_input(node, i);
        fits = constant && constant->dtype == PITH_DTYPE_F32 && constant->shape.rank == 1 &&
               constant->shape.dims[0] == linear->n_channels;
    }
    return fits;
}

/* (x - mean) scale / sqrt(variance + epsilon) + bias */
static void read_norm(const pith_node *node, int64_t n_channels, double *factors, double *offsets)
{
    double epsilon = (double)pithi_attr_float(node, "epsilon");
    const pith_tensor *scale = pithi_constant_input(node, NORM_SCALE), *bias = pithi_constant_input(node, NORM_BIAS);
    const pith_tensor *mean = pithi_constant_input(node, NORM_MEAN);
    const pith_tensor *variance = pithi_constant_input(node, NORM_VARIANCE);
    for (int64_t i = 0; i < n_channels; i++) {
        factors[i] = pithi_tensor_get_f64(scale, i) / sqrt(pithi_tensor_get_f64(variance, i) + epsilon);
        offsets[i] = pithi_tensor_get_f64(bias, i) - pithi_tensor_get_f64(mean, i) * factors[i];
    }
}

/* ---- products with constants -------------------------------------------------------------------- */

static bool is_channel_product(const pith_node *node, int operand, const pithi_linear *linear)
{
    bool is_division = pithi_is(node, "div");
    if ((!is_division && !pithi_is(node, "mul")) || (is_division && operand != 0) || node->n_inputs != 2) {
        return false;
    }
    return pithi_linear_is_channel_constant(linear, pithi_constant_input(node, 1 - operand));
}

static void read_product(const pith_node *node, int operand, int64_t n_channels, double *factors, double *offsets)
{
    const pith_tensor *constant = pithi_constant_input(node, 1 - operand);
    for (int64_t i = 0; i < n_channels; i++) {
        double item = pithi_channel_item(constant, i);
        factors[i] = pithi_is(node, "div") ? 1.0 / item : item;
        offsets[i] = 0.0;
    }
}

static bool all_finite(const double *numbers, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(numbers[i])) {
            return false;
        }
    }
    return true;
}

/* The activation of a folded product moves to the linear operator. */
static void absorb(pith_graph *graph, const pithi_linear *linear, pith_node *node)
{
    const pith_activation *from = pithi_activation_of(node);
    pith_activation *to = pithi_activation_of(linear->node);
    if (from && to) {
        *to = *from;
    }
    pithi_absorb(graph, linear->node, node);
}

static bool is_norm(const pith_node *node)
{
    return pithi_is(node, "batch_normalization");
}

static pith_status fold(pith_graph *graph, pith_node *node, int operand, const pithi_linear *linear, int *n_changes)
{
    void *block = NULL;
    int64_t n = linear->n_channels;
    PITH_TRY(pithi_alloc_array(graph->ctx, (size_t)n * 2 + 1, sizeof(double), &block));
    double *factors = block, *offsets = factors + n;
    if (is_norm(node)) {
        read_norm(node, n, factors, offsets);
    } else {
        read_product(node, operand, n, factors, offsets);
    }
    pith_status status = PITH_OK;
    if (all_finite(factors, n) && all_finite(offsets, n)) {
        status = pithi_linear_scale(graph, linear, factors, offsets);
        if (status == PITH_OK) {
            absorb(graph, linear, node);
            ++*n_changes;
        }
    }
    pithi_free(graph->ctx, block);
    return status;
}

/* A factor for all channels of a product of two unknowns (the scale of an attention) is an attribute. */
static pith_status fold_into_alpha(pith_graph *graph, pith_node *node, int operand, const pithi_linear *linear,
                                   int *n_changes)
{
    double element = 0.0;
    if (!linear->is_product || is_norm(node) || !pithi_is_uniform(pithi_constant_input(node, 1 - operand), &element)) {
        return PITH_OK;
    }
    double factor = pithi_is(node, "div") ? 1.0 / element : element;
    if (isfinite(factor)) {
        PITH_TRY(pithi_linear_scale_all(graph->ctx, linear, factor));
        absorb(graph, linear, node);
        ++*n_changes;
    }
    return PITH_OK;
}

static pith_status visit(pith_graph *graph, pith_node *node, int operand, int *n_changes)
{
    pithi_linear linear;
    if (!pithi_linear_behind(node->inputs[operand], &linear)) {
        return PITH_OK;
    }
    bool fits = is_norm(node) ? is_inference_norm(node, &linear) : is_channel_product(node, operand, &linear);
    if (!fits) {
        return PITH_OK;
    }
    return pithi_linear_takes_factor(&linear) ? fold(graph, node, operand, &linear, n_changes)
                                              : fold_into_alpha(graph, node, operand, &linear, n_changes);
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        int n_before = *n_changes;
        bool is_product = pithi_is(node, "mul") || pithi_is(node, "div");
        int n_operands = !pithi_node_result(node) ? 0 : is_norm(node) ? 1 : is_product ? 2 : 0;
        for (int i = 0; i < n_operands && i < node->n_inputs && *n_changes == n_before; i++) {
            PITH_TRY(visit(graph, node, i, n_changes));
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fold_batch_norm = {
    .name = "fold_batch_norm",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "folds factors per channel into the weights before them",
    .run = run,
};
