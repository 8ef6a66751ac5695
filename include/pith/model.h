/* SPDX-License-Identifier: Apache-2.0 */
/* Models: load a file, ask what it is and what a run will cost. Nothing runs here. */
#ifndef PITH_MODEL_H
#define PITH_MODEL_H

#include "pith/object.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A loaded network: the optimised graph, its weights, and a cache of plans. */
typedef struct pith_model pith_model;

/** How a model is loaded. Zero-initialise; fields that stay zero take the defaults. */
typedef struct pith_model_options {
    const char *disable_passes; /**< Comma list of passes to leave out, "all" for every one; NULL: none. */
    size_t plan_cache_bytes;    /**< Ceiling for cached plans; 0: 256 MiB. The newest plan always stays. */
    int keep_all_values;        /**< 1: every node's output stays readable after a run (compare, debug). */
    int exact;                  /**< 1: convolutions and products are plain float32 sums in order of their terms, one
                                     chain per output: no Winograd, no split sums. Slower; the same bits on all
                                     instruction sets with fused multiply-add. float16 and bfloat16 are rounded after
                                     every operator (on the references: very slow), and branches are not folded into
                                     one convolution. See docs/numerics.md. */
    int describe_only;          /**< 1: nothing is optimised, so that a model that contradicts itself loads, too; for
                                     pith_model_check() and pith_model_view(). It can't be run. */
    const char *tuning_file; /**< Choices of `pith tune`; NULL: the path with ".tune" behind it, if there is such a
                                  file (from memory: none); "": none. One that isn't for here is left alone. */
    int skip_hashes;         /**< 1: hashes of weights in a `.pith` file are not checked: a faster start. A damaged file
                                  then gives wrong numbers, but never memory errors. */
    const char *cache_folder; /**< Packed weights are kept in a file of this folder, which must exist and be as
                                   trustworthy as the model, and mapped by later processes; NULL: not kept. Known by
                                   path, size and times of the model file and of this library, and instruction set. */
    int float16;             /**< 1: matrix products and convolutions with constant weights may multiply in float16 and
                                  sum up to 32 products in it (more of them in float32), where the CPU has such
                                  arithmetic (pith_ctx_has_float16()): twice the lanes, with errors up to 1.7 % of
                                  the sum of the magnitudes, and infinities beyond 65504. Ignored elsewhere; not with
                                  `exact`. See docs/numerics.md. */
} pith_model_options;

/**
 * Loads an ONNX model, a `.pith` file (pith/package.h) or the text form, told by the first bytes. Weights are mapped,
 * not copied, where the file allows it: the file must not be changed in place while the model lives,
 * unless pith_ctx_set_copy_files() says otherwise.
 *
 * @param ctx        Context; must outlive the model.
 * @param path       File name; its folder is the only place where external data may lie.
 * @param options    NULL for defaults.
 * @param model_out  Receives the model; the caller destroys it after its sessions.
 * @retval PITH_STATUS_IO      The file can't be read.
 * @retval PITH_STATUS_FORMAT  The file is malformed; the message names the place.
 * An operator that pith doesn't know is no failure here: see pith_model_unsupported().
 */
pith_status pith_model_load(pith_ctx *ctx, const char *path, const pith_model_options *options,
                            pith_model **model_out);

/** As pith_model_load(), from memory that must stay valid and unchanged while the model lives. */
pith_status pith_model_load_memory(pith_ctx *ctx, const void *data, size_t n_bytes,
                                   const pith_model_options *options, pith_model **model_out);

/** What became of the file of choices: "" if there is none, else "N steps from FILE, timed with 1 and
 *  T threads" (with the passes left out, if any) or "FILE is ignored: reason". */
const char *pith_model_tuning(const pith_model *model);

/** Destroys a model; NULL is allowed. */
void pith_model_destroy(pith_model *model);

