/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes do, as affine maps. */
#include <math.h>

#include "passes/affine.h"
#include "passes/linear.h"

#define MAX_ITEM ((int64_t)1 << 16) /* of kernel sizes, strides, dilations and pads that are taken */

enum { NORM_SCALE = 1, NORM_BIAS, NORM_MEAN, NORM_VARIANCE };

/* ---- geometry ------------------------------------------------------------------------------- */

static bool read_item(pith_ints list, int n_wanted, int index, int64_t least, int64_t *item)
{
    if (list.n_items == 0) {
        return true;
    }
    if (list.n_items != n_wanted || list.items[index] < least || list.items[index] > MAX_ITEM) {
        return false;
    }
    *item = list.items[index];
    return true;
}

/* Windows of a convolution or pool with these kernel sizes. Automatic padding is a matter of sizes unless the stride
 * is 1. */
static bool read_windows(const pith_node *node, const int64_t *kernel, pithi_affine *map)
{
    const char *mode = pithi_attr_choice(node, "auto_pad");
    bool is_valid = pithi_same_text(mode, "VALID"), is_given = pithi_same_text(mode, "NOTSET");
    int n = map->n_axes;
    for (int i = 0; i < n; i++) {
        int64_t begin = 0, end = 0;
        pithi_affine_axis *axis = &map->axes[i];
        if (kernel[i] < 1 || kernel[i] > MAX_ITEM ||
            !read_item(pithi_attr_ints(node, "strides"), n, i, 1, &axis->stride) ||
            !read_item(pithi_attr_ints(node, "dilations"), n, i, 1, &axis->step)) {
            return false;
        }
        int64_t extent = (kernel[i] - 1) * axis->step;
        if (is_given) {
            pith_ints given = pithi_attr_ints(node, "pads");
            if (!read_item(given, 2 * n, i, 0, &begin) || !read_item(given, 2 * n, n + i, 0, &end)) {
                return false;
            }
        } else if (!is_valid) {
            begin = pithi_same_text(mode, "SAME_UPPER") ? extent / 2 : extent - extent / 2;
            end = extent - begin;
            if (axis->stride != 1) {
                return false;
            }
        }
        axis->n_taps = kernel[i];
        axis->low = -begin;
        axis->extra = begin + end - extent;
    }
    return true;
}

static bool is_bias(const pith_value *bias, int64_t n_channels)
{
    return bias->constant && bias->constant->dtype == PITH_DTYPE_F32 && bias->shape.rank == 1 &&
           bias->shape.dims[0] == n_channels;
}

static bool map_conv(const pith_node *node, int64_t n_channels, pithi_affine *map)
{
    const pith_tensor *weights = pithi_constant_input(node, PITHI_LINEAR_WEIGHTS);
    const pith_value *bias = pithi_node_input(node, PITHI_LINEAR_BIAS);
    int64_t group = pithi_attr_int(node, "group");
    if (!weights || weights->dtype != PITH_DTYPE_F32 || weights->shape.rank != map->n_axes + 2 || group < 1 ||
        pithi_attr_int(node, "channels_last")) {
        return false;
    }
    const int64_t *dims = weights->shape.dims;
    if (dims[0] < 1 || dims[0] % group != 0 || n_channels % group != 0 || dims[1] != n_channels / group ||
        (bias && !is_bias(bias, dims[0]))) {
        return false;
    }
    map->n_out = dims[0];
    map->group = group;
    map->has_bias = bias != NULL;
    return read_windows(node, dims + 2, map);
}

/* Averages of what lies inside only are other ones at the border. */
static bool map_average(const pith_node *node, pithi_affine *map)
{
    pith_ints kernel = pithi_attr_ints(node, "kernel_shape");
    if (kernel.n_items != map->n_axes || pithi_attr_int(node, "ceil_mode") || pithi_attr_int(node, "channels_last") ||
        !read_windows(node, kernel.items, map)) {
        return false;
    }
    bool counts = pithi_attr_int(node, "count_include_pad") != 0;
    for (int i = 0; i < map->n_axes; i++) {
        int64_t end = map->axes[i].extra + map->axes[i].low + (map->axes[i].n_taps - 1) * map->axes[i].step;
        if (!counts && (map->axes[i].low != 0 || end != 0)) {
            return false;
        }
    }
    return true;
}

static bool map_norm(const pith_node *node, int64_t n_channels, pithi_affine *map)
{
    bool fits = node->n_inputs == 5 && pithi_attr_int(node, "training_mode") == 0 &&
                pithi_attr_int(node, "channels_last") == 0;
    for (int i = 1; i < node->n_outputs; i++) {
        fits = fits && node->outputs[i] == NULL;
    }
    for (int i = NORM_SCALE; i <= NORM_VARIANCE && fits; i++) {
        fits = node->inputs[i] && is_bias(node->inputs[i], n_channels);
    }
    map->has_bias = true;
    return fits;
}

