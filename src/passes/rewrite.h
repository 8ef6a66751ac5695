/* SPDX-License-Identifier: Apache-2.0 */
/* What the passes share: questions about values, and edits that keep names of graph outputs. */
#ifndef PITH_PASSES_REWRITE_H
#define PITH_PASSES_REWRITE_H

#include "passes/pass.h"

/* ---- questions ------------------------------------------------------------------------------ */

/* Operators are looked up by name, not by the address of their record, so that a build with a subset of the
 * operators has every pass. */
static inline bool pithi_is(const pith_node *node, const char *op_name)
{
    return node && node->op && pithi_same_text(pithi_op_head(node->op)->name, op_name);
}
/* Rank and every dimension are known. */
bool pithi_value_has_dims(const pith_value *value);
/* The constant behind input `index`, or NULL. */
static inline const pith_tensor *pithi_constant_input(const pith_node *node, int index)
{
    return index < node->n_inputs && node->inputs[index] ? node->inputs[index]->constant : NULL;
}
/* Output 0, or NULL if nobody wants it. */
static inline pith_value *pithi_node_result(const pith_node *node)
{
    return node->n_outputs > 0 ? node->outputs[0] : NULL;
}
static inline pith_value *pithi_node_input(const pith_node *node, int index)
{
    return index < node->n_inputs ? node->inputs[index] : NULL;
}
/* The node with operator `op` that makes `value` as its output 0, if `value` is used once (value->n_uses is up to
 * date) and thus free to be fused into its consumer; else NULL. */
pith_node *pithi_sole_producer(const pith_value *value, const char *op_name);
/* The node behind `node` that alone reads its output 0, as one operand (n_uses is up to date); NULL if there is none,
 * or a body reads it. Looks no further than there. */
pith_node *pithi_sole_reader(const pith_graph *graph, const pith_node *node);
/* cast to float32. */
bool pithi_is_cast_to_f32(const pith_node *node);
/* Where the node's fused activation stands, or NULL if its operator takes none. */
pith_activation *pithi_activation_of(const pith_node *node);
/* The operator takes no activation, or the node has none. */
bool pithi_has_no_activation(const pith_node *node);
/* A constant of which every element equals the first; *element_out is that element. */
bool pithi_is_uniform(const pith_tensor *tensor, double *element_out);
/* The s64 or s32 values of a constant of rank 0 or 1, at most `capacity`; -1 if it isn't one. */
int pithi_constant_ints(const pith_tensor *tensor, int64_t *items, int capacity);
/* The number of the operand that isn't `value`, of a node with two inputs; -1 if neither is. */
int pithi_other_operand(const pith_node *node, const pith_value *value);
/* The permutation of a transpose; an empty list reverses. False if the rank isn't known, or it is none. */
bool pithi_transpose_perm(const pith_node *node, int64_t perm[PITH_MAX_RANK], int *rank_out);
/* Reading `shape` in the order of `perm` leaves the elements where they are. */
bool pithi_perm_moves_nothing(const int64_t *perm, const pith_shape *shape);
pith_shape pithi_permuted_shape(const int64_t *perm, const pith_shape *shape);

/* Infers shapes, and turns every node that reads only constants into constants unless that costs much
 * memory. Part of infer_graph.c; pass fold_constants calls it. */
pith_status pithi_graph_fold(pith_graph *graph, int *n_folded);

/* ---- edits ---------------------------------------------------------------------------------- */

/* `producer` makes the value that was output 0 of `absorbed` instead of its own output 0, and `absorbed`
 * leaves the graph. Use counts of the values that `absorbed` read go down. */
void pithi_absorb(pith_graph *graph, pith_node *producer, pith_node *absorbed);
/* Replaces input `index`, counting uses. */
void pithi_set_input(pith_node *node, int index, pith_value *value);
/* A copy of the constant with another shape (same elements); shares the bytes. */
pith_status pithi_reshaped_constant(pith_graph *graph, const pith_tensor *tensor, const pith_shape *shape,
                                    pith_value **value_out);
/* A node with one fresh output in front of `before`; uses are counted. Fails with INTERNAL if the build
 * lacks the operator. */
pith_status pithi_insert(pith_graph *graph, pith_node *before, const char *op_name, pith_value *const *inputs,
                         int n_inputs, pith_node **node_out);
/* The node becomes one of another operator with default attributes; its outputs stay. */
pith_status pithi_become(pith_graph *graph, pith_node *node, const char *op_name, pith_value *const *inputs,
                         int n_inputs);
/* The node becomes a reshape of `input` to `dims`. */
pith_status pithi_become_reshape(pith_graph *graph, pith_node *node, pith_value *input, const pith_shape *shape);

/* ---- replacing values in bulk ---------------------------------------------------------------- */

/* Replacements are collected and applied in one sweep, so that a pass stays linear. value->index is taken
 * from pithi_forward_init() to pithi_forward_apply(). */
typedef struct pithi_forward {
    pith_graph *graph;
    pith_value **fresh; /* by value->index; NULL: the value stays */
    size_t n_values;
    int n_replaced;
} pithi_forward;

pith_status pithi_forward_init(pithi_forward *forward, pith_graph *graph);
/* What stands for `value` now. */
pith_value *pithi_forward_get(const pithi_forward *forward, pith_value *value);
/* Uses of `old` shall become `fresh`. If `old` is a graph output, `fresh` takes over its name; false if that
 * can't be, since `fresh` is visible under its own name (or isn't made by a node). */
bool pithi_forward_put(pithi_forward *forward, pith_value *old, pith_value *fresh);
/* Rewrites all uses and releases the table; also after a failure. */
void pithi_forward_apply(pithi_forward *forward);

#endif
