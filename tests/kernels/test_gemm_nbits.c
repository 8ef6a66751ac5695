/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_nbits of every ISA and format against sums in double, unpacked panels against the definition to the bit, with
 * operands that end (or begin) at inaccessible pages, and the same bits however columns are cut. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "graph/float16.h"
#include "graph/small_float.h"
#include "kernels/gemm_nbits.h"
#include "support/test.h"

#define N_CASES 400

typedef struct nbits_case {
    int mr, n;
    size_t n_k, per, n_panels, n_groups, group_k;
    unsigned *plain;           /* codes [n_k][n_panels * nr] */
    pith_guarded a, sums, codes, scales, zeros, table, bias, residual, c;
    const float **rows;
    pith_gemm_nbits_tile tile;
} nbits_case;

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

/* A code whose number is finite. */
static unsigned any_code(pith_test *test, pith_nbits_format format)
{
    unsigned code = (unsigned)pith_test_random(test) & ((1u << pithi_nbits_bits(format)) - 1);
    switch (format) {
    case PITH_NBITS_F16: return code & 0xbfff;  /* below 2, with zeros and subnormal numbers */
    case PITH_NBITS_BF16: return code & 0xbfff;
    case PITH_NBITS_F8E4M3: return (code & 0x7f) == 0x7f ? 0x80 : code;
    case PITH_NBITS_F8E5M2: return code & 0xbf;
    default: return code;
    }
}

static double value_of(const nbits_case *c, unsigned code)
{
    const pith_nbits_format format = c->tile.format;
    const int bits = pithi_nbits_bits(format);
    switch (format) {
    case PITH_NBITS_F16: return (double)pithi_f16_to_f32((uint16_t)code);
    case PITH_NBITS_BF16: return (double)pithi_bf16_to_f32((uint16_t)code);
    case PITH_NBITS_F8E4M3:
    case PITH_NBITS_F8E5M2: {
        pith_tensor tensor = { .dtype = format == PITH_NBITS_F8E4M3 ? PITH_DTYPE_F8E4M3FN : PITH_DTYPE_F8E5M2,
                               .shape = { 1, { 1 } }, .data = &(uint8_t){ (uint8_t)code } };
        return pithi_tensor_get_f64(&tensor, 0) / (format == PITH_NBITS_F8E4M3 ? 256.0 : 1.0);
    }
    case PITH_NBITS_TABLE4:
    case PITH_NBITS_TABLE8: return (double)((const float *)c->table.data)[code];
    default: return (double)code - (double)(1 << (bits - 1));
    }
}

static void pack(const nbits_case *c, int nr)
{
    const pith_nbits_format format = c->tile.format;
    const int bits = pithi_nbits_bits(format);
    const size_t width = c->n_panels * (size_t)nr;
    for (size_t column = 0; column < width; column++) {
        uint8_t *panel = (uint8_t *)c->codes.data + column / (size_t)nr * c->tile.panel_bytes;
        const size_t lane = column % (size_t)nr;
        for (size_t w = 0; w < c->tile.n_words; w++, panel += pithi_nbits_row_bytes(format, nr)) {
            uint32_t word = 0;
            for (int j = 0; j < (int)c->per; j++) {
                const size_t k = w * c->per + (size_t)(c->per > 1 ? pithi_nbits_k(bits, j) : 0);
                word |= (uint32_t)c->plain[k * width + column] << (j * bits);
            }
            const size_t n_bytes = c->per > 1 ? 4 : (size_t)bits / 8;
            memcpy(panel + n_bytes * lane, &word, n_bytes);
        }
    }
}

static void make_table(pith_test *test, nbits_case *c)
{
    const pith_nbits_format format = c->tile.format;
    const int bits = pithi_nbits_bits(format);
    c->table = floats(test, format == PITH_NBITS_TABLE8 ? 256 : 16, -2.0, 2.0);
    for (int i = 0; i < 16 && format <= PITH_NBITS_INT4; i++) {
        ((float *)c->table.data)[i] = (float)((i & ((1 << bits) - 1)) - (1 << (bits - 1)));
    }
}

static void make_zeros(pith_test *test, nbits_case *c, size_t n_lists)
{
    const bool is_float = pith_test_random(test) & 1;
    c->zeros = pith_guarded_alloc(n_lists * (is_float ? 4 : 1), pith_test_random(test) & 1);
    for (size_t i = 0; i < n_lists; i++) {
        if (is_float) {
            ((float *)c->zeros.data)[i] = (float)pith_test_uniform(test, -9.0, 9.0);
        } else {
            ((int8_t *)c->zeros.data)[i] = (int8_t)pick(test, 0, 255);
        }
    }
    c->tile.zeros = pith_test_random(test) & 1 ? c->zeros.data : NULL;
    c->tile.zeros_are_float = is_float;
}

