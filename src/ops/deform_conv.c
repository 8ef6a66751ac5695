/* SPDX-License-Identifier: Apache-2.0 */
/* deform_conv: 2-D convolution whose taps are moved by offsets and weighted by a mask, per output pixel and offset
 * group (Dai et al. 2017; Zhu et al. 2019). ONNX DeformConv.
 *   y[n,o,p] = b[o] + sum over c, k of w[o,c,k] mask[n,k,p] x[n, c, p * stride - pad + k * dilation + offset[n,k,p]]
 * x between pixels is bilinear, outside zero. Offsets are (y, x) pairs.
 *
 * Fast path, float32: a strip of output pixels gathers its samples as a matrix [channel and tap][pixel], and the
 * weights, as they lie, are multiplied with it. */
#include <math.h>

#include "kernels/gemm_f32.h"
#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct deform_conv_attrs {
    pith_ints dilations, kernel_shape, pads, strides;
    int64_t group, offset_group;
} deform_conv_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_INTS(deform_conv_attrs, dilations, "dilations"),
    PITH_ATTR_INTS(deform_conv_attrs, kernel_shape, "kernel_shape"),
    PITH_ATTR_INTS(deform_conv_attrs, pads, "pads"),
    PITH_ATTR_INTS(deform_conv_attrs, strides, "strides"),
    PITH_ATTR_INT(deform_conv_attrs, group, "group", 1),
    PITH_ATTR_INT(deform_conv_attrs, offset_group, "offset_group", 1),
};

enum { X, W, OFFSET, BIAS, MASK };

/* ---- geometry ----------------------------------------------------------------------------- */

typedef struct geometry {
    int64_t n, channels, size[2], out_channels, out_size[2], kernel[2];
    int64_t stride[2], dilation[2], pad[4];
    int64_t group, offset_group;
} geometry;

static int64_t item_of(const pith_ints *list, int index, int64_t otherwise)
{
    return index < list->n_items ? list->items[index] : otherwise;
}

static geometry geometry_of(const deform_conv_attrs *attrs, const pith_tensor *inputs)
{
    const int64_t *x = inputs[X].shape.dims, *w = inputs[W].shape.dims, *offset = inputs[OFFSET].shape.dims;
    geometry g = { .n = x[0], .channels = x[1], .out_channels = w[0], .group = attrs->group,
                   .offset_group = attrs->offset_group };
    for (int i = 0; i < 2; i++) {
        g.size[i] = x[2 + i];
        g.kernel[i] = w[2 + i];
        g.out_size[i] = offset[2 + i];
        g.stride[i] = item_of(&attrs->strides, i, 1);
        g.dilation[i] = item_of(&attrs->dilations, i, 1);
        g.pad[i] = item_of(&attrs->pads, i, 0);
        g.pad[2 + i] = item_of(&attrs->pads, 2 + i, 0);
    }
    return g;
}

static int64_t count_taps(const geometry *g) { return g->kernel[0] * g->kernel[1]; }
static int64_t count_pixels(const geometry *g) { return g->out_size[0] * g->out_size[1]; }

/* The four neighbours of a sample in a plane and their weights (0 outside), mask included. */
typedef struct sample_taps {
    int64_t at[4];
    double weight[4];
} sample_taps;

static sample_taps find_sample(const pith_run *run, const geometry *g, int64_t n, int64_t offset_group, int64_t tap,
                               int64_t pixel)
{
    sample_taps taps = { { 0 }, { 0 } };
    int64_t n_pixels = count_pixels(g), index = (n * g->offset_group + offset_group) * count_taps(g) + tap;
    double dy = pithi_tensor_get_f64(&run->inputs[OFFSET], 2 * index * n_pixels + pixel);
    double dx = pithi_tensor_get_f64(&run->inputs[OFFSET], (2 * index + 1) * n_pixels + pixel);
    int64_t row = pixel / g->out_size[1] * g->stride[0] - g->pad[0] + tap / g->kernel[1] * g->dilation[0];
    int64_t column = pixel % g->out_size[1] * g->stride[1] - g->pad[1] + tap % g->kernel[1] * g->dilation[1];
    double y = (double)row + dy, x = (double)column + dx;
    if (!(y > -1.0 && x > -1.0 && y < (double)g->size[0] && x < (double)g->size[1])) {
        return taps;
    }
    bool has_mask = pithi_has_operand(run->inputs, run->n_inputs, MASK);
    double factor = has_mask ? pithi_tensor_get_f64(&run->inputs[MASK], index * n_pixels + pixel) : 1.0;
    double v = y - floor(y), u = x - floor(x);
    for (int i = 0; i < 4; i++) {
        int64_t at_y = (int64_t)floor(y) + i / 2, at_x = (int64_t)floor(x) + i % 2;
        if (at_y >= 0 && at_x >= 0 && at_y < g->size[0] && at_x < g->size[1]) {
            taps.at[i] = at_y * g->size[1] + at_x;
            taps.weight[i] = factor * (i / 2 ? v : 1.0 - v) * (i % 2 ? u : 1.0 - u);
        }
    }
    return taps;
}

