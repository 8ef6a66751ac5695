/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes between one value and a result, as long as nothing outside reads what they make: what a function that an
 * exporter wrote in several nodes looks like. It is recognised by evaluating it. */
#ifndef PITH_PASSES_CONE_H
#define PITH_PASSES_CONE_H

#include "passes/rewrite.h"

#define PITHI_CONE_NODES 16
#define PITHI_CONE_OPERANDS 3 /* of a node that takes part */

/* nodes[0] makes the result; each further node stands before all earlier ones in the graph. Apart from constants
 * they read only the frontier. */
typedef struct pithi_cone {
    pith_node *nodes[PITHI_CONE_NODES];
    int n_nodes;
    pith_value *frontier[PITHI_CONE_NODES * PITHI_CONE_OPERANDS];
    int n_frontier;
} pithi_cone;

typedef bool pithi_cone_accepts_fn(const pith_node *node);

/* Elementwise with one float32 output (as far as is known), not random, no copy or cast. */
bool pithi_cone_is_elementwise(const pith_node *node);
/* False if there is no room. */
bool pithi_cone_add(pithi_cone *cone, pith_node *node);
/* Takes in the node that makes the latest value of the frontier; false if it is not accepted or read
 * elsewhere. Only from the latest value can all others be reached. Needs node->index in order, and use counts. */
bool pithi_cone_expand(pithi_cone *cone, pithi_cone_accepts_fn *accepts);
/* Computes all nodes with the frontier (one value) being `root`. results[i] are float32, their data have room for
 * `capacity` elements. False if that fails, or the result hasn't the shape of the root. */
bool pithi_cone_evaluate(pith_ctx *ctx, const pithi_cone *cone, const pith_tensor *root, pith_tensor *results,
                         int64_t capacity);
/* Numbers the nodes and counts uses. */
void pithi_cone_prepare(pith_graph *graph);

#endif
