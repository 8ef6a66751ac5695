/* SPDX-License-Identifier: Apache-2.0 */
/* Quantised models describe integer work as dq -> float operator -> q. Such nests become integer
 * operators with ONNX Runtime's rounding (docs/numerics.md); what has none stays float. */
#include "passes/fuse_qdq.h"

#include <math.h>

#define MOST_BIAS 0x1p30       /* of a bias in units of the sums */
#define BIAS_TOLERANCE 1e-4 /* of a bias' scale against the product of the other two */

/* ---- quantised tensors ------------------------------------------------------------------------
 */

static bool is_activation(pith_dtype dtype) { return pithi_is_8bit(dtype) || pithi_is_16bit(dtype); }

static pith_dtype dtype_of(const pith_value *value)
{
    return value->constant ? value->constant->dtype : value->dtype;
}

static bool read_scale(pith_node *node, pithi_qdq *out)
{
    const pith_tensor *scale = pithi_constant_input(node, 1);
    pith_value *zero = pithi_node_input(node, 2);
    *out = (pithi_qdq){ .node = node, .zero = zero, .axis = pithi_attr_int(node, "axis") };
    if (!scale || scale->dtype != PITH_DTYPE_F32 || (zero && !zero->constant) ||
        pithi_attr_int(node, "block_size") != 0 || pithi_attr_int(node, "output_dtype") != 0) {
        return false;
    }
    out->scale = node->inputs[1];
    out->is_single = pith_shape_elements(&scale->shape) == 1;
    return out->is_single || scale->shape.rank == 1;
}

bool pithi_qdq_behind(const pith_value *value, pithi_qdq *dq_out)
{
    pith_node *node = value ? value->producer : NULL;
    if (!pithi_is(node, "dequantize_linear") || !read_scale(node, dq_out)) {
        return false;
    }
    dq_out->value = node->inputs[0];
    dq_out->dtype = dq_out->zero ? dq_out->zero->constant->dtype : dtype_of(dq_out->value);
    return is_activation(dq_out->dtype) || dq_out->dtype == PITH_DTYPE_S32;
}

bool pithi_qdq_of(pith_node *node, pithi_qdq *q_out)
{
    if (!pithi_is(node, "quantize_linear") || !read_scale(node, q_out) || !q_out->is_single ||
        pithi_attr_int(node, "precision") != 0) {
        return false;
    }
    q_out->value = node->outputs[0];
    q_out->dtype = q_out->zero ? q_out->zero->constant->dtype : PITH_DTYPE_U8;
    return is_activation(q_out->dtype);
}

pith_status pithi_qdq_need_zero(pith_graph *graph, pithi_qdq *qdq)
{
    const pith_shape scalar = { 0 };
    pith_tensor tensor;
    return qdq->zero
               ? PITH_OK
               : pithi_graph_new_constant(graph, NULL, qdq->dtype, &scalar, &tensor, &qdq->zero);
}

static bool is_small(pith_dtype dtype)
{
    return dtype == PITH_DTYPE_S4 || dtype == PITH_DTYPE_U4 || dtype == PITH_DTYPE_S2 || dtype == PITH_DTYPE_U2;
}

/* Integers of 2 and 4 bits as bytes, which is what the kernels read. */
static pith_status spread(pith_graph *graph, pith_value **value)
{
    const pith_tensor *from = (*value)->constant;
    bool is_signed = from->dtype == PITH_DTYPE_S4 || from->dtype == PITH_DTYPE_S2;
    pith_dtype bytes = is_signed ? PITH_DTYPE_S8 : PITH_DTYPE_U8;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, bytes, &from->shape, &to, value));
    for (int64_t i = 0; i < pith_shape_elements(&from->shape); i++) {
        pithi_tensor_set_s64(&to, i, pithi_tensor_get_s64(from, i));
    }
    return PITH_OK;
}