/* ---- reference ---------------------------------------------------------------------------- */

static double ref_pixel(const pith_run *run, const geometry *g, int64_t n, int64_t out_channel, int64_t pixel)
{
    bool has_bias = pithi_has_operand(run->inputs, run->n_inputs, BIAS);
    int64_t per_group = g->channels / g->group, n_taps = count_taps(g), plane = g->size[0] * g->size[1];
    double sum = has_bias ? pithi_tensor_get_f64(&run->inputs[BIAS], out_channel) : 0.0;
    for (int64_t i = 0; i < per_group; i++) {
        int64_t channel = out_channel / (g->out_channels / g->group) * per_group + i;
        for (int64_t tap = 0; tap < n_taps; tap++) {
            sample_taps s = find_sample(run, g, n, channel / (g->channels / g->offset_group), tap, pixel);
            double value = 0.0;
            for (int k = 0; k < 4; k++) {
                value += s.weight[k] != 0.0
                             ? s.weight[k] *
                                   pithi_tensor_get_f64(&run->inputs[X], (n * g->channels + channel) * plane + s.at[k])
                             : 0.0;
            }
            sum += value * pithi_tensor_get_f64(&run->inputs[W], (out_channel * per_group + i) * n_taps + tap);
        }
    }
    return sum;
}

static void ref(const pith_run *run)
{
    geometry g = geometry_of(run->attrs, run->inputs);
    int64_t n_pixels = count_pixels(&g);
    for (int64_t i = 0; i < pith_shape_elements(&run->outputs[0].shape); i++) {
        int64_t plane = i / n_pixels;
        pithi_tensor_set_f64(&run->outputs[0], i,
                             ref_pixel(run, &g, plane / g.out_channels, plane % g.out_channels, i % n_pixels));
    }
}

/* ---- float32 ------------------------------------------------------------------------------ */

#define STRIP 64 /* output pixels of one product */
#define ROWS 32  /* output channels of one product */

static bool is_fast(const pith_prepare *prepare)
{
    for (int i = 0; i < prepare->n_inputs; i++) {
        if (prepare->inputs[i].dtype != PITH_DTYPE_F32 && prepare->inputs[i].dtype != PITH_DTYPE_NONE) {
            return false;
        }
    }
    return pith_shape_elements(&prepare->outputs[0].shape) > 0 && pith_shape_elements(&prepare->inputs[W].shape) > 0;
}

static pith_status prepare(pith_prepare *prepare)
{
    if (!is_fast(prepare)) {
        return PITH_OK;
    }
    geometry g = geometry_of(prepare->attrs, prepare->inputs);
    const pith_gemm_f32 *gemm = pithi_gemm_f32(prepare->isa_limit);
    prepare->use_run = true;
    prepare->state = (void *)(uintptr_t)gemm;
    prepare->max_parts = (int)pithi_min_s64(g.n * pithi_div_up(count_pixels(&g), STRIP), 1 << 20);
    prepare->scratch_bytes =
        (size_t)(g.channels * count_taps(&g) * STRIP) * sizeof(float) + STRIP * sizeof(sample_taps);
    prepare->kernel = gemm->head.name;
    return PITH_OK;
}

