/* SPDX-License-Identifier: Apache-2.0 */
/* Runs what shared_conv_plan.c has decided. */
#include "ops/shared_conv_f32.h"

static int64_t product3(const int64_t sizes[3]) { return sizes[0] * sizes[1] * sizes[2]; }

static const void *input_data(const pith_run *run, int index)
{
    return run->n_inputs > index ? run->inputs[index].data : NULL;
}

static pithi_conv_operands find_operands(const pith_run *run, const pithi_conv_f32 *conv)
{
    char *shared = run->shared;
    bool first = conv->is_channels_first;
    return (pithi_conv_operands){
        .x = first ? (float *)(void *)(shared + conv->shared_x) : input_data(run, 0),
        .packed = conv->packed ? conv->packed : (float *)(void *)(shared + conv->shared_packed),
        .bias = conv->merged_bias ? conv->merged_bias : input_data(run, 2),
        .residual =
            first && conv->has_residual ? (float *)(void *)(shared + conv->shared_residual) : input_data(run, 3),
        .y = first ? (float *)(void *)(shared + conv->shared_y) : run->outputs[0].data,
    };
}

/* ---- one band ----------------------------------------------------------------------------- */

typedef struct band {
    const pithi_conv_variant *variant;
    int64_t image, group, pixel, n_pixels; /* pixels counted within the variant's image */
} band;

/* `count` pixels of n_c channels, `step` apart. */
static void gather_pixels(const float *from, int64_t step, int64_t n_c, int64_t count, float *to)
{
    for (; count > 0; count--, from += step, to += n_c) {
        if (n_c % 4 != 0) {
            memcpy(to, from, (size_t)n_c * sizeof(float));
            continue;
        }
        for (int64_t c = 0; c < n_c; c += 4) { /* calls for a few numbers would take longer */
            memcpy(to + c, from + c, 4 * sizeof(float));
        }
    }
}

/* One row of a gathered band: pixels [first, first + count) of the image, zeros outside. `row` is the image's
 * row at its first pixel, NULL outside. */
static void gather_row(const pithi_conv_f32 *conv, const float *row, int64_t first, int64_t count, float *to)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n_c = g->in_channels / g->group;
    int64_t begin = row ? pithi_min_s64(pithi_max_s64(-first, 0), count) : count;
    int64_t end = row ? pithi_max_s64(pithi_min_s64(count, g->in[2] - first), begin) : count;
    memset(to, 0, (size_t)(begin * n_c) * sizeof(float));
    if (n_c == conv->x_pixel && end > begin) {
        memcpy(to + begin * n_c, row + (first + begin) * n_c, (size_t)((end - begin) * n_c) * sizeof(float));
    } else if (end > begin) {
        gather_pixels(row + (first + begin) * conv->x_pixel, conv->x_pixel, n_c, end - begin, to + begin * n_c);
    }
    memset(to + end * n_c, 0, (size_t)((count - end) * n_c) * sizeof(float));
}

/* Copies the input of a band, with zeros around, to [depth][rows][columns][channels of the group]. */
static void gather(const pithi_conv_f32 *conv, const band *b, const float *image, float *to)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_variant *v = b->variant;
    const pithi_conv_axis *depth = v->axis[0], *rows = v->axis[1], *columns = v->axis[2];
    int64_t n_rows = b->n_pixels / columns->n_out, n_c = g->in_channels / g->group;
    int64_t in_z = b->pixel / (rows->n_out * columns->n_out) * depth->in_step + depth->in_first;
    int64_t in_y = b->pixel / columns->n_out % rows->n_out * rows->in_step + rows->in_first;
    int64_t needed = (n_rows - 1) * rows->in_step + rows->span;
    for (int64_t z = 0; z < v->gathered[0]; z++) {
        for (int64_t i = 0; i < needed; i++) {
            bool is_inside = in_z + z >= 0 && in_z + z < g->in[0] && in_y + i >= 0 && in_y + i < g->in[1];
            int64_t at = ((in_z + z) * g->in[1] + in_y + i) * g->in[2] * conv->x_pixel + b->group * n_c;
            gather_row(conv, is_inside ? image + at : NULL, columns->in_first, v->gathered[2],
                       to + (z * v->gathered[1] + i) * v->gathered[2] * n_c);
        }
    }
}

