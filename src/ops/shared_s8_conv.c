/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of 8-bit images, channels-last. A band is a run of output rows of one image and
 * group (of output pixels where nothing has to be gathered). Where taps may lie outside the image,
 * and for groups, a band's input is copied into scratch first, with the byte that stands for 0
 * around it. */
#include "ops/shared_gemm.h"
#include "ops/shared_index.h"
#include "ops/shared_int_product.h"
#include "ops/shared_s8.h"

enum { X, N_INPUTS = 9 };

#define GATHER_BYTES 65536 /* of a band's input */
#define SUM_BYTES    65536 /* of a band's sums that become floats, in L1 */
#define SUM_COLUMNS  256
#define MOST_SUMS    65536 /* at a time: of long rows, whose bands can't be narrow enough */
#define WIDE_WINDOW  64    /* bytes of a pixel */
#define LEAST_ROWS   3     /* of a depthwise band: bands read the rows of their windows anew */
#define SLACK        3     /* bytes behind the gathered band that the kernel may read */

typedef struct conv_s8 {
    pithi_conv_geometry g;
    pithi_s8_weights weights; /* of conv_integer: bias is what each 1 of x's zero point adds */
    bool makes_floats, is_dynamic;
    const pith_s16 *row_kernel; /* makes floats of sums */
    pithi_finish finish;
    const pith_dwconv_s8 *depthwise; /* NULL: products */
    pith_dwconv_s8_task task;        /* of depthwise, without images */
    pithi_s8_winograd *winograd;     /* NULL: direct */
    bool gathers;
    int n_segments;
    size_t segment_length;
    ptrdiff_t *segment_offsets;
    pithi_s8_cut cut;        /* of an image's rows or pixels */
    int64_t n_bands;         /* of an image, depthwise */
    int64_t rows, columns;   /* of a gathered band */
    int64_t x_pixel, y_pixel; /* bytes between pixels: more than the channels of windows */
    int chunk;                /* pixels at a time, whose sums become floats */
    size_t scratch_sums, scratch_gathered, scratch_columns, scratch_floats;
} conv_s8;

/* ---- prepare ------------------------------------------------------------------------------------
 */

/* One image row of three dimensions with depth 1; all but x known, of dynamic ones all but what belongs to x. */
static bool is_possible(const pithi_int_product *p, const pithi_conv_geometry *g, bool is_dynamic)
{
    const pith_tensor *known[] = { p->b, p->b_zero, p->b_factor, p->a_zero, p->a_scale, p->b_scale, p->y_scale,
                                   p->y_zero, p->bias };
    const pith_tensor *floats[] = { p->a_scale, p->b_scale, p->y_scale };
    for (int i = 0; i < (is_dynamic ? 3 : PITH_COUNT(known)); i++) {
        if (known[i] && !known[i]->data) {
            return false;
        }
    }
    for (int i = 0; i < PITH_COUNT(floats); i++) {
        if (floats[i] && floats[i]->dtype != PITH_DTYPE_F32) {
            return false;
        }
    }
    return pithi_conv_is_reasonable(g) && g->channels_last && g->in[0] == 1 && g->out[0] == 1 && g->kernel[0] == 1 &&
           g->in_channels > 0;
}

/* Only where pixels are read as they lie and written by whole vectors: narrow stores and depthwise kernels are faster
 * on dense images by more than a copy takes (GhostNet was 18 % slower, LEDNet 4 %). */