/* Samples of pixels [first, first + n_pixels): matrix [channel and tap][STRIP]. */
static void gather(const pith_run *run, const geometry *g, int64_t n, int64_t first, int64_t n_pixels, void *scratch)
{
    sample_taps *taps = scratch;
    float *matrix = (float *)(void *)(taps + STRIP);
    int64_t n_taps = count_taps(g), plane = g->size[0] * g->size[1], per_offset = g->channels / g->offset_group;
    for (int64_t k = 0; k < g->offset_group * n_taps; k++) {
        int64_t tap = k % n_taps, first_channel = k / n_taps * per_offset;
        for (int64_t p = 0; p < n_pixels; p++) {
            taps[p] = find_sample(run, g, n, k / n_taps, tap, first + p);
        }
        for (int64_t c = first_channel; c < first_channel + per_offset; c++) {
            const float *x = (const float *)run->inputs[X].data + (n * g->channels + c) * plane;
            float *row = matrix + (c * n_taps + tap) * STRIP;
            for (int64_t p = 0; p < n_pixels; p++) {
                float sum = 0.0f;
                for (int i = 0; i < 4; i++) {
                    float weight = (float)taps[p].weight[i];
                    sum += weight != 0.0f ? weight * x[taps[p].at[i]] : 0.0f;
                }
                row[p] = sum;
            }
        }
    }
}

/* Output channels [first, first + n) of one group over a strip; `matrix` holds the group's samples. */
static void multiply(const pith_run *run, const geometry *g, const float *matrix, int64_t first, int64_t n, float *y,
                     int n_pixels)
{
    static const ptrdiff_t no_offset[1] = { 0 };
    const pith_gemm_f32 *gemm = run->state;
    const float *rows[ROWS],
        *bias = pithi_has_operand(run->inputs, run->n_inputs, BIAS) ? run->inputs[BIAS].data : NULL;
    int64_t depth = g->channels / g->group * count_taps(g), stride = count_pixels(g);
    for (int64_t i = 0; i < n; i++) {
        rows[i] = (const float *)run->inputs[W].data + (first + i) * depth;
        for (int p = 0; p < n_pixels; p++) {
            y[i * stride + p] = bias ? bias[first + i] : 0.0f;
        }
    }
    pith_gemm_f32_tile tile = { .a_rows = rows, .segment_offsets = no_offset, .n_segments = 1,
                                .segment_length = (size_t)depth, .b = matrix, .b_row_stride = STRIP,
                                .b_panel_stride = (size_t)gemm->nr, .c = y, .c_stride = (size_t)stride, .mr = (int)n,
                                .n_columns = n_pixels, .accumulate = 1, .lo = -INFINITY, .hi = INFINITY };
    gemm->tile(&tile);
}

static void run(const pith_run *run, const pith_part *part)
{
    geometry g = geometry_of(run->attrs, run->inputs);
    int64_t n_strips = pithi_div_up(count_pixels(&g), STRIP), per_group = g.out_channels / g.group, begin, end;
    const float *matrix = (const float *)(const void *)((const sample_taps *)part->scratch + STRIP);
    pithi_part_range(part, g.n * n_strips, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / n_strips, first = i % n_strips * STRIP,
                n_pixels = pithi_min_s64(STRIP, count_pixels(&g) - first);
        gather(run, &g, n, first, n_pixels, part->scratch);
        for (int64_t o = 0, rows; o < g.out_channels; o += rows) {
            rows = pithi_min_s64(ROWS, per_group - o % per_group);
            multiply(run, &g, matrix + o / per_group * (g.channels / g.group) * count_taps(&g) * STRIP, o, rows,
                     (float *)run->outputs[0].data + (n * g.out_channels + o) * count_pixels(&g) + first,
                     (int)n_pixels);
        }
    }
}

/* ---- shape -------------------------------------------------------------------------------- */

static pith_status check_lists(const pith_infer *infer)
{
    const deform_conv_attrs *attrs = infer->attrs;
    const pith_ints *lists[] = { &attrs->dilations, &attrs->strides, &attrs->kernel_shape, &attrs->pads };
    static const char *const names[] = { "dilations", "strides", "kernel_shape", "pads" };
    for (int i = 0; i < PITH_COUNT(lists); i++) {
        int n = i == 3 ? 4 : 2;
        PITH_CHECK(infer->ctx, lists[i]->n_items == 0 || lists[i]->n_items == n, PITH_STATUS_FORMAT,
                   "attribute '%s' has %d items, but must have %d", names[i], lists[i]->n_items, n);
        for (int k = 0; k < lists[i]->n_items; k++) {
            PITH_CHECK(infer->ctx, lists[i]->items[k] >= (i == 3 ? 0 : 1) && lists[i]->items[k] <= INT32_MAX,
                       PITH_STATUS_FORMAT, "attribute '%s' holds %lld", names[i], (long long)lists[i]->items[k]);
        }
    }
    return PITH_OK;
}

