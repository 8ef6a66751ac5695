/* SPDX-License-Identifier: Apache-2.0 */
/* What rnn, gru and lstm share: attributes, geometry, activations, the loop over time steps. An operator adds
 * its cell: what one time step does, once in double for the reference and once in float32.
 *
 * Inputs as in ONNX: X, W [directions, gates * hidden, input], R [directions, gates * hidden, hidden],
 * B [directions, 2 * gates * hidden] (input biases, then recurrent ones), sequence_lens, initial_h, and for lstm
 * initial_c, P [directions, 3 * hidden]. W and R may be s8, with scales [directions, gates * hidden] at the end:
 * products are then those of shared_s8_rows.h, for X and for the hidden state in every step. */
#ifndef PITH_OPS_SHARED_RNN_H
#define PITH_OPS_SHARED_RNN_H

#include "kernels/vbinary_f32.h"
#include "ops/op.h"

enum { PITHI_RNN_X, PITHI_RNN_W, PITHI_RNN_R, PITHI_RNN_B, PITHI_RNN_LENGTHS, PITHI_RNN_H, PITHI_RNN_C, PITHI_RNN_P,
       PITHI_RNN_W_SCALE, PITHI_RNN_R_SCALE };
enum { PITHI_RNN_FORWARD, PITHI_RNN_REVERSE, PITHI_RNN_BIDIRECTIONAL };
#define PITHI_RNN_MAX_ACTIVATIONS 3
#define PITHI_RNN_MAX_GROUPS 2

typedef struct pithi_rnn_attrs {
    pith_ints activations;
    pith_floats activation_alpha, activation_beta;
    float clip; /* infinite: none */
    int64_t direction, hidden_size, layout;
    int64_t input_forget;        /* lstm */
    int64_t linear_before_reset; /* gru */
} pithi_rnn_attrs;

extern const char *const pithi_rnn_directions[], *const pithi_rnn_activations[]; /* for the tables */

#define PITHI_RNN_ATTRS                                                                            \
    PITH_ATTR_CHOICES(pithi_rnn_attrs, activations, "activations", pithi_rnn_activations),         \
    PITH_ATTR_FLOATS(pithi_rnn_attrs, activation_alpha, "activation_alpha"),                       \
    PITH_ATTR_FLOATS(pithi_rnn_attrs, activation_beta, "activation_beta"),                         \
    PITH_ATTR_FLOAT(pithi_rnn_attrs, clip, "clip", INFINITY),                                      \
    PITH_ATTR_CHOICE(pithi_rnn_attrs, direction, "direction", PITHI_RNN_FORWARD, pithi_rnn_directions), \
    PITH_ATTR_INT(pithi_rnn_attrs, hidden_size, "hidden_size", 0),                                 \
    PITH_ATTR_INT(pithi_rnn_attrs, layout, "layout", 0)

#define PITHI_RNN_DTYPES_WEIGHTS (PITH_DTYPES_FLOAT | PITH_DTYPES(PITH_DTYPE_S8))
#define PITHI_RNN_INPUTS                                                                           \
    { "x", PITH_DTYPES_FLOAT, PITH_ONE }, { "w", PITHI_RNN_DTYPES_WEIGHTS, PITH_ONE },             \
    { "r", PITHI_RNN_DTYPES_WEIGHTS, PITH_ONE }, { "b", PITH_DTYPES_FLOAT, PITH_OPTIONAL },        \
    { "sequence_lens", PITH_DTYPES(PITH_DTYPE_S32), PITH_OPTIONAL }, { "initial_h", PITH_DTYPES_FLOAT, PITH_OPTIONAL }
