/* SPDX-License-Identifier: Apache-2.0 */
/* The focus layer of YOLO v5 and YOLOX: every second pixel in four ways, joined as channels, then a convolution. That
 * is a convolution of the image itself with a kernel of twice the size and stride, whose taps are those of the four
 * parts: w2[m, c, 2 i + dy, 2 j + dx] = w[m, part(dy, dx) C + c, i, j]. */
#include "passes/rewrite.h"

enum { N_PARTS = 4, SLICE_STARTS = 1, SLICE_AXES = 3, SLICE_STEPS = 4 };

typedef struct focus {
    pith_value *image;
    int part_of[2][2]; /* [row][column] offset -> which input of the concatenation */
} focus;

/* Adds the slice's offsets; false unless it takes every second row or column. */
static bool read_slice(const pith_node *slice, bool halved[2], int64_t offset[2])
{
    int64_t starts[PITH_MAX_RANK], axes[PITH_MAX_RANK], steps[PITH_MAX_RANK];
    int count = pithi_constant_ints(pithi_constant_input(slice, SLICE_STARTS), starts, PITH_MAX_RANK);
    if (count < 1 || pithi_constant_ints(pithi_constant_input(slice, SLICE_AXES), axes, PITH_MAX_RANK) != count ||
        pithi_constant_ints(pithi_constant_input(slice, SLICE_STEPS), steps, PITH_MAX_RANK) != count) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
        if (axis < 2 || axis > 3 || steps[i] != 2 || starts[i] < 0 || starts[i] > 1 || halved[axis - 2]) {
            return false;
        }
        halved[axis - 2] = true;
        offset[axis - 2] = starts[i];
    }
    return true;
}

/* The image that `part` is a quarter of, and which one. */
static pith_value *image_of(const pith_value *part, int64_t offset[2])
{
    bool halved[2] = { false, false };
    const pith_node *slice = part->producer;
    while (slice && pithi_is(slice, "slice") && read_slice(slice, halved, offset)) {
        if (halved[0] && halved[1]) {
            return slice->inputs[0];
        }
        slice = slice->inputs[0]->producer;
    }
    return NULL;
}

static bool is_quarter(const pith_value *part, const pith_value *image)
{
    const pith_shape *a = &part->shape, *b = &image->shape;
    return pithi_value_has_dims(part) && pithi_value_has_dims(image) && a->rank == 4 && b->rank == 4 &&
           a->dims[0] == b->dims[0] && a->dims[1] == b->dims[1] && 2 * a->dims[2] == b->dims[2] &&
           2 * a->dims[3] == b->dims[3];
}

static bool find_focus(const pith_node *concat, focus *out)
{
    unsigned seen = 0;
    bool is_axis_1 = pithi_is(concat, "concat") && concat->n_inputs == N_PARTS && pithi_attr_int(concat, "axis") == 1;
    for (int i = 0; i < N_PARTS && is_axis_1; i++) {
        int64_t offset[2] = { 0, 0 };
        pith_value *image = concat->inputs[i] ? image_of(concat->inputs[i], offset) : NULL;
        if (!image || (i > 0 && image != out->image) || !is_quarter(concat->inputs[i], image)) {
            return false;
        }
        out->image = image;
        out->part_of[offset[0]][offset[1]] = i;
        seen |= 1u << (2 * offset[0] + offset[1]);
    }
    return seen == 15;
}

/* ---- the convolution ---------------------------------------------------------------------------- */

static bool all_are(pith_ints list, int64_t wanted)
{
    for (int i = 0; i < list.n_items; i++) {
        if (list.items[i] != wanted) {
            return false;
        }
    }
    return true;
}

static bool is_plain_conv(const pith_node *node)
{
    const pith_tensor *w = pithi_is(node, "conv") ? pithi_constant_input(node, 1) : NULL;
    return w && w->dtype == PITH_DTYPE_F32 && w->shape.rank == 4 && pithi_attr_int(node, "group") == 1 &&
           !pithi_attr_int(node, "channels_last") && all_are(pithi_attr_ints(node, "dilations"), 1) &&
           pithi_same_text(pithi_attr_choice(node, "auto_pad"), "NOTSET");
}

static pith_status double_weights(pith_graph *graph, pith_node *conv, const focus *from)
{
    const pith_tensor *old = conv->inputs[1]->constant;
    const int64_t n_channels = from->image->shape.dims[1], kh = old->shape.dims[2], kw = old->shape.dims[3];
    pith_shape shape = { 4, { old->shape.dims[0], n_channels, 2 * kh, 2 * kw } };
    pith_tensor fresh;
    pith_value *value = NULL;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &fresh, &value));
    const float *w = old->data;
    float *to = fresh.data;
    for (int64_t mc = 0; mc < shape.dims[0] * n_channels; mc++) {
        for (int64_t tap = 0; tap < 4 * kh * kw; tap++) {
            int64_t row = tap / (2 * kw), column = tap % (2 * kw), m = mc / n_channels;
            int64_t channel = from->part_of[row % 2][column % 2] * n_channels + mc % n_channels;
            to[mc * 4 * kh * kw + tap] = pithi_load_f32(
                w + ((m * N_PARTS * n_channels + channel) * kh + row / 2) * kw + column / 2);
        }
    }
    pithi_set_input(conv, 1, value);
    const int64_t kernel[] = { 2 * kh, 2 * kw };
    return pithi_attr_set_ints(&graph->arena, conv, "kernel_shape", kernel, 2);
}

static pith_status double_ints(pith_graph *graph, pith_node *conv, const char *name, int count, int64_t absent)
{
    pith_ints old = pithi_attr_ints(conv, name);
    int64_t doubled[4];
    for (int i = 0; i < count; i++) {
        doubled[i] = 2 * (old.n_items == count ? old.items[i] : absent);
    }
    return pithi_attr_set_ints(&graph->arena, conv, name, doubled, count);
}

static pith_status visit(pith_graph *graph, pith_node *conv, int *n_changes)
{
    focus from = { 0 };
    const pith_value *joined = conv->inputs[0];
    const pith_node *concat = joined ? joined->producer : NULL;
    if (!concat || !pithi_value_has_dims(pithi_node_result(conv)) || !find_focus(concat, &from)) {
        return PITH_OK;
    }
    PITH_TRY(double_weights(graph, conv, &from));
    PITH_TRY(double_ints(graph, conv, "strides", 2, 1));
    PITH_TRY(double_ints(graph, conv, "pads", 4, 0));
    pithi_set_input(conv, 0, from.image);
    ++*n_changes;
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        if (is_plain_conv(node) && node->inputs[0] && node->inputs[0]->n_uses == 1) {
            PITH_TRY(visit(graph, node, n_changes));
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_focus = {
    .name = "fuse_focus",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "makes one convolution of a focus layer",
    .run = run,
};
