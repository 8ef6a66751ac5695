/* SPDX-License-Identifier: Apache-2.0 */
/* Quantisation after training: a float network and samples of its inputs -> an ONNX network in QDQ form (int8 weights
 * per output channel, 8-bit activations), which pith runs in integer arithmetic and other engines run as well. */
#ifndef PITH_QUANTIZE_H
#define PITH_QUANTIZE_H

#include "pith/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How the range of an activation is chosen from what calibration saw. */
typedef enum pith_observer {
    PITH_OBSERVER_AUTO = 0,   /**< The one below that gives the network's outputs the smallest error. */
    PITH_OBSERVER_MIN_MAX,    /**< Everything that was seen. */
    PITH_OBSERVER_PERCENTILE, /**< All but pith_quantize_options.clip_fraction at either end. */
    PITH_OBSERVER_MSE,        /**< Least squared error over the histogram. */
    PITH_OBSERVER_KL,         /**< Least divergence of the clipped histogram from its quantised form. */
    PITH_OBSERVER_ACIQ,       /**< Least error of a normal or a Laplace distribution with the same moments. */
    PITH_OBSERVER_AVERAGE,    /**< Averages of the samples' smallest and largest elements. */
    PITH_OBSERVER_MOVING_AVERAGE, /**< The same with weights 0.9^age: the only one to depend on the samples' order. */
    PITH_OBSERVER_ADMM,       /**< Rounding and the best scale for what was rounded in turns, until both stay. */
    PITH_OBSERVER_EMD,        /**< Least change of mean and standard deviation. */
    PITH_OBSERVER_COUNT
} pith_observer;

/** "auto", "min-max", "percentile", "mse", "kl", "aciq", "average", "moving-average", "admm", "emd"; static. NULL past
 * the end. The last two are tried with the best effort, or where they are named. */
const char *pith_observer_name(pith_observer observer);

/** How weights of pith_quantize_options.weights are rounded to integers. */
typedef enum pith_weight_method {
    PITH_WEIGHT_NEAREST = 0, /**< To the nearest, with scales of the least error or those that hold all weights. */
    PITH_WEIGHT_GPTQ,        /**< Later columns make up for errors of a column (Frantar et al., arXiv 2210.17323). */
    PITH_WEIGHT_AWQ,         /**< Columns that meet large inputs are scaled up (Lin et al., arXiv 2306.00978). */
    PITH_WEIGHT_ADAROUND     /**< Up or down is learnt, layer after layer (Nagel et al., arXiv 2004.10568). */
} pith_weight_method;

/** How much work a network is worth. Counted in multiplications, so that results don't depend on the machine. */
typedef enum pith_quantize_effort {
    PITH_EFFORT_NORMAL = 0, /**< A minute or so on one core. */
    PITH_EFFORT_FAST,       /**< A tenth of that. */
    PITH_EFFORT_BEST        /**< Ten times as much; rounding is learnt for all layers. */
} pith_quantize_effort;

/** Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_quantize_options {
    pith_quantize_effort effort;
    pith_observer observer;
    double clip_fraction;         /**< Of PERCENTILE; 0: 1e-4. */
    int per_tensor_weights;       /**< 1: one scale for each weight tensor. */
    int no_equalization;          /**< 1: weights of neighbouring layers are not balanced. */
    int no_bias_correction;       /**< 1: mean errors of layers are not taken out of their biases. */
    const char *without;          /**< Comma list of stages to leave out, as the report names them; NULL. */
    /** Comma list of node names or operators, as in the file or in the report, that stay float; NULL. */
    const char *keep_float;
    int n_threads;                /**< As in pith_session_options. */
    /** Optional: told what is going on, `done` of `total` steps of `stage`. */
    void (*progress)(void *user, const char *stage, int done, int total);
    void *progress_user;
    /* Limits; 0: none. If they can't be kept together, pith_quantize() fails with PITH_STATUS_LIMIT and says which
     * figures can be reached. */
    double max_drop;              /**< Points of top-1, of agreement, or percent of noise: see pith_drop_kind. */
    size_t max_bytes;             /**< Of the ONNX file. */
    double max_ms;                /**< Of one run on this machine with n_threads. */
    size_t max_ram_bytes;         /**< Of the arena: activations and scratch memory (pith_cost_report.arena_bytes). */
    int no_timing;                /**< 1: nothing is timed; counts of work decide, the same everywhere. */
    int no_mix;                   /**< 1: everything int8 that can be, also where that is slower. */
    const struct pith_samples *verify; /**< Samples that weren't calibrated with, to measure the drop; NULL: a quarter
                                        * of the calibration samples. */
    /** NULL: activations and weights in 8 bits. Else weights alone are stored in fewer bits, and the network
     * computes in float32: "int2" to "int8", with details as in "int4:group=32,asym" (a scale for so many input
     * channels; zero points), "palette2" to "palette8" (numbers of a table by k-means), "float16", "bfloat16",
     * "float8e4m3", "float8e5m2". The limits above are not looked at. */
    const char *weights;
    pith_weight_method weight_method; /**< Of integers. */
    int dynamic;                  /**< 1: products of matrices in 8 bits, with activations quantised in each run by
                                   * their own range; everything else in float32. Samples only measure. */
    const int64_t *verify_labels; /**< Class of each of them, -1 where unknown; NULL: no labels. */
} pith_quantize_options;

/** What a drop is counted in. */
typedef enum pith_drop_kind {
    PITH_DROP_NONE = 0,   /**< Not measured. */
    PITH_DROP_TOP1,       /**< Points of top-1 accuracy, float minus quantised: there are labels. */
    PITH_DROP_AGREEMENT,  /**< 100 minus the percentage of samples for which both choose the same class. */
    PITH_DROP_NOISE       /**< The outputs' noise in percent of their power, 100 * 10^(-SQNR/10): no classifier. */
} pith_drop_kind;

/** "none", "top-1", "agreement", "noise"; static. NULL past the end. */
const char *pith_drop_name(pith_drop_kind kind);

/**
 * Where calibration samples come from. read() fills one view per input of the model for sample `index` (0 <= index <
 * n_samples) and returns PITH_OK; the views must stay valid until the next call. Samples are read several times, in any
 * order.
 */
typedef struct pith_samples {
    pith_status (*read)(void *user, int index, pith_tensor *inputs);
    void *user;
    int n_samples;
} pith_samples;

/** One activation that is quantised in what was written. */
typedef struct pith_quantized_tensor {
    const char *name;
    float low, high;      /**< Seen in calibration. */
    float scale;
    int zero_point;       /**< Of u8, or u16 where it has 16 bits: real = scale * (q - zero_point). */
    double sqnr_db;       /**< Of quantising this tensor alone, over its histogram. */
    double clipped;       /**< Fraction of elements outside of the range. */
    int bits;             /**< 8 (u8) or 16 (u16). */
} pith_quantized_tensor;

/** What one stage of the work gave. */
typedef struct pith_quantize_stage {
    const char *name;
    double before_db, after_db; /**< Mean over samples and outputs of their SQNR, each at most 60; of a classifier's
                                 *   values in front of its softmax. */
    int is_kept;                /**< 0: the error did not fall, the network is as it was before. */
} pith_quantize_stage;

/** How a layer computes, where that isn't int8 with 8-bit weights. */
typedef struct pith_quantized_layer {
    const char *name, *op;   /**< Of the node in the file. */
    const char *activations; /**< "int8", "int16", "float32". */
    const char *weights;     /**< "int8", "int4", ..., "float16", "float32"; "" if it has none. */
    const char *why;
    double float_ms, int8_ms; /**< Of the node alone; 0: not measured. */
    double sqnr_db;          /**< Of the outputs if only this node's weights and result were int8; 0: not measured. */
} pith_quantized_layer;

