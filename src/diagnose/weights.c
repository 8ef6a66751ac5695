/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that correspond, how their values are rounded, and their weights against what they should be. */
#include <math.h>

#include "diagnose/diagnose.h"

/* ---- tensors ------------------------------------------------------------------------------- */

static void read_rounding(const pithi_diagnosis *job, pithi_diag_tensor *tensor)
{
    const pith_value *twin = job->twin->values[tensor->twin];
    const pith_node *q = NULL, *dq = NULL;
    for (const pith_node *node = job->twin->first; node && !dq; node = node->next) {
        if (!q && pithi_is(node, "quantize_linear") && node->inputs[0] == twin) {
            q = node;
        } else if (q && pithi_is(node, "dequantize_linear") && node->inputs[0] == q->outputs[0]) {
            dq = node;
        }
    }
    const pith_tensor *scale = q ? pithi_constant_input(q, 1) : NULL;
    const pith_tensor *read_scale = dq ? pithi_constant_input(dq, 1) : NULL;
    if (!scale || !read_scale || pith_shape_elements(&scale->shape) != 1) {
        return;
    }
    const pith_tensor *zero = pithi_constant_input(q, 2), *read_zero = pithi_constant_input(dq, 2);
    pith_dtype dtype = zero ? zero->dtype : q->outputs[0]->dtype ? q->outputs[0]->dtype : PITH_DTYPE_U8;
    int bits = pithi_diag_bits(dtype);
    if (bits == 0 || bits > 16) {
        return; /* small floats */
    }
    bool is_signed =
        dtype == PITH_DTYPE_S8 || dtype == PITH_DTYPE_S16 || dtype == PITH_DTYPE_S4 || dtype == PITH_DTYPE_S2;
    tensor->q = q->outputs[0]->index;
    tensor->rounding = (pithi_diag_rounding){
        .scale = (float)pithi_tensor_get_f64(scale, 0),
        .read_scale = (float)pithi_tensor_get_f64(read_scale, 0),
        .zero = zero ? (int)pithi_tensor_get_s64(zero, 0) : 0,
        .read_zero = read_zero ? (int)pithi_tensor_get_s64(read_zero, 0) : 0,
        .low = is_signed ? -(1 << (bits - 1)) : 0,
        .high = (is_signed ? 1 << (bits - 1) : 1 << bits) - 1,
    };
}

static double limit_of(const pith_node *clip, int index, const char *attr)
{
    const pith_tensor *given = pithi_constant_input(clip, index);
    return given ? pithi_tensor_get_f64(given, 0) : (double)pithi_attr_float(clip, attr);
}

static void read_limits(const pithi_diagnosis *job, pithi_diag_tensor *tensor)
{
    const pith_node *node = job->graph->values[tensor->value]->producer;
    const pith_node *twin = job->twin->values[tensor->twin]->producer;
    tensor->limits = (pithi_range){ -INFINITY, INFINITY };
    if (!node || !twin || node->op == twin->op) {
        return;
    }
    if (pithi_is(node, "relu")) {
        tensor->limits.low = 0.0;
    } else if (pithi_is(node, "clip")) {
        tensor->limits = (pithi_range){ limit_of(node, 1, "min"), limit_of(node, 2, "max") };
    }
}

/* Channels are axis 1 behind convolutions, the last axis behind products of matrices; 0: by the rank. */
static int axis_of(const pithi_diagnosis *job, const pithi_diag_tensor *tensor)
{
    static const char *const last[] = { "gemm", "matmul", "layer_normalization", "transpose", "reshape" };
    const pith_node *node = job->graph->values[tensor->value]->producer;
    for (int steps = 0; node && steps < 8; steps++) {
        if (pithi_is(node, "conv") || pithi_is(node, "conv_transpose")) {
            return 1;
        }
        for (int i = 0; i < PITH_COUNT(last); i++) {
            if (pithi_is(node, last[i])) {
                return -1;
            }
        }
        node = node->n_inputs > 0 && node->inputs[0] ? node->inputs[0]->producer : NULL;
    }
    return 0;
}

