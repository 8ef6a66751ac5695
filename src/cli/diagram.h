/* SPDX-License-Identifier: Apache-2.0 */
/* A layered drawing of a graph (Sugiyama's steps: layers by longest path, dummy points for long edges, order by
 * barycentres, places by averaging). Sizes of boxes come in, places go out. */
#ifndef PITH_CLI_DIAGRAM_H
#define PITH_CLI_DIAGRAM_H

#include "cli.h"

typedef struct cli_vertex {
    double width, height; /* given; 0 for dummies */
    double x, y;          /* of the left upper corner */
    int layer;            /* from 0; given as 0, found */
    int place;            /* in the layer */
    double key;
    int n_keys;
} cli_vertex;

/* From an earlier to a later vertex; `first_dummy` and `n_dummies` are the points on the way. */
typedef struct cli_edge {
    int from, to, value; /* value: for the caller */
    int first_dummy, n_dummies;
} cli_edge;

typedef struct cli_diagram {
    cli_vertex *vertices; /* the caller's first, then dummies */
    int n_vertices, n_real;
    size_t capacity;
    cli_edge *edges;
    int n_edges;
    size_t edges_capacity;
    double width, height; /* found */
} cli_diagram;

/* Vertices must come in an order that all edges agree with. */
pith_status cli_diagram_add_vertex(cli_diagram *diagram, double width, double height);
pith_status cli_diagram_add_edge(cli_diagram *diagram, int from, int to, int value);
pith_status cli_diagram_lay_out(cli_diagram *diagram);
void cli_diagram_free(cli_diagram *diagram);

#endif
