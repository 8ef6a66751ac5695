/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of 8-bit images, channels-last. A band is a run of output rows of one image and
 * group (of output pixels where nothing has to be gathered). Where taps may lie outside the image,
 * and for groups, a band's input is copied into scratch first, with the byte that stands for 0
 * around it. */
#include "ops/shared_gemm.h"
#include "ops/shared_index.h"
#include "ops/shared_int_product.h"
#include "ops/shared_s8.h"

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

#define GATHER_BYTES 65536 /* of a band's input */
#define WIDE_WINDOW  64    /* bytes of a pixel */
#define SLACK        3     /* bytes behind the gathered band that the kernel may read */

typedef struct conv_s8 {
    pithi_conv_geometry g;
    pithi_s8_weights weights;
    const pith_dwconv_s8 *depthwise; /* NULL: products */
    pith_dwconv_s8_task task;        /* of depthwise, without images */
    pithi_s8_winograd *winograd;     /* NULL: direct */
    bool gathers;
    int n_segments;
    size_t segment_length;
    ptrdiff_t *segment_offsets;
    int64_t band, n_bands;   /* rows or pixels of a band, bands of an image */
    int64_t block, n_blocks; /* columns */
    int64_t rows, columns;   /* of a gathered band */
    int64_t x_pixel, y_pixel; /* bytes between pixels: more than the channels of windows */
    size_t scratch_sums, scratch_gathered;
} conv_s8;

/* ---- prepare ------------------------------------------------------------------------------------
 */

/* One image row of three dimensions with depth 1; all but x known. */
static bool is_possible(const pith_tensor *inputs, int n_inputs, const pithi_conv_geometry *g)
{
    for (int i = X_SCALE; i < n_inputs; i++) {
        if (inputs[i].dtype != PITH_DTYPE_NONE && !inputs[i].data) {
            return false;
        }
    }
    return pithi_conv_is_reasonable(g) && g->channels_last && g->in[0] == 1 && g->out[0] == 1 && g->kernel[0] == 1 &&
           g->in_channels > 0 && inputs[X_SCALE].dtype == PITH_DTYPE_F32 &&
           inputs[W_SCALE].dtype == PITH_DTYPE_F32 && inputs[Y_SCALE].dtype == PITH_DTYPE_F32;
}

/* Only where pixels are read as they lie and written by whole vectors: narrow stores and depthwise kernels are faster
 * on dense images by more than a copy takes (GhostNet was 18 % slower, LEDNet 4 %). */
bool pithi_s8_conv_takes_window(const pith_node *node, int index)
{
    const pithi_qlinear_conv_attrs *attrs = node->attrs;
    pith_tensor inputs[BIAS + 1] = { { .dtype = node->inputs[X]->dtype } };
    pithi_conv_geometry g;
    for (int i = X_SCALE; i < node->n_inputs && i <= BIAS; i++) {
        const pith_value *value = node->inputs[i];
        inputs[i] = value && value->constant ? *value->constant : (pith_tensor){ .dtype = value ? value->dtype : 0 };
    }
    const pith_shape *x = &node->inputs[X]->shape, *w = &node->inputs[W]->shape;
    return pithi_conv_geometry_of(NULL, &attrs->conv, x, w, false, &g) == PITH_OK &&
           (index == X ? pithi_conv_taps(&g) == 1 : index == node->n_inputs && g.out_channels >= WIDE_WINDOW) &&
           g.group == 1 && pithi_is_8bit(inputs[X].dtype) &&
           pithi_is_8bit(node->outputs[0]->dtype) && pith_shape_elements(&node->outputs[0]->shape) > 0 &&
           is_possible(inputs, node->n_inputs, &g);
}

static bool leaves_image(const pithi_conv_geometry *g, int d)
{
    int64_t last = (g->out[d] - 1) * g->stride[d] - g->pad[d] + (g->kernel[d] - 1) * g->dilation[d];
    return g->pad[d] > 0 || last >= g->in[d];
}

