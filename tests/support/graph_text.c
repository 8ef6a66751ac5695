/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs from text, interpreting them with references, checking passes. */
#include "support/graph_text.h"

#include <stdlib.h>

#include "exec/internal.h"
#include "export/text/text.h"
#include "import/import.h"
#include "pith/session.h"

#define MAX_OPERANDS 16
#define MAX_WORDS 48

typedef struct parser {
    pith_test *test;
    pith_graph *graph;
    char *words[MAX_WORDS];
    int n_words;
    bool failed;
} parser;

static void fail(parser *in, const char *what, const char *word)
{
    TEST_CHECK_MESSAGE(in->test, false, "graph text: %s: '%s'", what, word);
    in->failed = true;
}

static pith_value *find_value(parser *in, const char *name, bool make)
{
    for (size_t i = 0; i < in->graph->n_values; i++) {
        if (pithi_same_text(in->graph->values[i]->name, name)) {
            return in->graph->values[i];
        }
    }
    pith_value *value = NULL;
    if (make) {
        TEST_OK(in->test, pithi_graph_add_value(in->graph, name, &value));
    } else {
        fail(in, "no such value", name);
    }
    return value;
}

/* "f32[2,3]{...}": returns what follows the shape. */
static const char *read_type(parser *in, const char *word, pith_dtype *dtype, pith_shape *shape)
{
    const char *bracket = strchr(word, '[');
    *dtype = PITH_DTYPE_NONE;
    *shape = (pith_shape){ 0 };
    for (int i = 1; i < PITH_DTYPE_COUNT && bracket; i++) {
        const char *name = pith_dtype_name((pith_dtype)i);
        if (strlen(name) == (size_t)(bracket - word) && memcmp(name, word, strlen(name)) == 0) {
            *dtype = (pith_dtype)i;
        }
    }
    if (*dtype == PITH_DTYPE_NONE) {
        fail(in, "dtype expected", word);
        return "";
    }
    char *at = strdup(bracket + 1), *end = strchr(at, ']');
    for (char *dim = at; end && dim < end && shape->rank < PITH_MAX_RANK;) {
        shape->dims[shape->rank++] = strtoll(dim, &dim, 10);
        dim += *dim == ',';
    }
    const char *rest = end ? bracket + 1 + (end - at) + 1 : "";
    free(at);
    return rest;
}

static void read_input(parser *in)
{
    pith_value *value = find_value(in, in->words[1], true);
    read_type(in, in->words[2], &value->dtype, &value->shape);
    value->has_shape = true;
    TEST_OK(in->test, pithi_graph_add_input(in->graph, value));
}

static void read_range(const char *rest, double *low, double *high)
{
    const char *colon = strchr(rest, ':');
    if (*rest == '{' && colon) {
        *low = strtod(rest + 1, NULL);
        *high = strtod(colon + 1, NULL);
    }
}

static void read_constant(parser *in)
{
    pith_dtype dtype;
    pith_shape shape;
    pith_tensor tensor;
    pith_value *value = NULL;
    const char *rest = read_type(in, in->words[2], &dtype, &shape);
    if (in->failed) {
        return;
    }
    TEST_OK(in->test, pithi_graph_new_constant(in->graph, in->words[1], dtype, &shape, &tensor, &value));
    int64_t count = pith_shape_elements(&shape);
    if (*rest == '{' && !strchr(rest, ':')) {
        char *at = (char *)(uintptr_t)rest + 1;
        double number = 0.0;
        for (int64_t i = 0; i < count; i++) {
            number = *at == '}' ? number : strtod(at, &at);
            pithi_tensor_set_f64(&tensor, i, number);
            at += *at == ',';
        }
        return;
    }
    double low = -1.0, high = 1.0;
    read_range(rest, &low, &high);
    pith_test_fill(in->test, &tensor, low, high, false);
}

static void read_list(parser *in, const pith_attr_spec *spec, char *text, void *field)
{
    void *items = NULL;
    int n_items = 0;
    TEST_OK(in->test, pithi_arena_array(&in->graph->arena, 64, 8, &items));
    for (char *at = text + 1; *at && *at != ']' && n_items < 64; n_items++) {
        double number = strtod(at, &at);
        if (spec->kind == PITH_ATTR_KIND_INTS) {
            ((int64_t *)items)[n_items] = (int64_t)number;
        } else {
            ((float *)items)[n_items] = (float)number;
        }
        at += *at == ',';
    }
    if (spec->kind == PITH_ATTR_KIND_INTS) {
        *(pith_ints *)field = (pith_ints){ items, n_items };
    } else {
        *(pith_floats *)field = (pith_floats){ items, n_items };
    }
}

