/* SPDX-License-Identifier: Apache-2.0 */
/* Every operator of the registry on every one of its samples: infer, run against reference under every
 * ISA cap, the same bits for 1, 2, 3 and 7 parts, attributes printed and copied. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernel.h"
#include "ops/sample.h"
#include "support/test.h"

#define MAX_OPERANDS 16
#define TOLERANCE 2e-5 /* float32 against a reference in double; samples keep sums short */

typedef struct op_case {
    const pith_op *op;
    pith_sample sample;
    pith_tensor inputs[MAX_OPERANDS], outputs[MAX_OPERANDS], wanted[MAX_OPERANDS], first[MAX_OPERANDS];
    pith_tensor known[MAX_OPERANDS]; /* inputs as infer and prepare see them */
    pithi_arena arena;
    FILE *kernels; /* or NULL */
} op_case;

/* Which kernels the samples take on the plainest ISA: "operator\tkernel" lines for tools/make_operators_md.py. */
#define KERNELS_PATH PITH_BINARY_DIR "/operator_kernels.tsv"

static pith_tensor allocate_like(const pith_tensor *like)
{
    pith_tensor tensor = *like;
    tensor.data = like->dtype == PITH_DTYPE_NONE ? NULL : calloc(1, pith_tensor_bytes(like) + 1);
    return tensor;
}

static void setup_inputs(pith_test *test, op_case *c)
{
    const pith_node *node = c->sample.node;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *value = node->inputs[i];
        if (!value) {
            continue;
        }
        pith_tensor tensor = { .dtype = value->dtype, .shape = value->shape };
        c->known[i] = tensor;
        c->inputs[i] = allocate_like(&tensor);
        if (value->constant) {
            c->known[i] = *value->constant;
            memcpy(c->inputs[i].data, value->constant->data, pith_tensor_bytes(&tensor));
        } else {
            pith_test_fill(test, &c->inputs[i], c->sample.low[i], c->sample.high[i], false);
        }
    }
}

/* True if shapes are known now (possibly after values were revealed to infer). */
static bool infer_outputs(pith_test *test, op_case *c)
{
    const pith_node *node = c->sample.node;
    pith_infer infer = { .ctx = test->ctx, .node = node, .attrs = node->attrs, .inputs = c->known,
                         .n_inputs = node->n_inputs, .outputs = c->outputs, .n_outputs = node->n_outputs };
    pith_status status = pithi_op_infer(&infer);
    for (int tries = 0; status == PITHI_STATUS_NEEDS_VALUE && tries < MAX_OPERANDS; tries++) {
        c->known[infer.needs_value].data = c->inputs[infer.needs_value].data;
        status = pithi_op_infer(&infer);
    }
    TEST_OK(test, status);
    for (int i = 0; i < node->n_outputs && status == PITH_OK; i++) {
        c->wanted[i] = allocate_like(&c->outputs[i]);
        c->first[i] = allocate_like(&c->outputs[i]);
        c->outputs[i] = allocate_like(&c->outputs[i]);
    }
    return status == PITH_OK;
}

static void run_parts(const pith_run *run, const pith_prepare *prepare, int count)
{
    void *scratch = aligned_alloc(PITH_ALIGNMENT, pithi_align_up(prepare->scratch_bytes + 1, PITH_ALIGNMENT));
    int parts = count < prepare->max_parts ? count : prepare->max_parts;
    for (int phase = 0; phase < prepare->n_phases; phase++) {
        for (int index = parts - 1; index >= 0; index--) { /* any order must do */
            memset(scratch, 0xa5, prepare->scratch_bytes);
            pith_part part = { index, parts, phase, scratch, false };
            run->node->op->run(run, &part);
        }
    }
    free(scratch);
}

