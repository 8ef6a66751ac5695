/* SPDX-License-Identifier: Apache-2.0 */
/* Geometry, inference and reference of convolutions and transposed convolutions. */
#include "ops/shared_conv.h"

#include "ops/shared_unary.h"

const char *const pithi_auto_pad_choices[] = { "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL };

/* ---- geometry ----------------------------------------------------------------------------- */

/* Item `index` of a list with n_wanted entries; *item stays as it is where the list is absent. */
static pith_status read_item(pith_ctx *ctx, const char *name, const pith_ints *list, int n_wanted, int index,
                             int64_t least, int64_t *item)
{
    if (list->n_items == 0) {
        return PITH_OK;
    }
    PITH_CHECK(ctx, list->n_items == n_wanted, PITH_STATUS_SHAPE, "attribute '%s' has %d entries, %d are wanted", name,
               list->n_items, n_wanted);
    PITH_CHECK(ctx, list->items[index] >= least && list->items[index] <= PITHI_CONV_MAX_FACTOR, PITH_STATUS_ARG,
               "attribute '%s' has entry %lld, which is outside of %lld..%lld", name, (long long)list->items[index],
               (long long)least, (long long)PITHI_CONV_MAX_FACTOR);
    *item = list->items[index];
    return PITH_OK;
}

/* The part of `total` that goes in front: the smaller half for SAME_UPPER. */
static int64_t front_padding(int64_t auto_pad, int64_t total)
{
    total = pithi_max_s64(total, 0);
    return auto_pad == PITHI_AUTO_PAD_SAME_UPPER ? total / 2 : total - total / 2;
}

static pith_status conv_out_size(pith_ctx *ctx, const pithi_conv_attrs *attrs, int64_t back, int d,
                                 pithi_conv_geometry *g)
{
    int64_t extent = (g->kernel[d] - 1) * g->dilation[d] + 1;
    if (attrs->auto_pad == PITHI_AUTO_PAD_SAME_UPPER || attrs->auto_pad == PITHI_AUTO_PAD_SAME_LOWER) {
        g->out[d] = pithi_div_up(g->in[d], g->stride[d]);
        g->pad[d] = front_padding(attrs->auto_pad, (g->out[d] - 1) * g->stride[d] + extent - g->in[d]);
        return PITH_OK;
    }
    int64_t padded = g->in[d] + g->pad[d] + back;
    PITH_CHECK(ctx, padded >= extent, PITH_STATUS_SHAPE,
               "a kernel that spans %lld doesn't fit into an input of size %lld with padding %lld + %lld",
               (long long)extent, (long long)g->in[d], (long long)g->pad[d], (long long)back);
    g->out[d] = (padded - extent) / g->stride[d] + 1;
    return PITH_OK;
}

/* ONNX ConvTranspose: a given output_shape (or SAME: input times stride) sets the padding. */
static pith_status transposed_out_size(pith_ctx *ctx, const pithi_conv_attrs *attrs, int64_t back, int d, int index,
                                       pithi_conv_geometry *g)
{
    int64_t extra = 0, wanted = -1;
    int skipped = attrs->output_shape.n_items == g->n_spatial + 2 ? 2 : 0; /* some exporters add N and C */
    PITH_TRY(read_item(ctx, "output_padding", &attrs->output_padding, g->n_spatial, index, 0, &extra));
    PITH_TRY(read_item(ctx, "output_shape", &attrs->output_shape, g->n_spatial + skipped, index + skipped, 0,
                       &wanted));
    int64_t full = (g->in[d] - 1) * g->stride[d] + extra + (g->kernel[d] - 1) * g->dilation[d] + 1;
    if (wanted < 0 && (attrs->auto_pad == PITHI_AUTO_PAD_SAME_UPPER || attrs->auto_pad == PITHI_AUTO_PAD_SAME_LOWER)) {
        wanted = g->in[d] * g->stride[d];
        g->pad[d] = front_padding(attrs->auto_pad, full - wanted);
        wanted = pithi_min_s64(wanted, full); /* there is nothing to cut off from a shorter one */
    } else if (wanted >= 0) {
        g->pad[d] = front_padding(attrs->auto_pad, full - wanted);
    } else {
        wanted = full - g->pad[d] - back;
    }
    PITH_CHECK(ctx, wanted >= 0, PITH_STATUS_SHAPE, "padding %lld + %lld leaves nothing of an output of size %lld",
               (long long)g->pad[d], (long long)back, (long long)full);
    g->out[d] = g->in[d] == 0 ? 0 : wanted;
    return PITH_OK;
}

static pith_status read_dimension(pith_ctx *ctx, const pithi_conv_attrs *attrs, const pith_shape *w, int index,
                                  pithi_conv_geometry *g)
{
    int n = g->n_spatial, d = 3 - n + index;
    int64_t declared = w->dims[2 + index], back = 0;
    PITH_TRY(read_item(ctx, "kernel_shape", &attrs->kernel_shape, n, index, 1, &declared));
    PITH_CHECK(ctx, declared == w->dims[2 + index] && declared >= 1 && declared <= PITHI_CONV_MAX_FACTOR,
               PITH_STATUS_SHAPE,
               "kernel_shape says %lld, the weights have %lld (at least 1 is wanted)", (long long)declared,
               (long long)w->dims[2 + index]);
    g->kernel[d] = declared;
    PITH_TRY(read_item(ctx, "strides", &attrs->strides, n, index, 1, &g->stride[d]));
    PITH_TRY(read_item(ctx, "dilations", &attrs->dilations, n, index, 1, &g->dilation[d]));
    if (attrs->auto_pad == PITHI_AUTO_PAD_NOTSET) {
        PITH_TRY(read_item(ctx, "pads", &attrs->pads, 2 * n, index, 0, &g->pad[d]));
        PITH_TRY(read_item(ctx, "pads", &attrs->pads, 2 * n, n + index, 0, &back));
    }
    return g->is_transposed ? transposed_out_size(ctx, attrs, back, d, index, g)
                            : conv_out_size(ctx, attrs, back, d, g);
}

static pith_status read_channels(pith_ctx *ctx, const pithi_conv_attrs *attrs, const pith_shape *x, const pith_shape *w,
                                 pithi_conv_geometry *g)
{
    g->in_channels = x->dims[g->channels_last && !g->reads_planes ? x->rank - 1 : 1];
    g->group = attrs->group;
    PITH_CHECK(ctx, g->group >= 1 && g->group <= PITHI_CONV_MAX_FACTOR, PITH_STATUS_ARG,
               "group is %lld, it must be at least 1", (long long)g->group);
    int64_t per_group = g->is_transposed ? w->dims[0] / g->group : w->dims[1];
    PITH_CHECK(ctx, per_group * g->group == g->in_channels && (!g->is_transposed || w->dims[0] == g->in_channels),
               PITH_STATUS_SHAPE, "input has %lld channels, the weights want %lld in each of %lld groups",
               (long long)g->in_channels, (long long)per_group, (long long)g->group);
    g->out_channels = g->is_transposed ? w->dims[1] * g->group : w->dims[0];
    PITH_CHECK(ctx, g->out_channels % g->group == 0, PITH_STATUS_SHAPE,
               "%lld output channels can't be cut into %lld groups", (long long)g->out_channels,
               (long long)g->group);
    return PITH_OK;
}

pith_status pithi_conv_geometry_of(pith_ctx *ctx, const pithi_conv_attrs *attrs, const pith_shape *x,
                                   const pith_shape *w, bool is_transposed, pithi_conv_geometry *geometry_out)
{
    pithi_conv_geometry g = { .is_transposed = is_transposed, .channels_last = attrs->channels_last != 0,
                              .reads_planes = attrs->channels_last && attrs->reads_planes, .n_spatial = x->rank - 2 };
    PITH_CHECK(ctx, x->rank >= 3 && x->rank <= 5 && w->rank == x->rank, PITH_STATUS_SHAPE,
               "input of rank %d and weights of rank %d: both must be the same, 3 to 5", x->rank, w->rank);
    PITH_TRY(read_channels(ctx, attrs, x, w, &g));
    g.batch = x->dims[0];
    for (int d = 0; d < 3; d++) {
        g.in[d] = g.out[d] = g.kernel[d] = g.stride[d] = g.dilation[d] = 1;
    }
    for (int i = 0; i < g.n_spatial; i++) {
        g.in[3 - g.n_spatial + i] = x->dims[(g.channels_last && !g.reads_planes ? 1 : 2) + i];
        PITH_TRY_AT(ctx, read_dimension(ctx, attrs, w, i, &g), "spatial dimension %d", i);
    }
    *geometry_out = g;
    return PITH_OK;
}

pith_status pithi_conv_infer(pith_infer *infer, bool is_transposed)
{
    const pith_tensor *x = &infer->inputs[0], *w = &infer->inputs[1];
    pithi_conv_geometry g;
    PITH_CHECK(infer->ctx, w->dtype == x->dtype, PITH_STATUS_DTYPE, "input is %s, but weights are %s",
               pith_dtype_name(x->dtype), pith_dtype_name(w->dtype));
    PITH_TRY(pithi_conv_geometry_of(infer->ctx, infer->attrs, &x->shape, &w->shape, is_transposed, &g));
    pith_shape y = { .rank = x->shape.rank };
    y.dims[0] = g.batch;
    y.dims[g.channels_last ? y.rank - 1 : 1] = g.out_channels;
    for (int i = 0; i < g.n_spatial; i++) {
        y.dims[(g.channels_last ? 1 : 2) + i] = g.out[3 - g.n_spatial + i];
    }
    if (infer->n_inputs > 2 && infer->inputs[2].dtype != PITH_DTYPE_NONE) {
        const pith_shape *bias = &infer->inputs[2].shape;
        PITH_CHECK(infer->ctx, bias->rank == 1 && bias->dims[0] == g.out_channels && infer->inputs[2].dtype == x->dtype,
                   PITH_STATUS_SHAPE, "the bias must have rank 1, size %lld and the dtype of the input",
                   (long long)g.out_channels);
    }
    if (infer->n_inputs > 3 && infer->inputs[3].dtype != PITH_DTYPE_NONE) {
        PITH_CHECK(infer->ctx, pith_shape_equal(&infer->inputs[3].shape, &y) && infer->inputs[3].dtype == x->dtype,
                   PITH_STATUS_SHAPE, "the residual must have shape and dtype of the output");
    }
    if (infer->n_inputs > PITHI_CONV_SLOPE && infer->inputs[PITHI_CONV_SLOPE].dtype != PITH_DTYPE_NONE) {
        const pith_tensor *slope = &infer->inputs[PITHI_CONV_SLOPE];
        const pithi_conv_attrs *attrs = infer->attrs;
        PITH_CHECK(infer->ctx, slope->shape.rank == 1 && slope->shape.dims[0] == g.out_channels &&
                   slope->dtype == x->dtype && attrs->activation.kind == PITH_VUNARY_LEAKY_RELU, PITH_STATUS_SHAPE,
                   "the slope must have rank 1, size %lld and the dtype of the input, and the activation must be a "
                   "leaky ReLU", (long long)g.out_channels);
    }
    infer->outputs[0].dtype = x->dtype;
    infer->outputs[0].shape = y;
    return PITH_OK;
}

void pithi_conv_cost(const pith_infer *infer, pith_cost *cost, bool is_transposed)
{
    const pith_shape *w = &infer->inputs[1].shape;
    const pith_shape *pixels = is_transposed ? &infer->inputs[0].shape : &infer->outputs[0].shape;
    uint64_t taps = 1;
    for (int i = 1; i < w->rank; i++) {
        taps *= (uint64_t)w->dims[i];
    }
    cost->macs = (uint64_t)pith_shape_elements(pixels) * taps;
}

bool pithi_conv_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    ((pithi_conv_attrs *)node->attrs)->channels_last = 1;
    return true;
}

