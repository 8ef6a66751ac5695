/* SPDX-License-Identifier: Apache-2.0 */
/* Concatenations and splits without copies: pieces that lie within the whole, as windows of its rows
 * (docs/memory.md). Concatenations are looked at from the last one on, so that of nested ones the outermost is the
 * whole; then splits from the first one on. */
#include "plan/plan.h"

/* Where so much has been written since a piece was made, it is in no cache any more. A copy then reads it faster than
 * kernels do (U-Net was 8 % slower without), and the whole would take memory all that time. Pieces in one stretch of
 * memory (strips of rows) are read as they would be alone. */
#define FAR_BYTES ((size_t)8 << 20)

/* What is known of a value. */
enum {
    VALUE_IS_OUTPUT = 1, /* of the graph */
    VALUE_IN_ROWS = 2,   /* no output, and everyone who reads it, or a view of it, takes rows that are apart */
};

typedef struct finder {
    const pith_graph *graph;
    pithi_window *windows; /* by value index */
    uint8_t *facts;        /* by value index */
    size_t *written;       /* by node index: bytes of all results in front of the node's */
} finder;

size_t pithi_plan_bytes(const pith_value *value)
{
    pith_tensor tensor = { .dtype = value->dtype, .shape = value->shape };
    return pith_tensor_bytes(&tensor);
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

static bool is_output(const finder *f, const pith_value *value)
{
    return f->facts[value->index] & VALUE_IS_OUTPUT;
}

static bool readers_take(const finder *f, const pith_value *value)
{
    return f->facts[value->index] & VALUE_IN_ROWS;
}

static bool reads_rows(const finder *f, const pith_node *node, int operand)
{
    const pith_value *value = node->inputs[operand], *view = node->outputs[0];
    if (operand > 0 || pithi_plan_viewed(node) != value) {
        return takes(node, operand);
    }
    return node->n_outputs == 1 && last_dim(view) == last_dim(value) && readers_take(f, view);
}

/* What is written, and facts: readers come after what they read, so from the last node on those of views are known. */
static pith_status note_facts(finder *f, pithi_arena *arena)
{
    const pith_graph *graph = f->graph;
    void *facts = NULL, *written = NULL;
    PITH_TRY(pithi_arena_array(arena, graph->n_values, 1, &facts));
    PITH_TRY(pithi_arena_array(arena, (size_t)graph->n_nodes, sizeof(size_t), &written));
    f->facts = facts;
    f->written = written;
    memset(facts, VALUE_IN_ROWS, graph->n_values);
    for (size_t i = 0; i < graph->n_outputs; i++) {
        f->facts[graph->outputs[i]->index] = VALUE_IS_OUTPUT;
    }
    size_t n_bytes = 0;
    for (const pith_node *node = graph->first; node; node = node->next) {
        f->written[node->index] = n_bytes;
        for (int i = 0; i < node->n_outputs; i++) {
            n_bytes += node->outputs[i] && !pithi_plan_viewed(node) ? pithi_plan_bytes(node->outputs[i]) : 0;
        }
    }
    for (const pith_node *node = graph->last; node; node = node->previous) {
        for (int i = 0; i < node->n_inputs && pithi_node_is_wanted(node); i++) {
            const pith_value *value = node->inputs[i];
            if (value && value->producer && readers_take(f, value) && !reads_rows(f, node, i)) {
                f->facts[value->index] = 0; /* is no output */
            }
        }
    }
    return PITH_OK;
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
    const bool is_far = maker && f->written[node->index] - f->written[maker->index] > FAR_BYTES && stride != 0;
    if (!maker || is_far || (*base)->constant ||
        f->windows[(*base)->index].whole || is_output(f, *base)) {
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
            (window.stride == 0 ? !is_output(f, pieces[i]) : readers_take(f, pieces[i]))) {
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
    PITH_TRY(note_facts(&f, arena));
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
