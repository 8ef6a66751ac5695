/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise work of the fast path of rnn, gru and lstm. */
#include <math.h>

#include "ops/shared_rnn_state.h"

/* The kernel function behind an activation; some need a line around it. */
static pith_vunary kernel_function(pithi_rnn_function function)
{
    switch (function) {
    case PITHI_RNN_RELU: return PITH_VUNARY_RELU;
    case PITHI_RNN_TANH:
    case PITHI_RNN_SCALED_TANH: return PITH_VUNARY_TANH;
    case PITHI_RNN_SIGMOID: return PITH_VUNARY_SIGMOID;
    case PITHI_RNN_LEAKY_RELU: return PITH_VUNARY_LEAKY_RELU;
    case PITHI_RNN_HARD_SIGMOID: return PITH_VUNARY_HARD_SIGMOID;
    case PITHI_RNN_ELU: return PITH_VUNARY_ELU;
    case PITHI_RNN_SOFTPLUS: return PITH_VUNARY_SOFTPLUS;
    default: return PITH_VUNARY_NONE;
    }
}

/* Activations that no kernel has, and the scales of the scaled tanh. */
static void apply_plain(const pithi_rnn_activation *activation, float *x, int64_t n)
{
    float alpha = activation->alpha, beta = activation->beta;
    for (int64_t j = 0; j < n; j++) {
        switch (activation->function) {
        case PITHI_RNN_AFFINE: x[j] = alpha * x[j] + beta; break;
        case PITHI_RNN_THRESHOLDED_RELU: x[j] = x[j] > alpha || isnan(x[j]) ? x[j] : 0.0f; break;
        case PITHI_RNN_SOFTSIGN: x[j] = isinf(x[j]) ? copysignf(1.0f, x[j]) : x[j] / (1.0f + fabsf(x[j])); break;
        case PITHI_RNN_SCALED_TANH: x[j] *= beta; break;
        default: break;
        }
    }
}

void pithi_rnn_apply(const pithi_rnn_step *step, int index, bool is_clipped, float *x, int64_t n)
{
    const pithi_rnn_state *state = step->state;
    const pithi_rnn_activation *activation = &state->activations[step->direction][index];
    float clip = ((const pithi_rnn_attrs *)step->run->attrs)->clip;
    if (is_clipped && !isinf(clip)) {
        state->vunary->functions[PITH_VUNARY_CLIP](x, x, (size_t)n, -clip, clip);
    }
    pith_vunary kernel = kernel_function(activation->function);
    if (kernel == PITH_VUNARY_NONE || activation->function == PITHI_RNN_SCALED_TANH) {
        apply_plain(activation, x, n);
    }
    if (kernel != PITH_VUNARY_NONE) {
        state->vunary->functions[kernel](x, x, (size_t)n, activation->alpha, activation->beta);
    }
    for (int64_t j = 0; j < n && activation->function == PITHI_RNN_SCALED_TANH; j++) {
        x[j] *= activation->alpha;
    }
}

void pithi_rnn_combine(const pithi_rnn_step *step, pith_vbinary op, const float *a, const float *b, float *y)
{
    step->state->vbinary->functions[op][PITH_VBINARY_VV](a, b, y, (size_t)step->n);
}

void pithi_rnn_invert(const pithi_rnn_step *step, const float *a, float *y)
{
    static const float one = 1.0f;
    step->state->vbinary->functions[PITH_VBINARY_SUB][PITH_VBINARY_SV](&one, a, y, (size_t)step->n);
}
