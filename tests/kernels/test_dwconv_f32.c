/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_f32 of every ISA against sums in double, with operands that end (or begin) at inaccessible pages, and the
 * same bits however rows and channels are cut. */
#include <math.h>
#include <stdlib.h>

#include "kernels/dwconv_f32.h"
#include "support/float_operand.h"

#define N_CASES 400

typedef struct dw_case {
    pith_test_operand x, w, bias, residual, y, start;
    int out_h;
    pith_dwconv_f32_task task;
} dw_case;

/* Pixels of an image without a tail behind the last channel. */
static size_t extent(size_t rows, size_t row_stride, size_t columns, size_t pixel_stride, size_t n)
{
    return (rows - 1) * row_stride + (columns - 1) * pixel_stride + n;
}

static void choose_geometry(pith_test *test, dw_case *c)
{
    pith_dwconv_f32_task *t = &c->task;
    static const int widths[] = { 3, 3, 5, 5, 1, 2, 4, 7 };
    t->kernel_w = widths[pith_test_pick(test, 0, 7)];
    t->kernel_h = pith_test_pick(test, 0, 2) ? t->kernel_w : pith_test_pick(test, 1, 4);
    t->stride_w = pith_test_pick(test, 1, 2) + (pith_test_pick(test, 0, 7) == 0);
    t->stride_h = pith_test_pick(test, 1, 3);
    t->dilation_h = pith_test_pick(test, 0, 3) ? 1 : pith_test_pick(test, 2, 4);
    t->dilation_w = pith_test_pick(test, 0, 3) ? 1 : pith_test_pick(test, 2, 4);
    t->pad_top = pith_test_pick(test, 0, 3);
    t->pad_left = pith_test_pick(test, 0, 3);
    t->in_h = pith_test_pick(test, 1, 9);
    t->in_w = pith_test_pick(test, 1, 24);
    int full_h = t->in_h + t->pad_top + pith_test_pick(test, 0, 3) - (t->kernel_h - 1) * t->dilation_h - 1;
    int full_w = t->in_w + t->pad_left + pith_test_pick(test, 0, 3) - (t->kernel_w - 1) * t->dilation_w - 1;
    c->out_h = full_h > 0 ? full_h / t->stride_h + 1 : 1; /* a kernel larger than the image is fine too */
    t->out_w = full_w > 0 ? full_w / t->stride_w + 1 : 1;
    t->n_channels = (size_t)pith_test_pick(test, 1, 40);
    t->x_pixel_stride = t->n_channels + (size_t)pith_test_pick(test, 0, 3);
    t->x_row_stride = (size_t)t->in_w * t->x_pixel_stride + (size_t)pith_test_pick(test, 0, 3);
    t->y_pixel_stride = t->n_channels + (size_t)pith_test_pick(test, 0, 3);
    t->y_row_stride = (size_t)t->out_w * t->y_pixel_stride + (size_t)pith_test_pick(test, 0, 3);
    t->w_stride = t->n_channels + (size_t)pith_test_pick(test, 0, 3);
    t->y_end = c->out_h;
}

static void make_case(pith_test *test, dw_case *c)
{
    pith_dwconv_f32_task *t = &c->task;
    choose_geometry(test, c);
    bool specials = pith_test_pick(test, 0, 2) == 0;
    size_t n = t->n_channels, n_taps = (size_t)(t->kernel_h * t->kernel_w);
    size_t y_count = extent((size_t)c->out_h, t->y_row_stride, (size_t)t->out_w, t->y_pixel_stride, n);
    size_t x_count = extent((size_t)t->in_h, t->x_row_stride, (size_t)t->in_w, t->x_pixel_stride, n);
    c->x = pith_test_operand_make(test, x_count, specials);
    c->w = pith_test_operand_make(test, (n_taps - 1) * t->w_stride + n, false);
    c->bias = pith_test_operand_make(test, n, specials);
    c->residual = pith_test_operand_make(test, y_count, specials);
    c->y = pith_test_operand_make(test, y_count, false);
    c->start = pith_test_operand_make(test, y_count, false);
    t->x = c->x.data;
    t->w = c->w.data;
    t->bias = pith_test_pick(test, 0, 1) ? c->bias.data : NULL;
    t->residual = pith_test_pick(test, 0, 1) ? c->residual.data : NULL;
    t->y = c->y.data;
    t->lo = pith_test_pick(test, 0, 1) ? -0.5f : -INFINITY;
    t->hi = pith_test_pick(test, 0, 1) ? 1.5f : INFINITY;
}

