/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that are quantised otherwise in some places: the twin with changes, and the float network with one place
 * quantised. */
#include <math.h>

#include "diagnose/diagnose.h"

#define LARGEST_BIAS   1073741824.0 /* 2^30: sums need the other half of s32 */
#define SMALLEST_SCALE 1e-12
#define WIDE_LEVELS    65535
#define N_STEPS        40 /* of the search for a range */

pith_status pithi_diag_new_changes(pithi_diagnosis *job, const pithi_changes *from, pithi_changes *changes_out)
{
    void *tensors = NULL, *layers = NULL;
    size_t n_tensors = (size_t)job->n_tensors, n_layers = (size_t)job->n_layers;
    PITH_TRY(pithi_arena_array(&job->arena, n_tensors + 1, sizeof(pithi_tensor_change), &tensors));
    PITH_TRY(pithi_arena_array(&job->arena, n_layers + 1, sizeof(pithi_layer_change), &layers));
    if (from) {
        memcpy(tensors, from->tensors, n_tensors * sizeof(pithi_tensor_change));
        memcpy(layers, from->layers, n_layers * sizeof(pithi_layer_change));
    }
    *changes_out = (pithi_changes){ tensors, layers };
    return PITH_OK;
}

/* ---- rounding ------------------------------------------------------------------------------ */

static pithi_diag_rounding rounding_for(pithi_range range, int low, int high)
{
    double scale = fmax((range.high - range.low) / (high - low), SMALLEST_SCALE);
    float single = (float)scale;
    int zero = low + (int)fmin(fmax(nearbyint(-range.low / (double)single), 0.0), high - low);
    return (pithi_diag_rounding){ single, single, zero, zero, low, high };
}

/* Noise of rounding the histogram; within a step the error is uniform. */
static double noise_of(const pithi_histogram *histogram, const pithi_diag_rounding *rounding, double *signal_out)
{
    double width = (histogram->high - histogram->low) / PITHI_QUANT_BINS, noise = 0.0;
    double step = (double)rounding->scale, bottom = step * (rounding->low - rounding->zero) - step / 2.0;
    double top = step * (rounding->high - rounding->zero) + step / 2.0;
    *signal_out = 0.0;
    for (int i = 0; i < PITHI_QUANT_BINS; i++) {
        double x = histogram->low + width * (i + 0.5), count = (double)histogram->bins[i];
        double error = x < bottom ? bottom + step / 2.0 - x : x > top ? x - top + step / 2.0 : 0.0;
        *signal_out += count * x * x;
        noise += count * (error > 0.0 ? error * error : step * step / 12.0);
    }
    return noise;
}

pithi_range pithi_diag_best_range(const pithi_diag_tensor *tensor, double *sqnr_db_out)
{
    const pithi_histogram *histogram = &tensor->histogram;
    pithi_range whole = { histogram->low, histogram->high }, best = whole;
    int low = tensor->q >= 0 ? tensor->rounding.low : 0, high = tensor->q >= 0 ? tensor->rounding.high : 255;
    double signal = 0.0, least = INFINITY;
    for (int end = 0; end < 3; end++) { /* both ends, the lower, the upper */
        pithi_range start = best;
        for (int i = 0; i < N_STEPS; i++) {
            double share = 1.0 - (double)i / N_STEPS;
            pithi_range range = { start.low * (end == 2 ? 1.0 : share), start.high * (end == 1 ? 1.0 : share) };
            pithi_diag_rounding rounding = rounding_for(range, low, high);
            double noise = noise_of(histogram, &rounding, &signal);
            if (noise < least) {
                least = noise;
                best = range;
            }
        }
    }
    *sqnr_db_out = pithi_quant_decibel(signal, least);
    return best;
}

pithi_diag_rounding pithi_diag_new_rounding(const pithi_diag_tensor *tensor, const pithi_tensor_change *change)
{
    switch (change->mode) {
    case PITHI_TENSOR_RANGE: return rounding_for(change->range, tensor->rounding.low, tensor->rounding.high);
    case PITHI_TENSOR_WIDE: return rounding_for(change->range, 0, WIDE_LEVELS);
    default: return tensor->rounding;
    }
}

