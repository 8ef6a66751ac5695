/* SPDX-License-Identifier: Apache-2.0 */
/* What the samples show. One graph makes the float values and, beside them, every layer of the twin with float inputs
 * (isolated errors); the twin itself shows how errors accumulate. Everything is summed sample by sample. */
#include <math.h>

#include "diagnose/diagnose.h"

/* ---- sums ---------------------------------------------------------------------------------- */

void pithi_diag_add(pithi_sums *sums, double reference, double value)
{
    double difference = value - reference;
    sums->signal += reference * reference;
    sums->noise += difference * difference;
    sums->product += reference * value;
    sums->square += value * value;
    sums->shift += difference;
    sums->largest = fabs(difference) > sums->largest ? fabs(difference) : sums->largest;
    sums->n++;
}

double pithi_diag_decibel(const pithi_sums *sums) { return pithi_quant_decibel(sums->signal, sums->noise); }

pith_tensor_error pithi_diag_error(const pithi_sums *sums)
{
    double lengths = sqrt(sums->signal) * sqrt(sums->square);
    return (pith_tensor_error){
        .sqnr_db = pithi_diag_decibel(sums),
        .cosine = lengths > 0.0       ? sums->product / lengths
                  : sums->noise > 0.0 ? 0.0
                                      : 1.0,
        .max_error = sums->largest,
        .mean_shift = sums->n > 0 ? sums->shift / (double)sums->n : 0.0,
    };
}

/* Code of x, without saturation if it lies beyond by more than half a step. */
static double code_of(const pithi_diag_rounding *rounding, double x)
{
    return nearbyint((double)((float)x / rounding->scale)) + rounding->zero;
}

double pithi_diag_round_trip(const pithi_diag_rounding *rounding, double x)
{
    double code = fmin(fmax(code_of(rounding, x), rounding->low), rounding->high);
    return (double)rounding->read_scale * (code - rounding->read_zero);
}

/* ---- the float graph with isolated layers -------------------------------------------------- */

typedef struct outputs {
    int *isolated, *weights; /* by layer: number of the output, -1: none */
    int first_tensor, n;
} outputs;

/* Operands of the twin's node in the float graph: constants as they are, float values in the twin's units, rounded or
 * not. False if one has no partner. */
static pith_status find_operands(pithi_diagnosis *job, pith_graph *graph, const pith_node *twin,
                                 pith_value *const *units, bool is_rounded, pith_value **inputs, bool *is_complete)
{
    *is_complete = true;
    for (int i = 0; i < twin->n_inputs && *is_complete; i++) {
        pith_value *quantised = NULL, *value = twin->inputs[i];
        pith_tensor tensor;
        bool is_constant = false;
        inputs[i] = NULL;
        if (!value) {
            continue;
        }
        PITH_TRY(pithi_diag_constant(&job->arena, value, &tensor, &is_constant));
        if (is_constant) {
            PITH_TRY(pithi_graph_add_constant(graph, NULL, &tensor, &inputs[i]));
            continue;
        }
        int number = job->tensor_of_twin[pithi_diag_strip(value, &quantised)->index];
        *is_complete = number >= 0;
        if (number >= 0) {
            inputs[i] = units[number];
        }
        if (number >= 0 && quantised && is_rounded && job->tensors[number].q >= 0) {
            PITH_TRY(pithi_diag_round(graph, NULL, &job->tensors[number].rounding, units[number], &inputs[i]));
        }
    }
    return PITH_OK;
}

static pith_status isolate(pithi_diagnosis *job, pith_graph *graph, const pith_node *twin, pith_value *const *units,
                           bool is_rounded, outputs *out, int *number_out)
{
    void *block = NULL;
    pith_value *result = NULL;
    bool is_complete = false;
    *number_out = -1;
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)twin->n_inputs + 1, sizeof(pith_value *), &block));
    PITH_TRY(find_operands(job, graph, twin, units, is_rounded, block, &is_complete));
    if (is_complete && twin->n_bodies == 0) {
        PITH_TRY(pithi_diag_copy_node(graph, twin, block, twin->n_inputs, &result));
        PITH_TRY(pithi_graph_add_output(graph, result));
        *number_out = out->n++;
    }
    return PITH_OK;
}

static pith_status add_units(const pithi_diagnosis *job, pith_graph *graph, pith_value **units)
{
    for (int i = 0; i < job->n_tensors; i++) {
        const pithi_diag_tensor *tensor = &job->tensors[i];
        PITH_TRY(pithi_diag_to_twin(graph, tensor, graph->values[tensor->value], &units[i]));
        PITH_TRY(pithi_graph_add_output(graph, units[i]));
    }
    return PITH_OK;
}

