/* SPDX-License-Identifier: Apache-2.0 */
/* The text form: print, read, print gives the same text, and what was read runs to the same bits. On small models of
 * every kind, on every operator's samples, on the backend suite where the build folder has it, and on real networks
 * with their weights left in their file. Malformed texts are refused with line and rule. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "export/text/text.h"
#include "import/import.h"
#include "ops/sample.h"
#include "pith/pith.h"
#include "support/onnx_models.h"
#include "support/same_runs.h"
#include "support/test.h"

/* Reads `text` and checks that it prints as it stands. */
static pith_graph *read_back(pith_test *test, const pithi_text *text, pithi_import_info *info)
{
    pith_graph *graph = NULL;
    pithi_text again = { .ctx = test->ctx };
    TEST_OK(test, pithi_import_text(test->ctx, text->data, text->n_bytes, "", info, &graph));
    if (graph) {
        TEST_OK(test, pithi_graph_verify(graph));
        TEST_OK(test, pithi_export_text(graph, NULL, 0, &again));
        TEST_CHECK_MESSAGE(test, again.data && pithi_same_text(again.data, text->data),
                           "the text changes:\n%.600s\nbecomes\n%.600s", text->data, again.data ? again.data : "");
    }
    pithi_text_deinit(&again);
    return graph;
}

static bool has_constant_objects(const pith_graph *graph)
{
    bool has = false;
    for (size_t i = 0; i < graph->n_values; i++) {
        has |= graph->values[i]->constant && graph->values[i]->dtype == PITH_DTYPE_OBJECT;
    }
    return has;
}

static void round_trip(pith_test *test, pith_graph *graph)
{
    pithi_text text = { .ctx = test->ctx };
    pithi_import_info info = { 0 };
    if (has_constant_objects(graph)) { /* no file can have them, only samples and folding */
        TEST_STATUS(test, pithi_export_text(graph, NULL, 0, &text), PITH_STATUS_UNSUPPORTED, "no constant sequences");
        pithi_text_deinit(&text);
        return;
    }
    TEST_OK(test, pithi_export_text(graph, NULL, 0, &text));
    if (text.data && !text.failed) {
        pithi_graph_destroy(read_back(test, &text, &info));
    }
    pithi_import_info_deinit(test->ctx, &info);
    pithi_text_deinit(&text);
}

/* ---- results ------------------------------------------------------------------------------ */

typedef struct saved {
    char *data;
    size_t n_bytes;
} saved;

static void save(void *user, const char *text, size_t n_bytes)
{
    saved *s = user;
    s->data = malloc(n_bytes + 1);
    memcpy(s->data, text, n_bytes + 1);
    s->n_bytes = n_bytes;
}

static bool draws_numbers(const char *path) { return strstr(path, "bernoulli") || strstr(path, "dropout"); }

/* The model of a file against what its text becomes, which is written beside a link of the file if it has weights. */
static void check_file(pith_test *test, const char *path, const char *folder)
{
    static const pith_model_options describe = { .describe_only = 1 };
    pith_model *original = NULL, *described = NULL, *back = NULL;
    saved text = { 0 };
    char copy[900], command[2000];
    const char *name = strrchr(path, '/') + 1;
    snprintf(copy, sizeof copy, "%s/%s", folder, name);
    snprintf(command, sizeof command, "cp '%s' '%s'", path, copy);
    if (system(command) != 0 || pith_model_load(test->ctx, copy, NULL, &original) != PITH_OK) {
        pith_ctx_clear_error(test->ctx); /* what contradicts itself is no matter of the text */
        unlink(copy);
        return;
    }
    TEST_OK(test, pith_model_load(test->ctx, copy, &describe, &described));
    TEST_OK(test, pith_model_text(described, NULL, 1, save, &text));
    char text_path[920];
    snprintf(text_path, sizeof text_path, "%s.txt", copy);
    FILE *file = fopen(text_path, "wb");
    TEST_CHECK(test, file && fwrite(text.data, 1, text.n_bytes, file) == text.n_bytes);
    if (file) {
        fclose(file);
    }
    TEST_OK(test, pith_model_load(test->ctx, text_path, NULL, &back));
    if (back && !draws_numbers(path)) {
        pith_test_same_runs(test, original, back);
    }
    pith_model_destroy(back);
    pith_model_destroy(described);
    pith_model_destroy(original);
    free(text.data);
    unlink(copy);
    unlink(text_path);
}

static void check_suite(pith_test *test, const char *folder)
{
    static const char *const suites[] = { "onnx_suite/node", "onnx_suite/simple", "onnx_suite/pytorch-operator",
                                          "onnx_suite_old/node" };
    for (int s = 0; s < PITH_COUNT(suites); s++) {
        struct dirent **cases = NULL;
        char path[900];
        snprintf(path, sizeof path, "%s/%s", PITH_BINARY_DIR, suites[s]);
        int n_cases = scandir(path, &cases, NULL, alphasort);
        pith_test_case(test, "%s", suites[s]);
        if (n_cases <= 0) {
            pith_test_skip(test, "not in the build folder");
        }
        for (int i = 0; i < n_cases; i++) {
            snprintf(path, sizeof path, "%s/%s/%s/model.onnx", PITH_BINARY_DIR, suites[s], cases[i]->d_name);
            if (access(path, R_OK) == 0) {
                pith_test_case(test, "%s/%s", suites[s], cases[i]->d_name);
                check_file(test, path, folder);
            }
            free(cases[i]);
        }
        free(cases);
    }
}