static pith_dtype dtype_of(const pithi_diag_rounding *rounding)
{
    bool is_signed = rounding->low < 0;
    switch (rounding->high - rounding->low) {
    case 65535: return is_signed ? PITH_DTYPE_S16 : PITH_DTYPE_U16;
    case 15: return is_signed ? PITH_DTYPE_S4 : PITH_DTYPE_U4;
    case 3: return is_signed ? PITH_DTYPE_S2 : PITH_DTYPE_U2;
    default: return is_signed ? PITH_DTYPE_S8 : PITH_DTYPE_U8;
    }
}

static pith_status new_parameters(pith_graph *graph, float scale, int zero, pith_dtype dtype, pith_value *pair_out[2])
{
    const pith_shape scalar = { 0 };
    pith_tensor tensor;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &scalar, &tensor, &pair_out[0]));
    pithi_tensor_set_f64(&tensor, 0, (double)scale);
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &scalar, &tensor, &pair_out[1]));
    pithi_tensor_set_s64(&tensor, 0, zero);
    return PITH_OK;
}

pith_status pithi_diag_round(pith_graph *graph, pith_node *before, const pithi_diag_rounding *rounding,
                             pith_value *value, pith_value **result_out)
{
    const pith_op *op = pithi_op_find("quantize_linear");
    pith_value *operands[3] = { value, NULL, NULL }, *quantised = NULL;
    pith_dtype dtype = dtype_of(rounding);
    PITH_CHECK(graph->ctx, op, PITH_STATUS_INTERNAL, "the build lacks quantize_linear");
    PITH_TRY(new_parameters(graph, rounding->scale, rounding->zero, dtype, &operands[1]));
    PITH_TRY(pithi_graph_add_value(graph, NULL, &quantised));
    quantised->dtype = dtype;
    PITH_TRY(pithi_graph_insert_node(graph, before, op, "", operands, 3, &quantised, 1, NULL));
    operands[0] = quantised;
    PITH_TRY(new_parameters(graph, rounding->read_scale, rounding->read_zero, dtype, &operands[1]));
    return pithi_diag_dq(graph, before, operands, -1, result_out);
}

/* A constant for each channel, and the node that takes it as its second operand. */
static pith_status insert_channels(pith_graph *graph, pith_node *before, const char *name,
                                   const pithi_diag_tensor *tensor, bool is_backwards, pith_value **value)
{
    const pith_op *op = pithi_op_find(name);
    const bool is_shift = pithi_same_text(name, "add");
    pith_shape shape = { .rank = 1, .dims = { tensor->n_factors, 1, 1, 1 } };
    pith_value *operands[2] = { *value, NULL };
    pith_tensor to;
    PITH_CHECK(graph->ctx, op, PITH_STATUS_INTERNAL, "the build lacks %s", name);
    shape.rank = tensor->axis == 1 ? tensor->factors_rank - 1 : 1;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, &operands[1]));
    for (int64_t c = 0; c < tensor->n_factors; c++) {
        const double factor = tensor->factors ? (double)tensor->factors[c] : 1.0;
        const double shift = is_shift ? (double)tensor->shifts[c] : 0.0;
        const double forwards = is_shift ? shift : factor, backwards = is_shift ? -shift / factor : 1.0 / factor;
        pithi_tensor_set_f64(&to, c, is_backwards ? backwards : forwards);
    }
    PITH_TRY(pithi_graph_add_value(graph, NULL, value));
    (*value)->dtype = PITH_DTYPE_F32;
    return pithi_graph_insert_node(graph, before, op, "", operands, 2, value, 1, NULL);
}

/* value * factor + shift, or from there back: value / factor - shift / factor. */
static pith_status convert_channels(pith_graph *graph, pith_node *before, const pithi_diag_tensor *tensor,
                                    bool is_backwards, pith_value *value, pith_value **result_out)
{
    *result_out = value;
    if (tensor->factors) {
        PITH_TRY(insert_channels(graph, before, "mul", tensor, is_backwards, result_out));
    }
    return tensor->shifts ? insert_channels(graph, before, "add", tensor, is_backwards, result_out) : PITH_OK;
}

