/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_f32 of every ISA against sums in double, with operands that end (or begin) at inaccessible pages, and the
 * same bits however a block is cut. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/gemm_f32.h"
#include "support/float_operand.h"

#define N_CASES 500
#define MAX_SEGMENTS 3

typedef struct block_case {
    int mr, n, n_segments;
    size_t length, n_k, a_stride, b_stride, c_stride, residual_stride;
    ptrdiff_t offsets[MAX_SEGMENTS];
    bool is_packed, accumulate, has_specials;
    pith_test_operand a, b, plain_b, bias, residual, c, start;
    const float **rows;
    pith_gemm_f32_tile tile;
} block_case;

static size_t pick(pith_test *test, size_t low, size_t high)
{
    return low + pith_test_random(test) % (high - low + 1);
}

static void choose_sizes(pith_test *test, const pith_gemm_f32 *kernel, block_case *c)
{
    c->mr = (int)pick(test, 1, pith_test_random(test) % 4 ? (size_t)(2 * kernel->mr_max + 1) : 60);
    c->n = (int)pick(test, 1, (size_t)(2 * kernel->nr * kernel->nv_max + 1));
    c->mr = pith_test_random(test) % 4 ? c->mr : 1;
    c->n_segments = (int)pick(test, 0, MAX_SEGMENTS);
    c->length = pick(test, 1, 20);
    c->n_k = (size_t)c->n_segments * c->length;
    c->has_specials = pith_test_random(test) % 3 == 0;
    c->is_packed = pith_test_random(test) & 1;
    c->accumulate = pith_test_random(test) % 4 == 0;
    size_t last = 0;
    for (int s = 0; s < c->n_segments; s++) {
        c->offsets[s] = (ptrdiff_t)pick(test, 0, 50);
        last = (size_t)c->offsets[s] > last ? (size_t)c->offsets[s] : last;
    }
    c->a_stride = last + c->length; /* the last row ends with the buffer */
    c->b_stride = (size_t)c->n + pick(test, 0, 5);
    c->c_stride = (size_t)c->n + pick(test, 0, 5);
    c->residual_stride = (size_t)c->n + pick(test, 0, 5);
}

/* Rows of n floats, `stride` apart, without a tail behind the last. */
static size_t extent(size_t n_rows, size_t stride, size_t n) { return n_rows ? (n_rows - 1) * stride + n : 0; }

static void make_case(pith_test *test, const pith_gemm_f32 *kernel, block_case *c)
{
    choose_sizes(test, kernel, c);
    size_t rows = (size_t)c->mr, n = (size_t)c->n;
    c->a = pith_test_operand_make(test, rows * c->a_stride, c->has_specials);
    c->plain_b = pith_test_operand_make(test, extent(c->n_k, c->b_stride, n), c->has_specials);
    c->b = pith_test_operand_make(test, pithi_gemm_f32_packed_size(kernel, c->n_k, n), false);
    pithi_gemm_f32_pack(kernel, c->plain_b.data, c->n_k, n, (ptrdiff_t)c->b_stride, 1, c->b.data);
    c->bias = pith_test_operand_make(test, n, c->has_specials);
    c->residual = pith_test_operand_make(test, extent(rows, c->residual_stride, n), c->has_specials);
    c->c = pith_test_operand_make(test, extent(rows, c->c_stride, n), false);
    c->start = pith_test_operand_make(test, c->c.count, false);
    c->rows = malloc(rows * sizeof *c->rows);
    bool is_even = pith_test_random(test) & 1;
    for (size_t m = 0; m < rows; m++) { /* in any order */
        c->rows[m] = c->a.data + (is_even ? m : m * 7 % rows) * c->a_stride;
    }
    size_t nr = (size_t)kernel->nr;
    c->tile = (pith_gemm_f32_tile){
        .a_rows = c->rows, .segment_offsets = c->offsets, .n_segments = c->n_segments, .segment_length = c->length,
        .b = c->is_packed ? c->b.data : c->plain_b.data, .b_row_stride = c->is_packed ? nr : c->b_stride,
        .b_panel_stride = c->is_packed ? nr * c->n_k : nr,
        .bias = pith_test_random(test) & 1 ? c->bias.data : NULL,
        .residual = pith_test_random(test) & 1 ? c->residual.data : NULL, .residual_stride = c->residual_stride,
        .c = c->c.data, .c_stride = c->c_stride, .mr = c->mr, .n_columns = c->n, .accumulate = c->accumulate,
        .lo = pith_test_random(test) & 1 ? -0.5f : -INFINITY, .hi = pith_test_random(test) & 1 ? 1.5f : INFINITY,
    };
}