pith_status pithi_qdq_need_byte_weights(pith_graph *graph, pithi_qdq *w)
{
    if (is_small(w->dtype)) {
        PITH_TRY(spread(graph, &w->value));
        if (w->zero) {
            PITH_TRY(spread(graph, &w->zero));
        }
        w->dtype = w->value->constant->dtype;
    }
    return pithi_qdq_need_zero(graph, w);
}

int64_t pithi_qdq_zero(const pithi_qdq *qdq)
{
    return qdq->zero ? pithi_tensor_get_s64(qdq->zero->constant, 0) : 0;
}

float pithi_qdq_scale(const pithi_qdq *qdq, int64_t channel)
{
    return ((const float *)qdq->scale->constant->data)[qdq->is_single ? 0 : channel];
}

bool pithi_qdq_same(const pithi_qdq *a, const pithi_qdq *b)
{
    return a->is_single && b->is_single && a->dtype == b->dtype &&
           pithi_qdq_scale(a, 0) == pithi_qdq_scale(b, 0) && pithi_qdq_zero(a) == pithi_qdq_zero(b);
}

int64_t pithi_qdq_quantize(const pithi_qdq *q, double x)
{
    int64_t low, high;
    double value = nearbyint((double)((float)x / pithi_qdq_scale(q, 0))) + (double)pithi_qdq_zero(q);
    pithi_quant_range(q->dtype, &low, &high);
    return (int64_t)fmin(fmax(value, (double)low), (double)high);
}

bool pithi_qdq_activation(const pith_value *value, pithi_qdq *dq_out)
{
    return pithi_qdq_behind(value, dq_out) && dq_out->is_single && is_activation(dq_out->dtype);
}

bool pithi_qdq_weights(const pith_value *value, int rank, int axis, pithi_qdq *dq_out)
{
    pith_node *node = value ? value->producer : NULL;
    const pith_tensor *weights = pithi_is(node, "dequantize_linear") ? pithi_constant_input(node, 0) : NULL;
    if (!weights || !read_scale(node, dq_out) || !(pithi_is_8bit(weights->dtype) || is_small(weights->dtype))) {
        return false;
    }
    dq_out->value = node->inputs[0];
    dq_out->dtype = weights->dtype;
    rank = rank ? rank : weights->shape.rank;
    int64_t given = dq_out->axis < 0 ? dq_out->axis + rank : dq_out->axis;
    return dq_out->value->constant->shape.rank == rank && (dq_out->is_single || given == axis);
}

/* ---- the nest around one q ----------------------------------------------------------------------
 */

typedef pithi_qdq_nest nest;

/* clip's limits are attributes or constant inputs. */
static bool read_limit(const pith_node *node, int index, const char *attr, double *limit_out)
{
    const pith_value *input = pithi_node_input(node, index);
    *limit_out = input && input->constant ? pithi_tensor_get_f64(input->constant, 0)
                                          : (double)pithi_attr_float(node, attr);
    return !input || (input->constant && pith_shape_elements(&input->constant->shape) == 1);
}

/* Takes in relu and clip: quantising rises with its argument, so limits can be applied to quantised
 * values. */
static void skip_activations(nest *n)
{
    n->low = PITHI_LIMIT_LOW;
    n->high = PITHI_LIMIT_HIGH;
    while (n->node && (pithi_is(n->node, "relu") || pithi_is(n->node, "clip"))) {
        double low = 0.0, high = INFINITY;
        if (pithi_is(n->node, "clip") &&
            (!read_limit(n->node, 1, "min", &low) || !read_limit(n->node, 2, "max", &high))) {
            return;
        }
        const pith_value *input = n->node->inputs[0];
        if (!input->producer || input->n_uses != 1 || !(low <= high)) {
            return;
        }
        /* The limits of what comes first go through those that come later. */
        int64_t inner_low = pithi_qdq_quantize(&n->q, low),
                inner_high = pithi_qdq_quantize(&n->q, high);
        int64_t outer_low = n->low, outer_high = n->high;
        n->low = pithi_min_s64(pithi_max_s64(inner_low, outer_low), outer_high);
        n->high = pithi_min_s64(pithi_max_s64(inner_high, outer_low), outer_high);
        n->node = input->producer;
    }
}

