/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_gemm: y = saturate(round((op(a) op(b) + c) alpha a_scale b_scale / y_scale) + y_zero) of
 * quantised matrices, c in s32 with scale alpha a_scale b_scale; scale and zero point of b for all
 * or each column. Without y_scale y is float32, (op(a) op(b) + c) alpha a_scale b_scale.
 * com.microsoft QGemm. */
#include "ops/sample.h"
#include "ops/shared_broadcast.h"
#include "ops/shared_index.h"
#include "ops/shared_int_product.h"
#include "ops/shared_s16.h"

typedef struct qlinear_gemm_attrs {
    float alpha;
    int64_t trans_a, trans_b;
    pithi_limits limits;
} qlinear_gemm_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_FLOAT(qlinear_gemm_attrs, alpha, "alpha", 1),
    PITH_ATTR_INT(qlinear_gemm_attrs, trans_a, "transA", 0),
    PITH_ATTR_INT(qlinear_gemm_attrs, trans_b, "transB", 0),
    PITHI_LIMITS_ATTRS(qlinear_gemm_attrs, limits),
};

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, C, Y_SCALE, Y_ZERO };

static int64_t item(const pith_tensor *list, int64_t index)
{
    return pith_shape_elements(&list->shape) == 1 ? 0 : index;
}

/* alpha a_scale b_scale / y_scale of a column of b, rounded to float32 after each step. */
static float scale_of(const pith_tensor *inputs, int n_inputs, float alpha, int64_t column)
{
    float scale = alpha * ((const float *)inputs[A_SCALE].data)[0];
    scale *= ((const float *)inputs[B_SCALE].data)[item(&inputs[B_SCALE], column)];
    return pithi_has_operand(inputs, n_inputs, Y_SCALE)
               ? scale / ((const float *)inputs[Y_SCALE].data)[0]
               : scale;
}

static void ref(const pith_run *run)
{
    const qlinear_gemm_attrs *attrs = run->attrs;
    const pith_tensor *a = &run->inputs[A], *b = &run->inputs[B], *c = &run->inputs[C];
    pith_tensor *y = &run->outputs[0];
    int64_t n_k = a->shape.dims[attrs->trans_a ? 0 : 1], n = y->shape.dims[1], m = y->shape.dims[0];
    int64_t a_zero = pithi_tensor_get_s64(&run->inputs[A_ZERO], 0);
    bool has_c = pithi_has_operand(run->inputs, run->n_inputs, C);
    int64_t y_zero = pithi_has_operand(run->inputs, run->n_inputs, Y_ZERO)
                         ? pithi_tensor_get_s64(&run->inputs[Y_ZERO], 0)
                         : 0;
    for (int64_t i = 0; i < m * n; i++) {
        int64_t row = i / n, column = i % n, sum = 0;
        int64_t b_zero =
            pithi_tensor_get_s64(&run->inputs[B_ZERO], item(&run->inputs[B_ZERO], column));
        for (int64_t k = 0; k < n_k; k++) {
            int64_t left = pithi_tensor_get_s64(a, attrs->trans_a ? k * m + row : row * n_k + k);
            int64_t right =
                pithi_tensor_get_s64(b, attrs->trans_b ? column * n_k + k : k * n + column);
            sum += (left - a_zero) * (right - b_zero);
        }
        sum += has_c ? pithi_tensor_get_s64(c, pithi_broadcast_offset(&c->shape, &y->shape, i)) : 0;
        sum = pithi_is_16bit(a->dtype) ? sum : (int32_t)(uint32_t)(uint64_t)sum;
        float value = (float)sum *
                      scale_of(run->inputs, run->n_inputs, attrs->alpha, column);
        if (y->dtype == PITH_DTYPE_F32) {
            ((float *)y->data)[i] = value;
        } else {
            pithi_tensor_set_s64(
                y, i, pithi_limit(&attrs->limits, pithi_quantize((double)value, y_zero, y->dtype)));
        }
    }
}

/* ---- with constant b ------------------------------------------------------------------------ */