static void read_attr(parser *in, pith_node *node, char *word)
{
    const pith_op_head *head = &node->op->head;
    char *text = strchr(word, '=');
    const pith_attr_spec *spec = NULL;
    for (int i = 0; i < head->n_attrs && text; i++) {
        const char *name = head->attrs[i].name;
        spec = strlen(name) == (size_t)(text - word) && memcmp(name, word, strlen(name)) == 0 ? &head->attrs[i] : spec;
    }
    if (!spec) {
        fail(in, "no such attribute", word);
        return;
    }
    void *field = (char *)node->attrs + spec->offset;
    text++;
    if (spec->kind == PITH_ATTR_KIND_INT) {
        *(int64_t *)field = strtoll(text, NULL, 10);
    } else if (spec->kind == PITH_ATTR_KIND_FLOAT) {
        *(float *)field = strtof(text, NULL);
    } else if (spec->kind == PITH_ATTR_KIND_CHOICE) {
        int64_t k = 0;
        while (spec->choices[k] && !pithi_same_text(spec->choices[k], text)) {
            k++;
        }
        *(int64_t *)field = spec->choices[k] ? k : 0;
    } else {
        read_list(in, spec, text, field);
    }
}

static void read_node(parser *in)
{
    pith_value *inputs[MAX_OPERANDS], *outputs[MAX_OPERANDS];
    int n_inputs = 0, n_outputs = 0, at = 0;
    for (; at < in->n_words && !pithi_same_text(in->words[at], "="); at++) {
        bool absent = pithi_same_text(in->words[at], "-");
        outputs[n_outputs++] = absent ? NULL : find_value(in, in->words[at], true);
    }
    const pith_op *op = at + 1 < in->n_words ? pithi_op_find(in->words[at + 1]) : NULL;
    if (!op) {
        fail(in, "no such operator", at + 1 < in->n_words ? in->words[at + 1] : "?");
        return;
    }
    for (at += 2; at < in->n_words && !pithi_same_text(in->words[at], "|"); at++) {
        bool absent = pithi_same_text(in->words[at], "-");
        inputs[n_inputs++] = absent ? NULL : find_value(in, in->words[at], false);
    }
    pith_node *node = NULL;
    TEST_OK(in->test, pithi_graph_insert_node(in->graph, NULL, op, outputs[0]->name, inputs, n_inputs, outputs,
                                              n_outputs, &node));
    for (at++; at < in->n_words; at++) {
        read_attr(in, node, in->words[at]);
    }
}

static void read_line(parser *in, char *line)
{
    in->n_words = 0;
    for (char *word = strtok(line, " "); word && in->n_words < MAX_WORDS; word = strtok(NULL, " ")) {
        in->words[in->n_words++] = word;
    }
    if (in->n_words == 3 && pithi_same_text(in->words[0], "input")) {
        read_input(in);
    } else if (in->n_words == 3 && pithi_same_text(in->words[0], "const")) {
        read_constant(in);
    } else if (in->n_words == 2 && pithi_same_text(in->words[0], "output")) {
        TEST_OK(in->test, pithi_graph_add_output(in->graph, find_value(in, in->words[1], false)));
    } else if (in->n_words > 2) {
        read_node(in);
    }
}

pith_graph *pith_test_graph(pith_test *test, const char *text)
{
    parser in = { .test = test };
    TEST_OK(test, pithi_graph_create(test->ctx, &in.graph));
    for (const char *at = text; *at && !in.failed;) {
        size_t length = strcspn(at, "\n");
        char *line = strndup(at, length);
        read_line(&in, line);
        free(line);
        at += length + (at[length] == '\n');
    }
    if (in.failed) {
        pithi_graph_destroy(in.graph);
        in.graph = NULL;
    }
    return in.graph;
}

/* ---- interpreting --------------------------------------------------------------------------- */

typedef struct interpreter {
    pith_test *test;
    pith_tensor *tensors; /* by value->index; data of nodes' outputs is owned */
    pithi_arena heap;     /* what strings and sequences point to, until the end */
} interpreter;

static bool run_node(interpreter *in, const pith_node *node)
{
    pith_tensor inputs[MAX_OPERANDS] = { 0 }, outputs[MAX_OPERANDS] = { 0 };
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            inputs[i] = node->inputs[i]->constant ? *node->inputs[i]->constant : in->tensors[node->inputs[i]->index];
        }
    }
    pith_infer infer = { .ctx = in->test->ctx, .node = node, .attrs = node->attrs, .inputs = inputs,
                         .n_inputs = node->n_inputs, .outputs = outputs, .n_outputs = node->n_outputs };
    pith_status status = pithi_op_infer(&infer);
    for (int i = 0; i < node->n_outputs && status == PITH_OK; i++) {
        outputs[i].data = node->outputs[i] ? calloc(1, pith_tensor_bytes(&outputs[i]) + 1) : NULL;
        outputs[i].dtype = node->outputs[i] ? outputs[i].dtype : PITH_DTYPE_NONE;
        if (node->outputs[i]) {
            in->tensors[node->outputs[i]->index] = outputs[i];
        }
    }
    if (status == PITH_OK) {
        status = pithi_op_eval_into(&in->heap, node, inputs, node->n_inputs, outputs, node->n_outputs);
    }
    TEST_CHECK_MESSAGE(in->test, status == PITH_OK, "node '%s' (%s): %s", node->name, node->source_op,
                       pith_ctx_error(in->test->ctx));
    pith_ctx_clear_error(in->test->ctx);
    return status == PITH_OK;
}

