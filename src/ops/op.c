/* SPDX-License-Identifier: Apache-2.0 */
/* What the framework does with any operator record: find it, fill its attributes, check operands,
 * infer, cost, evaluate. */
#include <stdatomic.h>
#include <stdio.h>

#include "graph/object.h"
#include "ops/op.h"

#define PITH_OP(name) extern const pith_op pith_op_##name;
#include "pith_ops.inc"
#undef PITH_OP

static const pith_op *const ops[] = { /* the generator sorts by name */
#define PITH_OP(name) &pith_op_##name,
#include "pith_ops.inc"
#undef PITH_OP
};

int pithi_op_count(void) { return PITH_COUNT(ops); }
const pith_op *pithi_op_at(int index) { return ops[index]; }

/* Of the first operator whose name isn't before this one. */
static int place_of(const char *name)
{
    int begin = 0, end = PITH_COUNT(ops);
    while (begin < end) {
        const int middle = (begin + end) / 2;
        if (strcmp(ops[middle]->head.name, name) < 0) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

const pith_op *pithi_op_find(const char *name)
{
    const int place = place_of(name);
    return place < PITH_COUNT(ops) && pithi_same_text(ops[place]->head.name, name) ? ops[place] : NULL;
}

/* All spellings of a name are one operator's. Most operators have a name with the same first letter: these come first,
 * since each record that is looked at for the first time costs some misses of the cache. */
const pith_op *pithi_op_spelled(const char *format, const char *domain, const char *name, int64_t opset,
                                const pith_spelling **spelling_out, int *since_out)
{
    const pith_spelling *best = NULL;
    const char initial[2] = { (char)(*name | 0x20), '\0' };
    const pith_op *op = NULL;
    *since_out = 0;
    for (int i = 0, first = place_of(initial); i < PITH_COUNT(ops) && *since_out == 0; i++) {
        op = ops[(first + i) % PITH_COUNT(ops)];
        for (int k = 0; k < op->n_spellings; k++) {
            const pith_spelling *spelling = &op->spellings[k];
            if (!pithi_same_text(spelling->name, name) || !pithi_same_text(spelling->domain, domain) ||
                !pithi_same_text(spelling->format, format)) {
                continue;
            }
            if (*since_out == 0 || spelling->since < *since_out) {
                *since_out = spelling->since;
            }
            if (spelling->since <= opset && (!best || spelling->since > best->since)) {
                best = spelling;
            }
        }
    }
    *spelling_out = best;
    return best ? op : NULL;
}

/* ---- attributes --------------------------------------------------------------------------- */

static pith_status read_choice(pith_ctx *ctx, const pith_attr_spec *spec, const char *text, int64_t *index_out)
{
    for (int k = 0; spec->choices[k]; k++) {
        if (pithi_same_text(spec->choices[k], text)) {
            *index_out = k;
            return PITH_OK;
        }
    }
    PITH_FAIL(ctx, PITH_STATUS_UNSUPPORTED, "attribute '%s' is '%s', which is none of the known values ('%s', ...)",
              spec->name, text, spec->choices[0]);
}

static pith_status read_choices(pith_ctx *ctx, const pith_attr_spec *spec, const pith_source_attr *attr,
                                pithi_arena *arena, pith_ints *field)
{
    void *items = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)attr->n_items, sizeof *field->items, &items));
    for (int i = 0; i < attr->n_items; i++) {
        PITH_TRY(read_choice(ctx, spec, attr->strings[i], (int64_t *)items + i));
    }
    *field = (pith_ints){ items, attr->n_items };
    return PITH_OK;
}

static pith_status read_strings(const pith_source_attr *attr, pithi_arena *arena, pith_strings *field)
{
    void *items = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)attr->n_items, sizeof *field->items, &items));
    for (int i = 0; i < attr->n_items; i++) {
        ((pith_string *)items)[i] = (pith_string){ attr->strings[i], strlen(attr->strings[i]) };
    }
    *field = (pith_strings){ items, attr->n_items };
    return PITH_OK;
}