/* Pointers to the first tap of every pixel: `base` is where the pixel at (z, y, x) = 0 has its. */
static void point_rows(const pithi_conv_f32 *conv, const band *b, const float *base, const float **pointers)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_variant *v = b->variant;
    const pithi_conv_axis *depth = v->axis[0], *rows = v->axis[1], *columns = v->axis[2];
    int64_t step = v->gathers ? g->in_channels / g->group : conv->x_pixel;
    int64_t pixel = columns->in_step * step, row = rows->in_step * (v->gathers ? v->gathered[2] : g->in[2]) * step;
    int64_t slice = depth->in_step * g->in[1] * g->in[2] * conv->x_pixel;
    int64_t first = v->gathers ? 0 : b->pixel;
    int64_t z = first / (rows->n_out * columns->n_out), y = first / columns->n_out % rows->n_out,
            x = first % columns->n_out;
    for (int64_t i = 0; i < b->n_pixels;) {
        const float *at = base + z * slice + y * row + x * pixel;
        int64_t end = pithi_min_s64(i + columns->n_out - x, b->n_pixels);
        for (; i < end; i++, at += pixel) {
            pointers[i] = at;
        }
        x = 0;
        y = y + 1 < rows->n_out ? y + 1 : 0;
        z += y == 0;
    }
}

static void start_band(const pithi_conv_f32 *conv, const band *b, const pithi_conv_operands *o, void *scratch)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_axis *const *axis = b->variant->axis;
    const float *image = o->x + b->image * product3(g->in) * conv->x_pixel;
    float *gathered = (float *)(void *)((char *)scratch + conv->scratch_rows);
    if (b->variant->gathers) {
        gather(conv, b, image, gathered);
        point_rows(conv, b, gathered, scratch);
        return;
    }
    int64_t first = b->variant->n_taps == 0
                        ? 0
                        : (axis[0]->in_first * g->in[1] + axis[1]->in_first) * g->in[2] + axis[2]->in_first;
    point_rows(conv, b, image + first * conv->x_pixel + b->group * (g->in_channels / g->group), scratch);
}

/* Output pixel (in pixels of the image) of pixel `i` of a variant. */
static int64_t output_pixel(const pithi_conv_geometry *g, const pithi_conv_variant *v, int64_t i)
{
    int64_t o[3] = { i / (v->axis[1]->n_out * v->axis[2]->n_out), i / v->axis[2]->n_out % v->axis[1]->n_out,
                     i % v->axis[2]->n_out };
    for (int d = 0; d < 3; d++) {
        o[d] = v->axis[d]->out_first + o[d] * v->axis[d]->out_step;
    }
    return (o[0] * g->out[1] + o[1]) * g->out[2] + o[2];
}

/* Columns [n0, n0 + n) of the group, which are neighbours in y, for all pixels of a band. Where output pixels aren't
 * neighbours, every run of pixels in a row is a block of its own. */
static void run_columns(const pithi_conv_f32 *conv, const band *b, int64_t n0, int64_t n, const pithi_conv_operands *o,
                        void *scratch)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_conv_variant *v = b->variant;
    const pithi_conv_axis *columns = v->axis[2];
    bool is_dense = !g->is_transposed || product3(g->stride) == 1;
    int64_t channel = b->group * (g->out_channels / g->group) + n0;
    int64_t y_first = channel / conv->y_run * conv->y_step + channel % conv->y_run;
    size_t n_k = (size_t)v->n_segments * v->segment_length, nr = (size_t)conv->gemm->nr;
    for (int64_t i = 0, run = 0; i < b->n_pixels; i += run) {
        int64_t in_row = columns->n_out - (b->pixel + i) % columns->n_out;
        run = is_dense ? b->n_pixels : pithi_min_s64(in_row, b->n_pixels - i);
        int64_t pixel = b->image * product3(g->out) + output_pixel(g, v, b->pixel + i);
        pith_gemm_f32_tile tile = {
            .a_rows = (const float *const *)scratch + i,
            .segment_offsets = v->segment_offsets, .n_segments = v->n_segments, .segment_length = v->segment_length,
            .b = pithi_gemm_f32_at(conv->gemm, o->packed, v->packed_offset + (size_t)b->group * v->packed_per_group +
                                                              (size_t)n0 * n_k),
            .b_row_stride = nr, .b_panel_stride = conv->has_few_outputs ? n_k : nr * n_k,
            .bias = o->bias ? o->bias + channel : NULL,
            .residual = o->residual ? o->residual + pixel * conv->residual_pixel + channel : NULL,
            .residual_stride = (size_t)(columns->out_step * conv->residual_pixel),
            .c = o->y + pixel * conv->y_pixel + y_first, .c_stride = (size_t)(columns->out_step * conv->y_pixel),
            .mr = (int)run, .n_columns = (int)n,
            .fold = conv->fold,
        };
        pithi_finish finish = conv->finish;
        finish.slopes = finish.prelu ? finish.slopes + channel : NULL;
        if (conv->has_few_outputs) {
            pithi_gemm_f32_few(conv->gemm, &tile, &finish);
        } else {
            pithi_gemm_f32_block(conv->gemm, &tile, &finish);
        }
    }
}

