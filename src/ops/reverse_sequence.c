/* SPDX-License-Identifier: Apache-2.0 */
/* reverse_sequence: turns the first sequence_lens[b] elements of the time axis round for each index b of the
 * batch axis; the rest stays. ONNX ReverseSequence. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct reverse_sequence_attrs {
    int64_t batch_axis, time_axis;
} reverse_sequence_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(reverse_sequence_attrs, batch_axis, "batch_axis", 1),
    PITH_ATTR_INT(reverse_sequence_attrs, time_axis, "time_axis", 0),
};

static void ref(const pith_run *run)
{
    const reverse_sequence_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *lengths = &run->inputs[1];
    bool is_time_first = attrs->time_axis == 0;
    int64_t n_times = x->shape.dims[is_time_first ? 0 : 1], n_batches = x->shape.dims[is_time_first ? 1 : 0];
    size_t n_bytes = (size_t)pithi_dims_product(&x->shape, 2, x->shape.rank) * pith_dtype_bytes(x->dtype);
    int64_t time_step = is_time_first ? n_batches : 1, batch_step = is_time_first ? 1 : n_times;
    for (int64_t batch = 0; batch < n_batches && n_bytes > 0; batch++) {
        int64_t length = pithi_tensor_get_s64(lengths, batch);
        if (length < 0 || length > n_times) {
            pithi_run_fault(run, "sequence length %lld of batch %lld is outside [0, %lld]", (long long)length,
                            (long long)batch, (long long)n_times);
            length = 0;
        }
        for (int64_t time = 0; time < n_times; time++) {
            int64_t from = time < length ? length - 1 - time : time;
            memcpy((char *)run->outputs[0].data + (size_t)(batch * batch_step + time * time_step) * n_bytes,
                   (const char *)x->data + (size_t)(batch * batch_step + from * time_step) * n_bytes, n_bytes);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const reverse_sequence_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape, *lengths = &infer->inputs[1].shape;
    PITH_CHECK(infer->ctx, x->rank >= 2, PITH_STATUS_SHAPE, "the input has rank %d, at least 2 is needed", x->rank);
    bool is_known =
        (attrs->batch_axis == 0 && attrs->time_axis == 1) || (attrs->batch_axis == 1 && attrs->time_axis == 0);
    PITH_CHECK(infer->ctx, is_known, PITH_STATUS_ARG,
               "batch_axis is %lld and time_axis %lld; one must be 0, the other 1",
               (long long)attrs->batch_axis, (long long)attrs->time_axis);
    PITH_CHECK(infer->ctx, lengths->rank == 1 && lengths->dims[0] == x->dims[attrs->batch_axis], PITH_STATUS_SHAPE,
               "%lld lengths for %lld sequences", (long long)pith_shape_elements(lengths),
               (long long)x->dims[attrs->batch_axis]);
    return pithi_infer_same(infer);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "sequence_lens", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "ReverseSequence", 10, NULL } };
static const char *const samples[] = { "f32[4,3] s64[3]{4,0,2}",
                                       "s8[2,5,3] s64[2]{5,3} | batch_axis=0 time_axis=1",
                                       "f32[4,0] s64[0]{}",
    "string[4,3] s64[3]{4,0,2}",
};

const pith_op pith_op_reverse_sequence = {
    .head = { "reverse_sequence", 1, PITH_ATTRS(attr_table, reverse_sequence_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