pith_status pithi_qdq_become(nest *n, const char *op_name, pith_value *const *inputs, int n_inputs)
{
    const char *name = n->node->name;
    PITH_TRY(pithi_become(n->graph, n->q.node, op_name, inputs, n_inputs));
    n->q.node->name = name;
    n->q.value->dtype = n->q.dtype;
    return PITH_OK;
}

bool pithi_qdq_is_limited(const nest *n)
{
    int64_t low, high;
    pithi_quant_range(n->q.dtype, &low, &high);
    return n->low > low || n->high < high;
}

pith_status pithi_qdq_set_limits(const nest *n)
{
    if (!pithi_qdq_is_limited(n)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_attr_set_int(n->graph->ctx, n->q.node, "low", n->low));
    return pithi_attr_set_int(n->graph->ctx, n->q.node, "high", n->high);
}

/* ---- convolutions and products
 * -------------------------------------------------------------------- */

static double sum_scale(const pithi_qdq *x, const pithi_qdq *w, int64_t channel)
{
    return (double)pithi_qdq_scale(x, 0) * (double)pithi_qdq_scale(w, channel);
}

/* Floats that lie well within s32 in units of the sums. */
static bool is_float_bias(const pith_value *value, const pithi_qdq *x, const pithi_qdq *w, int64_t n_channels)
{
    const pith_tensor *bias = value->constant;
    if (!bias || bias->dtype != PITH_DTYPE_F32 || pith_shape_elements(&bias->shape) != n_channels) {
        return false;
    }
    for (int64_t i = 0; i < n_channels; i++) {
        if (!(fabs((double)((const float *)bias->data)[i]) < MOST_BIAS * sum_scale(x, w, i))) {
            return false;
        }
    }
    return true;
}

bool pithi_qdq_bias(pith_value *value, const pithi_qdq *x, const pithi_qdq *w, int64_t n_channels,
                    pith_value **bias_out)
{
    pithi_qdq dq;
    double zero = 0.0;
    *bias_out = value;
    if (!value || is_float_bias(value, x, w, n_channels)) {
        return true;
    }
    if (!pithi_qdq_behind(value, &dq) || dq.dtype != PITH_DTYPE_S32 || !dq.value->constant ||
        pith_shape_elements(&dq.value->constant->shape) != n_channels ||
        (dq.zero && (!pithi_is_uniform(dq.zero->constant, &zero) || zero != 0.0)) ||
        (!dq.is_single && pith_shape_elements(&dq.scale->constant->shape) != n_channels)) {
        return false;
    }
    for (int64_t i = 0; i < n_channels; i++) {
        const double wanted = sum_scale(x, w, i), given = (double)pithi_qdq_scale(&dq, i);
        if (!(fabs(given - wanted) <= BIAS_TOLERANCE * wanted)) {
            return false;
        }
    }
    *bias_out = dq.value;
    return true;
}

pith_status pithi_qdq_need_integer_bias(pith_graph *graph, const pithi_qdq *x, const pithi_qdq *w,
                                        pith_value **bias)
{
    const pith_tensor *from = *bias ? (*bias)->constant : NULL;
    pith_tensor to;
    if (!from || from->dtype == PITH_DTYPE_S32) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S32, &from->shape, &to, bias));
    for (int64_t i = 0; i < pith_shape_elements(&to.shape); i++) {
        ((int32_t *)to.data)[i] = (int32_t)nearbyint((double)((const float *)from->data)[i] / sum_scale(x, w, i));
    }
    return PITH_OK;
}

static pith_status copy_ints(nest *n, const pith_ints *from, const char *name)
{
    return from->n_items
               ? pithi_attr_set_ints(&n->graph->arena, n->q.node, name, from->items, from->n_items)
               : PITH_OK;
}

