/* SPDX-License-Identifier: Apache-2.0 */
/* Products and convolutions of 8-bit integers with sums in s32, as the older quantised operators of ONNX spell
 * them: matmul_integer and conv_integer give the sums, qlinear_matmul and qlinear_conv quantise them again. */
#ifndef PITH_OPS_SHARED_INT_PRODUCT_H
#define PITH_OPS_SHARED_INT_PRODUCT_H

#include "ops/shared_conv.h"
#include "ops/shared_gemm_product.h"
#include "ops/shared_quant.h"

/* Operands by role; NULL: absent. a is x of a convolution, b the weights. Scales and zero points are one for
 * all, or one for each row of a (and y) and column (output channel) of b. With y_scale
 * y = saturate(round((sum + bias) a_scale b_scale / y_scale) + y_zero), without it y = sum. */
typedef struct pithi_int_product {
    const pith_tensor *a, *b, *a_zero, *b_zero, *a_scale, *b_scale, *y_scale, *y_zero, *bias;
    /* y = activation(sum (a_factor b_factor) + offset + residual) in float32 */
    const pith_tensor *a_factor, *b_factor, *offset, *residual;
    const pith_activation *activation; /* NULL: none */
    pith_tensor *y;
    pithi_limits limits;
} pithi_int_product;

#define PITHI_INT_RESIDUAL 7 /* input of matmul_integer and conv_integer */
#define PITHI_INT_FLOAT_INPUTS                                                                                       \
    { "a_factor", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL },                                                     \
    { "b_factor", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL },                                                     \
    { "offset", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL },                                                       \
    { "residual", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL }

/* Attributes of qlinear_conv; conv_integer has those of conv alone. */
typedef struct pithi_qlinear_conv_attrs {
    pithi_conv_attrs conv;
    pithi_limits limits;
} pithi_qlinear_conv_attrs;

/* Attributes of qlinear_matmul (the first two) and of matmul_integer (the last). */
typedef struct pithi_int_matmul_attrs {
    int64_t trans_b; /* of b's last two dimensions */
    pithi_limits limits;
    pith_activation activation;
} pithi_int_matmul_attrs;

/* Inputs in the order of matmul_integer and conv_integer (a, b, a_zero, b_zero; a_factor, b_factor, offset, residual),
 * or of qlinear_matmul and qlinear_conv (a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, bias). */
pithi_int_product pithi_int_operands(const pith_tensor *inputs, int n_inputs, pith_tensor *outputs, bool is_qlinear);
/* The same for convolutions, with what their attributes say. */
pithi_int_product pithi_int_conv_operands(const pith_tensor *inputs, int n_inputs, pith_tensor *outputs,
                                          const void *attrs, bool is_qlinear);

pith_status pithi_int_matmul_infer(pith_infer *infer, bool is_qlinear);
void pithi_int_matmul_ref(const pith_run *run, bool is_qlinear);
pith_status pithi_int_matmul_prepare(pith_prepare *prepare, bool is_qlinear);
void pithi_int_matmul_run(const pith_run *run, const pith_part *part, bool is_qlinear);

pith_status pithi_int_conv_infer(pith_infer *infer, bool is_qlinear);
void pithi_int_conv_ref(const pith_run *run, bool is_qlinear);
pith_status pithi_int_conv_prepare(pith_prepare *prepare, bool is_qlinear);
void pithi_int_conv_run(const pith_run *run, const pith_part *part, bool is_qlinear);

/* Writes element `position` of y from its sum, which wraps around in s32 where a has 8 bits; row and column choose
 * scales and zero points. */
void pithi_int_finish(const pithi_int_product *product, int64_t position, int64_t row, int64_t column, int64_t sum);
/* Some operand or the result has 16 bits: ops/shared_s16.h. */
bool pithi_int_is_wide(const pith_tensor *inputs, const pith_tensor *outputs);
/* Elements position .. position + n-1 of y from sums[i * sum_step]; the column rises by column_step each time. */
typedef struct pithi_int_line {
    int64_t position, row, column, column_step, n;
    const int32_t *sums;
    int64_t sum_step;
} pithi_int_line;
void pithi_int_finish_line(const pithi_int_product *product, const pithi_int_line *line);
/* a_scale b_scale / y_scale for a row and column, rounded to float32 after each step. */
float pithi_int_scale(const pithi_int_product *product, int64_t row, int64_t column);
/* a_factor b_factor of columns [begin, end). */
void pithi_int_fold_factors(const pithi_int_product *product, int64_t begin, int64_t end, float *to);
/* Zero point (or 0) for index `index` of what it may be given for. */
int32_t pithi_int_zero(const pith_tensor *zero, int64_t index);
/* Roles, counts and dtypes of scales and zero points: n_rows of a, n_columns of b (for all batches n_batches). */
pith_status pithi_int_check(pith_infer *infer, const pithi_int_product *product, int64_t n_rows, int64_t n_columns);

#endif
