/* SPDX-License-Identifier: Apache-2.0 */
/* trilu: keeps the upper (column - row >= k) or lower (<= k) triangle of matrices, zero elsewhere. ONNX Trilu. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct trilu_attrs {
    int64_t upper;
} trilu_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(trilu_attrs, upper, "upper", 1) };

/* Rows of this part. */
static void run_part(const pith_run *run, const pith_part *part)
{
    const trilu_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    int64_t k = pithi_has_operand(run->inputs, run->n_inputs, 1) ? pithi_tensor_get_s64(&run->inputs[1], 0) : 0;
    int64_t n_columns = x->shape.dims[x->shape.rank - 1], n_rows = x->shape.dims[x->shape.rank - 2];
    size_t n_bytes = pith_dtype_bytes(x->dtype);
    int64_t n_total = n_columns > 0 ? pith_shape_elements(&x->shape) / n_columns : 0;
    int64_t begin, end_row;
    pithi_part_range(part, n_total, &begin, &end_row);
    for (int64_t i = begin; i < end_row; i++) { /* keeps columns first to end-1 of each row */
        int64_t bound = pithi_min_s64(pithi_max_s64(k, -n_rows), n_columns) + i % n_rows; /* column of the diagonal */
        int64_t first = attrs->upper ? pithi_min_s64(pithi_max_s64(bound, 0), n_columns) : 0;
        int64_t end = attrs->upper ? n_columns : pithi_min_s64(pithi_max_s64(bound, -1) + 1, n_columns);
        const char *from = (const char *)x->data + (size_t)(i * n_columns) * n_bytes;
        char *to = (char *)run->outputs[0].data + (size_t)(i * n_columns) * n_bytes;
        memmove(to + (size_t)first * n_bytes, from + (size_t)first * n_bytes, (size_t)(end - first) * n_bytes);
        memset(to, 0, (size_t)first * n_bytes);
        memset(to + (size_t)end * n_bytes, 0, (size_t)(n_columns - end) * n_bytes);
    }
}

static void ref(const pith_run *run) { run_part(run, &(pith_part){ .count = 1 }); }

static pith_status infer(pith_infer *infer)
{
    PITH_CHECK(infer->ctx, infer->inputs[0].shape.rank >= 2, PITH_STATUS_SHAPE,
               "the input has rank %d, at least 2 is needed", infer->inputs[0].shape.rank);
    return pithi_infer_same(infer);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "k", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Trilu", 14, NULL } };
static const char *const samples[] = { "f32[4,5]",           "s64[2,3,3] s64[]{1} | upper=0",
                                       "f32[3,4] s64[]{-2}", "f32[4,3] s64[]{-1} | upper=0",
                                       "bool[0,3]",          "f32[3,3] s64[]{2}",
                                       "f32[2,130,90] s64[]{-7} | upper=0" };

const pith_op pith_op_trilu = {
    .head = { "trilu", 1, PITH_ATTRS(attr_table, trilu_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = pithi_copy_prepare_parts, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