pith_status pithi_diag_to_twin(pith_graph *graph, const pithi_diag_tensor *tensor, pith_value *value,
                               pith_value **result_out)
{
    return convert_channels(graph, NULL, tensor, false, value, result_out);
}

pith_status pithi_diag_copy_node(pith_graph *graph, const pith_node *node, pith_value *const *inputs, int n_inputs,
                                 pith_value **output_out)
{
    pith_node *copy = NULL;
    void *outputs = NULL;
    PITH_TRY(pithi_graph_add_value(graph, NULL, output_out));
    (*output_out)->dtype = PITH_DTYPE_F32;
    PITH_TRY(pithi_graph_insert_node(graph, NULL, node->op, "", inputs, n_inputs, output_out, 1, &copy));
    if (node->n_outputs > 1) {
        PITH_TRY(pithi_arena_array(&graph->arena, (size_t)node->n_outputs, sizeof(pith_value *), &outputs));
        copy->outputs = outputs;
        copy->outputs[0] = *output_out;
        copy->n_outputs = node->n_outputs;
    }
    copy->source_op = node->source_op;
    copy->source_opset = node->source_opset;
    copy->source_since = node->source_since;
    return pithi_attrs_copy(pithi_op_head(node->op), node->attrs, &graph->arena, copy->attrs);
}

/* ---- weights and biases -------------------------------------------------------------------- */

static double levels_of(const pithi_diag_layer *layer)
{
    return (double)(1 << ((layer->bits < 16 ? layer->bits : 8) - 1)) - 1.0;
}

static double new_scale(const pithi_diag_layer *layer, int64_t channel)
{
    return fmax(layer->peaks[channel] / levels_of(layer), SMALLEST_SCALE);
}

static double new_code(const pithi_diag_layer *layer, int64_t index)
{
    double levels = levels_of(layer);
    double scale = (double)(float)new_scale(layer, pithi_diag_position(&layer->weights, index).out);
    return fmin(fmax(nearbyint((double)layer->target[index] / scale), -levels), levels);
}

/* Weight after the change, in the twin's units. */
static double weight_at(const pithi_diag_layer *layer, const pithi_layer_change *change, int64_t index)
{
    switch (change->mode) {
    case PITHI_LAYER_FLOAT: return (double)layer->target[index];
    case PITHI_LAYER_ANEW:
        return new_code(layer, index) *
               (double)(float)new_scale(layer, pithi_diag_position(&layer->weights, index).out);
    default: return (double)layer->now[index];
    }
}

static double bias_at(const pithi_diag_layer *layer, const pithi_layer_change *change, int64_t channel)
{
    const float *bias =
        change->has_new_bias || change->mode == PITHI_LAYER_FLOAT ? layer->bias_target : layer->bias_now;
    return (bias ? (double)bias[channel] : 0.0) - (change->shift ? change->shift[channel] : 0.0);
}

static bool has_bias(const pithi_diag_layer *layer, const pithi_layer_change *change)
{
    return layer->bias_now || change->shift ||
           ((change->has_new_bias || change->mode == PITHI_LAYER_FLOAT) && layer->bias_target);
}

static pith_status set_operand(pith_graph *graph, pith_node *node, int index, pith_value *value)
{
    if (node->n_inputs <= index) {
        PITH_TRY(pithi_node_resize_inputs(graph, node, index + 1));
    }
    node->inputs[index] = value;
    return PITH_OK;
}

static pith_status put_float_bias(pith_graph *graph, pith_node *node, const pithi_diag_layer *layer,
                                  const pithi_layer_change *change)
{
    const pith_shape shape = { 1, { layer->weights.n_out } };
    pith_value *value = NULL;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, &value));
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        pithi_tensor_set_f64(&to, c, bias_at(layer, change, c));
    }
    return set_operand(graph, node, 2, value);
}