static pith_status build_isolated(pithi_diagnosis *job, pith_graph *graph, outputs *out)
{
    void *units = NULL;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_tensors + 1, sizeof(pith_value *), &units));
    out->first_tensor = (int)graph->n_outputs;
    PITH_TRY(add_units(job, graph, units));
    out->n = (int)graph->n_outputs;
    for (int i = 0; i < job->n_layers; i++) {
        const pithi_diag_layer *layer = &job->layers[i];
        const pith_node *twin = job->twin->values[layer->twin]->producer;
        out->weights[i] = -1;
        PITH_TRY(isolate(job, graph, twin, units, true, out, &out->isolated[i]));
        if (layer->has_weights) {
            PITH_TRY(isolate(job, graph, twin, units, false, out, &out->weights[i]));
        }
    }
    return PITH_OK;
}

/* ---- channels ------------------------------------------------------------------------------ */

typedef struct channel_view {
    int64_t n_channels, inner;
} channel_view;

static channel_view view_of(const pith_shape *shape, int axis)
{
    channel_view view = { 1, 1 };
    int at = axis == 0 ? (shape->rank >= 4 ? 1 : shape->rank - 1) : axis < 0 ? shape->rank - 1 : 1;
    if (shape->rank < 2 || at >= shape->rank) {
        return (channel_view){ 1, pith_shape_elements(shape) };
    }
    view.n_channels = shape->dims[at];
    for (int i = at + 1; i < shape->rank; i++) {
        view.inner *= shape->dims[i];
    }
    return view;
}

static pith_status open_channels(pithi_diagnosis *job, pithi_diag_tensor *tensor, int64_t n)
{
    void *block = NULL, *codes = NULL;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)(5 * n), sizeof(double), &block));
    PITH_TRY(pithi_arena_array(&job->arena, PITHI_N_CODES, sizeof(uint64_t), &codes));
    tensor->n_channels = n;
    tensor->lows = block;
    tensor->highs = tensor->lows + n;
    tensor->signals = tensor->highs + n;
    tensor->noises = tensor->signals + n;
    tensor->own_noises = tensor->noises + n;
    tensor->codes = codes;
    return PITH_OK;
}

/* ---- one sample ---------------------------------------------------------------------------- */

static void count_code(pithi_diag_tensor *tensor, double code, double x, double own)
{
    const pithi_diag_rounding *r = &tensor->rounding;
    double error = (own - x) * (own - x);
    tensor->n_low += code < r->low;
    tensor->n_high += code > r->high;
    tensor->clip_noise += code < r->low || code > r->high ? error : 0.0;
}

static void take_element(pithi_diag_tensor *tensor, int64_t channel, double x, double y)
{
    const pithi_diag_rounding *r = &tensor->rounding;
    double own = x, read = fmin(fmax(y, tensor->limits.low), tensor->limits.high);
    pithi_diag_add(&tensor->arrived, x, read);
    if (tensor->q >= 0) {
        double code = fmin(fmax(code_of(r, read), r->low), r->high);
        tensor->codes[r->high - r->low > 255 ? (int)(code - r->low) >> 8 : (int)(code - r->low)]++;
        own = pithi_diag_round_trip(r, x);
        count_code(tensor, code_of(r, x), x, own);
        read = (double)r->read_scale * (code - r->read_zero);
    }
    pithi_diag_add(&tensor->own, x, own);
    pithi_diag_add(&tensor->cumulative, x, read);
    if (tensor->n_channels > 0) {
        tensor->lows[channel] = fmin(tensor->lows[channel], x);
        tensor->highs[channel] = fmax(tensor->highs[channel], x);
        tensor->signals[channel] += x * x;
        tensor->noises[channel] += (x - read) * (x - read);
        tensor->own_noises[channel] += (x - own) * (x - own);
    }
}

static pith_status take_tensor(pithi_diagnosis *job, pithi_diag_tensor *tensor, const pith_tensor *wanted,
                               const pith_tensor *got, bool is_first)
{
    int64_t n = pith_shape_elements(&wanted->shape);
    channel_view view = view_of(&wanted->shape, tensor->axis);
    bool fits =
        wanted->dtype == PITH_DTYPE_F32 && got->dtype == PITH_DTYPE_F32 && pith_shape_elements(&got->shape) == n;
    tensor->is_seen = fits && (is_first || tensor->is_seen);
    if (!tensor->is_seen) {
        return PITH_OK;
    }
    if (is_first) {
        PITH_TRY(open_channels(job, tensor, view.n_channels));
    }
    const float *x = wanted->data, *y = got->data;
    bool has_channels = view.n_channels == tensor->n_channels; /* dynamic shapes: the sums of channels end */
    tensor->n_channels = has_channels ? tensor->n_channels : 0;
    for (int64_t i = 0, channel = 0, left = view.inner; i < n; i++) {
        if (isfinite(x[i]) && isfinite(y[i])) {
            take_element(tensor, channel, (double)x[i], (double)y[i]);
            tensor->histogram.low = fmin(tensor->histogram.low, (double)x[i]);
            tensor->histogram.high = fmax(tensor->histogram.high, (double)x[i]);
        }
        if (--left == 0) {
            left = view.inner;
            channel = channel + 1 < view.n_channels ? channel + 1 : 0;
        }
    }
    return PITH_OK;
}