static void free_case(block_case *c)
{
    pith_test_operand *operands[] = { &c->a, &c->b, &c->plain_b, &c->bias, &c->residual, &c->c, &c->start };
    for (int i = 0; i < PITH_COUNT(operands); i++) {
        pith_guarded_free(&operands[i]->memory);
    }
    free(c->rows);
}

static void restart(block_case *c) { memcpy(c->c.data, c->start.data, c->c.count * sizeof(float)); }

/* The exact value, and the error that n_k + 2 roundings may make. */
static double wanted_value(const block_case *c, size_t m, size_t n, double *bound_out)
{
    const pith_gemm_f32_tile *t = &c->tile;
    double sum = t->accumulate ? (double)c->start.data[m * c->c_stride + n] : t->bias ? (double)t->bias[n] : 0.0;
    double size = fabs(sum);
    for (size_t k = 0; k < c->n_k; k++) {
        double a = (double)t->a_rows[m][c->offsets[k / c->length] + (ptrdiff_t)(k % c->length)];
        double term = a * (double)c->plain_b.data[k * c->b_stride + n];
        sum += term;
        size += fabs(term);
    }
    if (t->residual) {
        sum += (double)t->residual[m * c->residual_stride + n];
        size += fabs((double)t->residual[m * c->residual_stride + n]);
    }
    sum = sum < (double)t->lo ? (double)t->lo : sum;
    *bound_out = (double)(c->n_k + 2) * ((double)FLT_EPSILON * size + (double)FLT_TRUE_MIN);
    return sum > (double)t->hi ? (double)t->hi : sum;
}

static void check_values(pith_test *test, const block_case *c)
{
    for (size_t i = 0; i < c->c.count; i++) {
        size_t m = i / c->c_stride, n = i % c->c_stride;
        if (n >= (size_t)c->n) {
            TEST_CHECK_MESSAGE(test, memcmp(&c->c.data[i], &c->start.data[i], sizeof(float)) == 0,
                               "row %zu: element %zu beyond the last column was written", m, n);
            continue;
        }
        double bound = 0.0, wanted = wanted_value(c, m, n, &bound);
        TEST_CHECK_MESSAGE(test, pith_test_is_close((double)c->c.data[i], wanted, bound),
                           "[%zu][%zu] is %.9g, not %.9g (bound %g)", m, n, (double)c->c.data[i], wanted, bound);
    }
}

/* The block in four calls cut at row `m`, a panel edge `n` and, with accumulate, a segment. */
static void run_in_pieces(pith_test *test, const pith_gemm_f32 *kernel, const block_case *c)
{
    int m = (int)pick(test, 0, (size_t)c->mr), panel = (int)pick(test, 0, (size_t)(c->n / kernel->nr));
    int n = panel * kernel->nr, cut = (int)pick(test, 0, (size_t)c->n_segments);
    const int rows[] = { 0, m, c->mr }, columns[] = { 0, n, c->n }, segments[] = { 0, cut, c->n_segments };
    for (int i = 0; i < 8; i++) {
        int r = i & 1, q = i >> 1 & 1, s = i >> 2;
        pith_gemm_f32_tile t = c->tile;
        t.mr = rows[r + 1] - rows[r];
        t.n_columns = columns[q + 1] - columns[q];
        t.n_segments = segments[s + 1] - segments[s];
        t.segment_offsets += segments[s];
        t.a_rows += rows[r];
        t.b += (size_t)(columns[q] / kernel->nr) * t.b_panel_stride + (size_t)segments[s] * c->length * t.b_row_stride;
        t.c += (size_t)rows[r] * t.c_stride + (size_t)columns[q];
        t.bias = t.bias ? t.bias + columns[q] : NULL;
        t.residual =
            t.residual && s == 1 ? t.residual + (size_t)rows[r] * t.residual_stride + (size_t)columns[q] : NULL;
        t.accumulate = t.accumulate || s == 1;
        t.lo = s == 1 ? t.lo : -INFINITY;
        t.hi = s == 1 ? t.hi : INFINITY;
        if (t.mr > 0 && t.n_columns > 0) {
            kernel->tile(&t);
        }
    }
}

