/* SPDX-License-Identifier: Apache-2.0 */
/* Concatenations and splits without copies: pieces that lie within the whole, as windows of its rows
 * (docs/memory.md). Concatenations are looked at from the last one on, so that of nested ones the outermost is the
 * whole; then splits from the first one on. */
#include "plan/plan.h"

/* Where so much has been written since a piece was made, it is in no cache any more. A copy then reads it faster than
 * kernels do (U-Net was 8 % slower without), and the whole would take memory all that time. */
#define FAR_BYTES ((size_t)8 << 20)

/* Uses of values, as lists. */
typedef struct use {
    const pith_node *node;
    int operand, next; /* next: index of a use, -1 at the end */
} use;

typedef struct finder {
    const pith_graph *graph;
    pithi_window *windows; /* by value index */
    int *first_use;        /* by value index */
    use *uses;
    size_t *written;       /* by node index: bytes of all results in front of the node's */
} finder;

size_t pithi_plan_bytes(const pith_value *value)
{
    pith_tensor tensor = { .dtype = value->dtype, .shape = value->shape };
    return pith_tensor_bytes(&tensor);
}

/* Uses, and what is written. */
static pith_status list_uses(finder *f, pithi_arena *arena)
{
    void *first = NULL, *uses = NULL, *written = NULL;
    size_t n_uses = 0;
    for (const pith_node *node = f->graph->first; node; node = node->next) {
        n_uses += (size_t)node->n_inputs;
    }
    PITH_CHECK(arena->ctx, n_uses < INT32_MAX, PITH_STATUS_LIMIT, "too many operands");
    PITH_TRY(pithi_arena_array(arena, f->graph->n_values, sizeof(int), &first));
    PITH_TRY(pithi_arena_array(arena, n_uses, sizeof(use), &uses));
    PITH_TRY(pithi_arena_array(arena, (size_t)f->graph->n_nodes, sizeof(size_t), &written));
    f->written = written;
    f->first_use = first;
    f->uses = uses;
    memset(first, 0xff, f->graph->n_values * sizeof(int));
    n_uses = 0;
    size_t n_bytes = 0;
    for (const pith_node *node = f->graph->first; node; node = node->next) {
        f->written[node->index] = n_bytes;
        for (int i = 0; i < node->n_outputs; i++) {
            n_bytes += node->outputs[i] && !pithi_plan_viewed(node) ? pithi_plan_bytes(node->outputs[i]) : 0;
        }
        for (int i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i]) {
                int *head = &f->first_use[node->inputs[i]->index];
                f->uses[n_uses] = (use){ node, i, *head };
                *head = (int)n_uses++;
            }
        }
    }
    return PITH_OK;
}

pith_value *pithi_plan_viewed(const pith_node *node)
{
    return node && (node->op->flags & PITH_OP_VIEW) ? node->inputs[0] : NULL;
}

pith_value *pithi_plan_whole(const pith_node *node, pith_value *const **pieces_out, int *n_pieces_out)
{
    bool joins = (node->op->flags & PITH_OP_JOIN) != 0;
    *pieces_out = joins ? node->inputs : node->outputs;
    *n_pieces_out = joins ? node->n_inputs : node->n_outputs;
    return joins ? node->outputs[0] : node->inputs[0];
}

static int64_t last_dim(const pith_value *value)
{
    return value->shape.rank > 0 ? value->shape.dims[value->shape.rank - 1] : 1;
}

bool pithi_plan_piece(const pith_node *node, int index, pith_span *span, int64_t *first, int64_t *stride)
{
    pith_value *const *pieces;
    int n_pieces;
    int64_t row = 1, outer = 1;
    const pith_value *whole = pithi_plan_whole(node, &pieces, &n_pieces);
    if (!node->op->piece(node, index, span) || !pieces[index]) {
        return false;
    }
    const pith_shape *shape = &whole->shape;
    for (int i = 0; i < span->axis; i++) {
        outer *= shape->dims[i];
    }
    bool is_last = span->axis == shape->rank - 1;
    for (int i = span->axis + 1; i < shape->rank; i++) {
        row *= shape->dims[i];
    }
    if (!(is_last || outer == 1) || pith_shape_elements(&pieces[index]->shape) == 0) {
        return false;
    }
    int64_t whole_stride = *stride ? *stride : last_dim(whole);
    *first += is_last ? span->begin : span->begin * (row / last_dim(whole)) * whole_stride;
    *stride = *stride || outer > 1 ? whole_stride : 0;
    return true;
}

/* ---- who takes windows -------------------------------------------------------------------- */

static bool takes(const pith_node *node, int operand)
{
    return node->op->takes_window && node->op->takes_window(node, operand);
}