/** A network that was looked at on the way; none of the list is worse than another in every figure. */
typedef struct pith_quantized_choice {
    const char *name;
    size_t n_bytes, ram_bytes; /**< Of the file, about; of the arena. */
    double ms, drop, sqnr_db; /**< ms 0: not measured; it is estimated then. */
    int is_chosen;
} pith_quantized_choice;

/** Float steps of the written network that hand floats to each other, as its plan has them. */
typedef struct pith_quantized_island {
    const char *nodes;       /**< "name (operator)", the first few of them. */
    int n_steps, n_borders;  /**< n_borders: steps that quantise or dequantise for them. */
    double ms, border_ms;    /**< Of a run; 0: not timed. */
    const char *why;
} pith_quantized_island;

/** What was done. Released with pith_quantize_report_destroy(). */
typedef struct pith_quantize_report {
    int n_nodes, n_integer_nodes;      /**< Nodes of the network as written, and those that run in integers. */
    int n_mixed_nodes;                 /**< Recurrent ones with integer products and float gates. */
    const pith_quantized_island *islands; /**< What the plan of the written network computes in float, by time;
                                        * with no_timing in order. */
    int n_islands;
    const char *const *surprises;      /**< Nodes that don't run as was meant: "name (operator): ...". */
    int n_surprises;
    const char *const *float_nodes;    /**< "name (operator)" of those that compute in float. */
    int n_float_nodes;
    const pith_quantized_tensor *tensors;
    int n_tensors;
    size_t float_bytes, quantized_bytes; /**< Of the weights. */
    double sqnr_db;                    /**< Of the outputs, quantised against float, on a quarter of the samples. */
    double cosine;
    double observer_sqnr_db[PITH_OBSERVER_COUNT]; /**< Of each observer that was tried; 0: not tried. */
    pith_observer observer;            /**< The one taken. */
    int n_plain;                       /**< Products that weight_method left to nearest rounding: too many inputs (GPTQ,
                                        * AWQ 3500 or so, AdaRound 2304), transposed convolutions. */
    int n_equalized;                   /**< Pairs of layers whose weights were balanced; 0 if that did not help. */
    int is_bias_corrected;             /**< 0 if it did not help. */
    const pith_quantize_stage *stages; /**< In order. */
    int n_stages;
    const pith_quantized_layer *layers; /**< Those that differ from int8. */
    int n_layers;
    const pith_quantized_choice *choices; /**< From the float network on: the Pareto list. */
    int n_choices;
    double float_ms, int8_ms, ms;      /**< Whole runs, in turns: float, all int8, as written; 0: not timed. */
    pith_drop_kind drop_kind;
    double drop, top1_float, top1;     /**< Points; percent, with labels. */
    int n_verified;                    /**< Samples that drop was measured on. */
    int is_verified_apart;             /**< 1: none of them was calibrated with. */
} pith_quantize_report;

void pith_quantize_report_destroy(pith_quantize_report *report);

/**
 * Quantises the float ONNX network in `path`.
 *
 * @param bytes_out   Receives the ONNX file, pith_free_bytes() releases it.
 * @param report_out  NULL, or receives the report.
 * @retval PITH_STATUS_ARG          No samples; an option out of range.
 * @retval PITH_STATUS_UNSUPPORTED  The network has nodes that pith can't run or write, or nothing to quantise.
 *
 * Methods: uniform affine quantisation (Jacob et al., arXiv 1712.05877), KL calibration (Migacz, GTC 2017), cross-layer
 * equalisation and bias correction (Nagel et al., arXiv 1906.04721).
 */
pith_status pith_quantize(pith_ctx *ctx, const char *path, const pith_quantize_options *options,
                          const pith_samples *samples, void **bytes_out, size_t *n_bytes_out,
                          pith_quantize_report **report_out);

/** Releases a file made by the library; NULL is allowed. */
void pith_free_bytes(pith_ctx *ctx, void *bytes);

#ifdef __cplusplus
}
#endif
#endif