/** What is known of an input or output before shapes are given. */
typedef struct pith_value_info {
    const char *name;
    pith_dtype dtype;
    pith_shape shape;                   /**< -1 where a dimension is symbolic or unknown; rank -1: unknown. */
    const char *symbols[PITH_MAX_RANK]; /**< Name of a symbolic dimension, else NULL. */
    const pith_type *type;              /**< Of a sequence, optional or map (dtype OBJECT); else NULL. */
} pith_value_info;

/** Numbers of inputs (weights not counted) and outputs, and their descriptions. Borrowed. */
int pith_model_n_inputs(const pith_model *model);
int pith_model_n_outputs(const pith_model *model);
const pith_value_info *pith_model_input(const pith_model *model, int index);
const pith_value_info *pith_model_output(const pith_model *model, int index);

/** One line about one node of the file that pith can't run. */
typedef struct pith_unsupported {
    const char *node;   /**< Node's name in the file, or "#index". */
    const char *op;     /**< Operator as the file spells it, with domain and opset. */
    const char *reason; /**< What is missing and what can be done. */
} pith_unsupported;

/** Nodes that can't run. 0 means that the model is complete. Borrowed. */
int pith_model_n_unsupported(const pith_model *model);
const pith_unsupported *pith_model_unsupported(const pith_model *model, int index);

/** One operator of a file in one version, with all its uses. */
typedef struct pith_op_use {
    const char *op;      /**< As the file spells it, with its domain: "Conv", "com.microsoft.Gelu". */
    const char *runs_as; /**< pith's operator; "" where it has none. */
    const char *dtypes;  /**< Element types of its operands as far as they are known, "f32 s64". */
    int opset;           /**< Version of the domain that the file imports. */
    int since;           /**< Version of the operator that this means; 0: unknown. */
    int n_nodes;
    int n_problems;      /**< Uses that would not run. */
} pith_op_use;

/**
 * Hands the graph out as text that pith_model_load() reads back (docs/text-form.md): as the file has it if the model
 * was loaded with describe_only, else after the passes for all shapes, or with `shapes` (one per input) as it will be
 * planned. Weights that lie in the model's files stay there: the text must lie beside them.
 *
 * @param write  Called once with the whole text, which is terminated and borrowed during the call.
 */
pith_status pith_model_text(pith_model *model, const pith_shape *shapes, int n_threads,
                            void (*write)(void *user, const char *text, size_t n_bytes), void *user);

/** What would run and what would not. Arrays are borrowed until the next call for the model. */
typedef struct pith_check {
    const pith_op_use *uses;          /**< Sorted by name and version. */
    int n_uses;
    const pith_unsupported *problems; /**< In the order of the file. */
    int n_problems;
} pith_check;

/**
 * Looks at every node of a model that was loaded with describe_only, without running anything: operators,
 * attributes and versions, and shapes and types as far as they follow from the file and from `shapes`.
 *
 * @param shapes  One per model input (-1 where a dimension stays open), or NULL: only what the file says.
 */
pith_status pith_model_check(pith_model *model, const pith_shape *shapes, pith_check *check_out);

/** One row of the operator table. */
typedef struct pith_op_count {
    const char *op; /**< pith's operator name. */
    int n_nodes;
} pith_op_count;

/** Facts of the file before optimisation. Arrays are borrowed from the model. */
typedef struct pith_model_summary {
    const char *format;          /**< "onnx", "pith" or "pith text". */
    const char *producer;        /**< Tool that wrote the file; "" if unknown. */
    int64_t ir_version;
    int64_t opset;               /**< Version of the default operator set. */
    uint64_t n_params;           /**< Elements of all weights that the graph uses. */
    uint64_t param_bytes;
    int n_nodes;                 /**< Nodes of the file, functions expanded. */
    const pith_op_count *ops;    /**< Sorted by count, then name. */
    int n_ops;
} pith_model_summary;

/** Fills a summary. Never fails. */
void pith_model_summarize(const pith_model *model, pith_model_summary *summary_out);

