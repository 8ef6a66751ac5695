/* SPDX-License-Identifier: Apache-2.0 */
/* key_mask: which keys the rows of an attention see, as bool [batch, 1, 1 or rows, keys], from a mask as ONNX Runtime's
 * attention operators take it: how many keys [batch], ends and starts [2 batch], or zero where a key is hidden, as
 * [batch, keys] or [batch, rows, keys]. */
#include "ops/sample.h"
#include "ops/shared_index.h"

enum { MASK, SIZES }; /* sizes: batch and keys, which only the first two forms need */

static void ref(const pith_run *run)
{
    const pith_tensor *mask = &run->inputs[MASK];
    const int64_t *dims = run->outputs[0].shape.dims, n_batches = dims[0], n_keys = dims[3];
    const bool has_starts = mask->shape.dims[0] == 2 * n_batches;
    bool *y = run->outputs[0].data;
    for (int64_t i = 0; i < n_batches * dims[2] * n_keys; i++) {
        int64_t batch = i / n_keys, key = i % n_keys;
        if (mask->shape.rank > 1) {
            y[i] = pithi_tensor_get_f64(mask, i) != 0.0;
        } else {
            y[i] = key < pithi_tensor_get_s64(mask, batch) &&
                   (!has_starts || key >= pithi_tensor_get_s64(mask, n_batches + batch));
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *mask = &infer->inputs[MASK].shape;
    const pith_tensor *sizes = &infer->inputs[SIZES];
    char text[PITHI_SHAPE_TEXT_BYTES];
    if (!sizes->data) {
        return pithi_infer_need_value(infer, SIZES);
    }
    PITH_CHECK(infer->ctx, pith_shape_elements(&sizes->shape) == 2, PITH_STATUS_SHAPE, "sizes must be batch and keys");
    const int64_t n_batches = pithi_tensor_get_s64(sizes, 0), n_keys = pithi_tensor_get_s64(sizes, 1);
    const int64_t n_rows = mask->rank == 3 ? mask->dims[1] : 1;
    const bool is_list = mask->rank == 1, is_pair = is_list && mask->dims[0] % 2 == 0 && mask->dims[0] / 2 == n_batches;
    bool fits = is_list ? mask->dims[0] == n_batches || is_pair
                        : (mask->rank == 2 || mask->rank == 3) && mask->dims[0] == n_batches &&
                                      mask->dims[mask->rank - 1] == n_keys;
    PITH_CHECK(infer->ctx, fits && n_batches >= 0 && n_keys >= 0, PITH_STATUS_SHAPE,
               "a mask %s for %lld keys of %lld batch items; pith takes [batch], [2 batch], [batch, keys] and "
               "[batch, rows, keys]", pithi_shape_text(mask, text), (long long)n_keys, (long long)n_batches);
    infer->outputs[0] = (pith_tensor){ PITH_DTYPE_BOOL, { 4, { n_batches, 1, n_rows, n_keys } }, NULL };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "mask", PITH_DTYPES_INTEGER | PITH_DTYPES_BOOL | PITH_DTYPES_FLOAT, PITH_ONE },
    { "sizes", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "seen", PITH_DTYPES_BOOL, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "pith", "KeyMask", 1, NULL } };
static const char *const samples[] = {
    "s32[2]{0:7} s64[2]{2,6}",
    "s32[4]{0:5} s64[2]{2,5}",
    "s32[3,4]{0:2} s64[2]{3,4}",
    "s64[2,3,5]{0:2} s64[2]{2,5}",
};

const pith_op pith_op_key_mask = {
    .head = { "key_mask", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
