/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients operator by operator. Words for short rules: x, z are inputs 0 and 1, y the result, dy its gradient. */
#include "ops/shared_gradient.h"

#include "graph/attrs.h"

typedef pithi_gradient_node rule_node;

static pith_value *op1(rule_node *n, const char *op, pith_value *a) { return pithi_gradient_1(n->g, op, a); }
static pith_value *op2(rule_node *n, const char *op, pith_value *a, pith_value *b)
{
    return pithi_gradient_2(n->g, op, a, b);
}
static pith_value *mul(rule_node *n, pith_value *a, pith_value *b) { return op2(n, "mul", a, b); }
static pith_value *divide(rule_node *n, pith_value *a, pith_value *b) { return op2(n, "div", a, b); }
static pith_value *sub(rule_node *n, pith_value *a, pith_value *b) { return op2(n, "sub", a, b); }
static pith_value *number(rule_node *n, double value) { return pithi_gradient_number(n->g, value, n->y); }
/* 1 where the comparison holds, else 0. */
static pith_value *where_true(rule_node *n, const char *op, pith_value *a, pith_value *b)
{
    return op2(n, "cast_like", op2(n, op, a, b), n->y);
}

/* ---- elementwise -------------------------------------------------------------------------- */

/* The derivative of y = f(x) as a value. */
static pith_value *slope(rule_node *n, const char *op)
{
    pith_value *x = n->x[0], *y = n->y;
    if (pithi_same_text(op, "relu")) {
        return where_true(n, "greater", x, number(n, 0.0));
    }
    if (pithi_same_text(op, "sigmoid")) {
        return mul(n, y, sub(n, number(n, 1.0), y));
    }
    if (pithi_same_text(op, "tanh")) {
        return sub(n, number(n, 1.0), mul(n, y, y));
    }
    if (pithi_same_text(op, "log")) {
        return op1(n, "reciprocal", x);
    }
    if (pithi_same_text(op, "sqrt")) {
        return divide(n, number(n, 0.5), y);
    }
    if (pithi_same_text(op, "abs")) {
        return op1(n, "sign", x);
    }
    if (pithi_same_text(op, "reciprocal")) {
        return op1(n, "neg", mul(n, y, y));
    }
    if (pithi_same_text(op, "sin")) {
        return op1(n, "cos", x);
    }
    if (pithi_same_text(op, "cos")) {
        return op1(n, "neg", op1(n, "sin", x));
    }
    if (pithi_same_text(op, "softplus")) {
        return op1(n, "sigmoid", x);
    }
    if (pithi_same_text(op, "erf")) {
        return mul(n, number(n, 1.1283791670955126), op1(n, "exp", op1(n, "neg", mul(n, x, x))));
    }
    if (pithi_same_text(op, "neg")) {
        return number(n, -1.0);
    }
    if (pithi_same_text(op, "clip")) {
        return where_true(n, "equal", x, y);
    }
    return y; /* exp */
}

static void rule_unary(rule_node *n)
{
    pithi_gradient_add(n, 0, mul(n, n->dy, slope(n, pithi_op_head(n->node->op)->name)));
}

/* alpha x, or alpha (e^x - 1), where x < 0. */
static void rule_leaky(rule_node *n)
{
    const double alpha = (double)pithi_attr_float(n->node, "alpha");
    const bool is_elu = pithi_same_text(pithi_op_head(n->node->op)->name, "elu");
    pith_value *below = is_elu ? op2(n, "add", n->y, number(n, alpha)) : number(n, alpha);
    pith_value *const choice[3] = { op2(n, "greater", n->x[0], number(n, 0.0)), number(n, 1.0), below };
    pithi_gradient_add(n, 0, mul(n, n->dy, pithi_gradient_emit(n->g, "where", NULL, choice, 3, NULL)));
}

static void rule_same(rule_node *n)
{
    for (int i = 0; i < n->node->n_inputs; i++) {
        pithi_gradient_add_broadcast(n, i, n->dy);
    }
}

static void rule_sub(rule_node *n)
{
    pithi_gradient_add_broadcast(n, 0, n->dy);
    if (pithi_gradient_wants(n, 1)) {
        pithi_gradient_add_broadcast(n, 1, op1(n, "neg", n->dy));
    }
}

static void rule_mul(rule_node *n)
{
    for (int i = 0; i < 2; i++) {
        if (pithi_gradient_wants(n, i)) {
            pithi_gradient_add_broadcast(n, i, mul(n, n->dy, n->x[1 - i]));
        }
    }
}