int pithi_diag_bits(pith_dtype dtype)
{
    switch (dtype) {
    case PITH_DTYPE_S8:
    case PITH_DTYPE_U8: return 8;
    case PITH_DTYPE_S16:
    case PITH_DTYPE_U16: return 16;
    case PITH_DTYPE_S4:
    case PITH_DTYPE_U4: return 4;
    case PITH_DTYPE_S2:
    case PITH_DTYPE_U2: return 2;
    default: return 0;
    }
}

static int root_of(const pithi_diagnosis *job, int number)
{
    const pithi_diag_tensor *tensor = &job->tensors[number];
    const pith_node *twin = job->twin->values[tensor->twin]->producer;
    pith_value *from = pithi_diag_moves(twin) ? pithi_diag_strip(twin->inputs[0], NULL) : NULL;
    int source = from ? job->tensor_of_twin[from->index] : -1;
    const pithi_diag_rounding *a = &tensor->rounding, *b = source >= 0 ? &job->tensors[source].rounding : a;
    bool is_same = source >= 0 && source < number && tensor->q >= 0 && job->tensors[source].q >= 0 &&
                   a->scale == b->scale && a->zero == b->zero && a->low == b->low && a->read_scale == b->read_scale &&
                   a->read_zero == b->read_zero;
    return is_same ? job->tensors[source].root : number;
}

/* ---- layers -------------------------------------------------------------------------------- */

pithi_position pithi_diag_position(const pithi_quant_weights *weights, int64_t index)
{
    const pith_shape *shape = &weights->tensor->shape;
    int64_t at[2] = { 0, 0 };
    for (int i = shape->rank - 1; i >= 0; i--) {
        int64_t coordinate = index % shape->dims[i];
        index /= shape->dims[i];
        at[0] = i == weights->out_axis ? coordinate : at[0];
        at[1] = i == weights->in_axis ? coordinate : at[1];
    }
    int64_t group = at[0] / pithi_max_s64(weights->n_out / weights->groups, 1);
    return (pithi_position){ at[0], group * shape->dims[weights->in_axis] + at[1] };
}

static bool find_weights(const pith_node *node, pithi_quant_weights *weights)
{
    bool is_plain_transpose = pithi_is(node, "conv_transpose") && pithi_attr_int(node, "group") == 1;
    if (!pithi_is(node, "conv") && !pithi_is(node, "gemm") && !pithi_is(node, "matmul") && !is_plain_transpose) {
        return false;
    }
    const pith_tensor *tensor = pithi_constant_input(node, 1);
    return tensor && tensor->shape.rank >= 2 && (!pithi_is(node, "matmul") || tensor->shape.rank == 2) &&
           pithi_quant_weights_of(node, weights);
}

static pith_status copy_bias(pithi_diagnosis *job, const pith_node *node, int64_t n_out, float **bias_out)
{
    pith_value *value = pithi_is(node, "matmul") ? NULL : pithi_node_input(node, 2);
    pith_tensor tensor;
    bool is_constant = false;
    *bias_out = NULL;
    if (value) {
        PITH_TRY(pithi_diag_constant(&job->arena, value, &tensor, &is_constant));
    }
    if (is_constant && tensor.dtype == PITH_DTYPE_F32 && pith_shape_elements(&tensor.shape) == n_out) {
        *bias_out = tensor.data;
    }
    return PITH_OK;
}

/* How much of int32 the largest bias takes. */
static double bias_limit(const pith_node *node)
{
    const pith_value *value = pithi_is(node, "matmul") ? NULL : pithi_node_input(node, 2);
    const pith_node *dq = value ? value->producer : NULL;
    const pith_tensor *bias = pithi_is(dq, "dequantize_linear") ? pithi_constant_input(dq, 0) : NULL;
    double largest = 0.0;
    for (int64_t i = 0; bias && bias->dtype == PITH_DTYPE_S32 && i < pith_shape_elements(&bias->shape); i++) {
        largest = fmax(largest, fabs((double)pithi_tensor_get_s64(bias, i)));
    }
    return largest / 2147483647.0;
}

