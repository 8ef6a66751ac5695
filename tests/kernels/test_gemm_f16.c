/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_f16 of every ISA against sums in double within the header's bound, against the portable kernel bit for bit, and
 * against itself in pieces; operands end (or begin) at inaccessible pages. */
#include <math.h>
#include <stdlib.h>

#include "graph/float16.h"
#include "kernels/gemm_f16.h"
#include "platform/platform.h"
#include "support/float_operand.h"

#define N_CASES 300
#define MAX_SEGMENTS 5
#define N_KINDS 3

/* PLAIN: the bound is checked. WIDE: factors of 2^-12 to 2^8, so that there are denormals and infinities. */
typedef enum case_kind { PLAIN, WIDE, SPECIALS } case_kind;

typedef struct block_case {
    case_kind kind;
    int mr, n, n_segments;
    size_t length, n_k, a_stride, c_stride, residual_stride;
    ptrdiff_t offsets[MAX_SEGMENTS];
    pith_test_operand a, b, bias, residual, c, start; /* b: [n_k][n] */
    const float **rows;
    pith_gemm_f32_tile tile; /* without B */
} block_case;

static size_t pick(pith_test *test, size_t low, size_t high)
{
    return low + pith_test_random(test) % (high - low + 1);
}

static void spread(pith_test *test, const block_case *c, pith_test_operand *operand)
{
    for (size_t i = 0; i < operand->count && c->kind == WIDE; i++) {
        operand->data[i] = ldexpf(operand->data[i], (int)pick(test, 0, 20) - 12);
    }
}

/* Rows of n floats, `stride` apart, without a tail behind the last. */
static size_t extent(size_t n_rows, size_t stride, size_t n) { return n_rows ? (n_rows - 1) * stride + n : 0; }

static void choose_sizes(pith_test *test, const pith_gemm_f32 *kernel, block_case *c)
{
    c->kind = (case_kind)pick(test, 0, N_KINDS - 1);
    c->mr = (int)pick(test, 1, pick(test, 0, 3) ? (size_t)(2 * kernel->mr_max + 1) : 110);
    c->n = (int)pick(test, 1, (size_t)(2 * kernel->nr * kernel->nv_max + 1));
    c->n_segments = (int)pick(test, 0, MAX_SEGMENTS);
    c->length = pick(test, 0, 2) ? pick(test, 1, 50) : 16 * pick(test, 1, 12);
    c->n_k = (size_t)c->n_segments * c->length;
    size_t last = 0;
    for (int s = 0; s < c->n_segments; s++) {
        c->offsets[s] = (ptrdiff_t)pick(test, 0, 50);
        last = (size_t)c->offsets[s] > last ? (size_t)c->offsets[s] : last;
    }
    c->a_stride = last + c->length; /* the last row ends with the buffer */
    c->c_stride = (size_t)c->n + pick(test, 0, 5);
    c->residual_stride = (size_t)c->n + pick(test, 0, 5);
}

static void make_case(pith_test *test, const pith_gemm_f32 *kernel, block_case *c)
{
    choose_sizes(test, kernel, c);
    const size_t rows = (size_t)c->mr, n = (size_t)c->n;
    const bool has_specials = c->kind == SPECIALS;
    c->a = pith_test_operand_make(test, rows * c->a_stride, has_specials);
    c->b = pith_test_operand_make(test, c->n_k * n, has_specials);
    spread(test, c, &c->a);
    spread(test, c, &c->b);
    c->bias = pith_test_operand_make(test, n, has_specials);
    c->residual = pith_test_operand_make(test, extent(rows, c->residual_stride, n), has_specials);
    c->c = pith_test_operand_make(test, extent(rows, c->c_stride, n), false);
    c->start = pith_test_operand_make(test, c->c.count, false);
    c->rows = malloc(rows * sizeof *c->rows);
    for (size_t m = 0; m < rows; m++) { /* in any order */
        c->rows[m] = c->a.data + m * 7 % rows * c->a_stride;
    }
    c->tile = (pith_gemm_f32_tile){
        .a_rows = c->rows, .segment_offsets = c->offsets, .n_segments = c->n_segments, .segment_length = c->length,
        .bias = pick(test, 0, 1) ? c->bias.data : NULL,
        .residual = pick(test, 0, 1) ? c->residual.data : NULL, .residual_stride = c->residual_stride,
        .c = c->c.data, .c_stride = c->c_stride, .mr = c->mr, .n_columns = c->n, .accumulate = pick(test, 0, 3) == 0,
        .lo = pick(test, 0, 1) ? -0.5f : -INFINITY, .hi = pick(test, 0, 1) ? 1.5f : INFINITY,
    };
}

