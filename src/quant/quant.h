/* SPDX-License-Identifier: Apache-2.0 */
/* Level 8: what the files of quant/ share. The order of the files is that of the work: select.c (what becomes
 * integer), equalize.c, calibrate.c and observe.c (ranges), round.c, insert_weights.c and insert.c (the quantised
 * graph), measure.c (how good it is), correct.c (biases), quantize.c (the whole). */
#ifndef PITH_QUANT_H
#define PITH_QUANT_H

#include "exec/internal.h"
#include "passes/rewrite.h"
#include "pith/quantize.h"
#include "quant/decide.h"

#define PITHI_QUANT_BINS 2048
#define PITHI_QUANT_VALUES 65536
#define PITHI_QUANT_LARGEST_BIAS 1073741824.0 /* 2^30: sums need the other half of s32 */
#define PITHI_QUANT_MAX_STAGES 24
#define PITHI_QUANT_MAX_OLDER 16
#define PITHI_QUANT_GAIN_DB 0.05 /* a smaller one is noise */

/* What calibration saw of one activation. */
typedef struct pithi_histogram {
    double low, high;              /* low <= 0 <= high: zero must be representable */
    uint64_t *bins;                /* PITHI_QUANT_BINS over [low, high] */
    uint64_t n_elements;
    double average_low, average_high; /* of the samples' own extremes, which hold zero as well */
    double moving_low, moving_high;
    int n_samples;
} pithi_histogram;
/* Takes the extremes of one sample into account. */
void pithi_histogram_widen(pithi_histogram *histogram, const float *x, int64_t n);

typedef struct pithi_range {
    double low, high;
} pithi_range;

/* How an activation is held. Zero-initialised formats are int8: u8 activations, s8 weights per output channel. */
typedef enum pithi_activation_format {
    PITHI_ACTIVATION_U8,
    PITHI_ACTIVATION_U16,
    PITHI_ACTIVATION_F32           /* no pair around it */
} pithi_activation_format;

typedef enum pithi_weight_kind {
    PITHI_WEIGHT_INT,              /* scale * (q - zero) */
    PITHI_WEIGHT_PALETTE,          /* codebook[q]; needs pithi_quant_rounded */
    PITHI_WEIGHT_F16,
    PITHI_WEIGHT_BF16,
    PITHI_WEIGHT_F32,              /* as they are */
    PITHI_WEIGHT_F8E4M3,           /* with a scale per output channel */
    PITHI_WEIGHT_F8E5M2
} pithi_weight_kind;

typedef struct pithi_weight_format {
    pithi_weight_kind kind;
    int bits;                      /* of INT and PALETTE, 2 to 8; 0: 8 */
    int64_t group;                 /* of INT: so many input channels share a scale, at one position of the window; 0, or
                                    * no less than there are: one scale per output channel */
    bool has_zeros;                /* of INT: unsigned numbers, each scale with a zero point; else symmetric ones */
} pithi_weight_format;

/* Weights that an algorithm has rounded already, in place of the nearest ones. Borrowed, lives as long as `quant`. */
typedef struct pithi_quant_rounded {
    const int16_t *q;              /* one per weight, in their order; NULL: to the nearest */
    const float *scales;           /* as pithi_quant_scales lays them out; PALETTE: codebook of 1 << bits */
    const int16_t *zeros;          /* one per scale; NULL: 0 */
} pithi_quant_rounded;

/* What a product's weights become. */
typedef struct pithi_quant_layer {
    pithi_weight_format format;
    pithi_quant_rounded rounded;
} pithi_quant_layer;

