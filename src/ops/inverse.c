/* SPDX-License-Identifier: Apache-2.0 */
/* inverse: inverses of square matrices in the last two dimensions, by Gauss-Jordan elimination with partial pivoting; a
 * singular matrix gives infinities and NaN. com.microsoft Inverse. */
#include <math.h>

#include "ops/sample.h"

/* `a` is [n, 2 n]: the matrix and, at its right, the unit matrix, which becomes the inverse. */
static void eliminate(double *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t pivot = i;
        for (int64_t row = i + 1; row < n; row++) {
            pivot = fabs(a[row * 2 * n + i]) > fabs(a[pivot * 2 * n + i]) ? row : pivot;
        }
        double *line = a + i * 2 * n, *other = a + pivot * 2 * n;
        const double scale = 1.0 / other[i];
        for (int64_t k = 0; k < 2 * n; k++) {
            const double kept = line[k];
            line[k] = other[k] * scale;
            other[k] = pivot == i ? line[k] : kept;
        }
        for (int64_t row = 0; row < n; row++) {
            const double factor = a[row * 2 * n + i];
            for (int64_t k = 0; k < 2 * n && row != i; k++) {
                a[row * 2 * n + k] -= factor * line[k];
            }
        }
    }
}

static void ref(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0];
    const int64_t n = x->shape.dims[x->shape.rank - 1], n_elements = pith_shape_elements(&x->shape);
    double *matrix = run->shared;
    for (int64_t at = 0; at < n_elements; at += n * n) {
        for (int64_t k = 0; k < 2 * n * n; k++) {
            const int64_t row = k / (2 * n), column = k % (2 * n);
            matrix[k] = column < n ? pithi_tensor_get_f64(x, at + row * n + column) : column - n == row;
        }
        eliminate(matrix, n);
        for (int64_t k = 0; k < n * n; k++) {
            pithi_tensor_set_f64(&run->outputs[0], at + k, matrix[k / n * 2 * n + n + k % n]);
        }
    }
}

static size_t ref_bytes(const pith_run *run)
{
    const pith_shape *x = &run->inputs[0].shape;
    const size_t n = (size_t)x->dims[x->rank - 1];
    return 2 * n * n * sizeof(double);
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape;
    char text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, x->rank >= 2 && x->dims[x->rank - 1] == x->dims[x->rank - 2], PITH_STATUS_SHAPE,
               "input is %s, but its last two dimensions must be equal", pithi_shape_text(x, text));
    return pithi_infer_same(infer);
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const pith_shape *x = &infer->inputs[0].shape;
    cost->flops = (uint64_t)pith_shape_elements(x) * (uint64_t)x->dims[x->rank - 1] * 4;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "Inverse", 1, NULL } };
static const char *const samples[] = { "f32[3,3]", "f32[2,3,5,5]", "f64[1,1]", "f32[0,3,3]", "f32[2,0,0]",
                                       "f32[3,3]{0,1,2,0,0,1,5,3,4}" };

const pith_op pith_op_inverse = {
    .head = { "inverse", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
