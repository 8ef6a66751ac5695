/* SPDX-License-Identifier: Apache-2.0 */
/* Loops: the body is a template like any other, run once per iteration. States and stacked results live in
 * blocks of the session, since the body's own memory is overwritten by its next run. */
#include "exec/internal.h"

#include "base/ctx.h"
#include "graph/attrs.h"
#include "ops/shared_control.h"
#include "pith_ops_list.h"

/* Results of all iterations, stacked along a new axis. */
typedef struct stack {
    pith_dtype dtype;
    pith_shape item;
    void *data;
    size_t capacity, n_bytes;
    int64_t n_items;
} stack;

typedef struct loop {
    pith_session *session;
    pith_ctx *ctx;
    const pithi_control *control;
    int depth;
    int first_state;      /* of the node's inputs */
    int n_states, n_stacks;
    int first_out;        /* of the body's outputs: states, then stacked results */
    pith_tensor *inputs;  /* of the body; captured values last */
    pith_tensor *outputs; /* of the body */
    int n_inputs;
    pith_tensor *states;  /* owned copies */
    pith_tensor *fresh;   /* owned, while they replace the states */
    stack *stacks;
} loop;

static const pith_tensor *node_input(const loop *l, const pith_tensor *available, int index)
{
    const pith_node *node = l->control->node;
    if (index >= node->n_inputs || !node->inputs[index]) {
        return NULL;
    }
    int number = l->control->inputs[index];
    return number >= 0 ? &available[number] : node->inputs[index]->constant;
}

static pith_status copy_state(loop *l, const pith_tensor *from, pith_tensor *copy)
{
    size_t n_bytes = pith_tensor_bytes(from);
    void *data = NULL;
    PITH_TRY(pithi_alloc(l->ctx, n_bytes, &data));
    if (n_bytes) {
        memcpy(data, from->data, n_bytes);
    }
    *copy = *from;
    copy->data = data;
    return PITH_OK;
}

/* What the body returns may be views of its inputs, the states: all are copied before one is freed. */
static pith_status replace_states(loop *l)
{
    for (int i = 0; i < l->n_states; i++) {
        PITH_TRY(copy_state(l, &l->outputs[l->first_out + i], &l->fresh[i]));
    }
    for (int i = 0; i < l->n_states; i++) {
        pithi_free(l->ctx, l->states[i].data);
        l->states[i] = l->fresh[i];
        l->fresh[i].data = NULL;
    }
    return PITH_OK;
}

static pith_status push(loop *l, stack *s, const pith_tensor *item)
{
    char now[PITHI_SHAPE_TEXT_BYTES], before[PITHI_SHAPE_TEXT_BYTES];
    size_t n_bytes = pith_tensor_bytes(item), needed = 0;
    PITH_CHECK(l->ctx, s->n_items == 0 || pith_shape_equal(&s->item, &item->shape), PITH_STATUS_SHAPE,
               "a stacked result of a loop has shape %s in one iteration and %s before",
               pithi_shape_text(&item->shape, now), pithi_shape_text(&s->item, before));
    PITH_CHECK(l->ctx, pithi_add_size(s->n_bytes, n_bytes, &needed), PITH_STATUS_LIMIT,
               "results of a loop overflow a size");
    PITH_TRY(pithi_grow(l->ctx, &s->data, &s->capacity, needed, 1));
    if (n_bytes) {
        memcpy((char *)s->data + s->n_bytes, item->data, n_bytes);
    }
    s->dtype = item->dtype;
    s->item = item->shape;
    s->n_bytes = needed;
    s->n_items++;
    return PITH_OK;
}

pith_status pithi_session_count_iteration(pith_session *session)
{
    const pith_limits *limits = &session->ctx->limits;
    PITH_CHECK(session->ctx, session->n_iterations++ < limits->max_iterations, PITH_STATUS_LIMIT,
               "the loops of one run have more than %llu iterations; pith_limits.max_iterations (--max-iterations) "
               "raises the ceiling", (unsigned long long)limits->max_iterations);
    PITH_CHECK(session->ctx, !session->deadline_ns || pithi_clock_ns() <= session->deadline_ns, PITH_STATUS_LIMIT,
               "the run took longer than %llu ms; pith_limits.max_run_ms (--max-time) raises the ceiling",
               (unsigned long long)limits->max_run_ms);
    return PITH_OK;
}

