/* SPDX-License-Identifier: Apache-2.0 */
/* What the operators of ai.onnx.ml share: rows of any number type as doubles, and the transforms of scores. */
#ifndef PITH_OPS_SHARED_ML_H
#define PITH_OPS_SHARED_ML_H

#include "ops/op.h"

/* Numbered as TreeEnsemble of version 5 does. */
typedef enum pithi_ml_post {
    PITHI_ML_NONE,
    PITHI_ML_SOFTMAX,
    PITHI_ML_LOGISTIC,
    PITHI_ML_SOFTMAX_ZERO, /* softmax in which a score of 0 stays 0 (times e^-max) */
    PITHI_ML_PROBIT        /* inverse of the normal distribution, by Winitzki's approximation of the inverse erf */
} pithi_ml_post;
extern const char *const pithi_ml_post_names[];

#define PITHI_ML_DTYPES                                                                                               \
    (PITH_DTYPES(PITH_DTYPE_F32) | PITH_DTYPES(PITH_DTYPE_F64) | PITH_DTYPES(PITH_DTYPE_S32) |                        \
     PITH_DTYPES(PITH_DTYPE_S64))
#define PITHI_ML_F32 PITH_DTYPES(PITH_DTYPE_F32)

/* Transforms the n scores of one row. */
void pithi_ml_transform(int64_t post, double *scores, int64_t n);

/* A matrix [N, F]; rank 1 is one row. Other ranks give n_rows -1. */
typedef struct pithi_ml_matrix {
    int64_t n_rows, n_columns;
} pithi_ml_matrix;
pithi_ml_matrix pithi_ml_matrix_of(const pith_shape *shape);
pith_status pithi_infer_ml_matrix(pith_infer *infer, pithi_ml_matrix *matrix_out);
/* `count` elements from `first` on. */
void pithi_ml_read(const pith_tensor *tensor, int64_t first, int64_t count, double *values_out);

/* n_items = a b, without overflow. */
static inline bool pithi_ml_is_product(int64_t n_items, int64_t a, int64_t b)
{
    return a == 0 || b == 0 ? n_items == 0 : n_items % a == 0 && n_items / a == b;
}

/* Row-wise operators: `rows` computes rows [begin, end) with `scratch` of scratch_count(run) doubles; the reference
 * and the run in parts are the same loops. */
typedef struct pithi_ml_rows {
    void (*rows)(const pith_run *run, int64_t begin, int64_t end, double *scratch);
    int64_t (*scratch_count)(const void *attrs, const pith_tensor *inputs);
} pithi_ml_rows;
void pithi_ml_ref(const pith_run *run, const pithi_ml_rows *op);
size_t pithi_ml_ref_bytes(const pith_run *run, const pithi_ml_rows *op);
pith_status pithi_ml_prepare(pith_prepare *prepare, const pithi_ml_rows *op);
void pithi_ml_run(const pith_run *run, const pith_part *part, const pithi_ml_rows *op);

/* The four functions of an operator's record. */
#define PITHI_ML_ROW_FUNCTIONS(rows_fn, count_fn)                                                                     \
    static const pithi_ml_rows row_functions = { rows_fn, count_fn };                                                \
    static void ref(const pith_run *run) { pithi_ml_ref(run, &row_functions); }                                      \
    static size_t ref_bytes(const pith_run *run) { return pithi_ml_ref_bytes(run, &row_functions); }                 \
    static pith_status prepare(pith_prepare *prepare) { return pithi_ml_prepare(prepare, &row_functions); }          \
    static void run(const pith_run *run, const pith_part *part) { pithi_ml_run(run, part, &row_functions); }

#endif
