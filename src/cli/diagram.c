/* SPDX-License-Identifier: Apache-2.0 */
/* K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system structures, 1981. */
#include "diagram.h"

#include <stdlib.h>

#define GAP_X 24.0
#define GAP_Y 46.0
#define DUMMY_WIDTH 6.0
#define MAX_VERTICES 200000
#define N_ORDER_SWEEPS 12
#define N_PLACE_SWEEPS 9

/* Vertices by layer and place. */
typedef struct layers {
    int **rows; /* into `all` */
    int *all, *sizes;
    int count;
} layers;

typedef struct segment {
    int upper, lower;
} segment;

typedef struct layouter {
    cli_diagram *diagram;
    layers layers;
    segment *segments;
    int n_segments;
} layouter;

pith_status cli_diagram_add_vertex(cli_diagram *diagram, double width, double height)
{
    void *vertices = diagram->vertices;
    CLI_CHECK(diagram->n_vertices < MAX_VERTICES, PITH_STATUS_LIMIT,
              "the graph is too large to be drawn: more than %d boxes and bends", MAX_VERTICES);
    CLI_TRY(cli_grow(&vertices, &diagram->capacity, (size_t)diagram->n_vertices + 1, sizeof(cli_vertex)));
    diagram->vertices = vertices;
    diagram->vertices[diagram->n_vertices++] = (cli_vertex){ .width = width, .height = height };
    return PITH_OK;
}

pith_status cli_diagram_add_edge(cli_diagram *diagram, int from, int to, int value)
{
    void *edges = diagram->edges;
    CLI_TRY(cli_grow(&edges, &diagram->edges_capacity, (size_t)diagram->n_edges + 1, sizeof(cli_edge)));
    diagram->edges = edges;
    diagram->edges[diagram->n_edges++] = (cli_edge){ .from = from, .to = to, .value = value };
    return PITH_OK;
}

void cli_diagram_free(cli_diagram *diagram)
{
    cli_free(diagram->vertices);
    cli_free(diagram->edges);
    *diagram = (cli_diagram){ 0 };
}

/* ---- layers ------------------------------------------------------------------------------- */

static int by_from(const void *a, const void *b)
{
    const cli_edge *x = a, *y = b;
    return x->from != y->from ? x->from - y->from : x->to != y->to ? x->to - y->to : x->value - y->value;
}

/* Longest paths; then sources move down to their first consumer, so that edges are short. */
static void find_layers(cli_diagram *d)
{
    qsort(d->edges, (size_t)d->n_edges, sizeof *d->edges, by_from);
    for (int i = 0; i < d->n_edges; i++) {
        cli_vertex *to = &d->vertices[d->edges[i].to];
        int least = d->vertices[d->edges[i].from].layer + 1;
        to->layer = to->layer > least ? to->layer : least;
    }
    for (int i = d->n_edges; i-- > 0;) {
        cli_vertex *from = &d->vertices[d->edges[i].from];
        from->n_keys = from->n_keys == 0 || d->vertices[d->edges[i].to].layer < from->n_keys
                           ? d->vertices[d->edges[i].to].layer : from->n_keys;
    }
    for (int i = 0; i < d->n_edges; i++) {
        d->vertices[d->edges[i].to].key = 1.0; /* has somebody above */
    }
    for (int i = 0; i < d->n_real; i++) {
        cli_vertex *v = &d->vertices[i];
        v->layer = v->key == 0.0 && v->n_keys > 0 ? v->n_keys - 1 : v->layer;
    }
}

static pith_status add_dummies(cli_diagram *d)
{
    for (int i = 0; i < d->n_edges; i++) {
        cli_edge *edge = &d->edges[i];
        int first = d->vertices[edge->from].layer + 1, last = d->vertices[edge->to].layer;
        edge->first_dummy = d->n_vertices;
        for (int layer = first; layer < last; layer++) {
            CLI_TRY(cli_diagram_add_vertex(d, DUMMY_WIDTH, 0.0));
            d->vertices[d->n_vertices - 1].layer = layer;
            edge->n_dummies++;
        }
    }
    return PITH_OK;
}

