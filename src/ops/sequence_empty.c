/* SPDX-License-Identifier: Apache-2.0 */
/* sequence_empty: a sequence of tensors of `dtype` without items. ONNX SequenceEmpty. */
#include "ops/shared_object.h"
#include "ops/shared_onnx.h"

typedef struct sequence_empty_attrs {
    int64_t dtype; /* as TensorProto.DataType */
} sequence_empty_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(sequence_empty_attrs, dtype, "dtype", 1) };

static void ref(const pith_run *run)
{
    const sequence_empty_attrs *attrs = run->attrs;
    pith_tensor *unused;
    (void)pithi_run_new_object(run, pith_type_sequence(pithi_onnx_dtype(attrs->dtype)), 0, &unused);
}

static pith_status infer(pith_infer *infer)
{
    const sequence_empty_attrs *attrs = infer->attrs;
    pith_dtype dtype;
    PITH_TRY(pithi_infer_onnx_dtype(infer, "dtype", attrs->dtype, &dtype));
    return pithi_infer_object(infer);
}

static const pith_spelling spellings[] = { { "onnx", "", "SequenceEmpty", 11, NULL } };
static const char *const samples[] = { "", "| dtype=8" };

const pith_op pith_op_sequence_empty = {
    .head = { "sequence_empty", 1, PITH_ATTRS(attr_table, sequence_empty_attrs) },
    .flags = PITH_OP_HEAP,
    .outputs = pithi_object_output, .n_outputs = 1,
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