static void rule_div(rule_node *n)
{
    pith_value *quotient = divide(n, n->dy, n->x[1]);
    pithi_gradient_add_broadcast(n, 0, quotient);
    if (pithi_gradient_wants(n, 1)) {
        pithi_gradient_add_broadcast(n, 1, op1(n, "neg", mul(n, quotient, n->y)));
    }
}

static void rule_pow(rule_node *n)
{
    if (pithi_gradient_wants(n, 0)) {
        pith_value *exponent = op2(n, "cast_like", n->x[1], n->x[0]);
        pith_value *power = op2(n, "pow", n->x[0], sub(n, exponent, number(n, 1.0)));
        pithi_gradient_add_broadcast(n, 0, mul(n, n->dy, mul(n, exponent, power)));
    }
    if (pithi_gradient_wants(n, 1)) {
        pithi_gradient_add_broadcast(n, 1, mul(n, n->dy, mul(n, n->y, op1(n, "log", n->x[0]))));
    }
}

static void rule_mean(rule_node *n)
{
    pith_value *share = divide(n, n->dy, number(n, n->node->n_inputs));
    for (int i = 0; i < n->node->n_inputs; i++) {
        pithi_gradient_add_broadcast(n, i, share);
    }
}

/* max and min: to the inputs that are the result; ties share. */
static void rule_extreme(rule_node *n)
{
    pith_value *n_ties = NULL;
    for (int i = 0; i < n->node->n_inputs; i++) {
        pith_value *is_it = where_true(n, "equal", pithi_gradient_forward(n->g, n->node->inputs[i]), n->y);
        n_ties = n_ties ? op2(n, "add", n_ties, is_it) : is_it;
    }
    pith_value *share = divide(n, n->dy, n_ties);
    for (int i = 0; i < n->node->n_inputs; i++) {
        if (pithi_gradient_wants(n, i)) {
            pith_value *input = pithi_gradient_forward(n->g, n->node->inputs[i]);
            pithi_gradient_add_broadcast(n, i, mul(n, share, where_true(n, "equal", input, n->y)));
        }
    }
}

static void rule_where(rule_node *n)
{
    pith_value *zero = number(n, 0.0);
    for (int i = 1; i < 3; i++) {
        pith_value *const choice[3] = { n->x[0], i == 1 ? n->dy : zero, i == 1 ? zero : n->dy };
        if (pithi_gradient_wants(n, i)) {
            pithi_gradient_add_broadcast(n, i, pithi_gradient_emit(n->g, "where", NULL, choice, 3, NULL));
        }
    }
}

static void rule_dropout(rule_node *n)
{
    if (n->x[2] || pithi_attr_int(n->node, "training")) {
        pithi_gradient_fail(n, "in training mode is not implemented");
        return;
    }
    pithi_gradient_add(n, 0, n->dy);
}

static void rule_cast(rule_node *n)
{
    pithi_gradient_add(n, 0, op2(n, "cast_like", n->dy, n->x[0]));
}

/* ---- products ----------------------------------------------------------------------------- */

static pith_value *transposed(rule_node *n, pith_value *matrix)
{
    pith_node *node = NULL;
    pith_value *result = pithi_gradient_emit(n->g, "einsum", NULL, &matrix, 1, &node);
    if (result) {
        *(const char **)pithi_attr_field(node, "equation", PITH_ATTR_KIND_STRING) = "...ij->...ji";
    }
    return result;
}

static void rule_transposed(rule_node *n)
{
    const char *const *equation = pithi_attr_field(n->node, "equation", PITH_ATTR_KIND_STRING);
    if (!pithi_same_text(*equation, "...ij->...ji")) {
        pithi_gradient_fail(n, "is not implemented");
        return;
    }
    pithi_gradient_add(n, 0, transposed(n, n->dy));
}

static void rule_matmul(rule_node *n)
{
    if (pithi_gradient_wants(n, 0)) {
        pithi_gradient_add_broadcast(n, 0, op2(n, "matmul", n->dy, transposed(n, n->x[1])));
    }
    if (pithi_gradient_wants(n, 1)) {
        pithi_gradient_add_broadcast(n, 1, op2(n, "matmul", transposed(n, n->x[0]), n->dy));
    }
}

