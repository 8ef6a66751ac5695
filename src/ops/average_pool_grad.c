/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool_grad: the gradient of an average pooling's input from that of its result. Made by Gradient. */
#include "ops/shared_pool.h"

static const pith_attr_spec table[] = {
    PITHI_POOL_ATTRS,
    PITH_ATTR_INT(pithi_pool_attrs, count_include_pad, "count_include_pad", 0),
};

enum { DY, X };

static size_t ref_bytes(const pith_run *run)
{
    return (size_t)pith_shape_elements(&run->inputs[X].shape) * sizeof(double);
}

/* Element of a channel that tap `tap` of window `out` reads, -1: padding, -2: beyond it. */
static int64_t locate(const pithi_pool_geometry *g, int64_t out, int64_t tap)
{
    int64_t at = 0, stride = 1;
    bool is_inside = true;
    for (int d = g->n_spatial - 1; d >= 0; d--) {
        const int64_t i = out % g->out[d] * g->strides[d] - g->pad_begin[d] + tap % g->kernel[d] * g->dilations[d];
        if (i >= g->in[d] + g->pad_end[d]) {
            return -2;
        }
        is_inside = is_inside && i >= 0 && i < g->in[d];
        at += i * stride;
        stride *= g->in[d];
        out /= g->out[d];
        tap /= g->kernel[d];
    }
    return is_inside ? at : -1;
}

static void ref(const pith_run *run)
{
    const pithi_pool_attrs *attrs = run->attrs;
    pithi_pool_geometry g;
    double *dx = run->shared;
    pithi_pool_geometry_of(attrs, &run->inputs[X].shape, &g);
    memset(dx, 0, ref_bytes(run));
    for (int64_t i = 0; i < g.n_batch * g.n_channels * g.n_out; i++) {
        int64_t count = 0;
        for (int64_t tap = 0; tap < g.n_taps; tap++) {
            count += locate(&g, i % g.n_out, tap) >= (attrs->count_include_pad ? -1 : 0);
        }
        for (int64_t tap = 0; tap < g.n_taps; tap++) {
            const int64_t at = locate(&g, i % g.n_out, tap);
            if (at >= 0) {
                dx[i / g.n_out * g.n_in + at] += pithi_tensor_get_f64(&run->inputs[DY], i) / (double)count;
            }
        }
    }
    for (int64_t i = 0; i < pith_shape_elements(&run->inputs[X].shape); i++) {
        pithi_tensor_set_f64(&run->outputs[0], i, dx[i]);
    }
}

static pith_status infer(pith_infer *infer)
{
    pith_tensor y = { 0 };
    pith_infer pool = { .ctx = infer->ctx, .node = infer->node, .attrs = infer->attrs, .inputs = &infer->inputs[X],
                        .n_inputs = 1, .outputs = &y, .n_outputs = 1 };
    PITH_TRY(pithi_pool_infer(&pool));
    PITH_CHECK(infer->ctx, pith_shape_equal(&y.shape, &infer->inputs[DY].shape), PITH_STATUS_SHAPE,
               "the gradient hasn't the shape of the pooling's result");
    infer->outputs[0].dtype = infer->inputs[X].dtype;
    infer->outputs[0].shape = infer->inputs[X].shape;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "dy", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "dx", PITH_DTYPES_FLOAT, PITH_ONE } };
static const char *const samples[] = {
    "f32[1,2,2,2] f32[1,2,4,4] | kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]",
    "f64[2,1,4] f64[2,1,5] | kernel_shape=[2]",
    "f32[1,1,2,2] f32[1,1,4,4] | kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] count_include_pad=1" };

const pith_op pith_op_average_pool_grad = {
    .head = { "average_pool_grad", 1, PITH_ATTRS(table, pithi_pool_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
