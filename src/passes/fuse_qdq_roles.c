/* SPDX-License-Identifier: Apache-2.0 */
/* Which operators have an integer form between quantised tensors: what pass fuse_qdq executes and what quant/select.c
 * chooses. */
#include "passes/fuse_qdq.h"

static const struct {
    const char *name;
    pithi_qdq_role role;
} roles[] = {
    { "add", PITHI_QDQ_BINARY },          { "average_pool", PITHI_QDQ_UNARY },
    { "concat", PITHI_QDQ_CONCAT },       { "conv", PITHI_QDQ_PRODUCT },
    { "conv_transpose", PITHI_QDQ_PRODUCT },
    { "depth_to_space", PITHI_QDQ_MOVE }, { "expand", PITHI_QDQ_REPEAT },
    { "flatten", PITHI_QDQ_MOVE },        { "gather", PITHI_QDQ_MOVE },
    { "gemm", PITHI_QDQ_PRODUCT },        { "global_average_pool", PITHI_QDQ_UNARY },
    { "identity", PITHI_QDQ_MOVE },       { "layer_normalization", PITHI_QDQ_UNARY },
    { "matmul", PITHI_QDQ_PRODUCT },      { "max_pool", PITHI_QDQ_MOVE },
    { "mul", PITHI_QDQ_BINARY },          { "pad", PITHI_QDQ_MOVE },
    { "prelu", PITHI_QDQ_UNARY },         { "reduce_mean", PITHI_QDQ_UNARY },
    { "reshape", PITHI_QDQ_MOVE },        { "resize", PITHI_QDQ_MOVE },
    { "slice", PITHI_QDQ_MOVE },          { "softmax", PITHI_QDQ_UNARY },
    { "space_to_depth", PITHI_QDQ_MOVE }, { "split", PITHI_QDQ_MOVE },
    { "squeeze", PITHI_QDQ_MOVE },        { "sub", PITHI_QDQ_BINARY },
    { "tile", PITHI_QDQ_REPEAT },         { "transpose", PITHI_QDQ_MOVE },
    { "unsqueeze", PITHI_QDQ_MOVE },
};

static const char *const functions[] = {
    "abs",   "add",        "ceil",     "celu",  "clip",         "div",        "elu",
    "erf",   "exp",        "floor",    "gelu",  "hard_sigmoid", "hard_swish", "leaky_relu",
    "log",   "max",        "min",      "mish",  "mul",          "neg",        "pow",
    "prelu", "reciprocal", "relu",     "round", "selu",         "sigmoid",    "sign",
    "silu",  "softplus",   "softsign", "sqrt",  "sub",          "tanh",       "thresholded_relu",
};

bool pithi_qdq_is_function(const pith_node *node)
{
    for (int i = 0; i < PITH_COUNT(functions); i++) {
        if (pithi_is(node, functions[i])) {
            return node->n_outputs == 1 && node->n_inputs <= 4;
        }
    }
    return false;
}

int pithi_qdq_argument(const pith_node *node)
{
    int argument = -1;
    if (!pithi_qdq_is_function(node)) {
        return -1;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *input = node->inputs[i];
        if (!input || (input->constant && pith_shape_elements(&input->constant->shape) == 1 &&
                       pithi_dtype_is_float(input->constant->dtype))) {
            continue;
        }
        if (argument >= 0) {
            return -1;
        }
        argument = i;
    }
    return argument;
}

/* ---- conditions ------------------------------------------------------------------------------ */

/* Only output 0 is wanted, as far as the operator has others that would change its meaning. */
static bool has_one_result(const pith_node *node)
{
    for (int i = 1; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            return false;
        }
    }
    return node->n_outputs >= 1 && node->outputs[0];
}

static bool is_uniform_zero(const pith_value *value)
{
    double element = 1.0;
    return !value || (value->constant && pithi_is_uniform(value->constant, &element) && element == 0.0);
}

/* Movers that compute as well: the largest of some elements, zeros around them, means of neighbours. */
static bool is_plain_mover(const pith_node *node)
{
    if (pithi_is(node, "pad")) {
        bool is_constant = pithi_same_text(pithi_attr_choice(node, "mode"), "constant");
        return !is_constant || is_uniform_zero(pithi_node_input(node, 2));
    }
    if (pithi_is(node, "resize")) {
        return !pithi_same_text(pithi_attr_choice(node, "mode"), "cubic") && !pithi_attr_int(node, "antialias") &&
               !pithi_same_text(pithi_attr_choice(node, "coordinate_transformation_mode"), "tf_crop_and_resize");
    }
    return pithi_is(node, "split") || has_one_result(node);
}

