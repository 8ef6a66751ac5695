/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/gemm_s16_s32.h"

static void add_pair(const int16_t *restrict a, const int16_t *restrict b, int32_t *restrict y, int64_t n)
{
    int32_t first = a[0], second = a[1];
    for (int64_t j = 0; j < n; j++) {
        y[j] = (int32_t)((uint32_t)y[j] + (uint32_t)(first * b[2 * j] + second * b[2 * j + 1]));
    }
}

static void run(const pith_gemm_s16_task *task)
{
    for (int64_t r = 0; r < task->n_rows; r++) {
        int32_t *y = task->y + r * task->y_stride;
        for (int64_t j = 0; j < task->n_columns; j++) {
            y[j] = 0;
        }
        for (int64_t p = 0; p < task->n_pairs; p++) {
            add_pair(task->a + r * task->a_stride + 2 * p, task->b + 2 * p * task->n_padded, y, task->n_columns);
        }
    }
}

static const pith_gemm_s16_s32 records[] = { { .head = { "gemm_s16_s32__portable", PITH_EXACT }, .run = run } };

PITH_EXPORT_KERNEL(gemm_s16_s32, portable, records);