/* s32 with the scale of the sums; float where that doesn't fit. */
static pith_status put_bias(pith_graph *graph, pith_node *node, const pithi_diag_layer *layer,
                            const pithi_layer_change *change, const double *scales)
{
    const pith_shape shape = { 1, { layer->weights.n_out } };
    pith_value *operands[3] = { 0 }, *result = NULL;
    pith_tensor scale, bias;
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        if (!(fabs(bias_at(layer, change, c)) < scales[c] * LARGEST_BIAS)) {
            return put_float_bias(graph, node, layer, change);
        }
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_S32, &shape, &bias, &operands[0]));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &scale, &operands[1]));
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        pithi_tensor_set_f64(&scale, c, scales[c]);
        pithi_tensor_set_s64(&bias, c, (int64_t)nearbyint(bias_at(layer, change, c) / scales[c]));
    }
    PITH_TRY(pithi_diag_dq(graph, node, operands, 0, &result));
    return set_operand(graph, node, 2, result);
}

static pith_status put_float_weights(pith_graph *graph, pith_node *node, const pithi_diag_layer *layer)
{
    pith_value *value = NULL;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &layer->weights.tensor->shape, &to, &value));
    memcpy(to.data, layer->target, pith_tensor_bytes(&to));
    return set_operand(graph, node, 1, value);
}

static pith_status put_new_weights(pith_graph *graph, pith_node *node, const pithi_diag_layer *layer)
{
    const pith_shape channels = { 1, { layer->weights.n_out } };
    pith_dtype dtype = layer->bits == 4 ? PITH_DTYPE_S4 : layer->bits == 2 ? PITH_DTYPE_S2 : PITH_DTYPE_S8;
    pith_value *operands[3] = { 0 }, *result = NULL;
    pith_tensor codes, scales, zeros;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &layer->weights.tensor->shape, &codes, &operands[0]));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &channels, &scales, &operands[1]));
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &channels, &zeros, &operands[2]));
    for (int64_t i = 0; i < pith_shape_elements(&codes.shape); i++) {
        pithi_tensor_set_s64(&codes, i, (int64_t)new_code(layer, i));
    }
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        pithi_tensor_set_f64(&scales, c, new_scale(layer, c));
    }
    PITH_TRY(pithi_diag_dq(graph, node, operands, layer->weights.out_axis, &result));
    return set_operand(graph, node, 1, result);
}

/* Scales of the sums: input times weights; false if the input or the weights are float. */
static bool scales_of_sums(const pithi_diagnosis *job, const pithi_diag_layer *layer, const pithi_changes *changes,
                           int number, double *scales)
{
    const pithi_diag_tensor *in = layer->in >= 0 ? &job->tensors[layer->in] : NULL;
    const pithi_layer_change *change = &changes->layers[number];
    if (!in || in->q < 0 || changes->tensors[layer->in].mode == PITHI_TENSOR_FLOAT || layer->dq < 0 ||
        change->mode == PITHI_LAYER_FLOAT) {
        return false;
    }
    pithi_diag_rounding rounding = pithi_diag_new_rounding(in, &changes->tensors[layer->in]);
    const pith_tensor *now = job->twin->values[layer->dq]->producer->inputs[1]->constant;
    int64_t n_now = pith_shape_elements(&now->shape);
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        double scale = change->mode == PITHI_LAYER_ANEW
                           ? (double)(float)new_scale(layer, c)
                           : pithi_tensor_get_f64(now, n_now == layer->weights.n_out ? c : 0);
        scales[c] = (double)rounding.read_scale * scale;
    }
    return n_now == 1 || n_now == layer->weights.n_out;
}

