/* SPDX-License-Identifier: Apache-2.0 */
/* lp_pool: (sum of |x|^p over each window)^(1/p). ONNX LpPool. */
#include "ops/shared_pool.h"
#include "ops/shared_unary.h"

static const pith_attr_spec attrs_table[] = {
    PITHI_POOL_ATTRS,
    PITH_ATTR_INT(pithi_pool_attrs, p, "p", 2),
};

static void ref(const pith_run *run)
{
    pithi_pool_ref(run, PITHI_POOL_LP);
}

static void run_part(const pith_run *run, const pith_part *part) { pithi_pool_ref_part(run, part, PITHI_POOL_LP); }

static pith_status infer(pith_infer *infer)
{
    const pithi_pool_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->p >= 1, PITH_STATUS_FORMAT, "attribute 'p' is %lld; it must be at least 1",
               (long long)attrs->p);
    return pithi_pool_infer(infer);
}

/* Opset 1 wrote p as a float. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_source_attr *p = pithi_source_attr(source, "p");
    PITH_CHECK(ctx, !p || p->f == 1.0f || p->f == 2.0f || p->f == 3.0f, PITH_STATUS_UNSUPPORTED,
               "p = %g of opset 1 is not supported",
               p ? (double)p->f : 0.0);
    ((pithi_pool_attrs *)attrs)->p = p ? (int64_t)p->f : 2;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "LpPool", 1, map_1 },
    { "onnx", "", "LpPool", 2, NULL },
};
static const char *const samples[] = {
    "f32[1,3,9,8] | kernel_shape=[2,2] strides=[2,2]", "f32[2,2,7] | kernel_shape=[3] pads=[1,1] p=3 dilations=[2]",
    "f32[2,3,7,5] | kernel_shape=[1,4] strides=[1,3] dilations=[2,2] ceil_mode=1 p=1",
    "f32[2,4,4,3] | kernel_shape=[2,2] p=1 channels_last=1",
    "f16[1,2,5,5] | kernel_shape=[2,2] auto_pad=SAME_UPPER ceil_mode=1"
};

const pith_op pith_op_lp_pool = {
    .head = { "lp_pool", 1, PITH_ATTRS(attrs_table, pithi_pool_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run_part,
    .cost = pithi_pool_cost,
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = pithi_pool_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