static void run_band(const pithi_conv_f32 *conv, const band *b, int64_t n0, int64_t n, const pithi_conv_operands *o,
                     void *scratch)
{
    for (int64_t end = n0 + n, count; n0 < end; n0 += count) {
        count = pithi_min_s64(end - n0, conv->y_run - n0 % conv->y_run);
        run_columns(conv, b, n0, count, o, scratch);
    }
}

static band find_band(const pithi_conv_f32 *conv, int64_t grain, int64_t *column_block_out)
{
    int i = 0;
    while (grain >= conv->variants[i].first_grain + conv->variants[i].n_grains) {
        i++;
    }
    const pithi_conv_variant *v = &conv->variants[i];
    const int64_t n_bands = v->grid.n_bands, at = (grain - v->first_grain) / v->grid.n_blocks,
                  index = at % v->bands_per_image, i_band = index % n_bands;
    int64_t n_columns = v->axis[2]->n_out, plane = v->axis[1]->n_out * n_columns;
    band b = { .variant = v, .group = at / v->bands_per_image % conv->g.group,
               .image = at / v->bands_per_image / conv->g.group };
    *column_block_out = (grain - v->first_grain) % v->grid.n_blocks;
    /* gathering: whole rows of one depth */
    int64_t unit = v->gathers ? n_columns : 1, n_units = v->gathers ? v->axis[1]->n_out : plane * v->axis[0]->n_out;
    int64_t first = n_units * i_band / n_bands;
    b.pixel = index / n_bands * plane + first * unit;
    b.n_pixels = (n_units * (i_band + 1) / n_bands - first) * unit;
    return b;
}

static void run_products(const pithi_conv_f32 *conv, const pith_part *part, const pithi_conv_operands *o)
{
    int64_t begin = 0, end = 0;
    band current = { 0 };
    pithi_part_range(part, conv->n_grains, &begin, &end);
    for (int64_t grain = begin; grain < end; grain++) {
        int64_t block = 0;
        band b = find_band(conv, grain, &block);
        if (grain == begin || b.variant != current.variant || b.image != current.image || b.group != current.group ||
            b.pixel != current.pixel) {
            start_band(conv, &b, o, part->scratch);
            current = b;
        }
        const pithi_grid *grid = &b.variant->grid;
        int64_t n0 = pithi_grid_column(grid, block);
        run_band(conv, &b, n0, pithi_grid_column(grid, block + 1) - n0, o, part->scratch);
    }
}

/* ---- depthwise ---------------------------------------------------------------------------- */

void pithi_conv_finish_row(const pithi_conv_f32 *conv, const pithi_conv_operands *o, int64_t row, int64_t channel,
                           int64_t n_channels)
{
    const int64_t pixel = row * conv->g.out[2];
    const size_t n_pixels = (size_t)conv->g.out[2], stride = (size_t)conv->y_pixel;
    float *y = o->y + pixel * conv->y_pixel + channel;
    pithi_finish_apply(&conv->finish, y, n_pixels, stride, (size_t)n_channels, (size_t)channel);
    pithi_finish_add(&conv->finish, o->residual ? o->residual + pixel * conv->residual_pixel + channel : NULL,
                     (size_t)conv->residual_pixel, y, n_pixels, stride, (size_t)n_channels);
}

