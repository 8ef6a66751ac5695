/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum flow by blocking flows in layered networks: E. A. Dinic, "Algorithm for solution of a problem of
 * maximum flow in networks with power estimation", Soviet Math. Doklady 11 (1970). Paths are walked with an
 * explicit stack, since a graph may be deep. */
#include "passes/min_cut.h"

static pith_status append_vertex(pithi_cut *cut)
{
    void *first = cut->first;
    pith_status status = pithi_grow(cut->ctx, &first, &cut->first_capacity, cut->n_vertices + 1, sizeof *cut->first);
    cut->first = first;
    PITH_TRY(status);
    cut->first[cut->n_vertices++] = -1;
    return PITH_OK;
}

static pith_status add_terminals(pithi_cut *cut)
{
    while (cut->n_vertices < 2) {
        PITH_TRY(append_vertex(cut));
    }
    return PITH_OK;
}

pith_status pithi_cut_add_vertex(pithi_cut *cut, int *vertex_out)
{
    PITH_TRY(add_terminals(cut));
    PITH_TRY(append_vertex(cut));
    *vertex_out = (int)cut->n_vertices - 1;
    return PITH_OK;
}

pith_status pithi_cut_add_edge(pithi_cut *cut, int from, int to, int64_t forward, int64_t backward)
{
    PITH_TRY(add_terminals(cut));
    PITH_ASSERT(from >= 0 && (size_t)from < cut->n_vertices && to >= 0 && (size_t)to < cut->n_vertices);
    if (from == to) {
        return PITH_OK;
    }
    void *edges = cut->edges;
    pith_status status = pithi_grow(cut->ctx, &edges, &cut->edges_capacity, cut->n_edges + 2, sizeof *cut->edges);
    cut->edges = edges;
    PITH_TRY(status);
    int index = (int)cut->n_edges;
    cut->edges[index] = (pithi_cut_edge){ to, cut->first[from], forward };
    cut->edges[index + 1] = (pithi_cut_edge){ from, cut->first[to], backward };
    cut->first[from] = index;
    cut->first[to] = index + 1;
    cut->n_edges += 2;
    return PITH_OK;
}

/* Distances from the source in the residual network; true if the sink is reached. */
static bool find_levels(pithi_cut *cut)
{
    size_t head = 0, tail = 0;
    for (size_t v = 0; v < cut->n_vertices; v++) {
        cut->level[v] = -1;
        cut->at[v] = cut->first[v];
    }
    cut->level[PITHI_CUT_SOURCE] = 0;
    cut->queue[tail++] = PITHI_CUT_SOURCE;
    while (head < tail) {
        int vertex = cut->queue[head++];
        for (int e = cut->first[vertex]; e >= 0; e = cut->edges[e].next) {
            int to = cut->edges[e].to;
            if (cut->edges[e].room > 0 && cut->level[to] < 0) {
                cut->level[to] = cut->level[vertex] + 1;
                cut->queue[tail++] = to;
            }
        }
    }
    return cut->level[PITHI_CUT_SINK] >= 0;
}

static int next_edge(pithi_cut *cut, int vertex)
{
    for (; cut->at[vertex] >= 0; cut->at[vertex] = cut->edges[cut->at[vertex]].next) {
        const pithi_cut_edge *edge = &cut->edges[cut->at[vertex]];
        if (edge->room > 0 && cut->level[edge->to] == cut->level[vertex] + 1) {
            return cut->at[vertex];
        }
    }
    return -1;
}

/* Sends what fits along the path and returns the index of its first saturated edge. */
static int push_along(pithi_cut *cut, int length)
{
    int64_t room = INT64_MAX;
    int saturated = 0;
    for (int i = 0; i < length; i++) {
        room = pithi_min_s64(room, cut->edges[cut->path[i]].room);
    }
    for (int i = length - 1; i >= 0; i--) {
        cut->edges[cut->path[i]].room -= room;
        cut->edges[cut->path[i] ^ 1].room += room;
        saturated = cut->edges[cut->path[i]].room == 0 ? i : saturated;
    }
    return saturated;
}

static void block_flow(pithi_cut *cut)
{
    int length = 0, vertex = PITHI_CUT_SOURCE;
    for (;;) {
        int edge = vertex == PITHI_CUT_SINK ? -1 : next_edge(cut, vertex);
        if (vertex == PITHI_CUT_SINK) {
            length = push_along(cut, length);
            vertex = cut->edges[cut->path[length] ^ 1].to;
        } else if (edge >= 0) {
            cut->path[length++] = edge;
            vertex = cut->edges[edge].to;
        } else if (length > 0) { /* dead end: never enter it again in this round */
            cut->level[vertex] = -1;
            vertex = cut->edges[cut->path[--length] ^ 1].to;
        } else {
            return;
        }
    }
}

/* The smallest sink side: vertices from which the sink can still be reached. */
static void mark_sink_side(pithi_cut *cut)
{
    size_t head = 0, tail = 0;
    cut->on_sink_side[PITHI_CUT_SINK] = true;
    cut->queue[tail++] = PITHI_CUT_SINK;
    while (head < tail) {
        int vertex = cut->queue[head++];
        for (int e = cut->first[vertex]; e >= 0; e = cut->edges[e].next) {
            int from = cut->edges[e].to;
            if (cut->edges[e ^ 1].room > 0 && !cut->on_sink_side[from]) {
                cut->on_sink_side[from] = true;
                cut->queue[tail++] = from;
            }
        }
    }
}

pith_status pithi_cut_solve(pithi_cut *cut)
{
    void *numbers = NULL, *sides = NULL;
    PITH_TRY(add_terminals(cut));
    PITH_TRY(pithi_alloc_array(cut->ctx, 4 * cut->n_vertices, sizeof *cut->level, &numbers));
    cut->level = numbers;
    cut->at = cut->level + cut->n_vertices;
    cut->path = cut->at + cut->n_vertices;
    cut->queue = cut->path + cut->n_vertices;
    PITH_TRY(pithi_alloc_array(cut->ctx, cut->n_vertices, sizeof *cut->on_sink_side, &sides));
    cut->on_sink_side = sides;
    while (find_levels(cut)) {
        block_flow(cut);
    }
    mark_sink_side(cut);
    return PITH_OK;
}

void pithi_cut_deinit(pithi_cut *cut)
{
    pithi_free(cut->ctx, cut->edges);
    pithi_free(cut->ctx, cut->first);
    pithi_free(cut->ctx, cut->level);
    pithi_free(cut->ctx, cut->on_sink_side);
    *cut = (pithi_cut){ .ctx = cut->ctx };
}
