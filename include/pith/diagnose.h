/* SPDX-License-Identifier: Apache-2.0 */
/* Where a quantised network loses accuracy and why: a float network, a network made from it (QDQ or QOperator form, by
 * any quantiser), and samples of their inputs -> errors of every tensor, causes, repairs, and the repaired network. */
#ifndef PITH_DIAGNOSE_H
#define PITH_DIAGNOSE_H

#include "pith/quantize.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Why a tensor or layer loses accuracy. */
typedef enum pith_cause {
    PITH_CAUSE_NONE = 0,
    PITH_CAUSE_SATURATED,          /**< The range is too small: values are clipped. */
    PITH_CAUSE_TOO_WIDE,           /**< The range is larger than what is seen: few codes are used. */
    PITH_CAUSE_ZERO_POINT,         /**< The range has the right width at the wrong place. */
    PITH_CAUSE_PARAMETERS_DIFFER,  /**< Quantising and dequantising have other scales or zero points. */
    PITH_CAUSE_ACTIVATION_OUTLIER, /**< Few channels are much larger than the others, which get few codes. */
    PITH_CAUSE_HEAVY_TAIL,         /**< Few large values: 8 bits with one scale are not enough. */
    PITH_CAUSE_WEIGHT_OUTLIER,     /**< The same for channels of weights. */
    PITH_CAUSE_WEIGHT_SCALE,       /**< Weights are right up to a factor. */
    PITH_CAUSE_WEIGHT_ROUNDING,    /**< Weights lie on too few levels, or are rounded badly. */
    PITH_CAUSE_WEIGHTS_DIFFER,     /**< Weights are those of another network. */
    PITH_CAUSE_BIAS_LOST,          /**< The bias is absent. */
    PITH_CAUSE_BIAS_OVERFLOW,      /**< The bias does not fit its integer type and scale. */
    PITH_CAUSE_BIAS_DIFFERS,       /**< The bias is another one, or badly rounded. */
    PITH_CAUSE_ROUNDING_BIAS,      /**< Rounding of weights shifts the mean of the result. */
    PITH_CAUSE_CALIBRATION_DATA,   /**< Ranges everywhere do not fit this data: calibrated on other inputs. */
    PITH_CAUSE_SENSITIVE,          /**< A small error here is a large one at the outputs. */
    PITH_CAUSE_ACCUMULATED,        /**< No tensor stands out: many small errors add up. */
    PITH_CAUSE_LEFT_FLOAT,         /**< Computes in float between integer operators: costs time, not accuracy. */
    PITH_CAUSE_OTHER_NETWORK,      /**< Most layers have other weights: not made from this float network. */
    PITH_CAUSE_SEVERAL_FAULTS,     /**< Faults of weights and ranges that only go together. */
    PITH_CAUSE_COUNT
} pith_cause;

/** What would help. */
typedef enum pith_repair {
    PITH_REPAIR_NONE = 0,
    PITH_REPAIR_RANGE,        /**< Range, scale and zero point anew, from the data. */
    PITH_REPAIR_RECALIBRATE,  /**< The same for all activations. */
    PITH_REPAIR_WEIGHTS,      /**< Weights anew from the float network, one scale for each output channel. */
    PITH_REPAIR_BIAS,         /**< Bias anew from the float network. */
    PITH_REPAIR_CORRECT_BIAS, /**< The measured shift of means taken out of the bias. */
    PITH_REPAIR_EQUALIZE,     /**< Channels balanced between two layers. */
    PITH_REPAIR_16_BIT,       /**< 16 bits for the activation. */
    PITH_REPAIR_FLOAT,        /**< The tensor or the layer's weights stay float. */
    PITH_REPAIR_REQUANTIZE,   /**< Weights, biases and ranges of all that was quantised, anew. */
    PITH_REPAIR_COUNT
} pith_repair;

/** A short name for programs ("saturated-range"), static; NULL past the end. */
const char *pith_cause_name(pith_cause cause);
const char *pith_repair_name(pith_repair repair);

/** Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_diagnose_options {
    int n_threads;  /**< As in pith_session_options. */
    int n_suspects; /**< Tensors and layers that are measured one by one; 0: 12. */
    int repair;     /**< 1: make a repaired network. */
    double goal_db; /**< Repairs that cost time or memory are made only below this error of the outputs; 0: 20. */
    double input_scale, output_scale; /**< Real number of a step of integer inputs and outputs, of which the quantised
                                           network doesn't tell it; 0: as it tells. */
    int input_zero, output_zero;      /**< Code of 0, with a scale. */
    void (*progress)(void *user, const char *stage, int done, int total); /**< As in pith_quantize_options. */
    void *progress_user;
} pith_diagnose_options;

/** Error of one tensor or of the outputs against the float network. */
typedef struct pith_tensor_error {
    double sqnr_db; /**< 10 log10 of signal power / noise power; at most 120. */
    double cosine;
    double max_error;  /**< Largest absolute difference. */
    double mean_shift; /**< Mean of (quantised - float). */
} pith_tensor_error;

#define PITH_PLOT_BINS 64

/** A histogram for drawing. */
typedef struct pith_plot {
    double low, high;
    double bins[PITH_PLOT_BINS]; /**< Fractions of all elements. */
} pith_plot;

/** One activation that both networks have. */
typedef struct pith_diagnosed_tensor {
    const char *name, *twin_name; /**< In the float and in the quantised network. */
    const char *op;               /**< What makes it, as in the float file; "input" for inputs. */
    int is_matched_by_name;       /**< 0: by structure. */
    int is_quantised, bits;
    int n_channels, is_rescaled; /**< Rescaled: the quantiser balanced its channels; compared after undoing that. */
    double scale;
    int zero_point;
    double low, high;             /**< Seen in the float network. */
    double range_low, range_high; /**< What the quantised tensor can hold. */
    pith_tensor_error own;        /**< Of rounding this tensor alone. */
    pith_tensor_error isolated;   /**< Of the layer that makes it, with float inputs rounded as the layer reads them. */
    pith_tensor_error cumulative; /**< With everything in front of it quantised. */
    double saturated_low, saturated_high; /**< Fractions of elements below and above the range. */
    double codes_used;                    /**< Fraction of the codes that occur (8 bits and less). */
    double range_waste;                   /**< Width of the range / width of what is seen. */
    double best_own_sqnr_db;              /**< Of rounding with the best range of the same number of bits. */
    int worst_channel;                    /**< -1: none. */
    double worst_channel_sqnr_db;         /**< Cumulative. */
    double outlier_ratio;                 /**< Range of the widest channel / median. */
    int outlier_channel;
    const pith_plot *plot, *twin_plot; /**< Of the worst tensors; NULL otherwise. */
} pith_diagnosed_tensor;

/** Weights of one layer that both networks have. */
typedef struct pith_diagnosed_layer {
    const char *name, *op;                /**< Of the node in the float network (of its result, if it has no name). */
    int tensor;                           /**< Number of its result among the tensors; -1: none. */
    int bits, is_per_channel, n_channels; /**< bits 32: float. */
    int64_t n_weights;
    double sqnr_db, worst_channel_sqnr_db;
    int worst_channel;
    double best_sqnr_db;  /**< With the best scale for each channel and the same bits. */
    double outlier_ratio; /**< Range of the widest output channel / median. */
    int outlier_channel;
    double sign_agreement; /**< Fraction of weights with the float network's sign. */
    double scale_factor;   /**< Quantised weights / float weights, by least squares. */
    double codes_used;
    pith_tensor_error result; /**< Of the layer's result from weights and bias alone. */
    const pith_plot *plot, *twin_plot;
} pith_diagnosed_layer;