static pith_status read_attr(pith_ctx *ctx, const pith_attr_spec *spec, const pith_source_attr *attr,
                             pithi_arena *arena, void *field)
{
    static const pith_source_kind wanted[] = {
        [PITH_ATTR_KIND_INT] = PITH_SOURCE_INT,       [PITH_ATTR_KIND_FLOAT] = PITH_SOURCE_FLOAT,
        [PITH_ATTR_KIND_INTS] = PITH_SOURCE_INTS,     [PITH_ATTR_KIND_FLOATS] = PITH_SOURCE_FLOATS,
        [PITH_ATTR_KIND_CHOICE] = PITH_SOURCE_STRING, [PITH_ATTR_KIND_TENSOR] = PITH_SOURCE_TENSOR,
        [PITH_ATTR_KIND_CHOICES] = PITH_SOURCE_STRINGS, [PITH_ATTR_KIND_STRING] = PITH_SOURCE_STRING,
        [PITH_ATTR_KIND_STRINGS] = PITH_SOURCE_STRINGS, [PITH_ATTR_KIND_TYPE] = PITH_SOURCE_TYPE,
    };
    static const char *const kinds[] = { "an int", "a float", "a string", "a list of ints", "a list of floats",
                                         "a list of strings", "a tensor", "a graph", "a type", "something else" };
    PITH_CHECK(ctx, attr->kind == wanted[spec->kind], PITH_STATUS_FORMAT, "attribute '%s' must be %s, but is %s",
               spec->name, kinds[wanted[spec->kind]], kinds[attr->kind]);
    void *copy = NULL;
    switch (spec->kind) {
    case PITH_ATTR_KIND_INT: *(int64_t *)field = attr->i; return pithi_attr_check_int(ctx, spec, attr->i);
    case PITH_ATTR_KIND_FLOAT: *(float *)field = attr->f; break;
    case PITH_ATTR_KIND_CHOICE: return read_choice(ctx, spec, attr->s, field);
    case PITH_ATTR_KIND_CHOICES: return read_choices(ctx, spec, attr, arena, field);
    case PITH_ATTR_KIND_STRING: return pithi_arena_text(arena, attr->s, strlen(attr->s), field);
    case PITH_ATTR_KIND_STRINGS: return read_strings(attr, arena, field);
    case PITH_ATTR_KIND_TYPE: *(const pith_type **)field = attr->type; break;
    case PITH_ATTR_KIND_INTS: *(pith_ints *)field = (pith_ints){ attr->ints, attr->n_items }; break;
    case PITH_ATTR_KIND_FLOATS: *(pith_floats *)field = (pith_floats){ attr->floats, attr->n_items }; break;
    case PITH_ATTR_KIND_TENSOR:
        PITH_TRY(pithi_arena_alloc(arena, sizeof(pith_tensor), &copy));
        memcpy(copy, &attr->tensor, sizeof(pith_tensor));
        *(const pith_tensor **)field = copy;
        break;
    }
    return PITH_OK;
}

pith_status pithi_op_take_attrs(pith_ctx *ctx, const pith_op *op, bool all_required, pith_source *source, void *attrs)
{
    for (int i = 0; i < op->head.n_attrs; i++) {
        const pith_attr_spec *spec = &op->head.attrs[i];
        pith_source_attr *attr = NULL;
        for (int k = 0; k < source->n_attrs && !attr && !spec->is_own; k++) {
            attr = pithi_same_text(source->attrs[k].name, spec->name) && !source->attrs[k].is_used ? &source->attrs[k]
                                                                                                   : NULL;
        }
        if (attr) {
            attr->is_used = true;
            PITH_TRY(read_attr(ctx, spec, attr, &source->graph->arena, (char *)attrs + spec->offset));
        } else {
            PITH_CHECK(ctx, !spec->is_required || !all_required, PITH_STATUS_FORMAT, "attribute '%s' is missing",
                       spec->name);
        }
    }
    return PITH_OK;
}

