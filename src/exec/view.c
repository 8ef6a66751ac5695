/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs as flat lists, for drawings. Everything is copied into model->viewed. */
#include "pith/view.h"

#include "exec/internal.h"
#include "graph/attrs.h"

typedef struct viewer {
    pithi_arena *arena;
    pith_view_graph *graphs;
    pith_view_node *nodes;
    pith_view_value *values;
    pith_graph **sources; /* of graphs */
    int n_graphs, n_nodes, n_values;
} viewer;

static void count_all(const pith_graph *graph, viewer *v)
{
    v->n_graphs++;
    v->n_nodes += graph->n_nodes;
    v->n_values += (int)graph->n_values;
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            count_all(node->bodies[i], v);
        }
    }
}

static pith_status copy_text(viewer *v, const char *text, const char **copy)
{
    return pithi_arena_text(v->arena, text ? text : "", text ? strlen(text) : 0, copy);
}

static pith_status copy_numbers(viewer *v, pith_value *const *values, size_t count, const int **numbers_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(v->arena, count, sizeof(int), &block));
    for (size_t i = 0; i < count; i++) {
        ((int *)block)[i] = values[i] ? values[i]->index : -1;
    }
    *numbers_out = block;
    return PITH_OK;
}

static pith_status view_values(viewer *v, const pith_graph *graph, int number)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        pith_value *value = graph->values[i];
        pith_view_value *view = &v->values[v->n_values];
        value->index = v->n_values++;
        *view = (pith_view_value){ .dtype = value->dtype, .shape = value->shape, .graph = number, .producer = -1,
                                   .is_constant = value->constant != NULL };
        view->shape.rank = value->has_shape ? value->shape.rank : -1;
        PITH_TRY(copy_text(v, value->name, &view->name));
        for (int k = 0; k < view->shape.rank; k++) {
            if (value->symbols[k]) {
                PITH_TRY(copy_text(v, value->symbols[k], &view->symbols[k]));
            }
        }
    }
    return PITH_OK;
}

static pith_status attrs_text(viewer *v, const pith_node *node, const char **text_out)
{
    pithi_text text = { .ctx = v->arena->ctx };
    if (node->op && node->attrs) {
        pithi_attrs_print(pithi_op_head(node->op), node->attrs, &text);
    }
    pith_status status = copy_text(v, text.data ? text.data + 1 : "", text_out);
    pithi_text_deinit(&text);
    return status;
}

static pith_status view_node(viewer *v, const pith_node *node, int graph, int number)
{
    pith_view_node *view = &v->nodes[number];
    void *bodies = NULL;
    *view = (pith_view_node){ .runs = node->op != NULL, .graph = graph, .n_inputs = node->n_inputs,
                              .n_outputs = node->n_outputs, .n_bodies = node->n_bodies };
    PITH_TRY(copy_text(v, node->name, &view->name));
    PITH_TRY(copy_text(v, node->op ? pithi_op_head(node->op)->name : node->source_op, &view->op));
    PITH_TRY(attrs_text(v, node, &view->attrs));
    PITH_TRY(copy_numbers(v, node->inputs, (size_t)node->n_inputs, &view->inputs));
    PITH_TRY(copy_numbers(v, node->outputs, (size_t)node->n_outputs, &view->outputs));
    PITH_TRY(pithi_arena_array(v->arena, (size_t)node->n_bodies, sizeof(int), &bodies));
    view->bodies = bodies;
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            v->values[node->outputs[i]->index].producer = number;
        }
    }
    for (int i = 0; i < node->n_bodies; i++) { /* their turn comes: outer values must be numbered first */
        ((int *)bodies)[i] = v->n_graphs;
        v->graphs[v->n_graphs].owner = number;
        v->sources[v->n_graphs++] = node->bodies[i];
    }
    return PITH_OK;
}

/* Graph after graph; bodies queue up behind. */
static pith_status view_graphs(viewer *v, pith_graph *graph)
{
    v->sources[0] = graph;
    v->graphs[0].owner = -1;
    v->n_graphs = 1;
    for (int g = 0; g < v->n_graphs; g++) {
        const pith_graph *source = v->sources[g];
        pith_view_graph *view = &v->graphs[g];
        PITH_TRY(view_values(v, source, g));
        view->first_node = v->n_nodes;
        view->n_nodes = source->n_nodes;
        view->n_inputs = (int)source->n_inputs;
        view->n_outputs = (int)source->n_outputs;
        PITH_TRY(copy_text(v, source->name, &view->name));
        for (const pith_node *node = source->first; node; node = node->next) {
            PITH_TRY(view_node(v, node, g, v->n_nodes++));
        }
        PITH_TRY(copy_numbers(v, source->inputs, source->n_inputs, &view->inputs));
        PITH_TRY(copy_numbers(v, source->outputs, source->n_outputs, &view->outputs));
    }
    return PITH_OK;
}

static pith_status view_all(pithi_arena *arena, pith_graph *graph, const pith_view **view_out)
{
    viewer v = { .arena = arena };
    void *graphs = NULL, *nodes = NULL, *values = NULL, *sources = NULL, *view = NULL;
    count_all(graph, &v);
    PITH_TRY(pithi_arena_array(arena, (size_t)v.n_graphs, sizeof(pith_view_graph), &graphs));
    PITH_TRY(pithi_arena_array(arena, (size_t)v.n_graphs, sizeof(pith_graph *), &sources));
    PITH_TRY(pithi_arena_array(arena, (size_t)v.n_nodes, sizeof(pith_view_node), &nodes));
    PITH_TRY(pithi_arena_array(arena, (size_t)v.n_values, sizeof(pith_view_value), &values));
    PITH_TRY(pithi_arena_alloc(arena, sizeof(pith_view), &view));
    v = (viewer){ .arena = arena, .graphs = graphs, .nodes = nodes, .values = values, .sources = sources };
    PITH_TRY(view_graphs(&v, graph));
    *(pith_view *)view = (pith_view){ v.graphs, v.nodes, v.values, v.n_graphs, v.n_nodes, v.n_values };
    *view_out = view;
    return PITH_OK;
}

pith_status pith_model_view(pith_model *model, const pith_shape *shapes, int n_threads, const pith_view **view_out)
{
    pith_graph *clone = NULL; /* values are numbered, and graphs of plans are shared */
    PITH_TRY(pithi_model_clone_graph(model, shapes, n_threads, &clone));
    pithi_arena_deinit(&model->viewed);
    model->viewed.ctx = model->ctx;
    pith_status status = view_all(&model->viewed, clone, view_out);
    pithi_graph_destroy(clone);
    return status;
}
