/* SPDX-License-Identifier: Apache-2.0 */
/* global_lp_pool: (sum of |x|^p over all spatial positions of each channel)^(1/p). ONNX GlobalLpPool. */
#include <math.h>

#include "ops/shared_global_pool.h"

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_OWN_INT(pithi_global_pool_attrs, channels_last, "channels_last", 0),
    PITH_ATTR_INT(pithi_global_pool_attrs, p, "p", 2),
};

static void ref(const pith_run *run)
{
    const pithi_global_pool_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    const int64_t n_results = pith_shape_elements(&run->outputs[0].shape);
    const int64_t n_channels = x->shape.dims[attrs->channels_last ? x->shape.rank - 1 : 1];
    const int64_t n_points = n_results > 0 ? pith_shape_elements(&x->shape) / n_results : 0;
    for (int64_t i = 0; i < n_results; i++) {
        double sum = 0.0;
        for (int64_t k = 0; k < n_points; k++) {
            const int64_t at = attrs->channels_last ? (i / n_channels * n_points + k) * n_channels + i % n_channels
                                                    : i * n_points + k;
            sum += pow(fabs(pithi_tensor_get_f64(x, at)), (double)attrs->p);
        }
        pithi_tensor_set_f64(&run->outputs[0], i, pow(sum, 1.0 / (double)attrs->p));
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    const pithi_global_pool_attrs *attrs = prepare->attrs;
    if (attrs->p > 2) {
        return PITH_OK;
    }
    return pithi_global_pool_prepare(prepare, attrs->p == 1 ? PITHI_REDUCE_L1 : PITHI_REDUCE_L2);
}

static pith_status infer(pith_infer *infer)
{
    const pithi_global_pool_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->p >= 1, PITH_STATUS_FORMAT, "attribute 'p' is %lld; it must be at least 1",
               (long long)attrs->p);
    return pithi_global_pool_infer(infer);
}

/* Opset 1 wrote p as a float. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_source_attr *p = pithi_source_attr(source, "p");
    PITH_CHECK(ctx, !p || p->f == 1.0f || p->f == 2.0f || p->f == 3.0f, PITH_STATUS_UNSUPPORTED,
               "p = %g of opset 1 is not supported",
               p ? (double)p->f : 0.0);
    ((pithi_global_pool_attrs *)attrs)->p = p ? (int64_t)p->f : 2;
    return PITH_OK;
}

static const pith_spelling spellings[] = {
    { "onnx", "", "GlobalLpPool", 1, map_1 },
    { "onnx", "", "GlobalLpPool", 2, NULL },
};
static const char *const samples[] = {
    "f32[2,3,5,7]", "f32[2,5,7,37] | channels_last=1", "f32[1,4,9] | p=1", "f32[1,4,9] | p=3", "f16[2,3,2,2]",
    "f32[0,3,4,4]"
};

const pith_op pith_op_global_lp_pool = {
    .head = { "global_lp_pool", 1, PITH_ATTRS(attrs_table, pithi_global_pool_attrs) },
    .inputs = pithi_global_pool_x, .n_inputs = 1,
    .outputs = pithi_global_pool_y, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = pithi_reduce_run,
    .cost = pithi_reduce_cost,
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = pithi_global_pool_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