typedef struct pithi_quant_tensor {
    int value;                     /* number in graph->values */
    int source;                    /* tensor whose scale it has (movers), itself otherwise */
    pithi_histogram histogram;
    pithi_range candidates[PITH_OBSERVER_COUNT];
    pithi_range trials[PITH_OBSERVER_COUNT]; /* the same of samples that don't measure: what observers are chosen by */
    pith_observer observer;        /* chosen */
    pithi_histogram apart;         /* extremes of those samples */
    pithi_range range;             /* chosen; pithi_quant_range_of() says what it is rounded with */
    int read_as;                   /* tensor of the results of the table that alone reads it; -1 */
    double *results;               /* of that table, by bin of the histogram: NULL without one */
    int shares;                    /* the result of the concatenation that alone reads it; -1 */
    pithi_activation_format format; /* that of its source counts */
    bool is_probability;           /* of softmax: the scale is fixed */
    float *values;                 /* of an input of the network: some of what it read, PITHI_QUANT_VALUES at most */
    int64_t n_values;
} pithi_quant_tensor;

typedef enum pithi_quant_role {
    PITHI_QUANT_FLOAT,    /* stays as it is */
    PITHI_QUANT_PRODUCT,  /* conv, gemm, matmul with constant weights */
    PITHI_QUANT_BINARY,   /* add, sub, mul, matmul of two activations */
    PITHI_QUANT_POOL,     /* one quantised operand: averages, softmax, normalisations, slopes */
    PITHI_QUANT_CONCAT,
    PITHI_QUANT_FUNCTION, /* of one value: a table; if that value isn't quantised, part of the node that makes it */
    PITHI_QUANT_MOVE      /* moves or selects elements: the scale stays */
} pithi_quant_role;

/* In multiplications; see calibrate.c. */
typedef struct pithi_quant_work {
    double per_run, done, limit;
} pithi_quant_work;

/* Error of the quantised network's outputs on samples. */
typedef struct pithi_quant_error {
    double sqnr_db, cosine;
    double score;                  /* what stages are judged by: mean over samples and outputs of their own dB, each at
                                    * most 60, so that no sample and no output hides the others */
    double noise;                  /* over signal, the mean of the outputs; of probabilities over what is uncertain */
    double changed;                /* expected share of decisions that change: decide.h; -1 without decisions */
} pithi_quant_error;
/* The second error is smaller by more than `least_db` and PITHI_QUANT_GAIN_DB, and for all samples together it grew by
 * less than that: a gain for most isn't bought with a few. */
bool pithi_quant_is_better(const pithi_quant_error *before, const pithi_quant_error *after, double least_db);

typedef struct pithi_quant_checks {
    pith_tensor *references;       /* n * n_outputs; NULL: not run yet */
    int n;
} pithi_quant_checks;

typedef struct pithi_quant {
    pith_ctx *ctx;
    const pith_quantize_options *options;
    const pith_samples *samples;
    pithi_arena arena;
    pith_graph *graph;             /* the float network, in ONNX's own words */
    pithi_quant_role *roles;       /* by number of the node, in order */
    int n_nodes;
    int *tensor_of;                /* by number of the value; -1 */
    int *result_of;                /* by number of the node: pithi_quant_result_tensor() */
    bool *is_followed;             /* by number of the value: a product comes behind it */
    pithi_quant_tensor *tensors;
    int n_tensors;
    pithi_quant_layer *layers;     /* by number of the node; of products */
    pithi_quant_layer *plain;      /* the same before precision was mixed */
    float *const *plain_shifts;    /* bias_shifts before that */
    float *const *rounding_shifts; /* bias_shifts as rounding left them, before biases were corrected */
    float **bias_shifts;           /* by number of the node: one per output channel, added to the bias; NULL: none */
    int *measured;                 /* numbers of the values that are measured in place of the outputs */
    pithi_decision *decisions;     /* by them */
    pith_tensor *references;       /* their float results on the samples that measure, n_held * n_measured */
    int n_outputs, n_measured, n_held; /* n_measured >= n_outputs */
    pith_observer observer;        /* of ranges that stages are compared with */
    bool learns;                   /* rounding learns where it is worth it */
    bool rounds;                   /* weights are rounded by what their layers make of it wherever a stage is judged */
    pithi_quant_error error;       /* of the network as it is now */
    pith_graph **older;            /* graphs whose constants `graph` shares */
    int n_older;
    pithi_quant_work *work;        /* NULL: not limited */
    pith_quantize_stage *stages;   /* of the report; PITHI_QUANT_MAX_STAGES of them */
    int n_stages;
    pithi_quant_checks checks;     /* outputs of the samples that verify */
} pithi_quant;

