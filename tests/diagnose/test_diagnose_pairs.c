/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs whose ends differ: integer inputs and outputs, other order, other numbers of outputs, no common layer. What is
 * right follows from the same pair with float ends. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "export/export.h"
#include "import/import.h"
#include "passes/rewrite.h"
#include "pith/diagnose.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define FLOAT_PATH PITH_BINARY_DIR "/pairs_float.onnx"
#define INT_PATH   PITH_BINARY_DIR "/pairs_int8.onnx"

#define W      "const w f32[4,3,3,3]{-0.4:0.4}\n"
#define X_STEP "const xs f32[]{0.008}\nconst xz u8[]{128}\n"
#define Y_STEP "const ys f32[]{0.05}\nconst yz u8[]{120}\n"
#define FLOAT  "input x f32[1,3,12,12]\n" W "y = conv x w\noutput y\n"
/* Weights in integers: scale 1/256. */
#define LAYER "const ws f32[]{0.00390625}\nconst wz s8[]{0}\nwq = quantize_linear w ws wz\n"
#define TWIN \
    "input x f32[1,3,12,12]\n" W X_STEP Y_STEP LAYER "xq = quantize_linear x xs xz\nxd = dequantize_linear xq xs xz\n" \
    "wd = dequantize_linear wq ws wz\nc = conv xd wd\nyq = quantize_linear c ys yz\n" \
    "y = dequantize_linear yq ys yz\noutput y\n"

enum { N_ELEMENTS = 3 * 12 * 12 };

static pith_status read_waves(void *user, int index, pith_tensor *inputs)
{
    float (*elements)[N_ELEMENTS] = user;
    for (int k = 0; k < 2 && elements[k][0] < 1e9f; k++) {
        for (int i = 0; i < N_ELEMENTS; i++) {
            elements[k][i] = (float)((i * (37 + 6 * k) + index * 11) % 101) / 50.0f - 1.0f;
        }
        inputs[k] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 12, 12 } }, elements[k] };
    }
    return PITH_OK;
}

/* The report, or NULL with the error's message in the context. */
static pith_diagnose_report *diagnose(pith_test *test, const char *floats_text, const char *twin_text, int n_inputs,
                                      pith_diagnose_options how)
{
    float elements[3][N_ELEMENTS] = { { 0.0f } };
    const pith_samples samples = { read_waves, elements, 4 };
    pith_diagnose_report *report = NULL;
    elements[n_inputs][0] = 2e9f; /* the end */
    how.n_threads = 1;
    const uint64_t random = test->random, fixed = 20261122; /* for the same weights in all cases */
    test->random = fixed;
    pith_graph *floats = pith_test_graph(test, floats_text);
    test->random = fixed;
    pith_graph *twin = pith_test_graph(test, twin_text);
    test->random = random;
    if (floats && twin) {
        pith_test_save_onnx(test, floats, FLOAT_PATH);
        pith_test_save_onnx(test, twin, INT_PATH);
        (void)pith_diagnose(test->ctx, FLOAT_PATH, INT_PATH, &how, &samples, &report);
    }
    pithi_graph_destroy(floats);
    pithi_graph_destroy(twin);
    return report;
}

static void check_integers(pith_test *test, const char *what, const char *twin_text, double wanted_db,
                           pith_diagnose_options how)
{
    pith_test_case(test, "%s", what);
    pith_diagnose_report *report = diagnose(test, FLOAT, twin_text, 1, how);
    TEST_CHECK_MESSAGE(test, report, "%s", pith_ctx_error(test->ctx));
    TEST_CHECK_MESSAGE(test, report && fabs(report->outputs.sqnr_db - wanted_db) < 1e-6, "%.9g dB, not %.9g",
                       report ? report->outputs.sqnr_db : 0.0, wanted_db);
    TEST_CHECK(test, report && report->n_outputs == 1 && report->n_layers == 1 && !report->is_outputs_only);
    pith_diagnose_report_destroy(report);
}