/* y = alpha op(A) op(B) + beta C, with op(A) = A or A^T. */
static void rule_gemm(rule_node *n)
{
    const bool turns[2] = { pithi_attr_int(n->node, "transA") != 0, pithi_attr_int(n->node, "transB") != 0 };
    pith_value *dy = mul(n, n->dy, number(n, (double)pithi_attr_float(n->node, "alpha")));
    for (int i = 0; i < 2; i++) {
        if (!pithi_gradient_wants(n, i)) {
            continue;
        }
        /* op(other)^T is the other matrix as it is where it was turned. */
        pith_value *other = turns[1 - i] ? n->x[1 - i] : transposed(n, n->x[1 - i]);
        pith_value *product = i == 0 ? op2(n, "matmul", dy, other) : op2(n, "matmul", other, dy);
        pithi_gradient_add(n, i, turns[i] ? transposed(n, product) : product);
    }
    if (pithi_gradient_wants(n, 2)) {
        pith_value *beta = number(n, (double)pithi_attr_float(n->node, "beta"));
        pithi_gradient_add_broadcast(n, 2, mul(n, n->dy, beta));
    }
}

/* Sums of each channel of [N, C, ...]. */
static pith_value *channel_sums(rule_node *n, pith_value *value)
{
    static const int64_t planes[] = { 0, 0, -1 }, axes[] = { 0, 2 };
    pith_node *node = NULL;
    pith_value *flat = op2(n, "reshape", value, pithi_gradient_s64s(n->g, planes, 3));
    pith_value *const inputs[2] = { flat, pithi_gradient_s64s(n->g, axes, 2) };
    pith_value *sums = pithi_gradient_emit(n->g, "reduce_sum", NULL, inputs, 2, &node);
    if (sums) {
        n->g->status = pithi_attr_set_int(n->g->ctx, node, "keepdims", 0);
    }
    return sums;
}

/* Gives `node` a second output. */
static pith_value *second_output(rule_node *n, pith_node *node)
{
    void *block = NULL;
    pith_value *value = NULL;
    pithi_gradient *g = n->g;
    if (g->status == PITH_OK) {
        g->status = pithi_arena_array(&g->graph->arena, 2, sizeof(pith_value *), &block);
    }
    if (g->status == PITH_OK) {
        g->status = pithi_graph_add_value(g->graph, NULL, &value);
    }
    if (g->status != PITH_OK) {
        return NULL;
    }
    ((pith_value **)block)[0] = node->outputs[0];
    ((pith_value **)block)[1] = value;
    node->outputs = block;
    node->n_outputs = 2;
    value->producer = node;
    return value;
}

static void rule_conv(rule_node *n)
{
    pith_value *const inputs[3] = { n->dy, n->x[0], n->x[1] };
    pith_node *node = NULL;
    pith_value *dx = pithi_gradient_emit(n->g, "conv_grad", n->node, inputs, 3, &node);
    pith_value *dw = dx ? second_output(n, node) : NULL;
    pithi_gradient_add(n, 0, dx);
    pithi_gradient_add(n, 1, dw);
    if (pithi_gradient_wants(n, 2)) {
        pithi_gradient_add(n, 2, channel_sums(n, n->dy));
    }
}

/* In inference the statistics are constants: y is linear in x and scale. */
static void rule_batch_norm(rule_node *n)
{
    pith_value *zero = mul(n, n->x[1], number(n, 0.0)), *one = op2(n, "add", zero, number(n, 1.0));
    pith_value *const on_dy[5] = { n->dy, n->x[1], zero, zero, n->x[4] };
    pith_value *const normalised[5] = { n->x[0], one, zero, n->x[3], n->x[4] };
    if (pithi_attr_int(n->node, "training_mode") || pithi_gradient_wants(n, 3) || pithi_gradient_wants(n, 4)) {
        pithi_gradient_fail(n, "in training mode, or to its mean and variance, is not implemented");
        return;
    }
    pithi_gradient_add(n, 0, pithi_gradient_emit(n->g, "batch_normalization", n->node, on_dy, 5, NULL));
    if (pithi_gradient_wants(n, 1)) {
        pith_value *unit = pithi_gradient_emit(n->g, "batch_normalization", n->node, normalised, 5, NULL);
        pithi_gradient_add(n, 1, channel_sums(n, mul(n, n->dy, unit)));
    }
    if (pithi_gradient_wants(n, 2)) {
        pithi_gradient_add(n, 2, channel_sums(n, n->dy));
    }
}

