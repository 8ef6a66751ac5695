/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_nbits_s8 of every ISA and format against the header's formulas, to the bit, with operands that end (or begin) at
 * inaccessible pages. */
#include "kernels/gemm_nbits_s8.h"

#include <math.h>
#include <stdlib.h>

#include "support/test.h"

#define N_CASES 300

enum { MOST_ROWS = 9, MOST_WORDS = 20, MOST_K = MOST_WORDS * 16, MOST_COLUMNS = 100 };

typedef struct s8_case {
    int mr, n, nr;
    size_t n_k, group_k, n_lists, n_row_lists;
    uint8_t plain[MOST_K][MOST_COLUMNS + 16];
    float a[MOST_ROWS][MOST_K];
    pith_guarded q, a_scales, a_sums, codes, scales, zeros, bias, residual, c;
    pith_nbits_s8_rows rows;
    pith_gemm_nbits_tile tile;
} s8_case;

static size_t pick(pith_test *test, size_t low, size_t high)
{
    return low + pith_test_random(test) % (high - low + 1);
}

static pith_guarded floats(pith_test *test, size_t n, double low, double high)
{
    pith_guarded memory = pith_guarded_alloc(n * sizeof(float), pith_test_random(test) & 1);
    for (size_t i = 0; i < n; i++) {
        ((float *)memory.data)[i] = (float)pith_test_uniform(test, low, high);
    }
    return memory;
}

static void pack(pith_test *test, s8_case *c)
{
    const int bits = pithi_nbits_bits(c->tile.format), per = pithi_nbits_per_word(c->tile.format);
    const size_t width = c->n_lists / c->tile.n_groups;
    for (size_t i = 0; i < width * c->tile.n_words; i++) {
        const size_t column = i % width, w = i / width;
        uint32_t word = 0;
        for (int j = 0; j < per; j++) {
            const size_t k = w * (size_t)per + (size_t)pithi_nbits_k(bits, j);
            c->plain[k][column] = (uint8_t)(pith_test_random(test) & ((1u << bits) - 1));
            word |= (uint32_t)c->plain[k][column] << (j * bits);
        }
        uint8_t *panel = (uint8_t *)c->codes.data + column / (size_t)c->nr * c->tile.panel_bytes;
        memcpy(panel + (w * (size_t)c->nr + column % (size_t)c->nr) * 4, &word, 4);
    }
}

static void make_rows(pith_test *test, const pith_gemm_nbits_s8 *kernel, s8_case *c)
{
    const size_t high = (size_t)pithi_nbits_s8_rows(c->mr), tiles = ((size_t)c->mr + high - 1) / high;
    c->q = pith_guarded_alloc(tiles * high * c->n_k, false);
    c->a_scales = floats(test, tiles * high * c->tile.n_groups, 1.0, 1.0);
    c->a_sums = floats(test, tiles * high * c->tile.n_groups, 0.0, 0.0);
    c->rows = (pith_nbits_s8_rows){ c->q.data, c->a_scales.data, c->a_sums.data };
    memset(c->q.data, 99, tiles * high * c->n_k);
    for (size_t i = 0; i < (size_t)c->mr * c->tile.n_groups; i++) {
        const size_t m = i / c->tile.n_groups, g = i % c->tile.n_groups, k = g * c->group_k, row = m % high;
        const size_t n = k + c->group_k < c->n_k ? c->group_k : c->n_k - k;
        const size_t at = (m / high * c->tile.n_groups + g) * high;
        const uint64_t kind = pith_test_random(test) % 24;
        const float unit = kind == 0 ? 0.0f : kind == 1 ? 1e-35f : (float)exp2(pith_test_uniform(test, -20, 20));
        pith_guarded x = floats(test, n, -1.0, 1.0);
        for (size_t j = 0; j < n; j++) {
            ((float *)x.data)[j] *= unit;
        }
        if (kind == 2) {
            ((float *)x.data)[pick(test, 0, n - 1)] = pith_test_random(test) & 1 ? NAN : -INFINITY;
        }
        memcpy(&c->a[m][k], x.data, n * sizeof(float));
        kernel->quantize(x.data, n, c->rows.q + m / high * high * c->n_k + k * high + 4 * row, 4 * high,
                         c->rows.scales + at + row, c->rows.sums + at + row);
        pith_guarded_free(&x);
    }
}