pith_status pithi_qdq_copy_window(nest *n, const pith_node *from, bool is_conv)
{
    static const char *const lists[] = { "kernel_shape", "strides", "pads", "dilations" };
    static const char *const conv_ints[] = { "auto_pad", "group" };
    static const char *const pool_ints[] = { "auto_pad", "ceil_mode", "count_include_pad" };
    for (int i = 0; i < PITH_COUNT(lists); i++) {
        const pith_ints list = pithi_attr_ints(from, lists[i]);
        PITH_TRY(copy_ints(n, &list, lists[i]));
    }
    for (int i = 0; i < (is_conv ? PITH_COUNT(conv_ints) : PITH_COUNT(pool_ints)); i++) {
        const char *name = is_conv ? conv_ints[i] : pool_ints[i];
        PITH_TRY(pithi_attr_set_int(n->graph->ctx, n->q.node, name, pithi_attr_int(from, name)));
    }
    return PITH_OK;
}

/* Operands or results of 16 bits, which have a way for images of up to two dimensions. */
static bool is_wide(const nest *n, const pithi_qdq *x)
{
    return pithi_is_16bit(x->dtype) || pithi_is_16bit(n->q.dtype);
}

static pith_status fuse_conv(nest *n, bool *changed)
{
    pith_node *conv = n->node;
    pithi_qdq x, w;
    pith_value *bias = NULL;
    const pith_value *weights = pithi_node_input(conv, 1);
    bool fits =
        pithi_has_no_activation(conv) && !pithi_node_input(conv, 3) &&
        !pithi_attr_int(conv, "channels_last") && pithi_qdq_activation(conv->inputs[0], &x) &&
        pithi_qdq_weights(weights, 0, 0, &w) &&
        pithi_qdq_bias(pithi_node_input(conv, 2), &x, &w, w.value->constant->shape.dims[0], &bias);
    if (!fits || (is_wide(n, &x) && w.value->constant->shape.rank > 4)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_qdq_need_zero(n->graph, &x));
    const int64_t group = pithi_attr_int(conv, "group");
    const int64_t *sizes = w.value->constant->shape.dims;
    const bool is_depthwise = sizes[0] == group && sizes[1] == 1;
    if (is_wide(n, &x) && pithi_is_8bit(x.dtype) && group > 1 && !is_depthwise) {
        PITH_TRY(pithi_qdq_widen(n->graph, n->q.node, &x));
    }
    PITH_TRY(pithi_qdq_need_byte_weights(n->graph, &w));
    PITH_TRY(pithi_qdq_need_integer_bias(n->graph, &x, &w, &bias));
    pith_value *inputs[] = { x.value, x.scale,    x.zero,    w.value, w.scale,
                             w.zero,  n->q.scale, n->q.zero, bias };
    PITH_TRY(pithi_qdq_become(n, "qlinear_conv", inputs, bias ? 9 : 8));
    PITH_TRY(pithi_qdq_copy_window(n, conv, true));
    *changed = true;
    return pithi_qdq_set_limits(n);
}

/* Of two activations, both matrices. */
static pith_status fuse_activations(nest *n, pithi_qdq *a, pithi_qdq *b, int64_t trans_b, bool *changed)
{
    if (!pithi_is_8bit(b->dtype) || is_wide(n, a)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_qdq_need_zero(n->graph, a));
    PITH_TRY(pithi_qdq_need_zero(n->graph, b));
    pith_value *inputs[] = { a->value, a->scale, a->zero, b->value, b->scale, b->zero, n->q.scale, n->q.zero };
    PITH_TRY(pithi_qdq_become(n, "qlinear_matmul", inputs, PITH_COUNT(inputs)));
    PITH_TRY(pithi_attr_set_int(n->graph->ctx, n->q.node, "trans_b", trans_b));
    *changed = true;
    return pithi_qdq_set_limits(n);
}

