/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_softmax.h"

#include <math.h>

#include "ops/shared_reduce.h"

const pith_attr_spec pithi_softmax_attrs_table[2] = {
    PITH_ATTR_INT(pithi_softmax_attrs, axis, "axis", -1),
    PITH_ATTR_INT(pithi_softmax_attrs, flatten, "flatten", 0),
};

pithi_softmax_extent pithi_softmax_extent_of(const pith_shape *x, const pithi_softmax_attrs *attrs)
{
    pithi_softmax_extent extent = { 1, 1, 1 };
    const int64_t axis = attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis;
    for (int i = 0; i < x->rank; i++) {
        if (i < axis) {
            extent.n_outer *= x->dims[i];
        } else if (i == axis || attrs->flatten) {
            extent.n_axis *= x->dims[i];
        } else {
            extent.n_inner *= x->dims[i];
        }
    }
    return extent;
}

pith_status pithi_softmax_infer(pith_infer *infer)
{
    const pithi_softmax_attrs *attrs = infer->attrs;
    const int rank = infer->inputs[0].shape.rank;
    int axis = 0;
    if (!(attrs->flatten && attrs->axis == rank)) { /* flattening may leave one element per group */
        PITH_TRY(pithi_infer_axis(infer, attrs->axis, rank, &axis));
    }
    return pithi_infer_same(infer);
}

void pithi_softmax_cost(const pith_infer *infer, pith_cost *cost)
{
    cost->flops = 4 * (uint64_t)pith_shape_elements(&infer->inputs[0].shape); /* max, exp, sum, scale */
}

/* ---- reference ---------------------------------------------------------------------------- */

static void one_group(const pith_tensor *x, pith_tensor *y, int64_t base, const pithi_softmax_extent *extent,
                      pithi_softmax_kind kind)
{
    double shift = -INFINITY, sum = 0.0;
    int64_t first_max = 0;
    for (int64_t k = 0; k < extent->n_axis; k++) {
        double value = pithi_tensor_get_f64(x, base + k * extent->n_inner);
        first_max = value > shift ? k : first_max;
        shift = value > shift || isnan(value) ? value : shift;
    }
    for (int64_t k = 0; k < extent->n_axis; k++) {
        sum += exp(pithi_tensor_get_f64(x, base + k * extent->n_inner) - shift);
    }
    for (int64_t k = 0; k < extent->n_axis; k++) {
        const int64_t at = base + k * extent->n_inner;
        const double value = pithi_tensor_get_f64(x, at) - shift;
        pithi_tensor_set_f64(y, at, kind == PITHI_HARDMAX       ? (k == first_max ? 1.0 : 0.0)
                                    : kind == PITHI_LOG_SOFTMAX ? value - log(sum)
                                                                : exp(value) / sum);
    }
}

void pithi_softmax_ref(const pith_run *run, pithi_softmax_kind kind)
{
    const pith_tensor *x = &run->inputs[0];
    const pithi_softmax_extent extent = pithi_softmax_extent_of(&x->shape, run->attrs);
    for (int64_t outer = 0; outer < extent.n_outer; outer++) {
        for (int64_t inner = 0; inner < extent.n_inner; inner++) {
            one_group(x, &run->outputs[0], outer * extent.n_axis * extent.n_inner + inner, &extent, kind);
        }
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

pith_status pithi_softmax_prepare(pith_prepare *prepare, pithi_softmax_kind kind)
{
    (void)prepare;
    (void)kind;
    return PITH_OK;
}

void pithi_softmax_run(const pith_run *run, const pith_part *part)
{
    (void)run;
    (void)part;
}

/* ---- layout and spellings ----------------------------------------------------------------- */

bool pithi_softmax_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    pithi_softmax_attrs *attrs = node->attrs;
    const int rank = node->inputs[0]->shape.rank;
    const int64_t axis = attrs->axis < 0 ? attrs->axis + rank : attrs->axis;
    if (attrs->flatten) {
        return axis <= 1; /* the group then has all channels and positions, in any order */
    }
    attrs->axis = pithi_channels_last_axis(axis, rank);
    return true;
}

pith_status pithi_map_softmax_flatten(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    (void)source;
    pithi_softmax_attrs *a = attrs;
    a->axis = 1;
    a->flatten = 1;
    return PITH_OK;
}
