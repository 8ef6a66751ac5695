/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_unary.h"

const pith_operand_spec pithi_x_float[1] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
const pith_operand_spec pithi_x_number[1] = { { "x", PITH_DTYPES_NUMBER, PITH_ONE } };
const pith_operand_spec pithi_y_float[1] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
const pith_operand_spec pithi_y_number[1] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };
const pith_operand_spec pithi_x_integer[1] = { { "x", PITH_DTYPES_INTEGER, PITH_ONE } };
const pith_operand_spec pithi_x_bool[1] = { { "x", PITH_DTYPES_BOOL, PITH_ONE } };
const pith_operand_spec pithi_y_integer[1] = { { "y", PITH_DTYPES_INTEGER, PITH_ONE } };
const pith_operand_spec pithi_y_bool[1] = { { "y", PITH_DTYPES_BOOL, PITH_ONE } };

/* ---- activations -------------------------------------------------------------------------- */

/* NaN passes: both comparisons are false. */
static double clamp(double x, double lo, double hi)
{
    double raised = x < lo ? lo : x;
    return raised > hi ? hi : raised;
}

static double softplus(double x)
{
    return x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits where tanh is near -1. */
static double gelu_tanh(double x)
{
    const double root_2_over_pi = 0.79788456080286535588;
    return x * sigmoid(2.0 * root_2_over_pi * (x + 0.044715 * x * x * x));
}

double pithi_activation_f64(const pith_activation *activation, double x)
{
    const double alpha = (double)activation->alpha, beta = (double)activation->beta;
    switch (activation->kind) {
    case PITH_VUNARY_ABS: return fabs(x);
    case PITH_VUNARY_NEG: return -x;
    case PITH_VUNARY_RELU: return x < 0.0 ? 0.0 : x;
    case PITH_VUNARY_CLIP: return clamp(x, alpha, beta);
    case PITH_VUNARY_LEAKY_RELU: return x < 0.0 ? alpha * x : x;
    case PITH_VUNARY_HARD_SIGMOID: return clamp(alpha * x + beta, 0.0, 1.0);
    case PITH_VUNARY_HARD_SWISH: return x * clamp(alpha * x + beta, 0.0, 1.0);
    case PITH_VUNARY_SIGMOID: return sigmoid(x);
    case PITH_VUNARY_SILU: return x * sigmoid(alpha * x);
    case PITH_VUNARY_TANH: return tanh(x);
    case PITH_VUNARY_EXP: return exp(x);
    case PITH_VUNARY_LOG: return log(x);
    case PITH_VUNARY_SQRT: return sqrt(x);
    case PITH_VUNARY_RECIPROCAL: return 1.0 / x;
    case PITH_VUNARY_ERF: return erf(x);
    case PITH_VUNARY_GELU: return 0.5 * x * erfc(-x * 0.70710678118654752440);
    case PITH_VUNARY_GELU_TANH: return gelu_tanh(x);
    case PITH_VUNARY_ELU: return x < 0.0 ? alpha * expm1(x) : x;
    case PITH_VUNARY_SOFTPLUS: return softplus(x);
    case PITH_VUNARY_MISH: return x * tanh(softplus(x));
    case PITH_VUNARY_FLOOR: return floor(x);
    case PITH_VUNARY_CEIL: return ceil(x);
    case PITH_VUNARY_ROUND: return nearbyint(x);
    case PITH_VUNARY_SELU: return beta * (x > 0.0 ? x : alpha * expm1(x));
    case PITH_VUNARY_CELU: return x > 0.0 ? x : alpha * expm1(x / alpha);
    case PITH_VUNARY_THRESHOLDED_RELU: return x > alpha || isnan(x) ? x : 0.0;
    case PITH_VUNARY_SOFTSIGN: return x / (1.0 + fabs(x));
    case PITH_VUNARY_SIN: return sin(x);
    case PITH_VUNARY_COS: return cos(x);
    default: return x;
    }
}

/* ---- references --------------------------------------------------------------------------- */

static void apply(const pith_run *run, int64_t begin, int64_t end, pithi_unary_fn *fn)
{
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    if (x->dtype == PITH_DTYPE_F32 && y->dtype == PITH_DTYPE_F32) {
        const float *from = x->data;
        float *to = y->data;
        for (int64_t i = begin; i < end; i++) {
            to[i] = (float)fn((double)from[i], run->attrs);
        }
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        pithi_tensor_set_f64(y, i, fn(pithi_tensor_get_f64(x, i), run->attrs));
    }
}

void pithi_unary_ref(const pith_run *run, pithi_unary_fn *fn)
{
    apply(run, 0, pith_shape_elements(&run->outputs[0].shape), fn);
}

void pithi_unary_ref_part(const pith_run *run, const pith_part *part, pithi_unary_fn *fn)
{
    int64_t begin, end;
    pithi_part_elements(part, pith_shape_elements(&run->outputs[0].shape), &begin, &end);
    apply(run, begin, end, fn);
}

void pithi_unary_ref_s64(const pith_run *run, int64_t (*fn)(int64_t x))
{
    int64_t n_elements = pith_shape_elements(&run->outputs[0].shape);
    bool is_u64 = run->inputs[0].dtype == PITH_DTYPE_U64;
    for (int64_t i = 0; i < n_elements; i++) {
        int64_t x = pithi_tensor_get_s64(&run->inputs[0], i);
        pithi_tensor_set_s64(&run->outputs[0], i, is_u64 ? x : fn(x));
    }
}

static double activation_fn(double x, const void *activation)
{
    return pithi_activation_f64(activation, x);
}

void pithi_unary_activation_ref(const pith_run *run)
{
    pith_activation activation = { 0 };
    pith_run inner = *run;
    run->node->op->as_activation(run->attrs, &activation);
    inner.attrs = &activation;
    pithi_unary_ref(&inner, activation_fn);
}

/* ---- runs --------------------------------------------------------------------------------- */

void pithi_part_elements(const pith_part *part, int64_t n_elements, int64_t *begin, int64_t *end)
{
    const int64_t grain = 16;
    pithi_part_range(part, pithi_div_up(n_elements, grain), begin, end);
    *begin = pithi_min_s64(*begin * grain, n_elements);
    *end = pithi_min_s64(*end * grain, n_elements);
}

int pithi_element_parts(int64_t n_elements)
{
    const int64_t worthwhile = 8192;
    return (int)pithi_max_s64(1, pithi_min_s64(n_elements / worthwhile, 1024));
}

pith_status pithi_unary_prepare(pith_prepare *prepare)
{
    const pith_op *op = prepare->node->op;
    const pith_vunary_f32 *kernel = pithi_vunary_f32(prepare->isa_limit);
    pith_activation activation = { 0 };
    if (prepare->inputs[0].dtype != PITH_DTYPE_F32 || !op->as_activation(prepare->attrs, &activation) ||
        !kernel->functions[activation.kind]) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_unary_state), &block));
    pithi_unary_state *state = block;
    state->fn = kernel->functions[activation.kind];
    state->alpha = activation.alpha;
    state->beta = activation.beta;
    state->n_elements = pith_shape_elements(&prepare->outputs[0].shape);
    prepare->state = state;
    prepare->max_parts = pithi_element_parts(state->n_elements);
    prepare->kernel = kernel->head.name;
    prepare->use_run = true;
    return PITH_OK;
}

