/* SPDX-License-Identifier: Apache-2.0 */
/* Padding of spatial dimensions in front of a convolution or pool goes into its own padding, where the padded
 * values are what it pads with itself: zeros for convolutions and averages that count them, the smallest
 * number for maxima. */
#include <float.h>

#include "passes/rewrite.h"

#define MAX_SPATIAL (PITH_MAX_RANK - 2)
#define MAX_PAD ((int64_t)1 << 24) /* what convolutions take; sums stay in 64 bits */

typedef struct padding {
    int n_spatial;
    int64_t begin[MAX_SPATIAL], end[MAX_SPATIAL];
    double value;
} padding;

enum { PAD_PADS = 1, PAD_VALUE, PAD_AXES };

static bool read_axes(const pith_node *pad, int count, int rank, int64_t *axes)
{
    const pith_value *given = pithi_node_input(pad, PAD_AXES);
    for (int i = 0; i < count; i++) {
        axes[i] = i;
    }
    return given ? pithi_constant_ints(given->constant, axes, PITH_MAX_RANK) == count : count == rank;
}

/* Padding of an image of rank `rank`, if batch and channels get none. */
static bool read_padding(const pith_node *pad, int rank, padding *out)
{
    int64_t pads[2 * PITH_MAX_RANK], axes[PITH_MAX_RANK];
    const pith_value *value = pithi_node_input(pad, PAD_VALUE);
    int count = pithi_constant_ints(pithi_constant_input(pad, PAD_PADS), pads, PITH_COUNT(pads)) / 2;
    *out = (padding){ .n_spatial = rank - 2 };
    if (count < 1 || rank < 3 || rank > PITH_MAX_RANK || !pithi_same_text(pithi_attr_choice(pad, "mode"), "constant") ||
        !read_axes(pad, count, rank, axes) || (value && !pithi_is_uniform(value->constant, &out->value))) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        bool is_usual = pads[i] >= 0 && pads[i] <= MAX_PAD && pads[count + i] >= 0 && pads[count + i] <= MAX_PAD;
        if (!is_usual || axis < 0 || axis >= rank || (axis < 2 && (pads[i] || pads[count + i]))) {
            return false;
        }
        if (axis >= 2) {
            out->begin[axis - 2] += pads[i];
            out->end[axis - 2] += pads[count + i];
        }
    }
    return true;
}

/* Adds the padding that the node has itself; false if that depends on shapes. */
static bool add_own(const pith_node *node, padding *sum, bool *has_own_out)
{
    pith_ints own = pithi_attr_ints(node, "pads");
    const char *mode = pithi_attr_choice(node, "auto_pad");
    bool is_given = pithi_same_text(mode, "NOTSET");
    *has_own_out = false;
    if ((!is_given && !pithi_same_text(mode, "VALID")) || pithi_attr_int(node, "channels_last")) {
        return false;
    }
    if (!is_given || own.n_items == 0) {
        return true;
    }
    for (int i = 0; i < sum->n_spatial && own.n_items == 2 * sum->n_spatial; i++) {
        if (own.items[i] < 0 || own.items[i] > MAX_PAD || own.items[sum->n_spatial + i] < 0 ||
            own.items[sum->n_spatial + i] > MAX_PAD) {
            return false;
        }
        *has_own_out |= own.items[i] || own.items[sum->n_spatial + i];
        sum->begin[i] += own.items[i];
        sum->end[i] += own.items[sum->n_spatial + i];
    }
    return own.n_items == 2 * sum->n_spatial;
}

/* Pools want every window to see some of the image. */
static bool fits_kernel(const pith_node *node, const padding *sum)
{
    pith_ints kernel = pithi_attr_ints(node, "kernel_shape");
    for (int i = 0; i < sum->n_spatial; i++) {
        if (i >= kernel.n_items || sum->begin[i] >= kernel.items[i] || sum->end[i] >= kernel.items[i]) {
            return false;
        }
    }
    return true;
}

static int rank_of_image(const pith_node *node)
{
    const pith_value *weights = pithi_is(node, "conv") ? pithi_node_input(node, 1) : NULL;
    return weights && weights->has_shape ? weights->shape.rank
           : node->inputs[0]->has_shape  ? node->inputs[0]->shape.rank
                                         : 0;
}

static pith_status fuse(pith_graph *graph, pith_node *node, const pith_node *pad, int *n_changes)
{
    padding sum;
    bool has_own = false, is_average = pithi_is(node, "average_pool"), is_conv = pithi_is(node, "conv");
    if (!read_padding(pad, rank_of_image(node), &sum) || !add_own(node, &sum, &has_own) ||
        (!is_conv && (pithi_attr_int(node, "ceil_mode") || !fits_kernel(node, &sum)))) {
        return PITH_OK;
    }
    bool counts = is_average && pithi_attr_int(node, "count_include_pad");
    bool same_value = is_conv || is_average ? sum.value == 0.0 : sum.value <= -FLT_MAX;
    if (!same_value || (is_average && has_own && !counts)) {
        return PITH_OK;
    }
    int64_t pads[2 * MAX_SPATIAL];
    memcpy(pads, sum.begin, (size_t)sum.n_spatial * sizeof *pads);
    memcpy(pads + sum.n_spatial, sum.end, (size_t)sum.n_spatial * sizeof *pads);
    PITH_TRY(pithi_attr_set_ints(&graph->arena, node, "pads", pads, 2 * sum.n_spatial));
    PITH_TRY(pithi_attr_set_int(graph->ctx, node, "auto_pad", 0));
    if (is_average) {
        PITH_TRY(pithi_attr_set_int(graph->ctx, node, "count_include_pad", 1));
    }
    pithi_set_input(node, 0, pad->inputs[0]);
    ++*n_changes;
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    for (pith_node *node = graph->first; node; node = node->next) {
        bool takes = pithi_is(node, "conv") || pithi_is(node, "average_pool") ||
                     (pithi_is(node, "max_pool") && (node->n_outputs < 2 || !node->outputs[1]));
        const pith_node *pad = takes && node->inputs[0] ? node->inputs[0]->producer : NULL;
        if (pithi_is(pad, "pad")) {
            PITH_TRY(fuse(graph, node, pad, n_changes));
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_pad = {
    .name = "fuse_pad",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "moves padding into the convolutions and pools behind it",
    .run = run,
};
