/* SPDX-License-Identifier: Apache-2.0 */
/* conv_planar_f32 of every ISA against sums in double, with operands that end (or begin) at inaccessible pages, and the
 * same bits however rows are cut. */
#include <math.h>
#include <stdlib.h>

#include "kernels/conv_planar_f32.h"
#include "support/float_operand.h"

#define N_CASES 300

enum { X, W, BIAS, RESIDUAL, Y, N_OPERANDS };

typedef struct planar_case {
    pith_test_operand operands[N_OPERANDS];
    float *start; /* Y before the run */
    int out_h, nr;
    pith_conv_planar_f32_task task;
} planar_case;

static float *make_operand(pith_test *test, planar_case *c, int index, size_t count)
{
    c->operands[index] = pith_test_operand_make(test, count, index == X && pith_test_pick(test, 0, 3) == 0);
    return c->operands[index].data;
}

static void choose_geometry(pith_test *test, planar_case *c)
{
    pith_conv_planar_f32_task *t = &c->task;
    t->in_channels = pith_test_pick(test, 1, PITH_CONV_PLANAR_MAX_CHANNELS);
    t->kernel_h = pith_test_pick(test, 1, PITH_CONV_PLANAR_MAX_KERNEL);
    t->kernel_w = pith_test_pick(test, 1, PITH_CONV_PLANAR_MAX_KERNEL);
    t->stride_h = pith_test_pick(test, 1, 3);
    t->stride_w = pith_test_pick(test, 1, PITH_CONV_PLANAR_MAX_STRIDE);
    t->pad_top = pith_test_pick(test, 0, 8);
    t->pad_left = pith_test_pick(test, 0, 3) ? pith_test_pick(test, 0, 3) : pith_test_pick(test, 0, 50);
    t->in_h = pith_test_pick(test, 1, 9);
    t->in_w = pith_test_pick(test, 1, 90);
    int full_h = t->in_h + t->pad_top + pith_test_pick(test, 0, 9) - t->kernel_h;
    int full_w = t->in_w + t->pad_left + pith_test_pick(test, 0, 3) - t->kernel_w;
    c->out_h = full_h > 0 ? full_h / t->stride_h + 1 : 1; /* a kernel larger than the image is fine too */
    t->out_w = full_w > 0 ? full_w / t->stride_w + 1 : 1;
    t->n_columns = pith_test_pick(test, 0, 2) ? pith_test_pick(test, 1, 40) : 8 * pith_test_pick(test, 1, 9);
    t->x_row_stride = (size_t)(t->in_w + pith_test_pick(test, 0, 2));
    t->x_plane_stride = (size_t)t->in_h * t->x_row_stride + (size_t)pith_test_pick(test, 0, 2);
    t->y_pixel_stride = (size_t)(t->n_columns + pith_test_pick(test, 0, 2));
    t->y_row_stride = (size_t)t->out_w * t->y_pixel_stride + (size_t)pith_test_pick(test, 0, 2);
    t->y_end = c->out_h;
}

static size_t n_taps(const pith_conv_planar_f32_task *t)
{
    return (size_t)(t->kernel_h * t->in_channels * t->kernel_w);
}