static void free_case(block_case *c)
{
    pith_test_operand *operands[] = { &c->a, &c->b, &c->bias, &c->residual, &c->c, &c->start };
    for (int i = 0; i < PITH_COUNT(operands); i++) {
        pith_guarded_free(&operands[i]->memory);
    }
    free(c->rows);
}

/* B in the kernel's panels; ends at an inaccessible page. */
static pith_guarded pack(const pith_gemm_f32 *kernel, const block_case *c)
{
    const size_t n = (size_t)c->n, count = pithi_gemm_f32_packed_size(kernel, c->n_k, n);
    pith_guarded packed = pith_guarded_alloc(count * sizeof(uint16_t), true);
    float *floats = calloc(count + 1, sizeof *floats);
    pithi_gemm_f32_pack(kernel, c->b.data, c->n_k, n, (ptrdiff_t)n, 1, floats);
    for (size_t i = 0; i < count; i++) {
        ((uint16_t *)packed.data)[i] = pithi_f64_to_f16((double)floats[i]);
    }
    free(floats);
    return packed;
}

static void run(const pith_gemm_f32 *kernel, const block_case *c, const pith_guarded *b, bool flushes)
{
    pith_gemm_f32_tile t = c->tile;
    t.b = b->data;
    t.b_row_stride = (size_t)kernel->nr;
    t.b_panel_stride = (size_t)kernel->nr * c->n_k;
    memcpy(c->c.data, c->start.data, c->c.count * sizeof(float));
    const uint32_t former = flushes ? pithi_denormals_off() : 0;
    kernel->tile(&t);
    if (flushes) {
        pithi_denormals_restore(former);
    }
}

/* In eight calls: cut at a row, the edge of a panel, and a multiple of RUN. */
static void run_in_pieces(pith_test *test, const pith_gemm_f32 *kernel, const block_case *c, const pith_guarded *b)
{
    const size_t nr = (size_t)kernel->nr, unit = PITH_GEMM_F16_RUN;
    const size_t k_cut = c->n_segments == 1 ? pick(test, 0, c->length / unit) * unit : 0;
    const size_t rows[] = { 0, pick(test, 0, (size_t)c->mr), (size_t)c->mr };
    const size_t columns[] = { 0, pick(test, 0, (size_t)c->n / nr) * nr, (size_t)c->n };
    const size_t ks[] = { 0, k_cut, c->length };
    memcpy(c->c.data, c->start.data, c->c.count * sizeof(float));
    for (size_t i = 0; i < 8; i++) {
        const size_t r = i & 1, q = i >> 1 & 1, s = i >> 2, m = rows[r], n = columns[q];
        const ptrdiff_t offset = c->offsets[0] + (ptrdiff_t)ks[s];
        pith_gemm_f32_tile t = c->tile;
        if (s == 0 && k_cut == 0) {
            continue;
        }
        t.mr = (int)(rows[r + 1] - m);
        t.n_columns = (int)(columns[q + 1] - n);
        t.a_rows += m;
        t.segment_offsets = k_cut ? &offset : c->offsets;
        t.segment_length = ks[s + 1] - ks[s];
        t.b_row_stride = nr;
        t.b_panel_stride = nr * c->n_k;
        t.b = pithi_gemm_f32_at(kernel, b->data, n / nr * t.b_panel_stride + ks[s] * nr);
        t.c += m * t.c_stride + n;
        t.bias = t.bias ? t.bias + n : NULL;
        t.residual = t.residual && s == 1 ? t.residual + m * t.residual_stride + n : NULL;
        t.accumulate = t.accumulate || (s == 1 && k_cut > 0);
        t.lo = s == 1 ? t.lo : -INFINITY;
        t.hi = s == 1 ? t.hi : INFINITY;
        t.n_segments = t.segment_length == 0 ? 0 : t.n_segments;
        t.segment_length = t.segment_length == 0 ? 1 : t.segment_length;
        if (t.mr > 0 && t.n_columns > 0) {
            kernel->tile(&t);
        }
    }
}