/* `goes_on`: the condition that a Loop's body returns; NULL for Scan. */
static pith_status iterate(loop *l, uint8_t *goes_on)
{
    PITH_TRY(pithi_session_count_iteration(l->session));
    PITH_TRY(pithi_session_run_template(l->session, l->control->body, l->inputs, l->depth, l->outputs));
    for (int i = 0; i < l->n_stacks; i++) {
        PITH_TRY(push(l, &l->stacks[i], &l->outputs[l->first_out + l->n_states + i]));
    }
    if (goes_on) {
        *goes_on = pithi_tensor_get_s64(&l->outputs[0], 0) != 0;
    }
    return replace_states(l);
}

/* ---- ONNX Loop ---------------------------------------------------------------------------- */

static pith_status run_loop(loop *l, const pith_tensor *available)
{
    const pith_tensor *trip_count = node_input(l, available, 0), *start = node_input(l, available, 1);
    int64_t n_most = trip_count ? pithi_tensor_get_s64(trip_count, 0) : INT64_MAX;
    int64_t iteration = 0;
    uint8_t goes_on = start ? pithi_tensor_get_s64(start, 0) != 0 : 1;
    l->inputs[0] = (pith_tensor){ .dtype = PITH_DTYPE_S64, .data = &iteration };
    l->inputs[1] = (pith_tensor){ .dtype = PITH_DTYPE_BOOL, .data = &goes_on };
    for (int i = 0; i < 2; i++) { /* a file may declare [1] instead of a scalar */
        const pith_value *declared = l->control->body->graph->inputs[i];
        bool is_vector = declared->has_shape && declared->shape.rank == 1;
        l->inputs[i].shape = is_vector ? (pith_shape){ 1, { 1 } } : (pith_shape){ 0 };
    }
    for (; iteration < n_most && goes_on; iteration++) {
        memcpy(l->inputs + 2, l->states, (size_t)l->n_states * sizeof *l->states);
        PITH_TRY_AT(l->ctx, iterate(l, &goes_on), "iteration %lld", (long long)iteration);
    }
    return PITH_OK;
}

/* ---- ONNX Scan ---------------------------------------------------------------------------- */

static int64_t list_item(pith_ints list, int index)
{
    return index < list.n_items ? list.items[index] : 0;
}

static int normal_axis(int64_t axis, int rank)
{
    return (int)(axis < 0 ? axis + rank : axis);
}

/* Elements in front of and behind an axis. */
static void around_axis(const pith_shape *shape, int axis, size_t *outer_out, size_t *inner_out)
{
    *outer_out = *inner_out = 1;
    for (int i = 0; i < shape->rank; i++) {
        if (i < axis) {
            *outer_out *= (size_t)shape->dims[i];
        } else if (i > axis) {
            *inner_out *= (size_t)shape->dims[i];
        }
    }
}

/* Copies slice `index` along `axis` into the dense block of `slice` (or, to_whole, the other way round). */
static void copy_slice(pith_tensor *whole, int axis, int64_t index, pith_tensor *slice, bool to_whole)
{
    size_t outer, inner;
    around_axis(&whole->shape, axis, &outer, &inner);
    for (size_t i = 0; i < outer; i++) {
        int64_t in_whole = (int64_t)((i * (size_t)whole->shape.dims[axis] + (size_t)index) * inner);
        int64_t in_slice = (int64_t)(i * inner);
        if (to_whole) {
            pithi_tensor_copy_elements(whole, in_whole, slice, in_slice, (int64_t)inner);
        } else {
            pithi_tensor_copy_elements(slice, in_slice, whole, in_whole, (int64_t)inner);
        }
    }
}

static pith_status make_slice(loop *l, const pith_tensor *whole, int axis, pith_tensor *slice)
{
    *slice = (pith_tensor){ .dtype = whole->dtype };
    for (int i = 0; i < whole->shape.rank; i++) {
        if (i != axis) {
            slice->shape.dims[slice->shape.rank++] = whole->shape.dims[i];
        }
    }
    return pithi_session_keep(l->session, pith_tensor_bytes(slice), &slice->data);
}

