/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise nodes that read each other's results become one operator that works on tiles, so that what passes between
 * them stays in the first cache. A region stands where its last node stood: it grows along the list until a node that
 * is not of it reads one of its values. */
#include "kernels/vbinary_f32.h"
#include "kernels/vunary_f32.h"
#include "ops/region.h"
#include "passes/rewrite.h"

#define LEAST_BYTES ((int64_t)32 << 10) /* of a value: smaller ones stay in the first cache anyway */
#define NO_REGION (-1)
#define NAMED_NODES 6 /* of a region, in its name */

typedef struct group {
    pith_shape shape;
    int n_nodes, n_instructions, n_inputs; /* at most so many inputs */
    int first, last;                       /* of its list of nodes */
    int merged_into;                       /* another group, or NO_REGION */
    bool is_open;
} group;

typedef struct former {
    pith_graph *graph;
    group *groups;
    int n_groups;
    pith_node **nodes; /* by node->index */
    int *group_of;     /* by node->index */
    int *next_of;      /* by node->index: the next one in the group's list */
    int n_nodes;
} former;

/* ---- which nodes ------------------------------------------------------------------------------ */

static int binary_kind(const pith_node *node)
{
    static const char *const names[] = { [PITH_VBINARY_ADD] = "add", [PITH_VBINARY_SUB] = "sub",
                                         [PITH_VBINARY_MUL] = "mul", [PITH_VBINARY_DIV] = "div",
                                         [PITH_VBINARY_MIN] = "min", [PITH_VBINARY_MAX] = "max",
                                         [PITH_VBINARY_PRELU] = "prelu" };
    for (int i = 0; node->n_inputs == 2 && i < PITH_COUNT(names); i++) {
        if (pithi_is(node, names[i])) {
            return i;
        }
    }
    return -1;
}

/* x to the power of 2, which pow computes as x x; the exponent may not give the result a higher rank. */
static bool is_square(const pith_node *node)
{
    const pith_tensor *exponent = pithi_is(node, "pow") ? pithi_constant_input(node, 1) : NULL;
    return exponent && exponent->dtype == PITH_DTYPE_F32 && pith_shape_elements(&exponent->shape) == 1 &&
           pithi_tensor_get_f64(exponent, 0) == 2.0 &&
           pith_shape_equal(&node->inputs[0]->shape, &node->outputs[0]->shape);
}

static bool as_unary(const pith_node *node, pith_activation *function)
{
    for (int i = 1; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            return false;
        }
    }
    return node->op->as_activation && node->op->as_activation(node->attrs, function);
}

/* The node's instructions; operands -1 stand for its inputs 0 and 1, others for what came before. 0: it can't take
 * part. */
typedef struct piece {
    int64_t words[2 * PITHI_REGION_WORDS];
    pith_activation functions[2];
    int n;
} piece;

static piece piece_of(const pith_node *node)
{
    piece p = { .n = 0 };
    const int kind = binary_kind(node);
    const pith_activation *behind = pithi_activation_of(node);
    if (as_unary(node, &p.functions[0])) {
        p = (piece){ { p.functions[0].kind, 0, -1 }, { p.functions[0] }, 1 };
    } else if (is_square(node)) {
        p = (piece){ .words = { PITHI_REGION_BINARY + PITH_VBINARY_MUL, 0, 0 }, .n = 1 };
    } else if (kind >= 0) {
        p = (piece){ .words = { PITHI_REGION_BINARY + kind, 0, 1 }, .n = 1 };
        if (behind && behind->kind != PITH_VUNARY_NONE) {
            p.words[PITHI_REGION_WORDS] = behind->kind;
            p.functions[1] = *behind;
            p.n = 2;
        }
    }
    return p;
}

static bool takes_part(const pith_node *node)
{
    const pith_value *y = node->n_outputs == 1 ? node->outputs[0] : NULL;
    bool fits = node->op && node->n_bodies == 0 && y && pithi_value_has_dims(y) && y->dtype == PITH_DTYPE_F32 &&
                pith_shape_elements(&y->shape) * (int64_t)sizeof(float) >= LEAST_BYTES;
    for (int i = 0; fits && i < node->n_inputs; i++) {
        const pith_value *x = node->inputs[i];
        fits = !x || (pithi_value_has_dims(x) && x->dtype == PITH_DTYPE_F32);
    }
    return fits && piece_of(node).n > 0;
}

/* ---- forming ---------------------------------------------------------------------------------- */

static int find_group(const former *f, int index)
{
    while (index != NO_REGION && f->groups[index].merged_into != NO_REGION) {
        index = f->groups[index].merged_into;
    }
    return index;
}

