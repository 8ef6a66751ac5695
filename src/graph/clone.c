/* SPDX-License-Identifier: Apache-2.0 */
/* Copying graphs and bodies: structure is copied, constants' data is shared. A value map leads from old
 * values (through value->index) to new ones; values outside of it are left as they are, so a body that is
 * spliced keeps its captures. */
#include "graph/attrs.h"
#include "graph/graph.h"

typedef struct value_map {
    pith_ctx *ctx;
    const pith_value **old; /* both by index of the old value */
    pith_value **fresh;
    size_t count, old_capacity, fresh_capacity;
} value_map;

static pith_status map_add(value_map *map, pith_value *old, pith_value *fresh)
{
    void *olds = map->old, *freshes = map->fresh;
    pith_status status = pithi_grow(map->ctx, &olds, &map->old_capacity, map->count + 1, sizeof *map->old);
    map->old = olds;
    PITH_TRY(status);
    status = pithi_grow(map->ctx, &freshes, &map->fresh_capacity, map->count + 1, sizeof *map->fresh);
    map->fresh = freshes;
    PITH_TRY(status);
    old->index = (int)map->count;
    map->old[map->count] = old;
    map->fresh[map->count++] = fresh;
    return PITH_OK;
}

static bool map_has(const value_map *map, const pith_value *old)
{
    return old->index >= 0 && (size_t)old->index < map->count && map->old[old->index] == old;
}

static pith_value *map_get(const value_map *map, pith_value *old)
{
    return old && map_has(map, old) ? map->fresh[old->index] : old;
}

static void map_deinit(value_map *map)
{
    pithi_free(map->ctx, map->old);
    pithi_free(map->ctx, map->fresh);
}

static pith_status clone_value(pith_graph *clone, pith_value *old, const char *name, value_map *map)
{
    pith_value *fresh = NULL;
    PITH_TRY(pithi_graph_add_value(clone, name, &fresh));
    const char *fresh_name = fresh->name;
    *fresh = *old;
    fresh->name = fresh_name;
    fresh->producer = NULL;
    return map_add(map, old, fresh);
}

static pith_status clone_into(const pith_graph *graph, pith_graph *clone, value_map *map);

static pith_status clone_bodies(const pith_node *node, pith_node *copy, pith_graph *clone, value_map *map)
{
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

static pith_status clone_node(const pith_node *node, pith_graph *clone, pith_node *before, value_map *map)
{
    pith_node *copy = NULL;
    void *outputs = NULL;
    PITH_TRY(
        pithi_graph_insert_node(clone, before, node->op, node->name, node->inputs, node->n_inputs, NULL, 0, &copy));
    PITH_TRY(pithi_arena_array(&clone->arena, (size_t)node->n_outputs, sizeof *node->outputs, &outputs));
    copy->outputs = outputs;
    copy->n_outputs = node->n_outputs;
    for (int i = 0; i < node->n_inputs; i++) {
        copy->inputs[i] = map_get(map, node->inputs[i]);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        copy->outputs[i] = map_get(map, node->outputs[i]);
        if (copy->outputs[i]) {
            copy->outputs[i]->producer = copy;
        }
    }
    copy->source_op = node->source_op;
    copy->unsupported = node->unsupported;
    copy->source_opset = node->source_opset;
    copy->source_since = node->source_since;
    copy->refusal = node->refusal;
    if (node->op) {
        PITH_TRY(pithi_attrs_copy(pithi_op_head(node->op), node->attrs, &clone->arena, copy->attrs));
    }
    return node->n_bodies ? clone_bodies(node, copy, clone, map) : PITH_OK;
}

static pith_status clone_into(const pith_graph *graph, pith_graph *clone, value_map *map)
{
    PITH_TRY(pithi_arena_text(&clone->arena, graph->name, strlen(graph->name), &clone->name));
    for (size_t i = 0; i < graph->n_values; i++) {
        if (!map_has(map, graph->values[i])) {
            PITH_TRY(clone_value(clone, graph->values[i], graph->values[i]->name, map));
        }
    }
    clone->n_unique_names = graph->n_unique_names;
    for (const pith_node *node = graph->first; node; node = node->next) {
        PITH_TRY(clone_node(node, clone, NULL, map));
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        PITH_TRY(pithi_graph_add_input(clone, map_get(map, graph->inputs[i])));
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        PITH_TRY(pithi_graph_add_output(clone, map_get(map, graph->outputs[i])));
    }
    return PITH_OK;
}

pith_status pithi_graph_clone(const pith_graph *graph, pith_graph **clone_out)
{
    value_map map = { .ctx = graph->ctx };
    pith_graph *clone = NULL;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(pithi_graph_create(graph->ctx, &clone), done);
    PITH_TRY_GOTO(clone_into(graph, clone, &map), done);
    clone->settled = graph->settled;
    *clone_out = clone;
    clone = NULL;
done:
    pithi_graph_destroy(clone);
    map_deinit(&map);
    return status;
}

/* ---- bodies ------------------------------------------------------------------------------- */

/* Adds every value of `body` and of the bodies inside to the map, without new values yet. */
static pith_status mark_own_values(const pith_graph *body, value_map *map)
{
    for (size_t i = 0; i < body->n_values; i++) {
        PITH_TRY(map_add(map, body->values[i], NULL));
    }
    for (const pith_node *node = body->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            PITH_TRY(mark_own_values(node->bodies[i], map));
        }
    }
    return PITH_OK;
}

