/* SPDX-License-Identifier: Apache-2.0 */
/* conv_grad: the gradients of a convolution's input and weights from that of its result. Made by Gradient. */
#include "ops/sample.h"
#include "ops/shared_conv.h"
#include "ops/shared_unary.h"

static const pith_attr_spec table[] = { PITHI_CONV_ATTRS };

enum { DY, X, W };

static size_t ref_bytes(const pith_run *run)
{
    return (size_t)(pith_shape_elements(&run->inputs[X].shape) + pith_shape_elements(&run->inputs[W].shape)) *
           sizeof(double);
}

/* What one element of dy at [image, m, o] adds: for each tap, to dx by w and to dw by x. */
static void add_taps(const pith_run *run, const pithi_conv_geometry *g, const int64_t place[2], const int64_t o[3],
                     double dy)
{
    double *dx = run->shared, *dw = dx + pith_shape_elements(&run->inputs[X].shape);
    const int64_t n_in = g->in_channels / g->group, n_taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    const int64_t first = place[1] / (g->out_channels / g->group) * n_in;
    for (int64_t t = 0; t < n_in * n_taps; t++) {
        const int64_t c = t / n_taps, tap = t % n_taps;
        const int64_t k[3] = { tap / (g->kernel[1] * g->kernel[2]), tap / g->kernel[2] % g->kernel[1],
                               tap % g->kernel[2] };
        int64_t at = place[0] * g->in_channels + first + c;
        bool is_inside = true;
        for (int d = 0; d < 3; d++) {
            const int64_t i = o[d] * g->stride[d] - g->pad[d] + k[d] * g->dilation[d];
            is_inside = is_inside && i >= 0 && i < g->in[d];
            at = at * g->in[d] + i;
        }
        if (is_inside) {
            const int64_t weight = place[1] * n_in * n_taps + t;
            dx[at] += dy * pithi_tensor_get_f64(&run->inputs[W], weight);
            dw[weight] += dy * pithi_tensor_get_f64(&run->inputs[X], at);
        }
    }
}

static void ref(const pith_run *run)
{
    pithi_conv_geometry g;
    double *sums = run->shared;
    if (pithi_conv_geometry_of(NULL, run->attrs, &run->inputs[X].shape, &run->inputs[W].shape, false, &g) != PITH_OK) {
        return; /* infer has checked it */
    }
    memset(sums, 0, ref_bytes(run));
    const int64_t n_pixels = g.out[0] * g.out[1] * g.out[2];
    for (int64_t i = 0; i < g.batch * g.out_channels * n_pixels; i++) {
        const int64_t place[2] = { i / (g.out_channels * n_pixels), i / n_pixels % g.out_channels }, p = i % n_pixels;
        const int64_t o[3] = { p / (g.out[1] * g.out[2]), p / g.out[2] % g.out[1], p % g.out[2] };
        add_taps(run, &g, place, o, pithi_tensor_get_f64(&run->inputs[DY], i));
    }
    for (int k = 0; k < run->n_outputs; k++) {
        const int64_t count = pith_shape_elements(&run->inputs[X + k].shape);
        for (int64_t i = 0; i < count && run->outputs[k].data; i++) {
            pithi_tensor_set_f64(&run->outputs[k], i, sums[i]);
        }
        sums += count;
    }
}

static pith_status infer(pith_infer *infer)
{
    pithi_conv_geometry g;
    PITH_TRY(pithi_conv_geometry_of(infer->ctx, infer->attrs, &infer->inputs[X].shape, &infer->inputs[W].shape, false,
                                    &g));
    PITH_CHECK(infer->ctx, pith_shape_elements(&infer->inputs[DY].shape) ==
               g.batch * g.out_channels * g.out[0] * g.out[1] * g.out[2], PITH_STATUS_SHAPE,
               "the gradient hasn't the shape of the convolution's result");
    for (int k = 0; k < infer->n_outputs; k++) {
        infer->outputs[k].dtype = infer->inputs[X + k].dtype;
        infer->outputs[k].shape = infer->inputs[X + k].shape;
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "dy", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "w", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "dx", PITH_DTYPES_FLOAT, PITH_ONE },
                                             { "dw", PITH_DTYPES_FLOAT, PITH_ONE } };
static const char *const samples[] = {
    "f32[1,4,3,3] f32[1,2,5,5] f32[4,2,3,3]", "f64[2,4,3] f64[2,2,5] f64[4,1,3] | group=2 pads=[1,1] strides=[2]",
    "f32[1,1,4,4] f32[1,1,4,4] f32[1,1,3,3] | pads=[2,2,2,2] dilations=[2,2]" };

const pith_op pith_op_conv_grad = {
    .head = { "conv_grad", 1, PITH_ATTRS(table, pithi_conv_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
