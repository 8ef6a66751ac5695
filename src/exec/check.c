/* SPDX-License-Identifier: Apache-2.0 */
/* What of a file would run, and why the rest would not: operators one by one, then shapes and types. */
#include <stdlib.h>

#include "exec/internal.h"
#include "passes/pass.h"

typedef struct checker {
    pith_model *model;
    pithi_arena *arena; /* of the results */
    pith_unsupported *problems;
    int n_problems;
    const pith_node **nodes; /* with their problem: -1 none, else its number */
    int *problem_of;
    int n_nodes;
} checker;

static const char *value_name(const pith_value *value) { return value ? value->name : "-"; }

/* A node without a name goes by the first value it makes. */
static pith_status node_title(checker *check, const pith_node *node, const char **title_out)
{
    for (int i = 0; i < node->n_outputs && !*node->name; i++) {
        if (node->outputs[i]) {
            return pithi_arena_format(check->arena, title_out, "-> %s", value_name(node->outputs[i]));
        }
    }
    return pithi_arena_text(check->arena, node->name, strlen(node->name), title_out);
}

static pith_status add_problem(void *user, const pith_node *node, const char *reason)
{
    checker *check = user;
    check->problem_of[node->index] = check->n_problems;
    pith_unsupported *entry = &check->problems[check->n_problems++];
    PITH_TRY(node_title(check, node, &entry->node));
    PITH_TRY(pithi_arena_format(check->arena, &entry->op, "%s, opset %d", node->source_op, node->source_opset));
    return pithi_arena_text(check->arena, reason, strlen(reason), &entry->reason);
}

static void count_nodes(const pith_graph *graph, int *n_nodes)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        ++*n_nodes;
        for (int i = 0; i < node->n_bodies; i++) {
            count_nodes(node->bodies[i], n_nodes);
        }
    }
}

/* Nodes in the order of the file; those without operator are problems. node->index is the number in the list. */
static pith_status list_nodes(checker *check, const pith_graph *graph)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        node->index = check->n_nodes;
        check->problem_of[check->n_nodes] = -1;
        check->nodes[check->n_nodes++] = node;
        if (!node->op) {
            PITH_TRY(add_problem(check, node, node->unsupported ? node->unsupported : "it is not implemented"));
        }
        for (int i = 0; i < node->n_bodies; i++) {
            PITH_TRY(list_nodes(check, node->bodies[i]));
        }
    }
    return PITH_OK;
}

/* ---- operators ---------------------------------------------------------------------------- */

static int by_use(const void *a, const void *b)
{
    const pith_node *x = *(const pith_node *const *)a, *y = *(const pith_node *const *)b;
    int order = strcmp(x->source_op, y->source_op);
    return order ? order : x->source_opset != y->source_opset ? x->source_opset - y->source_opset
                                                              : x->index - y->index;
}

static uint64_t dtypes_of(const pith_node *node)
{
    uint64_t dtypes = 0;
    for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
        const pith_value *value = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
        dtypes |= value && value->dtype != PITH_DTYPE_NONE ? (uint64_t)1 << value->dtype : 0;
    }
    return dtypes;
}

static pith_status dtypes_text(checker *check, uint64_t dtypes, const char **text_out)
{
    pithi_text text = { .ctx = check->model->ctx };
    for (int i = 1; i < PITH_DTYPE_COUNT && i < 64; i++) {
        if (dtypes >> i & 1) {
            pithi_text_add(&text, text.data ? " %s" : "%s", pith_dtype_name((pith_dtype)i));
        }
    }
    pith_status status = pithi_arena_text(check->arena, text.data ? text.data : "", text.n_bytes, text_out);
    pithi_text_deinit(&text);
    return status;
}

static bool is_same_use(const pith_node *a, const pith_node *b)
{
    return a->source_opset == b->source_opset && pithi_same_text(a->source_op, b->source_op);
}

static pith_status fill_use(checker *check, int first, int end, pith_op_use *use)
{
    uint64_t dtypes = 0;
    *use = (pith_op_use){ .runs_as = "", .opset = check->nodes[first]->source_opset, .n_nodes = end - first };
    const char *op = check->nodes[first]->source_op;
    PITH_TRY(pithi_arena_text(check->arena, op, strlen(op), &use->op));
    for (int i = first; i < end; i++) {
        const pith_node *node = check->nodes[i];
        dtypes |= dtypes_of(node);
        use->n_problems += check->problem_of[node->index] >= 0;
        use->since = node->source_since ? node->source_since : use->since;
        use->runs_as = node->op ? node->op->head.name : use->runs_as;
    }
    return dtypes_text(check, dtypes, &use->dtypes);
}

static pith_status list_uses(checker *check, pith_check *result)
{
    void *uses = NULL;
    PITH_TRY(pithi_arena_array(check->arena, (size_t)check->n_nodes, sizeof(pith_op_use), &uses));
    if (check->n_nodes > 0) {
        qsort(check->nodes, (size_t)check->n_nodes, sizeof *check->nodes, by_use);
    }
    pith_op_use *list = uses;
    for (int first = 0, end; first < check->n_nodes; first = end) {
        for (end = first + 1; end < check->n_nodes && is_same_use(check->nodes[first], check->nodes[end]);) {
            end++;
        }
        PITH_TRY(fill_use(check, first, end, &list[result->n_uses++]));
    }
    result->uses = list;
    return PITH_OK;
}

static pith_status run_check(checker *check, pith_graph *graph, const pith_shape *shapes, pith_check *result)
{
    int n_nodes = 0;
    void *nodes = NULL, *problem_of = NULL, *problems = NULL;
    count_nodes(graph, &n_nodes);
    PITH_TRY(pithi_arena_array(check->arena, (size_t)n_nodes, sizeof(pith_node *), &nodes));
    PITH_TRY(pithi_arena_array(check->arena, (size_t)n_nodes, sizeof(int), &problem_of));
    PITH_TRY(pithi_arena_array(check->arena, (size_t)n_nodes, sizeof(pith_unsupported), &problems));
    check->nodes = nodes;
    check->problem_of = problem_of;
    check->problems = problems;
    PITH_TRY(list_nodes(check, graph));
    for (size_t i = 0; i < graph->n_inputs && shapes; i++) {
        graph->inputs[i]->shape = shapes[i];
        graph->inputs[i]->has_shape = shapes[i].rank >= 0;
    }
    PITH_TRY(pithi_graph_infer_all(graph, add_problem, check));
    PITH_TRY(list_uses(check, result));
    result->problems = check->problems;
    result->n_problems = check->n_problems;
    return PITH_OK;
}

pith_status pith_model_check(pith_model *model, const pith_shape *shapes, pith_check *check_out)
{
    PITH_CHECK(model->ctx, model->describe_only, PITH_STATUS_STATE,
               "the model was loaded without describe_only, so its nodes are no longer those of the file");
    pithi_arena_deinit(&model->checked);
    model->checked.ctx = model->ctx;
    checker check = { .model = model, .arena = &model->checked };
    pith_check result = { 0 };
    pith_graph *clone = NULL; /* folding takes nodes out of its list, but they live as long as it does */
    PITH_TRY(pithi_graph_clone(model->root->graph, &clone));
    pith_status status = run_check(&check, clone, shapes, &result);
    pithi_graph_destroy(clone);
    PITH_TRY(status);
    *check_out = result;
    return PITH_OK;
}