/* The group that makes input `i` of the node and may still grow. */
static int open_group_behind(const former *f, const pith_node *node, int i)
{
    const pith_node *producer = node->inputs[i] ? node->inputs[i]->producer : NULL;
    const int found = producer ? find_group(f, f->group_of[producer->index]) : NO_REGION;
    return found != NO_REGION && f->groups[found].is_open ? found : NO_REGION;
}

static bool can_unite(const group *a, const group *b)
{
    return pith_shape_equal(&a->shape, &b->shape) &&
           a->n_instructions + b->n_instructions <= PITHI_REGION_INSTRUCTIONS &&
           a->n_inputs + b->n_inputs <= PITHI_REGION_INPUTS + 1;
}

/* Open groups don't read each other, so their nodes may follow each other in any order. */
static void unite(former *f, int into, int other)
{
    group *a = &f->groups[into], *b = &f->groups[other];
    a->n_nodes += b->n_nodes;
    a->n_instructions += b->n_instructions;
    a->n_inputs += b->n_inputs;
    f->next_of[b->last] = a->first;
    a->first = b->first;
    b->merged_into = into;
}

/* A group of the node alone takes in the groups of what it reads; those it can't take in end before it. */
static void place(former *f, const pith_node *node)
{
    int own = NO_REGION, index = node->index;
    if (takes_part(node)) {
        own = f->n_groups++;
        f->groups[own] = (group){ node->outputs[0]->shape, 1, piece_of(node).n, node->n_inputs, index, index,
                                  NO_REGION, true };
        f->group_of[index] = own;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const int behind = open_group_behind(f, node, i);
        if (behind == NO_REGION) {
            continue;
        }
        if (own != NO_REGION && behind != own && can_unite(&f->groups[own], &f->groups[behind])) {
            unite(f, own, behind);
        }
        if (find_group(f, behind) == own) {
            f->groups[own].n_inputs--;
        } else {
            f->groups[behind].is_open = false;
        }
    }
}

/* ---- building --------------------------------------------------------------------------------- */

typedef struct builder {
    pith_graph *graph;
    pith_value *inputs[PITHI_REGION_INPUTS], *made[PITHI_REGION_INSTRUCTIONS], *outputs[PITHI_REGION_OUTPUTS];
    int n_inner[PITHI_REGION_INSTRUCTIONS]; /* uses of `made` by nodes of the region */
    int n_nodes, n_inputs, n_instructions, n_outputs;
    int64_t program[PITHI_REGION_INSTRUCTIONS * PITHI_REGION_WORDS], results[PITHI_REGION_OUTPUTS];
    float parameters[PITHI_REGION_INSTRUCTIONS * 2];
    pithi_text names;
} builder;

static int find_value(pith_value *const *values, int count, const pith_value *value)
{
    int i = 0;
    while (i < count && values[i] != value) {
        i++;
    }
    return i;
}

/* Instructions are numbered behind all the inputs there could be, for now. */
static int64_t operand_of(builder *b, pith_value *value)
{
    const int made = find_value(b->made, b->n_instructions, value);
    if (made < b->n_instructions) {
        return PITHI_REGION_INPUTS + made;
    }
    const int input = find_value(b->inputs, b->n_inputs, value);
    if (input == b->n_inputs) {
        b->inputs[b->n_inputs++] = value;
    }
    return input;
}

static void add_node(builder *b, const pith_node *node)
{
    const piece p = piece_of(node);
    for (int i = 0; i < node->n_inputs; i++) {
        const int made = find_value(b->made, b->n_instructions, node->inputs[i]);
        if (node->inputs[i] && made < b->n_instructions) {
            b->n_inner[made]++;
        }
    }
    int64_t *words = &b->program[b->n_instructions * PITHI_REGION_WORDS];
    words[0] = p.words[0];
    words[1] = operand_of(b, node->inputs[0]);
    words[2] = p.words[2] < 0 ? -1 : operand_of(b, node->inputs[p.words[2]]);
    if (p.n == 2) {
        words[3] = p.words[PITHI_REGION_WORDS];
        words[4] = PITHI_REGION_INPUTS + b->n_instructions;
        words[5] = -1;
    }
    for (int i = 0; i < p.n; i++) {
        b->parameters[2 * b->n_instructions] = p.functions[i].alpha;
        b->parameters[2 * b->n_instructions + 1] = p.functions[i].beta;
        b->made[b->n_instructions++] = i + 1 == p.n ? node->outputs[0] : NULL;
    }
    if (b->n_nodes < NAMED_NODES) {
        pithi_text_add(&b->names, "%s%s", b->n_nodes ? "+" : "", node->op->head.name);
    } else if (b->n_nodes == NAMED_NODES) {
        pithi_text_add(&b->names, "+...");
    }
    b->n_nodes++;
}