/* The first columns by `few` (fold 0) or `narrow`: values, and the same bits row by row. */
static void check_few(pith_test *test, const pith_gemm_f32 *kernel, block_case *c, int fold)
{
    int most = fold ? kernel->nr / fold : 4, n_columns = c->n < most ? c->n : most;
    size_t length = c->length, folded = (size_t)c->n_segments * ((length + 3) / 2) * (size_t)kernel->nr;
    pith_test_operand b = pith_test_operand_make(test, fold ? folded : (size_t)n_columns * c->n_k, false);
    pith_test_operand rows = pith_test_operand_make(test, c->c.count, false);
    if (fold) {
        memset(b.data, 0, b.count * sizeof(float));
    }
    for (size_t i = 0; i < (size_t)n_columns * c->n_k; i++) {
        size_t k = i % c->n_k, n = i / c->n_k;
        b.data[fold ? pithi_gemm_f32_place(kernel, fold, length, k, n) : i] = c->plain_b.data[k * c->b_stride + n];
    }
    c->tile.accumulate = 0;
    pith_gemm_f32_tile t = c->tile;
    void (*run)(const pith_gemm_f32_tile *) = fold ? kernel->narrow : kernel->few;
    t.b = b.data;
    t.b_panel_stride = c->n_k;
    t.n_columns = n_columns;
    t.fold = fold;
    restart(c);
    memcpy(rows.data, c->start.data, rows.count * sizeof(float));
    run(&t);
    for (size_t i = 0; i < c->c.count; i++) {
        double bound = 0.0, got = (double)c->c.data[i];
        bool is_done = i % c->c_stride < (size_t)n_columns;
        double wanted = is_done ? wanted_value(c, i / c->c_stride, i % c->c_stride, &bound) : (double)c->start.data[i];
        TEST_CHECK_MESSAGE(test, pith_test_is_close(got, wanted, bound),
                           "fold %d: element %zu is %.9g, not %.9g", fold, i, got, wanted);
    }
    t.mr = 1;
    for (t.c = rows.data; t.a_rows < c->tile.a_rows + c->mr; t.a_rows++, t.c += t.c_stride) {
        run(&t);
        t.residual = t.residual ? t.residual + t.residual_stride : NULL;
    }
    for (size_t i = 0; i < rows.count; i++) { /* which NaN it is may differ */
        bool is_same = memcmp(&rows.data[i], &c->c.data[i], sizeof(float)) == 0;
        TEST_CHECK_MESSAGE(test, is_same || (isnan(rows.data[i]) && isnan(c->c.data[i])), "few: rows give other bits");
    }
    pith_guarded_free(&b.memory);
    pith_guarded_free(&rows.memory);
}

static void check_case(pith_test *test, const pith_gemm_f32 *kernel)
{
    block_case c = { 0 };
    make_case(test, kernel, &c);
    restart(&c);
    kernel->tile(&c.tile);
    check_values(test, &c);
    float *whole = malloc(c.c.count * sizeof(float));
    memcpy(whole, c.c.data, c.c.count * sizeof(float));
    restart(&c);
    run_in_pieces(test, kernel, &c);
    TEST_CHECK_MESSAGE(test, memcmp(whole, c.c.data, c.c.count * sizeof(float)) == 0,
                       "pieces give other bits than the block");
    free(whole);
    for (int fold = 2; fold <= kernel->max_fold; fold *= 2) {
        check_few(test, kernel, &c, fold);
    }
    check_few(test, kernel, &c, 0);
    free_case(&c);
}

void test_gemm_f32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("gemm_f32", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_gemm_f32 *kernel = set->records;
        pith_test_case(test, "%s has sound tile sizes", kernel->head.name);
        TEST_CHECK(test, kernel->nr > 0 && kernel->nv_max > 0 && kernel->mr_max > 0);
        TEST_CHECK(test, kernel->mr_max <= PITH_GEMM_F32_MAX_MR);
        for (int i = 0; i < N_CASES; i++) {
            pith_test_case(test, "%s %d", kernel->head.name, i);
            check_case(test, kernel);
        }
    }
}
