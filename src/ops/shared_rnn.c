/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes, shapes and references of the recurrent operators. */
#include "ops/shared_rnn.h"

#include <math.h>

#include "ops/shared_s8_rows.h"

const char *const pithi_rnn_directions[] = { "forward", "reverse", "bidirectional", NULL };
const char *const pithi_rnn_activations[] = { "Relu",        "Tanh",           "Sigmoid",    "Affine",
                                              "LeakyRelu",   "ThresholdedRelu", "ScaledTanh", "HardSigmoid",
                                              "Elu",         "Softsign",       "Softplus",   NULL };

/* ---- activations -------------------------------------------------------------------------- */

static bool takes_alpha(pithi_rnn_function function)
{
    return function >= PITHI_RNN_AFFINE && function <= PITHI_RNN_ELU;
}

static bool takes_beta(pithi_rnn_function function)
{
    return function == PITHI_RNN_AFFINE || function == PITHI_RNN_SCALED_TANH || function == PITHI_RNN_HARD_SIGMOID;
}

/* Defaults as of ONNX's operators of the same names. */
static pithi_rnn_activation default_activation(pithi_rnn_function function)
{
    switch (function) {
    case PITHI_RNN_LEAKY_RELU: return (pithi_rnn_activation){ function, 0.01f, 0.0f };
    case PITHI_RNN_SCALED_TANH: return (pithi_rnn_activation){ function, 1.0f, 1.0f };
    case PITHI_RNN_HARD_SIGMOID: return (pithi_rnn_activation){ function, 0.2f, 0.5f };
    default: return (pithi_rnn_activation){ function, 1.0f, 0.0f };
    }
}

/* alpha and beta lists hold entries only for the functions that take one, in the order of the
 * activations of all directions ("consumed in the order of activation functions"). */
void pithi_rnn_activations_of(const pithi_rnn_attrs *attrs, int direction, const pithi_rnn_function *defaults, int n,
                              pithi_rnn_activation *activations_out)
{
    int next_alpha = 0, next_beta = 0;
    for (int i = 0; i < n * (direction + 1); i++) {
        pithi_rnn_function function = attrs->activations.n_items ? (pithi_rnn_function)attrs->activations.items[i]
                                                                 : defaults[i % n];
        pithi_rnn_activation activation = default_activation(function);
        if (takes_alpha(function) && next_alpha < attrs->activation_alpha.n_items) {
            activation.alpha = attrs->activation_alpha.items[next_alpha++];
        }
        if (takes_beta(function) && next_beta < attrs->activation_beta.n_items) {
            activation.beta = attrs->activation_beta.items[next_beta++];
        }
        activations_out[i % n] = activation;
    }
}

double pithi_rnn_activate(const pithi_rnn_activation *activation, double clip, double x)
{
    double a = (double)activation->alpha, b = (double)activation->beta;
    x = x > clip ? clip : x < -clip ? -clip : x;
    switch (activation->function) {
    case PITHI_RNN_RELU: return x < 0.0 ? 0.0 : x;
    case PITHI_RNN_TANH: return tanh(x);
    case PITHI_RNN_SIGMOID: return 1.0 / (1.0 + exp(-x));
    case PITHI_RNN_AFFINE: return a * x + b;
    case PITHI_RNN_LEAKY_RELU: return x < 0.0 ? a * x : x;
    case PITHI_RNN_THRESHOLDED_RELU: return x > a || isnan(x) ? x : 0.0;
    case PITHI_RNN_SCALED_TANH: return a * tanh(b * x);
    case PITHI_RNN_HARD_SIGMOID: x = a * x + b; return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
    case PITHI_RNN_ELU: return x < 0.0 ? a * expm1(x) : x;
    case PITHI_RNN_SOFTSIGN: return isinf(x) ? copysign(1.0, x) : x / (1.0 + fabs(x));
    case PITHI_RNN_SOFTPLUS: return x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x));
    }
    return x;
}