#define PITHI_RNN_SCALES                                                                           \
    { "w_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL }, { "r_scale", PITH_DTYPES(PITH_DTYPE_F32), PITH_OPTIONAL }
/* In the places of initial_c and P, where there is no cell state. */
#define PITHI_RNN_NO_CELL { "no_c", 0, PITH_OPTIONAL }, { "no_p", 0, PITH_OPTIONAL }

/* ---- activations -------------------------------------------------------------------------- */

/* In the order of pithi_rnn_activations. */
typedef enum pithi_rnn_function {
    PITHI_RNN_RELU, PITHI_RNN_TANH, PITHI_RNN_SIGMOID, PITHI_RNN_AFFINE, PITHI_RNN_LEAKY_RELU,
    PITHI_RNN_THRESHOLDED_RELU, PITHI_RNN_SCALED_TANH, PITHI_RNN_HARD_SIGMOID, PITHI_RNN_ELU, PITHI_RNN_SOFTSIGN,
    PITHI_RNN_SOFTPLUS
} pithi_rnn_function;

typedef struct pithi_rnn_activation {
    pithi_rnn_function function;
    float alpha, beta;
} pithi_rnn_activation;

/* The activation of a value that is clipped first (NaN stays NaN). */
double pithi_rnn_activate(const pithi_rnn_activation *activation, double clip, double x);

/* ---- geometry ----------------------------------------------------------------------------- */

/* Strides in elements of the tensors that depend on `layout`. */
typedef struct pithi_rnn_shape {
    int64_t n_steps, n_batches, input_size, hidden_size;
    int n_directions, n_gates;
    int64_t x_step, x_batch;
    int64_t y_step, y_batch, y_direction;
    int64_t state_batch, state_direction; /* initial_h, initial_c, Y_h, Y_c */
} pithi_rnn_shape;

void pithi_rnn_shape_of(const pithi_rnn_attrs *attrs, const pith_tensor *inputs, int n_gates, pithi_rnn_shape *shape);
/* Activations of one direction; `defaults` has n. */
void pithi_rnn_activations_of(const pithi_rnn_attrs *attrs, int direction, const pithi_rnn_function *defaults, int n,
                              pithi_rnn_activation *activations_out);
/* Steps of a batch item: its sequence length, or all. A length out of range is a fault. */
int64_t pithi_rnn_length(const pith_run *run, const pithi_rnn_shape *shape, int64_t batch);
/* True if direction number `direction` of the node runs backwards. */
static inline bool pithi_rnn_is_reverse(const pithi_rnn_attrs *attrs, int direction)
{
    return attrs->direction == PITHI_RNN_REVERSE || direction == 1;
}
static inline int64_t pithi_rnn_hidden_size(const pith_run *run)
{
    return run->inputs[PITHI_RNN_R].shape.dims[2];
}
/* Input `index` or NULL while absent. */
static inline const pith_tensor *pithi_rnn_input(const pith_tensor *inputs, int n_inputs, int index)
{
    return index < n_inputs && inputs[index].dtype != PITH_DTYPE_NONE ? &inputs[index] : NULL;
}

/* Checks all operands; fills outputs Y, Y_h and (lstm) Y_c. */
pith_status pithi_rnn_infer(pith_infer *infer, int n_gates, int n_activations);
void pithi_rnn_cost(const pith_infer *infer, int n_gates, pith_cost *cost);
/* `output_sequence` of opset 1 said whether Y is wanted; the outputs say it as well. */
pith_status pithi_rnn_map_1(pith_ctx *ctx, pith_source *source, void *attrs);

/* ---- reference ---------------------------------------------------------------------------- */

typedef struct pithi_rnn_ref_step {
    const pith_run *run;
    const pithi_rnn_shape *shape;
    int direction;
    double clip;
    float tops[2]; /* of W and R of 8 bits */
    pithi_rnn_activation activations[PITHI_RNN_MAX_ACTIVATIONS];
    const double *x; /* input products plus input biases of this step, [gates][hidden] */
    double *h, *c;   /* states, to be replaced */
    double *work;    /* (gates + 1) * hidden */
} pithi_rnn_ref_step;

/* One time step of one batch item in float32, see shared_rnn_f32.c. */
typedef struct pithi_rnn_step {
    const struct pithi_rnn_state *state;
    const pith_run *run;
    int direction;
    float *gates; /* [gates][hidden] */
    float *h, *c; /* states, [hidden], to be replaced */
    float *extra; /* [hidden], kept from one group of gates to the next */
    int64_t first, n; /* the hidden units to do: of every gate and state, [first, first + n) */
} pithi_rnn_step;

typedef struct pithi_rnn_cell {
    int n_gates, n_activations;
    pithi_rnn_function defaults[PITHI_RNN_MAX_ACTIVATIONS];
    void (*ref_step)(const pithi_rnn_ref_step *step);
    /* float32: groups of gates whose recurrent products are done together, and what follows each product. */
    int n_groups, group_gates[PITHI_RNN_MAX_GROUPS];
    void (*after_group[PITHI_RNN_MAX_GROUPS])(const pithi_rnn_step *step);
} pithi_rnn_cell;

/* Row j of gate `gate` of R times h. */
double pithi_rnn_ref_recurrent(const pithi_rnn_ref_step *step, int gate, int64_t j, const double *h);
double pithi_rnn_ref_recurrent_bias(const pithi_rnn_ref_step *step, int gate, int64_t j);
void pithi_rnn_ref(const pith_run *run, const pithi_rnn_cell *cell);
size_t pithi_rnn_ref_bytes(const pith_run *run);

/* ---- float32 ------------------------------------------------------------------------------ */

pith_status pithi_rnn_prepare(pith_prepare *prepare, const pithi_rnn_cell *cell);
void pithi_rnn_run(const pith_run *run, const pith_part *part);
/* Applies activation `index` of the cell to n values in place, clipping them before if `is_clipped`. */
void pithi_rnn_apply(const pithi_rnn_step *step, int index, bool is_clipped, float *x, int64_t n);
/* y = a op b for step->n values; y = 1 - a. y may be a or b. */
void pithi_rnn_combine(const pithi_rnn_step *step, pith_vbinary op, const float *a, const float *b, float *y);
void pithi_rnn_invert(const pithi_rnn_step *step, const float *a, float *y);

#endif