/* Values that others read as well become outputs behind that of the last node. */
static bool choose_outputs(builder *b)
{
    b->outputs[b->n_outputs++] = b->made[b->n_instructions - 1];
    for (int i = 0; i + 1 < b->n_instructions; i++) {
        if (b->made[i] && b->made[i]->n_uses > b->n_inner[i]) {
            if (b->n_outputs == PITHI_REGION_OUTPUTS) {
                return false;
            }
            b->results[b->n_outputs - 1] = i;
            b->outputs[b->n_outputs++] = b->made[i];
        }
    }
    for (int i = 0; i < b->n_instructions * PITHI_REGION_WORDS; i++) {
        const bool is_operand = i % PITHI_REGION_WORDS > 0;
        b->program[i] -= is_operand && b->program[i] >= PITHI_REGION_INPUTS ? PITHI_REGION_INPUTS - b->n_inputs : 0;
    }
    return true;
}

static pith_status set_attrs(builder *b, pith_node *node)
{
    pithi_arena *arena = &b->graph->arena;
    void *parameters = NULL, *outputs = NULL;
    pithi_region_attrs *attrs = node->attrs;
    const size_t n_parameters = 2 * (size_t)b->n_instructions;
    PITH_TRY(pithi_attr_set_ints(arena, node, "program", b->program, b->n_instructions * PITHI_REGION_WORDS));
    PITH_TRY(pithi_attr_set_ints(arena, node, "results", b->results, b->n_outputs - 1));
    PITH_TRY(pithi_arena_array(arena, n_parameters, sizeof(float), &parameters));
    memcpy(parameters, b->parameters, n_parameters * sizeof(float));
    attrs->parameters = (pith_floats){ parameters, (int)n_parameters };
    PITH_TRY(pithi_arena_array(arena, (size_t)b->n_outputs, sizeof(pith_value *), &outputs));
    memcpy(outputs, b->outputs, (size_t)b->n_outputs * sizeof(pith_value *));
    node->outputs = outputs;
    node->n_outputs = b->n_outputs;
    for (int i = 0; i < b->n_outputs; i++) {
        b->outputs[i]->producer = node;
    }
    return pithi_arena_text(arena, b->names.data, strlen(b->names.data), &node->source_op);
}

/* The last node becomes the region, the others go. */
static pith_status build(former *f, builder *b, const group *g)
{
    pith_node *last = f->nodes[g->last];
    for (int i = g->first; i != g->last; i = f->next_of[i]) {
        add_node(b, f->nodes[i]);
    }
    add_node(b, last);
    PITH_CHECK(f->graph->ctx, !b->names.failed, PITH_STATUS_NOMEM, "no memory for a name");
    if (!choose_outputs(b)) {
        return PITH_OK;
    }
    for (int i = g->first; i != g->last; i = f->next_of[i]) {
        pithi_graph_remove_node(f->graph, f->nodes[i]);
    }
    PITH_TRY(pithi_become(f->graph, last, "region", b->inputs, b->n_inputs));
    return set_attrs(b, last);
}

static pith_status build_all(former *f, int *n_changes)
{
    for (int i = 0; i < f->n_groups; i++) {
        if (f->groups[i].merged_into == NO_REGION && f->groups[i].n_nodes > 1) {
            builder b = { .graph = f->graph, .names = { .ctx = f->graph->ctx } };
            const pith_status status = build(f, &b, &f->groups[i]);
            pithi_text_deinit(&b.names);
            PITH_TRY(status);
            ++*n_changes;
        }
    }
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_arena memory = { .ctx = graph->ctx };
    void *groups = NULL, *nodes = NULL, *group_of = NULL, *next_of = NULL;
    pith_status status = PITH_OK;
    const size_t n = (size_t)graph->n_nodes;
    former f = { .graph = graph };
    pithi_graph_count_uses(graph);
    PITH_TRY_GOTO(pithi_arena_array(&memory, n, sizeof(group), &groups), done);
    PITH_TRY_GOTO(pithi_arena_array(&memory, n, sizeof(pith_node *), &nodes), done);
    PITH_TRY_GOTO(pithi_arena_array(&memory, n, sizeof(int), &group_of), done);
    PITH_TRY_GOTO(pithi_arena_array(&memory, n, sizeof(int), &next_of), done);
    f.groups = groups;
    f.next_of = next_of;
    f.nodes = nodes;
    f.group_of = group_of;
    for (pith_node *node = graph->first; node; node = node->next) {
        if (node->n_bodies > 0) {
            goto done; /* it may read any value */
        }
        node->index = f.n_nodes;
        f.group_of[f.n_nodes] = NO_REGION;
        f.nodes[f.n_nodes++] = node;
        place(&f, node);
    }
    status = build_all(&f, n_changes);
done:
    pithi_arena_deinit(&memory);
    return status;
}

const pith_pass pithi_pass_fuse_region = {
    .name = "fuse_region",
    .stages = PITH_STAGE_SHAPE,
    .help = "runs elementwise functions that follow each other on tiles that stay in the cache",
    .run = run,
};