static pith_status check_shape(const pith_infer *infer, int index, const pith_shape *must)
{
    char is_text[PITHI_SHAPE_TEXT_BYTES], must_text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx,
               !pithi_has_operand(infer->inputs, infer->n_inputs, index) ||
                   (pith_shape_equal(&infer->inputs[index].shape, must) &&
                    infer->inputs[index].dtype == infer->inputs[X].dtype),
               PITH_STATUS_SHAPE, "input %d is %s, but must be %s, of the dtype of x", index,
               pithi_shape_text(&infer->inputs[index].shape, is_text), pithi_shape_text(must, must_text));
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    for (int i = X; i <= OFFSET; i++) {
        PITH_CHECK(infer->ctx, infer->inputs[i].shape.rank == 4, PITH_STATUS_UNSUPPORTED,
                   "input %d has rank %d; deform_conv is implemented for two spatial dimensions (rank 4)", i,
                   infer->inputs[i].shape.rank);
    }
    PITH_TRY(check_lists(infer));
    geometry g = geometry_of(infer->attrs, infer->inputs);
    int64_t per_group = infer->inputs[W].shape.dims[1];
    PITH_CHECK(infer->ctx,
               g.group > 0 && g.offset_group > 0 && g.channels == per_group * g.group &&
                   g.out_channels % g.group == 0 && g.channels % g.offset_group == 0,
               PITH_STATUS_SHAPE, "%lld channels and weights for %lld can't make %lld groups and %lld offset groups",
               (long long)g.channels, (long long)per_group, (long long)g.group, (long long)g.offset_group);
    pith_shape offset = { 4, { g.n, g.offset_group * count_taps(&g) * 2, 0, 0 } };
    for (int i = 0; i < 2; i++) {
        int64_t room = g.size[i] + g.pad[i] + g.pad[2 + i] - (g.dilation[i] * (g.kernel[i] - 1) + 1);
        PITH_CHECK(infer->ctx, room >= 0 && g.kernel[i] > 0, PITH_STATUS_SHAPE,
                   "the kernel doesn't fit into the padded input");
        offset.dims[2 + i] = room / g.stride[i] + 1;
    }
    pith_shape mask = offset;
    mask.dims[1] /= 2;
    PITH_TRY(check_shape(infer, OFFSET, &offset));
    PITH_TRY(check_shape(infer, MASK, &mask));
    PITH_TRY(check_shape(infer, BIAS, &(pith_shape){ 1, { g.out_channels } }));
    PITH_TRY(check_shape(infer, W, &infer->inputs[W].shape));
    infer->outputs[0].dtype = infer->inputs[X].dtype;
    infer->outputs[0].shape = (pith_shape){ 4, { g.n, g.out_channels, g.out_size[0], g.out_size[1] } };
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    geometry g = geometry_of(infer->attrs, infer->inputs);
    uint64_t samples = (uint64_t)(g.n * g.channels * count_taps(&g)) * (uint64_t)count_pixels(&g);
    cost->macs = samples / (uint64_t)g.group * (uint64_t)g.out_channels;
    cost->flops = 8 * samples;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "w", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "offset", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "b", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                            { "mask", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "DeformConv", 19, NULL } };
static const char *const samples[] = {
    "f32[1,2,5,6] f32[3,2,2,2] f32[1,8,4,5] | kernel_shape=[2,2]",
    "f32[2,4,9,9] f32[6,2,3,3] f32[2,36,9,9] f32[6] f32[2,18,9,9] | pads=[1,1,1,1] group=2 offset_group=2",
    "f32[1,3,11,8] f32[40,3,3,2] f32[1,12,4,4] - f32[1,6,4,4] | strides=[2,2] dilations=[2,1] pads=[0,0,1,1]",
    "f64[1,1,3,3] f64[1,1,2,2] f64[1,8,2,2]",
    "f32[0,2,5,6] f32[3,2,2,2] f32[0,8,4,5]",
};

const pith_op pith_op_deform_conv = {
    .head = { "deform_conv", 1, PITH_ATTRS(table, deform_conv_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare, .run = run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