/* The passes whose results ONNX can say, but those of a comma list (may be NULL). */
pith_status pithi_quant_simplify(pith_graph *graph, const char *left_out);

/* Types of all values. */
pith_status pithi_quant_learn_types(const pithi_quant *quant, pith_graph *graph);
/* A clone with the shapes that all values have on the first sample; the values' numbers stay. */
pith_status pithi_quant_clone_shaped(const pithi_quant *quant, pith_graph *graph, pith_graph **clone_out);

/* Numbers of values (value->index) and nodes (node->index). Clones and passes use these fields for themselves. */
void pithi_quant_number(pith_graph *graph);

/* Fills roles, tensors and tensor_of. */
pith_status pithi_quant_select(pithi_quant *quant);

/* Input and output channel of a product's weights; -1 if it has none of its own (the output channel of a depthwise
 * convolution is its input channel). `groups` is 1 for products of matrices. */
typedef struct pithi_quant_weights {
    const pith_tensor *tensor;
    int out_axis, in_axis;
    int64_t n_out, groups;
    bool has_own_rows;             /* a scale for each row along in_axis: axes in front are directions */
} pithi_quant_weights;
bool pithi_quant_weights_of(const pith_node *node, pithi_quant_weights *weights_out);
/* rnn, gru or lstm with constant weights: these are stored in 8 bits unless its layer's format is float32, or the node
 * is kept float. Its role is FLOAT, as nothing around it is quantised for it. */
bool pithi_quant_is_recurrent(const pithi_quant *quant, const pith_node *node);
/* Its weights W (0) or R (1). */
pithi_quant_weights pithi_quant_recurrent_weights(const pith_node *node, int which);
/* Weights whose format is chosen: one of a product, two of a recurrent node, else none. Their number. */
int pithi_quant_all_weights(const pithi_quant *quant, const pith_node *node, pithi_quant_weights weights_out[2]);
/* The node adds a constant row to a matmul that is quantised: its bias. */
bool pithi_quant_is_bias(const pithi_quant *quant, const pith_node *node);
/* The constant bias of a product: of a matmul that row behind it. NULL: none. */
const pith_tensor *pithi_quant_bias_of(const pithi_quant *quant, const pith_graph *graph, const pith_node *node);
/* A product that has a bias, or may get one. */
bool pithi_quant_may_shift(const pithi_quant *quant, const pith_graph *graph, const pith_node *node);

/* The shape of the scales of weights in a format, and the arguments of dequantize_linear for it. */
typedef struct pithi_quant_scales {
    pith_shape shape;
    int axis;
    int64_t block;                 /* 0: one scale per index of the axis */
} pithi_quant_scales;
pithi_quant_scales pithi_quant_scales_of(const pithi_quant_weights *weights, const pithi_weight_format *format);
/* Bytes that the numbers themselves take in the file, without scales. */
size_t pithi_quant_code_bytes(const pithi_quant_layer *layer, const pith_tensor *weights);
/* Smallest and largest integer of a format. */
void pithi_quant_levels(const pithi_weight_format *format, int *low_out, int *high_out);
/* Scale and zero point with which a format holds [low, high]. */
float pithi_quant_fit(const pithi_weight_format *format, double low, double high, int16_t *zero_out);
/* Scale (and zero) that holds every weight of its group, or with less than 8 bits that of the least squared error, and
 * the nearest integers; arrays from `arena`. `least_scales`
 * is NULL or one lower bound per scale. */