/* ---- geometry ----------------------------------------------------------------------------- */

void pithi_rnn_shape_of(const pithi_rnn_attrs *attrs, const pith_tensor *inputs, int n_gates, pithi_rnn_shape *shape)
{
    const int64_t *x = inputs[PITHI_RNN_X].shape.dims;
    bool batch_first = attrs->layout == 1;
    pithi_rnn_shape s = { .n_steps = x[batch_first], .n_batches = x[!batch_first], .input_size = x[2],
                          .hidden_size = inputs[PITHI_RNN_R].shape.dims[2], .n_gates = n_gates,
                          .n_directions = attrs->direction == PITHI_RNN_BIDIRECTIONAL ? 2 : 1 };
    int64_t width = s.n_directions * s.hidden_size;
    s.x_step = batch_first ? s.input_size : s.n_batches * s.input_size;
    s.x_batch = batch_first ? s.n_steps * s.input_size : s.input_size;
    s.y_step = batch_first ? width : s.n_batches * width;
    s.y_batch = batch_first ? s.n_steps * width : s.hidden_size;
    s.y_direction = batch_first ? s.hidden_size : s.n_batches * s.hidden_size;
    s.state_batch = batch_first ? width : s.hidden_size;
    s.state_direction = batch_first ? s.hidden_size : s.n_batches * s.hidden_size;
    *shape = s;
}