void pithi_unary_run(const pith_run *run, const pith_part *part)
{
    const pithi_unary_state *state = run->state;
    int64_t begin, end;
    pithi_part_elements(part, state->n_elements, &begin, &end);
    state->fn((const float *)run->inputs[0].data + begin, (float *)run->outputs[0].data + begin, (size_t)(end - begin),
              state->alpha, state->beta);
}

pith_status pithi_unary_prepare_parts(pith_prepare *prepare)
{
    const int64_t cost = 16; /* in units of a vector kernel's element */
    prepare->max_parts = pithi_element_parts(pith_shape_elements(&prepare->outputs[0].shape) * cost);
    prepare->use_run = true;
    return PITH_OK;
}

void pithi_power_f32(const float *x, float exponent, float *y, int64_t n)
{
    if (exponent == 2.0f) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[i] * x[i];
        }
    } else if (exponent == 3.0f) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[i] * x[i] * x[i];
        }
    } else if (exponent == -1.0f) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = 1.0f / x[i];
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            y[i] = powf(x[i], exponent);
        }
    }
}

/* ---- spellings ---------------------------------------------------------------------------- */

pith_status pithi_map_consumed_inputs(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    (void)attrs;
    (void)pithi_source_attr(source, "consumed_inputs");
    return PITH_OK;
}
