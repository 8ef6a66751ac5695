/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamically quantised products that would take longer in integers than in floats become float ones: quantising x
 * takes a look at all of it and a pass over it, which few channels of results don't win back (depthwise convolutions
 * have one), and sums of few terms take less time than making floats of them. The weights are those of the file; x
 * isn't rounded, so results are nearer to those of the float network. */
#include "ops/shared_conv.h"
#include "ops/shared_copy.h"
#include "passes/fuse_dynamic.h"

#define LEAST_PRODUCTS 48 /* multiply-adds for each element of x that are worth quantising it */
#define LEAST_TERMS    32 /* of a sum */

static bool is_worth(const pithi_dynamic *d)
{
    const pith_shape *w = &d->sums->inputs[1]->constant->shape;
    int64_t n = d->n_channels, n_terms = w->dims[0];
    if (d->is_conv) {
        const pithi_conv_attrs *attrs = d->sums->attrs;
        n_terms = pithi_dims_product(w, 1, w->rank);
        n = n / pithi_max_s64(attrs->group, 1) * pithi_dims_product(w, 2, w->rank);
        for (int i = 0; i < attrs->strides.n_items; i++) {
            n /= pithi_max_s64(attrs->strides.items[i], 1);
        }
    }
    return n >= LEAST_PRODUCTS && n_terms >= LEAST_TERMS;
}

/* Channels lie along the first axis of a convolution's weights, the last of a matrix. */
static void fill(const pithi_dynamic *d, const pith_tensor *zero, pith_tensor *to)
{
    const pith_tensor *w = d->sums->inputs[1]->constant, *factor = d->factor->constant;
    const int64_t n = pith_shape_elements(&w->shape), inner = d->is_conv ? n / pithi_max_s64(d->n_channels, 1) : 1;
    const bool has_zeros = zero && pith_shape_elements(&zero->shape) > 1;
    const bool has_factors = pith_shape_elements(&factor->shape) > 1;
    for (int64_t i = 0; i < n; i++) {
        const int64_t channel = i / inner % d->n_channels;
        const int64_t offset = zero ? pithi_tensor_get_s64(zero, has_zeros ? channel : 0) : 0;
        ((float *)to->data)[i] = (float)(pithi_tensor_get_s64(w, i) - offset) *
                                 ((const float *)factor->data)[has_factors ? channel : 0];
    }
}

static pith_status widen(pith_graph *graph, pith_node *mul, bool *changed)
{
    pithi_dynamic d;
    if (!pithi_dynamic_of(mul, &d) || is_worth(&d)) {
        return PITH_OK;
    }
    /* (q - zero) scale is x for the zero point that x was quantised with alone. */
    const pith_value *x_zero = pithi_node_input(d.sums, 2);
    if (!x_zero || x_zero != d.sums->inputs[0]->producer->outputs[2]) {
        return PITH_OK;
    }
    const pith_value *zero = pithi_node_input(d.sums, 3);
    const pith_shape *w = &d.sums->inputs[1]->constant->shape;
    const int64_t n_zeros = zero && zero->constant ? pith_shape_elements(&zero->constant->shape) : 0;
    if (zero && n_zeros != 1 && n_zeros != d.n_channels) {
        return PITH_OK;
    }
    pith_tensor weights;
    pith_value *inputs[] = { d.x, NULL };
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, w, &weights, &inputs[1]));
    fill(&d, zero ? zero->constant : NULL, &weights);
    PITH_TRY(pithi_become(graph, mul, d.is_conv ? "conv" : "matmul", inputs, 2));
    if (d.is_conv) {
        *(pithi_conv_attrs *)mul->attrs = *(const pithi_conv_attrs *)d.sums->attrs;
    }
    *changed = true;
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        bool changed = false;
        PITH_TRY_AT(graph->ctx, widen(graph, node, &changed), "node '%s'", node->name);
        *n_changes += changed;
    }
    return PITH_OK;
}

const pith_pass pithi_pass_widen_dynamic = {
    "widen_dynamic",
    PITH_STAGE_MODEL,
    "computes in floats what quantising while running would make slower",
    run,
};
