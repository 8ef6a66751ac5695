/* SPDX-License-Identifier: Apache-2.0 */
/* A 1x1 convolution of a concatenation, one piece of which is the same in all pixels (image pooling in the heads of
 * DeepLabV3, Chen et al. 2017): what that piece adds is computed once, and becomes the bias.
 *
 *   conv(concat(a spread over all pixels, b), [Wa Wb], bias) = conv(b, Wb, conv(a, Wa, bias)) */
#include "ops/shared_resize.h"
#include "passes/rewrite.h"

enum { X, W, BIAS };

static bool all_are(pith_ints list, int64_t wanted)
{
    for (int i = 0; i < list.n_items; i++) {
        if (list.items[i] != wanted) {
            return false;
        }
    }
    return true;
}

static bool is_pointwise(const pith_node *node)
{
    const pith_tensor *w = pithi_is(node, "conv") ? pithi_constant_input(node, W) : NULL;
    const pith_value *bias = pithi_node_input(node, BIAS);
    return w && w->dtype == PITH_DTYPE_F32 && w->shape.rank == 4 && w->shape.dims[2] == 1 && w->shape.dims[3] == 1 &&
           (!bias || bias->constant) && pithi_attr_int(node, "group") == 1 && !pithi_attr_int(node, "channels_last") &&
           all_are(pithi_attr_ints(node, "strides"), 1) && all_are(pithi_attr_ints(node, "pads"), 0);
}

/* False for a resize that mixes channels, or may do so. */
static bool keeps_channels(const pith_node *resize)
{
    pith_tensor inputs[4] = { { 0 } };
    pithi_resize_axis axes[PITH_MAX_RANK];
    inputs[0] = (pith_tensor){ .dtype = resize->inputs[0]->dtype, .shape = resize->inputs[0]->shape };
    for (int i = 1; i < resize->n_inputs && i < PITH_COUNT(inputs); i++) {
        const pith_value *value = resize->inputs[i];
        if (value && !value->constant) {
            return false;
        }
        inputs[i] = value ? *value->constant : inputs[i];
    }
    pithi_resize_axes(resize->attrs, inputs, PITH_COUNT(inputs), axes);
    return axes[1].is_identity;
}

/* The single pixel [1, C, 1, 1] that `value` [1, C, H, W] repeats, or NULL. */
static pith_value *find_pixel(const pith_value *value)
{
    const pith_node *node = value->producer;
    pith_value *pixel = node ? pithi_node_input(node, 0) : NULL;
    if (!pixel || !pithi_value_has_dims(pixel) || !pithi_value_has_dims(value) || value->shape.rank != 4 ||
        value->dtype != PITH_DTYPE_F32 || value->shape.dims[2] * value->shape.dims[3] < 2) {
        return NULL;
    }
    const pith_shape wanted = { 4, { 1, value->shape.dims[1], 1, 1 } };
    bool repeats = pithi_is(node, "expand") ||
                   (pithi_is(node, "resize") && keeps_channels(node) &&
                    pithi_same_text(pithi_attr_choice(node, "mode"), "linear") &&
                    !pithi_same_text(pithi_attr_choice(node, "coordinate_transformation_mode"), "tf_crop_and_resize"));
    return repeats && pith_shape_equal(&pixel->shape, &wanted) ? pixel : NULL;
}

/* Columns [begin, end) of weights [M, C, 1, 1], or all others. */
static pith_status cut_weights(pith_graph *graph, const pith_tensor *w, const int64_t range[2], bool is_inside,
                               pith_value **value_out)
{
    const int64_t n_rows = w->shape.dims[0], n_all = w->shape.dims[1], length = range[1] - range[0];
    pith_shape shape = { 4, { n_rows, is_inside ? length : n_all - length, 1, 1 } };
    pith_tensor fresh;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &fresh, value_out));
    float *to = fresh.data;
    for (int64_t i = 0; i < n_rows * n_all; i++) {
        if ((i % n_all >= range[0] && i % n_all < range[1]) == is_inside) {
            *to++ = pithi_load_f32((const float *)w->data + i);
        }
    }
    return PITH_OK;
}

