/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the inputs of products: by the weights they make what the layer itself makes at some place, for convolutions
 * and transposed ones; weights of these that are stored in 8 bits are off by no more than a step of their channel. */
#include <math.h>

#include "pith/session.h"
#include "quant/quant.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/patches_test.onnx"

enum { N_SAMPLES = 4, N_IN = 3 * 5 * 6, MOST_OUT = 8 };

static float data[N_SAMPLES * N_IN];

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    (void)user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 5, 6 } }, data + index * N_IN };
    return PITH_OK;
}

static const pith_samples samples = { read_sample, NULL, N_SAMPLES };

/* The least largest difference between `sums` and the channels of a place of any sample. */
static double nearest_place(pith_test *test, const float *sums, int64_t n_out)
{
    pith_model *model = NULL;
    pith_session *session = NULL;
    double least = INFINITY;
    TEST_OK(test, pith_model_load(test->ctx, PATH, NULL, &model));
    TEST_OK(test, pith_session_create(model, NULL, &session));
    for (int s = 0; s < N_SAMPLES && session; s++) {
        pith_tensor input;
        read_sample(NULL, s, &input);
        TEST_OK(test, pith_session_run(session, &input, 1));
        const pith_tensor *y = pith_session_output(session, 0);
        const int64_t n_places = pith_shape_elements(&y->shape) / n_out;
        for (int64_t place = 0; place < n_places; place++) {
            double most = 0.0;
            for (int64_t c = 0; c < n_out; c++) {
                most = fmax(most, fabs((double)(((const float *)y->data)[c * n_places + place] - sums[c])));
            }
            least = fmin(least, most);
        }
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
    return least;
}

static void check_rows(pith_test *test, pithi_patches *p, int64_t n_out, bool is_transposed)
{
    const float *w = p->node->inputs[1]->constant->data;
    const int64_t window = p->k / 3;
    TEST_CHECK(test, p->n_rows > 8 && n_out <= MOST_OUT);
    for (int64_t row = 0; row < p->n_rows && row < 64; row++) {
        float sums[MOST_OUT] = { 0 };
        for (int64_t c = 0; c < n_out; c++) {
            for (int64_t i = 0; i < p->k; i++) {
                const int64_t at = is_transposed ? (i / window * n_out + c) * window + i % window : c * p->k + i;
                sums[c] += p->x[row * p->k + i] * w[at];
            }
        }
        const double off = nearest_place(test, sums, n_out);
        TEST_CHECK_MESSAGE(test, off < 1e-5, "row %lld is %g off", (long long)row, off);
    }
}

static void check(pith_test *test, const char *text, int64_t n_out, bool is_transposed)
{
    static const pith_quantize_options options = { .n_threads = 1 };
    pithi_quant_work work = { .limit = INFINITY };
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &samples, .work = &work,
                          .graph = pith_test_graph(test, text), .arena = { .ctx = test->ctx } };
    pithi_patches patches = { 0 };
    if (quant.graph && pith_test_save_onnx(test, quant.graph, PATH)) {
        TEST_OK(test, pithi_quant_learn_types(&quant, quant.graph));
        TEST_OK(test, pithi_quant_select(&quant));
        TEST_OK(test, pithi_quant_calibrate(&quant));
        TEST_OK(test, pithi_quant_patches_open(&quant, quant.graph->first, &patches));
        TEST_OK(test, pithi_quant_patches_fill(&quant, &patches, 1, false));
        check_rows(test, &patches, n_out, is_transposed);
        pithi_quant_patches_close(&quant, &patches);
    }
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(quant.graph);
}

/* Both ways to round, with channels of unlike size, which need scales of their own. */
static void check_error(pith_test *test, const char *text, const pith_quantize_options *options, double least_db)
{
    pith_graph *graph = pith_test_graph(test, text);
    float *w = graph ? graph->first->inputs[1]->constant->data : NULL;
    pith_quantize_report *report = NULL;
    void *bytes = NULL;
    size_t n_bytes = 0;
    for (int i = 0; w && i < 3 * 8 * 6; i++) {
        w[i] *= powf(4.0f, (float)(i / 6 % 8) - 4.0f);
    }
    if (w && pith_test_save_onnx(test, graph, PATH)) {
        TEST_OK(test, pith_quantize(test->ctx, PATH, options, &samples, &bytes, &n_bytes, &report));
    }
    if (bytes) {
        const double db = pith_test_compare_models(test, PATH, bytes, n_bytes, &samples).sqnr_db;
        TEST_CHECK_MESSAGE(test, db > least_db, "%.1f dB", db);
        TEST_CHECK(test, report->n_plain == 0); /* the method changes nothing here, so it isn't kept */
    }
    pith_free_bytes(test->ctx, bytes);
    pith_quantize_report_destroy(report);
    pithi_graph_destroy(graph);
}

void test_patches(pith_test *test)
{
    static const char plain[] = "input x f32[1,3,5,6]\nconst w f32[4,3,3,2]{-1:1}\n"
                                "y = conv x w | strides=[2,1] pads=[1,0,0,1] dilations=[1,2]\noutput y\n";
    static const char transposed[] = "input x f32[1,3,5,6]\nconst w f32[3,8,3,2]{-1:1}\n"
                                     "y = conv_transpose x w | strides=[2,3] pads=[1,0,0,1] output_padding=[1,0]\n"
                                     "output y\n";
    static const char dilated[] = "input x f32[1,3,5,6]\nconst w f32[3,4,2,3]{-1:1}\n"
                                  "y = conv_transpose x w | strides=[1,2] dilations=[2,1]\noutput y\n";
    for (int i = 0; i < PITH_COUNT(data); i++) {
        data[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    pith_test_case(test, "rows of convolutions");
    check(test, plain, 4, false);
    pith_test_case(test, "rows of transposed convolutions");
    check(test, transposed, 8, true);
    check(test, dilated, 4, true);
    pith_test_case(test, "weights of transposed convolutions by channels");
    check_error(test, transposed, &(pith_quantize_options){ .weights = "int8" }, 40.0);
    check_error(test, transposed, &(pith_quantize_options){ .weights = "int8", .weight_method = PITH_WEIGHT_GPTQ },
                40.0);
}