bool pith_test_interpret(pith_test *test, pith_graph *graph, const pith_tensor *inputs, pith_tensor *outputs)
{
    interpreter in = { test, calloc(graph->n_values + 1, sizeof(pith_tensor)), { .ctx = test->ctx } };
    bool ok = true;
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->index = (int)i;
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        in.tensors[graph->inputs[i]->index] = inputs[i];
    }
    for (const pith_node *node = graph->first; node && ok; node = node->next) {
        ok = run_node(&in, node);
    }
    for (size_t i = 0; i < graph->n_outputs && ok; i++) {
        const pith_value *value = graph->outputs[i];
        outputs[i] = value->constant ? *value->constant : in.tensors[value->index];
        size_t n_bytes = pith_tensor_bytes(&outputs[i]);
        void *copy = malloc(n_bytes + 1);
        memcpy(copy, outputs[i].data, n_bytes);
        outputs[i].data = copy;
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_outputs; i++) {
            free(node->outputs[i] ? in.tensors[node->outputs[i]->index].data : NULL);
        }
    }
    free(in.tensors);
    pithi_arena_deinit(&in.heap);
    return ok;
}

/* ---- checking a pass ------------------------------------------------------------------------ */

static void random_inputs(pith_test *test, const pith_graph *graph, pith_tensor *inputs)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        inputs[i] = (pith_tensor){ graph->inputs[i]->dtype, graph->inputs[i]->shape, NULL };
        inputs[i].data = malloc(pith_tensor_bytes(&inputs[i]) + 1);
        double span = pithi_dtype_is_float(inputs[i].dtype) ? 4.0 : 2.0;
        pith_test_fill(test, &inputs[i], pithi_dtype_is_float(inputs[i].dtype) ? -span : 0.0, span, false);
    }
}

static void run_passes(const pith_pass_check *check, pith_test *test, pith_graph *graph)
{
    for (int round = 0, n_changes = 1; n_changes > 0; round++) {
        n_changes = 0;
        for (int i = 0; i < check->n_passes; i++) {
            TEST_OK(test, check->passes[i]->run(graph, check->stage, &n_changes));
            TEST_OK(test, pithi_graph_infer(graph));
        }
        TEST_CHECK_MESSAGE(test, round < 20, "the passes don't settle");
        if (round >= 20) {
            break;
        }
    }
    TEST_OK(test, pithi_graph_verify(graph));
}

static void compare(pith_test *test, const pith_graph *graph, double tolerance, pith_tensor *a, pith_tensor *b)
{
    for (size_t i = 0; i < graph->n_outputs; i++) {
        double difference = a[i].data && b[i].data ? pith_test_difference(&b[i], &a[i]) : 0.0;
        TEST_CHECK_MESSAGE(test, difference <= tolerance, "output %zu is off by %g", i, difference);
        free(a[i].data);
        free(b[i].data);
    }
}

/* Whatever passes make must be expressible: the text form reads back to the same text. */
static void check_text_form(pith_test *test, pith_graph *graph)
{
    pithi_text text = { .ctx = test->ctx }, again = { .ctx = test->ctx };
    pithi_import_info info = { 0 };
    pith_graph *read = NULL;
    TEST_OK(test, pithi_export_text(graph, NULL, 0, &text));
    TEST_OK(test, pithi_import_text(test->ctx, text.data, text.n_bytes, "", &info, &read));
    if (read) {
        TEST_OK(test, pithi_export_text(read, NULL, 0, &again));
        TEST_CHECK_MESSAGE(test, pithi_same_text(text.data, again.data), "the text form\n%sreads back as\n%s",
                           text.data, again.data);
    }
    pithi_graph_destroy(read);
    pithi_import_info_deinit(test->ctx, &info);
    pithi_text_deinit(&text);
    pithi_text_deinit(&again);
}