pith_status pithi_quant_round_nearest(const pithi_quant_weights *weights, const pithi_weight_format *format,
                                      const float *least_scales, bool is_per_tensor, pithi_arena *arena,
                                      pithi_quant_rounded *rounded_out);

/* The tensor whose scale a value has; the one in which a node's result ends. -1: none. */
int pithi_quant_tensor_of(const pithi_quant *quant, const pith_value *value);
int pithi_quant_result_tensor(const pithi_quant *quant, const pith_node *node);
int pithi_quant_find_result(const pithi_quant *quant, const pith_node *node); /* while nodes are selected */

/* The format of a value: F32 for one that isn't quantised. */
pithi_activation_format pithi_quant_format_of(const pithi_quant *quant, const pith_value *value);
/* The same for the value in which a node's result ends: relu and clip behind it may be part of it. */
pithi_activation_format pithi_quant_result_format(const pithi_quant *quant, const pith_node *node);
/* The node computes in integers as formats are now: between quantised tensors, a product with 8-bit integers per output
 * channel or less. A product that doesn't, of integer weights, is weight-only. */
bool pithi_quant_is_integer(const pithi_quant *quant, const pith_node *node);

/* An edit of quant->graph that leaves the float function as it is, or nearly; *n_edited is 0 if there was nothing to
 * do. */
typedef pith_status (*pithi_quant_edit)(pithi_quant *quant, double strength, int *n_edited);
typedef struct pithi_quant_way {
    const char *stage;
    pithi_quant_edit edit;
    double strength, least_db;     /* what it must gain: more, if it costs time */
} pithi_quant_way;
/* Tries the edit on a clone, with ranges measured again; it stays if the score rises. */
pith_status pithi_quant_attempt(pithi_quant *quant, const pithi_quant_way *way, int *n_edited);
/* What belongs to one graph and is found anew for another. */
typedef struct pithi_quant_state {
    pith_graph *graph;
    pithi_quant_role *roles;
    int n_nodes, n_tensors;
    int *tensor_of, *result_of;
    bool *is_followed;
    pithi_quant_tensor *tensors;
    pithi_quant_layer *layers;
    float **bias_shifts;
} pithi_quant_state;
pithi_quant_state pithi_quant_save(const pithi_quant *quant);
/* Destroys quant->graph if it is another one. */
void pithi_quant_restore(pithi_quant *quant, const pithi_quant_state *state);
/* A line of the report: `before` and `after` are scores. */
void pithi_quant_note(pithi_quant *quant, const char *stage, double before, double after, bool is_kept);
/* The network may be run so many times more. */
bool pithi_quant_affords(const pithi_quant *quant, int n_runs);
pith_status pithi_quant_check_stages(pith_ctx *ctx, const char *list);
/* -1: fast, 0: normal, 1: best. */
int pithi_quant_effort(const pithi_quant *quant);
/* False if the user left a stage out. */
bool pithi_quant_wants(const pithi_quant *quant, const char *stage);
void pithi_quant_tell(const pithi_quant *quant, const char *stage, int done, int total);

/* Edits that rescale channels of neighbouring layers: by their weights; by their activations, with the exponent
 * `strength`; the same after clips have become relu. */
pith_status pithi_quant_equalize(pithi_quant *quant, double strength, int *n_edited);
pith_status pithi_quant_smooth(pithi_quant *quant, double strength, int *n_edited);
pith_status pithi_quant_equalize_relaxed(pithi_quant *quant, double strength, int *n_edited);
/* Takes constants per channel out of activations; splits channels that are much wider than the others. */
pith_status pithi_quant_absorb_biases(pithi_quant *quant, double strength, int *n_edited);
pith_status pithi_quant_split_channels(pithi_quant *quant, double strength, int *n_edited);

/* Runs the float network over the samples: ranges, histograms, and the outputs of the samples that measure. */
pith_status pithi_quant_calibrate(pithi_quant *quant);

