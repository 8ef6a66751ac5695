/* SPDX-License-Identifier: Apache-2.0 */
/* Level 5: graph -> graph. Every pass keeps the meaning; each can be switched off by name.
 *
 * Two stages. MODEL: once per model, shapes may be unknown (constants have theirs): whatever needs no
 * shapes. SHAPE: on a clone made for given input shapes, after pithi_graph_infer() has set every
 * shape that can be known: layout, and what becomes foldable with shapes. */
#ifndef PITH_PASS_H
#define PITH_PASS_H

#include "ops/op.h"

typedef enum pith_pass_stage { PITH_STAGE_MODEL = 1, PITH_STAGE_SHAPE = 2 } pith_pass_stage;

typedef struct pith_pass {
    const char *name;   /* file name: fold_constants, fuse_activation, ... */
    unsigned stages;    /* bits of pith_pass_stage */
    const char *help;   /* one line for `pith info --passes` and docs */
    pith_status (*run)(pith_graph *graph, pith_pass_stage stage, int *n_changes);
} pith_pass;

extern const pith_pass pithi_pass_fold_batch_norm;
extern const pith_pass pithi_pass_fold_constants;
extern const pith_pass pithi_pass_fold_gate;
extern const pith_pass pithi_pass_repeat_channels;
extern const pith_pass pithi_pass_fold_pooled;
extern const pith_pass pithi_pass_fold_transpose_matmul;
extern const pith_pass pithi_pass_fuse_activation;
extern const pith_pass pithi_pass_fuse_attention;
extern const pith_pass pithi_pass_fuse_bias;
extern const pith_pass pithi_pass_fuse_focus;
extern const pith_pass pithi_pass_fuse_dynamic;
extern const pith_pass pithi_pass_fuse_nbits;
extern const pith_pass pithi_pass_fuse_normalization;
extern const pith_pass pithi_pass_fuse_pad;
extern const pith_pass pithi_pass_fuse_patterns;
extern const pith_pass pithi_pass_fuse_qdq;
extern const pith_pass pithi_pass_fuse_pool;
extern const pith_pass pithi_pass_fuse_rearrange;
extern const pith_pass pithi_pass_fuse_prelu;
extern const pith_pass pithi_pass_fuse_recurrent;
extern const pith_pass pithi_pass_fuse_region;
extern const pith_pass pithi_pass_fuse_residual;
extern const pith_pass pithi_pass_fuse_separable;
extern const pith_pass pithi_pass_layout;
extern const pith_pass pithi_pass_merge_common;
extern const pith_pass pithi_pass_merge_reshape;
extern const pith_pass pithi_pass_merge_transpose;
extern const pith_pass pithi_pass_read_planes;
extern const pith_pass pithi_pass_strip_rows;
extern const pith_pass pithi_pass_remove_dead;
extern const pith_pass pithi_pass_remove_identity;
extern const pith_pass pithi_pass_reparameterize;
extern const pith_pass pithi_pass_sink_reshape;
extern const pith_pass pithi_pass_widen_dynamic;
extern const pith_pass pithi_pass_widen_halves;

/* The passes in order of the pipeline. */
int pithi_pass_count(void);
const pith_pass *pithi_pass_at(int index);

/* Runs the passes of a stage, repeating until nothing changes (at most a few rounds). `disabled`: comma
 * list of names, "all", or NULL. An unknown name fails with ARG and the list of names. */
pith_status pithi_passes_run(pith_graph *graph, pith_pass_stage stage, const char *disabled);

/* The passes of stage MODEL whose results ONNX can say, for graphs that are written again. */
pith_status pithi_passes_run_portable(pith_graph *graph, const char *disabled);

/* Infers shapes and dtypes of all nodes in order, from inputs with known shapes and constants, folding
 * nodes whose inputs are all known and small (shape arithmetic) on the way. Stops quietly at nodes that need a
 * value which isn't known (see PITHI_STATUS_NEEDS_VALUE) and at what depends on them: their
 * outputs keep has_shape = false. A contradiction fails with the node's name. */
pith_status pithi_graph_infer(pith_graph *graph);
/* The same for a graph as a file has it: what the file declares of values must agree. */
pith_status pithi_graph_infer_declared(pith_graph *graph);
/* The latter, but a node that fails is reported with its message, and the walk goes on behind it. Fails only for lack
 * of memory. */
typedef pith_status pithi_infer_report(void *user, const pith_node *node, const char *message);
pith_status pithi_graph_infer_all(pith_graph *graph, pithi_infer_report *report, void *user);

#endif