static bool map_constant(const pith_node *node, int operand, int64_t n_channels, pithi_affine *map)
{
    const pithi_linear shape = { .n_channels = n_channels, .channel_from_end = map->n_axes, .rank = map->n_axes + 2 };
    bool is_factor = pithi_is(node, "mul") || pithi_is(node, "div");
    map->has_bias = !is_factor;
    return node->n_inputs == 2 && (operand == 0 || !pithi_is(node, "div")) &&
           pithi_linear_is_channel_constant(&shape, pithi_constant_input(node, 1 - operand));
}

static bool is_arithmetic(const pith_node *node)
{
    return pithi_is(node, "mul") || pithi_is(node, "div") || pithi_is(node, "add") || pithi_is(node, "sub");
}

bool pithi_affine_of_node(const pith_node *node, int *operand_out, pithi_affine *map_out)
{
    int operand = node && is_arithmetic(node) && node->n_inputs == 2 && pithi_constant_input(node, 0) ? 1 : 0;
    const pith_value *x = node ? pithi_node_input(node, operand) : NULL, *y = node ? pithi_node_result(node) : NULL;
    if (!x || !y || x->constant || !x->has_shape || x->dtype != PITH_DTYPE_F32 || x->shape.rank < 3 ||
        x->shape.rank > PITHI_AFFINE_AXES + 2 || x->shape.dims[1] < 1) {
        return false;
    }
    int64_t n_channels = x->shape.dims[1];
    *operand_out = operand;
    *map_out = pithi_affine_identity(x->shape.rank - 2, n_channels);
    return pithi_is(node, "conv")                  ? map_conv(node, n_channels, map_out)
           : pithi_is(node, "average_pool")        ? map_average(node, map_out)
           : pithi_is(node, "batch_normalization") ? map_norm(node, n_channels, map_out)
           : is_arithmetic(node)                   ? map_constant(node, operand, n_channels, map_out)
                                                   : pithi_is(node, "neg");
}

/* ---- weights -------------------------------------------------------------------------------- */

/* [M, C / group, taps] to [M, taps, C / group] */
static void fill_conv(const pith_node *node, pithi_affine *map)
{
    const float *from = pithi_constant_input(node, PITHI_LINEAR_WEIGHTS)->data; /* at any alignment */
    const pith_tensor *bias = pithi_constant_input(node, PITHI_LINEAR_BIAS);
    int64_t n_taps = pithi_affine_taps(map), width = map->n_in / map->group;
    for (int64_t o = 0; o < map->n_out; o++) {
        for (int64_t c = 0; c < width; c++) {
            for (int64_t k = 0; k < n_taps; k++) {
                const double weight = (double)pithi_load_f32(from + (o * width + c) * n_taps + k);
                map->weights[(o * n_taps + k) * width + c] = weight;
            }
        }
        map->bias[o] = bias ? pithi_tensor_get_f64(bias, o) : 0.0;
    }
}

static void fill_norm(const pith_node *node, pithi_affine *map)
{
    double epsilon = (double)pithi_attr_float(node, "epsilon");
    for (int64_t i = 0; i < map->n_out; i++) {
        double variance = pithi_tensor_get_f64(pithi_constant_input(node, NORM_VARIANCE), i);
        map->weights[i] = pithi_tensor_get_f64(pithi_constant_input(node, NORM_SCALE), i) / sqrt(variance + epsilon);
        map->bias[i] = pithi_tensor_get_f64(pithi_constant_input(node, NORM_BIAS), i) -
                       pithi_tensor_get_f64(pithi_constant_input(node, NORM_MEAN), i) * map->weights[i];
    }
}

static void fill_constant(const pith_node *node, int operand, pithi_affine *map)
{
    const pith_tensor *constant = pithi_constant_input(node, 1 - operand);
    bool is_factor = pithi_is(node, "mul") || pithi_is(node, "div"), is_difference = pithi_is(node, "sub");
    for (int64_t i = 0; i < map->n_out; i++) {
        double item = pithi_channel_item(constant, i);
        map->weights[i] = pithi_is(node, "mul") ? item : pithi_is(node, "div") ? 1.0 / item : 1.0;
        map->bias[i] = is_factor ? 0.0 : item;
        if (is_difference) { /* x - c, or c - x */
            map->bias[i] *= operand == 0 ? -1.0 : 1.0;
            map->weights[i] *= operand == 0 ? 1.0 : -1.0;
        }
    }
}

pith_status pithi_affine_fill(pithi_arena *arena, const pith_node *node, int operand, pithi_affine *map)
{
    PITH_TRY(pithi_affine_new_weights(arena, map));
    if (pithi_is(node, "conv")) {
        fill_conv(node, map);
    } else if (pithi_is(node, "batch_normalization")) {
        fill_norm(node, map);
    } else if (is_arithmetic(node)) {
        fill_constant(node, operand, map);
    } else { /* neg, or a mean: one channel of inputs, and as many weights for each as there are taps */
        int64_t n = pithi_affine_weights(map);
        for (int64_t i = 0; i < n; i++) {
            map->weights[i] = pithi_is(node, "neg") ? -1.0 : 1.0 / (double)pithi_affine_taps(map);
        }
    }
    return PITH_OK;
}