static void check_samples(pith_test *test)
{
    for (int i = 0; i < pithi_op_count(); i++) {
        const pith_op *op = pithi_op_at(i);
        for (int k = 0; k < op->n_samples; k++) {
            pith_sample sample;
            pith_test_case(test, "sample of %s: %s", op->head.name, op->samples[k]);
            if (pithi_sample_parse(test->ctx, op, op->samples[k], &sample) == PITH_OK) {
                round_trip(test, sample.graph);
                pithi_graph_destroy(sample.graph);
            }
            pith_ctx_clear_error(test->ctx);
        }
    }
}

/* ---- malformed ---------------------------------------------------------------------------- */

static const struct {
    const char *text, *message;
    pith_status status;
} bad[] = {
    { "graph g\n", "doesn't begin with 'pith-graph 1'", PITH_STATUS_FORMAT },
    { "pith-graph 2\n", "version 2, this pith reads version 1", PITH_STATUS_UNSUPPORTED },
    { "pith-graph 1\nnode\n", "line 2: after the first line come file", PITH_STATUS_FORMAT },
    { "pith-graph 1\nfile \"w\" 4\ngraph g\n", "came from memory", PITH_STATUS_UNSUPPORTED },
    { "pith-graph 1\ngraph g\nfoo\n", "line 3: 'foo' is none of", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\ninput %x:f33[1]\n", "'f33' is no element type", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\ninput %x:f32[1,2\n", "',' is missing at the end", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\ninput %x:f32[1,1,1,1,1,1,1,1,1]\n", "more than 8 dimensions", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\ninput %x:f32[1]\ninput %x:f32[1]\n", "line 4: value 'x' is defined twice",
      PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\n%y = relu(%x)\n", "value 'x' is not defined above", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\n%y = relu(%y)\n", "reads 'y', which it makes itself", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\n%y = frobnicate()\n", "there is no operator 'frobnicate'", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\n%y = relu() alpha=1\n", "relu has no attribute 'alpha'", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\n%y = softmax() axis=x\n", "'x' is no whole number", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\nconst %c:f32[3] = {1,2}\n", "has 3 elements, 2 are given", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\nconst %c:f32[1] = {1,2}\n", "has 1 elements, more are given", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\nconst %c:u8[1] = {256}\n", "256 doesn't fit u8", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\nconst %c:f32[1] = hex 0000\n", "want 4 bytes", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\nconst %c:f32[1000000000] = {1}\n", "more elements than the rest of the text",
      PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\nconst %c:f32[1] = @0:0 #0123456789abcdef\n", "file 0 isn't among the 0",
      PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\nconst %c:f32[9223372036854775807,8] = {1}\n", "max_tensor_bytes", PITH_STATUS_LIMIT },
    { "pith-graph 1\ngraph g\n%y = if() {\ninput %a:f32[]\n", "a body doesn't end", PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph g\n%y = if() {\ninput %a:f32[]\n}\noutput %a\n", "only in a body that has ended",
      PITH_STATUS_FORMAT },
    { "pith-graph 1\ngraph \"\\q\"\n", "after a backslash", PITH_STATUS_FORMAT },
};

static void check_bad(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(bad); i++) {
        pithi_import_info info = { 0 };
        pith_graph *graph = NULL;
        pith_test_case(test, "%s", bad[i].message);
        TEST_STATUS(test, pithi_import_text(test->ctx, bad[i].text, strlen(bad[i].text), "", &info, &graph),
                    bad[i].status, bad[i].message);
        TEST_CHECK(test, !graph && pith_ctx_memory_bytes(test->ctx) == 0);
        pith_ctx_clear_error(test->ctx);
    }
}

void test_text_form(pith_test *test)
{
    static const char *const networks[] = { "mnist8/model.onnx", "ppocr/en_number_mobile_v2.0_rec_infer.onnx",
                                            "silero_vad/silero_vad_16k_op15.onnx",
                                            "converted_onnx/mobilenet_v2_1.0_224_qat.qdq.onnx" };
    char folder[] = "/tmp/pith_text_XXXXXX";
    for (int i = 0; i < pith_onnx_n_all; i++) {
        pith_proto proto = { 0 };
        pith_imported imported;
        pith_test_case(test, "model %d", i);
        TEST_CHECK(test, pith_proto_onnx(&proto, pith_onnx_all[i]));
        TEST_OK(test, pith_import_bytes(test->ctx, proto.data, proto.n_bytes, "", &imported));
        round_trip(test, imported.graph);
        pith_imported_deinit(&imported);
        pith_proto_free(&proto);
    }
    check_samples(test);
    check_bad(test);
    TEST_CHECK(test, mkdtemp(folder) != NULL);
    for (int i = 0; i < PITH_COUNT(networks); i++) {
        char path[900];
        snprintf(path, sizeof path, "%s/../shared/models/%s", PITH_SOURCE_DIR, networks[i]);
        pith_test_case(test, "%s", networks[i]);
        if (access(path, R_OK) == 0) {
            check_file(test, path, folder);
        } else {
            pith_test_skip(test, "no such file");
        }
    }
    check_suite(test, folder);
    rmdir(folder);
}