static pith_status capture(pith_value *value, const value_map *own, value_map *captured)
{
    bool is_new = value && !map_has(own, value) && !map_has(captured, value);
    return is_new ? map_add(captured, value, NULL) : PITH_OK;
}

static pith_status find_captures(const pith_graph *body, const value_map *own, value_map *captured)
{
    for (const pith_node *node = body->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            PITH_TRY(capture(node->inputs[i], own, captured));
        }
        for (int i = 0; i < node->n_bodies; i++) {
            PITH_TRY(find_captures(node->bodies[i], own, captured));
        }
    }
    for (size_t i = 0; i < body->n_outputs; i++) {
        PITH_TRY(capture(body->outputs[i], own, captured));
    }
    return PITH_OK;
}

static pith_status isolate(const pith_graph *body, const value_map *captured, pith_graph *graph, pith_value ***list_out,
                           int *count_out)
{
    value_map map = { .ctx = body->ctx };
    void *list = NULL;
    pith_status status = PITH_OK;
    int count = 0;
    PITH_TRY_GOTO(pithi_arena_array(&graph->arena, captured->count, sizeof(pith_value *), &list), done);
    for (size_t i = 0; i < captured->count; i++) {
        pith_value *outer = (pith_value *)(uintptr_t)captured->old[i];
        PITH_TRY_GOTO(clone_value(graph, outer, outer->name, &map), done);
        if (!outer->constant) {
            ((pith_value **)list)[count++] = outer;
        }
    }
    PITH_TRY_GOTO(clone_into(body, graph, &map), done);
    for (size_t i = 0; i < captured->count; i++) {
        if (!captured->old[i]->constant) {
            PITH_TRY_GOTO(pithi_graph_add_input(graph, map.fresh[i]), done);
        }
    }
    *list_out = list;
    *count_out = count;
done:
    map_deinit(&map);
    return status;
}

pith_status pithi_graph_isolate(const pith_graph *body, pith_graph **graph_out, pith_value ***captured_out,
                                int *n_captured_out)
{
    value_map own = { .ctx = body->ctx }, captured = { .ctx = body->ctx };
    pith_graph *graph = NULL;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(mark_own_values(body, &own), done);
    PITH_TRY_GOTO(find_captures(body, &own, &captured), done);
    PITH_TRY_GOTO(pithi_graph_create(body->ctx, &graph), done);
    PITH_TRY_GOTO(isolate(body, &captured, graph, captured_out, n_captured_out), done);
    *graph_out = graph;
    graph = NULL;
done:
    pithi_graph_destroy(graph);
    map_deinit(&own);
    map_deinit(&captured);
    return status;
}

static pith_status splice(pith_graph *graph, pith_node *node, const pith_graph *body, pith_value *const *inputs,
                          value_map *map)
{
    for (size_t i = 0; i < body->n_inputs; i++) {
        PITH_TRY(map_add(map, body->inputs[i], inputs[i]));
    }
    for (size_t i = 0; i < body->n_values; i++) {
        if (!map_has(map, body->values[i])) {
            PITH_TRY(clone_value(graph, body->values[i], NULL, map));
        }
    }
    for (const pith_node *inner = body->first; inner; inner = inner->next) {
        PITH_TRY(clone_node(inner, graph, node, map));
    }
    PITH_CHECK(graph->ctx, body->n_outputs >= (size_t)node->n_outputs, PITH_STATUS_FORMAT,
               "a body has %zu outputs, its node wants %d", body->n_outputs, node->n_outputs);
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            pithi_graph_replace_uses(graph, node->outputs[i], map_get(map, body->outputs[i]));
        }
    }
    pithi_graph_remove_node(graph, node);
    return PITH_OK;
}

pith_status pithi_graph_splice(pith_graph *graph, pith_node *node, int body, pith_value *const *inputs)
{
    value_map map = { .ctx = graph->ctx };
    pith_status status = splice(graph, node, node->bodies[body], inputs, &map);
    map_deinit(&map);
    return status;
}

pith_status pithi_graph_inline(pith_graph *graph, pith_node *node, pith_graph *body, pith_value *const *inputs)
{
    value_map map = { .ctx = graph->ctx };
    pith_status status = splice(graph, node, body, inputs, &map);
    map_deinit(&map);
    if (status == PITH_OK) {
        pith_graph *last = body;
        while (last->kept) {
            last = last->kept;
        }
        last->kept = graph->kept;
        graph->kept = body;
    }
    return status;
}