static void fill_scales(const pith_prepare *prepare, conv_s8 *conv)
{
    const pith_tensor *w_scale = &prepare->inputs[W_SCALE];
    float x = ((const float *)prepare->inputs[X_SCALE].data)[0],
          y = ((const float *)prepare->inputs[Y_SCALE].data)[0];
    int64_t n_scales = pith_shape_elements(&w_scale->shape);
    for (int64_t i = 0; i < conv->g.out_channels; i++) {
        conv->weights.scale[i] = x * ((const float *)w_scale->data)[n_scales == 1 ? 0 : i] / y;
    }
}

static pithi_s8_finish finish_of(const pith_prepare *prepare)
{
    const pithi_qlinear_conv_attrs *attrs = prepare->attrs;
    pithi_limits limits = pithi_limits_in(&attrs->limits, prepare->outputs[0].dtype);
    return (pithi_s8_finish){ (int32_t)pithi_tensor_get_s64(&prepare->inputs[Y_ZERO], 0),
                              (int32_t)limits.low, (int32_t)limits.high };
}

static pith_status make_weights(pith_prepare *prepare, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    const pith_tensor *in = prepare->inputs;
    int64_t n_channels = g->in_channels / g->group, n = g->out_channels / g->group;
    pithi_s8_source source = {
        .weights = &in[W],
        .zero = &in[W_ZERO],
        .bias = pithi_has_operand(in, prepare->n_inputs, BIAS) ? &in[BIAS] : NULL,
        .n_groups = g->group,
        .n = n,
        .n_channels = n_channels,
        .n_taps = pithi_conv_taps(g),
        .group_stride = n * n_channels * pithi_conv_taps(g),
        .n_stride = n_channels * pithi_conv_taps(g),
        .c_stride = pithi_conv_taps(g),
        .t_stride = 1,
        .segment_length = (int64_t)conv->segment_length,
        .a_dtype = in[X].dtype,
        .a_zero = (int32_t)pithi_tensor_get_s64(&in[X_ZERO], 0),
    };
    PITH_TRY(pithi_s8_weights_make(prepare, &source, true, &conv->weights));
    conv->weights.finish = finish_of(prepare);
    fill_scales(prepare, conv);
    return PITH_OK;
}

static pith_status make_segments(pith_prepare *prepare, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n_channels = g->in_channels / g->group,
            pixel = conv->gathers ? n_channels : conv->x_pixel;
    int64_t row = pixel * (conv->gathers ? conv->columns : g->in[2]);
    bool merges = g->dilation[2] == 1 && pixel == n_channels;
    void *block = NULL;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)pithi_conv_taps(g), sizeof(ptrdiff_t), &block));
    conv->segment_offsets = block;
    conv->segment_length = (size_t)(merges ? g->kernel[2] * n_channels : n_channels);
    for (int64_t i = 0; i < g->kernel[1]; i++) {
        for (int64_t k = 0; k < (merges ? 1 : g->kernel[2]); k++) {
            conv->segment_offsets[conv->n_segments++] =
                i * g->dilation[1] * row + k * g->dilation[2] * pixel;
        }
    }
    return PITH_OK;
}