/* Result of a layer with float inputs against the float network's. `means`: sums of differences by channel. */
static void take_isolated(const pithi_diag_tensor *tensor, const pith_tensor *wanted, const pith_tensor *got,
                          pithi_sums *sums, double *means, int64_t n_means)
{
    int64_t n = pith_shape_elements(&wanted->shape);
    if (got->dtype != PITH_DTYPE_F32 || wanted->dtype != PITH_DTYPE_F32 || pith_shape_elements(&got->shape) != n) {
        return;
    }
    const float *x = wanted->data, *y = got->data;
    channel_view view = view_of(&wanted->shape, tensor->axis);
    bool has_channels = means && view.n_channels == n_means;
    for (int64_t i = 0, channel = 0, left = view.inner; i < n; i++) {
        double value = fmin(fmax((double)y[i], tensor->limits.low), tensor->limits.high);
        pithi_diag_add(sums, (double)x[i], value);
        if (has_channels) {
            means[channel] += value - (double)x[i];
        }
        if (--left == 0) {
            left = view.inner;
            channel = channel + 1 < view.n_channels ? channel + 1 : 0;
        }
    }
}

static void take_layers(pithi_diagnosis *job, const pith_session *session, const outputs *out)
{
    for (int i = 0; i < job->n_layers; i++) {
        pithi_diag_layer *layer = &job->layers[i];
        pithi_diag_tensor *tensor = layer->out >= 0 ? &job->tensors[layer->out] : NULL;
        const pith_tensor *wanted = tensor ? pith_session_output(session, out->first_tensor + layer->out) : NULL;
        if (tensor && out->isolated[i] >= 0) {
            take_isolated(tensor, wanted, pith_session_output(session, out->isolated[i]), &tensor->isolated, NULL, 0);
        }
        if (tensor && out->weights[i] >= 0) {
            take_isolated(tensor, wanted, pith_session_output(session, out->weights[i]), &layer->from_weights,
                          layer->means, layer->weights.n_out);
        }
    }
}

/* ---- the passes over the data -------------------------------------------------------------- */

static void tell(const pithi_diagnosis *job, const char *stage, int done, int total)
{
    if (job->options->progress) {
        job->options->progress(job->options->progress_user, stage, done, total);
    }
}

static pith_status observe_samples(pithi_diagnosis *job, pithi_quant_runner *wanted, pithi_quant_runner *got,
                                   const outputs *out, int n_twin_outputs)
{
    for (int s = 0; s < job->quant.samples->n_samples; s++) {
        PITH_TRY(pithi_quant_run(&job->quant, wanted, s));
        PITH_TRY(pithi_quant_run(&job->quant, got, s));
        for (int i = 0; i < job->n_tensors; i++) {
            PITH_TRY(take_tensor(job, &job->tensors[i], pith_session_output(wanted->session, out->first_tensor + i),
                                 pith_session_output(got->session, n_twin_outputs + i), s == 0));
        }
        take_layers(job, wanted->session, out);
        tell(job, "comparing", s + 1, job->quant.samples->n_samples);
    }
    for (int i = 0; i < job->n_layers; i++) {
        pithi_diag_layer *layer = &job->layers[i];
        for (int64_t c = 0; layer->has_weights && c < layer->weights.n_out && layer->from_weights.n > 0; c++) {
            layer->means[c] *= (double)layer->weights.n_out / (double)layer->from_weights.n;
        }
    }
    return PITH_OK;
}

static pith_status clone_twin(const pithi_diagnosis *job, pith_graph **clone_out)
{
    PITH_TRY(pithi_graph_clone(job->twin, clone_out));
    for (int i = 0; i < job->n_tensors; i++) {
        PITH_TRY(pithi_graph_add_output(*clone_out, (*clone_out)->values[job->tensors[i].twin]));
    }
    return PITH_OK;
}