int64_t pithi_rnn_length(const pith_run *run, const pithi_rnn_shape *shape, int64_t batch)
{
    const pith_tensor *lengths = pithi_rnn_input(run->inputs, run->n_inputs, PITHI_RNN_LENGTHS);
    int64_t length = lengths ? ((const int32_t *)lengths->data)[batch] : shape->n_steps;
    if (length < 0 || length > shape->n_steps) {
        pithi_run_fault(run, "sequence_lens[%lld] is %lld, but must lie in 0..%lld, the steps of X", (long long)batch,
                        (long long)length, (long long)shape->n_steps);
        return 0;
    }
    return length;
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status check_shape(pith_infer *infer, int index, int rank, const int64_t *wanted)
{
    static const char *const names[] = { "X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P",
                                        "w_scale", "r_scale" };
    const pith_tensor *tensor = pithi_rnn_input(infer->inputs, infer->n_inputs, index);
    if (!tensor) {
        return PITH_OK;
    }
    pith_shape right = { .rank = rank };
    memcpy(right.dims, wanted, (size_t)rank * sizeof *wanted);
    char is[PITHI_SHAPE_TEXT_BYTES], must[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, pith_shape_equal(&tensor->shape, &right), PITH_STATUS_SHAPE,
               "input %s is %s, but must be %s", names[index], pithi_shape_text(&tensor->shape, is),
               pithi_shape_text(&right, must));
    const bool is_free = index == PITHI_RNN_LENGTHS || tensor->dtype == PITH_DTYPE_S8; /* see check_scales() */
    PITH_CHECK(infer->ctx, is_free || tensor->dtype == infer->inputs[0].dtype, PITH_STATUS_DTYPE,
               "input %s has dtype %s, X has %s", names[index], pith_dtype_name(tensor->dtype),
               pith_dtype_name(infer->inputs[0].dtype));
    return PITH_OK;
}

/* Both of W and R have 8 bits and a scale, or neither. */
static pith_status check_scales(pith_infer *infer)
{
    for (int i = 0; i < 2; i++) {
        const bool is_s8 = infer->inputs[PITHI_RNN_W + i].dtype == PITH_DTYPE_S8;
        const bool has_scale = pithi_rnn_input(infer->inputs, infer->n_inputs, PITHI_RNN_W_SCALE + i) != NULL;
        PITH_CHECK(infer->ctx, is_s8 == has_scale && is_s8 == (infer->inputs[PITHI_RNN_W].dtype == PITH_DTYPE_S8),
                   PITH_STATUS_DTYPE, "W and R are s8 with w_scale and r_scale, or of X's dtype without");
    }
    return PITH_OK;
}

static pith_status check_inputs(pith_infer *infer, const pithi_rnn_shape *s)
{
    bool batch_first = ((const pithi_rnn_attrs *)infer->attrs)->layout == 1;
    int64_t d = s->n_directions, b = s->n_batches, h = s->hidden_size, g = s->n_gates;
    PITH_TRY(check_shape(infer, PITHI_RNN_W, 3, (const int64_t[]){ d, g * h, s->input_size }));
    PITH_TRY(check_shape(infer, PITHI_RNN_R, 3, (const int64_t[]){ d, g * h, h }));
    PITH_TRY(check_shape(infer, PITHI_RNN_W_SCALE, 2, (const int64_t[]){ d, g * h }));
    PITH_TRY(check_shape(infer, PITHI_RNN_R_SCALE, 2, (const int64_t[]){ d, g * h }));
    PITH_TRY(check_scales(infer));
    PITH_TRY(check_shape(infer, PITHI_RNN_B, 2, (const int64_t[]){ d, 2 * g * h }));
    PITH_TRY(check_shape(infer, PITHI_RNN_LENGTHS, 1, (const int64_t[]){ b }));
    PITH_TRY(check_shape(infer, PITHI_RNN_H, 3, (const int64_t[]){ batch_first ? b : d, batch_first ? d : b, h }));
    PITH_TRY(check_shape(infer, PITHI_RNN_C, 3, (const int64_t[]){ batch_first ? b : d, batch_first ? d : b, h }));
    return check_shape(infer, PITHI_RNN_P, 2, (const int64_t[]){ d, 3 * h });
}

static pith_status check_attrs(pith_infer *infer, const pithi_rnn_shape *s, int n_activations)
{
    const pithi_rnn_attrs *attrs = infer->attrs;
    int n_needed = n_activations * s->n_directions;
    PITH_CHECK(infer->ctx, attrs->activations.n_items == 0 || attrs->activations.n_items == n_needed,
               PITH_STATUS_FORMAT, "%d activations given, %d needed for %d direction(s)", attrs->activations.n_items,
               n_needed, s->n_directions);
    PITH_CHECK(infer->ctx, attrs->hidden_size == 0 || attrs->hidden_size == s->hidden_size, PITH_STATUS_SHAPE,
               "hidden_size is %lld, but R is for %lld", (long long)attrs->hidden_size, (long long)s->hidden_size);
    PITH_CHECK(infer->ctx, attrs->layout == 0 || attrs->layout == 1, PITH_STATUS_FORMAT, "layout is %lld, not 0 or 1",
               (long long)attrs->layout);
    PITH_CHECK(infer->ctx, attrs->clip >= 0.0f, PITH_STATUS_FORMAT, "clip is %g, but must not be negative",
               (double)attrs->clip);
    return PITH_OK;
}

static void set_output(pith_infer *infer, int index, int rank, const int64_t *dims)
{
    if (index < infer->n_outputs && infer->node->outputs[index]) {
        infer->outputs[index].dtype = infer->inputs[0].dtype;
        infer->outputs[index].shape.rank = rank;
        memcpy(infer->outputs[index].shape.dims, dims, (size_t)rank * sizeof *dims);
    }
}

pith_status pithi_rnn_infer(pith_infer *infer, int n_gates, int n_activations)
{
    const pithi_rnn_attrs *attrs = infer->attrs;
    for (int i = PITHI_RNN_X; i <= PITHI_RNN_R; i++) {
        PITH_CHECK(infer->ctx, infer->inputs[i].shape.rank == 3, PITH_STATUS_SHAPE,
                   "input %d has rank %d, but must have 3", i, infer->inputs[i].shape.rank);
    }
    pithi_rnn_shape s;
    pithi_rnn_shape_of(attrs, infer->inputs, n_gates, &s);
    PITH_TRY(check_attrs(infer, &s, n_activations));
    PITH_TRY(check_inputs(infer, &s));
    int64_t d = s.n_directions, b = s.n_batches, h = s.hidden_size;
    if (attrs->layout == 1) {
        set_output(infer, 0, 4, (const int64_t[]){ b, s.n_steps, d, h });
    } else {
        set_output(infer, 0, 4, (const int64_t[]){ s.n_steps, d, b, h });
    }
    for (int i = 1; i <= 2; i++) {
        set_output(infer, i, 3, (const int64_t[]){ attrs->layout == 1 ? b : d, attrs->layout == 1 ? d : b, h });
    }
    return PITH_OK;
}

void pithi_rnn_cost(const pith_infer *infer, int n_gates, pith_cost *cost)
{
    pithi_rnn_shape s;
    pithi_rnn_shape_of(infer->attrs, infer->inputs, n_gates, &s);
    uint64_t units = (uint64_t)(s.n_steps * s.n_batches * s.hidden_size) * (uint64_t)(s.n_directions * n_gates);
    cost->macs = units * (uint64_t)(s.input_size + s.hidden_size);
    cost->flops = 4 * units;
}

pith_status pithi_rnn_map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    (void)attrs;
    pithi_source_attr(source, "output_sequence");
    return PITH_OK;
}