static pith_status fuse_gemm(nest *n, bool *changed)
{
    pith_node *gemm = n->node;
    pithi_qdq a, b;
    pith_value *bias = NULL;
    int64_t trans_b = pithi_attr_int(gemm, "transB");
    bool fits = pithi_has_no_activation(gemm) && !pithi_node_input(gemm, 3) &&
                pithi_attr_float(gemm, "alpha") == 1.0f &&
                (pithi_attr_float(gemm, "beta") == 1.0f || !pithi_node_input(gemm, 2)) &&
                pithi_attr_int(gemm, "transA") == 0 && pithi_qdq_activation(gemm->inputs[0], &a);
    if (fits && !pithi_node_input(gemm, 2) && pithi_qdq_activation(gemm->inputs[1], &b) && !b.value->constant) {
        return fuse_activations(n, &a, &b, trans_b, changed);
    }
    fits = fits && pithi_qdq_weights(gemm->inputs[1], 2, trans_b ? 0 : 1, &b) &&
                pithi_qdq_bias(pithi_node_input(gemm, 2), &a, &b,
                            b.value->constant->shape.dims[trans_b ? 0 : 1], &bias);
    if (!fits || (bias && bias->constant->shape.rank > 0 &&
                  bias->constant->shape.dims[bias->constant->shape.rank - 1] == 1 &&
                  b.value->constant->shape.dims[trans_b ? 0 : 1] != 1)) {
        return PITH_OK; /* a bias for each row */
    }
    PITH_TRY(pithi_qdq_need_zero(n->graph, &a));
    PITH_TRY(pithi_qdq_need_byte_weights(n->graph, &b));
    PITH_TRY(pithi_qdq_need_integer_bias(n->graph, &a, &b, &bias));
    pith_value *inputs[] = { a.value, a.scale, a.zero,     b.value,  b.scale,
                             b.zero,  bias,    n->q.scale, n->q.zero };
    PITH_TRY(pithi_qdq_become(n, "qlinear_gemm", inputs, PITH_COUNT(inputs)));
    PITH_TRY(pithi_attr_set_int(n->graph->ctx, n->q.node, "transB", trans_b));
    *changed = true;
    return pithi_qdq_set_limits(n);
}

/* `matmul` with `bias` (may be NULL) behind it; b is constant weights or another activation. */
static pith_status fuse_matmul(nest *n, pith_node *matmul, pith_value *bias_dq, bool *changed)
{
    pithi_qdq a, b;
    pith_value *bias = NULL;
    if (!pithi_has_no_activation(matmul) || matmul->n_inputs > 2 || !pithi_qdq_activation(matmul->inputs[0], &a)) {
        return PITH_OK;
    }
    bool has_weights = pithi_qdq_weights(matmul->inputs[1], 2, 1, &b);
    bool fits = has_weights ? pithi_qdq_bias(bias_dq, &a, &b, b.value->constant->shape.dims[1], &bias)
                            : !bias_dq && pithi_qdq_activation(matmul->inputs[1], &b) && pithi_is_8bit(b.dtype) &&
                                  !is_wide(n, &a);
    if (!fits) {
        return PITH_OK;
    }
    PITH_TRY(pithi_qdq_need_zero(n->graph, &a));
    PITH_TRY(pithi_qdq_need_byte_weights(n->graph, &b));
    PITH_TRY(pithi_qdq_need_integer_bias(n->graph, &a, &b, &bias));
    pith_value *inputs[] = { a.value, a.scale, a.zero, b.value, b.scale, b.zero, n->q.scale, n->q.zero, bias };
    PITH_TRY(pithi_qdq_become(n, "qlinear_matmul", inputs, bias ? 9 : 8));
    *changed = true;
    return pithi_qdq_set_limits(n);
}