static double codes_used(const pith_tensor *integers)
{
    bool is_used[PITHI_N_CODES] = { false };
    int n_used = 0, bits = pithi_diag_bits(integers->dtype);
    if (bits == 0 || bits > 8) {
        return 1.0;
    }
    for (int64_t i = 0; i < pith_shape_elements(&integers->shape); i++) {
        bool *flag = &is_used[pithi_tensor_get_s64(integers, i) & (PITHI_N_CODES - 1)];
        n_used += !*flag;
        *flag = true;
    }
    return (double)n_used / (double)(1 << bits);
}

static void read_format(const pith_node *twin, pithi_diag_layer *layer)
{
    const pith_node *dq = twin->inputs[1]->producer;
    while (pithi_is(dq, "transpose") || pithi_is(dq, "reshape")) {
        dq = dq->inputs[0]->producer;
    }
    layer->dq = -1;
    layer->bits = 32;
    layer->codes_used = 1.0;
    if (pithi_is(dq, "dequantize_linear") && pithi_constant_input(dq, 1)) {
        const pith_tensor *integers = pithi_constant_input(dq, 0), *zero = pithi_constant_input(dq, 2);
        pith_dtype dtype = integers ? integers->dtype : zero ? zero->dtype : PITH_DTYPE_U8;
        layer->dq = dq->outputs[0]->index;
        layer->bits = pithi_diag_bits(dtype) ? pithi_diag_bits(dtype) : 8;
        layer->is_per_channel = pith_shape_elements(&dq->inputs[1]->constant->shape) > 1;
        layer->codes_used = integers ? codes_used(integers) : 1.0;
    }
}

static pith_status open_weights(pithi_diagnosis *job, const pith_node *node, const pith_node *twin,
                                pithi_diag_layer *layer)
{
    pith_tensor now;
    bool is_constant = false;
    if (node->op != twin->op || !find_weights(node, &layer->weights)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_diag_constant(&job->arena, twin->inputs[1], &now, &is_constant));
    if (!is_constant || now.dtype != PITH_DTYPE_F32 || !pith_shape_equal(&now.shape, &layer->weights.tensor->shape)) {
        return PITH_OK;
    }
    size_t n_out = (size_t)layer->weights.n_out;
    void *weights = NULL, *channels = NULL;
    PITH_TRY(pithi_arena_alloc(&job->arena, pith_tensor_bytes(&now), &weights));
    PITH_TRY(pithi_arena_array(&job->arena, 5 * n_out, sizeof(double), &channels));
    layer->has_weights = true;
    layer->now = now.data;
    layer->target = weights;
    layer->signals = channels;
    layer->noises = layer->signals + n_out;
    layer->products = layer->noises + n_out;
    layer->peaks = layer->products + n_out;
    layer->means = layer->peaks + n_out;
    read_format(twin, layer);
    layer->bias_limit = bias_limit(twin);
    PITH_TRY(copy_bias(job, node, layer->weights.n_out, &layer->bias_float));
    return copy_bias(job, twin, layer->weights.n_out, &layer->bias_now);
}

static int input_tensor(const pithi_diagnosis *job, const pith_node *twin)
{
    pith_value *value = twin->n_inputs > 0 ? twin->inputs[0] : NULL;
    return value && !value->constant ? job->tensor_of_twin[pithi_diag_strip(value, NULL)->index] : -1;
}

pith_status pithi_diag_layers(pithi_diagnosis *job)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->graph->n_nodes + 1, sizeof(pithi_diag_layer), &block));
    job->layers = block;
    for (int i = 0; i < job->n_tensors; i++) {
        pithi_diag_tensor *tensor = &job->tensors[i];
        read_rounding(job, tensor);
        read_limits(job, tensor);
        tensor->axis = axis_of(job, tensor);
        tensor->root = root_of(job, i);
    }
    for (const pith_node *node = job->graph->first; node; node = node->next) {
        int value = node->n_outputs > 0 && node->outputs[0] ? node->outputs[0]->index : -1;
        if (value < 0 || job->node_of[value] < 0) {
            continue;
        }
        const pith_node *twin = job->twin->values[job->node_of[value]]->producer;
        pithi_diag_layer *layer = &job->layers[job->n_layers++];
        *layer = (pithi_diag_layer){ .node = value,
                                     .twin = job->node_of[value],
                                     .in = input_tensor(job, twin),
                                     .out = job->tensor_of_twin[job->node_of[value]],
                                     .dq = -1,
                                     .bits = 32 };
        PITH_TRY(open_weights(job, node, twin, layer));
    }
    return PITH_OK;
}

