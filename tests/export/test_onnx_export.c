/* SPDX-License-Identifier: Apache-2.0 */
/* Import, write, import again: both graphs must be the same, node by node, constant by constant. On small models of
 * every kind and, where the build folder has it, on all models of the ONNX backend suite. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "export/export.h"
#include "graph/attrs.h"
#include "support/onnx_models.h"
#include "support/test.h"

static const pith_value *find_constant(const pith_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        if (graph->values[i]->constant && pithi_same_text(graph->values[i]->name, name)) {
            return graph->values[i];
        }
    }
    return NULL;
}

static bool same_bytes(const pith_tensor *a, const pith_tensor *b)
{
    if (a->dtype != b->dtype || !pith_shape_equal(&a->shape, &b->shape)) {
        return false;
    }
    if (a->dtype != PITH_DTYPE_STRING) {
        return pith_tensor_bytes(a) == 0 || memcmp(a->data, b->data, pith_tensor_bytes(a)) == 0;
    }
    const pith_string *x = a->data, *y = b->data;
    for (int64_t i = 0; i < pith_shape_elements(&a->shape); i++) {
        if (x[i].n_bytes != y[i].n_bytes || memcmp(x[i].data, y[i].data, x[i].n_bytes) != 0) {
            return false;
        }
    }
    return true;
}

/* Constants of the outermost graph; those of bodies have new names, the nodes' text covers their types. */
static void compare_constants(pith_test *test, const pith_graph *before, const pith_graph *after)
{
    for (size_t i = 0; i < after->n_values; i++) {
        const pith_value *b = after->values[i];
        const pith_value *a = b->constant ? find_constant(before, b->name) : NULL;
        if (a) {
            TEST_CHECK_MESSAGE(test, same_bytes(a->constant, b->constant), "constant '%s' differs", b->name);
        }
    }
}

/* Without names, which the writer may change in bodies: types, operators and attributes in their order. */
static void shape_of_text(const pith_graph *graph, pithi_text *out)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (!pithi_node_is_wanted(node)) {
            continue;
        }
        pithi_text_add(out, "%s %d/%d", pithi_op_head(node->op)->name, node->n_inputs, node->n_outputs);
        if (node->attrs) {
            pithi_attrs_print(pithi_op_head(node->op), node->attrs, out);
        }
        pithi_text_add(out, "\n");
        for (int i = 0; i < node->n_bodies; i++) {
            shape_of_text(node->bodies[i], out);
            pithi_text_add(out, "end\n");
        }
    }
}

static void compare_graphs(pith_test *test, pith_graph *before, pith_graph *after)
{
    pithi_text a = { .ctx = test->ctx }, b = { .ctx = test->ctx };
    shape_of_text(before, &a);
    shape_of_text(after, &b);
    TEST_CHECK_MESSAGE(test, !a.data || (b.data && strcmp(a.data, b.data) == 0), "before:\n%safter:\n%s", a.data,
                       b.data ? b.data : "");
    compare_constants(test, before, after);
    TEST_CHECK(test, before->n_inputs == after->n_inputs && before->n_outputs == after->n_outputs);
    for (size_t i = 0; i < before->n_outputs && i < after->n_outputs; i++) {
        TEST_CHECK(test, pithi_same_text(before->outputs[i]->name, after->outputs[i]->name));
    }
    pithi_text_deinit(&a);
    pithi_text_deinit(&b);
}

static bool is_complete(const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_bodies; i++) {
            if (!is_complete(node->bodies[i])) {
                return false;
            }
        }
        if (!node->op) {
            return false;
        }
    }
    return true;
}

static void write_and_read(pith_test *test, const void *data, size_t n_bytes)
{
    pith_imported before = { .ctx = test->ctx }, after = { .ctx = test->ctx };
    pithi_bytes bytes = { .ctx = test->ctx };
    pith_status status = pith_import_bytes(test->ctx, data, n_bytes, "", &before);
    if (status != PITH_OK || !is_complete(before.graph)) {
        pith_test_skip(test, "pith can't run it: %s", pith_ctx_error(test->ctx));
    } else if (pithi_export_onnx(before.graph, &bytes) == PITH_STATUS_UNSUPPORTED) {
        pith_test_skip(test, "%s", pith_ctx_error(test->ctx));
    } else {
        TEST_OK(test, pith_import_bytes(test->ctx, bytes.data, bytes.n_bytes, "", &after));
        if (after.graph) {
            compare_graphs(test, before.graph, after.graph);
        }
    }
    pith_ctx_clear_error(test->ctx);
    pith_imported_deinit(&before);
    pith_imported_deinit(&after);
    pithi_free(test->ctx, bytes.data);
}

static void test_suite_group(pith_test *test, const char *group)
{
    char folder[300], path[700];
    struct dirent **entries = NULL;
    snprintf(folder, sizeof folder, PITH_BINARY_DIR "/onnx_suite/%s", group);
    int n_entries = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n_entries; i++) {
        pithi_file file = { 0 };
        snprintf(path, sizeof path, "%s/%.256s/model.onnx", folder, entries[i]->d_name);
        if (strncmp(entries[i]->d_name, "test_", 5) == 0 && pithi_file_map(test->ctx, path, &file) == PITH_OK) {
            pith_test_case(test, "%s/%.100s", group, entries[i]->d_name);
            write_and_read(test, file.data, file.n_bytes);
            pithi_file_unmap(&file);
        }
        pith_ctx_clear_error(test->ctx);
        free(entries[i]);
    }
    free(entries);
    if (n_entries < 0) {
        pith_test_case(test, "%s", group);
        pith_test_skip(test, "the suite isn't in the build folder (see tools/make_onnx_suite.py)");
    }
}

void test_onnx_export(pith_test *test)
{
    for (int i = 0; i < pith_onnx_n_all; i++) {
        pith_proto proto = { 0 };
        pith_test_case(test, "small model %d", i);
        TEST_CHECK(test, pith_proto_onnx(&proto, pith_onnx_all[i]));
        write_and_read(test, proto.data, proto.n_bytes);
        pith_proto_free(&proto);
    }
    test_suite_group(test, "node");
    test_suite_group(test, "simple");
    test_suite_group(test, "pytorch-operator");
}
