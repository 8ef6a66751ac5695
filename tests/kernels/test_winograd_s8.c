/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_s8 of every ISA: its matrices are built here from the points in whole numbers; inputs are compared with
 * them, and the whole scheme with a direct sum in 64 bits, to the largest numbers that it allows. */
#include <stdlib.h>

#include "kernels/winograd_s8.h"
#include "support/test.h"

enum { N_CASES = 60, MAX_CHANNELS = 100, N = 6, POSITIONS = N * N };

/* Rows of Bt and G, and columns of At, of each point. */
typedef struct matrices {
    int64_t bt[N][N], g[N][3], at[4][N];
} matrices;

/* Lavin and Gray 2015 after Cook and Toom: coefficients of the product of (x - q) over all points q but p; powers of p
 * over its value at p, 24 times as much; powers of p. Infinity is last, and 24 there is 12 in G and 2 in At. */
static matrices make_matrices(void)
{
    static const int64_t points[] = { 0, 1, -1, 2, -2 };
    matrices a = { 0 };
    for (int i = 0; i < N; i++) {
        int64_t value = 1;
        a.bt[i][0] = 1;
        for (int q = 0; q < N - 1; q++) {
            for (int k = N - 1; k >= 0 && q != i; k--) {
                a.bt[i][k] = (k > 0 ? a.bt[i][k - 1] : 0) - points[q] * a.bt[i][k];
            }
            value *= q != i && i < N - 1 ? points[i] - points[q] : 1;
        }
        int64_t power = 1;
        for (int k = 0; k < 4 && i < N - 1; k++, power *= points[i]) {
            a.at[k][i] = power;
            if (k < 3) {
                a.g[i][k] = 24 * power / value;
            }
        }
    }
    a.g[N - 1][2] = 12;
    a.at[3][N - 1] = 2;
    return a;
}

static int pick(pith_test *test, int low, int high)
{
    return low + (int)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

static pith_guarded any_bytes(pith_test *test, size_t n)
{
    pith_guarded block = pith_guarded_alloc(n, pith_test_random(test) & 1);
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)block.data)[i] = (uint8_t)(pick(test, 0, 2) ? pick(test, 0, 255) : pick(test, 0, 1) * 255);
    }
    return block;
}

static int64_t pixel_of(const pith_winograd_s8_input *t, int y, int x, size_t c)
{
    const bool is_inside = y >= 0 && y < t->in_h && x >= 0 && x < t->in_w;
    const uint8_t byte = is_inside ? t->x[(size_t)y * t->x_row_stride + (size_t)x * t->x_pixel_stride + c] : t->pad;
    return (int8_t)(byte ^ t->flip);
}

static void check_tile(pith_test *test, const matrices *a, const pith_winograd_s8_input *t, int tile, size_t c)
{
    for (int p = 0; p < POSITIONS; p++) {
        int64_t wanted = 0;
        for (int k = 0; k < POSITIONS; k++) {
            wanted += a->bt[p / N][k / N] * a->bt[p % N][k % N] *
                      pixel_of(t, t->y_first + k / N, t->x_first + 4 * tile + k % N, c);
        }
        const int16_t got = t->v[(size_t)p * t->v_stride + (size_t)tile * t->v_tile_stride + c];
        TEST_CHECK_MESSAGE(test, got == wanted, "v[%d] of tile %d, channel %zu is %d, not %d", p, tile, c, got,
                           (int)wanted);
    }
}

static void check_input(pith_test *test, const pith_winograd_s8 *kernel, const matrices *a)
{
    const size_t n = (size_t)pick(test, 1, MAX_CHANNELS), pixel = n + (size_t)pick(test, 0, 2);
    const size_t width = (n + PITH_WINOGRAD_S8_CHANNELS - 1) / PITH_WINOGRAD_S8_CHANNELS * PITH_WINOGRAD_S8_CHANNELS;
    const int in_h = pick(test, 1, 9), in_w = pick(test, 1, 30), n_tiles = pick(test, 1, 4);
    const size_t stride = (size_t)n_tiles * width + (size_t)pick(test, 0, 5);
    const size_t n_v = (POSITIONS - 1) * stride + (size_t)n_tiles * width;
    pith_guarded x = any_bytes(test, ((size_t)(in_h * in_w) - 1) * pixel + n), v = any_bytes(test, 2 * n_v);
    int16_t *before = malloc(2 * n_v);
    memcpy(before, v.data, 2 * n_v);
    pith_winograd_s8_input t = { .x = x.data, .x_row_stride = (size_t)in_w * pixel, .x_pixel_stride = pixel,
                                 .in_h = in_h, .in_w = in_w, .y_first = pick(test, -4, 8), .x_first = pick(test, -2, 0),
                                 .flip = pick(test, 0, 1) ? 0x80 : 0, .pad = (uint8_t)pick(test, 0, 255), .v = v.data,
                                 .v_stride = stride, .v_tile_stride = width, .n_channels = n, .n_tiles = n_tiles };
    kernel->input(&t);
    for (int tile = 0; tile < n_tiles; tile++) {
        for (size_t c = 0; c < n; c++) {
            check_tile(test, a, &t, tile, c);
        }
    }
    for (size_t i = 0; i < n_v; i++) {
        const bool is_between = i % stride >= (size_t)n_tiles * width;
        TEST_CHECK(test, !is_between || ((int16_t *)v.data)[i] == before[i]);
    }
    free(before);
    pith_guarded_free(&x);
    pith_guarded_free(&v);
}