static pith_status change_layer(const pithi_diagnosis *job, pith_graph *graph, const pithi_changes *changes, int number)
{
    const pithi_diag_layer *layer = &job->layers[number];
    const pithi_layer_change *change = &changes->layers[number];
    pith_node *node = graph->values[layer->twin]->producer;
    bool moves = layer->in >= 0 && changes->tensors[layer->in].mode != PITHI_TENSOR_KEPT;
    if (!layer->has_weights ||
        (change->mode == PITHI_LAYER_KEPT && !change->has_new_bias && !change->shift && !moves)) {
        return PITH_OK;
    }
    if (change->mode == PITHI_LAYER_FLOAT) {
        PITH_TRY(put_float_weights(graph, node, layer));
    } else if (change->mode == PITHI_LAYER_ANEW) {
        PITH_TRY(put_new_weights(graph, node, layer));
    }
    if (!has_bias(layer, change) || pithi_is(node, "matmul")) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(job->ctx, (size_t)layer->weights.n_out, sizeof(double), &block));
    pith_status status = scales_of_sums(job, layer, changes, number, block)
                             ? put_bias(graph, node, layer, change, block)
                             : put_float_bias(graph, node, layer, change);
    pithi_free(job->ctx, block);
    return status;
}

/* ---- the twin with changes ----------------------------------------------------------------- */

static pith_status set_parameters(pith_graph *graph, pith_node *node, pith_value *const pair[2])
{
    PITH_TRY(set_operand(graph, node, 1, pair[0]));
    return set_operand(graph, node, 2, pair[1]);
}

static pith_status change_readers(pith_graph *graph, pith_node *q, pith_value *raw, const pithi_diag_rounding *rounding,
                                  bool to_float)
{
    pith_value *pair[2] = { NULL, NULL };
    if (!to_float) {
        PITH_TRY(new_parameters(graph, rounding->scale, rounding->zero, dtype_of(rounding), pair));
        PITH_TRY(set_parameters(graph, q, pair));
        q->outputs[0]->dtype = dtype_of(rounding);
    }
    for (pith_node *node = graph->first; node; node = node->next) {
        if (!pithi_is(node, "dequantize_linear") || node->inputs[0] != q->outputs[0]) {
            continue;
        }
        if (to_float) {
            pithi_graph_replace_uses(graph, node->outputs[0], raw);
        } else {
            PITH_TRY(set_parameters(graph, node, pair));
        }
    }
    return PITH_OK;
}

/* The activation that the range stood for. */
static pith_status put_limits(const pithi_diag_tensor *tensor, pith_graph *graph, pith_value *raw,
                              pith_value **result_out)
{
    bool is_relu = tensor->limits.low == 0.0 && isinf(tensor->limits.high);
    pith_node *node = NULL, *before = raw->producer ? raw->producer->next : graph->first;
    *result_out = raw;
    if (isinf(tensor->limits.low) && isinf(tensor->limits.high)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_insert(graph, before, is_relu ? "relu" : "clip", &raw, 1, &node));
    if (!is_relu) {
        PITH_TRY(pithi_attr_set_float(graph->ctx, node, "min", (float)tensor->limits.low));
        PITH_TRY(pithi_attr_set_float(graph->ctx, node, "max", (float)tensor->limits.high));
    }
    *result_out = node->outputs[0];
    (*result_out)->dtype = PITH_DTYPE_F32;
    return PITH_OK;
}

static pith_status change_tensor(const pithi_diagnosis *job, pith_graph *graph, const pithi_changes *changes,
                                 int number)
{
    const pithi_diag_tensor *tensor = &job->tensors[number];
    const pithi_tensor_change *change = &changes->tensors[number];
    pith_value *raw = graph->values[tensor->twin], *result = raw;
    if (tensor->q < 0 || change->mode == PITHI_TENSOR_KEPT) {
        return PITH_OK;
    }
    if (change->mode == PITHI_TENSOR_FLOAT) {
        PITH_TRY(put_limits(tensor, graph, raw, &result));
    }
    pithi_diag_rounding rounding = pithi_diag_new_rounding(tensor, change);
    for (pith_node *node = graph->first; node; node = node->next) {
        if (pithi_is(node, "quantize_linear") && node->inputs[0] == raw) {
            PITH_TRY(change_readers(graph, node, result, &rounding, change->mode == PITHI_TENSOR_FLOAT));
        }
    }
    return PITH_OK;
}

