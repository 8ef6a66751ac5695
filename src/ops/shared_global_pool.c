/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_global_pool.h"

const pith_attr_spec pithi_global_pool_attrs_table[1] = {
    PITH_ATTR_OWN_INT(pithi_global_pool_attrs, channels_last, "channels_last", 0),
};
const pith_operand_spec pithi_global_pool_x[1] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
const pith_operand_spec pithi_global_pool_y[1] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };

static uint32_t spatial_mask(const pith_shape *x, const void *attrs)
{
    const pithi_global_pool_attrs *a = attrs;
    const uint32_t batch = 1u, channels = a->channels_last ? 1u << (x->rank - 1) : 2u;
    return ((1u << x->rank) - 1u) & ~(batch | channels);
}

pith_status pithi_global_pool_infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape;
    PITH_CHECK(infer->ctx, x->rank >= 2, PITH_STATUS_SHAPE, "pooling needs an input of rank 2 or more, not %d",
               x->rank);
    const uint32_t mask = spatial_mask(x, infer->attrs);
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = *x;
    for (int i = 0; i < x->rank; i++) {
        infer->outputs[0].shape.dims[i] = mask >> i & 1u ? 1 : x->dims[i];
    }
    return PITH_OK;
}

void pithi_global_pool_ref(const pith_run *run, pithi_reduce_kind kind)
{
    const pith_tensor *x = &run->inputs[0];
    pithi_reduce_ref_mask(x, spatial_mask(&x->shape, run->attrs), kind, &run->outputs[0]);
}

pith_status pithi_global_pool_prepare(pith_prepare *prepare, pithi_reduce_kind kind)
{
    return pithi_reduce_prepare_mask(prepare, spatial_mask(&prepare->inputs[0].shape, prepare->attrs), kind);
}

bool pithi_global_pool_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    ((pithi_global_pool_attrs *)node->attrs)->channels_last = 1;
    return true;
}