/** What a run with given input shapes will take. */
typedef struct pith_cost_report {
    uint64_t macs;                    /**< Multiply-accumulates of one run. */
    uint64_t flops;                   /**< Floating-point operations, activations included. */
    uint64_t bytes_read;              /**< Tensor bytes that the steps read (weights included). */
    uint64_t bytes_written;
    size_t arena_bytes;               /**< Peak activation memory of the plan, scratch included. */
    size_t arena_lower_bound_bytes;   /**< Most bytes alive at one step: no planner can do with less. */
    size_t weight_bytes;              /**< Prepared (packed) weights that the plan holds. */
    int n_steps;
    int n_stretches;                  /**< 1, or more where shapes depend on data. */
    int is_complete;                  /**< 0: the rest depends on data and isn't counted. */
    size_t scratch_bytes;             /**< Part of the arena: the most that one step wants for itself, all threads. */
    size_t mapped_bytes;              /**< The model's files, mapped; pages that nobody reads take no memory. */
    size_t model_bytes;               /**< What the context holds now: graph, plans, prepared weights. */
    size_t session_bytes;             /**< What one session will allocate, arena included: exact to the byte. */
    size_t peak_bytes;                /**< Most that the context will ever have held when one session has run. */
} pith_cost_report;

/**
 * Plans for the given input shapes and reports, without running or allocating activations.
 *
 * @param shapes   One per model input, in order; every dimension known.
 * @param n_threads  As for sessions; scratch memory depends on it.
 * @retval PITH_STATUS_SHAPE        A shape contradicts the model.
 * @retval PITH_STATUS_UNSUPPORTED  See pith_model_unsupported().
 */
pith_status pith_model_cost(pith_model *model, const pith_shape *shapes, int n_threads,
                            pith_cost_report *report_out);

/** What a step of a quantised network really computes with. */
typedef enum pith_arithmetic {
    PITH_ARITHMETIC_OTHER = 0, /**< Neither: indices, shapes, strings. */
    PITH_ARITHMETIC_INTEGER,   /**< Quantised tensors in and out. */
    PITH_ARITHMETIC_FLOAT,
    PITH_ARITHMETIC_BORDER,    /**< From floats to quantised tensors or back. */
    PITH_ARITHMETIC_MIXED,     /**< Integer products between floats: recurrent layers with float gates, products whose
                                *   activations are quantised in each run. */
    PITH_ARITHMETIC_COUNT
} pith_arithmetic;

/** "other", "integer", "float", "border", "mixed"; static. NULL past the end. */
const char *pith_arithmetic_name(pith_arithmetic arithmetic);

/** One step of a run: a node of the optimised graph. */
typedef struct pith_layer {
    const char *name;     /**< The node's name in the file; "" or the name of a part where passes made it. */
    const char *op;       /**< pith's operator. */
    const char *kernel;   /**< Kernel that will run; NULL: the plain reference. */
    pith_tensor output;   /**< Dtype and shape of the first output; no data. */
    uint64_t macs, flops; /**< As in pith_cost_report. */
    size_t output_bytes, weight_bytes;
    size_t scratch_bytes; /**< Per thread. */
    pith_arithmetic arithmetic;
    int island;           /**< Float and mixed steps that hand floats to each other have one number; else -1. */
    const char *why_float; /**< Of float and mixed steps; static. NULL for others. */
} pith_layer;

/**
 * As pith_model_cost(), step by step, in execution order. The list and its texts are borrowed until the next
 * call for this model, or until the model plans for other shapes.
 */
pith_status pith_model_layers(pith_model *model, const pith_shape *shapes, int n_threads,
                              const pith_layer **layers_out, int *n_layers_out);

/** Shapes of all outputs that follow from shapes of the inputs; rank -1 where they depend on data. */
pith_status pith_model_output_shapes(pith_model *model, const pith_shape *shapes, int n_threads,
                                     pith_shape *shapes_out);

#ifdef __cplusplus
}
#endif
#endif