bool pithi_s8_conv_takes_window(const pith_node *node, int index)
{
    const pithi_qlinear_conv_attrs *attrs = node->attrs;
    pith_tensor inputs[N_INPUTS] = { { .dtype = node->inputs[X]->dtype } };
    pithi_conv_geometry g;
    for (int i = 1; i < node->n_inputs && i < N_INPUTS; i++) {
        const pith_value *value = node->inputs[i];
        inputs[i] = value && value->constant ? *value->constant : (pith_tensor){ .dtype = value ? value->dtype : 0 };
    }
    const pithi_int_product p = pithi_int_conv_operands(inputs, node->n_inputs, NULL, attrs, true);
    const pith_shape *x = &node->inputs[X]->shape, *w = &node->inputs[3]->shape;
    return pithi_conv_geometry_of(NULL, &attrs->conv, x, w, false, &g) == PITH_OK &&
           (index == X ? pithi_conv_taps(&g) == 1 : index == node->n_inputs && g.out_channels >= WIDE_WINDOW) &&
           g.group == 1 && pithi_is_8bit(inputs[X].dtype) &&
           pithi_is_8bit(node->outputs[0]->dtype) && pith_shape_elements(&node->outputs[0]->shape) > 0 &&
           is_possible(&p, &g, false);
}

static bool leaves_image(const pithi_conv_geometry *g, int d)
{
    int64_t last = (g->out[d] - 1) * g->stride[d] - g->pad[d] + (g->kernel[d] - 1) * g->dilation[d];
    return g->pad[d] > 0 || last >= g->in[d];
}

static void fill_scales(const pithi_int_product *p, conv_s8 *conv)
{
    for (int64_t i = 0; i < conv->g.out_channels; i++) {
        conv->weights.scale[i] = pithi_int_scale(p, 0, i);
    }
}

static pithi_s8_finish finish_of(const pithi_int_product *p)
{
    const pithi_limits limits = pithi_limits_in(&p->limits, p->y->dtype);
    return (pithi_s8_finish){ pithi_int_zero(p->y_zero, 0), (int32_t)limits.low, (int32_t)limits.high };
}

static int64_t band_pixels(const conv_s8 *conv)
{
    return conv->gathers ? conv->cut.band * conv->g.out[2] : conv->cut.band;
}

