/* SPDX-License-Identifier: Apache-2.0 */
/* What conv and conv_transpose share: attributes, geometry, reference, and the float32 engine that runs
 * both as products of row pointers (see kernels/gemm_f32.h) on channels-last images. */
#ifndef PITH_OPS_SHARED_CONV_H
#define PITH_OPS_SHARED_CONV_H

#include "ops/op.h"

typedef struct pithi_conv_attrs {
    int64_t auto_pad; /* pithi_auto_pad */
    int64_t group;
    int64_t channels_last; /* 0: [N, C, spatial...], 1: [N, spatial..., C]; of x, y and the residual */
    int64_t reads_planes;  /* of conv, where channels_last is set: x is [N, C, spatial...] all the same */
    pith_ints dilations, kernel_shape, pads, strides;
    pith_ints output_padding, output_shape; /* conv_transpose */
    pith_activation activation;
    int64_t residual_behind; /* the residual is added to what the activation gives, instead of in front of it */
} pithi_conv_attrs;

typedef enum pithi_auto_pad {
    PITHI_AUTO_PAD_NOTSET,
    PITHI_AUTO_PAD_SAME_UPPER,
    PITHI_AUTO_PAD_SAME_LOWER,
    PITHI_AUTO_PAD_VALID
} pithi_auto_pad;

extern const char *const pithi_auto_pad_choices[];

#define PITHI_CONV_SLOPE 4 /* input of conv */

#define PITHI_CONV_ATTRS                                                                           \
    PITH_ATTR_CHOICE(pithi_conv_attrs, auto_pad, "auto_pad", 0, pithi_auto_pad_choices),           \
    PITH_ATTR_INTS(pithi_conv_attrs, dilations, "dilations"),                                      \
    PITH_ATTR_INT(pithi_conv_attrs, group, "group", 1),                                            \
    PITH_ATTR_INTS(pithi_conv_attrs, kernel_shape, "kernel_shape"),                                \
    PITH_ATTR_INTS(pithi_conv_attrs, pads, "pads"),                                                \
    PITH_ATTR_INTS(pithi_conv_attrs, strides, "strides"),                                          \
    PITH_ATTR_OWN_INT(pithi_conv_attrs, channels_last, "channels_last", 0),                            \
    PITHI_ACTIVATION_ATTRS(pithi_conv_attrs, activation)

/* Most that kernel, stride, dilation and given padding may be: products stay in 64 bits. */
#define PITHI_CONV_MAX_FACTOR ((int64_t)1 << 20)

/* Sizes with defaults and automatic padding resolved. Missing spatial dimensions stand in front with size
 * 1, so that [0] is depth, [1] height, [2] width. */
typedef struct pithi_conv_geometry {
    bool is_transposed, channels_last, reads_planes;
    int n_spatial;
    int64_t batch, group, in_channels, out_channels;
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3];
    int64_t pad[3]; /* in front; what lies behind follows from the sizes */
} pithi_conv_geometry;

/* Every channel by itself. */
static inline bool pithi_conv_is_depthwise(const pithi_conv_geometry *g)
{
    return g->group > 1 && g->group == g->in_channels && g->out_channels == g->in_channels;
}

static inline int64_t pithi_conv_taps(const pithi_conv_geometry *g)
{
    return g->kernel[0] * g->kernel[1] * g->kernel[2];
}

/* A window of 3x3 pixels at every place of a plane: what Winograd's schemes are for. */
static inline bool pithi_conv_is_3x3(const pithi_conv_geometry *g)
{
    return !g->is_transposed && g->group == 1 && g->kernel[0] == 1 && g->in[0] == 1 && g->pad[0] == 0 &&
           g->out[0] == 1 && g->kernel[1] == 3 && g->kernel[2] == 3 && g->stride[1] == 1 && g->stride[2] == 1 &&
           g->dilation[1] == 1 && g->dilation[2] == 1 && g->out[1] > 0 && g->out[2] > 0;
}

/* False for shapes that only a hostile model has: the sizes of padded inputs must fit the kernels' int, and the bytes
 * of gathered inputs stay far from overflow. Such convolutions are left to the reference. */
bool pithi_conv_is_reasonable(const pithi_conv_geometry *g);

/* From the shapes of x [N, C, spatial...] (or channels-last) and w [M, C / group, kernel...]; for a
 * transposed convolution w is [C, M / group, kernel...]. */
pith_status pithi_conv_geometry_of(pith_ctx *ctx, const pithi_conv_attrs *attrs, const pith_shape *x,
                                   const pith_shape *w, bool is_transposed, pithi_conv_geometry *geometry_out);
pith_status pithi_conv_infer(pith_infer *infer, bool is_transposed);
void pithi_conv_ref(const pith_run *run, bool is_transposed);
void pithi_conv_cost(const pith_infer *infer, pith_cost *cost, bool is_transposed);
bool pithi_conv_to_channels_last(pith_graph *graph, pith_node *node);

/* There is a kernel that reads x as planes: few channels, small kernels. */
bool pithi_conv_takes_planes(const pithi_conv_geometry *g);

/* ---- float32 engine ------------------------------------------------------------------------- */

/* Sets use_run where there is a fast path; pithi_conv_f32_run() is the matching run. */
pith_status pithi_conv_f32_prepare(pith_prepare *prepare, bool is_transposed);
void pithi_conv_f32_run(const pith_run *run, const pith_part *part);
/* Channels-last x, residual and y may be windows. */
bool pithi_conv_f32_takes_window(const pith_node *node, int index);

#endif
