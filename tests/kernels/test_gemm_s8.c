/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_s8 of every ISA: sums against plain 64-bit arithmetic, bytes and packed B against their definitions in the
 * header, operands at inaccessible pages, extremes of all bytes, the same bits however a block is
 * cut. */
#include <math.h>
#include <stdlib.h>

#include "kernels/gemm_s8.h"
#include "support/test.h"

#define N_CASES      300
#define MAX_SEGMENTS 4

typedef struct s8_case {
    int mr, n, n_segments;
    bool is_padded, is_sum, in_strips;
    size_t length, n_k, a_stride, c_stride, item_bytes;
    ptrdiff_t offsets[MAX_SEGMENTS];
    pith_guarded a, b, bias, scale, b_zero, sums, c;
    int8_t *plain; /* [n_k][n] */
    const uint8_t **rows;
    pith_gemm_s8_tile tile;
} s8_case;

static int pick(pith_test *test, int low, int high)
{
    return low + (int)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

/* Every fourth byte is an extreme: -128, 127, 0 and 255 meet. */
static uint8_t any_byte(pith_test *test)
{
    static const uint8_t extremes[] = { 0x80, 0x7f, 0x00, 0xff };
    uint64_t bits = pith_test_random(test);
    return bits & 3 ? (uint8_t)(bits >> 8) : extremes[bits >> 2 & 3];
}

static pith_guarded bytes(pith_test *test, size_t n)
{
    pith_guarded memory = pith_guarded_alloc(n, pith_test_random(test) & 1);
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)memory.data)[i] = any_byte(test);
    }
    return memory;
}

static pith_guarded ints(pith_test *test, size_t n, int32_t low, int32_t high)
{
    pith_guarded memory = pith_guarded_alloc(n * sizeof(int32_t), pith_test_random(test) & 1);
    for (size_t i = 0; i < n; i++) {
        ((int32_t *)memory.data)[i] = (int32_t)pith_test_uniform(test, low, high);
    }
    return memory;
}

static void pack(const pith_gemm_s8 *kernel, const s8_case *c, size_t panel_bytes, int8_t *to)
{
    const size_t nr = (size_t)kernel->nr, n = (size_t)c->n, strip = c->in_strips ? (size_t)kernel->strip : 1;
    for (size_t panel = 0; panel < (n + nr - 1) / nr; panel++) {
        const size_t step = panel < n / nr / strip * strip ? strip : 1;
        int8_t *group = to + panel / step * step * panel_bytes + panel % step * 4 * nr;
        for (size_t s = 0; s < (size_t)c->n_segments; s++) {
            for (size_t k = 0; k < c->length; k += 4, group += step * 4 * nr) {
                for (size_t i = 0; i < 4 * nr; i++) {
                    size_t column = panel * nr + i / 4, at = k + i % 4;
                    group[i] = column < n && at < c->length ? c->plain[(s * c->length + at) * n + column] : 0;
                }
            }
        }
    }
}

static void choose_sizes(pith_test *test, const pith_gemm_s8 *kernel, s8_case *c)
{
    c->in_strips = pith_test_random(test) % 3 == 0;
    c->mr = pick(test, 1, c->in_strips ? PITH_GEMM_S8_STRIP_ROWS : 2 * kernel->mr_max + 1);
    c->n = pick(test, 1, 9 * kernel->nr + 1);
    c->n_segments = pick(test, 0, MAX_SEGMENTS);
    c->length = (size_t)pick(test, 1, pith_test_random(test) % 4 ? 21 : 200);
    c->n_k = (size_t)c->n_segments * c->length;
    c->is_padded = pith_test_random(test) & 1;
    c->is_sum = pith_test_random(test) % 4 == 0;
    size_t last = 0;
    for (int s = 0; s < c->n_segments; s++) {
        c->offsets[s] = pick(test, 0, 50);
        last = (size_t)c->offsets[s] > last ? (size_t)c->offsets[s] : last;
    }
    c->a_stride = last + c->length + (c->is_padded ? 3 : 0); /* the last row ends with the buffer */
    c->c_stride = (size_t)(c->n + pick(test, 0, 5));
    c->item_bytes = c->is_sum ? sizeof(int32_t) : 1;
}

