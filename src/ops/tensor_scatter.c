/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_scatter: a cache with `update` written along `axis`, from write_indices[batch] on (0 where absent);
 * circular writes go on at the start. ONNX TensorScatter. */
#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct tensor_scatter_attrs {
    int64_t mode, axis;
} tensor_scatter_attrs;

enum { MODE_LINEAR, MODE_CIRCULAR };
static const char *const modes[] = { "linear", "circular", NULL };

static const pith_attr_spec table[] = {
    PITH_ATTR_CHOICE(tensor_scatter_attrs, mode, "mode", MODE_LINEAR, modes),
    PITH_ATTR_INT(tensor_scatter_attrs, axis, "axis", -2),
};

enum { CACHE, UPDATE, START };

/* Where row `i` of the update goes, in [0, n). */
static int64_t row_of(const pith_run *run, int64_t batch, int64_t i, int64_t n)
{
    const tensor_scatter_attrs *attrs = run->attrs;
    int64_t start =
        pithi_has_operand(run->inputs, run->n_inputs, START) ? pithi_tensor_get_s64(&run->inputs[START], batch) : 0;
    int64_t last =
        run->inputs[UPDATE].shape.dims[(attrs->axis + run->inputs[CACHE].shape.rank) % run->inputs[CACHE].shape.rank];
    if (start < 0 || (attrs->mode == MODE_LINEAR && start > n - last)) {
        pithi_run_fault(run, "write index %lld of batch item %lld: %lld rows don't fit into %lld", (long long)start,
                        (long long)batch, (long long)last, (long long)n);
        return 0;
    }
    return attrs->mode == MODE_CIRCULAR ? (start % n + i) % n : start + i;
}

static void ref(const pith_run *run)
{
    const tensor_scatter_attrs *attrs = run->attrs;
    const pith_shape *cache = &run->inputs[CACHE].shape;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + cache->rank : attrs->axis);
    int64_t n = cache->dims[axis], n_new = run->inputs[UPDATE].shape.dims[axis], per_batch = 1, inner = 1;
    for (int i = axis + 1; i < cache->rank; i++) {
        inner *= cache->dims[i];
    }
    for (int i = 1; i < axis; i++) {
        per_batch *= cache->dims[i];
    }
    memmove(run->outputs[0].data, run->inputs[CACHE].data, pith_tensor_bytes(&run->outputs[0]));
    for (int64_t k = 0; k < cache->dims[0] * per_batch * n_new; k++) {
        int64_t outer = k / n_new, i = k % n_new;
        pithi_tensor_copy_elements(&run->outputs[0], (outer * n + row_of(run, outer / per_batch, i, n)) * inner,
                                   &run->inputs[UPDATE], k * inner, inner);
    }
}

static pith_status infer(pith_infer *infer)
{
    const tensor_scatter_attrs *attrs = infer->attrs;
    const pith_shape *cache = &infer->inputs[CACHE].shape, *update = &infer->inputs[UPDATE].shape;
    int axis = 0;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, cache->rank, &axis));
    PITH_CHECK(infer->ctx, axis > 0, PITH_STATUS_SHAPE, "axis is the batch dimension");
    pith_shape must = *cache;
    must.dims[axis] = update->rank == cache->rank ? update->dims[axis] : -1;
    char is_text[PITHI_SHAPE_TEXT_BYTES], cache_text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, pith_shape_equal(update, &must) && must.dims[axis] <= cache->dims[axis] &&
               infer->inputs[UPDATE].dtype == infer->inputs[CACHE].dtype, PITH_STATUS_SHAPE,
               "update %s doesn't fit a cache %s along axis %d", pithi_shape_text(update, is_text),
               pithi_shape_text(cache, cache_text), axis);
    PITH_CHECK(infer->ctx, !pithi_has_operand(infer->inputs, infer->n_inputs, START) ||
               (infer->inputs[START].shape.rank == 1 && infer->inputs[START].shape.dims[0] == cache->dims[0]),
               PITH_STATUS_SHAPE, "write_indices must be [%lld]", (long long)cache->dims[0]);
    return pithi_infer_same(infer);
}

static const pith_operand_spec inputs[] = { { "past_cache", PITH_DTYPES_STORED, PITH_ONE },
                                            { "update", PITH_DTYPES_STORED, PITH_ONE },
                                            { "write_indices", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "present_cache", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "TensorScatter", 24, NULL } };
static const char *const samples[] = {
    "f32[2,3,7,4] f32[2,3,2,4] s64[2]{5,0}",
    "s8[3,5] s8[3,3] s64[3]{0,4,3} | mode=circular axis=1",
    "f32[2,5,3] f32[2,2,3]",
    "f32[0,5,3] f32[0,2,3]",
    "u4[3,5,3] u4[3,2,3] s64[3]{0,1,3}",
};

const pith_op pith_op_tensor_scatter = {
    .head = { "tensor_scatter", 1, PITH_ATTRS(table, tensor_scatter_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