/* Bands fit the cache; bands and blocks of columns are as many as there is work for. */
static void cut(const pith_prepare *prepare, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n_channels = g->in_channels / g->group, n = g->out_channels / g->group;
    int64_t pixels = g->out[1] * g->out[2], macs = pixels * n * n_channels * pithi_conv_taps(g);
    int64_t wanted =
        prepare->n_threads > 1 ? pithi_div_up(4 * prepare->n_threads, g->batch * g->group) : 1;
    wanted = pithi_max_s64(pithi_min_s64(wanted, macs / (4 * PITHI_PART_MACS)), 1);
    conv->columns = (g->out[2] - 1) * g->stride[2] + (g->kernel[2] - 1) * g->dilation[2] + 1;
    int64_t total = conv->gathers ? g->out[1] : pixels;
    int64_t bytes =
        conv->gathers ? conv->columns * n_channels * g->stride[1] : n_channels * pithi_conv_taps(g);
    conv->band = pithi_max_s64(
        pithi_min_s64(GATHER_BYTES / pithi_max_s64(bytes, 1), pithi_div_up(total, wanted)), 1);
    if (!conv->gathers) {
        int64_t unit = conv->weights.kernel ? conv->weights.kernel->mr_max
                                            : pithi_gemm_s8(prepare->isa_limit)->mr_max;
        conv->band =
            pithi_min_s64(pithi_div_up(conv->band, 4 * unit) * 4 * unit, pithi_max_s64(total, 1));
    }
    conv->rows = (conv->band - 1) * g->stride[1] + (g->kernel[1] - 1) * g->dilation[1] + 1;
    conv->n_bands = pithi_div_up(total, conv->band);
    int64_t nr = 4 * pithi_gemm_s8(prepare->isa_limit)->nr,
            n_blocks = pithi_div_up(wanted, pithi_max_s64(conv->n_bands, 1));
    conv->block = pithi_div_up(pithi_div_up(n, n_blocks), nr) * nr;
    conv->n_blocks = conv->block ? pithi_div_up(n, conv->block) : 0;
}

static int64_t band_pixels(const conv_s8 *conv)
{
    return conv->gathers ? conv->band * conv->g.out[2] : conv->band;
}

static void describe_depthwise(conv_s8 *conv, const int16_t *weights)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_s8_weights *w = &conv->weights;
    const size_t channels = (size_t)g->in_channels, x_pixel = (size_t)conv->x_pixel, y_pixel = (size_t)conv->y_pixel;
    conv->task = (pith_dwconv_s8_task){
        .x_row_stride = (size_t)g->in[2] * x_pixel,
        .x_pixel_stride = x_pixel,
        .w = weights,
        .w_stride = channels,
        .bias = w->bias,
        .scale = w->scale,
        .y_row_stride = (size_t)g->out[2] * y_pixel,
        .y_pixel_stride = y_pixel,
        .n_channels = channels,
        .in_h = (int)g->in[1],
        .in_w = (int)g->in[2],
        .out_w = (int)g->out[2],
        .kernel_h = (int)g->kernel[1],
        .kernel_w = (int)g->kernel[2],
        .stride_h = (int)g->stride[1],
        .stride_w = (int)g->stride[2],
        .dilation_h = (int)g->dilation[1],
        .dilation_w = (int)g->dilation[2],
        .pad_top = (int)g->pad[1],
        .pad_left = (int)g->pad[2],
        .x_flip = w->a_flip,
        .x_zero = (int32_t)(uint8_t)(w->a_pad ^ w->a_flip),
        .zero = w->finish.zero,
        .low = w->finish.low,
        .high = w->finish.high,
    };
}

/* What makes bytes of sums, for kernels whose weights aren't pithi_s8_weights. */
static pith_status make_finish(pith_prepare *prepare, conv_s8 *conv)
{
    const pith_tensor *in = prepare->inputs;
    const size_t n = (size_t)conv->g.out_channels;
    const bool has_bias = pithi_has_operand(in, prepare->n_inputs, BIAS);
    void *block = NULL;
    conv->weights = (pithi_s8_weights){ .a_flip = in[X].dtype == PITH_DTYPE_S8 ? 0x80 : 0,
                                        .a_pad = (uint8_t)pithi_tensor_get_s64(&in[X_ZERO], 0),
                                        .finish = finish_of(prepare) };
    PITH_TRY(pithi_arena_array(prepare->arena, n, sizeof(int32_t), &block));
    conv->weights.bias = block;
    for (size_t c = 0; c < n; c++) {
        conv->weights.bias[c] = has_bias ? (int32_t)pithi_tensor_get_s64(&in[BIAS], (int64_t)c) : 0;
    }
    PITH_TRY(pithi_arena_array(prepare->arena, n, sizeof(float), &block));
    conv->weights.scale = block;
    fill_scales(prepare, conv);
    return PITH_OK;
}