static void test_integers(pith_test *test)
{
    const pith_diagnose_options plain = { 0 }, given = { .input_scale = 0.008, .input_zero = 128 };
    pith_test_case(test, "float ends");
    pith_diagnose_report *report = diagnose(test, FLOAT, TWIN, 1, plain);
    TEST_CHECK_MESSAGE(test, report, "%s", pith_ctx_error(test->ctx));
    const double db = report ? report->outputs.sqnr_db : 0.0;
    TEST_CHECK(test, db > 15.0 && db < 80.0);
    pith_diagnose_report_destroy(report);
    check_integers(test, "integer ends, QDQ",
                   "input x u8[1,3,12,12]\n" W X_STEP Y_STEP LAYER "xd = dequantize_linear x xs xz\n"
                   "wd = dequantize_linear wq ws wz\nc = conv xd wd\ny = quantize_linear c ys yz\noutput y\n",
                   db, plain);
    check_integers(test, "integer ends, QOperator",
                   "input x u8[1,3,12,12]\n" W X_STEP Y_STEP LAYER
                   "y = qlinear_conv x xs xz wq ws wz ys yz\noutput y\n",
                   db, plain);
    check_integers(test, "integer ends, moved before they are read",
                   "input x u8[1,3,12,12]\n" W X_STEP Y_STEP LAYER "const a s64[3]{1,3,144}\nr = reshape x a\n"
                   "const b s64[4]{1,3,12,12}\ns = reshape r b\ny = qlinear_conv s xs xz wq ws wz ys yz\noutput y\n",
                   db, plain);
    check_integers(test, "an integer input of given scale",
                   "input x u8[1,3,12,12]\n" W X_STEP Y_STEP LAYER "xf = cast x | to=f32\nconst o f32[]{128}\n"
                   "xc = sub xf o\nxd = mul xc xs\nwd = dequantize_linear wq ws wz\nc = conv xd wd\n"
                   "y = quantize_linear c ys yz\noutput y\n",
                   db, given);
    pith_test_case(test, "an integer input of unknown scale");
    report = diagnose(test, FLOAT, "input x u8[1,3,12,12]\n" W "xf = cast x | to=f32\ny = conv xf w\noutput y\n", 1,
                      plain);
    TEST_CHECK_MESSAGE(test, !report && strstr(pith_ctx_error(test->ctx), "--input-scale"), "%s",
                       pith_ctx_error(test->ctx));
    pith_diagnose_report_destroy(report);
}

static void test_alone(pith_test *test)
{
    const pith_diagnose_options plain = { .repair = 1 };
    pith_test_case(test, "no common layer");
    pith_diagnose_report *report =
        diagnose(test, FLOAT,
                 "input x f32[1,3,12,12]\nconst k f32[1,3,12,12]{0.01}\nm = mul x k\n"
                 "const a s64[2]{0,0}\nconst b s64[2]{10,10}\nconst c s64[2]{2,3}\nconst d s64[4]{1,4,10,10}\n"
                 "n = slice m a b c\nconst e s64[1]{1}\no = reduce_sum n e\ny = expand o d\noutput y\n",
                 1, plain);
    TEST_CHECK_MESSAGE(test, report, "%s", pith_ctx_error(test->ctx));
    TEST_CHECK(test, report && report->is_outputs_only && report->n_layers == 0 && report->n_findings == 0);
    TEST_CHECK(test, report && report->n_outputs == 1 && report->outputs.sqnr_db < 10.0 && report->needs_repair);
    TEST_CHECK_MESSAGE(test, report && strstr(report->verdict, "No layer of the float network was found"), "%s",
                       report ? report->verdict : "");
    TEST_CHECK(test, report && !report->is_repaired && report->n_unmatched > 0);
    pith_diagnose_report_destroy(report);
}

