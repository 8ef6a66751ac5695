/* SPDX-License-Identifier: Apache-2.0 */
/* reshape: the same elements in another shape. In `shape`, -1 stands for what remains and 0 for the
 * input's dimension (with allowzero: for 0). ONNX Reshape. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct reshape_attrs {
    int64_t allowzero;
} reshape_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(reshape_attrs, allowzero, "allowzero", 0) };

static pith_status infer(pith_infer *infer)
{
    const reshape_attrs *attrs = infer->attrs;
    const pith_shape *from = &infer->inputs[0].shape;
    pith_shape *to = &infer->outputs[0].shape;
    int64_t known = 1, total = pith_shape_elements(from);
    int free_dim = -1;
    char text[PITHI_SHAPE_TEXT_BYTES], wanted[PITHI_SHAPE_TEXT_BYTES];
    PITH_TRY(pithi_infer_ints(infer, 1, to->dims, &to->rank));
    const pith_shape asked = *to;
    for (int i = 0; i < to->rank; i++) {
        int64_t *dim = &to->dims[i];
        if (*dim == 0 && !attrs->allowzero) {
            PITH_CHECK(infer->ctx, i < from->rank, PITH_STATUS_SHAPE,
                       "the shape keeps dimension %d (0), but the input has rank %d", i, from->rank);
            *dim = from->dims[i];
        }
        PITH_CHECK(infer->ctx, *dim >= -1 && (*dim >= 0 || free_dim < 0), PITH_STATUS_SHAPE,
                   "the shape has %lld as dimension %d: sizes are 0 or more, and one of them may be -1",
                   (long long)*dim, i);
        if (*dim < 0) {
            free_dim = i;
        } else {
            PITH_CHECK(infer->ctx, !__builtin_mul_overflow(known, *dim, &known), PITH_STATUS_LIMIT,
                       "the shape %s is too large", pithi_shape_text(&asked, wanted));
        }
    }
    if (free_dim >= 0) {
        PITH_CHECK(infer->ctx, known > 0, PITH_STATUS_SHAPE,
                   "the shape %s has a 0 beside -1, so -1 has no value", pithi_shape_text(&asked, wanted));
        to->dims[free_dim] = total / known;
        known *= total / known;
    }
    PITH_CHECK(infer->ctx, known == total, PITH_STATUS_SHAPE, "%lld elements of %s don't fit the shape %s",
               (long long)total, pithi_shape_text(from, text), pithi_shape_text(&asked, wanted));
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return PITH_OK;
}

/* Opset 1: the shape was an attribute. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx, (void)attrs;
    pithi_source_attr(source, "consumed_inputs"); /* a hint for memory, without effect on the result */
    return pithi_source_attr_to_input(source, "shape", 1);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STORED, PITH_ONE },
                                            { "shape", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Reshape", 1, map_1 }, { "onnx", "", "Reshape", 5, NULL } };
static const char *const samples[] = {
    "f32[2,3,4] s64[2]{6,-1}", "s8[2,3,4] s64[3]{0,2,-1}", "f32[0,3] s64[2]{3,0} | allowzero=1", "f64[1,1] s64[0]{}",
    "string[2,3] s64[1]{-1}",
};

const pith_op pith_op_reshape = {
    .head = { "reshape", 1, PITH_ATTRS(attr_table, reshape_attrs) },
    .flags = PITH_OP_VIEW,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_copy_same,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
