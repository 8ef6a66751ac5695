/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_s16_s32 of every ISA against sums in s64; operands that end or begin at inaccessible pages, nothing written
 * between the rows. */
#include "kernels/gemm_s16_s32.h"
#include "support/test.h"

#define N_CASES 200
#define GAP 3 /* elements between the rows of y */

static int64_t pick(pith_test *test, int64_t low, int64_t high)
{
    return low + (int64_t)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

static pith_guarded make_integers(pith_test *test, int64_t count)
{
    pith_guarded memory = pith_guarded_alloc((size_t)count * sizeof(int16_t), pith_test_random(test) & 1);
    for (int64_t i = 0; i < count; i++) {
        ((int16_t *)memory.data)[i] = (int16_t)pick(test, -255, 255);
    }
    return memory;
}

static int64_t sum_of(const pith_gemm_s16_task *task, int64_t r, int64_t j)
{
    int64_t sum = 0;
    for (int64_t k = 0; k < 2 * task->n_pairs; k++) {
        sum += (int64_t)task->a[r * task->a_stride + k] * task->b[(k / 2 * task->n_padded + j) * 2 + k % 2];
    }
    return sum;
}

static void check_case(pith_test *test, const pith_gemm_s16_s32 *kernel)
{
    pith_gemm_s16_task task = { .n_rows = pick(test, 1, 10),
                                .n_columns = pick(test, 1, 150),
                                .n_pairs = pick(test, 0, 20) };
    task.n_padded = (task.n_columns + PITH_GEMM_S16_COLUMNS - 1) / PITH_GEMM_S16_COLUMNS * PITH_GEMM_S16_COLUMNS;
    task.a_stride = 2 * task.n_pairs + 2 * pick(test, 0, 2);
    task.y_stride = task.n_columns + GAP;
    int64_t a_count = task.n_pairs ? (task.n_rows - 1) * task.a_stride + 2 * task.n_pairs : 0;
    int64_t y_count = (task.n_rows - 1) * task.y_stride + task.n_columns;
    pith_guarded a = make_integers(test, a_count), b = make_integers(test, 2 * task.n_pairs * task.n_padded);
    pith_guarded y = pith_guarded_alloc((size_t)y_count * sizeof(int32_t), pith_test_random(test) & 1);
    task.a = a.data;
    task.b = b.data;
    task.y = y.data;
    memset(y.data, 0x5a, (size_t)y_count * sizeof(int32_t));
    kernel->run(&task);
    for (int64_t i = 0; i < y_count; i++) {
        int64_t r = i / task.y_stride, j = i % task.y_stride;
        int64_t wanted = j < task.n_columns ? sum_of(&task, r, j) : 0x5a5a5a5a;
        TEST_CHECK_MESSAGE(test, task.y[i] == wanted, "row %lld column %lld: %d instead of %lld", (long long)r,
                           (long long)j, task.y[i], (long long)wanted);
    }
    pith_guarded_free(&a);
    pith_guarded_free(&b);
    pith_guarded_free(&y);
}

void test_gemm_s16_s32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("gemm_s16_s32", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_gemm_s16_s32 *kernel = set->records;
        pith_test_case(test, "%s", kernel->head.name);
        for (int i = 0; i < N_CASES; i++) {
            check_case(test, kernel);
        }
    }
}