static pith_status run_scan(loop *l, const pith_tensor *available)
{
    const pith_node *node = l->control->node;
    pith_ints axes = pithi_attr_ints(node, "scan_input_axes");
    pith_ints directions = pithi_attr_ints(node, "scan_input_directions");
    int n_scanned = node->n_inputs - l->n_states;
    int64_t n_iterations = -1;
    for (int i = 0; i < n_scanned; i++) {
        const pith_tensor *whole = node_input(l, available, l->n_states + i);
        int64_t axis = whole ? normal_axis(list_item(axes, i), whole->shape.rank) : -1;
        PITH_CHECK(l->ctx, whole && axis >= 0 && axis < whole->shape.rank, PITH_STATUS_SHAPE,
                   "scan input %d: axis %lld is out of range or the input is missing", i,
                   (long long)list_item(axes, i));
        PITH_CHECK(l->ctx, n_iterations < 0 || n_iterations == whole->shape.dims[axis], PITH_STATUS_SHAPE,
                   "scan inputs have %lld and %lld slices", (long long)n_iterations,
                   (long long)whole->shape.dims[axis]);
        n_iterations = whole->shape.dims[axis];
        PITH_TRY(make_slice(l, whole, (int)axis, &l->inputs[l->n_states + i]));
    }
    for (int64_t iteration = 0; iteration < n_iterations; iteration++) {
        memcpy(l->inputs, l->states, (size_t)l->n_states * sizeof *l->states);
        for (int i = 0; i < n_scanned; i++) {
            pith_tensor whole = *node_input(l, available, l->n_states + i);
            int64_t from = list_item(directions, i) ? n_iterations - 1 - iteration : iteration;
            copy_slice(&whole, normal_axis(list_item(axes, i), whole.shape.rank), from, &l->inputs[l->n_states + i],
                       false);
        }
        PITH_TRY_AT(l->ctx, iterate(l, NULL), "iteration %lld", (long long)iteration);
    }
    return PITH_OK;
}

/* ---- results ------------------------------------------------------------------------------ */

static pith_status keep_copy(loop *l, const pith_tensor *from, pith_tensor *to)
{
    *to = *from;
    size_t n_bytes = pith_tensor_bytes(from);
    PITH_TRY(pithi_session_keep(l->session, n_bytes, &to->data));
    if (n_bytes) {
        memcpy(to->data, from->data, n_bytes);
    }
    return PITH_OK;
}

/* A stack that never got an item has the body's declared dtype and shape, unknown dimensions 0. */
static void describe_empty(const loop *l, int index, stack *s)
{
    const pith_value *declared = l->control->body->graph->outputs[l->first_out + l->n_states + index];
    s->dtype = declared->dtype != PITH_DTYPE_NONE ? declared->dtype : PITH_DTYPE_F32;
    s->item = declared->has_shape ? declared->shape : (pith_shape){ 0 };
    for (int i = 0; i < s->item.rank; i++) {
        s->item.dims[i] = s->item.dims[i] > 0 ? s->item.dims[i] : 0;
    }
}

static pith_status finish_stack(loop *l, int index, pith_tensor *output)
{
    const pith_node *node = l->control->node;
    stack *s = &l->stacks[index];
    bool is_scan = node->op == &pith_op_scan;
    if (s->n_items == 0) {
        describe_empty(l, index, s);
    }
    int rank = s->item.rank + 1;
    int64_t wanted = is_scan ? list_item(pithi_attr_ints(node, "scan_output_axes"), index) : 0;
    int axis = normal_axis(wanted, rank);
    bool backwards = is_scan && list_item(pithi_attr_ints(node, "scan_output_directions"), index) != 0;
    PITH_CHECK(l->ctx, rank <= PITH_MAX_RANK && axis >= 0 && axis < rank, PITH_STATUS_SHAPE,
               "stacked result %d: axis %lld is out of range for rank %d", index, (long long)wanted, rank);
    *output = (pith_tensor){ .dtype = s->dtype, .shape = { .rank = rank } };
    for (int i = 0; i < rank; i++) {
        output->shape.dims[i] = i == axis ? s->n_items : s->item.dims[i < axis ? i : i - 1];
    }
    PITH_TRY(pithi_shape_check(l->ctx, &output->shape, output->dtype, NULL));
    PITH_TRY(pithi_session_keep(l->session, pith_tensor_bytes(output), &output->data));
    size_t item_bytes = s->n_items ? s->n_bytes / (size_t)s->n_items : 0;
    for (int64_t i = 0; i < s->n_items && item_bytes; i++) {
        pith_tensor item = { s->dtype, s->item, (char *)s->data + (size_t)i * item_bytes };
        copy_slice(output, axis, backwards ? s->n_items - 1 - i : i, &item, true);
    }
    return PITH_OK;
}

/* ---- entry -------------------------------------------------------------------------------- */

