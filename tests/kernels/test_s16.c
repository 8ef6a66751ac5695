/* SPDX-License-Identifier: Apache-2.0 */
/* s16 and dwconv_s16 of every ISA against 64-bit sums and double, bit for bit, with operands at inaccessible pages. */
#include "kernels/dwconv_s16.h"

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

/* ---- depthwise -------------------------------------------------------------------------------- */

typedef struct depthwise_case {
    pith_guarded x, zeros, w, bias, scale, y;
    pith_dwconv_s16_task task;
    const void *taps[65];
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
                                 .finish = random_finish(test), .taps = c->taps };
    const size_t n = t->n_channels, n_w = (size_t)(t->kernel_h * t->kernel_w) * n;
    c->out_h = pick(test, 1, 5);
    t->y_end = c->out_h;
    t->x_zero = t->x_is_signed ? pick(test, -32768, 32767) : pick(test, 0, 65535);
    c->x = random_bits(test, 2 * (size_t)(t->in_h * t->in_w) * n);
    c->zeros = pith_guarded_alloc(2 * n, n & 1);
    c->w = pith_guarded_alloc(2 * n_w, n & 1);
    c->bias = pith_guarded_alloc(4 * n, n & 1);
    c->scale = pith_guarded_alloc(4 * n, n & 1);
    c->y = pith_guarded_alloc(item_of(t->finish.type) * (size_t)(c->out_h * t->out_w) * n, n & 1);
    for (size_t i = 0; i < n_w; i++) {
        ((int16_t *)c->w.data)[i] = (int16_t)pick(test, -255, 255);
    }
    for (size_t i = 0; i < n; i++) {
        ((uint16_t *)c->zeros.data)[i] = (uint16_t)t->x_zero;
        ((int32_t *)c->bias.data)[i] = pick(test, -900000, 900000);
        ((float *)c->scale.data)[i] = (float)pith_test_uniform(test, 1e-4, 1e-2) * (i % 50 == 49 ? 1e6f : 1.0f);
    }
    t->x = c->x.data;
    t->zeros = c->zeros.data;
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
                const int64_t value = number_at(t->x, t->x_is_signed ? PITH_S16_S16 : PITH_S16_U16, at);
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
    kernel->run(t);
    free(packed);
    for (size_t i = 0; i < (size_t)(c.out_h * t->out_w) * t->n_channels && !test->case_failed; i++) {
        const int pixel = (int)(i / t->n_channels);
        const int32_t wanted = wanted_at(t, pixel / t->out_w, pixel % t->out_w, i % t->n_channels);
        const int32_t got = number_at(t->y, t->finish.type, i);
        TEST_CHECK_MESSAGE(test, got == wanted, "pixel %d, channel %zu is %d, not %d", pixel, i % t->n_channels, got,
                           wanted);
    }
    pith_guarded *all[] = { &c.x, &c.zeros, &c.w, &c.bias, &c.scale, &c.y };
    for (int i = 0; i < PITH_COUNT(all); i++) {
        pith_guarded_free(all[i]);
    }
}

void test_s16(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *rows = pithi_kernel_of_isa("s16", isa);
        const pith_kernel_set *depthwise = pithi_kernel_of_isa("dwconv_s16", isa);
        for (int i = 0; i < N_CASES && pithi_isa_is_available(isa); i++) {
            if (rows) {
                pith_test_case(test, "%s, rows %d", pithi_isa_name(isa), i);
                check_row(test, rows->records);
                check_join(test, rows->records);
                check_taps(test, rows->records);
            }
            if (depthwise) {
                pith_test_case(test, "%s, image %d", pithi_isa_name(isa), i);
                check_depthwise(test, depthwise->records);
            }
        }
    }
}
