/* SPDX-License-Identifier: Apache-2.0 */
/* s16, dwconv_s16 and gemm_s16 of every ISA against 64-bit sums and double, bit for bit, with operands at inaccessible
 * pages. */
#include "kernels/dwconv_s16.h"
#include "kernels/gemm_s16.h"

#include <math.h>
#include <stdlib.h>

#include "support/test.h"

enum { N_CASES = 150 };

static int pick(pith_test *test, int low, int high)
{
    return low + (int)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

/* Bits of all kinds, extremes often. */
static pith_guarded random_bits(pith_test *test, size_t n_bytes)
{
    pith_guarded memory = pith_guarded_alloc(n_bytes, pith_test_random(test) & 1);
    for (size_t i = 0; i < n_bytes; i++) {
        const uint64_t bits = pith_test_random(test);
        ((uint8_t *)memory.data)[i] = bits & 3 ? (uint8_t)(bits >> 8) : (uint8_t)(bits & 4 ? 0xff : 0);
    }
    return memory;
}

static size_t item_of(pith_s16_type type) { return type >= PITH_S16_U16 ? 2 : 1; }

static int32_t number_at(const void *list, pith_s16_type type, size_t i)
{
    switch (type) {
    case PITH_S16_U8: return ((const uint8_t *)list)[i];
    case PITH_S16_S8: return ((const int8_t *)list)[i];
    case PITH_S16_U16: return ((const uint16_t *)list)[i];
    default: return ((const int16_t *)list)[i];
    }
}

static pith_s16_finish random_finish(pith_test *test)
{
    static const int32_t lows[] = { 0, -128, 0, -32768 }, spans[] = { 255, 255, 65535, 65535 };
    const pith_s16_type type = (pith_s16_type)pick(test, 0, 3);
    const int32_t low = lows[type], span = spans[type];
    return (pith_s16_finish){ pick(test, low, low + span), pick(test, low, low + span / 5),
                              pick(test, low + span / 2, low + span), type };
}

static int32_t finished(const pith_s16_finish *f, float value)
{
    return (int32_t)fmin(fmax(nearbyint((double)value) + f->zero, f->low), f->high);
}

static void check_row(pith_test *test, const pith_s16 *kernel)
{
    const size_t n = (size_t)pick(test, 1, 150);
    const pith_s16_type type = (pith_s16_type)pick(test, 0, 3);
    const pith_s16_finish f = random_finish(test);
    const pith_s16_terms terms = { (float)pith_test_uniform(test, 0.1, 2), (float)pith_test_uniform(test, 0.1, 2),
                                   (float)pith_test_uniform(test, -99, 99) };
    const int32_t zero = pick(test, -300, 40000);
    const bool is_product = pith_test_random(test) & 1;
    pith_guarded x = random_bits(test, n * item_of(type)), y = pith_guarded_alloc(n * item_of(f.type), n & 1);
    float a[150], b[150];
    kernel->load(x.data, type, zero, a, n);
    for (size_t i = 0; i < n; i++) {
        TEST_CHECK(test, a[i] == (float)(number_at(x.data, type, i) - zero));
        b[i] = (float)pick(test, -70000, 70000);
    }
    (is_product ? kernel->product : kernel->sum)(a, b, &terms, n);
    kernel->store(a, &f, y.data, n);
    for (size_t i = 0; i < n && !test->case_failed; i++) {
        const float left = (float)(number_at(x.data, type, i) - zero);
        const float product = (float)((double)left * (double)b[i]); /* of integers: exact, rounded once */
        volatile float scaled = product * terms.a_scale;
        const float sum = fmaf(left, terms.a_scale, fmaf(b[i], terms.b_scale, terms.offset));
        const int32_t wanted = finished(&f, is_product ? scaled + terms.offset : sum);
        const int32_t got = number_at(y.data, f.type, i);
        TEST_CHECK_MESSAGE(test, got == wanted, "[%zu] is %d, not %d", i, got, wanted);
    }
    pith_guarded_free(&x);
    pith_guarded_free(&y);
}

static void check_join(pith_test *test, const pith_s16 *kernel)
{
    pith_s16_join join = { .n_rows = pick(test, 1, 5), .n_columns = pick(test, 1, 70), .finish = random_finish(test) };
    const size_t n = (size_t)(join.n_rows * join.n_columns);
    join.step = join.y_step = (size_t)join.n_columns;
    pith_guarded sums = pith_guarded_alloc(2 * n * sizeof(int32_t), n & 1);
    pith_guarded scale = pith_guarded_alloc(join.step * sizeof(float), n & 1);
    pith_guarded y = pith_guarded_alloc(n * item_of(join.finish.type), n & 1);
    int32_t *low = sums.data;
    for (size_t i = 0; i < 2 * n; i++) {
        low[i] = pick(test, -90000000, 90000000);
    }
    for (size_t i = 0; i < join.step; i++) {
        ((float *)scale.data)[i] = (float)pith_test_uniform(test, 1e-7, 1e-5) * (i % 9 == 8 ? 1e9f : 1.0f);
    }
    join.low = low;
    join.high = n % 3 ? low + n : NULL;
    join.scale = scale.data;
    join.y = y.data;
    kernel->join(&join);
    for (size_t i = 0; i < n && !test->case_failed; i++) {
        const int64_t sum = low[i] + (join.high ? 256 * (int64_t)join.high[i] : 0);
        const int32_t wanted = finished(&join.finish, (float)sum * join.scale[i % join.step]);
        const int32_t got = number_at(y.data, join.finish.type, i);
        TEST_CHECK_MESSAGE(test, got == wanted, "[%zu] is %d, not %d", i, got, wanted);
    }
    pith_guarded_free(&sums);
    pith_guarded_free(&scale);
    pith_guarded_free(&y);
}

static void check_floats(pith_test *test, const pith_s16 *kernel)
{
    enum { ROWS = 3, MOST = 90 };
    const int n = pick(test, 1, MOST), step = n + pick(test, 0, 3), flags = pick(test, 0, 7);
    int32_t sums[ROWS * MOST], row_sums[ROWS], zero[MOST];
    float scale[MOST], bias[MOST], residual[ROWS * (MOST + 3)];
    pith_guarded y = pith_guarded_alloc(sizeof(float) * (size_t)(2 * step + n), n & 1);
    for (int i = 0; i < ROWS * MOST; i++) {
        sums[i] = (int32_t)pith_test_random(test);
        row_sums[i % ROWS] = pick(test, 0, 1 << 20);
        zero[i % MOST] = pick(test, -128, 127);
        scale[i % MOST] = (float)pith_test_uniform(test, -1e-7, 1e-7);
        bias[i % MOST] = (float)pith_test_uniform(test, -9, 9);
    }
    for (int i = 0; i < ROWS * (MOST + 3); i++) {
        residual[i] = i % 50 == 49 ? NAN : (float)pith_test_uniform(test, -9, 9);
    }
    const pith_s16_floats f = { .sums = sums, .row_sums = flags & 4 ? row_sums : NULL, .b_zero = zero, .scale = scale,
                                .bias = flags & 2 ? bias : NULL, .residual = flags & 1 ? residual : NULL, .y = y.data,
                                .y_step = (size_t)step, .lo = n % 3 ? -INFINITY : -5.0f, .hi = n % 2 ? INFINITY : 8.0f,
                                .n_rows = ROWS, .n_columns = n };
    kernel->floats(&f);
    for (int i = 0; i < ROWS * n; i++) {
        const int m = i / n, c = i % n;
        const int64_t sum = sums[i] - (flags & 4 ? (int64_t)row_sums[m] * zero[c] : 0);
        volatile float wanted = (float)(int32_t)(uint32_t)(uint64_t)sum * scale[c];
        wanted = flags & 2 ? wanted + bias[c] : wanted;
        wanted = flags & 1 ? wanted + residual[m * step + c] : wanted;
        wanted = isnan(wanted) ? wanted : fminf(fmaxf(wanted, f.lo), f.hi);
        const float got = f.y[m * step + c];
        TEST_CHECK_MESSAGE(test, got == wanted || (isnan(got) && isnan(wanted)), "[%d][%d] is %g, not %g", m, c,
                           (double)got, (double)wanted);
    }
    pith_guarded_free(&y);
}

static void check_taps(pith_test *test, const pith_s16 *kernel)
{
    const size_t n = (size_t)pick(test, 1, 100), n_taps = (size_t)pick(test, 1, 9);
    const uint16_t flip = pith_test_random(test) & 1 ? 0x8000 : 0;
    pith_guarded x = random_bits(test, 2 * n * n_taps), y = pith_guarded_alloc(2 * n, n & 1);
    uint8_t high[100], low[100];
    const uint16_t *taps[9];
    int32_t sums[100] = { 0 };
    for (size_t t = 0; t < n_taps; t++) {
        taps[t] = (const uint16_t *)x.data + t * n;
    }
    kernel->split(x.data, flip, high, low, n);
    kernel->max(taps, n_taps, y.data, n, flip);
    kernel->add(taps, n_taps, 0, sums, n, flip);
    for (size_t c = 0; c < n; c++) {
        int32_t largest = INT32_MIN, sum = 0;
        for (size_t t = 0; t < n_taps; t++) {
            const int32_t number = number_at(taps[t], flip ? PITH_S16_S16 : PITH_S16_U16, c);
            largest = number > largest ? number : largest;
            sum += number + flip;
        }
        TEST_CHECK(test, number_at(y.data, flip ? PITH_S16_S16 : PITH_S16_U16, c) == largest && sums[c] == sum);
        TEST_CHECK(test, 256 * high[c] + low[c] == number_at(x.data, flip ? PITH_S16_S16 : PITH_S16_U16, c) + flip);
    }
    pith_guarded_free(&x);
    pith_guarded_free(&y);
}

/* Rows of floats as two planes of bytes, and sums of both back. */
static void check_code(pith_test *test, const pith_s16 *kernel)
{
    enum { MOST = 150 };
    const size_t n = (size_t)pick(test, 1, MOST);
    const float top = (float)pick(test, 1, 32767), unit = (float)exp2(pick(test, -110, 90));
    pith_guarded x = pith_guarded_alloc(n * sizeof(float), n & 1), high = pith_guarded_alloc(n, n & 1);
    pith_guarded low = pith_guarded_alloc(n, n & 1), y = pith_guarded_alloc(n * sizeof(float), n & 1);
    float *from = x.data, most = 0.0f, scale[MOST], bias[MOST];
    int32_t sums[2][MOST];
    for (size_t i = 0; i < n; i++) {
        from[i] = unit * (float)pith_test_uniform(test, -1, 1);
        most = fmaxf(most, fabsf(from[i]));
        scale[i] = (float)pith_test_uniform(test, 1e-3, 1);
        bias[i] = (float)pith_test_uniform(test, -9, 9);
        sums[0][i] = pick(test, -9000000, 9000000); /* times 256 they wrap around */
        sums[1][i] = pick(test, -900000, 900000);
    }
    const bool is_odd = n % 11 == 0, is_tiny = most < 0x1p-100f;
    from[n / 2] = !is_odd ? from[n / 2] : n % 2 ? NAN : -INFINITY;
    const float got = kernel->encode(from, top, high.data, low.data, n);
    TEST_CHECK(test, is_odd ? isnan(got) : got == (is_tiny ? 0.0f : most / top));
    for (size_t i = 0; i < n; i++) {
        volatile float scaled = from[i] * (is_odd || is_tiny ? 0.0f : top / most);
        const int wanted = is_odd || is_tiny ? 32768 : 32768 + (int)nearbyint((double)scaled);
        TEST_CHECK(test, 256 * ((uint8_t *)high.data)[i] + ((uint8_t *)low.data)[i] == wanted);
    }
    memcpy(y.data, bias, n * sizeof(float));
    kernel->decode(&(pith_s16_decode){ sums[0], sums[1], scale, n % 2 ? bias : NULL, 0.37f, y.data, n });
    for (size_t i = 0; i < n; i++) {
        const float sum = (float)(int32_t)(uint32_t)(256 * (int64_t)sums[0][i] + sums[1][i]);
        volatile float factor = 0.37f * scale[i], term = sum * factor, wanted = bias[i] + term;
        TEST_CHECK(test, ((float *)y.data)[i] == wanted);
    }
    pith_guarded *all[] = { &x, &high, &low, &y };
    for (int i = 0; i < PITH_COUNT(all); i++) {
        pith_guarded_free(all[i]);
    }
}

/* ---- depthwise -------------------------------------------------------------------------------- */

typedef struct depthwise_case {
    pith_guarded x, w, bias, scale, y;
    pith_dwconv_s16_task task;
    int out_h;
} depthwise_case;

static void make_depthwise(pith_test *test, depthwise_case *c)
{
    pith_dwconv_s16_task *t = &c->task;
    *t = (pith_dwconv_s16_task){ .n_channels = (size_t)pick(test, 1, 100), .in_h = pick(test, 1, 7),
                                 .in_w = pick(test, 1, 9), .out_w = pick(test, 1, 9), .kernel_h = pick(test, 1, 8),
                                 .kernel_w = pick(test, 1, 8), .stride_h = pick(test, 1, 3),
                                 .stride_w = pick(test, 1, 3), .dilation_h = pick(test, 1, 2),
                                 .dilation_w = pick(test, 1, 2), .pad_top = pick(test, 0, 3),
                                 .pad_left = pick(test, 0, 3), .x_is_signed = pith_test_random(test) & 1,
                                 .x_is_bytes = pith_test_random(test) % 3 == 0, .finish = random_finish(test) };
    t->stride_w = t->out_w == 1 && pick(test, 0, 1) ? 1 << 20 : t->stride_w;
    const size_t n = t->n_channels, n_w = (size_t)(t->kernel_h * t->kernel_w) * n;
    c->out_h = pick(test, 1, 5);
    t->y_end = c->out_h;
    const int half = t->x_is_bytes ? 128 : 32768;
    t->x_zero = pick(test, 0, 2 * half - 1) - (t->x_is_signed ? half : 0);
    c->x = random_bits(test, (t->x_is_bytes ? 1 : 2) * (size_t)(t->in_h * t->in_w) * n);
    c->w = pith_guarded_alloc(2 * n_w, n & 1);
    c->bias = pith_guarded_alloc(4 * n, n & 1);
    c->scale = pith_guarded_alloc(4 * n, n & 1);
    c->y = pith_guarded_alloc(item_of(t->finish.type) * (size_t)(c->out_h * t->out_w) * n, n & 1);
    for (size_t i = 0; i < n_w; i++) {
        ((int16_t *)c->w.data)[i] = (int16_t)pick(test, -255, 255);
    }
    for (size_t i = 0; i < n; i++) {
        ((int32_t *)c->bias.data)[i] = pick(test, -900000, 900000);
        ((float *)c->scale.data)[i] = (float)pith_test_uniform(test, 1e-4, 1e-2) * (i % 50 == 49 ? 1e6f : 1.0f);
    }
    t->x = c->x.data;
    t->w = c->w.data;
    t->bias = c->bias.data;
    t->scale = c->scale.data;
    t->y = c->y.data;
}

static int32_t wanted_at(const pith_dwconv_s16_task *t, int oy, int ox, size_t channel)
{
    int64_t sum = t->bias[channel];
    for (int ky = 0; ky < t->kernel_h; ky++) {
        for (int kx = 0; kx < t->kernel_w; kx++) {
            const int y = oy * t->stride_h - t->pad_top + ky * t->dilation_h;
            const int x = ox * t->stride_w - t->pad_left + kx * t->dilation_w;
            if (y >= 0 && y < t->in_h && x >= 0 && x < t->in_w) {
                const size_t at = (size_t)(y * t->in_w + x) * t->n_channels + channel;
                const pith_s16_type types[] = { PITH_S16_U16, PITH_S16_S16, PITH_S16_U8, PITH_S16_S8 };
                const int64_t value = number_at(t->x, types[2 * t->x_is_bytes + t->x_is_signed], at);
                sum += (value - t->x_zero) * t->w[(size_t)(ky * t->kernel_w + kx) * t->n_channels + channel];
            }
        }
    }
    return finished(&t->finish, (float)sum * t->scale[channel]);
}

static void check_depthwise(pith_test *test, const pith_dwconv_s16 *kernel)
{
    depthwise_case c;
    make_depthwise(test, &c);
    const pith_dwconv_s16_task *t = &c.task;
    void *packed = aligned_alloc(64, (kernel->pack_bytes(t) / 64 + 1) * 64);
    kernel->pack(t, packed);
    c.task.packed = packed;
    TEST_CHECK_MESSAGE(test, kernel->scratch_bytes(t) < (size_t)1 << 20, "rows of %zu bytes", kernel->scratch_bytes(t));
    pith_guarded scratch = pith_guarded_alloc(pithi_align_up(kernel->scratch_bytes(t), 64), false);
    c.task.scratch = scratch.data;
    kernel->run(t);
    free(packed);
    pith_guarded_free(&scratch);
    for (size_t i = 0; i < (size_t)(c.out_h * t->out_w) * t->n_channels && !test->case_failed; i++) {
        const int pixel = (int)(i / t->n_channels);
        const int32_t wanted = wanted_at(t, pixel / t->out_w, pixel % t->out_w, i % t->n_channels);
        const int32_t got = number_at(t->y, t->finish.type, i);
        TEST_CHECK_MESSAGE(test, got == wanted, "pixel %d, channel %zu is %d, not %d", pixel, i % t->n_channels, got,
                           wanted);
    }
    pith_guarded *all[] = { &c.x, &c.w, &c.bias, &c.scale, &c.y };
    for (int i = 0; i < PITH_COUNT(all); i++) {
        pith_guarded_free(all[i]);
    }
}

/* ---- products --------------------------------------------------------------------------------- */

enum { MAX_SEGMENTS = 4, MAX_COLUMNS = 160, MAX_ROWS = 31 };

/* Any weights; sums that reach the limits of s32; sums that leave s32 and come back. */
typedef enum product_kind { PRODUCT_ANY, PRODUCT_LIMIT, PRODUCT_WRAP, N_PRODUCT_KINDS } product_kind;

typedef struct product_case {
    product_kind kind;
    int x_zero;
    size_t length, n_k, a_stride, c_bytes; /* length: words of a segment */
    pith_s16_type x_type;
    pith_s16_finish finish;
    ptrdiff_t offsets[MAX_SEGMENTS];
    const uint8_t *rows[MAX_ROWS];
    int64_t constants[MAX_COLUMNS]; /* what is added to sum (x - x_zero) w */
    int16_t *plain;                 /* w, [n_k][n] */
    pith_guarded a, b, bias, scale, c;
    pith_gemm_s8_tile tile;
} product_case;

static void choose_product(pith_test *test, const pith_gemm_s16 *kernel, product_case *c)
{
    pith_gemm_s8_tile *t = &c->tile;
    c->kind = (product_kind)pick(test, 0, N_PRODUCT_KINDS - 1);
    c->finish = random_finish(test);
    c->x_type = pith_test_random(test) & 1 ? PITH_S16_U16 : PITH_S16_S16;
    const int smallest = c->x_type == PITH_S16_S16 ? -32768 : 0;
    c->x_zero = smallest + (c->kind == PRODUCT_LIMIT ? pick(test, 0, 1) * 65535 : pick(test, 0, 65535));
    *t = (pith_gemm_s8_tile){ .mr = pick(test, 1, MAX_ROWS), .n_columns = pick(test, 1, 9 * kernel->nr + 1),
                              .n_segments = c->kind == PRODUCT_WRAP ? 2 : pick(test, 0, MAX_SEGMENTS),
                              .a_flip = c->x_type == PITH_S16_U16 ? 0x80 : 0, .zero = c->finish.zero,
                              .a_is_padded = pith_test_random(test) & 1, .low = c->finish.low,
                              .high = c->finish.high, .c_is_wide = c->finish.type >= PITH_S16_U16 };
    c->length = (size_t)(c->kind == PRODUCT_ANY ? pick(test, 1, pith_test_random(test) % 4 ? 12 : 90)
                                                : pick(test, 258, 270) / (t->n_segments == 4 ? 4 : 1));
    c->n_k = c->length * (size_t)t->n_segments;
    size_t last = 0;
    for (int s = 0; s < t->n_segments; s++) { /* PRODUCT_WRAP reads the same numbers twice */
        c->offsets[s] = c->kind == PRODUCT_WRAP ? 6 : 2 * pick(test, 0, 20);
        last = (size_t)c->offsets[s] > last ? (size_t)c->offsets[s] : last;
    }
    c->a_stride = last + 2 * c->length + (t->a_is_padded ? 2 : 0); /* a word: the last row ends with the buffer */
    t->c_stride = (size_t)(t->n_columns + pick(test, 0, 5));
    t->segment_length = 2 * c->length;
    t->segment_offsets = c->offsets;
    t->a_rows = c->rows;
}

/* A column without weights whose constant is odd, and whose scale is a half. */
static bool is_tie(const product_case *c, size_t n) { return c->kind == PRODUCT_ANY && n % 6 == 3; }

/* Column n of w, such that no whole sum leaves s32 whatever x, and its constant. */
static void fill_column(pith_test *test, product_case *c, size_t n)
{
    const size_t step = (size_t)c->tile.n_columns;
    const int sign = n % 2 ? -1 : 1;
    int left = is_tie(c, n) ? 0 : 32768; /* 65535 times that is less than 2^31 */
    for (size_t k = 0; k < c->n_k; k++) {
        int w = pith_test_random(test) % 4 ? pick(test, -256, 255) : pick(test, 0, 1) * 511 - 256;
        if (c->kind == PRODUCT_LIMIT) {
            w = sign > 0 ? 255 : -256;
        } else if (c->kind == PRODUCT_WRAP) {
            w = k < c->length ? sign * 254 : -sign * 254 + pick(test, -1, 1);
        }
        if (c->kind != PRODUCT_WRAP) {
            w = w > left ? left : w < -left ? -left : w;
            left -= abs(w);
        }
        c->plain[k * step + n] = (int16_t)w;
    }
    if (is_tie(c, n)) {
        c->constants[n] = 2 * pick(test, -150, 150) + 1;
        return;
    }
    const int room = c->kind == PRODUCT_WRAP ? 1000000000 : (int)(INT32_MAX - 65535 * (int64_t)(32768 - left));
    c->constants[n] = c->kind == PRODUCT_LIMIT ? sign * room : (int64_t)pith_test_uniform(test, -room, room);
    if (c->kind == PRODUCT_LIMIT && c->x_zero > 0) {
        c->constants[n] = -c->constants[n]; /* x - x_zero is negative */
    }
}

static void pack_product(const product_case *c, size_t nr, int16_t *to)
{
    const size_t n = (size_t)c->tile.n_columns;
    for (size_t n0 = 0; n0 < n; n0 += nr) {
        for (size_t first = 0; first < c->n_k; first += c->length) {
            for (size_t i = 0; i < (c->length + 1) / 2 * 2 * nr; i++) {
                const size_t column = n0 + i / 2 % nr, k = i / (2 * nr) * 2 + i % 2;
                *to++ = column < n && k < c->length ? c->plain[(first + k) * n + column] : (int16_t)0;
            }
        }
    }
}

static void fill_rows(pith_test *test, product_case *c)
{
    const int mr = c->tile.mr;
    const uint16_t smallest = c->x_type == PITH_S16_S16 ? 0x8000 : 0;
    c->a = random_bits(test, (size_t)mr * c->a_stride);
    for (int m = 0; m < mr; m++) { /* in any order; the first three of four are extreme in whole or part */
        uint8_t *row = (uint8_t *)c->a.data + (size_t)(m * 37 % mr) * c->a_stride;
        for (size_t i = 0; m % 4 != 3 && i < c->a_stride / 2; i++) {
            const bool is_largest = m % 4 == 2 ? (pith_test_random(test) & 1) != 0 : m % 4 == 1;
            const uint16_t value = (uint16_t)(smallest - (is_largest ? 1 : 0));
            memcpy(row + 2 * i, &value, sizeof value);
        }
        c->rows[m] = row;
    }
}

static void make_product(pith_test *test, const pith_gemm_s16 *kernel, product_case *c)
{
    pith_gemm_s8_tile *t = &c->tile;
    choose_product(test, kernel, c);
    const size_t n = (size_t)t->n_columns, nr = (size_t)kernel->nr, n_panels = (n + nr - 1) / nr;
    fill_rows(test, c);
    c->plain = malloc(2 * c->n_k * n + 1);
    c->bias = pith_guarded_alloc(4 * n, pith_test_random(test) & 1);
    c->scale = pith_guarded_alloc(4 * n, pith_test_random(test) & 1);
    for (size_t i = 0; i < n; i++) {
        static const float unusual[] = { 1e9f, INFINITY, NAN, 0.0f, -1e-4f };
        fill_column(test, c, i);
        int64_t sum = 0;
        for (size_t k = 0; k < c->n_k; k++) {
            sum += c->plain[k * n + i];
        }
        const int64_t bias = c->constants[i] + ((t->a_flip ? 32768 : 0) - c->x_zero) * sum;
        ((int32_t *)c->bias.data)[i] = (int32_t)(uint32_t)(uint64_t)bias;
        const float power = is_tie(c, i) ? 0.5f : (float)exp2(pick(test, -26, -4));
        ((float *)c->scale.data)[i] = i % 19 == 18 ? unusual[pick(test, 0, PITH_COUNT(unusual) - 1)]
                                      : i % 3      ? power * (float)pith_test_uniform(test, 1, 2)
                                                   : power;
    }
    t->b_panel_stride = (size_t)t->n_segments * ((c->length + 1) / 2) * 4 * nr;
    c->b = pith_guarded_alloc(n_panels * t->b_panel_stride, pith_test_random(test) & 1);
    pack_product(c, nr, c->b.data);
    c->c_bytes = ((size_t)(t->mr - 1) * t->c_stride + n) * item_of(c->finish.type);
    c->c = pith_guarded_alloc(c->c_bytes, pith_test_random(test) & 1);
    t->b = c->b.data;
    t->bias = c->bias.data;
    t->scale = c->scale.data;
    t->c = c->c.data;
}

static void free_product(product_case *c)
{
    pith_guarded *all[] = { &c->a, &c->b, &c->bias, &c->scale, &c->c };
    for (int i = 0; i < PITH_COUNT(all); i++) {
        pith_guarded_free(all[i]);
    }
    free(c->plain);
}

static int64_t product_at(const product_case *c, size_t m, size_t n)
{
    int64_t sum = c->constants[n];
    for (size_t k = 0; k < c->n_k; k++) {
        const uint8_t *x = c->rows[m] + c->offsets[k / c->length];
        sum += (int64_t)(number_at(x, c->x_type, k % c->length) - c->x_zero) *
               c->plain[k * (size_t)c->tile.n_columns + n];
    }
    return sum;
}

static void check_results(pith_test *test, const product_case *c)
{
    const pith_gemm_s8_tile *t = &c->tile;
    const size_t n_items = c->c_bytes / item_of(c->finish.type);
    uint16_t untouched;
    memset(&untouched, 0x5a, sizeof untouched);
    for (size_t i = 0; i < n_items && !test->case_failed; i++) {
        const size_t m = i / t->c_stride, n = i % t->c_stride;
        const int32_t got = number_at(t->c, c->finish.type, i);
        if (n >= (size_t)t->n_columns) {
            TEST_CHECK_MESSAGE(test, got == number_at(&untouched, c->finish.type, 0),
                               "row %zu: element %zu beyond the last column was written", m, n);
            continue;
        }
        const int64_t sum = product_at(c, m, n);
        TEST_CHECK_MESSAGE(test, sum >= INT32_MIN && sum <= INT32_MAX, "the case itself leaves s32");
        const int32_t wanted = finished(&c->finish, (float)sum * t->scale[n]);
        TEST_CHECK_MESSAGE(test, got == wanted, "[%zu][%zu] is %d, not %d (kind %d)", m, n, got, wanted, (int)c->kind);
    }
}

/* The block whole, then in four calls, cut at a row and at a panel. */
static void check_product(pith_test *test, const pith_gemm_s16 *kernel)
{
    product_case c = { 0 };
    make_product(test, kernel, &c);
    memset(c.c.data, 0x5a, c.c_bytes);
    kernel->tile(&c.tile);
    check_results(test, &c);
    void *whole = malloc(c.c_bytes);
    memcpy(whole, c.c.data, c.c_bytes);
    memset(c.c.data, 0x5a, c.c_bytes);
    const int rows[] = { 0, pick(test, 0, c.tile.mr), c.tile.mr };
    const int columns[] = { 0, pick(test, 0, c.tile.n_columns / kernel->nr) * kernel->nr, c.tile.n_columns };
    for (int i = 0; i < 4; i++) {
        const int m = rows[i & 1], n = columns[i >> 1];
        pith_gemm_s8_tile t = c.tile;
        t.mr = rows[(i & 1) + 1] - m;
        t.n_columns = columns[(i >> 1) + 1] - n;
        t.a_rows += m;
        t.b += (size_t)(n / kernel->nr) * t.b_panel_stride;
        t.bias += n;
        t.scale += n;
        t.c = (char *)t.c + ((size_t)m * t.c_stride + (size_t)n) * item_of(c.finish.type);
        if (t.mr > 0 && t.n_columns > 0) {
            kernel->tile(&t);
        }
    }
    TEST_CHECK_MESSAGE(test, memcmp(whole, c.c.data, c.c_bytes) == 0, "pieces give other bits than the block");
    free(whole);
    free_product(&c);
}

/* Without a scale: sums that wrap around, of weights of 16 bits. */
static void check_sums(pith_test *test, const pith_gemm_s16 *kernel)
{
    product_case c = { 0 };
    make_product(test, kernel, &c);
    const size_t n = (size_t)c.tile.n_columns, n_items = (size_t)(c.tile.mr - 1) * c.tile.c_stride + n;
    int64_t *whole = calloc(n, sizeof *whole);
    pith_guarded sums = pith_guarded_alloc(n_items * sizeof(int32_t), pith_test_random(test) & 1);
    for (size_t i = 0; i < c.n_k * n; i++) {
        whole[i % n] -= c.plain[i];
        const bool is_any = pith_test_random(test) & 1;
        c.plain[i] = (int16_t)(is_any ? pick(test, -32767, 32767) : pick(test, 0, 1) * 65534 - 32767);
        whole[i % n] += c.plain[i];
    }
    for (size_t i = 0; i < n; i++) { /* the constants stay */
        uint32_t *bias = (uint32_t *)c.bias.data + i;
        *bias += (uint32_t)(uint64_t)(((c.tile.a_flip ? 32768 : 0) - c.x_zero) * whole[i]);
    }
    pack_product(&c, (size_t)kernel->nr, c.b.data);
    memset(sums.data, 0x5a, n_items * sizeof(int32_t));
    c.tile.scale = NULL;
    c.tile.c = sums.data;
    kernel->tile(&c.tile);
    for (size_t i = 0; i < n_items && !test->case_failed; i++) {
        const size_t m = i / c.tile.c_stride, column = i % c.tile.c_stride;
        const uint32_t wanted = column < n ? (uint32_t)(uint64_t)product_at(&c, m, column) : 0x5a5a5a5au;
        TEST_CHECK_MESSAGE(test, ((uint32_t *)sums.data)[i] == wanted, "sum [%zu][%zu] is %x, not %x", m, column,
                           ((uint32_t *)sums.data)[i], wanted);
    }
    free(whole);
    pith_guarded_free(&sums);
    free_product(&c);
}

void test_s16(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *rows = pithi_kernel_of_isa("s16", isa);
        const pith_kernel_set *depthwise = pithi_kernel_of_isa("dwconv_s16", isa);
        const pith_kernel_set *products = pithi_kernel_of_isa("gemm_s16", isa);
        for (int i = 0; i < N_CASES && pithi_isa_is_available(isa); i++) {
            if (rows) {
                pith_test_case(test, "%s, rows %d", pithi_isa_name(isa), i);
                check_row(test, rows->records);
                check_join(test, rows->records);
                check_taps(test, rows->records);
                check_floats(test, rows->records);
                check_code(test, rows->records);
            }
            if (depthwise) {
                pith_test_case(test, "%s, image %d", pithi_isa_name(isa), i);
                check_depthwise(test, depthwise->records);
            }
            if (products) {
                pith_test_case(test, "%s, product %d", pithi_isa_name(isa), i);
                check_product(test, products->records);
                check_sums(test, products->records);
            }
        }
    }
}