/* ---- reference ---------------------------------------------------------------------------- */

/* Row `row` of W or R times x. */
static double row_product(const pithi_rnn_ref_step *step, int input, int64_t row, const double *x)
{
    const pith_tensor *weights = &step->run->inputs[input];
    const bool is_s8 = weights->dtype == PITH_DTYPE_S8;
    const int64_t n_k = weights->shape.dims[2];
    float most = 0.0f, factor = 0.0f;
    double sum = 0.0;
    for (int64_t k = 0; k < n_k && is_s8; k++) {
        most = isfinite(x[k]) ? fmaxf(most, fabsf((float)x[k])) : NAN;
        if (isnan(most)) {
            return NAN;
        }
        factor = most >= 0x1p-100f ? step->tops[input - PITHI_RNN_W] / most : 0.0f;
    }
    for (int64_t k = 0; k < n_k; k++) {
        const double rounded = is_s8 ? nearbyint((double)((float)x[k] * factor)) : x[k];
        sum += rounded * pithi_tensor_get_f64(weights, row * n_k + k);
    }
    const float *scale = is_s8 ? step->run->inputs[input + PITHI_RNN_W_SCALE - PITHI_RNN_W].data : NULL;
    return scale && factor > 0.0f ? sum / (double)factor * (double)scale[row] : sum;
}

double pithi_rnn_ref_recurrent(const pithi_rnn_ref_step *step, int gate, int64_t j, const double *h)
{
    const pithi_rnn_shape *s = step->shape;
    return row_product(step, PITHI_RNN_R, ((int64_t)step->direction * s->n_gates + gate) * s->hidden_size + j, h);
}

/* Element of B; half 0 are the input biases, 1 the recurrent ones. */
static double bias(const pith_run *run, const pithi_rnn_shape *s, int direction, int half, int64_t index)
{
    const pith_tensor *b = pithi_rnn_input(run->inputs, run->n_inputs, PITHI_RNN_B);
    int64_t width = s->n_gates * s->hidden_size;
    return b ? pithi_tensor_get_f64(b, (2 * direction + half) * width + index) : 0.0;
}

double pithi_rnn_ref_recurrent_bias(const pithi_rnn_ref_step *step, int gate, int64_t j)
{
    return bias(step->run, step->shape, step->direction, 1, gate * step->shape->hidden_size + j);
}

static void project_input(const pithi_rnn_ref_step *step, const double *x, double *y)
{
    int64_t width = step->shape->n_gates * step->shape->hidden_size;
    for (int64_t j = 0; j < width; j++) {
        y[j] = bias(step->run, step->shape, step->direction, 0, j) +
               row_product(step, PITHI_RNN_W, step->direction * width + j, x);
    }
}