/* Everyone who reads the value, or a view of it, takes rows that are `stride` apart. */
static bool readers_take(const finder *f, const pith_value *value)
{
    if (pithi_graph_is_output(f->graph, value)) {
        return false;
    }
    for (int i = f->first_use[value->index]; i >= 0; i = f->uses[i].next) {
        const use *u = &f->uses[i];
        const bool is_view = pithi_plan_viewed(u->node) == value && u->operand == 0;
        const bool is_taken = is_view ? u->node->n_outputs == 1 && last_dim(u->node->outputs[0]) == last_dim(value) &&
                                            readers_take(f, u->node->outputs[0])
                                      : takes(u->node, u->operand);
        if (!is_taken) {
            return false;
        }
    }
    return true;
}

/* The node that makes `value`, or what it is a view of; NULL if there is none, or other views than those of whole rows
 * (where rows are apart) stand between. Its output in *base. */
static const pith_node *maker_of(const pith_value *value, bool is_dense, const pith_value **base)
{
    const pith_node *node = value->producer;
    while (node && (node->op->flags & PITH_OP_VIEW)) {
        const pith_value *viewed = node->inputs[0];
        if (!is_dense && (node->n_outputs > 1 || last_dim(viewed) != last_dim(value))) {
            return NULL;
        }
        value = viewed;
        node = value->producer;
    }
    *base = value;
    return node;
}

static int output_index(const pith_node *node, const pith_value *value)
{
    int i = 0;
    while (node->outputs[i] != value) {
        i++;
    }
    return node->n_inputs + i;
}

/* ---- joins -------------------------------------------------------------------------------- */

static bool can_lie_in(const finder *f, const pith_node *node, const pith_value *piece, int64_t stride,
                       const pith_value **base)
{
    const pith_node *maker = piece->constant ? NULL : maker_of(piece, stride == 0, base);
    pith_span span = { 0 };
    if (!maker || f->written[node->index] - f->written[maker->index] > FAR_BYTES || (*base)->constant ||
        f->windows[(*base)->index].whole || pithi_graph_is_output(f->graph, *base)) {
        return false;
    }
    int output = output_index(maker, *base);
    bool is_cut = maker->op->piece && !(maker->op->flags & PITH_OP_JOIN) &&
                  maker->op->piece(maker, output - maker->n_inputs, &span);
    return !is_cut && (stride == 0 || (takes(maker, output) && readers_take(f, *base)));
}

static void join(const finder *f, const pith_node *node)
{
    pith_value *const *pieces;
    int n_pieces;
    const pith_value *whole = pithi_plan_whole(node, &pieces, &n_pieces), *base = NULL;
    const pithi_window *outer = &f->windows[whole->index];
    pith_span span = { 0 };
    for (int i = 0; i < n_pieces; i++) {
        pithi_window window = { outer->whole ? outer->whole : whole, outer->first, outer->stride };
        if (pithi_plan_piece(node, i, &span, &window.first, &window.stride) &&
            can_lie_in(f, node, pieces[i], window.stride, &base)) {
            f->windows[base->index] = window;
        }
    }
}

/* ---- cuts --------------------------------------------------------------------------------- */

static void cut(const finder *f, const pith_node *node)
{
    pith_value *const *pieces;
    int n_pieces;
    const pith_value *whole = pithi_plan_whole(node, &pieces, &n_pieces), *base = NULL;
    if (whole->constant || !maker_of(whole, true, &base) || base->constant) {
        return; /* not in the arena */
    }
    const pithi_window *outer = &f->windows[base->index];
    pith_span span = { 0 };
    for (int i = 0; i < n_pieces; i++) {
        pithi_window window = { outer->whole ? outer->whole : base, outer->first, outer->stride };
        if (pithi_plan_piece(node, i, &span, &window.first, &window.stride) && !f->windows[pieces[i]->index].whole &&
            (window.stride == 0 ? !pithi_graph_is_output(f->graph, pieces[i]) : readers_take(f, pieces[i]))) {
            f->windows[pieces[i]->index] = window;
        }
    }
}

pith_status pithi_plan_windows(pith_graph *graph, pithi_arena *arena, pithi_window **windows_out)
{
    void *windows = NULL;
    finder f = { .graph = graph };
    PITH_TRY(pithi_arena_array(arena, graph->n_values, sizeof(pithi_window), &windows));
    *windows_out = f.windows = windows;
    PITH_TRY(list_uses(&f, arena));
    for (const pith_node *node = graph->last; node; node = node->previous) {
        if ((node->op->flags & PITH_OP_JOIN) && pithi_node_is_wanted(node)) {
            join(&f, node);
        }
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (node->op->piece && !(node->op->flags & PITH_OP_JOIN) && pithi_node_is_wanted(node)) {
            cut(&f, node);
        }
    }
    return PITH_OK;
}
