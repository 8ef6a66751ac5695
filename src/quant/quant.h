/* SPDX-License-Identifier: Apache-2.0 */
/* Level 8: what the files of quant/ share. The order of the files is that of the work: select.c (what becomes
 * integer), equalize.c, calibrate.c and observe.c (ranges), insert.c (the quantised graph), measure.c (how good it is),
 * correct.c (biases), quantize.c (the whole). */
#ifndef PITH_QUANT_H
#define PITH_QUANT_H

#include "exec/internal.h"
#include "passes/rewrite.h"
#include "pith/quantize.h"

#define PITHI_QUANT_BINS 2048

/* What calibration saw of one activation. */
typedef struct pithi_histogram {
    double low, high;              /* low <= 0 <= high: zero must be representable */
    uint64_t *bins;                /* PITHI_QUANT_BINS over [low, high] */
    uint64_t n_elements;
} pithi_histogram;

typedef struct pithi_range {
    double low, high;
} pithi_range;

typedef struct pithi_quant_tensor {
    int value;                     /* number in graph->values */
    int source;                    /* tensor whose scale it has (movers), itself otherwise */
    pithi_histogram histogram;
    pithi_range candidates[PITH_OBSERVER_COUNT];
    pithi_range range;             /* chosen */
} pithi_quant_tensor;

typedef enum pithi_quant_role {
    PITHI_QUANT_FLOAT,    /* stays as it is */
    PITHI_QUANT_PRODUCT,  /* conv, gemm, matmul with constant weights */
    PITHI_QUANT_BINARY,   /* add, mul */
    PITHI_QUANT_POOL,     /* averages */
    PITHI_QUANT_CONCAT,
    PITHI_QUANT_FUNCTION, /* of one value: a table */
    PITHI_QUANT_MOVE      /* moves or selects elements: the scale stays */
} pithi_quant_role;

typedef struct pithi_quant {
    pith_ctx *ctx;
    const pith_quantize_options *options;
    const pith_samples *samples;
    pithi_arena arena;
    pith_graph *graph;             /* the float network, in ONNX's own words */
    pithi_quant_role *roles;       /* by number of the node, in order */
    int n_nodes;
    int *tensor_of;                /* by number of the value; -1 */
    pithi_quant_tensor *tensors;
    int n_tensors;
    float **bias_shifts;           /* by number of the node: one per output channel, added to the bias; NULL: none */
    pith_tensor *references;       /* float outputs of the samples that measure, n_held * n_outputs */
    int n_outputs, n_held;
} pithi_quant;

/* The passes whose results ONNX can say, but those of a comma list (may be NULL). */
pith_status pithi_quant_simplify(pith_graph *graph, const char *left_out);

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
} pithi_quant_weights;
bool pithi_quant_weights_of(const pith_node *node, pithi_quant_weights *weights_out);

/* Balances weights of neighbouring layers in quant->graph; the function stays. */
pith_status pithi_quant_equalize(pithi_quant *quant, int *n_pairs);

/* Runs the float network over the samples: ranges, histograms, and the outputs of the samples that measure. */
pith_status pithi_quant_calibrate(pithi_quant *quant);

/* Range of a histogram. */
pithi_range pithi_quant_observe(const pithi_histogram *histogram, pith_observer observer, double clip_fraction);
/* Scale and zero point of u8 for a range (compression of reals: real = scale * (q - zero)). */
void pithi_quant_parameters(pithi_range range, float *scale_out, int *zero_out);
/* Signal and noise power of quantising the histogram with a range, and the fraction outside of it. */
void pithi_quant_histogram_error(const pithi_histogram *histogram, pithi_range range, double *signal_out,
                                 double *noise_out, double *clipped_out);

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
pith_status pithi_quant_run(const pithi_quant *quant, pithi_quant_runner *runner, int sample);
void pithi_quant_stop(const pithi_quant *quant, pithi_quant_runner *runner);

/* Error of the quantised network's outputs on the first `n_samples` samples that measure. */
typedef struct pithi_quant_error {
    double sqnr_db, cosine;
} pithi_quant_error;
pith_status pithi_quant_measure(const pithi_quant *quant, int n_samples, pithi_quant_error *error_out);
/* 10 log10(signal / noise), at most 120. */
double pithi_quant_decibel(double signal, double noise);
/* Number of the k-th sample that measures. */
int pithi_quant_held_sample(const pithi_quant *quant, int k);

/* Sets bias_shifts, so that the mean of every layer's output is that of the float network. */
pith_status pithi_quant_correct_biases(pithi_quant *quant);

#endif
