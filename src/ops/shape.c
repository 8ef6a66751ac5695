/* SPDX-License-Identifier: Apache-2.0 */
/* shape: dimensions start..end-1 of x as a list of s64; both clamped to [0, rank]. ONNX Shape. */
#include "ops/sample.h"
#include "ops/op.h"

typedef struct shape_attrs {
    int64_t start, end;
} shape_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_WIDE_INT(shape_attrs, start, "start", 0),
    PITH_ATTR_WIDE_INT(shape_attrs, end, "end", PITH_MAX_RANK),
};

static int clamp_axis(int64_t axis, int rank)
{
    int64_t positive = axis < 0 ? axis + rank : axis;
    return (int)pithi_min_s64(pithi_max_s64(positive, 0), rank);
}

static void ref(const pith_run *run)
{
    const shape_attrs *attrs = run->attrs;
    const pith_shape *shape = &run->inputs[0].shape;
    int64_t *to = run->outputs[0].data;
    int end = clamp_axis(attrs->end, shape->rank);
    for (int i = clamp_axis(attrs->start, shape->rank); i < end; i++) {
        *to++ = shape->dims[i];
    }
}

static pith_status infer(pith_infer *infer)
{
    const shape_attrs *attrs = infer->attrs;
    int rank = infer->inputs[0].shape.rank;
    int count = clamp_axis(attrs->end, rank) - clamp_axis(attrs->start, rank);
    infer->outputs[0].dtype = PITH_DTYPE_S64;
    infer->outputs[0].shape = (pith_shape){ 1, { count > 0 ? count : 0 } };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "shape", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Shape", 1, NULL } };
static const char *const samples[] = { "f32[2,3,4]", "s8[2,3,4] | start=-2", "f32[2,3,4] | start=1 end=-1", "f32[]",
                                       "f32[0,3] | start=2 end=1" };

const pith_op pith_op_shape = {
    .head = { "shape", 1, PITH_ATTRS(attr_table, shape_attrs) },
    .flags = PITH_OP_READS_SHAPE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