/* ---- reference ---------------------------------------------------------------------------- */

typedef struct image_strides {
    int64_t image, channel, pixel[3];
} image_strides;

static image_strides strides_of(bool channels_last, int64_t channels, const int64_t size[3])
{
    int64_t pixel = channels_last ? channels : 1;
    return (image_strides){ .image = channels * size[0] * size[1] * size[2],
                            .channel = channels_last ? 1 : size[0] * size[1] * size[2],
                            .pixel = { size[1] * size[2] * pixel, size[2] * pixel, pixel } };
}

/* Offset in an image of the input pixel that tap k meets at output pixel o; -1 outside. */
static int64_t input_offset(const pithi_conv_geometry *g, const image_strides *strides, const int64_t o[3],
                            const int64_t k[3])
{
    int64_t offset = 0;
    for (int d = 0; d < 3; d++) {
        int64_t i = g->is_transposed ? o[d] + g->pad[d] - k[d] * g->dilation[d]
                                     : o[d] * g->stride[d] - g->pad[d] + k[d] * g->dilation[d];
        if (g->is_transposed) {
            i = i % g->stride[d] ? -1 : i / g->stride[d];
        }
        if (i < 0 || i >= g->in[d]) {
            return -1;
        }
        offset += i * strides->pixel[d];
    }
    return offset;
}