static pith_status list_segments(layouter *l)
{
    const cli_diagram *d = l->diagram;
    int count = d->n_edges + d->n_vertices - d->n_real;
    CLI_TRY(cli_alloc((size_t)count + 1, sizeof(segment), (void **)&l->segments));
    for (int i = 0; i < d->n_edges; i++) {
        const cli_edge *edge = &d->edges[i];
        int upper = edge->from;
        for (int k = 0; k <= edge->n_dummies; k++) {
            int lower = k < edge->n_dummies ? edge->first_dummy + k : edge->to;
            l->segments[l->n_segments++] = (segment){ upper, lower };
            upper = lower;
        }
    }
    return PITH_OK;
}

static pith_status list_layers(layouter *l)
{
    const cli_diagram *d = l->diagram;
    layers *all = &l->layers;
    for (int i = 0; i < d->n_vertices; i++) {
        all->count = d->vertices[i].layer >= all->count ? d->vertices[i].layer + 1 : all->count;
    }
    CLI_TRY(cli_alloc((size_t)d->n_vertices + 1, sizeof(int), (void **)&all->all));
    CLI_TRY(cli_alloc((size_t)all->count + 1, sizeof(int), (void **)&all->sizes));
    CLI_TRY(cli_alloc((size_t)all->count + 1, sizeof(int *), (void **)&all->rows));
    for (int i = 0; i < d->n_vertices; i++) {
        all->sizes[d->vertices[i].layer]++;
    }
    int *at = all->all;
    for (int k = 0; k < all->count; k++) {
        all->rows[k] = at;
        at += all->sizes[k];
        all->sizes[k] = 0;
    }
    for (int i = 0; i < d->n_vertices; i++) {
        cli_vertex *v = &d->vertices[i];
        v->place = all->sizes[v->layer];
        all->rows[v->layer][all->sizes[v->layer]++] = i;
    }
    return PITH_OK;
}

/* ---- order -------------------------------------------------------------------------------- */

static const cli_vertex *sorted_vertices; /* of qsort; the tool has one thread */

static int by_layer(const void *a, const void *b)
{
    return sorted_vertices[((const segment *)a)->upper].layer - sorted_vertices[((const segment *)b)->upper].layer;
}

static int by_key(const void *a, const void *b)
{
    const cli_vertex *x = &sorted_vertices[*(const int *)a], *y = &sorted_vertices[*(const int *)b];
    return x->key < y->key ? -1 : x->key > y->key ? 1 : x->place - y->place;
}

static void sort_row(layouter *l, int row)
{
    cli_vertex *vertices = l->diagram->vertices;
    int *items = l->layers.rows[row], count = l->layers.sizes[row];
    for (int i = 0; i < count; i++) {
        cli_vertex *v = &vertices[items[i]];
        v->key = v->n_keys ? v->key / v->n_keys : v->place;
    }
    sorted_vertices = vertices;
    qsort(items, (size_t)count, sizeof *items, by_key);
    for (int i = 0; i < count; i++) {
        vertices[items[i]].place = i;
    }
}

/* Barycentres of neighbours above (downwards) or below. Rows are sorted at once, with the order of the last sweep. */
static void sweep(layouter *l, bool downwards)
{
    cli_vertex *vertices = l->diagram->vertices;
    for (int i = 0; i < l->diagram->n_vertices; i++) {
        vertices[i].key = 0.0;
        vertices[i].n_keys = 0;
    }
    for (int i = 0; i < l->n_segments; i++) {
        cli_vertex *moved = &vertices[downwards ? l->segments[i].lower : l->segments[i].upper];
        const cli_vertex *fixed = &vertices[downwards ? l->segments[i].upper : l->segments[i].lower];
        double size = l->layers.sizes[fixed->layer];
        moved->key += (fixed->place + 0.5) / size * l->layers.sizes[moved->layer];
        moved->n_keys++;
    }
    for (int row = 0; row < l->layers.count; row++) {
        sort_row(l, row);
    }
}

/* ---- places ------------------------------------------------------------------------------- */