pith_status pithi_diag_variant(const pithi_diagnosis *job, const pithi_changes *changes, pith_graph **graph_out)
{
    pith_graph *graph = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_graph_clone(job->twin, &graph));
    for (int i = 0; changes && i < job->n_layers; i++) {
        PITH_TRY_GOTO(change_layer(job, graph, changes, i), done);
    }
    for (int i = 0; changes && i < job->n_tensors; i++) {
        PITH_TRY_GOTO(change_tensor(job, graph, changes, i), done);
    }
    int n_removed = 0;
    PITH_TRY_GOTO(pithi_pass_remove_dead.run(graph, PITH_STAGE_MODEL, &n_removed), done);
    pithi_graph_count_uses(graph);
    *graph_out = graph;
    return PITH_OK;
done:
    pithi_graph_destroy(graph);
    return status;
}

/* ---- one place quantised ------------------------------------------------------------------- */

static pith_status round_alone(const pithi_diagnosis *job, pith_graph *graph, const pithi_changes *changes, int number)
{
    const pithi_diag_tensor *tensor = &job->tensors[number];
    pith_value *value = graph->values[tensor->value], *at = value, *result = NULL;
    pith_node *before = value->producer ? value->producer->next : graph->first;
    pith_node *last = before ? before->previous : graph->last;
    if (tensor->q < 0 || changes->tensors[number].mode == PITHI_TENSOR_FLOAT) {
        return PITH_OK;
    }
    pithi_diag_rounding rounding = pithi_diag_new_rounding(tensor, &changes->tensors[number]);
    PITH_TRY(convert_channels(graph, before, tensor, false, value, &at));
    PITH_TRY(pithi_diag_round(graph, before, &rounding, at, &at));
    PITH_TRY(convert_channels(graph, before, tensor, true, at, &result));
    pith_node *first = last ? last->next : graph->first;
    pithi_graph_replace_uses(graph, value, result);
    first->inputs[0] = value;
    return PITH_OK;
}

static pith_status weigh_alone(const pithi_diagnosis *job, pith_graph *graph, const pithi_changes *changes, int number)
{
    const pithi_diag_layer *layer = &job->layers[number];
    const pithi_layer_change *change = &changes->layers[number];
    pith_node *node = graph->values[layer->node]->producer;
    pith_value *value = NULL;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &layer->weights.tensor->shape, &to, &value));
    for (int64_t i = 0; i < pith_shape_elements(&to.shape); i++) {
        pithi_position at = pithi_diag_position(&layer->weights, i);
        double w = weight_at(layer, change, i);
        pithi_tensor_set_f64(&to, i,
                             w * pithi_diag_factor(job, layer->in, at.in) / pithi_diag_factor(job, layer->out, at.out));
    }
    const pith_tensor weights = to;
    PITH_TRY(set_operand(graph, node, 1, value));
    if (pithi_is(node, "matmul") || (!has_bias(layer, change) && !layer->bias_float)) {
        return PITH_OK;
    }
    const pith_shape shape = { 1, { layer->weights.n_out } };
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, &value));
    for (int64_t c = 0; c < layer->weights.n_out; c++) {
        const double bias = bias_at(layer, change, c) - pithi_diag_shift(job, layer->out, c);
        pithi_tensor_set_f64(&to, c, bias / pithi_diag_factor(job, layer->out, c));
    }
    for (int64_t i = 0; i < pith_shape_elements(&weights.shape); i++) { /* what the input is shifted by */
        const pithi_position at = pithi_diag_position(&layer->weights, i);
        const double shift = pithi_diag_shift(job, layer->in, at.in) / pithi_diag_factor(job, layer->in, at.in);
        pithi_tensor_set_f64(&to, at.out,
                             pithi_tensor_get_f64(&to, at.out) + shift * pithi_tensor_get_f64(&weights, i));
    }
    return set_operand(graph, node, 2, value);
}

pith_status pithi_diag_alone(const pithi_diagnosis *job, const pithi_changes *changes, int tensor, int layer,
                             pith_graph **graph_out)
{
    pith_graph *graph = NULL;
    PITH_TRY(pithi_graph_clone(job->graph, &graph));
    pith_status status =
        tensor >= 0 ? round_alone(job, graph, changes, tensor) : weigh_alone(job, graph, changes, layer);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    pithi_graph_count_uses(graph);
    *graph_out = graph;
    return PITH_OK;
}
