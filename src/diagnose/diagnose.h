/* SPDX-License-Identifier: Apache-2.0 */
/* Level 9: what the files of diagnose/ share. The order of the files is that of the work: ends.c (inputs and outputs
 * that belong together), expand.c (one form for all quantised networks), rearrange.c (one way to write products),
 * match.c (what corresponds), rescale.c (channels that a quantiser balanced), weights.c, observe.c (what the data
 * show), variant.c (networks with some parts quantised otherwise), cause.c, trial.c (what each repair brings),
 * repair.c, report.c, unmatched.c, diagnose.c (the whole).
 *
 * "Float" is the float network, "twin" the quantised one in expanded form. Values are known by their number in
 * graph->values, which clones keep; nodes by the number of their first output. */
#ifndef PITH_DIAGNOSE_INTERNAL_H
#define PITH_DIAGNOSE_INTERNAL_H

#include "pith/diagnose.h"
#include "quant/quant.h"

#define PITHI_N_CODES 256

/* real -> code by scale and zero, code -> real by read_scale and read_zero: the same numbers in a sound network. */
typedef struct pithi_diag_rounding {
    float scale, read_scale;
    int zero, read_zero;
    int low, high; /* codes */
} pithi_diag_rounding;

typedef struct pithi_sums {
    double signal, noise, product, square, shift; /* of the reference, difference, both, the other; of differences */
    double largest;
    int64_t n;
} pithi_sums;

typedef struct pithi_diag_tensor {
    int value; /* of the float graph */
    int twin;  /* of the twin, before it is rounded */
    int q;     /* the quantised value behind it; -1: it is float */
    bool by_name;
    pithi_diag_rounding rounding;
    pithi_range limits; /* of an activation that only the float network has: the twin's range does its work */
    int root;           /* the tensor whose elements it only moves, rounded the same; itself otherwise */
    int axis;           /* of channels: 1, or -1: the last */
    float *factors;     /* per channel, twin = float * factor + shift; NULL: 1 */
    float *shifts;      /* NULL: 0 */
    int64_t n_factors;
    int factors_rank; /* of the tensor */
    /* measured; in the twin's units */
    bool is_seen; /* both have it in float32 with the same number of elements */
    int64_t n_channels;
    pithi_histogram histogram;
    uint64_t *codes; /* of the running twin, the upper 8 bits */
    pithi_sums own, cumulative, arrived, isolated;
    double n_low, n_high, clip_noise;                     /* beyond the range */
    double *lows, *highs, *signals, *noises, *own_noises; /* by channel */
} pithi_diag_tensor;

typedef struct pithi_diag_layer {
    int node, twin;              /* first outputs of the nodes */
    int in, out;                 /* tensors; -1 */
    bool has_weights;            /* of the same shape in both */
    pithi_quant_weights weights; /* the float network's */
    int dq;                      /* output of the twin's dequantize_linear of the weights; -1 */
    int bits;                    /* 32: float */
    bool is_per_channel;
    float *target, *now;                         /* weights as they should be and as they are, in the twin's units */
    float *bias_float, *bias_target, *bias_now;  /* n_out; NULL: none */
    double bias_limit;                           /* fraction of the integer bias' range that is used */
    pithi_sums sums, from_weights;               /* of weights; of the result with float inputs */
    double best_noise;                           /* of weights, with the best scales */
    double *signals, *noises, *products, *peaks; /* by output channel, of weights */
    double *means;                               /* by output channel: mean of the result's error from the weights */
    double agreement, factor;
    double codes_used;
} pithi_diag_layer;

/* ---- changes: how a variant differs from the twin -------------------------------------------- */

typedef enum pithi_tensor_mode {
    PITHI_TENSOR_KEPT,
    PITHI_TENSOR_RANGE,
    PITHI_TENSOR_WIDE,
    PITHI_TENSOR_FLOAT
} pithi_tensor_mode;
typedef enum pithi_layer_mode { PITHI_LAYER_KEPT, PITHI_LAYER_ANEW, PITHI_LAYER_FLOAT } pithi_layer_mode;

typedef struct pithi_tensor_change {
    pithi_tensor_mode mode;
    pithi_range range;
} pithi_tensor_change;

typedef struct pithi_layer_change {
    pithi_layer_mode mode;
    bool has_new_bias;   /* the target */
    const double *shift; /* taken out of the bias, per output channel */
} pithi_layer_change;

typedef struct pithi_changes {
    pithi_tensor_change *tensors;
    pithi_layer_change *layers;
} pithi_changes;

