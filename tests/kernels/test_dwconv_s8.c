/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_s8 and qadd_s8 of every ISA against portable, bit for bit, with operands at inaccessible
 * pages; portable dwconv_s8 against plain 64-bit sums. */
#include <math.h>
#include <stdlib.h>

#include "kernels/dwconv_s8.h"
#include "kernels/qadd_s8.h"
#include "support/test.h"

#define N_CASES 400

static int pick(pith_test *test, int low, int high)
{
    return low + (int)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

static pith_guarded random_bytes(pith_test *test, size_t n)
{
    static const uint8_t extremes[] = { 0x80, 0x7f, 0x00, 0xff };
    pith_guarded memory = pith_guarded_alloc(n, pith_test_random(test) & 1);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = pith_test_random(test);
        ((uint8_t *)memory.data)[i] = bits & 3 ? (uint8_t)(bits >> 8) : extremes[bits >> 2 & 3];
    }
    return memory;
}

typedef struct depthwise_case {
    pith_guarded x, w, bias, scale, y;
    size_t n_y;
    pith_dwconv_s8_task task;
} depthwise_case;

static pith_dwconv_s8_task random_shape(pith_test *test, bool is_narrow)
{
    int channels = is_narrow && (pith_test_random(test) & 15) == 0 ? pick(test, 257, 600) : pick(test, 1, 150);
    const int out_h = pick(test, 1, 6);
    return (pith_dwconv_s8_task){ .n_channels = (size_t)channels,
                                  .in_h = pick(test, 1, 7),
                                  .in_w = pick(test, 1, 20),
                                  .kernel_h = pick(test, 1, 9),
                                  .kernel_w = pick(test, 1, pith_test_random(test) & 3 ? 8 : 90),
                                  .stride_h = pick(test, 1, 3),
                                  .stride_w = pick(test, 1, 3),
                                  .dilation_h = pick(test, 1, 2),
                                  .dilation_w = pith_test_random(test) & 15 ? pick(test, 1, 2) : 30,
                                  .pad_top = pick(test, 0, 3),
                                  .pad_left = pick(test, 0, 3),
                                  .out_w = pick(test, 1, 20),
                                  .y_begin = pick(test, 0, out_h - 1),
                                  .y_end = out_h };
}

static void make_depthwise(pith_test *test, depthwise_case *c, const pith_dwconv_s8_task *shape, bool is_narrow)
{
    pith_dwconv_s8_task *t = &c->task;
    const int channels = (int)shape->n_channels, n_taps = shape->kernel_h * shape->kernel_w;
    const int low = pith_test_random(test) & 1 ? -128 : 0;
    const bool has_large = !is_narrow || (pith_test_random(test) & 7) == 0; /* scales above 1 */
    *t = *shape;
    t->x_flip = pith_test_random(test) & 1 ? 0x80 : 0;
    t->x_zero = pick(test, 0, 255);
    t->zero = pick(test, low, low + 255);
    t->low = pick(test, low, low + 40);
    t->high = pick(test, low + 200, low + 255);
    t->x_pixel_stride = t->y_pixel_stride = t->w_stride = (size_t)channels;
    t->x_row_stride = (size_t)(t->in_w * channels);
    t->y_row_stride = (size_t)(t->out_w * channels);
    c->x = random_bytes(test, (size_t)t->in_h * t->x_row_stride);
    c->w = pith_guarded_alloc((size_t)(n_taps * channels) * sizeof(int16_t),
                              pith_test_random(test) & 1);
    for (int i = 0; i < n_taps * channels; i++) {
        ((int16_t *)c->w.data)[i] =
            (int16_t)(pith_test_random(test) & 3 ? pick(test, -255, 255) : 255);
    }
    c->bias = pith_guarded_alloc((size_t)channels * sizeof(int32_t), pith_test_random(test) & 1);
    c->scale = pith_guarded_alloc((size_t)channels * sizeof(float), pith_test_random(test) & 1);
    for (int i = 0; i < channels; i++) {
        ((int32_t *)c->bias.data)[i] = pick(test, -9000, 9000);
        const float factor = has_large && i % 50 == 49 ? 1e6f : 1.0f;
        ((float *)c->scale.data)[i] = (float)pith_test_uniform(test, 1e-4, 1e-2) * factor;
    }
    c->n_y = (size_t)t->y_end * t->y_row_stride;
    c->y = pith_guarded_alloc(c->n_y, pith_test_random(test) & 1);
    t->x = c->x.data;
    t->w = c->w.data;
    t->bias = c->bias.data;
    t->scale = c->scale.data;
    t->y = c->y.data;
}