static void fill_sums(nbits_case *c)
{
    for (size_t i = 0; i < (size_t)c->mr * c->n_groups; i++) {
        const size_t g = i % c->n_groups, end = (g + 1) * c->group_k;
        double sum = 0.0;
        for (size_t k = g * c->group_k; k < end && k < c->n_k; k++) {
            sum += (double)c->rows[i / c->n_groups][k];
        }
        ((float *)c->sums.data)[i] = (float)sum;
    }
}

static void make_case(pith_test *test, const pith_gemm_nbits *kernel, pith_nbits_format format, nbits_case *c)
{
    const size_t nr = (size_t)kernel->nr;
    c->tile.format = format;
    c->per = (size_t)pithi_nbits_per_word(format);
    c->mr = (int)pick(test, 1, 9);
    c->mr = pith_test_random(test) % 3 ? c->mr : 1;
    c->n = (int)pick(test, 1, 6 * nr + 1);
    c->n_panels = ((size_t)c->n + nr - 1) / nr;
    c->tile.n_words = pick(test, 1, 24);
    c->tile.group_words = pick(test, 1, c->tile.n_words);
    c->n_groups = c->tile.n_groups = (c->tile.n_words + c->tile.group_words - 1) / c->tile.group_words;
    c->n_k = c->tile.n_words * c->per;
    c->group_k = c->tile.group_words * c->per;
    const size_t rows = (size_t)c->mr, n = (size_t)c->n, n_lists = c->n_panels * c->n_groups * nr;
    c->tile.panel_bytes = c->tile.n_words * pithi_nbits_row_bytes(format, kernel->nr);
    c->a = floats(test, rows * c->n_k, -2.0, 2.0);
    c->sums = floats(test, rows * c->n_groups, 0.0, 0.0);
    c->codes = pith_guarded_alloc(c->n_panels * c->tile.panel_bytes, pith_test_random(test) & 1);
    c->scales = floats(test, n_lists, 0.01, 0.1);
    c->bias = floats(test, n, -2.0, 2.0);
    c->residual = floats(test, rows * n, -2.0, 2.0);
    c->c = floats(test, rows * n, 7.0, 8.0);
    c->plain = malloc(c->n_k * c->n_panels * nr * sizeof *c->plain);
    c->rows = malloc(rows * sizeof *c->rows);
    for (size_t i = 0; i < c->n_k * c->n_panels * nr; i++) {
        c->plain[i] = any_code(test, format);
    }
    for (size_t m = 0; m < rows; m++) {
        c->rows[m] = (const float *)c->a.data + m * c->n_k;
    }
    make_table(test, c);
    make_zeros(test, c, n_lists);
    fill_sums(c);
    pack(c, kernel->nr);
    c->tile.a_rows = c->rows;
    c->tile.sums = c->sums.data;
    c->tile.sum_stride = c->n_groups;
    c->tile.codes = c->codes.data;
    c->tile.scales = c->scales.data;
    c->tile.table = c->table.data;
    c->tile.bias = pith_test_random(test) & 1 ? c->bias.data : NULL;
    c->tile.residual = pith_test_random(test) & 1 ? c->residual.data : NULL;
    c->tile.residual_stride = c->tile.c_stride = n;
    c->tile.c = c->c.data;
    c->tile.mr = c->mr;
    c->tile.n_columns = c->n;
    c->tile.lo = pith_test_random(test) & 1 ? -0.5f : -INFINITY;
    c->tile.hi = pith_test_random(test) & 1 ? 1.5f : INFINITY;
}

static void free_case(nbits_case *c)
{
    pith_guarded *all[] = { &c->a, &c->sums, &c->codes, &c->scales, &c->zeros, &c->table, &c->bias, &c->residual,
                            &c->c };
    for (int i = 0; i < PITH_COUNT(all); i++) {
        pith_guarded_free(all[i]);
    }
    free(c->plain);
    free(c->rows);
}

static double zero_at(const nbits_case *c, size_t at)
{
    const pith_gemm_nbits_tile *t = &c->tile;
    if (!t->zeros) {
        return 0.0;
    }
    return t->zeros_are_float ? (double)((const float *)t->zeros)[at] : (double)((const int8_t *)t->zeros)[at];
}

static size_t list_at(const nbits_case *c, int nr, size_t k, size_t n)
{
    return (n / (size_t)nr * c->n_groups + k / c->group_k) * (size_t)nr + n % (size_t)nr;
}