static void make_case(pith_test *test, const pith_gemm_s8 *kernel, s8_case *c)
{
    choose_sizes(test, kernel, c);
    size_t n = (size_t)c->n, panels = (n + (size_t)kernel->nr - 1) / (size_t)kernel->nr;
    size_t panel_bytes = pithi_gemm_s8_panel_bytes(kernel, (size_t)c->n_segments, c->length);
    c->a = bytes(test, (size_t)c->mr * c->a_stride);
    c->plain = malloc(c->n_k * n + 1);
    for (size_t i = 0; i < c->n_k * n; i++) {
        c->plain[i] = (int8_t)any_byte(test);
    }
    c->b = pith_guarded_alloc(panels * panel_bytes, pith_test_random(test) & 1);
    pack(kernel, c, panel_bytes, c->b.data);
    c->bias = ints(test, n, -20000, 20000);
    c->b_zero = ints(test, n, -128, 128);
    c->scale = pith_guarded_alloc(n * sizeof(float), pith_test_random(test) & 1);
    for (size_t i = 0; i < n; i++) {
        ((float *)c->scale.data)[i] = (float)pith_test_uniform(test, 1e-4, 5e-3);
    }
    c->rows = malloc((size_t)c->mr * sizeof *c->rows);
    for (int m = 0; m < c->mr; m++) { /* in any order */
        c->rows[m] = (const uint8_t *)c->a.data + (size_t)(m * 7 % c->mr) * c->a_stride;
    }
    c->c = pith_guarded_alloc(((size_t)(c->mr - 1) * c->c_stride + n) * c->item_bytes,
                              pith_test_random(test) & 1);
    bool is_signed = pith_test_random(test) & 1;
    int low = is_signed ? -128 : 0;
    c->tile = (pith_gemm_s8_tile){
        .a_rows = c->rows,
        .segment_offsets = c->offsets,
        .n_segments = c->n_segments,
        .segment_length = c->length,
        .a_flip = pith_test_random(test) & 1 ? 0x80 : 0,
        .a_is_padded = c->is_padded,
        .b = c->b.data,
        .b_panel_stride = panel_bytes,
        .b_in_strips = c->in_strips,
        .bias = c->bias.data,
        .b_zero = c->b_zero.data,
        .scale = c->is_sum ? NULL : c->scale.data,
        .zero = pick(test, low, low + 255),
        .low = pick(test, low, low + 40),
        .high = pick(test, low + 200, low + 255),
        .c = c->c.data,
        .c_stride = c->c_stride,
        .mr = c->mr,
        .n_columns = c->n,
    };
    c->sums = pith_guarded_alloc((size_t)c->mr * sizeof(int32_t), false);
    kernel->row_sums(&c->tile, c->sums.data);
    c->tile.row_sums = pith_test_random(test) & 1 ? c->sums.data : NULL;
}

static void free_case(s8_case *c)
{
    pith_guarded *all[] = { &c->a, &c->b, &c->bias, &c->scale, &c->b_zero, &c->sums, &c->c };
    for (int i = 0; i < PITH_COUNT(all); i++) {
        pith_guarded_free(all[i]);
    }
    free(c->plain);
    free(c->rows);
}

static int32_t wanted_sum(const s8_case *c, size_t m, size_t n)
{
    const pith_gemm_s8_tile *t = &c->tile;
    int64_t sum = t->bias[n], row_sum = 0;
    for (size_t k = 0; k < c->n_k; k++) {
        int64_t a =
            t->a_rows[m][c->offsets[k / c->length] + (ptrdiff_t)(k % c->length)] ^ t->a_flip;
        sum += a * c->plain[k * (size_t)c->n + n];
        row_sum += a;
    }
    return (int32_t)(sum - (t->row_sums ? row_sum * t->b_zero[n] : 0));
}

static int32_t wanted_byte(const pith_gemm_s8_tile *t, size_t n, int32_t sum)
{
    float value = (float)sum * t->scale[n];
    double rounded = nearbyint((double)value) + t->zero;
    return (int32_t)fmin(fmax(rounded, t->low), t->high);
}

static void check_values(pith_test *test, const s8_case *c)
{
    const pith_gemm_s8_tile *t = &c->tile;
    for (size_t i = 0; i < (size_t)(c->mr - 1) * c->c_stride + (size_t)c->n && !test->case_failed;
         i++) {
        size_t m = i / c->c_stride, n = i % c->c_stride;
        const uint8_t *at = (const uint8_t *)c->c.data + i * c->item_bytes;
        if (n >= (size_t)c->n) {
            TEST_CHECK_MESSAGE(test, *at == 0x5a,
                               "row %zu: element %zu beyond the last column was written", m, n);
            continue;
        }
        int32_t sum = wanted_sum(c, m, n), got = 0;
        memcpy(&got, at, c->item_bytes);
        int32_t wanted = t->scale ? (uint8_t)wanted_byte(t, n, sum) : sum;
        TEST_CHECK_MESSAGE(test, got == wanted, "[%zu][%zu] is %d, not %d", m, n, got, wanted);
    }
}

