/* SPDX-License-Identifier: Apache-2.0 */
/* det: determinants of square matrices in the last two dimensions, by elimination with partial pivoting. ONNX Det. */
#include <math.h>

#include "ops/sample.h"

static void swap_rows(double *a, double *b, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        double first = a[k];
        a[k] = b[k];
        b[k] = first;
    }
}

/* Destroys the matrix. */
static double determinant(double *a, int64_t n)
{
    double product = 1.0;
    for (int64_t i = 0; i < n; i++) {
        int64_t pivot = i;
        for (int64_t row = i + 1; row < n; row++) {
            pivot = fabs(a[row * n + i]) > fabs(a[pivot * n + i]) ? row : pivot;
        }
        if (pivot != i) {
            swap_rows(a + i * n, a + pivot * n, n);
            product = -product;
        }
        product *= a[i * n + i];
        for (int64_t row = i + 1; row < n && a[i * n + i] != 0.0; row++) {
            double factor = a[row * n + i] / a[i * n + i];
            for (int64_t k = i + 1; k < n; k++) {
                a[row * n + k] -= factor * a[i * n + k];
            }
        }
    }
    return product;
}

static void ref(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0];
    int64_t n = x->shape.dims[x->shape.rank - 1], count = pith_shape_elements(&run->outputs[0].shape);
    double *matrix = run->shared;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < n * n; k++) {
            matrix[k] = pithi_tensor_get_f64(x, i * n * n + k);
        }
        pithi_tensor_set_f64(&run->outputs[0], i, determinant(matrix, n));
    }
}

static size_t ref_bytes(const pith_run *run)
{
    const pith_shape *x = &run->inputs[0].shape;
    const size_t n = (size_t)x->dims[x->rank - 1];
    return n * n * sizeof(double);
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape;
    char text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, x->rank >= 2 && x->dims[x->rank - 1] == x->dims[x->rank - 2], PITH_STATUS_SHAPE,
               "input is %s, but its last two dimensions must be equal", pithi_shape_text(x, text));
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = *x;
    infer->outputs[0].shape.rank -= 2;
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const pith_shape *x = &infer->inputs[0].shape;
    cost->flops = (uint64_t)pith_shape_elements(x) * (uint64_t)x->dims[x->rank - 1] * 2 / 3;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Det", 11, NULL } };
static const char *const samples[] = { "f32[3,3]", "f32[2,3,5,5]", "f64[1,1]", "f32[0,3,3]", "f32[2,0,0]",
                                       "f32[3,3]{0,1,2,0,0,1,5,3,4}" };

const pith_op pith_op_det = {
    .head = { "det", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