/* ---- errors -------------------------------------------------------------------------------- */

double pithi_diag_factor(const pithi_diagnosis *job, int tensor, int64_t channel)
{
    const pithi_diag_tensor *t = tensor >= 0 ? &job->tensors[tensor] : NULL;
    return t && t->factors && channel < t->n_factors ? (double)t->factors[channel] : 1.0;
}

double pithi_diag_shift(const pithi_diagnosis *job, int tensor, int64_t channel)
{
    const pithi_diag_tensor *t = tensor >= 0 ? &job->tensors[tensor] : NULL;
    return t && t->shifts && channel < t->n_factors ? (double)t->shifts[channel] : 0.0;
}

static pith_status set_targets(pithi_diagnosis *job, pithi_diag_layer *layer)
{
    const float *from = layer->weights.tensor->data;
    int64_t n = pith_shape_elements(&layer->weights.tensor->shape), n_out = layer->weights.n_out;
    for (int64_t i = 0; i < n; i++) {
        pithi_position at = pithi_diag_position(&layer->weights, i);
        layer->target[i] = (float)((double)from[i] * pithi_diag_factor(job, layer->out, at.out) /
                                   pithi_diag_factor(job, layer->in, at.in));
    }
    const bool is_shifted = layer->in >= 0 && job->tensors[layer->in].shifts;
    if ((layer->bias_float || is_shifted) && !layer->bias_target) {
        void *block = NULL;
        PITH_TRY(pithi_arena_array(&job->arena, (size_t)n_out, sizeof(float), &block));
        layer->bias_target = block;
    }
    for (int64_t c = 0; layer->bias_target && c < n_out; c++) {
        const double bias = layer->bias_float ? (double)layer->bias_float[c] : 0.0;
        layer->bias_target[c] =
            (float)(bias * pithi_diag_factor(job, layer->out, c) + pithi_diag_shift(job, layer->out, c));
    }
    for (int64_t i = 0; is_shifted && i < n; i++) {
        const pithi_position at = pithi_diag_position(&layer->weights, i);
        layer->bias_target[at.out] -= layer->target[i] * (float)pithi_diag_shift(job, layer->in, at.in);
    }
    return PITH_OK;
}

/* Noise of rounding to the nearest level, with the scale that holds each channel's largest weight. */
static double best_noise(const pithi_diag_layer *layer)
{
    double levels = layer->bits < 32 ? (double)(1 << (layer->bits - 1)) - 1.0 : 0.0, noise = 0.0;
    for (int64_t i = 0; levels > 0.0 && i < pith_shape_elements(&layer->weights.tensor->shape); i++) {
        double scale = layer->peaks[pithi_diag_position(&layer->weights, i).out] / levels, w = (double)layer->target[i];
        double error = scale > 0.0 ? w - scale * nearbyint(w / scale) : 0.0;
        noise += error * error;
    }
    return noise;
}

pith_status pithi_diag_weigh(pithi_diagnosis *job, pithi_diag_layer *layer)
{
    int64_t n = pith_shape_elements(&layer->weights.tensor->shape);
    PITH_TRY(set_targets(job, layer));
    memset(layer->signals, 0, 4 * (size_t)layer->weights.n_out * sizeof(double));
    layer->sums = (pithi_sums){ 0 };
    for (int64_t i = 0; i < n; i++) {
        int64_t c = pithi_diag_position(&layer->weights, i).out;
        double want = (double)layer->target[i], is = (double)layer->now[i];
        pithi_diag_add(&layer->sums, want, is);
        layer->signals[c] += want * want;
        layer->noises[c] += (want - is) * (want - is);
        layer->peaks[c] = fmax(layer->peaks[c], fabs(want));
        layer->products[c] += want * is;
    }
    layer->best_noise = best_noise(layer);
    layer->agreement = pithi_diag_sign_agreement(layer->target, layer->now, n);
    layer->factor = layer->sums.signal > 0.0 ? layer->sums.product / layer->sums.signal : 1.0;
    return PITH_OK;
}
