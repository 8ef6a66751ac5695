/* SPDX-License-Identifier: Apache-2.0 */
/* A node as an importer read it, before pith knows what it means. Format-neutral: operators'
 * spellings read and rewrite it, so importers need not know operators. */
#ifndef PITH_GRAPH_SOURCE_H
#define PITH_GRAPH_SOURCE_H

#include "graph/graph.h"

typedef enum pith_source_kind {
    PITH_SOURCE_INT,
    PITH_SOURCE_FLOAT,
    PITH_SOURCE_STRING,
    PITH_SOURCE_INTS,
    PITH_SOURCE_FLOATS,
    PITH_SOURCE_STRINGS,
    PITH_SOURCE_TENSOR,
    PITH_SOURCE_GRAPH,
    PITH_SOURCE_TYPE,
    PITH_SOURCE_OTHER /* lists of tensors, graphs or types; bytes that are no text */
} pith_source_kind;

typedef struct pith_source_attr {
    const char *name;
    pith_source_kind kind;
    int64_t i;
    float f;
    const char *s;
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
    int n_items; /* of ints, floats, strings */
    pith_tensor tensor;
    pith_graph *graph;
    const pith_type *type;
    bool is_used; /* whoever understood the attribute sets it; an unused one is refused */
} pith_source_attr;

typedef struct pith_source {
    pith_graph *graph;           /* being built; spellings may add constants to it */
    const char *domain;          /* "" for the default */
    const char *type, *name;
    int64_t opset;               /* version of `domain` that the model imports */
    pith_source_attr *attrs;
    int n_attrs;
    pith_value **inputs;         /* NULL entries: absent; capacity PITHI_SOURCE_SPARE beyond n_inputs */
    int n_inputs;
    pith_value **outputs;
    int n_outputs;
} pith_source;

#define PITHI_SOURCE_SPARE 8

/* The attribute of that name, marked as used; NULL if the node has none. */
pith_source_attr *pithi_source_attr(pith_source *source, const char *name);
/* Turns an attribute (INT, INTS, FLOAT) into constant input `index`, as newer versions want it; an
 * absent attribute leaves the input absent. INT becomes rank 0, INTS rank 1 (s64), FLOAT rank 0 f32. */
pith_status pithi_source_attr_to_input(pith_source *source, const char *name, int index);

#endif