/* All inputs of `concat` but one. */
static pith_status join_others(pith_graph *graph, pith_node *before, const pith_node *concat, int without,
                               pith_value **joined_out)
{
    void *block = NULL;
    pith_node *node = NULL;
    int n = 0;
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)concat->n_inputs, sizeof(pith_value *), &block));
    pith_value **others = block;
    for (int i = 0; i < concat->n_inputs; i++) {
        others[n] = concat->inputs[i];
        n += i != without;
    }
    *joined_out = others[0];
    if (n > 1) {
        PITH_TRY(pithi_insert(graph, before, "concat", others, n, &node));
        *joined_out = node->outputs[0];
        return pithi_attr_set_int(graph->ctx, node, "axis", 1);
    }
    return PITH_OK;
}

static pith_status fold(pith_graph *graph, pith_node *conv, const pith_node *concat, int piece, pith_value *pixel)
{
    const pith_shape flat = { 1, { conv->inputs[W]->constant->shape.dims[0] } };
    int64_t range[2] = { 0, 0 };
    for (int i = 0; i <= piece; i++) {
        range[0] = range[1];
        range[1] += concat->inputs[i]->shape.dims[1];
    }
    pith_value *inside = NULL, *outside = NULL, *dims = NULL, *others = NULL;
    pith_node *added = NULL, *view = NULL;
    PITH_TRY(cut_weights(graph, conv->inputs[W]->constant, range, true, &inside));
    PITH_TRY(cut_weights(graph, conv->inputs[W]->constant, range, false, &outside));
    PITH_TRY(join_others(graph, conv, concat, piece, &others));
    pith_value *operands[] = { pixel, inside, pithi_node_input(conv, BIAS) };
    PITH_TRY(pithi_insert(graph, conv, "conv", operands, operands[BIAS] ? 3 : 2, &added));
    PITH_TRY(pithi_graph_add_s64s(graph, flat.dims, 1, &dims));
    PITH_TRY(pithi_insert(graph, conv, "reshape", (pith_value *[]){ added->outputs[0], dims }, 2, &view));
    pithi_set_input(conv, X, others);
    pithi_set_input(conv, W, outside);
    PITH_TRY(pithi_node_resize_inputs(graph, conv, conv->n_inputs > BIAS ? conv->n_inputs : BIAS + 1));
    pithi_set_input(conv, BIAS, view->outputs[0]);
    return PITH_OK;
}

static pith_status visit(pith_graph *graph, pith_node *conv, int *n_changes)
{
    pith_node *concat = is_pointwise(conv) ? pithi_sole_producer(conv->inputs[X], "concat") : NULL;
    const int64_t axis = concat ? pithi_attr_int(concat, "axis") : 0;
    bool is_known = concat && concat->n_inputs > 1 && (axis == 1 || axis == 1 - 4);
    int64_t n_channels = 0;
    for (int i = 0; i < (is_known ? concat->n_inputs : 0); i++) {
        is_known = is_known && concat->inputs[i] && pithi_value_has_dims(concat->inputs[i]) &&
                   concat->inputs[i]->shape.rank == 4 && concat->inputs[i]->shape.dims[0] == 1;
        n_channels += is_known ? concat->inputs[i]->shape.dims[1] : 0;
    }
    is_known = is_known && n_channels == conv->inputs[W]->constant->shape.dims[1];
    for (int i = 0; is_known && i < concat->n_inputs; i++) {
        pith_value *pixel = find_pixel(concat->inputs[i]);
        if (pixel) {
            ++*n_changes;
            return fold(graph, conv, concat, i, pixel);
        }
    }
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        PITH_TRY(visit(graph, node, n_changes));
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fold_pooled = {
    .name = "fold_pooled",
    .stages = PITH_STAGE_MODEL,
    .help = "turns what is the same in all pixels of a 1x1 convolution's input into its bias",
    .run = run,
};