static void test_ends(pith_test *test)
{
    static const char floats[] = "input a f32[1,3,12,12]\ninput b f32[1,3,12,12]\n" W
        "u = conv a w\nv = conv b w\nextra = relu u\nz = add u v\noutput u\noutput extra\noutput z\n";
    static const char twin[] = "input b f32[1,3,12,12]\ninput a f32[1,3,12,12]\n" W
        "u = conv a w\nv = conv b w\nz = add u v\nmore = sigmoid z\noutput more\noutput z\noutput u\n";
    const pith_diagnose_options plain = { 0 };
    pith_test_case(test, "inputs and outputs in another order, some of one network alone");
    pith_diagnose_report *report = diagnose(test, floats, twin, 2, plain);
    TEST_CHECK_MESSAGE(test, report, "%s", pith_ctx_error(test->ctx));
    TEST_CHECK(test, report && report->n_outputs == 2 && report->outputs.sqnr_db > 100.0);
    TEST_CHECK(test, report && report->n_lone_outputs == 2);
    for (int i = 0; report && i < report->n_lone_outputs; i++) {
        const pith_unmatched *lone = &report->lone_outputs[i];
        TEST_CHECK_MESSAGE(test, strcmp(lone->name, lone->is_float_side ? "extra" : "more") == 0, "%s", lone->name);
    }
    pith_diagnose_report_destroy(report);
    pith_test_case(test, "an input that the quantised network does without");
    report = diagnose(test, "input a f32[1,3,12,12]\ninput x f32[1,3,12,12]\n" W "y = conv x w\nr = relu a\noutput y\n"
                      "output r\n", TWIN, 2, plain);
    TEST_CHECK_MESSAGE(test, report && report->n_outputs == 1 && report->outputs.sqnr_db > 15.0, "%s",
                       pith_ctx_error(test->ctx));
    pith_diagnose_report_destroy(report);
    pith_test_case(test, "an input that the float network lacks");
    report = diagnose(test, FLOAT, "input x f32[1,3,12,12]\ninput k f32[1,3,12,12]\n" W "s = add x k\ny = conv s w\n"
                      "output y\n", 1, plain);
    TEST_CHECK_MESSAGE(test, !report && strstr(pith_ctx_error(test->ctx), "lacks 'k'"), "%s",
                       pith_ctx_error(test->ctx));
    pith_diagnose_report_destroy(report);
}

/* The same layer written in two ways: one layer with weights, all nodes with partners, exact outputs. */
static void check_ways(pith_test *test, const char *what, const char *floats, const char *twin)
{
    const pith_diagnose_options plain = { 0 };
    pith_test_case(test, "%s", what);
    pith_diagnose_report *report = diagnose(test, floats, twin, 1, plain);
    TEST_CHECK_MESSAGE(test, report, "%s", pith_ctx_error(test->ctx));
    TEST_CHECK_MESSAGE(test, report && report->n_layers == 1 && report->n_unmatched == 0, "%d layers, %d unmatched",
                       report ? report->n_layers : 0, report ? report->n_unmatched : 0);
    TEST_CHECK(test, report && report->outputs.sqnr_db > 100.0);
    TEST_CHECK(test, report && report->n_layers == 1 && report->layers[0].sqnr_db > 100.0);
    pith_diagnose_report_destroy(report);
}

static void test_ways(pith_test *test)
{
    /* [2][3], and its transpose */
#define ROWS   "const w f32[12,3]{" TWELVE "," TWELVE "," TWELVE "}\n"
#define TWELVE "0.5,-0.25,1,-0.75,0.125,-0.5,0.375,-1,0.625,-0.875,0.3,-0.4"
#define FLAT   "input x f32[1,3,12,12]\nconst s s64[2]{36,12}\nr = reshape x s\nconst b f32[3]{0.1,-0.2,0.3}\n"
    static const char gemm[] = FLAT ROWS "y = gemm r w b\noutput y\n";
    static const char gemm_transposed[] = FLAT "const w f32[3,12]{" \
        "0.5,-0.75,0.375,-0.875,0.5,-0.75,0.375,-0.875,0.5,-0.75,0.375,-0.875,"
        "-0.25,0.125,-1,0.3,-0.25,0.125,-1,0.3,-0.25,0.125,-1,0.3,"
        "1,-0.5,0.625,-0.4,1,-0.5,0.625,-0.4,1,-0.5,0.625,-0.4}\n" "y = gemm r w b | transB=1\noutput y\n";
    static const char matmul[] = FLAT ROWS "m = matmul r w\ny = add m b\noutput y\n";
    check_ways(test, "Gemm of the other order", gemm, gemm_transposed);
    check_ways(test, "Gemm against MatMul and Add", gemm_transposed, matmul);
    check_ways(test, "MatMul and Add against Gemm", matmul, gemm_transposed);
    check_ways(test, "1x1 convolution against MatMul",
               "input x f32[1,3,12,12]\nconst w f32[2,3,1,1]{0.5,-0.25,1,-0.75,0.125,-0.5}\n"
               "const b f32[2]{0.1,-0.2}\ny = conv x w b\noutput y\n",
               "input x f32[1,3,12,12]\nconst w f32[3,2]{0.5,-0.75,-0.25,0.125,1,-0.5}\nconst b f32[2]{0.1,-0.2}\n"
               "t = transpose x | perm=[0,2,3,1]\nm = matmul t w\na = add m b\n"
               "y = transpose a | perm=[0,3,1,2]\noutput y\n");
}