pith_status pithi_op_read_attrs(pith_ctx *ctx, const pith_op *op, const pith_spelling *spelling,
                                pith_source *source, void *attrs)
{
    if (spelling->map) {
        PITH_TRY(spelling->map(ctx, source, attrs));
    }
    PITH_TRY(pithi_op_take_attrs(ctx, op, !spelling->map, source, attrs));
    for (int k = 0; k < source->n_attrs; k++) {
        PITH_CHECK(ctx, source->attrs[k].is_used, PITH_STATUS_UNSUPPORTED,
                   "attribute '%s' is not known for %s of opset %lld; it would change the result, so it is not ignored",
                   source->attrs[k].name, source->type, (long long)source->opset);
    }
    return PITH_OK;
}

/* ---- infer -------------------------------------------------------------------------------- */

pith_status pithi_infer_need_value(pith_infer *infer, int index)
{
    infer->needs_value = index;
    return PITHI_STATUS_NEEDS_VALUE;
}

static pith_status check_operand_count(pith_ctx *ctx, const char *what, const pith_operand_spec *specs, int n_specs,
                                       int count)
{
    bool is_variadic = n_specs > 0 && specs[n_specs - 1].arity == PITH_VARIADIC;
    int n_needed = 0;
    for (int i = 0; i < n_specs; i++) {
        n_needed += specs[i].arity != PITH_OPTIONAL;
    }
    PITH_CHECK(ctx, count >= n_needed && (is_variadic || count <= n_specs), PITH_STATUS_FORMAT,
               "%d %ss given, the operator takes %d to %d", count, what, n_needed, is_variadic ? 65535 : n_specs);
    return PITH_OK;
}

static pith_status check_inputs(const pith_infer *infer, const pith_op *op)
{
    PITH_TRY(check_operand_count(infer->ctx, "input", op->inputs, op->n_inputs, infer->n_inputs));
    for (int i = 0; i < infer->n_inputs; i++) {
        const pith_operand_spec *spec = &op->inputs[i < op->n_inputs ? i : op->n_inputs - 1];
        pith_dtype dtype = infer->inputs[i].dtype;
        PITH_CHECK(infer->ctx, dtype != PITH_DTYPE_NONE || spec->arity == PITH_OPTIONAL, PITH_STATUS_FORMAT,
                   "input %d ('%s') is missing", i, spec->name);
        PITH_CHECK(infer->ctx, dtype == PITH_DTYPE_NONE || (spec->dtypes & PITH_DTYPES(dtype)), PITH_STATUS_DTYPE,
                   "input %d ('%s') has dtype %s, which %s doesn't take", i, spec->name, pith_dtype_name(dtype),
                   op->head.name);
        if (dtype != PITH_DTYPE_NONE) { /* a file may declare any size */
            PITH_TRY_AT(infer->ctx, pithi_shape_check(infer->ctx, &infer->inputs[i].shape, dtype, NULL), "input %d", i);
        }
    }
    return check_operand_count(infer->ctx, "output", op->outputs, op->n_outputs, infer->n_outputs);
}

pith_status pithi_op_give_outputs(pith_graph *graph, pith_node *node)
{
    for (int i = 0; node->op && i < node->n_outputs && i < node->op->n_outputs; i++) {
        if (!node->outputs[i] && node->op->outputs[i].arity == PITH_ONE) {
            PITH_TRY(pithi_graph_add_value(graph, NULL, &node->outputs[i]));
            node->outputs[i]->producer = node;
        }
    }
    return PITH_OK;
}