static pith_status make_weights(pith_prepare *prepare, const pithi_int_product *p, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n_channels = g->in_channels / g->group, n = g->out_channels / g->group;
    pithi_s8_source source = {
        .weights = p->b,
        .zero = p->b_zero,
        .bias = p->bias,
        .n_groups = g->group,
        .n = n,
        .n_channels = n_channels,
        .n_taps = pithi_conv_taps(g),
        .group_stride = n * n_channels * pithi_conv_taps(g),
        .n_stride = n_channels * pithi_conv_taps(g),
        .c_stride = pithi_conv_taps(g),
        .t_stride = 1,
        .segment_length = (int64_t)conv->segment_length,
        .n_rows = band_pixels(conv),
        .a_dtype = conv->is_dynamic ? PITH_DTYPE_U8 : p->a->dtype,
        .a_zero = conv->is_dynamic ? 1 : pithi_int_zero(p->a_zero, 0),
    };
    PITH_TRY(pithi_s8_weights_make(prepare, &source, !conv->is_dynamic, &conv->weights));
    conv->weights.a_flip = p->a->dtype == PITH_DTYPE_S8 ? 0x80 : 0;
    if (!conv->is_dynamic) {
        conv->weights.finish = finish_of(p);
        fill_scales(p, conv);
    }
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
    const pith_gemm_s8 *kernel = pithi_gemm_s8(prepare->isa_limit);
    const int64_t n_channels = g->in_channels / g->group, n = g->out_channels / g->group;
    const int64_t n_k = n_channels * pithi_conv_taps(g);
    conv->columns = (g->out[2] - 1) * g->stride[2] + (g->kernel[2] - 1) * g->dilation[2] + 1;
    const int64_t x_bytes = conv->gathers ? conv->columns * n_channels * g->stride[1] : n_k;
    int64_t bytes = x_bytes;
    if (conv->makes_floats) {
        const int64_t sums = (conv->gathers ? g->out[2] : 1) * pithi_min_s64(n, SUM_COLUMNS) * (int64_t)sizeof(int32_t);
        bytes = pithi_max_s64(bytes, sums * (GATHER_BYTES / SUM_BYTES));
    }
    const int64_t unit = conv->gathers ? 1 : kernel->mr_max, most = GATHER_BYTES / pithi_max_s64(bytes, 1);
    const pithi_s8_extent extent = {
        .n_rows = conv->gathers ? g->out[1] : g->out[1] * g->out[2],
        .row_pixels = conv->gathers ? g->out[2] : 1,
        .unit = unit,
        .most_rows = conv->gathers ? most : pithi_max_s64(pithi_div_up(most, 4 * unit), 1) * 4 * unit,
        .most_rows_l2 = conv->makes_floats ? 0 : (int64_t)pithi_l2_share() / pithi_max_s64(x_bytes, 1),
        .pixel_bytes = n_channels * pithi_min_s64(g->stride[1] * g->stride[2], pithi_conv_taps(g)) + n,
        .n_k = n_k,
        .n = n,
        .n_others = g->batch * g->group,
    };
    conv->cut = pithi_s8_cut_make(kernel, &extent, prepare->n_threads);
    if (conv->makes_floats && conv->cut.grid.n_blocks < n / SUM_COLUMNS) {
        conv->cut.grid.n_blocks = n / SUM_COLUMNS;
        conv->cut.block = pithi_div_up(pithi_div_up(n, conv->cut.grid.unit), n / SUM_COLUMNS) * conv->cut.grid.unit;
    }
    conv->rows = (conv->cut.band - 1) * g->stride[1] + (g->kernel[1] - 1) * g->dilation[1] + 1;
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
static pith_status make_finish(pith_prepare *prepare, const pithi_int_product *p, conv_s8 *conv)
{
    const size_t n = (size_t)conv->g.out_channels;
    void *block = NULL;
    conv->weights = (pithi_s8_weights){ .a_flip = p->a->dtype == PITH_DTYPE_S8 ? 0x80 : 0,
                                        .a_pad = (uint8_t)pithi_int_zero(p->a_zero, 0), .finish = finish_of(p) };
    PITH_TRY(pithi_arena_array(prepare->arena, n, sizeof(int32_t), &block));
    conv->weights.bias = block;
    for (size_t c = 0; c < n; c++) {
        conv->weights.bias[c] = p->bias ? (int32_t)pithi_tensor_get_s64(p->bias, (int64_t)c) : 0;
    }
    PITH_TRY(pithi_arena_array(prepare->arena, n, sizeof(float), &block));
    conv->weights.scale = block;
    fill_scales(p, conv);
    return PITH_OK;
}

/* Weights minus their zero points, [tap][channel]; the kernel takes x's zero point off itself. */
static pith_status make_depthwise(pith_prepare *prepare, const pithi_int_product *p, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    const int64_t n_taps = pithi_conv_taps(g);
    void *block = NULL;
    conv->depthwise = pithi_dwconv_s8(prepare->isa_limit);
    PITH_TRY(make_finish(prepare, p, conv));
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)(n_taps * g->in_channels), sizeof(int16_t), &block));
    int16_t *weights = block;
    for (int64_t i = 0; i < n_taps * g->in_channels; i++) {
        int64_t c = i % g->in_channels, t = i / g->in_channels;
        weights[i] = (int16_t)(pithi_tensor_get_s64(p->b, c * n_taps + t) - pithi_int_zero(p->b_zero, c));
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

static pith_status make_products(pith_prepare *prepare, const pithi_int_product *p, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    PITH_TRY(make_segments(prepare, conv));
    PITH_TRY(make_weights(prepare, p, conv));
    size_t n_pixels = (size_t)band_pixels(conv);
    conv->scratch_sums = pithi_align_up(n_pixels * sizeof(void *), PITH_ALIGNMENT);
    conv->scratch_gathered =
        conv->scratch_sums + pithi_align_up(n_pixels * sizeof(int32_t), PITH_ALIGNMENT);
    size_t gathered =
        conv->gathers ? (size_t)(conv->rows * conv->columns * (g->in_channels / g->group)) + SLACK
                      : 0;
    conv->scratch_columns = conv->scratch_gathered + pithi_align_up(gathered, PITH_ALIGNMENT);
    conv->scratch_floats =
        conv->scratch_columns + (conv->is_dynamic ? 2 * (size_t)conv->cut.block * sizeof(int32_t) : 0);
    const int64_t mr = conv->weights.kernel->mr_max, n_tiles = pithi_max_s64(MOST_SUMS / (mr * conv->cut.block), 1);
    conv->chunk = (int)pithi_min_s64(band_pixels(conv), n_tiles * mr);
    prepare->scratch_bytes = conv->scratch_floats;
    if (conv->makes_floats) {
        prepare->scratch_bytes += (size_t)(conv->chunk * conv->cut.block) * sizeof(int32_t);
    }
    int64_t n_grains = g->batch * g->group * conv->cut.grid.n_bands * conv->cut.grid.n_blocks;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(n_grains, 1024), 1);
    return PITH_OK;
}

