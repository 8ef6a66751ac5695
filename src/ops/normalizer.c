/* SPDX-License-Identifier: Apache-2.0 */
/* normalizer: each row of [N, C] divided by its greatest element (MAX), the sum of its absolute values (L1) or the
 * root of the sum of its squares (L2), as f32; a row whose divisor is 0 stays. ai.onnx.ml Normalizer. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_ml.h"

typedef struct normalizer_attrs {
    int64_t norm;
} normalizer_attrs;

enum { NORM_MAX, NORM_L1, NORM_L2 };
static const char *const norms[] = { "MAX", "L1", "L2", NULL };
static const pith_attr_spec table[] = { PITH_ATTR_CHOICE(normalizer_attrs, norm, "norm", NORM_MAX, norms) };

static double divisor_of(int64_t norm, const double *row, int64_t n)
{
    double value = norm == NORM_MAX ? (double)-INFINITY : 0.0;
    for (int64_t i = 0; i < n; i++) {
        value = norm == NORM_MAX  ? fmax(value, row[i])
                : norm == NORM_L1 ? value + fabs(row[i])
                                  : value + row[i] * row[i];
    }
    return norm == NORM_L2 ? sqrt(value) : value;
}

static void rows(const pith_run *run, int64_t begin, int64_t end, double *scratch)
{
    const normalizer_attrs *attrs = run->attrs;
    const int64_t n = pithi_ml_matrix_of(&run->inputs[0].shape).n_columns;
    for (int64_t row = begin; row < end; row++) {
        pithi_ml_read(&run->inputs[0], row * n, n, scratch);
        const double divisor = divisor_of(attrs->norm, scratch, n);
        for (int64_t i = 0; i < n; i++) {
            pithi_tensor_set_f64(&run->outputs[0], row * n + i, divisor == 0.0 ? scratch[i] : scratch[i] / divisor);
        }
    }
}

static int64_t scratch_count(const void *attrs, const pith_tensor *inputs)
{
    (void)attrs;
    return pithi_ml_matrix_of(&inputs[0].shape).n_columns;
}

PITHI_ML_ROW_FUNCTIONS(rows, scratch_count)

static pith_status infer(pith_infer *infer)
{
    pithi_ml_matrix matrix;
    PITH_TRY(pithi_infer_ml_matrix(infer, &matrix));
    infer->outputs[0].dtype = PITH_DTYPE_F32;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_ML_F32, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "Normalizer", 1, NULL } };
static const char *const samples[] = { "f32[5,3]", "f64[5,3] | norm=L1", "s64[2,2]{0,0,3,4} | norm=L2", "s32[4]",
                                       "f32[0,2]" };

const pith_op pith_op_normalizer = {
    .head = { "normalizer", 1, PITH_ATTRS(table, normalizer_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes, .prepare = prepare, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