static void check_isa(pith_test *test, op_case *c, int isa)
{
    const pith_node *node = c->sample.node;
    pith_prepare prepare = { .ctx = test->ctx, .node = node, .attrs = node->attrs, .inputs = c->known,
                             .n_inputs = node->n_inputs, .outputs = c->outputs, .n_outputs = node->n_outputs,
                             .isa_limit = isa, .n_threads = 2, .arena = &c->arena, .max_parts = 1, .n_phases = 1 };
    TEST_OK(test, c->op->prepare(&prepare));
    if (c->kernels && isa == 0 && prepare.use_run) {
        fprintf(c->kernels, "%s\t%s\n", c->op->head.name, prepare.kernel ? prepare.kernel : "");
    }
    if (!prepare.use_run) {
        return;
    }
    pithi_fault fault = { 0 };
    void *shared = aligned_alloc(PITH_ALIGNMENT, pithi_align_up(prepare.shared_bytes + 1, PITH_ALIGNMENT));
    pith_run run = { .node = node, .attrs = node->attrs, .state = prepare.state, .inputs = c->inputs,
                     .n_inputs = node->n_inputs, .outputs = c->outputs, .n_outputs = node->n_outputs,
                     .shared = shared, .fault = &fault };
    static const int counts[] = { 1, 2, 3, 7 };
    for (int k = 0; k < PITH_COUNT(counts); k++) {
        for (int i = 0; i < node->n_outputs; i++) {
            memset(c->outputs[i].data, 0x5a, c->outputs[i].data ? pith_tensor_bytes(&c->outputs[i]) : 0);
        }
        run_parts(&run, &prepare, counts[k]);
        for (int i = 0; i < node->n_outputs; i++) {
            size_t n_bytes = c->outputs[i].data ? pith_tensor_bytes(&c->outputs[i]) : 0;
            if (k == 0) {
                double difference = n_bytes ? pith_test_difference(&c->outputs[i], &c->wanted[i]) : 0.0;
                TEST_CHECK_MESSAGE(test, difference <= TOLERANCE, "output %d is off by %g with %s (isa cap %s)", i,
                                   difference, prepare.kernel ? prepare.kernel : "run", pithi_isa_name(isa));
                memcpy(c->first[i].data, c->outputs[i].data, n_bytes);
            } else {
                TEST_CHECK_MESSAGE(test, n_bytes == 0 || memcmp(c->first[i].data, c->outputs[i].data, n_bytes) == 0,
                                   "output %d: other bits with %d parts (isa cap %s)", i, counts[k],
                                   pithi_isa_name(isa));
            }
        }
    }
    TEST_CHECK_MESSAGE(test, !fault.is_set, "unexpected fault: %s", fault.message);
    free(shared);
}

/* ---- windows ------------------------------------------------------------------------------ */

#define GAP 3 /* elements between the rows of a window */

/* The rows of `tensor` to windows with gaps (is_out), or back. */
static void move_rows(const pith_tensor *tensor, char *window, bool is_out)
{
    const size_t item = pith_dtype_bytes(tensor->dtype);
    const size_t row = (size_t)tensor->shape.dims[tensor->shape.rank - 1] * item;
    const size_t n_rows = row ? pith_tensor_bytes(tensor) / row : 0;
    for (size_t i = 0; i < n_rows; i++) {
        char *dense = (char *)tensor->data + i * row, *apart = window + i * (row + GAP * item);
        memcpy(is_out ? apart : dense, is_out ? dense : apart, row);
    }
}

typedef struct window_case {
    pith_tensor operands[2 * MAX_OPERANDS]; /* inputs, then outputs */
    int64_t strides[2 * MAX_OPERANDS];
    bool is_any;
} window_case;

/* Operand `index` as a window, if it may be one. */
static void open_window(op_case *c, int index, window_case *w)
{
    const pith_node *node = c->sample.node;
    const bool is_input = index < node->n_inputs;
    pith_tensor *dense = is_input ? &c->inputs[index] : &c->outputs[index - node->n_inputs];
    w->operands[index] = *dense;
    if (!dense->data || dense->shape.rank == 0 || !c->op->takes_window || !c->op->takes_window(node, index) ||
        (is_input && node->inputs[index]->constant)) {
        return;
    }
    const int64_t row = dense->shape.dims[dense->shape.rank - 1];
    const size_t n_rows = row ? (size_t)(pith_shape_elements(&dense->shape) / row) : 0;
    const size_t n_bytes = n_rows * (size_t)(row + GAP) * pith_dtype_bytes(dense->dtype);
    w->operands[index].data = memset(malloc(n_bytes + 1), 0x5a, n_bytes + 1);
    w->strides[index] = row + GAP;
    w->is_any = true;
    move_rows(dense, w->operands[index].data, true);
}

/* The same bits as with dense operands, and gaps are as they were. */
static void close_window(pith_test *test, op_case *c, int index, window_case *w, int isa)
{
    const int output = index - c->sample.node->n_inputs;
    if (output >= 0 && c->outputs[output].data) {
        const size_t n_bytes = pith_tensor_bytes(&c->outputs[output]);
        const size_t gap = GAP * pith_dtype_bytes(c->outputs[output].dtype);
        const size_t row = (size_t)w->strides[index] * pith_dtype_bytes(c->outputs[output].dtype);
        const char *window = w->operands[index].data;
        bool is_whole = true;
        for (size_t at = 0; row > gap && at < n_bytes / (row - gap) * row; at++) {
            is_whole = is_whole && (at % row < row - gap || window[at] == 0x5a);
        }
        if (w->strides[index]) {
            move_rows(&c->outputs[output], w->operands[index].data, false);
        }
        TEST_CHECK_MESSAGE(test, is_whole, "output %d: writes between the rows of a window (isa cap %s)", output,
                           pithi_isa_name(isa));
        TEST_CHECK_MESSAGE(test, memcmp(c->first[output].data, c->outputs[output].data, n_bytes) == 0,
                           "output %d: other bits with windows (isa cap %s)", output, pithi_isa_name(isa));
    }
    if (w->strides[index]) {
        free(w->operands[index].data);
    }
}