/* ---- the job --------------------------------------------------------------------------------- */

typedef struct pithi_diagnosis {
    pith_ctx *ctx;
    const pith_diagnose_options *options;
    pith_quantize_options run_options;
    pithi_quant quant;                /* of the runner: context, options, samples */
    pithi_arena arena;                /* of the work */
    pith_graph *graph, *twin, *given; /* float; expanded; the quantised one as in its file */
    pithi_diag_tensor *tensors;
    int n_tensors;
    int *tensor_of, *tensor_of_twin; /* by value; -1 */
    int *node_of; /* by value of the float graph: the twin's node that corresponds to its producer; -1 */
    pithi_diag_layer *layers;
    int n_layers;
    bool names_are_trusted;
    pith_tensor *references; /* float outputs of the samples that measure: n_held * n_outputs */
    int n_outputs, n_held; /* outputs that both have */
    int *output_float, *output_of; /* their numbers in the float graph and in the twin */
    int *float_best; /* place of the largest element of output 0 */
} pithi_diagnosis;

/* ends.c */
/* Inputs and outputs of the networks as in their files: the twin's inputs are put in the float network's order. */
pith_status pithi_diag_join_ends(pithi_diagnosis *job);
/* The twin takes the types of the float network's inputs, and gives real numbers where that does. */
pith_status pithi_diag_type_inputs(pithi_diagnosis *job);
pith_status pithi_diag_type_outputs(pithi_diagnosis *job);

/* expand.c */
/* Operators on quantised tensors become dequantize_linear -> float operator -> quantize_linear. */
pith_status pithi_diag_expand(pithi_diagnosis *job);
/* Number of the operand `value` of a node that knows its scale and zero point as the next two; -1. */
int pithi_diag_operand(const pith_node *node, const pith_value *value);
pith_status pithi_diag_dq(pith_graph *graph, pith_node *before, pith_value *const operands[3], int64_t axis,
                          pith_value **result_out);
/* Moves or selects elements: a tensor's scale stays. */
bool pithi_diag_moves(const pith_node *node);
/* The float value behind a pair of quantize_linear and dequantize_linear, or `value` itself. *q_out: the quantised
 * value or NULL. */
pith_value *pithi_diag_strip(pith_value *value, pith_value **q_out);
/* Value of what follows from constants alone, in `arena`; false if it doesn't. */
pith_status pithi_diag_constant(pithi_arena *arena, const pith_value *value, pith_tensor *tensor_out,
                                bool *is_constant);

/* rearrange.c */
/* Products of the float network in the way that the twin writes them. */
pith_status pithi_diag_rearrange(pithi_diagnosis *job);

/* match.c */
pith_status pithi_diag_match(pithi_diagnosis *job);
/* Bytes of a name without the endings that quantisers add. */
size_t pithi_diag_stem(const char *name);
/* Fraction of the elements that aren't zero in `b` with the same sign in `a`. */
double pithi_diag_sign_agreement(const float *a, const float *b, int64_t n);

/* weights.c */
typedef struct pithi_position {
    int64_t out, in; /* channels; in counts through all groups */
} pithi_position;
pithi_position pithi_diag_position(const pithi_quant_weights *weights, int64_t index);
/* 2, 4, 8, 16; 0: no integer that stands for a real number. */
int pithi_diag_bits(pith_dtype dtype);
/* Finds layers with their weights. */
pith_status pithi_diag_layers(pithi_diagnosis *job);
/* Targets from the float network and the tensors' factors; errors against them. */
pith_status pithi_diag_weigh(pithi_diagnosis *job, pithi_diag_layer *layer);

/* rescale.c */
pith_status pithi_diag_rescale(pithi_diagnosis *job);
/* The layer that alone reads the result of `layer`, through what is positively homogeneous; *path: the tensors from
 * one to the other, or NULL. -1: none. */
int pithi_diag_next_layer(const pithi_diagnosis *job, const pithi_diag_layer *layer, int *path, int *n_path);

/* observe.c */
pith_status pithi_diag_observe(pithi_diagnosis *job);
/* Histograms, anew, of the tensors that are marked. */
pith_status pithi_diag_histograms(pithi_diagnosis *job, const bool *is_wanted);
double pithi_diag_round_trip(const pithi_diag_rounding *rounding, double x);
void pithi_diag_add(pithi_sums *sums, double reference, double value);
pith_tensor_error pithi_diag_error(const pithi_sums *sums);
double pithi_diag_decibel(const pithi_sums *sums);

