/* SPDX-License-Identifier: Apache-2.0 */
/* Reverse-mode differentiation of a part of a graph at import: for each node from y back to the xs, nodes that carry
 * the gradient of its outputs to its inputs. They are ordinary nodes, so that gradients have gradients. */
#ifndef PITH_OPS_SHARED_GRADIENT_H
#define PITH_OPS_SHARED_GRADIENT_H

#include "graph/source.h"
#include "ops/op.h"

/* After the first failure `status` stays set and every function gives NULL. */
typedef struct pithi_gradient {
    pith_ctx *ctx;
    pith_graph *graph;
    const char *name, *source_op; /* of the Gradient node, for the new nodes */
    pith_status status;
    size_t n_values;              /* values of the graph when it began; tables are by value->index */
    bool *is_active;              /* depends on the xs */
    bool *is_leaf;                /* one of the xs or zs */
    pith_value **forward;         /* what stands for the value in the differentiated function; NULL: itself */
    pith_value **gradients;       /* NULL: none so far */
} pithi_gradient;

/* One node while its gradient is made: its inputs and outputs as the differentiated function has them. */
typedef struct pithi_gradient_node {
    pithi_gradient *g;
    const pith_node *node;
    pith_value *x[8], *y, *dy; /* the first inputs; output 0 and its gradient */
} pithi_gradient_node;

/* Adds the gradients of the node's inputs; NULL from pithi_gradient_rule(): the operator has none. */
typedef void pithi_gradient_rule_fn(pithi_gradient_node *n);
pithi_gradient_rule_fn *pithi_gradient_rule(const char *op);
/* True for operators through which no gradient goes: shapes, comparisons, roundings. */
bool pithi_gradient_ends(const char *op);

/* ---- for rules ------------------------------------------------------------------------------ */

/* A node of one output. `like`: a node of the same operator whose attributes are copied, or NULL. */
pith_value *pithi_gradient_emit(pithi_gradient *g, const char *op, const pith_node *like, pith_value *const *inputs,
                                int n_inputs, pith_node **node_out);
pith_value *pithi_gradient_1(pithi_gradient *g, const char *op, pith_value *a);
pith_value *pithi_gradient_2(pithi_gradient *g, const char *op, pith_value *a, pith_value *b);
/* `number` in the dtype of `like`. */
pith_value *pithi_gradient_number(pithi_gradient *g, double number, pith_value *like);
pith_value *pithi_gradient_s64s(pithi_gradient *g, const int64_t *items, int n_items);
/* What the function has for a value of the graph. */
pith_value *pithi_gradient_forward(const pithi_gradient *g, pith_value *value);
/* True if input `index` is there and needs a gradient. */
bool pithi_gradient_wants(const pithi_gradient_node *n, int index);
/* `gradient` is (part of) the gradient of input `index`, which has its shape. */
void pithi_gradient_add(pithi_gradient_node *n, int index, pith_value *gradient);
/* The same for one that still has the shape that input was broadcast to. */
void pithi_gradient_add_broadcast(pithi_gradient_node *n, int index, pith_value *gradient);
void pithi_gradient_fail(pithi_gradient_node *n, const char *why);

/* Adds the elements of `dy` up where `ids` (from 1; 0: nowhere) says, in the shape of x. */
pith_value *pithi_gradient_scatter(pithi_gradient_node *n, pith_value *x, pith_value *ids, pith_value *dy);
/* Rules: only elements of input 0, or of all inputs, are moved; those of pad, whose filling is a number of its own. */
pithi_gradient_rule_fn pithi_gradient_move, pithi_gradient_move_all, pithi_gradient_move_padded;

/* ---- the whole ------------------------------------------------------------------------------ */

/* dy/dx of the xs into *gradients_out (NULL where y doesn't depend on x). `inputs` are fed for the xs, then the zs. */
pith_status pithi_gradient_build(pithi_gradient *g, const pith_source_attr *xs, const pith_source_attr *zs,
                                 const char *y, pith_value *const *inputs, pith_value **gradients_out);

#endif