/* Weights minus their zero points, [tap][channel]; the kernel takes x's zero point off itself. */
static pith_status make_depthwise(pith_prepare *prepare, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    const pith_tensor *w = &prepare->inputs[W], *zero = &prepare->inputs[W_ZERO];
    const int64_t n_taps = pithi_conv_taps(g), n_zeros = pith_shape_elements(&zero->shape);
    void *block = NULL;
    conv->depthwise = pithi_dwconv_s8(prepare->isa_limit);
    PITH_TRY(make_finish(prepare, conv));
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(n_taps * g->in_channels), sizeof(int16_t), &block));
    int16_t *weights = block;
    for (int64_t i = 0; i < n_taps * g->in_channels; i++) {
        int64_t c = i % g->in_channels, t = i / g->in_channels;
        weights[i] = (int16_t)(pithi_tensor_get_s64(w, c * n_taps + t) -
                               pithi_tensor_get_s64(zero, n_zeros == 1 ? 0 : c));
    }
    describe_depthwise(conv, weights);
    const size_t packed_bytes = conv->depthwise->pack_bytes ? conv->depthwise->pack_bytes(&conv->task) : 0;
    if (packed_bytes > 0) {
        PITH_TRY(pithi_arena_alloc(prepare->arena, packed_bytes, &block));
        conv->depthwise->pack(&conv->task, block);
        conv->task.packed = block;
    }
    return PITH_OK;
}

static pith_status make_products(pith_prepare *prepare, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    PITH_TRY(make_segments(prepare, conv));
    PITH_TRY(make_weights(prepare, conv));
    size_t n_pixels = (size_t)band_pixels(conv);
    conv->scratch_sums = pithi_align_up(n_pixels * sizeof(void *), PITH_ALIGNMENT);
    conv->scratch_gathered =
        conv->scratch_sums + pithi_align_up(n_pixels * sizeof(int32_t), PITH_ALIGNMENT);
    size_t gathered =
        conv->gathers ? (size_t)(conv->rows * conv->columns * (g->in_channels / g->group)) + SLACK
                      : 0;
    prepare->scratch_bytes = conv->scratch_gathered + gathered;
    int64_t n_grains = g->batch * g->group * conv->n_bands * conv->n_blocks;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(n_grains, 1024), 1);
    return PITH_OK;
}

pith_status pithi_s8_conv_prepare(pith_prepare *prepare)
{
    const pithi_qlinear_conv_attrs *attrs = prepare->attrs;
    pithi_conv_geometry g;
    void *block = NULL;
    PITH_TRY(pithi_conv_geometry_of(prepare->ctx, &attrs->conv, &prepare->inputs[X].shape,
                                    &prepare->inputs[W].shape, false, &g));
    if (!is_possible(prepare->inputs, prepare->n_inputs, &g) || pith_shape_elements(&prepare->outputs[0].shape) == 0) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(conv_s8), &block));
    conv_s8 *conv = block;
    conv->g = g;
    conv->x_pixel = pithi_stride(prepare->strides, X, g.in_channels);
    conv->y_pixel = pithi_stride(prepare->strides, prepare->n_inputs, g.out_channels);
    conv->gathers = leaves_image(&g, 1) || leaves_image(&g, 2) || (g.group > 1 && pithi_conv_taps(&g) > 1);
    cut(prepare, conv);
    if (pithi_conv_is_depthwise(&g)) {
        PITH_TRY(make_depthwise(prepare, conv));
        int64_t macs = g.out[1] * g.out[2] * g.in_channels * pithi_conv_taps(&g);
        conv->n_bands = pithi_max_s64(pithi_min_s64(pithi_min_s64(4 * prepare->n_threads, g.out[1]),
                                                    macs / (2 * PITHI_PART_MACS)),
                                      1);
        prepare->max_parts = (int)pithi_min_s64(g.batch * conv->n_bands, 1024);
    } else {
        if (pithi_conv_is_3x3(&g)) {
            PITH_TRY(make_finish(prepare, conv));
            PITH_TRY(pithi_s8_winograd_prepare(prepare, &g, &prepare->inputs[W], &prepare->inputs[W_ZERO],
                                               &conv->weights, &conv->winograd));
        }
        if (!conv->winograd) {
            PITH_TRY(make_products(prepare, conv));
        }
    }
    prepare->state = conv;
    prepare->use_run = true;
    prepare->kernel = conv->depthwise  ? conv->depthwise->head.name
                      : conv->winograd ? conv->winograd->kernel->head.name
                                       : conv->weights.kernel->head.name;
    return PITH_OK;
}

