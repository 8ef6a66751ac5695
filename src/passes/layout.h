/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pass layout: what is known of each node and value while layouts are chosen and applied.
 *
 * A value of rank 3 to 5 with known dimensions lies plain, as the model says ([N, C, spatial...]), or
 * channels-last ([N, spatial..., C]). A node has a side; its operands that carry a layout lie accordingly. */
#ifndef PITH_PASSES_LAYOUT_H
#define PITH_PASSES_LAYOUT_H

#include "passes/min_cut.h"
#include "passes/rewrite.h"

typedef enum layout_kind {
    LAYOUT_FIXED,     /* reads and writes plain values */
    LAYOUT_FREE,      /* elementwise: both, as it is */
    LAYOUT_OPERATOR,  /* both; op->to_channels_last() rewrites it (roles FOLLOWS and LAST) */
    LAYOUT_CONVERTED, /* has been rewritten: channels-last */
    LAYOUT_RESHAPE,   /* joins or cuts spatial dimensions only: both */
    LAYOUT_SHUFFLE,   /* reshape, transpose, reshape that permute channels: both; three nodes, one decision */
    LAYOUT_TO_LAST,   /* the model's own transpose from plain to channels-last: reads channels-last, writes plain */
    LAYOUT_TO_PLAIN   /* the reverse: reads plain, writes channels-last */
} layout_kind;

typedef struct layout_node {
    layout_kind kind;
    int part;     /* of a shuffle: 0, 1, 2 */
    int vertex;   /* in the cut; the parts of a shuffle share one */
    bool is_last; /* the choice */
} layout_node;

typedef struct layout_value {
    pith_shape shape;                 /* plain, as the model says */
    bool carries;                     /* rank 3 to 5, all dimensions known */
    bool is_visible;                  /* graph output, or captured by a body: needed plain */
    bool needs_plain;                 /* by some consumer, once the choice is made */
    const pith_node *plain_reader;    /* the first such consumer; NULL: visible */
    pith_value *plain, *last;         /* versions that exist so far */
    int producer;                     /* vertex in the cut */
    int vertex_up, vertex_down;       /* auxiliary vertices of the cut, 0: none */
} layout_value;

typedef struct layout {
    pith_graph *graph;
    layout_node *nodes;   /* by node->index */
    layout_value *values; /* by value->index, for values that were there at the start */
    size_t n_nodes, n_values;
    int n_changes;
} layout;

/* Which side an operand must lie on. */
typedef enum layout_side {
    LAYOUT_SIDE_NONE,  /* no layout, or it does not matter */
    LAYOUT_SIDE_PLAIN,
    LAYOUT_SIDE_LAST,
    LAYOUT_SIDE_CHOICE /* that of the node */
} layout_side;

layout_node *pithi_layout_node(const layout *all, const pith_node *node);
layout_value *pithi_layout_value(const layout *all, const pith_value *value);
layout_side pithi_layout_of_input(const layout *all, const pith_node *node, int index);
layout_side pithi_layout_of_output(const layout *all, const pith_node *node, int index);
/* Is input or output with `side` channels-last, now that the node's choice is made? */
static inline bool pithi_layout_is_last(layout_side side, const layout_node *node)
{
    return side == LAYOUT_SIDE_LAST || (side == LAYOUT_SIDE_CHOICE && node->is_last);
}

/* dims[i] of channels-last is dims[perm[i]] of plain, and the reverse. */
void pithi_layout_perm(int rank, bool to_last, int64_t perm[PITH_MAX_RANK]);
/* Both layouts have the same bytes: one channel, or one spatial point. */
bool pithi_layout_is_view(const pith_shape *plain);

/* layout_roles.c: kinds of all nodes. */
void pithi_layout_classify(layout *all);
/* layout_cut.c: the choice. */
pith_status pithi_layout_choose(layout *all);
/* layout_apply.c: the graph is rewritten to the choice. */
pith_status pithi_layout_apply(layout *all);

#endif