/* The block in four calls, cut at a row and at a panel, or a strip of them. */
static void run_in_pieces(pith_test *test, const pith_gemm_s8 *kernel, const s8_case *c)
{
    int m = pick(test, 0, c->mr), unit = kernel->nr * (c->in_strips ? kernel->strip : 1);
    const int n = pick(test, 0, c->n / unit) * unit;
    const int rows[] = { 0, m, c->mr }, columns[] = { 0, n, c->n };
    for (int i = 0; i < 4; i++) {
        int r = i & 1, q = i >> 1;
        pith_gemm_s8_tile t = c->tile;
        t.mr = rows[r + 1] - rows[r];
        t.n_columns = columns[q + 1] - columns[q];
        t.a_rows += rows[r];
        t.row_sums = t.row_sums ? t.row_sums + rows[r] : NULL;
        t.b += (size_t)(columns[q] / kernel->nr) * t.b_panel_stride;
        t.bias += columns[q];
        t.b_zero += columns[q];
        t.scale = t.scale ? t.scale + columns[q] : NULL;
        t.c = (char *)t.c + ((size_t)rows[r] * t.c_stride + (size_t)columns[q]) * c->item_bytes;
        if (t.mr > 0 && t.n_columns > 0) {
            kernel->tile(&t);
        }
    }
}

static void check_case(pith_test *test, const pith_gemm_s8 *kernel)
{
    s8_case c = { 0 };
    make_case(test, kernel, &c);
    size_t n_bytes = ((size_t)(c.mr - 1) * c.c_stride + (size_t)c.n) * c.item_bytes;
    memset(c.c.data, 0x5a, n_bytes);
    kernel->tile(&c.tile);
    check_values(test, &c);
    void *whole = malloc(n_bytes);
    memcpy(whole, c.c.data, n_bytes);
    memset(c.c.data, 0x5a, n_bytes);
    run_in_pieces(test, kernel, &c);
    TEST_CHECK_MESSAGE(test, memcmp(whole, c.c.data, n_bytes) == 0,
                       "pieces give other bits than the block");
    free(whole);
    free_case(&c);
}

/* B read by rows, by columns, and with gaps, up to its last byte. */
static void check_pack(pith_test *test, const pith_gemm_s8 *kernel)
{
    const int n = pick(test, 1, 3 * kernel->nr + 1), n_k = pick(test, 1, 40), way = pick(test, 0, 2);
    const ptrdiff_t gap = pick(test, 0, 1) * 3, k_stride = way == 0 ? 1 : way == 1 ? n + gap : 2 * n,
                    n_stride = way == 0 ? n_k + gap : way == 1 ? 1 : 2;
    const size_t nr = (size_t)kernel->nr, panel = pithi_gemm_s8_panel_bytes(kernel, 1, (size_t)n_k);
    const size_t n_panels = ((size_t)n + nr - 1) / nr;
    pith_guarded b = bytes(test, (size_t)((n_k - 1) * k_stride + (n - 1) * n_stride + 1));
    pith_guarded packed = pith_guarded_alloc(n_panels * panel, pith_test_random(test) & 1);
    pith_guarded sums = pith_guarded_alloc((size_t)n * sizeof(int32_t), pith_test_random(test) & 1);
    const pith_gemm_s8_columns columns = { .b = b.data, .k_stride = k_stride, .n_stride = n_stride,
                                           .n_k = (size_t)n_k, .n_columns = n,
                                           .b_flip = pith_test_random(test) & 1 ? 0x80 : 0, .packed = packed.data,
                                           .sums = sums.data };
    kernel->pack(&columns);
    int32_t sum = 0;
    for (size_t i = 0; i < n_panels * nr * (panel / nr) && !test->case_failed; i++) {
        const size_t column = i / (panel / nr), k = i % (panel / nr);
        const bool is_there = column < (size_t)n && k < (size_t)n_k;
        const int8_t got = columns.packed[column / nr * panel + k / 4 * 4 * nr + column % nr * 4 + k % 4];
        const uint8_t *from = columns.b + (ptrdiff_t)k * k_stride + (ptrdiff_t)column * n_stride;
        const int8_t wanted = is_there ? (int8_t)(*from ^ columns.b_flip) : (int8_t)0;
        TEST_CHECK_MESSAGE(test, got == wanted, "column %zu, k %zu is %d, not %d", column, k, got, wanted);
        sum = (k ? sum : 0) + wanted;
        TEST_CHECK_MESSAGE(test, k + 1 < panel / nr || column >= (size_t)n || sum == columns.sums[column],
                           "column %zu: the sum is %d, not %d", column, columns.sums[column], sum);
    }
    pith_guarded_free(&b);
    pith_guarded_free(&packed);
    pith_guarded_free(&sums);
}

void test_gemm_s8(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("gemm_s8", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        for (int i = 0; i < N_CASES; i++) {
            pith_test_case(test, "%s, block %d", pithi_isa_name(isa), i);
            check_case(test, set->records);
            check_pack(test, set->records);
        }
    }
}