void pith_test_pass(pith_test *test, const pith_pass_check *check)
{
    pith_tensor inputs[MAX_OPERANDS] = { 0 }, before[MAX_OPERANDS] = { 0 }, after[MAX_OPERANDS] = { 0 };
    const char *names[MAX_OPERANDS] = { 0 };
    pith_graph *graph = pith_test_graph(test, check->before);
    if (!graph) {
        return;
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        names[i] = graph->outputs[i]->name;
    }
    random_inputs(test, graph, inputs);
    pith_test_interpret(test, graph, inputs, before);
    TEST_OK(test, pithi_graph_infer(graph));
    check_text_form(test, graph);
    run_passes(check, test, graph);
    check_text_form(test, graph);
    pithi_text text = { .ctx = test->ctx };
    pithi_graph_print(graph, &text);
    TEST_CHECK_MESSAGE(test, !check->after || (text.data && pithi_same_text(text.data, check->after)),
                       "the graph is now\n%swanted\n%s", text.data ? text.data : "", check->after ? check->after : "");
    pithi_text_deinit(&text);
    for (size_t i = 0; i < graph->n_outputs; i++) {
        TEST_CHECK_MESSAGE(test, pithi_same_text(graph->outputs[i]->name, names[i]), "output %zu is now called '%s'", i,
                           graph->outputs[i]->name);
    }
    pith_test_interpret(test, graph, inputs, after);
    compare(test, graph, check->tolerance, before, after);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        free(inputs[i].data);
    }
    pithi_graph_destroy(graph);
}

void pith_test_one_pass(pith_test *test, const pith_pass *pass, const char *before, const char *after)
{
    pith_test_pass(test, &(pith_pass_check){ &pass, 1, PITH_STAGE_SHAPE, 1e-5, before, after });
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void copy_output(const pith_tensor *from, pith_tensor *to)
{
    *to = *from;
    to->data = malloc(pith_tensor_bytes(from) + 1);
    memcpy(to->data, from->data, pith_tensor_bytes(from));
}

/* The model takes a clone, whose constants are those of `graph`. */
static void run_session(pith_test *test, const pith_graph *graph, const pith_tensor *inputs, int n_threads,
                        const char *disabled_passes, pith_tensor *outputs)
{
    const pith_model_options model_options = { .disable_passes = disabled_passes };
    const pith_session_options options = { .n_threads = n_threads };
    pith_graph *clone = NULL;
    pith_model *model = NULL;
    pith_session *session = NULL;
    TEST_OK(test, pithi_graph_clone(graph, &clone));
    if (clone) {
        TEST_OK(test, pithi_model_from_graph(clone, &model_options, &model));
    }
    if (!model) {
        pithi_graph_destroy(clone);
        return;
    }
    TEST_OK(test, pith_session_create(model, &options, &session));
    if (session) {
        TEST_OK(test, pith_session_run(session, inputs, (int)graph->n_inputs));
        for (size_t i = 0; i < graph->n_outputs && pith_session_output(session, (int)i); i++) {
            copy_output(pith_session_output(session, (int)i), &outputs[i]);
        }
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
}

void pith_test_run(pith_test *test, const char *text, int n_threads, double tolerance)
{
    pith_tensor inputs[MAX_OPERANDS] = { 0 }, wanted[MAX_OPERANDS] = { 0 }, got[MAX_OPERANDS] = { 0 },
                together[MAX_OPERANDS] = { 0 }, apart[MAX_OPERANDS] = { 0 };
    pith_graph *graph = pith_test_graph(test, text);
    if (!graph) {
        return;
    }
    random_inputs(test, graph, inputs);
    if (pith_test_interpret(test, graph, inputs, wanted)) {
        run_session(test, graph, inputs, 1, NULL, got);
        run_session(test, graph, inputs, 1, "fuse_region", apart);
        if (n_threads > 1) {
            run_session(test, graph, inputs, n_threads, NULL, together);
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        size_t n_bytes = wanted[i].data ? pith_tensor_bytes(&wanted[i]) : 0;
        bool is_there = wanted[i].data && got[i].data && got[i].dtype == wanted[i].dtype &&
                        pith_shape_equal(&got[i].shape, &wanted[i].shape);
        TEST_CHECK_MESSAGE(test, is_there, "no output %zu, or of another type or shape", i);
        double difference = is_there ? pith_test_difference(&got[i], &wanted[i]) : 0.0;
        TEST_CHECK_MESSAGE(test, difference <= tolerance, "output %zu is off by %g in\n%s", i, difference, text);
        TEST_CHECK_MESSAGE(test, n_threads == 1 || (is_there && together[i].data &&
                                                    memcmp(got[i].data, together[i].data, n_bytes) == 0),
                           "output %zu with %d threads has other bits in\n%s", i, n_threads, text);
        TEST_CHECK_MESSAGE(test, is_there && apart[i].data && memcmp(got[i].data, apart[i].data, n_bytes) == 0,
                           "output %zu without regions has other bits in\n%s", i, text);
        free(apart[i].data);
        free(wanted[i].data);
        free(got[i].data);
        free(together[i].data);
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        free(inputs[i].data);
    }
    pithi_graph_destroy(graph);
}