static pith_status make_kernels(pith_prepare *prepare, const pithi_int_product *p, conv_s8 *conv)
{
    const pithi_conv_geometry *g = &conv->g;
    if (!conv->is_dynamic && pithi_conv_is_depthwise(g)) {
        PITH_TRY(make_depthwise(prepare, p, conv));
        int64_t macs = g->out[1] * g->out[2] * g->in_channels * pithi_conv_taps(g);
        const int64_t most = pithi_min_s64(4 * prepare->n_threads, g->out[1] / LEAST_ROWS);
        conv->n_bands = pithi_max_s64(pithi_min_s64(most, macs / (2 * PITHI_PART_MACS)), 1);
        prepare->max_parts = (int)pithi_min_s64(g->batch * conv->n_bands, 1024);
        return PITH_OK;
    }
    if (!conv->is_dynamic && pithi_conv_is_3x3(g)) {
        PITH_TRY(make_finish(prepare, p, conv));
        PITH_TRY(pithi_s8_winograd_prepare(prepare, g, p->b, p->b_zero, &conv->weights, &conv->winograd));
    }
    return conv->winograd ? PITH_OK : make_products(prepare, p, conv);
}

pith_status pithi_s8_conv_prepare(pith_prepare *prepare, bool is_dynamic)
{
    const pithi_conv_attrs *attrs = prepare->attrs; /* also of qlinear_conv */
    pithi_conv_geometry g;
    pithi_finish finish;
    pith_tensor y = prepare->outputs[0];
    void *block = NULL;
    const pithi_int_product p =
        pithi_int_conv_operands(prepare->inputs, prepare->n_inputs, &y, prepare->attrs, !is_dynamic);
    PITH_TRY(pithi_conv_geometry_of(prepare->ctx, attrs, &p.a->shape, &p.b->shape, false, &g));
    if (!is_possible(&p, &g, is_dynamic) || pith_shape_elements(&y.shape) == 0 ||
        !pithi_finish_make(&attrs->activation, prepare->isa_limit, &finish)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(conv_s8), &block));
    conv_s8 *conv = block;
    conv->g = g;
    conv->is_dynamic = is_dynamic;
    conv->makes_floats = p.a_factor != NULL;
    conv->row_kernel = pithi_s16(prepare->isa_limit);
    conv->finish = finish;
    conv->x_pixel = pithi_stride(prepare->strides, X, g.in_channels);
    conv->y_pixel = pithi_stride(prepare->strides, prepare->n_inputs, g.out_channels);
    conv->gathers = leaves_image(&g, 1) || leaves_image(&g, 2) || (g.group > 1 && pithi_conv_taps(&g) > 1);
    cut(prepare, conv);
    PITH_TRY(make_kernels(prepare, &p, conv));
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
static void gather_row(const conv_s8 *conv, const uint8_t *row, int64_t first, uint8_t pad, uint8_t *to)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n = g->in_channels / g->group, count = conv->columns;
    int64_t begin = row ? pithi_min_s64(pithi_max_s64(-first, 0), count) : count;
    int64_t end = row ? pithi_max_s64(pithi_min_s64(count, g->in[2] - first), begin) : count;
    memset(to, pad, (size_t)(begin * n));
    if (n == conv->x_pixel && end > begin) {
        memcpy(to + begin * n, row + (first + begin) * n, (size_t)((end - begin) * n));
    } else {
        for (int64_t i = begin; i < end; i++) {
            memcpy(to + i * n, row + (first + i) * conv->x_pixel, (size_t)n);
        }
    }
    memset(to + end * n, pad, (size_t)((count - end) * n));
}

