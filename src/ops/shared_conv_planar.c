/* SPDX-License-Identifier: Apache-2.0 */
/* First layers: convolutions of few channels that read x as the planes of a file or camera. The step that would bring
 * them to channels-last, and the copy with zeros around, are saved. */
#include "ops/shared_conv_f32.h"

bool pithi_conv_takes_planes(const pithi_conv_geometry *g)
{
    bool fits = !g->is_transposed && g->group == 1 && g->in_channels >= 1 && g->out_channels >= 1 &&
                g->in_channels <= PITH_CONV_PLANAR_MAX_CHANNELS && g->stride[2] <= PITH_CONV_PLANAR_MAX_STRIDE &&
                g->in[0] == 1 && g->out[0] == 1 && g->kernel[0] == 1;
    for (int d = 1; d < 3 && fits; d++) {
        fits = g->kernel[d] <= PITH_CONV_PLANAR_MAX_KERNEL && g->dilation[d] == 1 && g->in[d] >= 1 && g->out[d] >= 1;
    }
    return fits;
}

void pithi_conv_planar_plan(const pith_prepare *prepare, pithi_conv_f32 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n_taps = pithi_conv_taps(g) * g->in_channels, batch = pithi_max_s64(g->batch, 1);
    int64_t macs = g->out[1] * g->out[2] * g->out_channels * n_taps;
    int64_t wanted = prepare->n_threads > 1 ? pithi_div_up(4 * prepare->n_threads, batch) : 1;
    wanted = pithi_max_s64(pithi_min_s64(wanted, macs / PITHI_PART_MACS), 1);
    conv->planar = pithi_conv_planar_f32(prepare->isa_limit);
    conv->row_bands = pithi_min_s64(pithi_even_count(wanted, prepare->n_threads), g->out[1]);
    conv->n_grains = g->batch * conv->row_bands;
    conv->packed_floats = (size_t)(pithi_div_up(g->out_channels, conv->planar->nr) * conv->planar->nr * n_taps);
}

void pithi_conv_planar_pack(const pithi_conv_f32 *conv, const float *w, float *packed, int64_t begin, int64_t end)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t nr = conv->planar->nr, taps = pithi_conv_taps(g), n_taps = taps * g->in_channels;
    for (int64_t i = begin * n_taps * nr; i < end * n_taps * nr; i++) {
        int64_t n = i / (n_taps * nr) * nr + i % nr, tap = i / nr % n_taps, kx = tap % g->kernel[2];
        int64_t c = tap / g->kernel[2] % g->in_channels, ky = tap / (g->kernel[2] * g->in_channels);
        const float *from = w + (n * g->in_channels + c) * taps + ky * g->kernel[2] + kx;
        packed[i] = n < g->out_channels ? pithi_load_f32(from) : 0.0f;
    }
}

void pithi_conv_planar_run(const pithi_conv_f32 *conv, const pithi_conv_operands *o, const pith_part *part)
{
    const pithi_conv_geometry *g = &conv->g;
    const float *residual = pithi_finish_residual(&conv->finish, o->residual);
    int64_t begin = 0, end = 0, plane = g->in[1] * g->in[2];
    pithi_part_range(part, conv->n_grains, &begin, &end);
    for (int64_t grain = begin; grain < end; grain++) {
        int64_t image = grain / conv->row_bands, i = grain % conv->row_bands;
        int64_t y_at = image * g->out[1] * g->out[2];
        pith_conv_planar_f32_task task = {
            .x = o->x + image * g->in_channels * plane, .x_plane_stride = (size_t)plane,
            .x_row_stride = (size_t)g->in[2], .w = o->packed, .bias = o->bias,
            .residual = residual ? residual + y_at * conv->residual_pixel : NULL,
            .y = o->y + y_at * conv->y_pixel,
            .y_row_stride = (size_t)(g->out[2] * conv->y_pixel), .y_pixel_stride = (size_t)conv->y_pixel,
            .in_channels = (int)g->in_channels, .in_h = (int)g->in[1], .in_w = (int)g->in[2], .out_w = (int)g->out[2],
            .n_columns = (int)g->out_channels, .y_begin = (int)(g->out[1] * i / conv->row_bands),
            .y_end = (int)(g->out[1] * (i + 1) / conv->row_bands), .kernel_h = (int)g->kernel[1],
            .kernel_w = (int)g->kernel[2], .stride_h = (int)g->stride[1], .stride_w = (int)g->stride[2],
            .pad_top = (int)g->pad[1], .pad_left = (int)g->pad[2], .lo = conv->finish.lo, .hi = conv->finish.hi,
        };
        conv->planar->run(&task);
        for (int oy = task.y_begin; oy < task.y_end; oy++) {
            pithi_conv_finish_row(conv, o, image * g->out[1] + oy, 0, g->out_channels);
        }
    }
}