static void rule_average_pool(rule_node *n)
{
    pith_value *const inputs[2] = { n->dy, n->x[0] };
    pithi_gradient_add(n, 0, pithi_gradient_emit(n->g, "average_pool_grad", n->node, inputs, 2, NULL));
}

/* ---- reductions --------------------------------------------------------------------------- */

/* Elements of a over elements of b. */
static pith_value *size_ratio(rule_node *n, pith_value *a, pith_value *b)
{
    return op2(n, "cast_like", divide(n, op1(n, "size", a), op1(n, "size", b)), n->y);
}

static pith_value *expanded(rule_node *n, pith_value *value)
{
    return op2(n, "expand", value, op1(n, "shape", n->x[0]));
}

/* The reduction again, with its dimensions kept, by operator `op`. */
static pith_value *kept(rule_node *n, const char *op, pith_value *of)
{
    pith_node *node = NULL;
    pith_value *const inputs[2] = { of, n->x[1] };
    pith_value *value = pithi_gradient_emit(n->g, op, n->node, inputs, n->x[1] ? 2 : 1, &node);
    if (value) {
        n->g->status = pithi_attr_set_int(n->g->ctx, node, "keepdims", 1);
    }
    return value;
}

static void rule_reduce(rule_node *n)
{
    const char *op = pithi_op_head(n->node->op)->name;
    pith_value *x = n->x[0], *y_kept = kept(n, op, x), *y = expanded(n, y_kept), *result = NULL;
    pith_value *dy = expanded(n, op2(n, "reshape", n->dy, op1(n, "shape", y_kept)));
    if (pithi_same_text(op, "reduce_mean")) {
        result = divide(n, dy, size_ratio(n, x, n->y));
    } else if (pithi_same_text(op, "reduce_max") || pithi_same_text(op, "reduce_min")) {
        pith_value *is_it = where_true(n, "equal", x, y);
        result = divide(n, mul(n, dy, is_it), expanded(n, kept(n, "reduce_sum", is_it))); /* ties share */
    } else if (pithi_same_text(op, "reduce_sum_square")) {
        result = mul(n, dy, mul(n, x, number(n, 2.0)));
    } else if (pithi_same_text(op, "reduce_l1")) {
        result = mul(n, dy, op1(n, "sign", x));
    } else if (pithi_same_text(op, "reduce_l2")) {
        result = mul(n, dy, divide(n, x, y));
    } else if (pithi_same_text(op, "reduce_log_sum")) {
        result = divide(n, dy, op1(n, "exp", y));
    } else if (pithi_same_text(op, "reduce_log_sum_exp")) {
        result = mul(n, dy, op1(n, "exp", sub(n, x, y)));
    } else {
        result = dy; /* reduce_sum */
    }
    pithi_gradient_add(n, 0, result);
}

static void rule_global_average(rule_node *n)
{
    pithi_gradient_add(n, 0, divide(n, expanded(n, n->dy), size_ratio(n, n->x[0], n->y)));
}

static void rule_softmax(rule_node *n)
{
    const bool is_log = pithi_same_text(pithi_op_head(n->node->op)->name, "log_softmax");
    const int64_t axis = pithi_attr_int(n->node, "axis");
    if (pithi_attr_int(n->node, "flatten")) {
        pithi_gradient_fail(n, "as opsets below 13 have it is not implemented");
        return;
    }
    pith_value *const inputs[2] = { is_log ? n->dy : mul(n, n->dy, n->y), pithi_gradient_s64s(n->g, &axis, 1) };
    pith_value *sum = pithi_gradient_emit(n->g, "reduce_sum", NULL, inputs, 2, NULL);
    pithi_gradient_add(n, 0, is_log ? sub(n, n->dy, mul(n, op1(n, "exp", n->y), sum))
                                    : mul(n, n->y, sub(n, n->dy, sum)));
}

/* ---- movement of elements: also shared_gradient_move.c ---------------------------------------- */

static void rule_reshape(rule_node *n)
{
    pithi_gradient_add(n, 0, op2(n, "reshape", n->dy, op1(n, "shape", n->x[0])));
}