static uint8_t wanted_at(const pith_dwconv_s8_task *t, int oy, int ox, size_t channel)
{
    int64_t sum = t->bias[channel];
    for (int ky = 0; ky < t->kernel_h; ky++) {
        for (int kx = 0; kx < t->kernel_w; kx++) {
            int y = oy * t->stride_h - t->pad_top + ky * t->dilation_h,
                x = ox * t->stride_w - t->pad_left + kx * t->dilation_w;
            if (y >= 0 && y < t->in_h && x >= 0 && x < t->in_w) {
                int64_t value =
                    t->x[(size_t)y * t->x_row_stride + (size_t)x * t->x_pixel_stride + channel] ^
                    t->x_flip;
                sum += (value - t->x_zero) *
                       t->w[(size_t)(ky * t->kernel_w + kx) * t->w_stride + channel];
            }
        }
    }
    double rounded = nearbyint((double)((float)(int32_t)sum * t->scale[channel])) + t->zero;
    return (uint8_t)(int32_t)fmin(fmax(rounded, t->low), t->high);
}

/* Weights within 8 bits, or sums of two such, as networks have them: kernels may have a faster way for those. */
static void narrow_weights(depthwise_case *c, size_t n, bool is_sum)
{
    int16_t *weights = c->w.data;
    for (size_t i = 0; i < n; i++) {
        weights[i] = !is_sum ? (int8_t)weights[i] : weights[i] == 255 ? (int16_t)(i % 2 ? -256 : 254) : weights[i];
    }
}

static void check_depthwise(pith_test *test, const pith_dwconv_s8 *kernel, const pith_dwconv_s8_task *shape,
                            bool is_narrow)
{
    depthwise_case c;
    make_depthwise(test, &c, shape, is_narrow);
    const pith_dwconv_s8_task *t = &c.task;
    if (is_narrow) {
        narrow_weights(&c, (size_t)(t->kernel_h * t->kernel_w) * t->n_channels,
                       pith_test_random(test) & 1);
    }
    const size_t n_packed = is_narrow && kernel->pack_bytes ? kernel->pack_bytes(t) : 0;
    void *packed = aligned_alloc(64, (n_packed / 64 + 1) * 64);
    if (n_packed > 0) {
        kernel->pack(t, packed);
        c.task.packed = packed;
    }
    memset(c.y.data, 0x5a, c.n_y);
    kernel->run(t);
    free(packed);
    for (size_t i = 0; i < c.n_y && !test->case_failed; i++) {
        int oy = (int)(i / t->y_row_stride), ox = (int)(i % t->y_row_stride / t->y_pixel_stride);
        uint8_t wanted = oy < t->y_begin ? 0x5a : wanted_at(t, oy, ox, i % t->y_pixel_stride);
        TEST_CHECK_MESSAGE(test, ((uint8_t *)c.y.data)[i] == wanted, "[%d][%d][%zu] is %d, not %d",
                           oy, ox, i % t->y_pixel_stride, ((uint8_t *)c.y.data)[i], wanted);
    }
    pith_guarded *all[] = { &c.x, &c.w, &c.bias, &c.scale, &c.y };
    for (int i = 0; i < PITH_COUNT(all); i++) {
        pith_guarded_free(all[i]);
    }
}

/* Strides close to the width of a window, where few pixels fit and rounding planes up doubles them; and a row so wide
 * that its pixels times its strips are more than 31 bits hold. */