static void run_depthwise(const pithi_conv_f32 *conv, const pith_part *part, const pithi_conv_operands *o)
{
    const pithi_conv_geometry *g = &conv->g;
    const float *residual = pithi_finish_residual(&conv->finish, o->residual);
    int64_t begin = 0, end = 0, channels = g->in_channels;
    int64_t n_bands = conv->row_bands, n_blocks = conv->depthwise_blocks;
    int64_t n_units = pithi_div_up(channels, PITHI_DEPTHWISE_UNIT);
    pithi_part_range(part, conv->n_grains, &begin, &end);
    for (int64_t grain = begin; grain < end; grain++) {
        int64_t block = grain % n_blocks, i = grain / n_blocks % n_bands;
        int64_t c = n_units * block / n_blocks * PITHI_DEPTHWISE_UNIT,
                c_end = n_units * (block + 1) / n_blocks * PITHI_DEPTHWISE_UNIT;
        int64_t image = grain / n_blocks / n_bands, y_at = image * g->out[1] * g->out[2] * conv->y_pixel + c;
        pith_dwconv_f32_task task = {
            .x = o->x + image * g->in[1] * g->in[2] * conv->x_pixel + c,
            .x_row_stride = (size_t)(g->in[2] * conv->x_pixel), .x_pixel_stride = (size_t)conv->x_pixel,
            .w = o->packed + c, .w_stride = (size_t)channels, .bias = o->bias ? o->bias + c : NULL,
            .residual = residual ? residual + y_at : NULL, .y = o->y + y_at,
            .y_row_stride = (size_t)(g->out[2] * conv->y_pixel), .y_pixel_stride = (size_t)conv->y_pixel,
            .n_channels = (size_t)(pithi_min_s64(c_end, channels) - c),
            .in_h = (int)g->in[1], .in_w = (int)g->in[2], .out_w = (int)g->out[2],
            .y_begin = (int)(g->out[1] * i / n_bands), .y_end = (int)(g->out[1] * (i + 1) / n_bands),
            .kernel_h = (int)g->kernel[1], .kernel_w = (int)g->kernel[2], .stride_h = (int)g->stride[1],
            .stride_w = (int)g->stride[2], .dilation_h = (int)g->dilation[1], .dilation_w = (int)g->dilation[2],
            .pad_top = (int)g->pad[1], .pad_left = (int)g->pad[2], .lo = conv->finish.lo, .hi = conv->finish.hi,
        };
        conv->depthwise->run(&task);
        for (int oy = task.y_begin; oy < task.y_end; oy++) {
            pithi_conv_finish_row(conv, o, image * g->out[1] + oy, c, (int64_t)task.n_channels);
        }
    }
}

/* ---- phases ------------------------------------------------------------------------------- */

#define SLAB 64 /* pixels of an item of transposition */

/* Items of transposition: SLAB pixels of an image, [channels][pixels] to [pixels][channels] or back. */
static void transpose_images(const pithi_conv_f32 *conv, const pith_tensor *shape_of, const float *from, float *to,
                             bool to_last, const pith_part *part)
{
    const pith_shape *shape = &shape_of->shape;
    int64_t channels = shape->dims[1], pixels = 1, begin = 0, end = 0;
    for (int i = 2; i < shape->rank; i++) {
        pixels *= shape->dims[i];
    }
    int64_t n_slabs = pithi_div_up(pixels, SLAB);
    pithi_part_range(part, shape->dims[0] * n_slabs, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t p = i % n_slabs * SLAB, count = pithi_min_s64(SLAB, pixels - p),
                image = i / n_slabs * channels * pixels;
        if (to_last) {
            conv->transpose(from + image + p, pixels, to + image + p * channels, channels, channels, count);
        } else {
            conv->transpose(from + image + p * channels, channels, to + image + p, pixels, count, channels);
        }
    }
}

static void arrange(const pith_run *run, const pithi_conv_f32 *conv, const pith_part *part)
{
    char *shared = run->shared;
    if (!conv->packed) {
        int64_t begin = 0, end = 0;
        pithi_part_range(part, pithi_conv_f32_pack_items(conv), &begin, &end);
        pithi_conv_f32_pack(conv, run->inputs[1].data, (float *)(void *)(shared + conv->shared_packed), begin, end);
    }
    if (conv->is_channels_first) {
        transpose_images(conv, &run->inputs[0], run->inputs[0].data, (float *)(void *)(shared + conv->shared_x),
                         true, part);
    }
    if (conv->is_channels_first && conv->has_residual) {
        transpose_images(conv, &run->inputs[3], run->inputs[3].data, (float *)(void *)(shared + conv->shared_residual),
                         true, part);
    }
}

void pithi_conv_f32_run(const pith_run *run, const pith_part *part)
{
    const pithi_conv_f32 *conv = run->state;
    pithi_conv_operands o = find_operands(run, conv);
    switch (conv->phases[part->phase]) {
    case PITHI_CONV_ARRANGE: arrange(run, conv, part); break;
    case PITHI_CONV_RESTORE: transpose_images(conv, &run->outputs[0], o.y, run->outputs[0].data, false, part); break;
    case PITHI_CONV_MAIN:
        if (conv->depthwise) {
            run_depthwise(conv, part, &o);
        } else if (conv->planar) {
            pithi_conv_planar_run(conv, &o, part);
        } else if (conv->winograd.kernel) {
            pithi_conv_winograd_run(conv, &o, part);
        } else {
            run_products(conv, part, &o);
        }
        break;
    }
}