/* Range of a histogram. */
pithi_range pithi_quant_observe(const pithi_histogram *histogram, pith_observer observer, double clip_fraction);
/* What KL compares: the divergence where so many bins (of |x|) are held, at least 128, or 256 where x has one sign. */
double pithi_quant_divergence(const pithi_histogram *histogram, int n_bins);
/* The same for what a table alone reads: of the least squared error of its results, one for each bin. */
pithi_range pithi_quant_observe_results(const pithi_histogram *histogram, const double *results);
/* ranges.c: fills the candidates of all tensors; takes those of one observer. */
void pithi_quant_observe_all(pithi_quant *quant);
/* The ranges of `trials`, while histograms hold the samples that don't measure only. */
void pithi_quant_observe_apart(pithi_quant *quant);
void pithi_quant_take_observer(pithi_quant *quant, pith_observer observer);
/* The observer with which the network does best, then tensor by tensor those that lose most. */
pith_status pithi_quant_choose_observer(pithi_quant *quant, pith_quantize_report *report);
pith_status pithi_quant_refine_ranges(pithi_quant *quant);

/* The range that a tensor is rounded with: its source's, and of the operands of a concatenation that nothing else reads
 * that of the result, which rounds them in any case. In 16 bits it is all that was seen and half as much again. */
pithi_range pithi_quant_range_of(const pithi_quant *quant, const pithi_quant_tensor *tensor);
/* Scale of a quantised value. */
float pithi_quant_scale_of(const pithi_quant *quant, const pith_value *value);

/* Nodes get their numbers for names ("#12"), by which steps of a plan are found again; -1: not such a name. */
pith_status pithi_quant_name_nodes(pith_graph *graph);
int pithi_quant_number_of(const pithi_quant *quant, const char *name);

/* islands.c: what the plan of the written network (taken over; nodes named as above) runs in float, and where that is
 * not what was meant: a correction of the report's numbers, too. */
pith_status pithi_quant_report_islands(pithi_quant *quant, pith_graph *written, pithi_arena *arena,
                                       pith_quantize_report *report);

/* report.c */
pith_status pithi_quant_report(const pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report);

/* Scale and zero point of u8 for a range (compression of reals: real = scale * (q - zero)). */
void pithi_quant_parameters(pithi_range range, float *scale_out, int *zero_out);
/* The same for other formats. */
void pithi_quant_parameters_as(pithi_activation_format format, pithi_range range, float *scale_out, int *zero_out);
/* Signal and noise power of quantising the histogram with a range, and the fraction outside of it. */
void pithi_quant_histogram_error(const pithi_histogram *histogram, pithi_range range, double *signal_out,
                                 double *noise_out, double *clipped_out);
void pithi_quant_histogram_error_as(pithi_activation_format format, const pithi_histogram *histogram,
                                    pithi_range range, double *signal_out, double *noise_out, double *clipped_out);

/* insert_weights.c: a product's weights in their format, and its bias, in integers if the product computes so: x_scale
 * is then the scale of its first input. */
pith_status pithi_quant_insert_weights(const pithi_quant *quant, pith_graph *graph, pith_node *node, double x_scale,
                                       bool is_integer);
/* Both weights of a recurrent node as 8-bit integers. */
pith_status pithi_quant_insert_recurrent(pith_graph *graph, pith_node *node);
/* Integers with their scales behind dequantize_linear, as input `index` of the node. */
pith_status pithi_quant_insert_integers(pith_graph *graph, pith_node *node, int index,
                                        const pithi_quant_weights *weights, const pithi_weight_format *format,
                                        const pithi_quant_rounded *rounded);
/* dequantize_linear(operands) in front of `before`. */
pith_status pithi_quant_insert_dq(pith_graph *graph, pith_node *before, pith_value *const operands[3],
                                  pith_value **result_out);

/* Puts quantize_linear and dequantize_linear around what is integer. `graph` is a clone of quant->graph or that graph
 * itself. */
