/* SPDX-License-Identifier: Apache-2.0 */
/* lp_normalization: y = x / (sum of |x|^p along an axis)^(1/p), p 1 or 2; a sum of 0 gives 0. ONNX LpNormalization. */
#include <math.h>

#include "ops/shared_softmax.h"
#include "ops/shared_unary.h"

typedef struct lp_norm_attrs {
    pithi_softmax_attrs line; /* first: axis; never flattened */
    int64_t p;
} lp_norm_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_INT(lp_norm_attrs, line.axis, "axis", -1),
    PITH_ATTR_INT(lp_norm_attrs, p, "p", 2),
};

static void one_line(const pith_run *run, const pithi_softmax_extent *e, int64_t base)
{
    const lp_norm_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    double sum = 0.0;
    for (int64_t k = 0; k < e->n_axis; k++) {
        const double value = pithi_tensor_get_f64(x, base + k * e->n_inner);
        sum += attrs->p == 1 ? fabs(value) : value * value;
    }
    const double norm = attrs->p == 1 ? sum : sqrt(sum);
    for (int64_t k = 0; k < e->n_axis; k++) {
        const int64_t at = base + k * e->n_inner;
        pithi_tensor_set_f64(&run->outputs[0], at, norm == 0.0 ? 0.0 : pithi_tensor_get_f64(x, at) / norm);
    }
}

static void apply(const pith_run *run, const pith_part *part)
{
    const lp_norm_attrs *attrs = run->attrs;
    const pithi_softmax_extent e = pithi_softmax_extent_of(&run->inputs[0].shape, &attrs->line);
    int64_t begin, end;
    pithi_part_range(part, e.n_outer * e.n_inner, &begin, &end);
    for (int64_t line = begin; line < end; line++) {
        one_line(run, &e, line / e.n_inner * e.n_axis * e.n_inner + line % e.n_inner);
    }
}

static void ref(const pith_run *run)
{
    const pith_part all = { .count = 1 };
    apply(run, &all);
}

static pith_status infer(pith_infer *infer)
{
    const lp_norm_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->p == 1 || attrs->p == 2, PITH_STATUS_UNSUPPORTED,
               "attribute 'p' is %lld; ONNX knows 1 and 2",
               (long long)attrs->p);
    return pithi_softmax_infer(infer);
}

static const pith_spelling spellings[] = { { "onnx", "", "LpNormalization", 1, NULL } };
static const char *const samples[] = {
    "f32[3,37]", "f32[2,5,7] | axis=1 p=1", "f32[3]{0,0,0}", "f64[4,2] | axis=0", "f16[2,3]", "f32[0,3]"
};

const pith_op pith_op_lp_normalization = {
    .head = { "lp_normalization", 1, PITH_ATTRS(attrs_table, lp_norm_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = pithi_x_float, .n_inputs = 1,
    .outputs = pithi_y_float, .n_outputs = 1,
    .infer = infer,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = apply,
    .layout = PITH_LAYOUT_FOLLOWS, .to_channels_last = pithi_softmax_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