pith_status pithi_op_infer(pith_infer *infer)
{
    const pith_op *op = infer->node->op;
    PITH_TRY(check_inputs(infer, op));
    PITH_TRY(op->infer(infer));
    for (int i = 0; i < infer->n_outputs; i++) {
        if (infer->outputs[i].dtype != PITH_DTYPE_NONE) {
            PITH_TRY_AT(infer->ctx,
                        pithi_shape_check(infer->ctx, &infer->outputs[i].shape, infer->outputs[i].dtype, NULL),
                        "output %d", i);
        }
    }
    return PITH_OK;
}

void pithi_op_cost(const pith_infer *infer, pith_cost *cost_out)
{
    const pith_op *op = infer->node->op;
    *cost_out = (pith_cost){ 0 };
    if (op->cost) {
        op->cost(infer, cost_out);
    } else if (infer->n_outputs > 0 && infer->outputs[0].dtype != PITH_DTYPE_NONE && !(op->flags & PITH_OP_VIEW)) {
        cost_out->flops = (uint64_t)pith_shape_elements(&infer->outputs[0].shape);
    }
}

pith_status pithi_infer_axis(pith_infer *infer, int64_t axis, int rank, int *axis_out)
{
    PITH_CHECK(infer->ctx, axis >= -rank && axis < rank, PITH_STATUS_SHAPE,
               "axis %lld is outside [-%d, %d) of an input of rank %d", (long long)axis, rank, rank, rank);
    *axis_out = (int)(axis < 0 ? axis + rank : axis);
    return PITH_OK;
}

