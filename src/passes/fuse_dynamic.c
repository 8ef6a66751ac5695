/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic quantisation, as ONNX Runtime's quantize_dynamic and `pith quantize --dynamic` write it:
 *
 *   q, s, z = DynamicQuantizeLinear(x);  y = Cast(MatMulInteger(q, w, z)) * (s * s_w) [+ bias]
 *
 * Sums become floats where they are made: matmul_integer with factors. No bit changes. */
#include "passes/rewrite.h"

static bool is_f32_list(const pith_value *value, int64_t n)
{
    const pith_tensor *list = value ? value->constant : NULL;
    return list && list->dtype == PITH_DTYPE_F32 && list->shape.rank <= 1 &&
           (pith_shape_elements(&list->shape) == 1 || pith_shape_elements(&list->shape) == n);
}

/* One element, made in the run: the scale of a whole tensor. */
static bool is_scale_of(const pith_value *value, const pith_node *sums)
{
    const pith_node *quantize = sums->inputs[0]->producer;
    return pithi_is(quantize, "dynamic_quantize_linear") && quantize->n_outputs > 1 && value &&
           value == quantize->outputs[1];
}

/* `node` multiplies the sums by s * s_w. */
static pith_status fuse(pith_graph *graph, pith_node *node, int operand, bool *changed)
{
    const pith_node *cast = pithi_sole_producer(node->inputs[operand], "cast");
    const bool is_cast = cast && pithi_is_cast_to_f32(cast);
    pith_node *sums = is_cast ? pithi_sole_producer(cast->inputs[0], "matmul_integer") : NULL;
    const pith_node *factors = node->inputs[1 - operand] ? node->inputs[1 - operand]->producer : NULL;
    const pith_tensor *w = sums ? pithi_constant_input(sums, 1) : NULL;
    if (!w || w->shape.rank != 2 || sums->n_inputs > 4 || !pithi_is(factors, "mul") || factors->n_inputs != 2 ||
        !pithi_has_no_activation(factors) || !pithi_has_no_activation(node)) {
        return PITH_OK;
    }
    for (int i = 0; i < 2 && !*changed; i++) {
        if (is_scale_of(factors->inputs[i], sums) && is_f32_list(factors->inputs[1 - i], w->shape.dims[1])) {
            pith_value *inputs[] = { sums->inputs[0], sums->inputs[1], pithi_node_input(sums, 2),
                                     pithi_node_input(sums, 3), factors->inputs[i], factors->inputs[1 - i] };
            PITH_TRY(pithi_become(graph, node, "matmul_integer", inputs, PITH_COUNT(inputs)));
            *changed = true;
        }
    }
    return PITH_OK;
}

/* A row added to such a product goes into it. */
static pith_status fuse_offset(pith_graph *graph, pith_node *add, int operand, bool *changed)
{
    const pith_node *product = pithi_sole_producer(add->inputs[operand], "matmul_integer");
    const pith_tensor *w = product ? pithi_constant_input(product, 1) : NULL;
    pith_value *row = add->inputs[1 - operand];
    if (!w || product->n_inputs != 6 || !pithi_has_no_activation(add) || !row || !row->constant ||
        row->constant->shape.rank != 1 || row->constant->shape.dims[0] != w->shape.dims[1] ||
        !is_f32_list(row, w->shape.dims[1])) {
        return PITH_OK;
    }
    pith_value *inputs[7] = { NULL };
    memcpy(inputs, product->inputs, 6 * sizeof *inputs);
    inputs[6] = row;
    *changed = true;
    return pithi_become(graph, add, "matmul_integer", inputs, PITH_COUNT(inputs));
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        bool changed = false;
        for (int i = 0; i < 2 && node->n_inputs == 2 && !changed; i++) {
            if (pithi_is(node, "mul")) {
                PITH_TRY(fuse(graph, node, i, &changed));
            } else if (pithi_is(node, "add")) {
                PITH_TRY(fuse_offset(graph, node, i, &changed));
            }
        }
        *n_changes += changed; /* uses aren't counted anew: dead nodes still count, which only keeps more apart */
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_dynamic = {
    "fuse_dynamic",
    PITH_STAGE_MODEL,
    "makes floats of the sums of dynamically quantised products where they are made",
    run,
};
