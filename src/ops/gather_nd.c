/* SPDX-License-Identifier: Apache-2.0 */
/* gather_nd: each last row of indices, k numbers, names a slice of x behind the batch_dims leading dimensions,
 * which x and indices share. ONNX GatherND. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct gather_nd_attrs {
    int64_t batch_dims;
} gather_nd_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(gather_nd_attrs, batch_dims, "batch_dims", 0) };

/* Rows of this part. */
static void run_part(const pith_run *run, const pith_part *part)
{
    const gather_nd_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *indices = &run->inputs[1];
    int n_batch_dims = (int)attrs->batch_dims, k = (int)indices->shape.dims[indices->shape.rank - 1];
    int64_t n_batches = pithi_dims_product(&x->shape, 0, n_batch_dims);
    int64_t batch_size = pithi_dims_product(&x->shape, n_batch_dims, x->shape.rank);
    int64_t n_rows = pithi_dims_product(&indices->shape, 0, indices->shape.rank - 1);
    const size_t item_bytes = pith_dtype_bytes(x->dtype);
    const size_t n_bytes = (size_t)pithi_dims_product(&x->shape, n_batch_dims + k, x->shape.rank) * item_bytes;
    int64_t strides[PITH_MAX_RANK];
    pithi_dense_strides(&x->shape, strides);
    int64_t begin, end;
    pithi_part_range(part, n_bytes > 0 ? n_rows : 0, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        int64_t offset = n_batches > 1 ? row / (n_rows / n_batches) * batch_size : 0;
        for (int i = 0; i < k; i++) {
            offset += pithi_run_index_at(run, indices, row * k + i, x->shape.dims[n_batch_dims + i]) *
                      strides[n_batch_dims + i];
        }
        pithi_copy_item((char *)run->outputs[0].data + (size_t)row * n_bytes,
                        (const char *)x->data + (size_t)offset * item_bytes, n_bytes);
    }
}

static void ref(const pith_run *run) { run_part(run, &(pith_part){ .count = 1 }); }

static pith_status infer(pith_infer *infer)
{
    const gather_nd_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape, *indices = &infer->inputs[1].shape;
    pith_shape *y = &infer->outputs[0].shape;
    int64_t n_batch_dims = attrs->batch_dims;
    PITH_CHECK(infer->ctx, x->rank > 0 && indices->rank > 0, PITH_STATUS_SHAPE, "x and indices need rank 1 or more");
    PITH_CHECK(infer->ctx, n_batch_dims >= 0 && n_batch_dims < x->rank && n_batch_dims < indices->rank,
               PITH_STATUS_SHAPE, "batch_dims is %lld; it must be below the ranks %d and %d",
               (long long)n_batch_dims, x->rank, indices->rank);
    int64_t k = indices->dims[indices->rank - 1];
    PITH_CHECK(infer->ctx, k <= x->rank - n_batch_dims, PITH_STATUS_SHAPE, "%lld indices for %lld dimensions",
               (long long)k, (long long)(x->rank - n_batch_dims));
    int rank = indices->rank - 1 + x->rank - (int)(n_batch_dims + k);
    PITH_CHECK(infer->ctx, rank <= PITH_MAX_RANK, PITH_STATUS_UNSUPPORTED,
               "the result has rank %d, pith handles up to %d", rank, PITH_MAX_RANK);
    for (int i = 0; i < (int)n_batch_dims; i++) {
        PITH_CHECK(infer->ctx, x->dims[i] == indices->dims[i], PITH_STATUS_SHAPE,
                   "batch dimension %d is %lld in x, %lld in indices", i, (long long)x->dims[i],
                   (long long)indices->dims[i]);
    }
    y->rank = 0;
    for (int i = 0; i < indices->rank - 1; i++) {
        y->dims[y->rank++] = indices->dims[i];
    }
    for (int i = (int)(n_batch_dims + k); i < x->rank; i++) {
        y->dims[y->rank++] = x->dims[i];
    }
    PITH_CHECK(infer->ctx, pith_shape_elements(y) == 0 || pith_shape_elements(x) > 0, PITH_STATUS_SHAPE,
               "x has no elements, so no index is valid");
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "indices", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "GatherND", 11, NULL } };
static const char *const samples[] = { "f32[2,3,4] s64[3,2]{0,1,1,-1,0,0}",
                                       "s8[2,3,4] s64[2,1]{1,0} | batch_dims=1", "f32[5] s64[2,2,1]{-5:5}",
                                       "f64[2,3] s64[0,2]", "f32[2,2] s64[1,0]",
    "f32[40,30,5] s32[70,60,2]{-30:30}", "string[2,3] s64[2,1]{1,-1}",
};

const pith_op pith_op_gather_nd = {
    .head = { "gather_nd", 1, PITH_ATTRS(attr_table, gather_nd_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = pithi_copy_prepare_parts, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