/* c is absent or a row; everything but a is known. */
static bool is_possible(const pith_prepare *prepare, int64_t n)
{
    const qlinear_gemm_attrs *attrs = prepare->attrs;
    const pith_tensor *in = prepare->inputs;
    for (int i = A_SCALE; i < prepare->n_inputs; i++) {
        if (in[i].dtype != PITH_DTYPE_NONE && !in[i].data) {
            return false;
        }
    }
    bool has_c = pithi_has_operand(in, prepare->n_inputs, C);
    bool is_row = !has_c || (pith_shape_elements(&in[C].shape) == n &&
                             (n == 1 || in[C].shape.dims[in[C].shape.rank - 1] == n));
    return !attrs->trans_a && is_row && prepare->outputs[0].dtype != PITH_DTYPE_F32 &&
           in[A].shape.dims[1] > 0 && pith_shape_elements(&prepare->outputs[0].shape) > 0;
}

static pith_status prepare(pith_prepare *prepare)
{
    const qlinear_gemm_attrs *attrs = prepare->attrs;
    const pith_tensor *in = prepare->inputs;
    int64_t m = prepare->outputs[0].shape.dims[0], n = prepare->outputs[0].shape.dims[1],
            k = in[A].shape.dims[1];
    void *block = NULL;
    if (!is_possible(prepare, n)) {
        return PITH_OK;
    }
    pithi_s8_source source = { .weights = &in[B],
                               .zero = &in[B_ZERO],
                               .bias = pithi_has_operand(in, prepare->n_inputs, C) ? &in[C] : NULL,
                               .n_groups = 1,
                               .n = n,
                               .n_channels = k,
                               .n_taps = 1,
                               .n_stride = attrs->trans_b ? k : 1,
                               .c_stride = attrs->trans_b ? 1 : n,
                               .segment_length = k,
                               .a_dtype = in[A].dtype,
                               .a_zero = (int32_t)pithi_tensor_get_s64(&in[A_ZERO], 0) };
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)n, sizeof(float), &block));
    float *scales = block;
    for (int64_t i = 0; i < n; i++) {
        scales[i] = scale_of(in, prepare->n_inputs, attrs->alpha, i);
    }
    const pithi_limits limits = pithi_limits_in(&attrs->limits, prepare->outputs[0].dtype);
    const pithi_s8_finish finish = { (int32_t)pithi_tensor_get_s64(&in[Y_ZERO], 0), (int32_t)limits.low,
                                     (int32_t)limits.high };
    if (pithi_int_is_wide(in, prepare->outputs)) {
        const pithi_s16_task task = { .g = pithi_s16_matrix(m, n, k), .source = source, .scales = scales,
                                      .y_dtype = prepare->outputs[0].dtype, .finish = finish };
        return pithi_s16_prepare(prepare, &task);
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_s8_gemm), &block));
    pithi_s8_gemm *gemm = block;
    *gemm = (pithi_s8_gemm){ .m = m, .n = n, .k = k };
    source.n_rows = m;
    PITH_TRY(pithi_s8_weights_make(prepare, &source, false, &gemm->weights));
    gemm->weights.scale = scales;
    gemm->weights.finish = finish;
    pithi_s8_gemm_cut(prepare, gemm);
    prepare->state = gemm;
    return PITH_OK;
}

static void run_part(const pith_run *run, const pith_part *part)
{
    if (pithi_int_is_wide(run->inputs, run->outputs)) {
        pithi_s16_run(run->state, run->inputs[A].data, run->outputs[0].data, part);
        return;
    }
    pithi_s8_gemm_run(run->state, run->inputs[A].data, run->outputs[0].data, part);
}

/* ---- infer ---------------------------------------------------------------------------------- */

