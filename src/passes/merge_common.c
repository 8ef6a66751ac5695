/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that compute the same become one (common subexpression elimination, by hashing), and so do small
 * constants with the same bytes, since exporters repeat them at every use. */
#include "passes/rewrite.h"

#define MAX_CONSTANT_BYTES 256 /* larger ones are compared by address only */

typedef struct merger {
    pithi_forward forward;
    pith_node **nodes;       /* open addressing; NULL: free */
    pith_value **constants;
    size_t mask;
} merger;

/* pithi_hash() takes bytes, at four cycles each: several percent of the start of a small network. */
static uint64_t hash_of_words(uint64_t hash, const char *data, size_t n_bytes)
{
    uint64_t word;
    for (; n_bytes >= sizeof word; data += sizeof word, n_bytes -= sizeof word) {
        memcpy(&word, data, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u; /* 2^64 over the golden ratio (Knuth, 6.4) */
        hash ^= hash >> 32;
    }
    return pithi_hash(hash, data, n_bytes);
}

static uint64_t hash_of_constant(const pith_tensor *tensor)
{
    uint64_t hash = pithi_hash(PITHI_HASH_START, &tensor->dtype, sizeof tensor->dtype);
    hash = pithi_hash(hash, tensor->shape.dims, (size_t)tensor->shape.rank * sizeof tensor->shape.dims[0]);
    size_t n_bytes = pith_tensor_bytes(tensor);
    return n_bytes <= MAX_CONSTANT_BYTES ? hash_of_words(hash, tensor->data, n_bytes)
                                         : pithi_hash(hash, &tensor->data, sizeof tensor->data);
}

static bool same_constant(const pith_tensor *a, const pith_tensor *b)
{
    size_t n_bytes = pith_tensor_bytes(a);
    return a->dtype == b->dtype && pith_shape_equal(&a->shape, &b->shape) &&
           (a->data == b->data || (n_bytes <= MAX_CONSTANT_BYTES && memcmp(a->data, b->data, n_bytes) == 0));
}

static void merge_constant(merger *merge, pith_value *value)
{
    size_t at = hash_of_constant(value->constant) & merge->mask;
    for (; merge->constants[at]; at = (at + 1) & merge->mask) {
        if (merge->constants[at] == value) {
            return;
        }
        if (same_constant(merge->constants[at]->constant, value->constant)) {
            pithi_forward_put(&merge->forward, value, merge->constants[at]);
            return;
        }
    }
    merge->constants[at] = value;
}

/* Inputs 0 and 1 in the order that does not depend on how the file wrote them. */
static void ordered_pair(const pith_node *node, const pith_value **a, const pith_value **b)
{
    bool swap = node->op->flags & PITH_OP_COMMUTATIVE && node->n_inputs >= 2 &&
                (uintptr_t)node->inputs[0] > (uintptr_t)node->inputs[1];
    *a = node->n_inputs > 0 ? node->inputs[swap ? 1 : 0] : NULL;
    *b = node->n_inputs > 1 ? node->inputs[swap ? 0 : 1] : NULL;
}

static uint64_t hash_of_node(const pith_node *node)
{
    const pith_value *pair[2];
    ordered_pair(node, &pair[0], &pair[1]);
    uint64_t hash = pithi_hash(PITHI_HASH_START, &node->op, sizeof node->op);
    hash = pithi_attrs_hash(pithi_hash(hash, pair, sizeof pair), pithi_op_head(node->op), node->attrs);
    return node->n_inputs > 2 ? pithi_hash(hash, node->inputs + 2, (size_t)(node->n_inputs - 2) * sizeof *node->inputs)
                              : hash;
}

static bool same_node(const pith_node *a, const pith_node *b)
{
    const pith_value *a0, *a1, *b0, *b1;
    if (a->op != b->op || a->n_inputs != b->n_inputs || a->n_outputs != b->n_outputs) {
        return false;
    }
    ordered_pair(a, &a0, &a1);
    ordered_pair(b, &b0, &b1);
    bool same = a0 == b0 && a1 == b1;
    for (int i = 2; i < a->n_inputs && same; i++) {
        same = a->inputs[i] == b->inputs[i];
    }
    for (int i = 0; i < a->n_outputs && same; i++) {
        same = a->outputs[i] != NULL || b->outputs[i] == NULL; /* `a` stays and must make what `b` makes */
    }
    return same && pithi_attrs_equal(pithi_op_head(a->op), a->attrs, b->attrs);
}

static bool may_merge(const pith_node *node)
{
    return node->op && node->n_bodies == 0 && !(node->op->flags & (PITH_OP_RANDOM | PITH_OP_CONTROL));
}

/* All outputs of `node` become those of `kept`, or none. */
static bool forward_outputs(merger *merge, const pith_node *node, const pith_node *kept)
{
    const pith_graph *graph = merge->forward.graph;
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] && pithi_graph_is_output(graph, node->outputs[i]) &&
            pithi_graph_is_output(graph, kept->outputs[i])) {
            return false; /* both names must stay */
        }
    }
    bool forwarded = true;
    for (int i = 0; i < node->n_outputs; i++) {
        forwarded &= !node->outputs[i] || pithi_forward_put(&merge->forward, node->outputs[i], kept->outputs[i]);
    }
    return forwarded;
}

static int merge_node(merger *merge, pith_node *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        pith_value *input = node->inputs[i];
        if (input && input->constant) {
            merge_constant(merge, input);
        }
        node->inputs[i] = pithi_forward_get(&merge->forward, input);
    }
    if (!may_merge(node)) {
        return 0;
    }
    size_t at = hash_of_node(node) & merge->mask;
    for (; merge->nodes[at]; at = (at + 1) & merge->mask) {
        if (same_node(merge->nodes[at], node)) {
            if (!forward_outputs(merge, node, merge->nodes[at])) {
                return 0; /* stays, and out of the table, so that its likes don't make a long chain */
            }
            pithi_graph_remove_node(merge->forward.graph, node);
            return 1;
        }
    }
    merge->nodes[at] = node;
    return 0;
}

static size_t count_operands(const pith_graph *graph)
{
    size_t count = 0;
    for (const pith_node *node = graph->first; node; node = node->next) {
        count += (size_t)node->n_inputs + 1;
    }
    return count;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    merger merge = { .mask = 15 };
    void *nodes = NULL, *constants = NULL;
    pith_status status = PITH_OK;
    while (merge.mask < 2 * count_operands(graph)) {
        merge.mask = merge.mask * 2 + 1;
    }
    PITH_TRY(pithi_forward_init(&merge.forward, graph));
    PITH_TRY_GOTO(pithi_alloc_array(graph->ctx, merge.mask + 1, sizeof *merge.nodes, &nodes), done);
    PITH_TRY_GOTO(pithi_alloc_array(graph->ctx, merge.mask + 1, sizeof *merge.constants, &constants), done);
    merge.nodes = nodes;
    merge.constants = constants;
    for (pith_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        *n_changes += merge_node(&merge, node);
    }
done:
    pithi_forward_apply(&merge.forward);
    pithi_free(graph->ctx, nodes);
    pithi_free(graph->ctx, constants);
    return status;
}

const pith_pass pithi_pass_merge_common = {
    .name = "merge_common",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "computes only once what several nodes compute alike",
    .run = run,
};
