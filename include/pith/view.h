/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of a model to look at: nodes, values and bodies as flat lists, for drawings and tools. */
#ifndef PITH_VIEW_H
#define PITH_VIEW_H

#include "pith/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A value: what flows along an edge, or a weight. */
typedef struct pith_view_value {
    const char *name;
    pith_dtype dtype;                   /**< PITH_DTYPE_NONE if unknown. */
    pith_shape shape;                   /**< -1 where a dimension is open; rank -1: unknown. */
    const char *symbols[PITH_MAX_RANK]; /**< Name of a symbolic dimension, else NULL. */
    int producer;                       /**< Node that makes it, or -1. */
    int graph;                          /**< Graph that it belongs to. */
    int is_constant;
} pith_view_value;

/** A node. Lists hold numbers of values and graphs; -1: an operand that is absent. */
typedef struct pith_view_node {
    const char *name;
    const char *op;    /**< pith's operator, or the file's spelling if pith can't run it. */
    const char *attrs; /**< Attributes that differ from their defaults, "strides=[2,2] group=32". */
    int runs;          /**< 0: pith can't run it. */
    int graph;         /**< Graph that it stands in. */
    const int *inputs, *outputs, *bodies;
    int n_inputs, n_outputs, n_bodies;
} pith_view_node;

/** The main graph (number 0), or a body of control flow. Its nodes are a run in the list of all nodes. */
typedef struct pith_view_graph {
    const char *name;
    int owner; /**< Node whose body it is, or -1. */
    int first_node, n_nodes;
    const int *inputs, *outputs;
    int n_inputs, n_outputs;
} pith_view_graph;

/** A whole model. */
typedef struct pith_view {
    const pith_view_graph *graphs;
    const pith_view_node *nodes;
    const pith_view_value *values;
    int n_graphs, n_nodes, n_values;
} pith_view;

/**
 * Describes the graph: as the file has it if the model was loaded with describe_only, else after the passes for all
 * shapes, or with `shapes` (one per input) as it is planned for `n_threads` threads. Borrowed until the next call for
 * the model.
 */
pith_status pith_model_view(pith_model *model, const pith_shape *shapes, int n_threads, const pith_view **view_out);

#ifdef __cplusplus
}
#endif
#endif