/* ---- run ----------------------------------------------------------------------------------------
 */

/* One row of a gathered band from column `first` of the image; `row` NULL: outside. */
static void gather_row(const conv_s8 *conv, const uint8_t *row, int64_t first, uint8_t *to)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n = g->in_channels / g->group, count = conv->columns;
    int64_t begin = row ? pithi_min_s64(pithi_max_s64(-first, 0), count) : count;
    int64_t end = row ? pithi_max_s64(pithi_min_s64(count, g->in[2] - first), begin) : count;
    memset(to, conv->weights.a_pad, (size_t)(begin * n));
    if (n == conv->x_pixel && end > begin) {
        memcpy(to + begin * n, row + (first + begin) * n, (size_t)((end - begin) * n));
    } else {
        for (int64_t i = begin; i < end; i++) {
            memcpy(to + i * n, row + (first + i) * conv->x_pixel, (size_t)n);
        }
    }
    memset(to + end * n, conv->weights.a_pad, (size_t)((count - end) * n));
}

static void gather(const conv_s8 *conv, const uint8_t *image, int64_t group, int64_t out_row,
                   int64_t n_rows, uint8_t *to)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n = g->in_channels / g->group, y = out_row * g->stride[1] - g->pad[1];
    int64_t needed = (n_rows - 1) * g->stride[1] + (g->kernel[1] - 1) * g->dilation[1] + 1;
    for (int64_t i = 0; i < needed; i++, y++) {
        bool is_inside = y >= 0 && y < g->in[1];
        const uint8_t *row = is_inside ? image + y * g->in[2] * conv->x_pixel + group * n : NULL;
        gather_row(conv, row, -g->pad[2], to + i * conv->columns * n);
    }
}

/* Row pointers of n output pixels of an image with rows of `row` bytes; first_x is the column of the first one. */
static void point_at(const pithi_conv_geometry *g, const uint8_t *from, int64_t first_x, int64_t n, ptrdiff_t row,
                     ptrdiff_t pixel, const uint8_t **rows)
{
    const ptrdiff_t down = row * (ptrdiff_t)g->stride[1], right = pixel * (ptrdiff_t)g->stride[2];
    for (int64_t i = 0, x = first_x; i < n; from += down, x = 0) {
        const int64_t count = pithi_min_s64(g->out[2] - x, n - i);
        for (int64_t k = 0; k < count; k++) {
            rows[i + k] = from + (x + k) * right;
        }
        i += count;
    }
}

