/* SPDX-License-Identifier: Apache-2.0 */
/* transpose: y[i_perm[0], i_perm[1], ...] = x[i_0, i_1, ...]: dimension k of y is dimension perm[k] of x;
 * without perm the dimensions are reversed. ONNX Transpose. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct transpose_attrs {
    pith_ints perm;
} transpose_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INTS(transpose_attrs, perm, "perm") };

static int source_axis(const transpose_attrs *attrs, int rank, int k)
{
    return attrs->perm.n_items == rank ? (int)attrs->perm.items[k] : rank - 1 - k;
}

static pithi_copy describe(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0], *y = &run->outputs[0];
    pithi_copy copy = pithi_copy_make(x, &run->outputs[0]);
    int64_t from_strides[PITH_MAX_RANK], to_strides[PITH_MAX_RANK];
    pithi_row_strides(&x->shape, pithi_stride(run->strides, 0, 0), from_strides);
    pithi_row_strides(&y->shape, pithi_stride(run->strides, 1, 0), to_strides);
    for (int k = 0; k < y->shape.rank; k++) {
        pithi_copy_add(&copy, y->shape.dims[k], from_strides[source_axis(run->attrs, x->shape.rank, k)], to_strides[k]);
    }
    return copy;
}

static void ref(const pith_run *run) { pithi_copy_ref(run, describe); }

static void run_part(const pith_run *run, const pith_part *part) { pithi_copy_run(run, part, describe); }

static pith_status infer(pith_infer *infer)
{
    const transpose_attrs *attrs = infer->attrs;
    const pith_tensor *x = &infer->inputs[0];
    int axes[PITH_MAX_RANK], n_axes;
    int rank = x->shape.rank;
    PITH_CHECK(infer->ctx, attrs->perm.n_items == 0 || attrs->perm.n_items == rank, PITH_STATUS_SHAPE,
               "perm names %d axes, but the input has rank %d", attrs->perm.n_items, rank);
    PITH_TRY(pithi_infer_axes_attr(infer, &attrs->perm, rank, 0, axes, &n_axes));
    for (int k = 0; k < n_axes; k++) {
        PITH_CHECK(infer->ctx, attrs->perm.items[k] >= 0, PITH_STATUS_SHAPE, "perm has the negative axis %lld",
                   (long long)attrs->perm.items[k]);
    }
    infer->outputs[0].dtype = x->dtype;
    infer->outputs[0].shape.rank = rank;
    for (int k = 0; k < rank; k++) {
        infer->outputs[0].shape.dims[k] = x->shape.dims[source_axis(attrs, rank, k)];
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Transpose", 1, NULL } };
static const char *const samples[] = {
    "f32[2,3]", "f32[3,70,131] | perm=[0,2,1]", "f32[2,17,9,5] | perm=[0,2,3,1]", "s8[2,9,6,3] | perm=[0,3,1,2]",
    "f32[2,5,3,6,2] | perm=[0,2,1,3,4]", "s64[33,18] | perm=[1,0]", "f16[4,1,19,3] | perm=[2,0,3,1]",
    "f32[65,40,2] | perm=[1,0,2]", "u8[] ", "f32[0,4,3] | perm=[1,0,2]", "bool[3,2,2,3] | perm=[3,1,2,0]",
    "string[17,20] | perm=[1,0]", "string[2,3,4,5] | perm=[0,2,3,1]",
    "u8[5,2,27] | perm=[0,2,1]", "f32[3,3,2,7] | perm=[0,1,3,2]",
    "u4[3,5]", "s2[2,3,3] | perm=[2,0,1]", "f4e2m1[3,3]", "c128[4,3,2]", "c64[9,20]", "f8e4m3fn[5,7]",
};

const pith_op pith_op_transpose = {
    .head = { "transpose", 1, PITH_ATTRS(attr_table, transpose_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = pithi_copy_prepare,
    .run = run_part,
    .takes_window = pithi_copy_takes_window,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