pith_status pithi_diag_observe(pithi_diagnosis *job)
{
    pithi_quant_runner wanted = { 0 }, got = { 0 };
    pith_graph *floats = NULL, *twin = NULL;
    void *isolated = NULL, *weights = NULL, *flags = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_layers + 1, sizeof(int), &isolated));
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_layers + 1, sizeof(int), &weights));
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_tensors + 1, sizeof(bool), &flags));
    outputs out = { .isolated = isolated, .weights = weights };
    PITH_TRY_GOTO(pithi_graph_clone(job->graph, &floats), done);
    PITH_TRY_GOTO(build_isolated(job, floats, &out), done);
    PITH_TRY_GOTO(clone_twin(job, &twin), done);
    status = pithi_quant_start(&job->quant, floats, &wanted);
    floats = NULL;
    PITH_TRY_GOTO(status, done);
    status = pithi_quant_start(&job->quant, twin, &got);
    twin = NULL;
    PITH_TRY_GOTO(status, done);
    PITH_TRY_GOTO(observe_samples(job, &wanted, &got, &out, (int)job->twin->n_outputs), done);
done:
    pithi_quant_stop(&job->quant, &wanted);
    pithi_quant_stop(&job->quant, &got);
    pithi_graph_destroy(floats);
    pithi_graph_destroy(twin);
    PITH_TRY(status);
    for (int i = 0; i < job->n_tensors; i++) {
        ((bool *)flags)[i] = job->tensors[i].is_seen;
    }
    return pithi_diag_histograms(job, flags);
}

/* ---- histograms ---------------------------------------------------------------------------- */

static void widen(pithi_diag_tensor *tensor, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(x[i])) {
            tensor->histogram.low = fmin(tensor->histogram.low, (double)x[i]);
            tensor->histogram.high = fmax(tensor->histogram.high, (double)x[i]);
        }
    }
}

static void count(pithi_diag_tensor *tensor, const float *x, int64_t n)
{
    pithi_histogram *histogram = &tensor->histogram;
    double span = histogram->high - histogram->low, per_unit = span > 0.0 ? PITHI_QUANT_BINS / span : 0.0;
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(x[i])) {
            /* Another graph may have rounded otherwise: a value may lie beyond both ends. */
            const double bin = ((double)x[i] - histogram->low) * per_unit;
            histogram->bins[(int)fmin(fmax(bin, 0.0), PITHI_QUANT_BINS - 1)]++;
            histogram->n_elements++;
        }
    }
}

static pith_status run_floats(pithi_diagnosis *job, pithi_quant_runner *runner, const bool *is_wanted, int first,
                              void (*take)(pithi_diag_tensor *, const float *, int64_t))
{
    for (int s = 0; s < job->quant.samples->n_samples; s++) {
        PITH_TRY(pithi_quant_run(&job->quant, runner, s));
        for (int i = 0; i < job->n_tensors; i++) {
            const pith_tensor *value = pith_session_output(runner->session, first + i);
            if (is_wanted[i]) {
                take(&job->tensors[i], value->data, pith_shape_elements(&value->shape));
            }
        }
        tell(job, "histograms", s + 1, job->quant.samples->n_samples);
    }
    return PITH_OK;
}

pith_status pithi_diag_histograms(pithi_diagnosis *job, const bool *is_wanted)
{
    pith_graph *graph = NULL;
    pithi_quant_runner runner = { 0 };
    void *units = NULL;
    bool are_ranges_known = true;
    int first = (int)job->graph->n_outputs;
    PITH_TRY(pithi_arena_array(&job->arena, (size_t)job->n_tensors + 1, sizeof(pith_value *), &units));
    for (int i = 0; i < job->n_tensors; i++) {
        pithi_histogram *histogram = &job->tensors[i].histogram;
        void *bins = histogram->bins;
        are_ranges_known = are_ranges_known && (!is_wanted[i] || !bins);
        if (is_wanted[i] && bins) {
            memset(bins, 0, PITHI_QUANT_BINS * sizeof(uint64_t));
            *histogram = (pithi_histogram){ .bins = bins };
        } else if (is_wanted[i]) {
            PITH_TRY(pithi_arena_array(&job->arena, PITHI_QUANT_BINS, sizeof(uint64_t), &bins));
            histogram->bins = bins;
        }
    }
    PITH_TRY(pithi_graph_clone(job->graph, &graph));
    pith_status status = add_units(job, graph, units);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    PITH_TRY(pithi_quant_start(&job->quant, graph, &runner));
    if (!are_ranges_known) {
        PITH_TRY_GOTO(run_floats(job, &runner, is_wanted, first, widen), done);
    }
    PITH_TRY_GOTO(run_floats(job, &runner, is_wanted, first, count), done);
done:
    pithi_quant_stop(&job->quant, &runner);
    return status;
}
