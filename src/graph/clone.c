/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a graph: structure is copied, constants' data is shared. value->index of the original
 * serves as the map from old to new values (captured values of bodies included). */
#include "graph/attrs.h"
#include "graph/graph.h"

typedef struct value_map {
    pith_value **fresh; /* by index of the old value */
    size_t count;
} value_map;

static size_t number_values(const pith_graph *graph, size_t next)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->index = (int)next++;
    }
    for (pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            next = number_values(node->bodies[i], next);
        }
    }
    return next;
}

static pith_status clone_values(const pith_graph *graph, pith_graph *clone, value_map *map)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *old = graph->values[i];
        pith_value *fresh = NULL;
        PITH_TRY(pithi_graph_add_value(clone, old->name, &fresh));
        const char *name = fresh->name;
        *fresh = *old;
        fresh->name = name;
        fresh->producer = NULL;
        map->fresh[old->index] = fresh;
    }
    clone->n_unique_names = graph->n_unique_names;
    return PITH_OK;
}

static pith_status clone_into(const pith_graph *graph, pith_graph *clone, value_map *map);

static pith_status clone_node(const pith_node *node, pith_graph *clone, value_map *map)
{
    pith_node *copy = NULL;
    PITH_TRY(pithi_graph_insert_node(clone, NULL, node->op, node->name, node->inputs, node->n_inputs, NULL, 0, &copy));
    void *outputs = NULL;
    PITH_TRY(pithi_arena_array(&clone->arena, (size_t)node->n_outputs, sizeof *node->outputs, &outputs));
    copy->outputs = outputs;
    copy->n_outputs = node->n_outputs;
    for (int i = 0; i < node->n_inputs; i++) {
        copy->inputs[i] = node->inputs[i] ? map->fresh[node->inputs[i]->index] : NULL;
    }
    for (int i = 0; i < node->n_outputs; i++) {
        copy->outputs[i] = node->outputs[i] ? map->fresh[node->outputs[i]->index] : NULL;
        if (copy->outputs[i]) {
            copy->outputs[i]->producer = copy;
        }
    }
    copy->source_op = node->source_op;
    copy->unsupported = node->unsupported;
    if (node->op) {
        PITH_TRY(pithi_attrs_copy(pithi_op_head(node->op), node->attrs, &clone->arena, copy->attrs));
    }
    if (node->n_bodies == 0) {
        return PITH_OK;
    }
    void *bodies = NULL;
    PITH_TRY(pithi_arena_array(&clone->arena, (size_t)node->n_bodies, sizeof *node->bodies, &bodies));
    copy->bodies = bodies;
    for (int i = 0; i < node->n_bodies; i++) {
        PITH_TRY(pithi_graph_create(clone->ctx, &copy->bodies[i]));
        copy->n_bodies = i + 1;
        copy->bodies[i]->parent = clone;
        PITH_TRY(clone_into(node->bodies[i], copy->bodies[i], map));
    }
    return PITH_OK;
}

static pith_status clone_into(const pith_graph *graph, pith_graph *clone, value_map *map)
{
    PITH_TRY(pithi_arena_text(&clone->arena, graph->name, strlen(graph->name), &clone->name));
    PITH_TRY(clone_values(graph, clone, map));
    for (const pith_node *node = graph->first; node; node = node->next) {
        PITH_TRY(clone_node(node, clone, map));
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        PITH_TRY(pithi_graph_add_input(clone, map->fresh[graph->inputs[i]->index]));
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        PITH_TRY(pithi_graph_add_output(clone, map->fresh[graph->outputs[i]->index]));
    }
    return PITH_OK;
}

pith_status pithi_graph_clone(const pith_graph *graph, pith_graph **clone_out)
{
    value_map map = { 0 };
    pith_graph *clone = NULL;
    pith_status status = PITH_OK;
    void *block = NULL;

    map.count = number_values(graph, 0);
    PITH_TRY_GOTO(pithi_alloc_array(graph->ctx, map.count, sizeof *map.fresh, &block), done);
    map.fresh = block;
    PITH_TRY_GOTO(pithi_graph_create(graph->ctx, &clone), done);
    PITH_TRY_GOTO(clone_into(graph, clone, &map), done);
    *clone_out = clone;
    clone = NULL;
done:
    pithi_graph_destroy(clone);
    pithi_free(graph->ctx, block);
    return status;
}