/* The exact value, and the bound of gemm_f16.h. */
static double wanted_value(const block_case *c, size_t m, size_t n, double *bound_out)
{
    const pith_gemm_f32_tile *t = &c->tile;
    const double u = 0x1p-11, m_u = (PITH_GEMM_F16_RUN + 2) * u, n_k = (double)c->n_k;
    double sum = t->accumulate ? (double)c->start.data[m * c->c_stride + n] : t->bias ? (double)t->bias[n] : 0.0;
    double products = 0.0, operands = 0.0, others = fabs(sum);
    for (size_t k = 0; k < c->n_k; k++) {
        const double a = (double)t->a_rows[m][c->offsets[k / c->length] + (ptrdiff_t)(k % c->length)];
        const double b = (double)c->b.data[k * (size_t)c->n + n];
        sum += a * b;
        products += fabs(a * b);
        operands += fabs(a) + fabs(b);
    }
    if (t->residual) {
        sum += (double)t->residual[m * c->residual_stride + n];
        others += fabs((double)t->residual[m * c->residual_stride + n]);
    }
    sum = sum < (double)t->lo ? (double)t->lo : sum;
    *bound_out = m_u / (1.0 - m_u) * products + 0x1p-25 * (n_k + 1.1 * operands) +
                 (n_k / PITH_GEMM_F16_RUN + 3.0) * 0x1p-24 * (others + 1.1 * products);
    return sum > (double)t->hi ? (double)t->hi : sum;
}

static void check_bound(pith_test *test, const block_case *c)
{
    for (size_t i = 0; i < c->c.count; i++) {
        const size_t m = i / c->c_stride, n = i % c->c_stride;
        double bound = 0.0, wanted = (double)c->start.data[i];
        if (n < (size_t)c->n) {
            wanted = wanted_value(c, m, n, &bound);
        }
        TEST_CHECK_MESSAGE(test, pith_test_is_close((double)c->c.data[i], wanted, bound),
                           "[%zu][%zu] is %.9g, not %.9g (bound %g)", m, n, (double)c->c.data[i], wanted, bound);
    }
}

static void check_same(pith_test *test, const block_case *c, const float *wanted, const char *what)
{
    for (size_t i = 0; i < c->c.count; i++) {
        const bool is_same = memcmp(&c->c.data[i], &wanted[i], sizeof(float)) == 0;
        TEST_CHECK_MESSAGE(test, is_same || (isnan(c->c.data[i]) && isnan(wanted[i])), "%s: element %zu is %a, not %a",
                           what, i, (double)c->c.data[i], (double)wanted[i]);
    }
}

static void check_case(pith_test *test, const pith_gemm_f32 *oracle, const pith_gemm_f32 *kernel)
{
    block_case c = { 0 };
    make_case(test, kernel, &c);
    pith_guarded b = pack(kernel, &c), oracle_b = pack(oracle, &c);
    float *wanted = malloc(c.c.count * sizeof(float));
    const bool flushes = c.kind == PLAIN && pick(test, 0, 1);
    run(oracle, &c, &oracle_b, false);
    memcpy(wanted, c.c.data, c.c.count * sizeof(float));
    run(kernel, &c, &b, flushes);
    check_same(test, &c, wanted, "portable gives other bits");
    if (c.kind == PLAIN) {
        check_bound(test, &c);
    }
    run_in_pieces(test, kernel, &c, &b);
    check_same(test, &c, wanted, "pieces give other bits");
    free(wanted);
    pith_guarded_free(&b);
    pith_guarded_free(&oracle_b);
    free_case(&c);
}

