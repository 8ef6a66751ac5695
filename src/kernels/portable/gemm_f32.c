/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_f32 in plain C: the oracle, and small enough blocks for any compiler's own vectoriser. */
#include "kernels/gemm_f32.h"

enum { MR = 4, NR = 8 };

static float clamp(float value, float lo, float hi)
{
    value = value < lo ? lo : value;
    return value > hi ? hi : value;
}

static void start(const pith_gemm_f32_tile *t, int m0, int n0, int rows, int columns, float acc[MR][NR])
{
    for (int m = 0; m < rows; m++) {
        for (int n = 0; n < columns; n++) {
            acc[m][n] = t->accumulate ? t->c[(size_t)(m0 + m) * t->c_stride + (size_t)(n0 + n)]
                        : t->bias     ? t->bias[n0 + n]
                                      : 0.0f;
        }
    }
}

static void finish(const pith_gemm_f32_tile *t, int m0, int n0, int rows, int columns, float acc[MR][NR])
{
    for (int m = 0; m < rows; m++) {
        for (int n = 0; n < columns; n++) {
            size_t at = (size_t)(m0 + m) * t->residual_stride + (size_t)(n0 + n);
            float value = t->residual ? acc[m][n] + t->residual[at] : acc[m][n];
            t->c[(size_t)(m0 + m) * t->c_stride + (size_t)(n0 + n)] = clamp(value, t->lo, t->hi);
        }
    }
}

/* rows and columns are constants in the call for full blocks, so that loops unroll there. */
static inline void block(const pith_gemm_f32_tile *t, int m0, int n0, int rows, int columns)
{
    float acc[MR][NR] = { { 0 } };
    const float *b = t->b + (size_t)(n0 / NR) * t->b_panel_stride;
    start(t, m0, n0, rows, columns, acc);
    for (int s = 0; s < t->n_segments; s++) {
        for (size_t k = 0; k < t->segment_length; k++, b += t->b_row_stride) {
            for (int m = 0; m < rows; m++) {
                float a = t->a_rows[m0 + m][t->segment_offsets[s] + (ptrdiff_t)k];
                for (int n = 0; n < columns; n++) {
                    acc[m][n] += a * b[n];
                }
            }
        }
    }
    finish(t, m0, n0, rows, columns, acc);
}

static void tile(const pith_gemm_f32_tile *t)
{
    for (int n0 = 0; n0 < t->n_columns; n0 += NR) {
        int columns = t->n_columns - n0 < NR ? t->n_columns - n0 : NR;
        for (int m0 = 0; m0 < t->mr; m0 += MR) {
            int rows = t->mr - m0 < MR ? t->mr - m0 : MR;
            if (rows == MR && columns == NR) {
                block(t, m0, n0, MR, NR);
            } else {
                block(t, m0, n0, rows, columns);
            }
        }
    }
}

static float dot(const pith_gemm_f32_tile *t, const float *a, const float *b)
{
    float sum = 0.0f;
    for (int s = 0; s < t->n_segments; s++, b += t->segment_length) {
        for (size_t k = 0; k < t->segment_length; k++) {
            sum += a[t->segment_offsets[s] + (ptrdiff_t)k] * b[k];
        }
    }
    return sum;
}

static void few(const pith_gemm_f32_tile *t)
{
    for (int m = 0; m < t->mr; m++) {
        for (int n = 0; n < t->n_columns; n++) {
            float sum = dot(t, t->a_rows[m], t->b + (size_t)n * t->b_panel_stride) + (t->bias ? t->bias[n] : 0.0f);
            sum += t->residual ? t->residual[(size_t)m * t->residual_stride + (size_t)n] : 0.0f;
            t->c[(size_t)m * t->c_stride + (size_t)n] = clamp(sum, t->lo, t->hi);
        }
    }
}

static const pith_gemm_f32 records[] = {
    { .head = { "gemm_f32_4x8__portable", PITH_BOUNDED }, .nr = NR, .mr_max = MR, .nv_max = 1, .max_fold = 1,
      .b_bytes = sizeof(float), .tile = tile, .few = few }
};

PITH_EXPORT_KERNEL(gemm_f32, portable, records);
