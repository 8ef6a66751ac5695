/* SPDX-License-Identifier: Apache-2.0 */
/* Recurrent networks through pith_quantize(): W and R become bytes with a scale for each row of each direction, also
 * where there is nothing else to quantise, unless the node is kept float. */
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/quantize_recurrent_test.onnx"

enum { N_SAMPLES = 8, N_ELEMENTS = 6 * 8 };

static const char network[] =
    "input x f32[6,1,8]\n"
    "const w f32[2,64,8]{-0.6:0.6}\nconst r f32[2,64,16]{-0.4:0.4}\nconst b f32[2,128]{-0.2:0.2}\n"
    "l = lstm x w r b | direction=bidirectional\n"
    "t = transpose l | perm=[0,2,1,3]\n"
    "const s s64[3]{6,1,32}\n"
    "u = reshape t s\n"
    "const w2 f32[1,48,32]{-0.3:0.3}\nconst r2 f32[1,48,16]{-0.3:0.3}\n"
    "y = gru u w2 r2 | linear_before_reset=1\n"
    "output y\n";

static float samples_data[N_SAMPLES * N_ELEMENTS];

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    (void)user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 3, { 6, 1, 8 } }, samples_data + index * N_ELEMENTS };
    return PITH_OK;
}

static void check(pith_test *test, const pith_quantize_options *options, int n_integer, double least_db)
{
    const pith_samples samples = { read_sample, NULL, N_SAMPLES };
    pith_graph *graph = pith_test_graph(test, network);
    pith_quantize_report *report = NULL;
    void *bytes = NULL;
    size_t n_bytes = 0;
    if (graph && pith_test_save_onnx(test, graph, PATH)) {
        TEST_OK(test, pith_quantize(test->ctx, PATH, options, &samples, &bytes, &n_bytes, &report));
    }
    if (bytes) {
        TEST_CHECK(test, report->n_integer_nodes + report->n_mixed_nodes == n_integer);
        TEST_CHECK(test, report->float_bytes == (n_integer > 0 ? 4 : 1) * report->quantized_bytes);
        const double db = pith_test_compare_models(test, PATH, bytes, n_bytes, &samples).sqnr_db;
        TEST_CHECK_MESSAGE(test, db >= least_db && (db < 90.0 || n_integer == 0), "%.1f dB", db);
    }
    pith_free_bytes(test->ctx, bytes);
    pith_quantize_report_destroy(report);
    pithi_graph_destroy(graph);
}

/* A limit that 8 bits don't keep raises the recurrent weights; the report names them. */
static void check_limit(pith_test *test)
{
    const pith_samples samples = { read_sample, NULL, N_SAMPLES };
    const pith_quantize_options options = { .no_timing = 1, .max_drop = 1e-6 };
    pith_graph *graph = pith_test_graph(test, network);
    pith_quantize_report *report = NULL;
    void *bytes = NULL;
    size_t n_bytes = 0;
    if (graph && pith_test_save_onnx(test, graph, PATH)) {
        TEST_OK(test, pith_quantize(test->ctx, PATH, &options, &samples, &bytes, &n_bytes, &report));
    }
    if (bytes) {
        bool are_float = report->n_layers == 2;
        for (int i = 0; i < report->n_layers; i++) {
            are_float = are_float && strcmp(report->layers[i].weights, "float32") == 0;
        }
        TEST_CHECK(test, are_float && report->n_integer_nodes == 0 && report->drop <= 1e-6);
        const double db = pith_test_compare_models(test, PATH, bytes, n_bytes, &samples).sqnr_db;
        TEST_CHECK_MESSAGE(test, db >= 80.0, "%.1f dB", db);
    }
    pith_free_bytes(test->ctx, bytes);
    pith_quantize_report_destroy(report);
    pithi_graph_destroy(graph);
}

void test_quantize_recurrent(pith_test *test)
{
    for (int i = 0; i < N_SAMPLES * N_ELEMENTS; i++) {
        samples_data[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    pith_test_case(test, "int8");
    check(test, &(pith_quantize_options){ .no_timing = 1, .no_mix = 1 }, 2, 35.0);
    pith_test_case(test, "one stays float");
    check(test, &(pith_quantize_options){ .no_timing = 1, .no_mix = 1, .keep_float = "GRU" }, 1, 35.0);
    pith_test_case(test, "a limit on the drop makes them float");
    check_limit(test);
    pith_test_case(test, "stored in 8 bits");
    check(test, &(pith_quantize_options){ .weights = "int8" }, 2, 35.0);
    pith_test_case(test, "formats that they don't have leave them as they are");
    check(test, &(pith_quantize_options){ .weights = "int4" }, 0, 90.0);
}