static void check_weights(pith_test *test, const pith_winograd_s8 *kernel, const matrices *a)
{
    const size_t n = (size_t)pick(test, 1, 5) * 32, stride = n + (size_t)pick(test, 0, 3);
    pith_guarded g = any_bytes(test, 9 * n), u = any_bytes(test, 2 * (11 * stride + n));
    const pith_winograd_s8_weights t = { g.data, pick(test, 0, 2), n, u.data, stride };
    kernel->weights(&t);
    for (size_t i = 0; i < 2 * N * n; i++) {
        const size_t j = i / n, l = i % n;
        const int64_t *row = a->g[PITH_WINOGRAD_S8_ROW(t.pair, (int)j / N)];
        int64_t wanted = 0;
        for (size_t k = 0; k < 9; k++) {
            wanted += row[k / 3] * a->g[j % N][k % 3] * t.g[(l / 32 * 9 + k) * 32 + l % 32];
        }
        const int16_t got = t.u[j * stride + l];
        TEST_CHECK_MESSAGE(test, got == wanted, "u[%zu] of pair %d, filter %zu is %d, not %d", j, t.pair, l, got,
                           (int)wanted);
    }
    pith_guarded_free(&g);
    pith_guarded_free(&u);
}

/* A tile of n_c channels of d (signed bytes) and weights of one output channel. */
typedef struct scheme {
    int n_c;
    int64_t d[MAX_CHANNELS * 3][POSITIONS], g[MAX_CHANNELS * 3][9];
} scheme;

/* Anything, or what makes position p of both as large as can be. */
static void fill_scheme(pith_test *test, const matrices *a, scheme *s)
{
    const bool is_extreme = pick(test, 0, 1), is_alike = pick(test, 0, 1);
    const int n_most = PITH_WINOGRAD_S8_MAX_SUM / 9 / 128; /* 227 */
    const int sign = pick(test, 0, 1) ? 1 : -1;
    s->n_c = is_extreme ? n_most : pick(test, 1, n_most);
    for (int c = 0; c < s->n_c; c++) {
        const int p = pick(test, 0, POSITIONS - 1);
        for (int k = 0; k < POSITIONS; k++) {
            const bool is_up = (a->bt[p / N][k / N] * a->bt[p % N][k % N] >= 0) == (sign > 0);
            const int extreme = is_alike ? (sign > 0 ? 127 : -128) : is_up ? 127 : -128;
            s->d[c][k] = is_extreme ? extreme : pick(test, -128, 127);
        }
        for (int k = 0; k < 9; k++) {
            const int largest = a->g[p / N][k / 3] * a->g[p % N][k % 3] < 0 || is_alike ? -128 : 127;
            s->g[c][k] = is_extreme ? largest : pick(test, -128, 127);
        }
    }
}

/* m[p], modulo 2^32, as gemm_s16 would sum it. */
static void multiply(pith_test *test, const matrices *a, const scheme *s, int32_t m[POSITIONS])
{
    for (int p = 0; p < POSITIONS; p++) {
        uint32_t sum = 0;
        for (int c = 0; c < s->n_c; c++) {
            int64_t u = 0, v = 0;
            for (int k = 0; k < POSITIONS; k++) {
                v += a->bt[p / N][k / N] * a->bt[p % N][k % N] * s->d[c][k];
            }
            for (int k = 0; k < 9; k++) {
                u += a->g[p / N][k / 3] * a->g[p % N][k % 3] * s->g[c][k];
            }
            TEST_CHECK(test, u == (int16_t)u && v == (int16_t)v);
            sum += (uint32_t)(uint64_t)(u * v);
        }
        m[p] = (int32_t)sum;
    }
}