/* Wanted middles in `key`; keeps the order and the gaps, and moves the row as a whole to where it wants to be. */
static void settle_row(layouter *l, int row)
{
    cli_vertex *vertices = l->diagram->vertices;
    const int *items = l->layers.rows[row];
    int count = l->layers.sizes[row];
    double right = -1e18, error = 0.0;
    for (int i = 0; i < count; i++) {
        cli_vertex *v = &vertices[items[i]];
        double wanted = (v->n_keys ? v->key / v->n_keys : v->x + v->width / 2) - v->width / 2;
        v->x = wanted > right + GAP_X ? wanted : right + GAP_X;
        right = v->x + v->width;
        error += v->x - wanted;
    }
    for (int i = 0; i < count; i++) {
        vertices[items[i]].x -= error / count;
    }
}

/* Row after row, each vertex to the middle of its neighbours in the row before: chains become straight at once. */
static void settle(layouter *l)
{
    cli_vertex *vertices = l->diagram->vertices;
    for (int round = 0; round < N_PLACE_SWEEPS; round++) {
        bool downwards = round % 2 == 0;
        for (int step = 1, at = downwards ? 0 : l->n_segments - 1; step < l->layers.count; step++) {
            int row = downwards ? step : l->layers.count - 1 - step, above = downwards ? row - 1 : row;
            for (int i = 0; i < l->layers.sizes[row]; i++) {
                vertices[l->layers.rows[row][i]].key = 0.0;
                vertices[l->layers.rows[row][i]].n_keys = 0;
            }
            for (; at >= 0 && at < l->n_segments && vertices[l->segments[at].upper].layer == above;
                 at += downwards ? 1 : -1) {
                cli_vertex *moved = &vertices[downwards ? l->segments[at].lower : l->segments[at].upper];
                const cli_vertex *fixed = &vertices[downwards ? l->segments[at].upper : l->segments[at].lower];
                moved->key += fixed->x + fixed->width / 2;
                moved->n_keys++;
            }
            settle_row(l, row);
        }
    }
}

static void place(layouter *l)
{
    cli_diagram *d = l->diagram;
    double y = 0.0, left = 1e18, right = -1e18;
    for (int row = 0; row < l->layers.count; row++) {
        double x = 0.0, height = 0.0;
        for (int i = 0; i < l->layers.sizes[row]; i++) {
            cli_vertex *v = &d->vertices[l->layers.rows[row][i]];
            v->x = x;
            x += v->width + GAP_X;
            height = v->height > height ? v->height : height;
        }
        for (int i = 0; i < l->layers.sizes[row]; i++) {
            cli_vertex *v = &d->vertices[l->layers.rows[row][i]];
            v->x -= x / 2;
            v->y = y + (height - v->height) / 2;
        }
        y += height + GAP_Y;
    }
    settle(l);
    for (int i = 0; i < d->n_vertices; i++) {
        left = d->vertices[i].x < left ? d->vertices[i].x : left;
        right = d->vertices[i].x + d->vertices[i].width > right ? d->vertices[i].x + d->vertices[i].width : right;
    }
    for (int i = 0; i < d->n_vertices; i++) {
        d->vertices[i].x -= left;
    }
    d->width = d->n_vertices ? right - left : 0.0;
    d->height = d->n_vertices ? y - GAP_Y : 0.0;
}

pith_status cli_diagram_lay_out(cli_diagram *diagram)
{
    layouter l = { .diagram = diagram };
    diagram->n_real = diagram->n_vertices;
    if (diagram->n_vertices == 0) {
        return PITH_OK;
    }
    find_layers(diagram);
    pith_status status = add_dummies(diagram);
    status = status == PITH_OK ? list_layers(&l) : status;
    status = status == PITH_OK ? list_segments(&l) : status;
    if (status == PITH_OK) {
        sorted_vertices = diagram->vertices;
        qsort(l.segments, (size_t)l.n_segments, sizeof *l.segments, by_layer);
        for (int i = 0; i < N_ORDER_SWEEPS; i++) {
            sweep(&l, i % 2 == 0);
        }
        place(&l);
    }
    cli_free(l.layers.all);
    cli_free(l.layers.sizes);
    cli_free(l.layers.rows);
    cli_free(l.segments);
    return status;
}