static pith_status check_columns(pith_infer *infer, int index, int64_t n)
{
    int64_t count = pith_shape_elements(&infer->inputs[index].shape);
    PITH_CHECK(infer->ctx, count == 1 || count == n, PITH_STATUS_SHAPE,
               "input %d has %lld elements; one, or one for each of %lld columns of b, is needed",
               index, (long long)count, (long long)n);
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const qlinear_gemm_attrs *attrs = infer->attrs;
    const pith_tensor *a = &infer->inputs[A], *b = &infer->inputs[B];
    PITH_CHECK(infer->ctx, a->shape.rank == 2 && b->shape.rank == 2, PITH_STATUS_SHAPE,
               "a has rank %d and b rank %d, both must be matrices", a->shape.rank, b->shape.rank);
    int64_t m = a->shape.dims[attrs->trans_a ? 1 : 0], n_k = a->shape.dims[attrs->trans_a ? 0 : 1];
    int64_t n = b->shape.dims[attrs->trans_b ? 0 : 1], b_k = b->shape.dims[attrs->trans_b ? 1 : 0];
    PITH_CHECK(infer->ctx, n_k == b_k, PITH_STATUS_SHAPE, "a has %lld columns, b %lld rows",
               (long long)n_k, (long long)b_k);
    PITH_TRY(pithi_infer_quant_pair(infer, A_SCALE, a->dtype));
    PITH_TRY(check_columns(infer, B_SCALE, n));
    PITH_TRY(check_columns(infer, B_ZERO, n));
    PITH_CHECK(infer->ctx, infer->inputs[B_ZERO].dtype == b->dtype, PITH_STATUS_DTYPE,
               "b and its zero point differ in dtype");
    pith_shape shape = { .rank = 2, .dims = { m, n } };
    bool has_scale = pithi_has_operand(infer->inputs, infer->n_inputs, Y_SCALE);
    bool has_zero = pithi_has_operand(infer->inputs, infer->n_inputs, Y_ZERO);
    if (has_scale) {
        PITH_TRY(pithi_infer_quant_pair(infer, Y_SCALE, PITH_DTYPE_NONE));
    }
    PITH_CHECK(infer->ctx, has_scale == has_zero, PITH_STATUS_FORMAT,
               "y_scale and y_zero_point come together or not at all");
    infer->outputs[0].dtype = has_scale ? infer->inputs[Y_ZERO].dtype : PITH_DTYPE_F32;
    infer->outputs[0].shape = shape;
    if (pithi_has_operand(infer->inputs, infer->n_inputs, C)) {
        const pith_tensor operands[] = { infer->inputs[C], infer->outputs[0] };
        pith_infer both = *infer;
        pith_shape together;
        both.inputs = operands;
        both.n_inputs = 2;
        PITH_TRY(pithi_infer_broadcast(&both, &together));
        PITH_CHECK(infer->ctx, pith_shape_equal(&together, &shape), PITH_STATUS_SHAPE,
                   "c doesn't broadcast to the result");
    }
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const qlinear_gemm_attrs *attrs = infer->attrs;
    cost->macs = (uint64_t)pith_shape_elements(&infer->outputs[0].shape) *
                 (uint64_t)infer->inputs[A].shape.dims[attrs->trans_a ? 0 : 1];
}

static const pith_operand_spec inputs[] = {
    { "a", PITH_DTYPES_8OR16, PITH_ONE },
    { "a_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "a_zero_point", PITH_DTYPES_8OR16, PITH_ONE },
    { "b", PITH_DTYPES_8BIT, PITH_ONE },
    { "b_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
    { "b_zero_point", PITH_DTYPES_8BIT, PITH_ONE },
    { "c", PITH_DTYPES(PITH_DTYPE_S32), PITH_OPTIONAL },
    { "y_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL },
    { "y_zero_point", PITH_DTYPES_8OR16, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_8OR16 | PITH_DTYPES(PITH_DTYPE_F32),
                                               PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QGemm", 1, NULL } };
static const char *const samples[] = {
    "u8[5,7]{0:256} f32[]{0.02} u8[]{120} s8[33,7]{-128:128} f32[]{0.03} s8[]{-3} "
    "s32[33]{-900:900} f32[]{0.1} u8[]{100} | transB=1",
    "s8[4,3]{-128:128} f32[]{0.1} s8[]{1} s8[4,6]{-128:128} f32[6]{0.01:0.2} s8[6] - f32[1]{0.9} "
    "s8[1]{5} | transA=1 low=-10 high=90",
    "u8[2,9]{0:256} f32[]{0.02} u8[]{120} u8[9,3]{0:256} f32[]{0.03} u8[]{128} s32[2,1]{-900:900} "
    "| alpha=0.5",
    "u16[5,7]{0:65536} f32[]{0.0002} u16[]{120} s8[33,7]{-128:128} f32[33]{0.01:0.03} s8[33] "
    "s32[33]{-90000:90000} f32[]{0.001} u16[]{30000} | transB=1",
    "u8[1,0] f32[]{0.02} u8[]{120} s8[0,3] f32[]{0.03} s8[]{1} s32[1,3]{-90:90} f32[]{0.1} "
    "u8[]{100}",
};

const pith_op pith_op_qlinear_gemm = {
    .head = { "qlinear_gemm", 1, PITH_ATTRS(attr_table, qlinear_gemm_attrs) },
    .inputs = inputs,
    .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs,
    .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .cost = cost,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