static const pith_dwconv_s8_task odd_shapes[] = {
    { .n_channels = 2, .in_h = 5, .in_w = 2559, .kernel_h = 5, .kernel_w = 3, .stride_h = 1, .stride_w = 2558,
      .dilation_h = 1, .dilation_w = 1279, .out_w = 1, .y_end = 1 },
    { .n_channels = 2, .in_h = 5, .in_w = 5116, .kernel_h = 5, .kernel_w = 3, .stride_h = 1, .stride_w = 2557,
      .dilation_h = 1, .dilation_w = 1279, .pad_left = 1, .out_w = 2, .y_end = 1 },
    { .n_channels = 5, .in_h = 6, .in_w = 2801, .kernel_h = 5, .kernel_w = 3, .stride_h = 1, .stride_w = 900,
      .dilation_h = 1, .dilation_w = 500, .pad_left = 1, .out_w = 3, .y_end = 2 },
    { .n_channels = 3, .in_h = 5, .in_w = 3353, .kernel_h = 5, .kernel_w = 3, .stride_h = 1, .stride_w = 850,
      .dilation_h = 1, .dilation_w = 400, .pad_left = 1, .out_w = 4, .y_end = 1 },
    { .n_channels = 17, .in_h = 5, .in_w = 450, .kernel_h = 5, .kernel_w = 2, .stride_h = 1, .stride_w = 149,
      .dilation_h = 1, .dilation_w = 150, .out_w = 3, .y_end = 1 },
    { .n_channels = 1, .in_h = 1, .in_w = 2200000, .kernel_h = 1, .kernel_w = 3, .stride_h = 1, .stride_w = 1,
      .dilation_h = 1, .dilation_w = 1, .pad_left = 1, .out_w = 2200000, .y_end = 1 },
};

static void check_add(pith_test *test, const pith_qadd_s8 *kernel)
{
    size_t n = (size_t)pick(test, 1, 200);
    int low = pith_test_random(test) & 1 ? -128 : 0;
    pith_qadd_s8_row row = { .n = n,
                             .a_step = pick(test, 0, 1),
                             .b_step = pick(test, 0, 1),
                             .a_scale = (float)pith_test_uniform(test, 0.1, 2),
                             .b_scale = pick(test, 0, 1) ? 0.5f : 0.37f,
                             .offset = (float)pith_test_uniform(test, -99, 99),
                             .low = low,
                             .high = low + 255 };
    row.a_flip = pith_test_random(test) & 1 ? 0x80 : 0;
    row.b_flip = pith_test_random(test) & 1 ? 0x80 : 0;
    row.a_base = row.a_flip ? -128 : 0;
    row.b_base = row.b_flip ? -128 : 0;
    pith_guarded a = random_bytes(test, row.a_step ? n : 1),
                 b = random_bytes(test, row.b_step ? n : 1);
    pith_guarded y = pith_guarded_alloc(n, pith_test_random(test) & 1);
    row.a = a.data;
    row.b = b.data;
    row.y = y.data;
    const bool is_product = pith_test_random(test) & 1;
    if (is_product) {
        row.a_base -= pick(test, low, low + 255);
        row.b_base -= pick(test, low, low + 255);
        row.a_scale *= 0.01f;
        kernel->product(&row);
    } else {
        kernel->sum(&row);
    }
    for (size_t i = 0; i < n && !test->case_failed; i++) {
        float left = (float)((row.a[row.a_step ? i : 0] ^ row.a_flip) + row.a_base);
        float right = (float)((row.b[row.b_step ? i : 0] ^ row.b_flip) + row.b_base);
        volatile float scaled = left * right * row.a_scale; /* rounded before the sum */
        float sum = fmaf(left, row.a_scale, fmaf(right, row.b_scale, row.offset));
        double value = nearbyint((double)(is_product ? scaled + row.offset : sum));
        uint8_t wanted = (uint8_t)(int32_t)fmin(fmax(value, row.low), row.high);
        TEST_CHECK_MESSAGE(test, row.y[i] == wanted, "[%zu] is %d, not %d", i, row.y[i], wanted);
    }
    pith_guarded_free(&a);
    pith_guarded_free(&b);
    pith_guarded_free(&y);
}

void test_dwconv_s8(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *depthwise = pithi_kernel_of_isa("dwconv_s8", isa),
                              *add = pithi_kernel_of_isa("qadd_s8", isa);
        for (int i = 0; i < N_CASES && pithi_isa_is_available(isa); i++) {
            if (depthwise) {
                pith_test_case(test, "%s, image %d", pithi_isa_name(isa), i);
                const bool is_narrow = i % 3 != 0;
                const pith_dwconv_s8_task shape = random_shape(test, is_narrow);
                check_depthwise(test, depthwise->records, &shape, is_narrow);
            }
            if (add) {
                pith_test_case(test, "%s, sum %d", pithi_isa_name(isa), i);
                check_add(test, add->records);
            }
        }
        for (int i = 0; i < PITH_COUNT(odd_shapes) && depthwise && pithi_isa_is_available(isa); i++) {
            pith_test_case(test, "%s, odd shape %d", pithi_isa_name(isa), i);
            check_depthwise(test, depthwise->records, &odd_shapes[i], true);
        }
    }
}