static double sum_taps(const pith_run *run, const pithi_conv_geometry *g, const image_strides *strides, int64_t image,
                       int64_t m, const int64_t o[3])
{
    int64_t in_per_group = g->in_channels / g->group, out_per_group = g->out_channels / g->group;
    int64_t group = m / out_per_group, n_taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    double sum = 0.0;
    for (int64_t tap = 0; tap < n_taps; tap++) {
        int64_t k[3] = { tap / (g->kernel[1] * g->kernel[2]), tap / g->kernel[2] % g->kernel[1], tap % g->kernel[2] };
        int64_t at = input_offset(g, strides, o, k);
        for (int64_t c = 0; c < in_per_group && at >= 0; c++) {
            int64_t channel = group * in_per_group + c;
            int64_t row = g->is_transposed ? channel * out_per_group + m % out_per_group : m * in_per_group + c;
            sum += pithi_tensor_get_f64(&run->inputs[0], image * strides->image + at + channel * strides->channel) *
                   pithi_tensor_get_f64(&run->inputs[1], row * n_taps + tap);
        }
    }
    return sum;
}

static bool has_input(const pith_run *run, int index)
{
    return run->n_inputs > index && run->inputs[index].dtype != PITH_DTYPE_NONE;
}

void pithi_conv_ref(const pith_run *run, bool is_transposed)
{
    const pithi_conv_attrs *attrs = run->attrs;
    pithi_conv_geometry g;
    if (pithi_conv_geometry_of(NULL, attrs, &run->inputs[0].shape, &run->inputs[1].shape, is_transposed, &g) !=
        PITH_OK) {
        return; /* infer has checked it */
    }
    image_strides in = strides_of(g.channels_last && !g.reads_planes, g.in_channels, g.in);
    image_strides out = strides_of(g.channels_last, g.out_channels, g.out);
    int64_t n_pixels = g.out[0] * g.out[1] * g.out[2];
    for (int64_t i = 0; i < g.batch * g.out_channels * n_pixels; i++) {
        int64_t image = i / (g.out_channels * n_pixels), m = i / n_pixels % g.out_channels, p = i % n_pixels;
        int64_t o[3] = { p / (g.out[1] * g.out[2]), p / g.out[2] % g.out[1], p % g.out[2] };
        int64_t at =
            image * out.image + m * out.channel + o[0] * out.pixel[0] + o[1] * out.pixel[1] + o[2] * out.pixel[2];
        double value = sum_taps(run, &g, &in, image, m, o);
        value += has_input(run, 2) ? pithi_tensor_get_f64(&run->inputs[2], m) : 0.0;
        const double residual = has_input(run, 3) ? pithi_tensor_get_f64(&run->inputs[3], at) : 0.0;
        value += attrs->residual_behind ? 0.0 : residual;
        if (has_input(run, PITHI_CONV_SLOPE)) {
            value *= value < 0.0 ? pithi_tensor_get_f64(&run->inputs[PITHI_CONV_SLOPE], m) : 1.0;
        } else {
            value = pithi_activation_f64(&attrs->activation, value);
        }
        pithi_tensor_set_f64(&run->outputs[0], at, value + (attrs->residual_behind ? residual : 0.0));
    }
}

#define MAX_VARIANTS 4096 /* phases of a transposed convolution; one with larger strides is left to the reference */

bool pithi_conv_is_reasonable(const pithi_conv_geometry *g)
{
    double volume = (double)g->in_channels;
    int64_t n_variants = 1;
    for (int d = 0; d < 3; d++) {
        int64_t extent = (g->kernel[d] - 1) * g->dilation[d] + 1;
        int64_t padded = pithi_max_s64(g->in[d], (g->out[d] - 1) * (g->is_transposed ? 1 : g->stride[d])) + extent;
        if (padded > INT32_MAX / 2 || n_variants > MAX_VARIANTS) {
            return false;
        }
        volume *= (double)padded;
        n_variants *= g->is_transposed ? g->stride[d] : 1;
    }
    return volume < 0x1p40 && n_variants <= MAX_VARIANTS;
}