pith_status pithi_quant_insert(const pithi_quant *quant, pith_graph *graph);

/* Runs `graph` (taken over) on sample `index`. */
typedef struct pithi_quant_runner {
    pith_model *model;
    pith_session *session;
    pith_tensor *inputs;
} pithi_quant_runner;
pith_status pithi_quant_start(const pithi_quant *quant, pith_graph *graph, pithi_quant_runner *runner);
/* The same without the passes of a comma list. */
pith_status pithi_quant_start_without(const pithi_quant *quant, pith_graph *graph, const char *passes,
                                      pithi_quant_runner *runner);
/* The sample, unchecked, or an error that names it. */
pith_status pithi_quant_read(const pithi_quant *quant, int sample, pith_tensor *inputs);
pith_status pithi_quant_run(const pithi_quant *quant, pithi_quant_runner *runner, int sample);
void pithi_quant_stop(const pithi_quant *quant, pithi_quant_runner *runner);

/* On the first `n_samples` samples that measure. */
pith_status pithi_quant_measure(const pithi_quant *quant, int n_samples, pithi_quant_error *error_out);
/* The same with every step-th of them. */
pith_status pithi_quant_measure_every(const pithi_quant *quant, int step, int n_samples, pithi_quant_error *error_out);
/* The same piece by piece; zero-initialise. `references` are the float outputs of the sample that ran. */
typedef struct pithi_quant_error_sums {
    struct pithi_quant_sums *items;
    int n;                         /* values that are compared: the outputs, or what is measured in their place */
    const pithi_decision *decisions; /* by each of them; NULL: none */
} pithi_quant_error_sums;
pith_status pithi_quant_sums_create(const pithi_quant *quant, int n, pithi_quant_error_sums *sums);
pith_status pithi_quant_sums_add(const pithi_quant *quant, pithi_quant_error_sums *sums, const pith_tensor *references,
                                 const pithi_quant_runner *runner);
pithi_quant_error pithi_quant_sums_error(const pithi_quant_error_sums *sums);
void pithi_quant_sums_destroy(const pithi_quant *quant, pithi_quant_error_sums *sums);
/* Noise over signal of so many decibels. */
double pithi_quant_noise(double sqnr_db);
/* 10 log10(signal / noise), at most 120. */
double pithi_quant_decibel(double signal, double noise);
/* The values that are measured in place of a clone's outputs become its outputs, the rest its last ones. */
pith_status pithi_quant_set_measured(const pithi_quant *quant, pith_graph *clone);
/* Same elements in another order or shape. */
bool pithi_quant_is_reordering(const pith_node *node);
/* Result `i` of what is measured. */
const pith_tensor *pithi_quant_measured(const pithi_quant *quant, const pithi_quant_runner *runner, int i);
/* Number of the k-th sample that measures. */
int pithi_quant_held_sample(const pithi_quant *quant, int k);

/* Numbers of at most `most` samples that don't measure (of all, where all do), evenly spread; returns how many. */
int pithi_quant_free_samples(const pithi_quant *quant, int most, int *samples_out);

/* Rows of the input of a product, from samples that don't measure where there are others. */
typedef struct pithi_patches {
    pith_node *node;               /* of quant->graph */
    int64_t n_groups, k;           /* k weights make one output */
    int64_t n_rows, capacity;      /* rows of each group */
    float *x;                      /* [n_groups][capacity][k] */
    uint64_t state;                /* of the generator of places */
} pithi_patches;
#define PITHI_PATCHES_AT_ONCE 8
pith_status pithi_quant_patches_open(pithi_quant *quant, pith_node *node, pithi_patches *patches_out);
void pithi_quant_patches_close(pithi_quant *quant, pithi_patches *patches);
/* At most PITHI_PATCHES_AT_ONCE layers; of the float network in the same places. */
pith_status pithi_quant_patches_fill(pithi_quant *quant, pithi_patches *layers, int n_layers, bool quantised);