static void make_case(pith_test *test, const pith_gemm_nbits_s8 *kernel, pith_nbits_format format, s8_case *c)
{
    pith_gemm_nbits_tile *t = &c->tile;
    const size_t nr = (size_t)kernel->nr, per = (size_t)pithi_nbits_per_word(format);
    c->nr = kernel->nr;
    c->mr = pith_test_random(test) % 3 ? (int)pick(test, 1, MOST_ROWS) : 1;
    c->n = (int)pick(test, 1, MOST_COLUMNS);
    *t = (pith_gemm_nbits_tile){ .format = format, .mr = c->mr, .n_columns = c->n };
    t->n_words = pick(test, 1, MOST_WORDS);
    t->group_words = pick(test, 1, t->n_words);
    t->n_groups = (t->n_words + t->group_words - 1) / t->group_words;
    t->panel_bytes = t->n_words * pithi_nbits_row_bytes(format, kernel->nr);
    c->n_k = t->n_words * per;
    c->group_k = t->group_words * per;
    const size_t n_panels = ((size_t)c->n + nr - 1) / nr, n = (size_t)c->n, rows = (size_t)c->mr;
    c->n_lists = n_panels * t->n_groups * nr;
    c->codes = pith_guarded_alloc(n_panels * t->panel_bytes, pith_test_random(test) & 1);
    c->scales = floats(test, c->n_lists, 0.01, 0.1);
    c->zeros = pith_guarded_alloc(c->n_lists, pith_test_random(test) & 1);
    for (size_t i = 0; i < c->n_lists; i++) {
        ((int8_t *)c->zeros.data)[i] = (int8_t)pick(test, 0, 255);
    }
    c->bias = floats(test, n, -2.0, 2.0);
    c->residual = floats(test, rows * n, -2.0, 2.0);
    c->c = floats(test, rows * n, 7.0, 8.0);
    pack(test, c);
    make_rows(test, kernel, c);
    t->codes = c->codes.data;
    t->scales = c->scales.data;
    t->zeros = pith_test_random(test) & 1 ? c->zeros.data : NULL;
    t->bias = pith_test_random(test) & 1 ? c->bias.data : NULL;
    t->residual = pith_test_random(test) & 1 ? c->residual.data : NULL;
    t->residual_stride = t->c_stride = n;
    t->c = c->c.data;
    t->lo = pith_test_random(test) & 1 ? -0.5f : -INFINITY;
    t->hi = pith_test_random(test) & 1 ? 1.5f : INFINITY;
}

static float largest_of(const float *x, size_t n)
{
    float most = 0.0f;
    for (size_t i = 0; i < n; i++) {
        most = isfinite(x[i]) ? fmaxf(most, fabsf(x[i])) : INFINITY;
        if (isinf(most)) {
            return most;
        }
    }
    return most;
}

static float wanted_at(const s8_case *c, int m, int n)
{
    const pith_gemm_nbits_tile *t = &c->tile;
    const int middle = 1 << (pithi_nbits_bits(t->format) - 1);
    volatile float y = 0.0f;
    for (size_t g = 0; g < t->n_groups; g++) {
        const size_t first = g * c->group_k, end = first + c->group_k < c->n_k ? first + c->group_k : c->n_k;
        const size_t at = ((size_t)(n / c->nr) * t->n_groups + g) * (size_t)c->nr + (size_t)(n % c->nr);
        const float most = largest_of(&c->a[m][first], end - first);
        const int zero = middle + (t->zeros ? ((const int8_t *)t->zeros)[at] : 0);
        volatile float scale = isinf(most) ? NAN : most < 0x1p-100f ? 0.0f : most / 127.0f, factor = 127.0f / most;
        int64_t acc = 0;
        for (size_t k = first; k < end && scale > 0.0f; k++) {
            volatile float product = c->a[m][k] * factor;
            acc += (int64_t)nearbyint((double)product) * (c->plain[k][n] - zero);
        }
        volatile float both = scale * t->scales[at];
        y = fmaf((float)acc, both, y);
    }
    y = t->bias ? y + t->bias[n] : y;
    y = t->residual ? y + t->residual[m * c->n + n] : y;
    return y;
}

static void check_case(pith_test *test, const s8_case *c)
{
    for (int i = 0; i < c->mr * c->n; i++) {
        const float wanted = wanted_at(c, i / c->n, i % c->n), got = c->tile.c[i];
        const float clamped = wanted < c->tile.lo ? c->tile.lo : wanted > c->tile.hi ? c->tile.hi : wanted;
        TEST_CHECK_MESSAGE(test, got == clamped || isnan(wanted), "row %d column %d is %.9g, not %.9g", i / c->n,
                           i % c->n, (double)got, (double)clamped);
        TEST_CHECK_MESSAGE(test, !isnan(wanted) || isnan(got) || isfinite(c->tile.lo) || isfinite(c->tile.hi),
                           "row %d column %d is %g, not NaN", i / c->n, i % c->n, (double)got);
    }
}

void test_gemm_nbits_s8(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("gemm_nbits_s8", isa);
        for (int i = 0; set && pithi_isa_is_available(isa) && i < N_CASES; i++) {
            const pith_gemm_nbits_s8 *kernel = set->records;
            s8_case *c = calloc(1, sizeof *c);
            pith_test_case(test, "%s, %d", kernel->head.name, i);
            make_case(test, kernel, (pith_nbits_format)(i % 3), c);
            kernel->tile(&c->tile, &c->rows);
            check_case(test, c);
            pith_guarded *all[] = { &c->q, &c->a_scales, &c->a_sums, &c->codes, &c->scales, &c->zeros, &c->bias,
                                    &c->residual, &c->c };
            for (int k = 0; k < PITH_COUNT(all); k++) {
                pith_guarded_free(all[k]);
            }
            free(c);
        }
    }
}
