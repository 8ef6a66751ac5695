/* SPDX-License-Identifier: Apache-2.0 */
/* dropout, as it is in inference: y = x, and a mask of ones if it is wanted. ONNX Dropout; training_mode =
 * true would draw random numbers and is refused. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct dropout_attrs {
    int64_t seed;
    float ratio; /* no effect outside of training */
} dropout_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(dropout_attrs, seed, "seed", 0),
    PITH_ATTR_FLOAT(dropout_attrs, ratio, "ratio", 0.5),
};

static void ref(const pith_run *run)
{
    pithi_copy_same(run);
    if (pithi_has_operand(run->outputs, run->n_outputs, 1)) {
        int64_t count = pith_shape_elements(&run->outputs[1].shape);
        for (int64_t i = 0; i < count; i++) {
            pithi_tensor_set_s64(&run->outputs[1], i, 1);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    if (pithi_has_operand(infer->inputs, infer->n_inputs, 2)) {
        int64_t is_training = 0;
        PITH_TRY(pithi_infer_int(infer, 2, &is_training));
        PITH_CHECK(infer->ctx, !is_training, PITH_STATUS_UNSUPPORTED,
                   "training_mode is true; pith runs dropout in inference only, where it is the identity");
    }
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = i == 0 ? infer->inputs[0].dtype : PITH_DTYPE_BOOL;
        infer->outputs[i].shape = infer->inputs[0].shape;
    }
    return PITH_OK;
}

/* Before opset 7 an attribute told training from inference. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    const pith_source_attr *is_test = pithi_source_attr(source, "is_test");
    pithi_source_attr(source, "consumed_inputs");
    PITH_CHECK(ctx, is_test && is_test->kind == PITH_SOURCE_INT && is_test->i, PITH_STATUS_UNSUPPORTED,
               "is_test is 0; pith runs dropout in inference only, where it is the identity");
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_ANY | PITH_DTYPES_F8, PITH_ONE },
    { "ratio", PITH_DTYPES_FLOAT | PITH_DTYPES_F8, PITH_OPTIONAL },
    { "training_mode", PITH_DTYPES_BOOL, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_ANY | PITH_DTYPES_F8, PITH_ONE },
                                             { "mask", PITH_DTYPES_BOOL, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "Dropout", 1, map_1 }, { "onnx", "", "Dropout", 7, NULL } };
static const char *const samples[] = { "f32[2,3] | ratio=0.3", "f32[5] f32[]{0.5} bool[]{0} | | 2", "f64[0,2] | | 2" };

const pith_op pith_op_dropout = {
    .head = { "dropout", 1, PITH_ATTRS(attr_table, dropout_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