/* A sum of a product and a constant row of s32 or floats is the product's bias. */
static pith_status fuse_matmul_bias(nest *n, bool *changed)
{
    pith_node *add = n->node;
    for (int i = 0; i < 2 && !*changed && add->n_inputs == 2 && pithi_has_no_activation(add); i++) {
        pith_node *matmul = pithi_sole_producer(add->inputs[i], "matmul");
        pith_value *row = add->inputs[1 - i];
        pithi_qdq dq = { 0 };
        const bool is_integer = pithi_qdq_behind(row, &dq) && dq.dtype == PITH_DTYPE_S32;
        const pith_tensor *list = is_integer ? dq.value->constant : row ? row->constant : NULL;
        if (matmul && list && list->shape.rank == 1) {
            PITH_TRY(fuse_matmul(n, matmul, row, changed));
        }
    }
    return PITH_OK;
}

/* ---- elementwise, pooling, softmax
 * ---------------------------------------------------------------- */

/* The operand of a difference that is taken off is added with a negative scale. */
static pith_status negate_scale(nest *n, pithi_qdq *b)
{
    const pith_shape scalar = { 0 };
    pith_tensor tensor;
    float scale = -pithi_qdq_scale(b, 0);
    PITH_TRY(pithi_graph_new_constant(n->graph, NULL, PITH_DTYPE_F32, &scalar, &tensor, &b->scale));
    memcpy(tensor.data, &scale, sizeof scale);
    return PITH_OK;
}

static pith_status fuse_binary(nest *n, const char *op_name, bool *changed)
{
    pithi_qdq a, b;
    if (!pithi_has_no_activation(n->node) || n->node->n_inputs != 2 || !pithi_qdq_activation(n->node->inputs[0], &a) ||
        !pithi_qdq_activation(n->node->inputs[1], &b)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_qdq_need_zero(n->graph, &a));
    PITH_TRY(pithi_qdq_need_zero(n->graph, &b));
    if (pithi_is(n->node, "sub")) {
        PITH_TRY(negate_scale(n, &b));
    }
    pith_value *inputs[] = { a.value, a.scale, a.zero, b.value, b.scale, b.zero, n->q.scale, n->q.zero };
    PITH_TRY(pithi_qdq_become(n, op_name, inputs, PITH_COUNT(inputs)));
    *changed = true;
    return pithi_qdq_set_limits(n);
}

/* ---- all of them
 * ---------------------------------------------------------------------------------- */

static pith_status fuse_product(nest *n, bool *changed)
{
    if (pithi_is(n->node, "conv")) {
        return fuse_conv(n, changed);
    }
    if (pithi_is(n->node, "conv_transpose")) {
        return pithi_qdq_conv_transpose(n, changed);
    }
    return pithi_is(n->node, "gemm") ? fuse_gemm(n, changed) : fuse_matmul(n, n->node, NULL, changed);
}

static pith_status fuse_operator(nest *n, bool *changed)
{
    switch (pithi_qdq_role_of(n->node)) {
    case PITHI_QDQ_PRODUCT: return fuse_product(n, changed);
    case PITHI_QDQ_BINARY:
    case PITHI_QDQ_FUNCTION: /* of a constant that is quantised as well */
        if (pithi_is(n->node, "add")) {
            PITH_TRY(fuse_matmul_bias(n, changed));
        }
        if (!*changed && (pithi_is(n->node, "add") || pithi_is(n->node, "sub") || pithi_is(n->node, "mul"))) {
            return fuse_binary(n, pithi_is(n->node, "mul") ? "qlinear_mul" : "qlinear_add", changed);
        }
        return PITH_OK;
    case PITHI_QDQ_UNARY: return pithi_qdq_unary(n, changed);
    default: return PITH_OK;
    }
}

/* A file's own qlinear_gemm of two activations is what qlinear_matmul packs while it runs: alpha goes into a's scale,
 * with the same roundings. */