static void make_case(pith_test *test, planar_case *c, int nr)
{
    pith_conv_planar_f32_task *t = &c->task;
    choose_geometry(test, c);
    c->nr = nr;
    size_t n = (size_t)t->n_columns, padded = (n + (size_t)nr - 1) / (size_t)nr * (size_t)nr;
    size_t y_count = (size_t)(c->out_h - 1) * t->y_row_stride + (size_t)(t->out_w - 1) * t->y_pixel_stride + n;
    t->x = make_operand(test, c, X, (size_t)(t->in_channels - 1) * t->x_plane_stride +
                                        (size_t)(t->in_h - 1) * t->x_row_stride + (size_t)t->in_w);
    float *w = make_operand(test, c, W, padded * n_taps(t));
    for (size_t i = 0; i < c->operands[W].count; i++) {
        w[i] = i / (n_taps(t) * (size_t)nr) * (size_t)nr + i % (size_t)nr < n ? w[i] : 0.0f;
    }
    t->w = w;
    float *bias = make_operand(test, c, BIAS, n), *residual = make_operand(test, c, RESIDUAL, y_count);
    t->bias = pith_test_pick(test, 0, 1) ? bias : NULL;
    t->residual = pith_test_pick(test, 0, 2) ? NULL : residual;
    t->y = make_operand(test, c, Y, y_count);
    t->lo = pith_test_pick(test, 0, 1) ? -0.5f : -INFINITY;
    t->hi = pith_test_pick(test, 0, 1) ? 1.5f : INFINITY;
    c->start = malloc(y_count * sizeof(float));
    memcpy(c->start, t->y, y_count * sizeof(float));
}

static double wanted_value(const void *user, size_t at, int oy, int ox, size_t n, double *bound_out)
{
    const planar_case *c = user;
    const pith_conv_planar_f32_task *t = &c->task;
    double sum = t->bias ? (double)t->bias[n] : 0.0, size = fabs(sum);
    for (size_t tap = 0; tap < n_taps(t); tap++) {
        int kx = (int)tap % t->kernel_w, channel = (int)tap / t->kernel_w % t->in_channels;
        int iy = oy * t->stride_h - t->pad_top + (int)tap / (t->kernel_w * t->in_channels);
        int ix = ox * t->stride_w - t->pad_left + kx;
        if (iy >= 0 && iy < t->in_h && ix >= 0 && ix < t->in_w) {
            double x = (double)t->x[(size_t)channel * t->x_plane_stride + (size_t)iy * t->x_row_stride + (size_t)ix];
            size_t nr = (size_t)c->nr;
            double term = x * (double)t->w[(n / nr * n_taps(t) + tap) * nr + n % nr];
            sum += term;
            size += fabs(term);
        }
    }
    return pith_test_finish(sum, size, n_taps(t), t->residual ? &t->residual[at] : NULL,
                            (const float[]){ t->lo, t->hi }, bound_out);
}

static void check_case(pith_test *test, const pith_conv_planar_f32 *kernel)
{
    planar_case c = { 0 };
    make_case(test, &c, kernel->nr);
    size_t n_bytes = c.operands[Y].count * sizeof(float);
    kernel->run(&c.task);
    pith_test_check_pixels(test, &(pith_test_pixels){ c.task.y, c.start, c.operands[Y].count, c.task.y_row_stride,
                                                      c.task.y_pixel_stride, (size_t)c.task.out_w,
                                                      (size_t)c.task.n_columns }, wanted_value, &c);
    float *whole = malloc(n_bytes);
    memcpy(whole, c.task.y, n_bytes);
    memcpy(c.task.y, c.start, n_bytes);
    int row = pith_test_pick(test, 0, c.out_h);
    for (int i = 0; i < 2; i++) {
        pith_conv_planar_f32_task t = c.task;
        t.y_begin = i ? row : 0;
        t.y_end = i ? c.out_h : row;
        kernel->run(&t);
    }
    TEST_CHECK_MESSAGE(test, memcmp(whole, c.task.y, n_bytes) == 0, "pieces give other bits than the whole");
    free(whole);
    free(c.start);
    for (int i = 0; i < N_OPERANDS; i++) {
        pith_guarded_free(&c.operands[i].memory);
    }
}

void test_conv_planar_f32(pith_test *test)
{
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        const pith_kernel_set *set = pithi_kernel_of_isa("conv_planar_f32", isa);
        if (!set || !pithi_isa_is_available(isa)) {
            continue;
        }
        const pith_conv_planar_f32 *kernel = set->records;
        for (int i = 0; i < N_CASES; i++) {
            pith_test_case(test, "%s %d", kernel->head.name, i);
            check_case(test, kernel);
        }
    }
}