/* variant.c */
pith_status pithi_diag_new_changes(pithi_diagnosis *job, const pithi_changes *from, pithi_changes *changes_out);
/* The twin with changes. */
pith_status pithi_diag_variant(const pithi_diagnosis *job, const pithi_changes *changes, pith_graph **graph_out);
/* The float network with one tensor or layer as in that variant; the other number is -1. */
pith_status pithi_diag_alone(const pithi_diagnosis *job, const pithi_changes *changes, int tensor, int layer,
                             pith_graph **graph_out);
/* The best range of the tensor's histogram, by the squared error of rounding to `bits`. */
pithi_range pithi_diag_best_range(const pithi_diag_tensor *tensor, double *sqnr_db_out);
/* The float tensor in the twin's units. */
pith_status pithi_diag_to_twin(pith_graph *graph, const pithi_diag_tensor *tensor, pith_value *value,
                               pith_value **result_out);
/* A copy of twin's node for `graph`, at its end, with given operands; one output. */
pith_status pithi_diag_copy_node(pith_graph *graph, const pith_node *node, pith_value *const *inputs, int n_inputs,
                                 pith_value **output_out);
pithi_diag_rounding pithi_diag_new_rounding(const pithi_diag_tensor *tensor, const pithi_tensor_change *change);
/* Factor of the tensor's channel; 1 without tensor. */
double pithi_diag_factor(const pithi_diagnosis *job, int tensor, int64_t channel);
double pithi_diag_shift(const pithi_diagnosis *job, int tensor, int64_t channel);
/* quantize_linear and dequantize_linear behind `value`. */
pith_status pithi_diag_round(pith_graph *graph, pith_node *before, const pithi_diag_rounding *rounding,
                             pith_value *value, pith_value **result_out);

/* trial.c */
typedef struct pithi_score {
    pith_tensor_error error;
    double agreement;
    double noise_share; /* mean over outputs of noise / signal */
    int n_outputs;      /* that were compared */
} pithi_score;
pith_status pithi_diag_keep_references(pithi_diagnosis *job);
/* Runs `graph` (taken over) on samples that measure, at most n_samples, and compares its outputs; `is_twin`: they are
 * in the order of the twin's. */
pith_status pithi_diag_measure(pithi_diagnosis *job, pith_graph *graph, bool is_twin, int n_samples,
                               pithi_score *score_out);
/* Least times of runs in turns; graphs are taken over. */
pith_status pithi_diag_time(pithi_diagnosis *job, pith_graph *const *graphs, int n_graphs, double *ms_out);
size_t pithi_diag_constant_bytes(pith_graph *graph);

/* cause.c */
typedef struct pithi_suspect {
    int tensor, layer; /* one of them; -1 */
    pith_cause cause;
    pith_repair repair;
    double share;                                 /* noise / signal where it arises */
    double local_gain_db;                         /* there, with the repair */
    double alone_share, alone_db, repaired_share; /* noise / signal at the outputs with only this one quantised */
    double gain_float_db, gain_repair_db, cost_float_ms, cost_repair_ms, cost_float_bytes, cost_repair_bytes;
    const char *note; /* of findings about the whole */
    bool is_measured, is_timed, is_repaired;
    bool is_fault; /* wrong, whatever the outputs on these samples say */
} pithi_suspect;
/* Everything that adds noise, in order of how much. */
pith_status pithi_diag_suspects(pithi_diagnosis *job, pithi_suspect **suspects_out, int *n_out);
/* Widest channel over the median. */
pith_status pithi_diag_outlier(pith_ctx *ctx, const double *widths, int64_t n, double *ratio_out, int *channel_out);
pith_status pithi_diag_tensor_outlier(const pithi_diagnosis *job, const pithi_diag_tensor *tensor, double *ratio_out,
                                      int *channel_out);
/* What the rounded tensor can hold. */
pithi_range pithi_diag_held(const pithi_diag_rounding *rounding);

/* repair.c */
/* Puts the suspect's repair into `changes`; false if there is none. */
pith_status pithi_diag_apply(pithi_diagnosis *job, const pithi_suspect *suspect, pith_repair repair,
                             pithi_changes *changes, bool *is_applied);
pith_status pithi_diag_undo_equalize(pithi_diagnosis *job, int tensor, float *factors, int64_t n_factors);
/* *is_anew_out: they go together with everything else made anew, which is one repair then. */
pith_status pithi_diag_repair(pithi_diagnosis *job, pithi_suspect *suspects, int n_suspects, pithi_changes *changes,
                              bool *is_anew_out);

#endif
