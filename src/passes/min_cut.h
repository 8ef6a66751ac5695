/* SPDX-License-Identifier: Apache-2.0 */
/* Minimum cut between two terminals, for passes that choose one of two states for many things at once. */
#ifndef PITH_PASSES_MIN_CUT_H
#define PITH_PASSES_MIN_CUT_H

#include "base/base.h"

enum { PITHI_CUT_SOURCE = 0, PITHI_CUT_SINK = 1 };
#define PITHI_CUT_INFINITE (INT64_MAX / 4) /* may be summed up without overflow along a path of two */

typedef struct pithi_cut_edge {
    int to, next; /* next edge of the same vertex, -1 at the end; edge ^ 1 is the reverse */
    int64_t room; /* residual capacity */
} pithi_cut_edge;

/* Zero-initialise, set ctx, deinit at the end. */
typedef struct pithi_cut {
    pith_ctx *ctx;
    pithi_cut_edge *edges;
    int *first;      /* per vertex */
    int *level, *at, *path, *queue;
    size_t n_edges, edges_capacity, n_vertices, first_capacity;
    bool *on_sink_side;
} pithi_cut;

/* The terminals exist from the first call on. */
pith_status pithi_cut_add_vertex(pithi_cut *cut, int *vertex_out);
/* `forward` is paid when `from` is on the source side and `to` on the sink side, `backward` when it is
 * the other way round. */
pith_status pithi_cut_add_edge(pithi_cut *cut, int from, int to, int64_t forward, int64_t backward);
/* Sets on_sink_side[vertex]. Vertices that cost the same on both sides are on the source side. */
pith_status pithi_cut_solve(pithi_cut *cut);
void pithi_cut_deinit(pithi_cut *cut);

#endif
