/* SPDX-License-Identifier: Apache-2.0 */
/* flex_scores: scale q k^T per head, [batch, q heads, q rows, k rows], in the precision of the softmax. The first part
 * of ai.onnx.preview FlexAttention (flex_attention). */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_flex.h"
#include "ops/shared_onnx.h"

typedef struct scores_attrs {
    float scale;               /* infinite: 1 / sqrt(size) */
    int64_t softmax_precision; /* TensorProto.DataType; 0: f64 for f64, else f32 */
} scores_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_FLOAT(scores_attrs, scale, "scale", (double)INFINITY),
    PITH_ATTR_INT(scores_attrs, softmax_precision, "softmax_precision", 0),
};

static void rows(const pith_run *run, const pith_part *part)
{
    const scores_attrs *attrs = run->attrs;
    const pith_tensor *q = &run->inputs[0], *k = &run->inputs[1];
    const int64_t size = q->shape.dims[3], n_keys = k->shape.dims[2];
    const double scale = isinf(attrs->scale) ? 1.0 / sqrt((double)size) : (double)attrs->scale;
    int64_t begin, end;
    pithi_flex_rows(run, part, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        const int64_t head = pithi_flex_head(run, row);
        for (int64_t j = 0; j < n_keys; j++) {
            double sum = 0.0;
            for (int64_t i = 0; i < size; i++) {
                sum += pithi_tensor_get_f64(q, row * size + i) *
                       pithi_tensor_get_f64(k, (head * n_keys + j) * size + i);
            }
            pithi_tensor_set_f64(&run->outputs[0], row * n_keys + j, sum * scale);
        }
    }
}

static void ref(const pith_run *run)
{
    rows(run, NULL);
}

static pith_status infer(pith_infer *infer)
{
    const scores_attrs *attrs = infer->attrs;
    const pith_shape *q = &infer->inputs[0].shape, *k = &infer->inputs[1].shape;
    PITH_TRY(pithi_infer_flex(infer, 3, 3));
    infer->outputs[0].dtype = infer->inputs[0].dtype == PITH_DTYPE_F64 ? PITH_DTYPE_F64 : PITH_DTYPE_F32;
    if (attrs->softmax_precision) {
        PITH_TRY(pithi_infer_onnx_dtype(infer, "softmax_precision", attrs->softmax_precision,
                                        &infer->outputs[0].dtype));
        PITH_CHECK(infer->ctx, pithi_dtype_is_float(infer->outputs[0].dtype), PITH_STATUS_DTYPE,
                   "softmax_precision is %s, no float", pith_dtype_name(infer->outputs[0].dtype));
    }
    infer->outputs[0].shape = (pith_shape){ 4, { q->dims[0], q->dims[1], q->dims[2], k->dims[2] } };
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    cost->macs = (uint64_t)pith_shape_elements(&infer->inputs[0].shape) * (uint64_t)infer->inputs[1].shape.dims[2];
}

static const pith_operand_spec inputs[] = { { "q", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "k", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "scores", PITH_DTYPES_FLOAT, PITH_ONE } };
static const char *const samples[] = { "f32[2,4,3,5] f32[2,2,7,5]", "f16[1,2,3,4] f16[1,2,2,4] | scale=0.5",
                                       "f64[1,1,2,3] f64[1,1,2,3] | softmax_precision=1", "f32[0,2,3,4] f32[0,1,2,4]" };

const pith_op pith_op_flex_scores = {
    .head = { "flex_scores", 1, PITH_ATTRS(table, scores_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = pithi_flex_prepare, .run = rows,
    .cost = cost,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