static int64_t direct_at(const scheme *s, int i, int j)
{
    int64_t sum = 0;
    for (int c = 0; c < s->n_c; c++) {
        for (int k = 0; k < 9; k++) {
            sum += s->d[c][(i + k / 3) * N + j + k % 3] * s->g[c][k];
        }
    }
    return sum;
}

/* Each pixel in turn is brought to 100 by the bias, which shows the whole sum. */
static void check_scheme(pith_test *test, const pith_winograd_s8 *kernel, const matrices *a)
{
    scheme *s = malloc(sizeof *s);
    int32_t m[POSITIONS][16] = { { 0 } }, products[POSITIONS];
    fill_scheme(test, a, s);
    multiply(test, a, s, products);
    for (int p = 0; p < POSITIONS; p++) {
        m[p][0] = products[p];
    }
    for (int pixel = 0; pixel < 16; pixel++) {
        const int32_t bias = (int32_t)(100 - direct_at(s, pixel / 4, pixel % 4));
        const float scale = 1.0f;
        uint8_t y[16] = { 0 };
        const pith_winograd_s8_output t = { .m = m[0], .m_stride = 16, .m_tile_stride = 16, .bias = &bias,
                                            .scale = &scale, .high = 255, .y = y, .y_row_stride = 4,
                                            .y_pixel_stride = 1, .n_channels = 1, .n_tiles = 1, .rows = 4,
                                            .columns = 4 };
        kernel->output(&t);
        TEST_CHECK_MESSAGE(test, y[pixel] == 100, "pixel %d is %d off", pixel, y[pixel] - 100);
    }
    free(s);
}

/* Bytes of any sums, against the portable kernel. */
static void check_output(pith_test *test, const pith_winograd_s8 *kernel)
{
    const size_t n = (size_t)pick(test, 1, MAX_CHANNELS), width = (n + 15) / 16 * 16;
    const size_t pixel = n + (size_t)pick(test, 0, 3);
    const int n_tiles = pick(test, 1, 4), columns = 4 * n_tiles - pick(test, 0, 3), rows = pick(test, 1, 4);
    const size_t row = (size_t)columns * pixel + (size_t)pick(test, 0, 3), stride = (size_t)n_tiles * width;
    const size_t n_y = (size_t)(rows - 1) * row + (size_t)(columns - 1) * pixel + n;
    pith_guarded m = any_bytes(test, 4 * POSITIONS * stride), bias = any_bytes(test, 4 * n);
    pith_guarded scale = pith_guarded_alloc(4 * n, pith_test_random(test) & 1);
    pith_guarded y = any_bytes(test, n_y);
    uint8_t *wanted = malloc(n_y);
    for (size_t i = 0; i < n; i++) {
        ((float *)scale.data)[i] = (float)pith_test_uniform(test, 0, 1e-5);
        ((int32_t *)bias.data)[i] %= 1 << 25;
    }
    memcpy(wanted, y.data, n_y);
    const int low = pick(test, 0, 1) * -128;
    pith_winograd_s8_output t = { .m = m.data, .m_stride = stride, .m_tile_stride = width, .bias = bias.data,
                                  .scale = scale.data, .zero = pick(test, low, low + 255),
                                  .low = pick(test, low, low + 90), .high = pick(test, low + 100, low + 255),
                                  .y = y.data, .y_row_stride = row, .y_pixel_stride = pixel, .n_channels = n,
                                  .n_tiles = n_tiles, .rows = rows, .columns = columns };
    kernel->output(&t);
    t.y = wanted;
    pithi_winograd_s8(0)->output(&t);
    TEST_CHECK_MESSAGE(test, memcmp(y.data, wanted, n_y) == 0, "other bytes, or others than those of the pixels");
    free(wanted);
    pith_guarded *all[] = { &m, &bias, &scale, &y };
    for (int i = 0; i < PITH_COUNT(all); i++) {
        pith_guarded_free(all[i]);
    }
}

void test_winograd_s8(pith_test *test)
{
    const matrices a = make_matrices();
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("winograd_s8", isa);
        for (int i = 0; i < N_CASES && set && pithi_isa_is_available(isa); i++) {
            pith_test_case(test, "%s %d", pithi_isa_name(isa), i);
            check_input(test, set->records, &a);
            check_weights(test, set->records, &a);
            check_scheme(test, set->records, &a);
            check_output(test, set->records);
        }
    }
}
