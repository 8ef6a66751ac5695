/* SPDX-License-Identifier: Apache-2.0 */
/* SequenceMap: the body is a template, run once per item. Its outputs are copied into the heap of the run, since its
 * own memory is overwritten by its next run. */
#include "exec/internal.h"
#include "graph/object.h"

typedef struct mapper {
    pith_session *session;
    const pithi_control *control;
    const pith_tensor **inputs;   /* of the node */
    pith_tensor *body_inputs, *body_outputs;
    pith_tensor **results;        /* by node output: items of the sequence to be */
    size_t n_items;
} mapper;

static const pith_object *sequence_of(const pith_tensor *value)
{
    const pith_object *object = pith_object_of(value);
    return object && object->type->kind == PITH_KIND_SEQUENCE ? object : NULL;
}

static pith_status setup(mapper *m, const pith_tensor *available)
{
    const pithi_control *control = m->control;
    const pith_node *node = control->node;
    const pith_graph *body = control->body->graph;
    pith_ctx *ctx = m->session->ctx;
    pithi_arena *heap = &m->session->heap;
    void *inputs = NULL, *body_inputs = NULL, *body_outputs = NULL, *results = NULL;
    PITH_CHECK(ctx, (int)body->n_inputs == node->n_inputs + control->n_captured &&
                        body->n_outputs >= (size_t)node->n_outputs,
               PITH_STATUS_FORMAT, "the body has %zu inputs and %zu outputs, its node calls for %d and %d",
               body->n_inputs - (size_t)control->n_captured, body->n_outputs, node->n_inputs, node->n_outputs);
    PITH_TRY(pithi_arena_array(heap, (size_t)node->n_inputs, sizeof(pith_tensor *), &inputs));
    PITH_TRY(pithi_arena_array(heap, body->n_inputs, sizeof(pith_tensor), &body_inputs));
    PITH_TRY(pithi_arena_array(heap, body->n_outputs, sizeof(pith_tensor), &body_outputs));
    PITH_TRY(pithi_arena_array(heap, (size_t)node->n_outputs, sizeof(pith_tensor *), &results));
    m->inputs = inputs;
    m->body_inputs = body_inputs;
    m->body_outputs = body_outputs;
    m->results = results;
    for (int i = 0; i < node->n_inputs; i++) {
        int number = control->inputs[i];
        m->inputs[i] = number >= 0 ? &available[number] : node->inputs[i] ? node->inputs[i]->constant : NULL;
        PITH_CHECK(ctx, m->inputs[i], PITH_STATUS_FORMAT, "input %d is missing", i);
    }
    for (int i = 0; i < control->n_captured; i++) {
        m->body_inputs[node->n_inputs + i] = available[control->captured[i]];
    }
    PITH_CHECK(ctx, sequence_of(m->inputs[0]), PITH_STATUS_DTYPE, "input 0 must be a sequence");
    m->n_items = sequence_of(m->inputs[0])->n_items;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_object *sequence = sequence_of(m->inputs[i]);
        PITH_CHECK(ctx, !sequence || sequence->n_items == m->n_items, PITH_STATUS_SHAPE,
                   "input %d has %zu items, input 0 has %zu", i, sequence->n_items, m->n_items);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        void *items = NULL;
        PITH_TRY(pithi_arena_array(heap, m->n_items + !m->n_items, sizeof(pith_tensor), &items));
        m->results[i] = items;
    }
    return PITH_OK;
}

/* The bytes of the value; what they point to is in the heap already. */
static pith_status keep(pithi_arena *heap, const pith_tensor *from, pith_tensor *copy)
{
    size_t n_bytes = pith_tensor_bytes(from);
    *copy = *from;
    PITH_TRY(pithi_arena_alloc(heap, n_bytes + !n_bytes, &copy->data));
    if (n_bytes > 0) {
        memcpy(copy->data, from->data, n_bytes);
    }
    return PITH_OK;
}

static pith_status map_item(mapper *m, size_t index, int depth)
{
    const pith_node *node = m->control->node;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_object *sequence = sequence_of(m->inputs[i]);
        m->body_inputs[i] = sequence ? sequence->items[index] : *m->inputs[i];
    }
    PITH_TRY(pithi_session_count_iteration(m->session));
    PITH_TRY(pithi_session_run_template(m->session, m->control->body, m->body_inputs, depth, m->body_outputs));
    for (int i = 0; i < node->n_outputs; i++) {
        PITH_TRY(keep(&m->session->heap, &m->body_outputs[i], &m->results[i][index]));
    }
    return PITH_OK;
}

static pith_status finish(mapper *m, int index, pith_tensor *output)
{
    const pith_value *declared = m->control->body->graph->outputs[index];
    pithi_arena *heap = &m->session->heap;
    void *object = NULL, *handle = NULL, *type = NULL;
    const pith_tensor *items = m->results[index];
    pith_dtype dtype = m->n_items > 0 ? items[0].dtype : declared->dtype;
    const pith_type *element = dtype != PITH_DTYPE_OBJECT ? pith_type_tensor(dtype)
                               : m->n_items > 0           ? pith_object_of(&items[0])->type
                                                          : declared->type;
    PITH_CHECK(heap->ctx, element, PITH_STATUS_FORMAT, "the type of output %d of the body isn't known", index);
    for (size_t i = 1; i < m->n_items; i++) {
        PITH_CHECK(heap->ctx, items[i].dtype == dtype, PITH_STATUS_DTYPE, "output %d is %s for one item and %s before",
                   index, pith_dtype_name(items[i].dtype), pith_dtype_name(dtype));
    }
    PITH_TRY(pithi_arena_alloc(heap, sizeof(pith_object), &object));
    PITH_TRY(pithi_arena_alloc(heap, sizeof(pith_handle), &handle));
    PITH_TRY(pithi_arena_alloc(heap, sizeof(pith_type), &type));
    *(pith_type *)type = (pith_type){ PITH_KIND_SEQUENCE, PITH_DTYPE_NONE, NULL };
    PITH_TRY(pithi_type_copy(heap, element, &((pith_type *)type)->element));
    *(pith_object *)object = (pith_object){ .type = type, .n_items = m->n_items, .items = items };
    *(pith_handle *)handle = (pith_handle){ object, 0 };
    *output = pith_object_view(handle);
    return PITH_OK;
}

pith_status pithi_session_map_sequence(pith_session *session, const pithi_control *control,
                                       const pith_tensor *available, int depth, pith_tensor *outputs)
{
    mapper m = { .session = session, .control = control };
    PITH_TRY(setup(&m, available));
    for (size_t i = 0; i < m.n_items; i++) {
        PITH_TRY_AT(session->ctx, map_item(&m, i, depth), "item %zu", i);
    }
    for (int i = 0; i < control->node->n_outputs; i++) {
        PITH_TRY(finish(&m, i, &outputs[i]));
    }
    return PITH_OK;
}