bool pithi_qdq_rounds(const pith_node *node)
{
    return pithi_is(node, "resize") && pithi_same_text(pithi_attr_choice(node, "mode"), "linear");
}

bool pithi_qdq_mean_axes(const pith_node *node, bool *is_last_out)
{
    int64_t axes[PITH_MAX_RANK];
    const pith_value *x = node->inputs[0];
    const pith_tensor *list = pithi_constant_input(node, 1);
    int rank = x && x->has_shape ? x->shape.rank : 0, n = list ? pithi_constant_ints(list, axes, PITH_MAX_RANK) : -1;
    uint32_t mask = 0;
    for (int i = 0; i < n; i++) {
        mask |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
    }
    uint32_t spatial = rank >= 3 ? (1u << (rank - 2)) - 1 : 0; /* rank - 2 neighbouring axes */
    *is_last_out = mask == spatial << 1;
    return rank >= 3 && rank <= 5 && n > 0 && (*is_last_out || mask == spatial << 2);
}

static bool are_float_constants(const pith_node *node, int first)
{
    for (int i = first; i < node->n_inputs; i++) {
        const pith_value *input = node->inputs[i];
        if (input && (!input->constant || input->constant->dtype != PITH_DTYPE_F32)) {
            return false;
        }
    }
    return true;
}

/* Over the last axis alone, with an element of each constant for each of its elements. */
static bool is_row_norm(const pith_node *node)
{
    const pith_value *x = node->inputs[0];
    int64_t axis = pithi_attr_int(node, "axis"), n = -1;
    for (int i = 1; i < node->n_inputs; i++) {
        const pith_tensor *constant = pithi_constant_input(node, i);
        bool is_list = constant && constant->shape.rank == 1;
        bool fits = !node->inputs[i] || (is_list && (n < 0 || constant->shape.dims[0] == n));
        n = fits && constant ? constant->shape.dims[0] : n;
        if (!fits) {
            return false;
        }
    }
    return n > 0 && (axis == -1 || (x && x->has_shape && axis == x->shape.rank - 1));
}

/* One slope for all, or for each channel. */
static bool is_channel_prelu(const pith_node *node)
{
    const pith_value *x = node->inputs[0];
    const pith_tensor *slope = pithi_constant_input(node, 1);
    if (!x || !x->has_shape || x->shape.rank < 3 || !slope) {
        return false;
    }
    for (int i = 0; i < slope->shape.rank; i++) {
        int at = i + x->shape.rank - slope->shape.rank; /* axis of x */
        if (slope->shape.dims[i] != 1 && at != 1) {
            return false;
        }
    }
    return true;
}

static bool fits_unary(const pith_node *node)
{
    bool is_last;
    if (pithi_is(node, "reduce_mean")) {
        return pithi_qdq_mean_axes(node, &is_last);
    }
    if (pithi_is(node, "layer_normalization")) {
        return are_float_constants(node, 1) && is_row_norm(node);
    }
    return !pithi_is(node, "prelu") || (are_float_constants(node, 1) && is_channel_prelu(node));
}

pithi_qdq_role pithi_qdq_role_of(const pith_node *node)
{
    pithi_qdq_role role = PITHI_QDQ_NONE;
    for (int i = 0; i < PITH_COUNT(roles); i++) {
        role = pithi_is(node, roles[i].name) ? roles[i].role : role;
    }
    if (pithi_qdq_argument(node) >= 0) {
        return PITHI_QDQ_FUNCTION;
    }
    switch (role) {
    case PITHI_QDQ_BINARY: return node->n_inputs == 2 ? role : PITHI_QDQ_NONE;
    case PITHI_QDQ_MOVE: return is_plain_mover(node) ? role : PITHI_QDQ_NONE;
    case PITHI_QDQ_UNARY: return has_one_result(node) && fits_unary(node) ? role : PITHI_QDQ_NONE;
    default: return role;
    }
}