static void gather(const conv_s8 *conv, const uint8_t *image, int64_t group, int64_t out_row,
                   int64_t n_rows, uint8_t pad, uint8_t *to)
{
    const pithi_conv_geometry *g = &conv->g;
    int64_t n = g->in_channels / g->group, y = out_row * g->stride[1] - g->pad[1];
    int64_t needed = (n_rows - 1) * g->stride[1] + (g->kernel[1] - 1) * g->dilation[1] + 1;
    for (int64_t i = 0; i < needed; i++, y++) {
        bool is_inside = y >= 0 && y < g->in[1];
        const uint8_t *row = is_inside ? image + y * g->in[2] * conv->x_pixel + group * n : NULL;
        gather_row(conv, row, -g->pad[2], pad, to + i * conv->columns * n);
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

/* Prepares the row pointers of a band: n_rows rows or pixels of an image, from `first` on. */
static void start_band(const conv_s8 *conv, const uint8_t *image, int64_t group, int64_t first, int64_t n_rows,
                       uint8_t pad, char *scratch)
{
    const pithi_conv_geometry *g = &conv->g;
    const uint8_t **rows = (const uint8_t **)(void *)scratch;
    int64_t n = g->in_channels / g->group;
    if (conv->gathers) {
        uint8_t *gathered = (uint8_t *)scratch + conv->scratch_gathered;
        gather(conv, image, group, first, n_rows, pad, gathered);
        point_at(g, gathered, 0, n_rows * g->out[2], (ptrdiff_t)(conv->columns * n), (ptrdiff_t)n, rows);
        return;
    }
    const ptrdiff_t row = (ptrdiff_t)(g->in[2] * conv->x_pixel);
    const uint8_t *from = image + first / g->out[2] * g->stride[1] * row + group * n;
    point_at(g, from, first % g->out[2], n_rows, row, (ptrdiff_t)conv->x_pixel, rows);
}

/* What the run's zero point and factor make of the tile's columns, `column` on; sums go to scratch or to y. */
static void start_dynamic(const conv_s8 *conv, const pithi_int_product *p, int64_t column, char *scratch,
                          pith_gemm_s8_tile *tile)
{
    const uint32_t a_zero = (uint8_t)pithi_int_zero(p->a_zero, 0) ^ conv->weights.a_flip;
    int32_t *bias = (int32_t *)(void *)(scratch + conv->scratch_columns);
    for (int i = 0; i < tile->n_columns; i++) {
        bias[i] = (int32_t)(a_zero * (uint32_t)tile->bias[i]);
    }
    tile->bias = bias;
    if (conv->makes_floats) {
        pithi_int_fold_factors(p, column, column + tile->n_columns, (float *)(bias + conv->cut.block));
        tile->c = scratch + conv->scratch_floats;
        tile->c_stride = (size_t)tile->n_columns;
    }
}

/* Sums of a tile become floats at element `at` of y. */
static void make_floats(const conv_s8 *conv, const pithi_int_product *p, const pith_gemm_s8_tile *tile, int64_t column,
                        int64_t at, const int32_t *row_sums)
{
    const size_t step = (size_t)conv->y_pixel, n_pixels = (size_t)tile->mr, n = (size_t)tile->n_columns;
    const pith_s16_floats floats = {
        .sums = tile->c, .row_sums = row_sums, .b_zero = tile->b_zero,
        .scale = (const float *)(const void *)(tile->bias + conv->cut.block),
        .bias = p->offset ? (const float *)p->offset->data + column : NULL,
        .residual = p->residual ? (const float *)p->residual->data + at : NULL,
        .y = (float *)p->y->data + at, .y_step = step, .lo = conv->finish.lo, .hi = conv->finish.hi,
        .n_rows = tile->mr, .n_columns = tile->n_columns,
    };
    conv->row_kernel->floats(&floats);
    pithi_finish_apply(&conv->finish, floats.y, n_pixels, step, n, 0);
}

/* Products of a band that become floats, chunk by chunk. */
static void multiply_floats(const conv_s8 *conv, const pithi_int_product *p, pith_gemm_s8_tile *tile, int64_t column,
                            int64_t at, const int32_t *row_sums)
{
    const int n_pixels = tile->mr;
    const uint8_t *const *rows = tile->a_rows;
    for (int i = 0; i < n_pixels; i += conv->chunk) {
        tile->a_rows = rows + i;
        tile->mr = (int)pithi_min_s64(conv->chunk, n_pixels - i);
        conv->weights.kernel->tile(tile);
        make_floats(conv, p, tile, column, at + i * conv->y_pixel, row_sums ? row_sums + i : NULL);
    }
}

static void run_products(const pith_run *run, const conv_s8 *conv, const pith_part *part)
{
    const pithi_conv_geometry *g = &conv->g;
    const pithi_int_product p =
        pithi_int_conv_operands(run->inputs, run->n_inputs, run->outputs, run->attrs, !conv->is_dynamic);
    const size_t item_bytes = conv->is_dynamic ? sizeof(int32_t) : 1;
    const uint8_t pad = conv->is_dynamic ? (uint8_t)pithi_int_zero(p.a_zero, 0) : conv->weights.a_pad;
    const pithi_grid *grid = &conv->cut.grid;
    const int64_t n = g->out_channels / g->group, n_out = g->out[1] * g->out[2];
    const int64_t row_pixels = conv->gathers ? g->out[2] : 1;
    int64_t begin, end;
    int32_t *sums = (int32_t *)(void *)((char *)part->scratch + conv->scratch_sums);
    pithi_part_range(part, g->batch * g->group * grid->n_bands * grid->n_blocks, &begin, &end);
    int64_t current = part->follows ? (begin - 1) / grid->n_blocks : -1;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = i / grid->n_blocks, block = i % grid->n_blocks, band = at % grid->n_bands;
        const int64_t group = at / grid->n_bands % g->group, image = at / grid->n_bands / g->group;
        const int64_t n0 = pithi_grid_column(grid, block), first = pithi_s8_cut_row(&conv->cut, band);
        const int64_t n_rows = pithi_s8_cut_row(&conv->cut, band + 1) - first;
        const bool is_new = at != current;
        if (is_new) {
            const uint8_t *x = (const uint8_t *)p.a->data + image * g->in[1] * g->in[2] * conv->x_pixel;
            start_band(conv, x, group, first, n_rows, pad, part->scratch);
            current = at;
        }
        const int64_t pixel = image * n_out + first * row_pixels, column = group * n + n0;
        const int64_t position = pixel * conv->y_pixel + column;
        pith_gemm_s8_tile tile = {
            .a_rows = part->scratch,
            .segment_offsets = conv->segment_offsets,
            .n_segments = conv->n_segments,
            .segment_length = conv->segment_length,
            .a_is_padded = conv->gathers,
            .mr = (int)(n_rows * row_pixels),
            .c = (char *)p.y->data + (size_t)position * item_bytes,
            .c_stride = (size_t)conv->y_pixel,
        };
        pithi_s8_fill_tile(&conv->weights, group, n, n0, pithi_grid_column(grid, block + 1) - n0, &tile);
        if (conv->is_dynamic) {
            start_dynamic(conv, &p, column, part->scratch, &tile);
        }
        if (conv->weights.has_b_zero) {
            if (is_new) {
                conv->weights.kernel->row_sums(&tile, sums);
            }
            tile.row_sums = conv->makes_floats ? NULL : sums;
        }
        if (conv->makes_floats) {
            multiply_floats(conv, &p, &tile, column, position, conv->weights.has_b_zero ? sums : NULL);
        } else {
            conv->weights.kernel->tile(&tile);
        }
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