static void free_case(dw_case *c)
{
    pith_test_operand *operands[] = { &c->x, &c->w, &c->bias, &c->residual, &c->y, &c->start };
    for (int i = 0; i < PITH_COUNT(operands); i++) {
        pith_guarded_free(&operands[i]->memory);
    }
}

static double wanted_value(const void *user, size_t at, int oy, int ox, size_t channel, double *bound_out)
{
    const pith_dwconv_f32_task *t = user;
    double sum = t->bias ? (double)t->bias[channel] : 0.0, size = fabs(sum);
    for (int tap = 0; tap < t->kernel_h * t->kernel_w; tap++) {
        int iy = oy * t->stride_h - t->pad_top + tap / t->kernel_w * t->dilation_h;
        int ix = ox * t->stride_w - t->pad_left + tap % t->kernel_w * t->dilation_w;
        if (iy >= 0 && iy < t->in_h && ix >= 0 && ix < t->in_w) {
            double x = (double)t->x[(size_t)iy * t->x_row_stride + (size_t)ix * t->x_pixel_stride + channel];
            double term = x * (double)t->w[(size_t)tap * t->w_stride + channel];
            sum += term;
            size += fabs(term);
        }
    }
    return pith_test_finish(sum, size, (size_t)(t->kernel_h * t->kernel_w), t->residual ? &t->residual[at] : NULL,
                            (const float[]){ t->lo, t->hi }, bound_out);
}

static void run_in_pieces(pith_test *test, const pith_dwconv_f32 *kernel, const dw_case *c)
{
    int row = pith_test_pick(test, 0, c->out_h);
    size_t channel = (size_t)pith_test_pick(test, 0, (int)c->task.n_channels);
    for (int i = 0; i < 4; i++) {
        pith_dwconv_f32_task t = c->task;
        size_t first = i & 1 ? channel : 0;
        t.y_begin = i & 2 ? row : 0;
        t.y_end = i & 2 ? c->out_h : row;
        t.n_channels = i & 1 ? t.n_channels - channel : channel;
        t.x += first;
        t.w += first;
        t.y += first;
        t.bias = t.bias ? t.bias + first : NULL;
        t.residual = t.residual ? t.residual + first : NULL;
        if (t.n_channels > 0) {
            kernel->run(&t);
        }
    }
}

static void check_case(pith_test *test, const pith_dwconv_f32 *kernel)
{
    dw_case c = { 0 };
    make_case(test, &c);
    size_t n_bytes = c.y.count * sizeof(float);
    memcpy(c.y.data, c.start.data, n_bytes);
    kernel->run(&c.task);
    pith_test_check_pixels(test, &(pith_test_pixels){ c.y.data, c.start.data, c.y.count, c.task.y_row_stride,
                                                      c.task.y_pixel_stride, (size_t)c.task.out_w,
                                                      c.task.n_channels }, wanted_value, &c.task);
    float *whole = malloc(n_bytes);
    memcpy(whole, c.y.data, n_bytes);
    memcpy(c.y.data, c.start.data, n_bytes);
    run_in_pieces(test, kernel, &c);
    TEST_CHECK_MESSAGE(test, memcmp(whole, c.y.data, n_bytes) == 0, "pieces give other bits than the whole");
    free(whole);
    free_case(&c);
}

void test_dwconv_f32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("dwconv_f32", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_dwconv_f32 *kernel = set->records;
        for (int i = 0; i < N_CASES; i++) {
            pith_test_case(test, "%s %d", kernel->head.name, i);
            check_case(test, kernel);
        }
    }
}
