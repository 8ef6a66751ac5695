/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise nodes that read each other's results become one operator that works on tiles, so that what passes between
 * them stays in the first cache. A region stands where its last node stood: it grows along the list until a node that
 * is not of it reads one of its values. */
#include "kernels/vbinary_f32.h"
#include "kernels/vunary_f32.h"
#include "ops/region.h"
#include "ops/shared_reduce.h"
#include "passes/rewrite.h"

#define LEAST_BYTES ((int64_t)32 << 10) /* of a value: smaller ones stay in the first cache anyway */
#define NO_REGION (-1)
#define NAMED_NODES 6 /* of a region, in its name */
#define MOST_WORDS 8  /* instructions of a node */
#define THE_LAST (-2) /* as an operand: what the instruction before makes */

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

/* Operators with several operands, and what makes one result of two values; those with more go on from there. */
static const struct {
    const char *op;
    int function, most_inputs;
    bool takes_bool, makes_bool;
} functions[] = {
    { "add", PITHI_REGION_BINARY + PITH_VBINARY_ADD, 2, false, false },
    { "sub", PITHI_REGION_BINARY + PITH_VBINARY_SUB, 2, false, false },
    { "mul", PITHI_REGION_BINARY + PITH_VBINARY_MUL, 2, false, false },
    { "div", PITHI_REGION_BINARY + PITH_VBINARY_DIV, 2, false, false },
    { "prelu", PITHI_REGION_BINARY + PITH_VBINARY_PRELU, 2, false, false },
    { "min", PITHI_REGION_BINARY + PITH_VBINARY_MIN, MOST_WORDS, false, false },
    { "max", PITHI_REGION_BINARY + PITH_VBINARY_MAX, MOST_WORDS, false, false },
    { "sum", PITHI_REGION_BINARY + PITH_VBINARY_ADD, MOST_WORDS, false, false },
    { "mean", PITHI_REGION_BINARY + PITH_VBINARY_ADD, MOST_WORDS - 1, false, false },
    { "equal", PITHI_REGION_EQUAL, 2, false, true },
    { "less", PITHI_REGION_LESS, 2, false, true },
    { "less_or_equal", PITHI_REGION_LESS_OR_EQUAL, 2, false, true },
    { "greater", PITHI_REGION_GREATER, 2, false, true },
    { "greater_or_equal", PITHI_REGION_GREATER_OR_EQUAL, 2, false, true },
    { "and", PITHI_REGION_AND, 2, true, true },
    { "or", PITHI_REGION_OR, 2, true, true },
    { "xor", PITHI_REGION_XOR, 2, true, true },
};

