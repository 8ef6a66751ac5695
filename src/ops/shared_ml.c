/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_ml.h"

#include <math.h>

const char *const pithi_ml_post_names[] = { "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT", NULL };

/* ---- transforms --------------------------------------------------------------------------- */

static double logistic(double x)
{
    double y = 1.0 / (1.0 + exp(-fabs(x)));
    return x < 0 ? 1.0 - y : y;
}

/* sqrt(2) erfinv(2 p - 1); Winitzki, A handy approximation for the error function and its inverse, 2008, with
 * a = 0.147 as ONNX Runtime and ONNX's reference have it. */
static double probit(double p)
{
    const double a = 0.147, pi = 3.14159265358979323846;
    double x = 2.0 * p - 1.0, log_term = log((1.0 - x) * (1.0 + x));
    double half = 2.0 / (pi * a) + 0.5 * log_term;
    double root = sqrt(sqrt(half * half - log_term / a) - half);
    return sqrt(2.0) * (x < 0 ? -root : root);
}

/* With `keeps_zero` a score of 0 (within 1e-7) keeps out of the sum's exponentials. */
static void softmax(double *scores, int64_t n, bool keeps_zero)
{
    double max = -INFINITY, sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        max = scores[i] > max ? scores[i] : max;
    }
    for (int64_t i = 0; i < n; i++) {
        bool is_zero = keeps_zero && fabs(scores[i]) <= 1e-7;
        scores[i] = is_zero ? scores[i] * exp(-max) : exp(scores[i] - max);
        sum += scores[i];
    }
    for (int64_t i = 0; i < n; i++) {
        scores[i] = sum == 0.0 ? 0.5 : scores[i] / sum;
    }
}

void pithi_ml_transform(int64_t post, double *scores, int64_t n)
{
    if (post == PITHI_ML_SOFTMAX || post == PITHI_ML_SOFTMAX_ZERO) {
        softmax(scores, n, post == PITHI_ML_SOFTMAX_ZERO);
    }
    for (int64_t i = 0; i < n && (post == PITHI_ML_LOGISTIC || post == PITHI_ML_PROBIT); i++) {
        scores[i] = post == PITHI_ML_LOGISTIC ? logistic(scores[i]) : probit(scores[i]);
    }
}

/* ---- rows --------------------------------------------------------------------------------- */

pithi_ml_matrix pithi_ml_matrix_of(const pith_shape *shape)
{
    const int64_t *d = shape->dims;
    return shape->rank == 2   ? (pithi_ml_matrix){ d[0], d[1] }
           : shape->rank == 1 ? (pithi_ml_matrix){ 1, d[0] }
                              : (pithi_ml_matrix){ -1, 0 };
}

pith_status pithi_infer_ml_matrix(pith_infer *infer, pithi_ml_matrix *matrix_out)
{
    char text[PITHI_SHAPE_TEXT_BYTES];
    *matrix_out = pithi_ml_matrix_of(&infer->inputs[0].shape);
    PITH_CHECK(infer->ctx, matrix_out->n_rows >= 0, PITH_STATUS_SHAPE,
               "the input is %s, but must be [N,F], or [F] for one row",
               pithi_shape_text(&infer->inputs[0].shape, text));
    return PITH_OK;
}

void pithi_ml_read(const pith_tensor *tensor, int64_t first, int64_t count, double *values_out)
{
    if (tensor->dtype == PITH_DTYPE_F32) {
        const float *values = (const float *)tensor->data + first;
        for (int64_t i = 0; i < count; i++) {
            values_out[i] = (double)values[i];
        }
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        values_out[i] = pithi_tensor_get_f64(tensor, first + i);
    }
}

void pithi_ml_ref(const pith_run *run, const pithi_ml_rows *op)
{
    op->rows(run, 0, pithi_ml_matrix_of(&run->inputs[0].shape).n_rows, run->shared);
}

size_t pithi_ml_ref_bytes(const pith_run *run, const pithi_ml_rows *op)
{
    return (size_t)op->scratch_count(run->attrs, run->inputs) * sizeof(double);
}

pith_status pithi_ml_prepare(pith_prepare *prepare, const pithi_ml_rows *op)
{
    const int64_t count = op->scratch_count(prepare->attrs, prepare->inputs);
    const int64_t n_rows = pithi_ml_matrix_of(&prepare->inputs[0].shape).n_rows;
    prepare->use_run = true;
    prepare->scratch_bytes = (size_t)count * sizeof(double);
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(n_rows * (count + 8) / 4096, pithi_min_s64(n_rows, 1024)));
    prepare->kernel = "rows";
    return PITH_OK;
}

void pithi_ml_run(const pith_run *run, const pith_part *part, const pithi_ml_rows *op)
{
    int64_t begin, end;
    pithi_part_range(part, pithi_ml_matrix_of(&run->inputs[0].shape).n_rows, &begin, &end);
    op->rows(run, begin, end, part->scratch);
}