/** What was found, worst first. */
typedef struct pith_finding {
    pith_cause cause;
    pith_repair repair;
    int tensor, layer;                          /**< What is to blame: numbers in the lists; -1: none. */
    const char *subject;                        /**< Its name. */
    const char *evidence;                       /**< The measured numbers, in words. */
    const char *advice;                         /**< What to do. */
    double alone_sqnr_db;                       /**< Of the outputs with only this one quantised (0: not measured). */
    double gain_float_db;                       /**< Of the outputs, if only this one were float. */
    double gain_repair_db;                      /**< Of the outputs, with the repair. */
    double cost_float_ms, cost_repair_ms;       /**< Measured change of a run's time. */
    double cost_float_bytes, cost_repair_bytes; /**< Of weights and of the largest activation, if it grows. */
    int is_measured;                            /**< Gains were, for the first n_suspects. */
    int is_timed;                               /**< Costs were, for the first few. */
    int is_repaired;                            /**< The repaired network has this repair. */
    int is_fault;                               /**< Wrong beyond doubt, even if these samples' outputs hide it. */
} pith_finding;

/** A node or an output that only one of the networks has. */
typedef struct pith_unmatched {
    const char *name, *op; /**< Operator of the node, or of what makes the output. */
    int is_float_side;     /**< 1: of the float network, 0: of the quantised one. */
} pith_unmatched;

/** Released with pith_diagnose_report_destroy(). */
typedef struct pith_diagnose_report {
    pith_tensor_error outputs; /**< Mean over the outputs. */
    double agreement;          /**< Fraction of samples whose output, if it is one vector, has its largest element at
                                    the same place; else -1. */
    double float_ms, quantised_ms;       /**< Least of several runs, in turns. */
    size_t float_bytes, quantised_bytes; /**< Of constants. */
    int n_samples;
    const pith_diagnosed_tensor *tensors; /**< In the order of the float network. */
    int n_tensors;
    const pith_diagnosed_layer *layers;
    int n_layers;
    const pith_finding *findings;
    int n_findings;
    const pith_unmatched *unmatched;
    int n_unmatched;
    const char *const *float_nodes; /**< "name (operator)" that compute in float between integer operators. */
    int n_float_nodes;
    int n_outputs;       /**< That both have, of the same size: those that were compared. */
    const pith_unmatched *lone_outputs;
    int n_lone_outputs;
    int is_outputs_only; /**< The networks have no layer in common: no tensors, layers, findings, repair. */
    const char *verdict; /**< Two or three sentences. */
    int needs_repair;
    int is_repaired; /**< What follows is filled. */
    pith_tensor_error repaired;
    double repaired_agreement, repaired_ms;
    size_t repaired_bytes;
    const void *repaired_file;      /**< ONNX in QDQ form, owned by the report. */
    size_t repaired_file_bytes;
} pith_diagnose_report;

void pith_diagnose_report_destroy(pith_diagnose_report *report);

/**
 * Compares the network in `quantised_path` with the float network in `float_path`. Values are matched by name (endings
 * that quantisers add are ignored), then by structure and weights; what has no partner is reported as unmatched.
 *
 * Inputs and outputs are joined by name, then by place. Integer inputs of the quantised network get the float samples
 * quantised as its first operator that reads them tells, integer outputs are dequantised as their last one tells.
 *
 * @param samples      Inputs, in the order and of the types of the float network's.
 * @param report_out   Receives the report; with options->repair it holds the repaired network.
 * @retval PITH_STATUS_ARG          No samples, an input that the float network lacks, or integers of unknown scale.
 * @retval PITH_STATUS_UNSUPPORTED  One of them can't be run.
 *
 * Isolated and cumulative errors as the layerwise and graphwise analysis of other tools; bias correction and
 * equalisation: Nagel et al., arXiv 1906.04721.
 */
pith_status pith_diagnose(pith_ctx *ctx, const char *float_path, const char *quantised_path,
                          const pith_diagnose_options *options, const pith_samples *samples,
                          pith_diagnose_report **report_out);

#ifdef __cplusplus
}
#endif
#endif