static const pith_tensor *single_f32(const pith_node *node, int index)
{
    const pith_tensor *constant = pithi_constant_input(node, index);
    const bool is_single = constant && constant->dtype == PITH_DTYPE_F32 && pith_shape_elements(&constant->shape) == 1;
    return is_single ? constant : NULL;
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

/* The node's instructions, none: it can't take part. Operands count the node's inputs. */
typedef struct piece {
    int64_t words[MOST_WORDS][PITHI_REGION_WORDS];
    float parameters[MOST_WORDS][2];
    int n;
} piece;

static void put(piece *p, int64_t function, int64_t a, int64_t b, int64_t c)
{
    memcpy(p->words[p->n++], (int64_t[]){ function, a, b, c }, sizeof *p->words);
}

static void put_function(piece *p, const pith_activation *function, int64_t a)
{
    p->parameters[p->n][0] = function->alpha;
    p->parameters[p->n][1] = function->beta;
    put(p, function->kind, a, -1, -1);
}

static bool are_all(const pith_node *node, int first, pith_dtype dtype)
{
    bool fits = true;
    for (int i = first; fits && i < node->n_inputs; i++) {
        fits = !node->inputs[i] || node->inputs[i]->dtype == dtype;
    }
    return fits;
}

static void put_listed(piece *p, const pith_node *node)
{
    const pith_dtype result = node->outputs[0]->dtype;
    for (int i = 0; i < PITH_COUNT(functions); i++) {
        const int most = functions[i].most_inputs;
        if (!pithi_is(node, functions[i].op) || node->n_inputs < 2 || node->n_inputs > most ||
            !are_all(node, 0, functions[i].takes_bool ? PITH_DTYPE_BOOL : PITH_DTYPE_F32) ||
            (result == PITH_DTYPE_BOOL) != functions[i].makes_bool) {
            continue;
        }
        for (int k = 1; k < node->n_inputs; k++) {
            put(p, functions[i].function, k == 1 ? 0 : THE_LAST, k, -1);
        }
        if (pithi_is(node, "mean")) {
            p->parameters[p->n][0] = 1.0f / (float)node->n_inputs;
            put(p, PITHI_REGION_SCALE, THE_LAST, -1, -1);
        }
    }
}

/* The exponent may not give the result a higher rank. */
static void put_power(piece *p, const pith_node *node)
{
    const pith_tensor *exponent = single_f32(node, 1);
    if (!exponent || !pith_shape_equal(&node->inputs[0]->shape, &node->outputs[0]->shape) ||
        !are_all(node, 0, PITH_DTYPE_F32)) {
        return;
    }
    p->parameters[0][0] = (float)pithi_tensor_get_f64(exponent, 0);
    if (p->parameters[0][0] == 2.0f) {
        p->parameters[0][0] = 0.0f;
        put(p, PITHI_REGION_BINARY + PITH_VBINARY_MUL, 0, 0, -1);
    } else {
        put(p, PITHI_REGION_POWER, 0, -1, -1);
    }
}

static piece piece_of(const pith_node *node)
{
    piece p = { .n = 0 };
    pith_activation function = { 0 };
    const pith_dtype from = node->inputs[0]->dtype, to = node->outputs[0]->dtype;
    const pith_activation *behind = pithi_activation_of(node);
    if (from == PITH_DTYPE_F32 && as_unary(node, &function)) {
        put_function(&p, &function, 0);
        return p;
    }
    if (pithi_is(node, "pow")) {
        put_power(&p, node);
    } else if (pithi_is(node, "where") && from == PITH_DTYPE_BOOL && are_all(node, 1, PITH_DTYPE_F32)) {
        put(&p, PITHI_REGION_WHERE, 0, 1, 2);
    } else if (pithi_is(node, "not") || (pithi_is(node, "cast") && to == PITH_DTYPE_BOOL)) {
        put(&p, pithi_is(node, "not") ? PITHI_REGION_NOT : PITHI_REGION_TO_BOOL, 0, -1, -1);
    } else if (pithi_is(node, "cast") && from == PITH_DTYPE_BOOL) {
        put(&p, PITH_VUNARY_NONE, 0, -1, -1);
    } else if (pithi_is(node, "is_nan")) {
        put(&p, PITHI_REGION_EQUAL, 0, 0, -1);
        put(&p, PITHI_REGION_NOT, THE_LAST, -1, -1);
    } else if (pithi_is(node, "sign")) {
        put(&p, PITHI_REGION_SIGN, 0, -1, -1);
    } else {
        put_listed(&p, node);
    }
    if (p.n > 0 && behind && behind->kind != PITH_VUNARY_NONE) {
        put_function(&p, behind, THE_LAST);
    }
    return p;
}

static bool is_ours(const pith_value *value)
{
    return pithi_value_has_dims(value) && (value->dtype == PITH_DTYPE_F32 || value->dtype == PITH_DTYPE_BOOL);
}

static bool takes_part(const pith_node *node)
{
    const pith_value *y = node->n_outputs == 1 ? node->outputs[0] : NULL;
    bool fits = node->op && node->n_bodies == 0 && y && is_ours(y) && node->n_inputs > 0 && node->inputs[0] &&
                pith_shape_elements(&y->shape) * (int64_t)sizeof(float) >= LEAST_BYTES;
    for (int i = 0; fits && i < node->n_inputs; i++) {
        fits = !node->inputs[i] || is_ours(node->inputs[i]);
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

/* The group that makes the value and may still grow. Bodies' nodes are none of the graph's. */
static int open_group_behind(const former *f, const pith_value *value)
{
    const pith_node *producer = value ? value->producer : NULL;
    const bool is_known = producer && producer->index >= 0 && producer->index < f->n_nodes &&
                          f->nodes[producer->index] == producer;
    const int found = is_known ? find_group(f, f->group_of[producer->index]) : NO_REGION;
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

static void close_group(former *f, const pith_value *value)
{
    const int behind = open_group_behind(f, value);
    if (behind != NO_REGION) {
        f->groups[behind].is_open = false;
    }
}

/* What a body reads of the values around it has to be there before its node. */
static void close_captured(former *f, const pith_graph *body)
{
    for (const pith_node *node = body->first; node; node = node->next) {
        for (int i = 0; i < node->n_inputs; i++) {
            close_group(f, node->inputs[i]);
        }
        for (int i = 0; i < node->n_bodies; i++) {
            close_captured(f, node->bodies[i]);
        }
    }
    for (size_t i = 0; i < body->n_outputs; i++) {
        close_group(f, body->outputs[i]);
    }
}

/* The reduction over the last dimensions that the node is, or -1. */
static int reduction_of(const pith_node *node)
{
    static const char *const names[] = {
        [PITHI_REDUCE_SUM] = "reduce_sum", [PITHI_REDUCE_MEAN] = "reduce_mean",
        [PITHI_REDUCE_MAX] = "reduce_max", [PITHI_REDUCE_MIN] = "reduce_min",
        [PITHI_REDUCE_L1] = "reduce_l1",   [PITHI_REDUCE_L2] = "reduce_l2",
        [PITHI_REDUCE_SUM_SQUARE] = "reduce_sum_square", [PITHI_REDUCE_LOG_SUM] = "reduce_log_sum",
    };
    for (int i = 0; i < PITH_COUNT(names); i++) {
        if (names[i] && pithi_is(node, names[i])) {
            return i;
        }
    }
    return -1;
}

/* How many of the last dimensions the node reduces; 0: others, or too few or too many elements. */
static int count_reduced(const pith_node *node)
{
    const pith_value *x = node->inputs[0], *axes = pithi_node_input(node, 1);
    const pithi_reduce_attrs *attrs = node->attrs;
    if (!is_ours(x) || x->dtype != PITH_DTYPE_F32 || (axes && !axes->constant)) {
        return 0;
    }
    const uint32_t mask = pithi_reduce_mask(axes ? axes->constant : NULL, &x->shape, attrs->noop_with_empty_axes != 0);
    int n = 0;
    int64_t row = 1;
    while (n < x->shape.rank && mask >> (x->shape.rank - 1 - n) & 1u) {
        row *= x->shape.dims[x->shape.rank - 1 - n++];
    }
    const bool is_tail = mask == ((1u << n) - 1u) << (x->shape.rank - n);
    return is_tail && row >= PITHI_REGION_LEAST_ROW && row <= PITHI_REGION_MOST_ROW ? n : 0;
}

/* A reduction that alone reads what an open group makes last ends that group. */
static bool place_tail(former *f, const pith_node *node)
{
    const pith_value *x = reduction_of(node) >= 0 ? node->inputs[0] : NULL;
    const int behind = x && x->n_uses == 1 ? open_group_behind(f, x) : NO_REGION;
    group *g = behind != NO_REGION ? &f->groups[behind] : NULL;
    if (!g || f->nodes[g->last] != x->producer || g->n_inputs > PITHI_REGION_INPUTS || !pithi_node_result(node) ||
        count_reduced(node) == 0) {
        return false;
    }
    f->group_of[node->index] = behind;
    f->next_of[g->last] = node->index;
    g->last = node->index;
    g->n_nodes++;
    g->is_open = false;
    return true;
}

/* A group of the node alone takes in the groups of what it reads; those it can't take in end before it. */
static void place(former *f, const pith_node *node)
{
    int own = NO_REGION, index = node->index;
    if (place_tail(f, node)) {
        return;
    }
    if (takes_part(node)) {
        own = f->n_groups++;
        f->groups[own] = (group){ node->outputs[0]->shape, 1, piece_of(node).n, node->n_inputs, index, index,
                                  NO_REGION, true };
        f->group_of[index] = own;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const int behind = open_group_behind(f, node->inputs[i]);
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
    const pith_node *tail; /* a reduction behind the last instruction, or NULL */
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

static int64_t word_operand(builder *b, const pith_node *node, int64_t word)
{
    return word == THE_LAST ? PITHI_REGION_INPUTS + b->n_instructions - 1
           : word < 0       ? -1
                            : operand_of(b, node->inputs[word]);
}

static void add_node(builder *b, const pith_node *node)
{
    b->tail = reduction_of(node) >= 0 ? node : NULL;
    const piece p = b->tail ? (piece){ .n = 0 } : piece_of(node);
    for (int i = 0; i < node->n_inputs; i++) {
        const int made = find_value(b->made, b->n_instructions, node->inputs[i]);
        if (node->inputs[i] && made < b->n_instructions) {
            b->n_inner[made]++;
        }
    }
    for (int i = 0; i < p.n; i++) {
        int64_t *words = &b->program[b->n_instructions * PITHI_REGION_WORDS];
        words[0] = p.words[i][0];
        for (int k = 1; k < PITHI_REGION_WORDS; k++) {
            words[k] = word_operand(b, node, p.words[i][k]);
        }
        memcpy(&b->parameters[2 * b->n_instructions], p.parameters[i], sizeof p.parameters[i]);
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
    b->outputs[b->n_outputs++] = b->tail ? b->tail->outputs[0] : b->made[b->n_instructions - 1];
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

static int64_t keeps_dims(const pith_node *node) { return ((const pithi_reduce_attrs *)node->attrs)->keepdims; }

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
    const pithi_region_attrs tail = b->tail ? (pithi_region_attrs){ .reduce = reduction_of(last) + 1,
                                                                    .reduced = count_reduced(last),
                                                                    .keepdims = keeps_dims(last) }
                                            : (pithi_region_attrs){ 0 };
    PITH_TRY(pithi_become(f->graph, last, b->tail ? "region_reduce" : "region", b->inputs, b->n_inputs));
    *(pithi_region_attrs *)last->attrs = tail;
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
        for (int i = 0; i < node->n_bodies; i++) {
            close_captured(&f, node->bodies[i]);
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