/* Weights of some rows that share the same inputs: one group of a product, by plain arrays. */
typedef struct pithi_rounding {
    int64_t n_out, k, n_rows;
    const float *x;                /* [n_rows][k] */
    const float *w;                /* [n_out][k] */
    float *scales;                 /* [n_out][k]: of every weight */
    const int16_t *zeros;          /* [n_out][k], NULL: 0 */
    int low, high;                 /* smallest and largest integer */
    bool has_bias;                 /* the mean error is taken out there */
    int16_t *q;                    /* [n_out][k]: in, the nearest; out, better ones */
    float *shifts;                 /* [n_out], out: what is to be added to the bias; NULL without has_bias */
} pithi_rounding;
/* Moves integers by one as long as the squared error of the outputs falls: coordinate descent on (w' - w) G (w' - w)^T
 * with G the second moments of x, about the mean where a bias takes the mean error (cf. Behdin et al., "QuantEase",
 * arXiv 2309.01885, and Nagel et al., "Up or Down?", arXiv 2004.10568, equation 13). With `search`, symmetric scales of
 * whole rows are chosen first among those whose largest integer is smaller and those that clip. Never worse than what
 * came in, on the rows. *before and *after: mean squared errors, added up over the outputs. */
pith_status pithi_round_descent(pith_ctx *ctx, const pithi_rounding *rounding, const float *least_scales, bool search,
                                double *before, double *after);
/* What the float network makes of the same rows. */
typedef struct pithi_round_target {
    const float *y;                /* [n_rows][n_out], in front of the activation */
    const float *bias;             /* [n_out] of the quantised layer, or NULL */
    float lo, hi;                  /* of the activation behind; -inf, +inf: none */
} pithi_round_target;
typedef struct pithi_round_result {
    double before, start, after;   /* mean squared errors on the rows that judge: of the integers that came in, of
                                    * step 0 (the weights themselves, where they fit), of those that were learnt */
    double settled;                /* fraction of weights that are decided at the end */
    bool is_taken;                 /* else q is as it was: the error did not fall */
} pithi_round_result;
/* AdaRound; see adaround.c. Every integer becomes the one below or above the weight, and where there is a bias it takes
 * the mean error that is left. Three quarters of the rows, those in front, are learnt from; the rest judge. */
pith_status pithi_round_adaround(pith_ctx *ctx, const pithi_rounding *rounding, const pithi_round_target *target,
                                 int n_steps, pithi_round_result *result);
/* What a first step of it follows: loss with regulariser (beta 0: without) on a batch, and the gradient by the
 * variables v [k][n_out]. With *loss_out negative v is filled: the variables that it starts from. */
pith_status pithi_round_gradient(pith_ctx *ctx, const pithi_rounding *rounding, const pithi_round_target *target,
                                 float *v, float beta, double *loss_out, float *gradient);
/* All products with integer weights: kept where the measured error falls. */
pith_status pithi_quant_round(pithi_quant *quant);
/* AdaRound for weights of few bits, or with the best effort for all. Taken back if `check` doesn't allow what came
 * out. */
pith_status pithi_quant_learn_rounding(pithi_quant *quant, pith_status (*check)(void *user, bool *is_allowed),
                                       void *user);
/* The same for those that aren't rounded yet, without asking whether it helps. */
pith_status pithi_quant_round_layers(pithi_quant *quant);

/* What that takes: runs of the network. */
int pithi_quant_correction_runs(const pithi_quant *quant);
/* quantize.c: the stage `bias-correction`; kept where the measured error falls. */
pith_status pithi_quant_try_correction(pithi_quant *quant, pith_quantize_report *report);
/* Sets bias_shifts, so that the mean of every layer's output is that of the float network; not if that takes too much
 * work, nor, where all samples measure, if half of them don't confirm what the others taught. */
pith_status pithi_quant_correct_biases(pithi_quant *quant, bool *is_done);

#endif
