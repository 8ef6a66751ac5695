/* SPDX-License-Identifier: Apache-2.0 */
/* tile: y[i_0, i_1, ...] = x[i_0 mod d_0, i_1 mod d_1, ...], with repeats[k] copies along dimension k. ONNX
 * Tile; the different operator that opsets 1 to 5 called so is not known here. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

static pithi_copy describe(const pith_run *run)
{
    const pith_shape *shape = &run->inputs[0].shape;
    pithi_copy copy = pithi_copy_make(&run->inputs[0], &run->outputs[0]);
    int64_t from_strides[PITH_MAX_RANK], to_strides[PITH_MAX_RANK];
    pithi_dense_strides(shape, from_strides);
    pithi_dense_strides(&run->outputs[0].shape, to_strides);
    for (int i = 0; i < shape->rank; i++) {
        int64_t repeats = shape->dims[i] ? run->outputs[0].shape.dims[i] / shape->dims[i] : 0;
        pithi_copy_add(&copy, repeats, 0, to_strides[i] * shape->dims[i]);
        pithi_copy_add(&copy, shape->dims[i], from_strides[i], to_strides[i]);
    }
    return copy;
}

static void ref(const pith_run *run) { pithi_copy_ref(run, describe); }

static void run_part(const pith_run *run, const pith_part *part) { pithi_copy_run(run, part, describe); }

static pith_status infer(pith_infer *infer)
{
    const pith_shape *from = &infer->inputs[0].shape;
    pith_shape *to = &infer->outputs[0].shape;
    int64_t repeats[PITH_MAX_RANK];
    int n_repeats;
    PITH_TRY(pithi_infer_ints(infer, 1, repeats, &n_repeats));
    PITH_CHECK(infer->ctx, n_repeats == from->rank, PITH_STATUS_SHAPE, "%d repeats for an input of rank %d", n_repeats,
               from->rank);
    to->rank = from->rank;
    for (int i = 0; i < from->rank; i++) {
        PITH_CHECK(infer->ctx, repeats[i] >= 0 && !__builtin_mul_overflow(from->dims[i], repeats[i], &to->dims[i]),
                   PITH_STATUS_SHAPE, "%lld repeats of dimension %d; 0 or more are wanted",
                   (long long)repeats[i], i);
    }
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "repeats", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Tile", 6, NULL } };
static const char *const samples[] = {
    "f32[2,3] s64[2]{2,3}", "s8[3] s64[1]{5}", "f32[4,5,6] s64[3]{1,2,1}", "f32[2,1,40] s64[3]{3,70,4}",
    "f64[2,3] s64[2]{0,2}", "bool[] s64[0]{}",
    "string[2,3] s64[2]{2,3}",
};

const pith_op pith_op_tile = {
    .head = { "tile", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = pithi_copy_prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