/* All operands that may be windows are windows. */
static void check_windows(pith_test *test, op_case *c, int isa)
{
    pith_node *node = c->sample.node;
    const int n = node->n_inputs + node->n_outputs;
    window_case w = { .is_any = false };
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            node->outputs[i]->shape = c->outputs[i].shape;
        }
    }
    for (int i = 0; i < n; i++) {
        open_window(c, i, &w);
    }
    pith_prepare prepare = { .ctx = test->ctx, .node = node, .attrs = node->attrs, .inputs = c->known,
                             .n_inputs = node->n_inputs, .outputs = c->outputs, .n_outputs = node->n_outputs,
                             .isa_limit = isa, .n_threads = 2, .arena = &c->arena, .max_parts = 1, .n_phases = 1,
                             .strides = w.strides };
    TEST_OK(test, w.is_any ? c->op->prepare(&prepare) : PITH_OK);
    TEST_CHECK_MESSAGE(test, !w.is_any || prepare.use_run, "takes windows, but has no way to run with them");
    if (prepare.use_run) {
        pithi_fault fault = { 0 };
        void *shared = aligned_alloc(PITH_ALIGNMENT, pithi_align_up(prepare.shared_bytes + 1, PITH_ALIGNMENT));
        pith_run run = { .node = node, .attrs = node->attrs, .state = prepare.state, .inputs = w.operands,
                         .n_inputs = node->n_inputs, .outputs = w.operands + node->n_inputs,
                         .n_outputs = node->n_outputs, .strides = w.strides, .shared = shared, .fault = &fault };
        run_parts(&run, &prepare, 3);
        free(shared);
    }
    for (int i = 0; i < n && w.is_any; i++) {
        close_window(test, c, i, &w, isa);
    }
}

static void check_attrs(pith_test *test, const op_case *c)
{
    pith_graph *clone = NULL;
    TEST_OK(test, pithi_graph_verify(c->sample.graph));
    TEST_OK(test, pithi_graph_clone(c->sample.graph, &clone));
    pithi_text before = { .ctx = test->ctx }, after = { .ctx = test->ctx };
    pithi_graph_print(c->sample.graph, &before);
    pithi_graph_print(clone, &after);
    TEST_CHECK(test, pithi_same_text(before.data, after.data));
    TEST_CHECK(test,
               !c->op->head.n_attrs || pithi_attrs_equal(&c->op->head, c->sample.node->attrs, clone->first->attrs));
    pithi_text_deinit(&before);
    pithi_text_deinit(&after);
    pithi_graph_destroy(clone);
}

static void check_sample(pith_test *test, const pith_op *op, const char *text, FILE *kernels)
{
    op_case c = { .op = op, .kernels = kernels, .arena = { .ctx = test->ctx } };
    pith_status parsed = pithi_sample_parse(test->ctx, op, text, &c.sample);
    TEST_CHECK_MESSAGE(test, parsed == PITH_OK, "%s", pith_ctx_error(test->ctx));
    if (parsed != PITH_OK) {
        return;
    }
    setup_inputs(test, &c);
    if (infer_outputs(test, &c)) {
        TEST_OK(test, pithi_op_eval_into(&c.arena, c.sample.node, c.inputs, c.sample.node->n_inputs, c.wanted,
                                    c.sample.node->n_outputs));
        for (int isa = 0; op->prepare && isa < pithi_isa_count(); isa++) {
            if (pithi_isa_is_available(isa)) {
                check_isa(test, &c, isa);
                check_windows(test, &c, isa);
            }
        }
        check_attrs(test, &c);
    }
    for (int i = 0; i < MAX_OPERANDS; i++) {
        free(c.inputs[i].data);
        free(c.outputs[i].data);
        free(c.wanted[i].data);
        free(c.first[i].data);
    }
    pithi_arena_deinit(&c.arena);
    pithi_graph_destroy(c.sample.graph);
}

void test_all_ops(pith_test *test)
{
    FILE *kernels = fopen(KERNELS_PATH, "w");
    for (int i = 0; i < pithi_op_count(); i++) {
        const pith_op *op = pithi_op_at(i);
        if (op->flags & PITH_OP_CONTROL) {
            continue; /* expanded by the executor, which tests it: nothing here can run alone */
        }
        pith_test_case(test, "%s has samples", op->head.name);
        TEST_CHECK(test, op->n_samples > 0 && op->ref && op->infer);
        for (int k = 0; k < op->n_samples; k++) {
            pith_test_case(test, "%s %s", op->head.name, op->samples[k]);
            check_sample(test, op, op->samples[k], kernels);
        }
    }
    if (kernels) {
        fclose(kernels);
    }
}