static pith_status setup(loop *l, const pith_tensor *available)
{
    const pith_graph *body = l->control->body->graph;
    const pith_node *node = l->control->node;
    void *inputs = NULL, *outputs = NULL, *states = NULL, *fresh = NULL, *stacks = NULL;
    int n_own = (int)body->n_inputs - l->control->n_captured;
    bool is_loop = node->op == &pith_op_loop;
    l->n_inputs = (int)body->n_inputs;
    PITH_CHECK(l->ctx, l->n_states >= 0 && n_own == (is_loop ? 2 + l->n_states : node->n_inputs), PITH_STATUS_FORMAT,
               "the body has %d inputs, its node calls for %d", n_own, is_loop ? 2 + l->n_states : node->n_inputs);
    l->n_stacks = (int)body->n_outputs - l->first_out - l->n_states;
    PITH_CHECK(l->ctx, l->n_stacks >= 0 && node->n_outputs <= l->n_states + l->n_stacks, PITH_STATUS_FORMAT,
               "the body has %zu outputs, too few for its node", body->n_outputs);
    PITH_TRY(pithi_session_keep(l->session, body->n_inputs * sizeof(pith_tensor), &inputs));
    PITH_TRY(pithi_session_keep(l->session, body->n_outputs * sizeof(pith_tensor), &outputs));
    PITH_TRY(pithi_session_keep(l->session, (size_t)l->n_states * sizeof(pith_tensor), &states));
    PITH_TRY(pithi_session_keep(l->session, (size_t)l->n_states * sizeof(pith_tensor), &fresh));
    PITH_TRY(pithi_session_keep(l->session, (size_t)l->n_stacks * sizeof(stack), &stacks));
    l->inputs = inputs;
    l->outputs = outputs;
    l->states = states;
    l->fresh = fresh;
    l->stacks = stacks;
    for (int i = 0; i < l->n_states; i++) {
        const pith_tensor *initial = node_input(l, available, l->first_state + i);
        PITH_CHECK(l->ctx, initial, PITH_STATUS_FORMAT, "initial state %d is missing", i);
        PITH_TRY(copy_state(l, initial, &l->states[i]));
    }
    for (int i = 0; i < l->control->n_captured; i++) {
        l->inputs[n_own + i] = available[l->control->captured[i]];
    }
    return PITH_OK;
}

static pith_status run_and_collect(loop *l, const pith_tensor *available, pith_tensor *outputs)
{
    const pith_node *node = l->control->node;
    PITH_TRY(setup(l, available));
    PITH_TRY(node->op == &pith_op_loop ? run_loop(l, available) : run_scan(l, available));
    for (int i = 0; i < node->n_outputs; i++) {
        if (i < l->n_states) {
            PITH_TRY(keep_copy(l, &l->states[i], &outputs[i]));
        } else {
            PITH_TRY(finish_stack(l, i - l->n_states, &outputs[i]));
        }
    }
    return PITH_OK;
}

pith_status pithi_session_run_control(pith_session *session, const pithi_control *control,
                                      const pith_tensor *available, int depth, pith_tensor *outputs)
{
    const pith_node *node = control->node;
    if (node->op == &pith_op_sequence_map) {
        PITH_TRY_AT(session->ctx, pithi_session_map_sequence(session, control, available, depth, outputs),
                    "node '%s' (%s)", node->name, node->op->head.name);
        return PITH_OK;
    }
    bool is_loop = node->op == &pith_op_loop;
    PITH_CHECK(session->ctx, is_loop || node->op == &pith_op_scan, PITH_STATUS_INTERNAL,
               "operator %s can't be executed as control flow", node->op->head.name);
    int64_t n_other = is_loop ? 2 : pithi_attr_int(node, "num_scan_inputs"); /* inputs that aren't states */
    if (!is_loop) {
        PITH_TRY_AT(session->ctx, pithi_control_check_scans(session->ctx, n_other, node->n_inputs),
                    "node '%s' (%s)", node->name, node->op->head.name);
    }
    loop l = { .session = session, .ctx = session->ctx, .control = control, .depth = depth,
               .first_state = is_loop ? 2 : 0, .first_out = is_loop ? 1 : 0,
               .n_states = node->n_inputs - (int)n_other };
    l.n_states = is_loop && node->n_inputs < 2 ? 0 : l.n_states;
    pith_status status = run_and_collect(&l, available, outputs);
    if (status != PITH_OK) {
        pithi_add_place(session->ctx, "node '%s' (%s)", node->name, node->op->head.name);
    }
    for (int i = 0; i < l.n_states && l.fresh; i++) {
        pithi_free(session->ctx, l.states[i].data);
        pithi_free(session->ctx, l.fresh[i].data);
    }
    for (int i = 0; i < l.n_stacks && l.stacks; i++) {
        pithi_free(session->ctx, l.stacks[i].data);
    }
    return status;
}