static void check_values(pith_test *test, const nbits_case *c, int nr)
{
    const size_t width = c->n_panels * (size_t)nr;
    for (size_t i = 0; i < (size_t)c->mr * (size_t)c->n; i++) {
        const size_t m = i / (size_t)c->n, n = i % (size_t)c->n;
        double sum = c->tile.bias ? (double)c->tile.bias[n] : 0.0, size = fabs(sum);
        for (size_t k = 0; k < c->n_k; k++) {
            const size_t at = list_at(c, nr, k, n);
            const double a = (double)c->rows[m][k], scale = (double)c->tile.scales[at];
            const double value = value_of(c, c->plain[k * width + n]), zero = zero_at(c, at);
            sum += a * scale * (value - zero);
            size += fabs(a * scale) * (fabs(value) + fabs(zero));
        }
        if (c->tile.residual) {
            sum += (double)c->tile.residual[i];
            size += fabs((double)c->tile.residual[i]);
        }
        sum = fmin(fmax(sum, (double)c->tile.lo), (double)c->tile.hi);
        const double bound = (double)(c->n_k + 3) * (double)FLT_EPSILON * size + 1e-30;
        TEST_CHECK_MESSAGE(test, fabs((double)c->tile.c[i] - sum) <= bound, "row %zu column %zu is %.9g, not %.9g", m,
                           n, (double)c->tile.c[i], sum);
    }
}

static void check_cut(pith_test *test, const pith_gemm_nbits *kernel, const nbits_case *c)
{
    const size_t n_bytes = (size_t)c->mr * (size_t)c->n * sizeof(float), nr = (size_t)kernel->nr;
    void *whole = malloc(n_bytes);
    memcpy(whole, c->tile.c, n_bytes);
    memset(c->tile.c, 0x7f, n_bytes);
    for (size_t panel = 0; panel < c->n_panels; panel++) {
        pith_gemm_nbits_tile t = c->tile;
        const size_t lists = panel * c->n_groups * nr;
        t.codes = (const char *)t.codes + panel * t.panel_bytes;
        t.scales += lists;
        t.zeros = t.zeros ? (const char *)t.zeros + lists * (t.zeros_are_float ? 4 : 1) : NULL;
        t.bias = t.bias ? t.bias + panel * nr : NULL;
        t.residual = t.residual ? t.residual + panel * nr : NULL;
        t.c += panel * nr;
        t.n_columns -= (int)(panel * nr);
        t.n_columns = t.n_columns < (int)nr ? t.n_columns : (int)nr;
        kernel->tile(&t);
    }
    TEST_CHECK_MESSAGE(test, memcmp(whole, c->tile.c, n_bytes) == 0, "columns one panel at a time give other bits");
    free(whole);
}

static void check_unpacked(pith_test *test, const pith_gemm_nbits *kernel, const nbits_case *c)
{
    const size_t nr = (size_t)kernel->nr, width = c->n_panels * nr, panel = pick(test, 0, c->n_panels - 1);
    const size_t first = pick(test, 0, c->tile.n_words - 1), last = pick(test, first + 1, c->tile.n_words);
    const size_t n_k = (last - first) * c->per, stride = nr + pick(test, 0, 3);
    pith_guarded y = floats(test, (n_k - 1) * stride + nr, 0.0, 1.0);
    kernel->unpack(&c->tile, panel, first, last, y.data, stride);
    for (size_t i = 0; i < n_k * nr; i++) {
        const size_t k = first * c->per + i / nr, n = panel * nr + i % nr, at = list_at(c, kernel->nr, k, n);
        const float number = (float)(value_of(c, c->plain[k * width + n]) - zero_at(c, at));
        const float wanted = number * c->tile.scales[at], got = ((const float *)y.data)[i / nr * stride + i % nr];
        TEST_CHECK_MESSAGE(test, got == wanted, "unpacked (%zu, %zu) is %.9g, not %.9g", k, n, (double)got,
                           (double)wanted);
    }
    pith_guarded_free(&y);
}

void test_gemm_nbits(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("gemm_nbits", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_gemm_nbits *kernel = set->records;
        for (int i = 0; i < N_CASES; i++) {
            nbits_case c = { 0 };
            const pith_nbits_format format = (pith_nbits_format)(i % PITH_NBITS_FORMATS);
            pith_test_case(test, "%s format %d, %d", kernel->head.name, (int)format, i);
            make_case(test, kernel, format, &c);
            kernel->tile(&c.tile);
            check_values(test, &c, kernel->nr);
            check_cut(test, kernel, &c);
            check_unpacked(test, kernel, &c);
            free_case(&c);
        }
    }
}