/* Prepares the row pointers of a band. */
static int64_t start_band(const conv_s8 *conv, const uint8_t *image, int64_t group, int64_t band,
                          char *scratch)
{
    const pithi_conv_geometry *g = &conv->g;
    const uint8_t **rows = (const uint8_t **)(void *)scratch;
    int64_t n = g->in_channels / g->group, first = band * conv->band;
    if (conv->gathers) {
        uint8_t *gathered = (uint8_t *)scratch + conv->scratch_gathered;
        int64_t n_rows = pithi_min_s64(conv->band, g->out[1] - first);
        gather(conv, image, group, first, n_rows, gathered);
        point_at(g, gathered, 0, n_rows * g->out[2], (ptrdiff_t)(conv->columns * n), (ptrdiff_t)n, rows);
        return n_rows * g->out[2];
    }
    int64_t n_pixels = pithi_min_s64(conv->band, g->out[1] * g->out[2] - first);
    const ptrdiff_t row = (ptrdiff_t)(g->in[2] * conv->x_pixel);
    const uint8_t *from = image + first / g->out[2] * g->stride[1] * row + group * n;
    point_at(g, from, first % g->out[2], n_pixels, row, (ptrdiff_t)conv->x_pixel, rows);
    return n_pixels;
}

static void run_products(const pith_run *run, const conv_s8 *conv, const pith_part *part)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n = g->out_channels / g->group, n_out = g->out[1] * g->out[2], n_pixels = 0,
            current = -1, begin, end;
    int32_t *sums = (int32_t *)(void *)((char *)part->scratch + conv->scratch_sums);
    pithi_part_range(part, g->batch * g->group * conv->n_bands * conv->n_blocks, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i / conv->n_blocks, band = at % conv->n_bands,
                group = at / conv->n_bands % g->group;
        int64_t image = at / conv->n_bands / g->group, n0 = i % conv->n_blocks * conv->block;
        bool is_new = at != current;
        if (is_new) {
            const uint8_t *x =
                (const uint8_t *)run->inputs[X].data + image * g->in[1] * g->in[2] * conv->x_pixel;
            n_pixels = start_band(conv, x, group, band, part->scratch);
            current = at;
        }
        int64_t pixel = image * n_out + band * band_pixels(conv);
        pith_gemm_s8_tile tile = {
            .a_rows = part->scratch,
            .segment_offsets = conv->segment_offsets,
            .n_segments = conv->n_segments,
            .segment_length = conv->segment_length,
            .a_is_padded = conv->gathers,
            .mr = (int)n_pixels,
            .c = (uint8_t *)run->outputs[0].data + pixel * conv->y_pixel + group * n + n0,
            .c_stride = (size_t)conv->y_pixel,
        };
        pithi_s8_fill_tile(&conv->weights, group, n, n0, pithi_min_s64(conv->block, n - n0), &tile);
        if (conv->weights.has_b_zero) {
            if (is_new) {
                conv->weights.kernel->row_sums(&tile, sums);
            }
            tile.row_sums = sums;
        }
        conv->weights.kernel->tile(&tile);
    }
}

static void run_depthwise(const pith_run *run, const conv_s8 *conv, const pith_part *part)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t begin, end;
    pithi_part_range(part, g->batch * conv->n_bands, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / conv->n_bands, band = i % conv->n_bands;
        pith_dwconv_s8_task task = conv->task;
        task.x = (const uint8_t *)run->inputs[X].data + image * g->in[1] * g->in[2] * conv->x_pixel;
        task.y = (uint8_t *)run->outputs[0].data + image * g->out[1] * g->out[2] * conv->y_pixel;
        task.y_begin = (int)(g->out[1] * band / conv->n_bands);
        task.y_end = (int)(g->out[1] * (band + 1) / conv->n_bands);
        conv->depthwise->run(&task);
    }
}

void pithi_s8_conv_run(const pith_run *run, const pith_part *part)
{
    const conv_s8 *conv = run->state;
    if (conv->depthwise) {
        run_depthwise(run, conv, part);
    } else if (conv->winograd) {
        const pithi_s8_images images = { run->inputs[X].data, run->outputs[0].data, conv->x_pixel, conv->y_pixel };
        pithi_s8_winograd_run(conv->winograd, &conv->weights, &images, part);
    } else {
        run_products(run, conv, part);
    }
}