/* ---- a real pair ---------------------------------------------------------------------------- */

/* The network without its first quantize_linear, which takes integers, in INT_PATH. */
static bool save_with_integers(pith_test *test, const char *path)
{
    pithi_file file = { 0 };
    pithi_import_info info = { 0 };
    pith_graph *graph = NULL;
    bool is_saved = false;
    TEST_OK(test, pithi_file_map(test->ctx, path, &file));
    TEST_OK(test, pithi_import(test->ctx, file.data, file.n_bytes, "", &info, &graph));
    pith_node *q = graph ? graph->first : NULL;
    while (q && !(pithi_is(q, "quantize_linear") && q->inputs[0] == graph->inputs[0])) {
        q = q->next;
    }
    if (q) {
        pith_value *codes = q->outputs[0];
        codes->dtype = q->inputs[2]->constant->dtype;
        codes->has_shape = true;
        codes->shape = graph->inputs[0]->shape;
        graph->inputs[0] = codes;
        pithi_graph_remove_node(graph, q);
        codes->producer = NULL;
        is_saved = pith_test_save_onnx(test, graph, INT_PATH);
    }
    pithi_graph_destroy(graph);
    pithi_import_info_deinit(test->ctx, &info);
    pithi_file_unmap(&file);
    return is_saved;
}

typedef struct picture {
    float *elements; /* 3 x 32 x 32 */
} picture;

static pith_status read_picture(void *user, int index, pith_tensor *inputs)
{
    picture *p = user;
    for (int i = 0; i < 3 * 32 * 32; i++) {
        p->elements[i] = (float)((i * 37 + index * 11) % 256);
    }
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 32, 32 } }, p->elements };
    return PITH_OK;
}

static void test_real(pith_test *test)
{
    static const char floats[] = PITH_SOURCE_DIR "/../shared/models/converted_onnx/mlperf_resnet8.float.onnx";
    static const char twin[] = PITH_SOURCE_DIR "/../shared/models/converted_onnx/mlperf_resnet8_int8.qdq.onnx";
    static float elements[3 * 32 * 32];
    picture user = { elements };
    const pith_samples samples = { read_picture, &user, 2 };
    const pith_diagnose_options how = { .n_threads = 1, .n_suspects = 1 };
    pith_diagnose_report *reports[2] = { NULL, NULL };
    FILE *file = fopen(floats, "rb");
    pith_test_case(test, "resnet8 with integer inputs");
    if (!file) {
        pith_test_skip(test, "no %s", floats);
        return;
    }
    fclose(file);
    if (save_with_integers(test, twin)) {
        TEST_OK(test, pith_diagnose(test->ctx, floats, twin, &how, &samples, &reports[0]));
        TEST_OK(test, pith_diagnose(test->ctx, floats, INT_PATH, &how, &samples, &reports[1]));
    }
    TEST_CHECK(test, reports[0] && reports[1] && reports[0]->n_layers == reports[1]->n_layers &&
                         fabs(reports[0]->outputs.sqnr_db - reports[1]->outputs.sqnr_db) < 1e-6);
    pith_diagnose_report_destroy(reports[0]);
    pith_diagnose_report_destroy(reports[1]);
}

void test_diagnose_pairs(pith_test *test)
{
    test_integers(test);
    test_alone(test);
    test_ends(test);
    test_ways(test);
    test_real(test);
}