static void rule_max_pool(rule_node *n)
{
    pith_node *node = NULL;
    if (pithi_attr_int(n->node, "storage_order") || (n->node->n_outputs > 1 && n->node->outputs[1])) {
        pithi_gradient_fail(n, "with indices is not implemented");
        return;
    }
    pith_value *again = pithi_gradient_emit(n->g, "max_pool", n->node, &n->x[0], 1, &node);
    pith_value *indices = again ? second_output(n, node) : NULL;
    static const int64_t one[] = { 1 };
    if (indices) {
        indices = op2(n, "add", indices, pithi_gradient_s64s(n->g, one, 1));
        pithi_gradient_add(n, 0, pithi_gradient_scatter(n, n->x[0], indices, n->dy));
    }
}

/* ---- what gradients consist of ------------------------------------------------------------- */

static void rule_sum_to(rule_node *n)
{
    pithi_gradient_add(n, 0, expanded(n, n->dy));
}

static void rule_gradient(rule_node *n)
{
    for (int i = 0; i < n->node->n_outputs; i++) {
        if (n->node->outputs[i]) {
            pithi_gradient_add(n, i, n->g->gradients[n->node->outputs[i]->index]);
        }
    }
}

static void rule_scatter(rule_node *n)
{
    pith_node *node = NULL;
    pith_value *const inputs[2] = { n->dy, n->x[1] };
    if (!pithi_same_text(pithi_attr_choice(n->node, "reduction"), "add")) {
        pithi_gradient_fail(n, "without reduction 'add' is not implemented");
        return;
    }
    pithi_gradient_add(n, 0, n->dy);
    if (pithi_gradient_wants(n, 2)) {
        pith_value *updates = pithi_gradient_emit(n->g, "gather_elements", NULL, inputs, 2, &node);
        if (updates) {
            n->g->status = pithi_attr_set_int(n->g->ctx, node, "axis", pithi_attr_int(n->node, "axis"));
        }
        pithi_gradient_add(n, 2, updates);
    }
}

/* ---- tables ------------------------------------------------------------------------------- */

static const struct {
    const char *ops; /* separated by spaces, which also stand around */
    pithi_gradient_rule_fn *rule;
} rules[] = {
    { " relu sigmoid tanh exp log sqrt abs reciprocal sin cos softplus erf neg clip ", rule_unary },
    { " leaky_relu elu ", rule_leaky },
    { " add sum identity ", rule_same },
    { " sub ", rule_sub },
    { " mul ", rule_mul },
    { " div ", rule_div },
    { " pow ", rule_pow },
    { " mean ", rule_mean },
    { " max min ", rule_extreme },
    { " where ", rule_where },
    { " cast cast_like ", rule_cast },
    { " dropout ", rule_dropout },
    { " einsum ", rule_transposed },
    { " matmul ", rule_matmul },
    { " gemm ", rule_gemm },
    { " conv ", rule_conv },
    { " batch_normalization ", rule_batch_norm },
    { " average_pool ", rule_average_pool },
    { " max_pool ", rule_max_pool },
    { " global_average_pool ", rule_global_average },
    { " reduce_sum reduce_mean reduce_max reduce_min reduce_l1 reduce_l2 reduce_sum_square reduce_log_sum "
      "reduce_log_sum_exp ", rule_reduce },
    { " softmax log_softmax ", rule_softmax },
    { " reshape flatten squeeze unsqueeze ", rule_reshape },
    { " transpose slice split gather gather_elements gather_nd expand tile depth_to_space space_to_depth trilu "
      "reverse_sequence center_crop_pad compress ", pithi_gradient_move },
    { " pad ", pithi_gradient_move_padded },
    { " concat ", pithi_gradient_move_all },
    { " sum_to ", rule_sum_to },
    { " gradient ", rule_gradient },
    { " scatter_elements ", rule_scatter },
};

static bool is_listed(const char *list, const char *op)
{
    const size_t n_bytes = strlen(op);
    for (const char *at = strstr(list, op); at; at = strstr(at + 1, op)) {
        if (at > list && at[-1] == ' ' && at[n_bytes] == ' ') {
            return true;
        }
    }
    return false;
}

pithi_gradient_rule_fn *pithi_gradient_rule(const char *op)
{
    for (int i = 0; i < PITH_COUNT(rules); i++) {
        if (*op && is_listed(rules[i].ops, op)) {
            return rules[i].rule;
        }
    }
    return NULL;
}

bool pithi_gradient_ends(const char *op)
{
    return *op && is_listed(" shape size equal greater greater_or_equal less less_or_equal not and or xor sign floor "
                            "ceil round is_nan is_inf arg_max arg_min non_zero constant_of_shape ", op);
}