static void load_state(const pith_run *run, int index, int64_t at, int64_t n, double *state)
{
    const pith_tensor *initial = pithi_rnn_input(run->inputs, run->n_inputs, index);
    for (int64_t j = 0; j < n; j++) {
        state[j] = initial ? pithi_tensor_get_f64(initial, at + j) : 0.0;
    }
}

/* Writes a state (NULL: zeros) to output `index`, if that is wanted. */
static void store_state(const pith_run *run, int index, int64_t at, int64_t n, const double *state)
{
    for (int64_t j = 0; j < n && index < run->n_outputs && run->outputs[index].data; j++) {
        pithi_tensor_set_f64(&run->outputs[index], at + j, state ? state[j] : 0.0);
    }
}

static void run_sequence(const pithi_rnn_cell *cell, pithi_rnn_ref_step *step, int64_t batch, double *projected)
{
    const pith_run *run = step->run;
    const pithi_rnn_shape *s = step->shape;
    int64_t n = s->hidden_size, length = pithi_rnn_length(run, s, batch);
    double *x = step->work + (s->n_gates + 1) * n;
    int64_t state_at = step->direction * s->state_direction + batch * s->state_batch;
    int64_t y_at = step->direction * s->y_direction + batch * s->y_batch;
    load_state(run, PITHI_RNN_H, state_at, n, step->h);
    load_state(run, PITHI_RNN_C, state_at, n, step->c);
    for (int64_t i = 0; i < length; i++) {
        int64_t t = pithi_rnn_is_reverse(run->attrs, step->direction) ? length - 1 - i : i;
        load_state(run, PITHI_RNN_X, t * s->x_step + batch * s->x_batch, s->input_size, x);
        project_input(step, x, projected);
        cell->ref_step(step);
        store_state(run, 0, y_at + t * s->y_step, n, step->h);
    }
    for (int64_t t = length; t < s->n_steps; t++) {
        store_state(run, 0, y_at + t * s->y_step, n, NULL);
    }
    store_state(run, 1, state_at, n, length ? step->h : NULL); /* no steps: zeros, as in Y */
    store_state(run, 2, state_at, n, length ? step->c : NULL);
}

void pithi_rnn_ref(const pith_run *run, const pithi_rnn_cell *cell)
{
    const pithi_rnn_attrs *attrs = run->attrs;
    pithi_rnn_shape s;
    pithi_rnn_shape_of(attrs, run->inputs, cell->n_gates, &s);
    double *h = run->shared, *c = h + s.hidden_size, *x = c + s.hidden_size, *work = x + s.n_gates * s.hidden_size;
    for (int direction = 0; direction < s.n_directions; direction++) {
        pithi_rnn_ref_step step = { .run = run, .shape = &s, .direction = direction, .clip = (double)attrs->clip,
                                    .x = x, .h = h, .c = c, .work = work };
        pithi_rnn_activations_of(attrs, direction, cell->defaults, cell->n_activations, step.activations);
        for (int i = 0; i < 2 && run->inputs[PITHI_RNN_W].dtype == PITH_DTYPE_S8; i++) {
            step.tops[i] = pithi_s8_rows_top(&run->inputs[PITHI_RNN_W + i]);
        }
        for (int64_t batch = 0; batch < s.n_batches; batch++) {
            run_sequence(cell, &step, batch, x);
        }
    }
}

size_t pithi_rnn_ref_bytes(const pith_run *run)
{
    const pith_shape *r = &run->inputs[PITHI_RNN_R].shape;
    const int64_t n_x = run->inputs[PITHI_RNN_X].shape.dims[2]; /* h, c, projected[gates], work[gates + 1], x */
    return (size_t)(2 * r->dims[1] + 3 * r->dims[2] + n_x) * sizeof(double);
}