pith_status pithi_infer_same(pith_infer *infer)
{
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

static pith_status broadcast_into(pith_infer *infer, const pith_shape *shape, pith_shape *result)
{
    int shift = result->rank - shape->rank;
    for (int i = 0; i < shape->rank; i++) {
        int64_t dim = shape->dims[i], *to = &result->dims[shift + i];
        char text[PITHI_SHAPE_TEXT_BYTES];
        PITH_CHECK(infer->ctx, dim == *to || dim == 1 || *to == 1, PITH_STATUS_SHAPE,
                   "shape %s can't be broadcast: dimension %lld meets %lld, and neither is 1",
                   pithi_shape_text(shape, text), (long long)dim, (long long)*to);
        *to = *to == 1 ? dim : *to;
    }
    return PITH_OK;
}

pith_status pithi_infer_broadcast(pith_infer *infer, pith_shape *shape_out)
{
    pith_shape result = { 0 };
    for (int i = 0; i < infer->n_inputs; i++) {
        result.rank = infer->inputs[i].shape.rank > result.rank ? infer->inputs[i].shape.rank : result.rank;
    }
    for (int i = 0; i < result.rank; i++) {
        result.dims[i] = 1;
    }
    for (int i = 0; i < infer->n_inputs; i++) {
        if (infer->inputs[i].dtype != PITH_DTYPE_NONE) {
            PITH_TRY(broadcast_into(infer, &infer->inputs[i].shape, &result));
        }
    }
    *shape_out = result;
    return PITH_OK;
}

void pithi_broadcast_strides(const pith_shape *shape, const pith_shape *to, int64_t strides_out[PITH_MAX_RANK])
{
    int64_t stride = 1;
    for (int i = to->rank - 1; i >= 0; i--) {
        int k = i - (to->rank - shape->rank);
        int64_t dim = k >= 0 ? shape->dims[k] : 1;
        strides_out[i] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
}

/* ---- run ---------------------------------------------------------------------------------- */

void pithi_run_fault(const pith_run *run, const char *format, ...)
{
    int expected = 0;
    if (run->fault && atomic_compare_exchange_strong(&run->fault->is_set, &expected, 1)) {
        va_list args;
        va_start(args, format);
        vsnprintf(run->fault->message, sizeof run->fault->message, format, args);
        va_end(args);
    }
}

void *pithi_run_alloc(const pith_run *run, size_t count, size_t item_bytes)
{
    void *block = NULL;
    pith_status status = pithi_arena_array(run->heap, count + !count, item_bytes, &block);
    if (status == PITH_OK) {
        return block;
    }
    pith_ctx *ctx = run->heap->ctx;
    run->fault->status = status;
    pithi_run_fault(run, "no memory for strings or objects: %s", pith_ctx_error(ctx));
    pith_ctx_clear_error(ctx);
    return NULL;
}

bool pithi_run_string(const pith_run *run, const char *text, size_t n_bytes, pith_string *string_out)
{
    char *copy = pithi_run_alloc(run, n_bytes, 1);
    if (copy && n_bytes > 0) {
        memcpy(copy, text, n_bytes);
    }
    *string_out = (pith_string){ copy, copy ? n_bytes : 0 };
    return copy != NULL;
}

/* References may write output 0 unasked, so a node of which nobody wants anything must not be run. */
static bool is_any_wanted(const pith_tensor *outputs, int n_outputs)
{
    bool wanted = false;
    for (int i = 0; i < n_outputs; i++) {
        wanted |= outputs[i].dtype != PITH_DTYPE_NONE;
    }
    return wanted;
}

void pithi_op_run_ref(const pith_run *run)
{
    run->node->op->ref(run);
    for (int i = 0; i < run->n_outputs; i++) {
        if (run->outputs[i].data) {
            pithi_tensor_clear_rest(&run->outputs[i]);
        }
    }
}

pith_status pithi_op_eval(pith_ctx *ctx, const pith_node *node, const pith_tensor *inputs, int n_inputs,
                          pith_tensor *outputs, int n_outputs)
{
    pithi_arena heap = { .ctx = ctx };
    pith_status status = pithi_op_eval_into(&heap, node, inputs, n_inputs, outputs, n_outputs);
    for (int i = 0; i < n_outputs; i++) {
        PITH_ASSERT(!pithi_dtype_has_pointers(outputs[i].dtype) || heap.n_bytes == 0); /* into `heap` */
    }
    pithi_arena_deinit(&heap);
    return status;
}

/* References read elements as they are. */
static pith_status align_inputs(pithi_arena *arena, pith_run *run)
{
    void *block = NULL;
    pith_tensor *aligned = NULL;
    for (int i = 0; i < run->n_inputs; i++) {
        if (run->inputs[i].data && !pithi_is_aligned(&run->inputs[i])) {
            if (!aligned) {
                PITH_TRY(pithi_arena_array(arena, (size_t)run->n_inputs, sizeof *aligned, &block));
                aligned = block;
                memcpy(aligned, run->inputs, (size_t)run->n_inputs * sizeof *aligned);
                run->inputs = aligned;
            }
            PITH_TRY(pithi_tensor_align(arena, &aligned[i]));
        }
    }
    return PITH_OK;
}

pith_status pithi_op_eval_into(pithi_arena *heap, const pith_node *node, const pith_tensor *inputs, int n_inputs,
                               pith_tensor *outputs, int n_outputs)
{
    pith_ctx *ctx = heap->ctx;
    pithi_fault fault = { 0 };
    pith_run run = { .node = node, .attrs = node->attrs, .inputs = inputs, .n_inputs = n_inputs,
                     .outputs = outputs, .n_outputs = n_outputs, .fault = &fault, .heap = heap };
    if (!is_any_wanted(outputs, n_outputs)) {
        return PITH_OK;
    }
    pithi_arena copies = { .ctx = ctx };
    pith_status status = align_inputs(&copies, &run);
    if (status == PITH_OK && node->op->ref_bytes) {
        status = pithi_alloc(ctx, node->op->ref_bytes(&run), &run.shared);
    }
    if (status == PITH_OK) {
        pithi_op_run_ref(&run);
    }
    pithi_free(ctx, run.shared);
    pithi_arena_deinit(&copies);
    PITH_TRY(status);
    PITH_CHECK(ctx, !fault.is_set, fault.status ? fault.status : PITH_STATUS_ARG, "%s", fault.message);
    return PITH_OK;
}