static pith_status multiply_activations(pith_graph *graph, pith_node *gemm, bool *changed)
{
    const pith_tensor *scale = pithi_constant_input(gemm, 1);
    const int64_t trans_b = pithi_attr_int(gemm, "transB"), low = pithi_attr_int(gemm, "low");
    const int64_t high = pithi_attr_int(gemm, "high");
    if (pithi_constant_input(gemm, 3) || pithi_node_input(gemm, 6) || !pithi_node_input(gemm, 7) ||
        !pithi_node_input(gemm, 8) || pithi_attr_int(gemm, "transA") || !scale ||
        scale->dtype != PITH_DTYPE_F32 || pith_shape_elements(&scale->shape) != 1) {
        return PITH_OK;
    }
    pith_value *inputs[8];
    pith_tensor factor;
    const float alpha = pithi_attr_float(gemm, "alpha");
    memcpy(inputs, gemm->inputs, 6 * sizeof *inputs);
    memcpy(inputs + 6, gemm->inputs + 7, 2 * sizeof *inputs);
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &scale->shape, &factor, &inputs[1]));
    *(float *)factor.data = alpha * ((const float *)scale->data)[0];
    PITH_TRY(pithi_become(graph, gemm, "qlinear_matmul", inputs, PITH_COUNT(inputs)));
    PITH_TRY(pithi_attr_set_int(graph->ctx, gemm, "trans_b", trans_b));
    PITH_TRY(pithi_attr_set_int(graph->ctx, gemm, "low", low));
    *changed = true;
    return pithi_attr_set_int(graph->ctx, gemm, "high", high);
}

static pith_status fuse(pith_graph *graph, pith_node *node, bool *changed)
{
    nest n = { .graph = graph };
    if (pithi_is(node, "qlinear_gemm")) {
        return multiply_activations(graph, node, changed);
    }
    if (!pithi_qdq_of(node, &n.q)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_qdq_need_zero(graph, &n.q));
    PITH_TRY(pithi_qdq_lookup(graph, &n.q, changed));
    const pith_value *input = node->inputs[0];
    if (*changed || input->n_uses != 1 || !input->producer) {
        return PITH_OK;
    }
    if (pithi_is(input->producer, "concat")) {
        return pithi_qdq_concat(graph, &n.q, changed);
    }
    n.node = input->producer;
    skip_activations(&n);
    return fuse_operator(&n, changed);
}

static bool is_quantised(const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (pithi_is(node, "dequantize_linear") || pithi_is(node, "qlinear_gemm")) {
            return true;
        }
    }
    return false;
}

static bool is_read(const pith_node *node)
{
    bool is_read = node->n_bodies > 0;
    for (int i = 0; i < node->n_outputs && !is_read; i++) {
        is_read = node->outputs[i] && node->outputs[i]->n_uses > 0;
    }
    return is_read;
}

/* The float operators that nobody reads now, and the weights in front of them: folding would spread those to floats. */
static void remove_unread(pith_graph *graph)
{
    for (pith_node *node = graph->last, *previous; node; node = previous) {
        previous = node->previous;
        for (int i = 0; i < node->n_inputs && !is_read(node); i++) {
            if (node->inputs[i]) {
                node->inputs[i]->n_uses--;
            }
        }
        if (!is_read(node)) {
            pithi_graph_remove_node(graph, node);
        }
    }
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    if (!is_quantised(graph)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_infer(graph)); /* dtypes; weights that are quantised in the graph */
    PITH_TRY(pithi_qdq_move(graph, n_changes));
    PITH_TRY(pithi_graph_infer(graph));
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        bool changed = false;
        PITH_TRY_AT(graph->ctx, fuse(graph, node, &changed), "node '%s'", node->name);
        *n_changes += changed;
    }
    pithi_graph_count_uses(graph);
    remove_unread(graph);
    return pithi_qdq_note_refusals(graph);
}

const pith_pass pithi_pass_fuse_qdq = {
    "fuse_qdq",
    PITH_STAGE_MODEL,
    "makes integer operators of float operators between quantised tensors",
    run,
};