/* 2050 + (1 - 2^-20) is just below the middle of 2050 and 2052: rounded to float32 first it would be the middle, and go
 * to 2052. 2048 + 1 is a middle and goes to the even 2048; 1 + 2^-9 more than that. */
static void check_roundings(pith_test *test, const pith_gemm_f32 *kernel)
{
    static const struct {
        float a[2], b[2], wanted;
    } rows[] = {
        { { 1.0f + 0x1p-10f, 1.0f + 0x1p-10f }, { 2048.0f, 1.0f - 0x1p-10f }, 2050.0f },
        { { 1.0f + 0x1p-10f, 1.0f }, { 2048.0f, 1.0f }, 2052.0f },
        { { 1.0f, 1.0f }, { 2048.0f, 1.0f }, 2048.0f },
        { { 1.0f, 1.0f + 0x1p-9f }, { 2048.0f, 1.0f }, 2050.0f },
        { { 1.0f, -1.0f }, { 2048.0f, 0x1p-24f }, 2048.0f },
        { { 0x1p-12f, 0x1p-12f }, { 0x1p-12f, 0x1p-12f }, 0x1p-23f },
        { { 0x1p-12f, 0x1p-13f }, { 0x1p-13f, 0x1p-12f }, 0.0f },
        { { 255.0f, 256.0f }, { 256.0f, 0.9326171875f }, 65504.0f },
        { { 255.0f, 256.0f }, { 256.0f, 0.9375f }, INFINITY },
        { { 65519.0f, 0.0f }, { 1.0f, 0.0f }, 65504.0f },
        { { 65520.0f, 0.0f }, { 1.0f, 0.0f }, INFINITY },
    };
    for (int i = 0; i < PITH_COUNT(rows); i++) {
        const float *a[1] = { rows[i].a };
        const ptrdiff_t no_offset = 0;
        uint16_t b[2 * 64] = { 0 };
        float c = -1.0f;
        b[0] = pithi_f64_to_f16((double)rows[i].b[0]);
        b[kernel->nr] = pithi_f64_to_f16((double)rows[i].b[1]);
        const pith_gemm_f32_tile t = { .a_rows = a, .segment_offsets = &no_offset, .n_segments = 1, .segment_length = 2,
                                       .b = (const float *)(const void *)b, .b_row_stride = (size_t)kernel->nr,
                                       .c = &c, .c_stride = 1, .mr = 1, .n_columns = 1,
                                       .lo = -INFINITY, .hi = INFINITY };
        kernel->tile(&t);
        TEST_CHECK_MESSAGE(test, c == rows[i].wanted, "sum %d is %a, not %a", i, (double)c, (double)rows[i].wanted);
    }
}

void test_gemm_f16(pith_test *test)
{
    const pith_gemm_f32 *oracle = pithi_kernel_of_isa("gemm_f16", 0)->records;
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("gemm_f16", isa);
        if (!set) {
            continue;
        }
        const pith_gemm_f32 *kernel = set->records;
        pith_test_case(test, "%s has sound tile sizes", kernel->head.name);
        if (!pithi_isa_is_available(isa)) {
            pith_test_skip(test, "this CPU has no float16 arithmetic of %s: the kernel is compiled, not run",
                           pithi_isa_name(isa));
            continue;
        }
        TEST_CHECK(test, kernel->nr > 0 && kernel->nr <= 64 && kernel->nv_max > 0 && kernel->mr_max > 0);
        TEST_CHECK(test, pithi_gemm_is_half(kernel) && kernel->max_fold == 1);
        pith_test_case(test, "%s rounds once", kernel->head.name);
        check_roundings(test, kernel);
        for (int i = 0; i < N_CASES; i++) {
            pith_test_case(test, "%s %d", kernel->head.name, i);
            check_case(test, oracle, kernel);
        }
    }
}
