/* SPDX-License-Identifier: Apache-2.0 */
/* Biases of integer layers: correction takes out what is wrong with each channel's mean, whatever the product; where
 * the input gets 16 bits after weights were rounded, biases still fit; and who leaves correction out has none. */
#include <math.h>
#include <stdlib.h>

#include "quant/quant.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/biases_test.onnx"

enum { N_SAMPLES = 40, N_FEW = 24, N_IN = 2 * 4 * 40 };

/* More columns than channels. */
static const char transposed[] = "input x f32[1,2,4,40]\n"
                                 "const w f32[2,3,2,2]{-0.5:0.5}\nconst b f32[3]{-0.2:0.2}\n"
                                 "y = conv_transpose x w b | strides=[2,2]\n"
                                 "output y\n";

static const char matmul[] = "input x f32[1,2,4,40]\n"
                             "const w f32[40,3]{-0.5:0.5}\nconst b f32[3]{-0.2:0.2}\n"
                             "p = matmul x w\n"
                             "y = add p b\n"
                             "output y\n";

/* The first channel is nearly its bias alone. */
static const char convolution[] = "input x f32[1,2,4,40]\n"
                                  "const w f32[2,2,1,1]{1e-9,2e-9,0.5,0.25}\nconst b f32[2]{1,0.1}\n"
                                  "y = conv x w b\n"
                                  "output y\n";
static const char row[] = "input x f32[1,2,4,40]\n"
                          "const w f32[40,2]{-1e-9:1e-9}\nconst b f32[2]{1,-2}\n"
                          "p = matmul x w\n"
                          "y = add p b\n"
                          "output y\n";

typedef struct fixture {
    pithi_quant quant;
    pithi_quant_work work;
    pith_quantize_options options;
    pith_samples samples;
} fixture;

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 2, 4, 40 } }, (float *)user + index * N_IN };
    return PITH_OK;
}

/* Up to ranges. */
static void start(pith_test *test, const char *text, float *data, int n_samples, fixture *f)
{
    f->options = (pith_quantize_options){ .n_threads = 1 };
    f->samples = (pith_samples){ read_sample, data, n_samples };
    f->work = (pithi_quant_work){ .limit = INFINITY };
    f->quant = (pithi_quant){ .ctx = test->ctx, .options = &f->options, .samples = &f->samples, .work = &f->work,
                              .graph = pith_test_graph(test, text), .arena = { .ctx = test->ctx } };
    TEST_OK(test, pithi_graph_infer(f->quant.graph));
    TEST_OK(test, pithi_quant_select(&f->quant));
    TEST_OK(test, pithi_quant_calibrate(&f->quant));
    pithi_quant_observe_all(&f->quant);
    pithi_quant_take_observer(&f->quant, PITH_OBSERVER_MIN_MAX);
}

static void stop(fixture *f)
{
    pithi_arena_deinit(&f->quant.arena);
    pithi_graph_destroy(f->quant.graph);
}

static void test_correction(pith_test *test, const char *text, float *data)
{
    float wrong[3] = { 0.5f, -0.25f, 0.125f };
    bool is_done = false;
    fixture f;
    start(test, text, data, N_FEW, &f);
    f.quant.bias_shifts[0] = wrong;
    TEST_OK(test, pithi_quant_correct_biases(&f.quant, &is_done));
    TEST_CHECK(test, is_done);
    for (int c = 0; c < 3; c++) {
        TEST_CHECK_MESSAGE(test, fabsf(f.quant.bias_shifts[0][c]) < 0.01f, "channel %d: %g is left", c,
                           (double)f.quant.bias_shifts[0][c]);
    }
    stop(&f);
}

/* Weights alone, so that the result isn't rounded: what the mean of the samples that taught is off by afterwards. */
static void test_mean(pith_test *test, float *data)
{
    double means[2][3] = { { 0.0 } }, largest = 0.0;
    int taught[N_SAMPLES];
    bool is_done = false;
    fixture f;
    pith_test_case(test, "no mean error is left");
    start(test, transposed, data, N_SAMPLES, &f);
    f.options.weights = "int3";
    pithi_quant_number(f.quant.graph);
    f.quant.n_tensors = 0;
    for (size_t i = 0; i < f.quant.graph->n_values; i++) {
        f.quant.tensor_of[i] = -1;
    }
    f.quant.layers[0].format = (pithi_weight_format){ .bits = 3 };
    TEST_OK(test, pithi_quant_correct_biases(&f.quant, &is_done));
    TEST_CHECK(test, is_done && f.quant.bias_shifts[0]);
    const int n_taught = pithi_quant_free_samples(&f.quant, N_SAMPLES, taught);
    TEST_CHECK(test, n_taught > 0 && n_taught < N_SAMPLES);
    for (int quantised = 0; quantised < 2; quantised++) {
        pith_graph *clone = NULL;
        pithi_quant_runner runner = { 0 };
        TEST_OK(test, pithi_graph_clone(f.quant.graph, &clone));
        pithi_quant_number(f.quant.graph);
        TEST_OK(test, quantised ? pithi_quant_insert(&f.quant, clone) : PITH_OK);
        TEST_OK(test, pithi_quant_start(&f.quant, clone, &runner));
        for (int k = 0; k < n_taught; k++) {
            TEST_OK(test, pithi_quant_run(&f.quant, &runner, taught[k]));
            const pith_tensor *y = pith_session_output(runner.session, 0);
            const int64_t n = pith_shape_elements(&y->shape) / 3;
            for (int64_t i = 0; i < 3 * n; i++) {
                const double value = (double)((const float *)y->data)[i];
                means[quantised][i / n] += value / (double)(n * n_taught);
                largest = fmax(largest, fabs(value));
            }
        }
        pithi_quant_stop(&f.quant, &runner);
    }
    for (int c = 0; c < 3; c++) {
        const double shift = f.quant.bias_shifts[0] ? fabs((double)f.quant.bias_shifts[0][c]) : 0.0;
        TEST_CHECK_MESSAGE(test, fabs(means[0][c] - means[1][c]) <= 1e-5 * largest, "channel %d: %g of %g is left", c,
                           means[1][c] - means[0][c], largest);
        TEST_CHECK_MESSAGE(test, shift > 1e-5 * largest, "channel %d: shifted by %g", c, shift);
    }
    stop(&f);
}

/* Samples in turns x and -x: what one half teaches is wrong for the other, as odd functions' errors change sign. */
static void test_unconfirmed(pith_test *test, const float *data)
{
    float *turns = malloc(N_FEW * N_IN * sizeof(float));
    bool is_done = false;
    fixture f;
    pith_test_case(test, "few samples: half of them confirm what the others teach");
    for (int i = 0; turns && i < N_FEW * N_IN; i++) {
        turns[i] = i / N_IN % 2 ? -fabsf(data[i % N_IN]) : fabsf(data[i % N_IN]);
    }
    start(test, transposed, turns, N_FEW, &f);
    f.options.weights = "int3";
    f.quant.layers[0].format = (pithi_weight_format){ .bits = 3 };
    TEST_OK(test, pithi_quant_correct_biases(&f.quant, &is_done));
    TEST_CHECK(test, is_done && !f.quant.bias_shifts[0]);
    stop(&f);
    free(turns);
}

static void test_room(pith_test *test, const char *text, float *data)
{
    fixture f;
    pithi_quant_error error = { 0 };
    start(test, text, data, N_FEW, &f);
    TEST_OK(test, pithi_quant_round_layers(&f.quant));
    TEST_CHECK(test, f.quant.layers[0].rounded.q != NULL);
    for (int wide = 0; wide < 2; wide++) {
        for (int i = 0; i < f.quant.n_tensors; i++) {
            f.quant.tensors[i].format = wide ? PITHI_ACTIVATION_U16 : PITHI_ACTIVATION_U8;
        }
        TEST_OK(test, pithi_quant_measure(&f.quant, f.quant.n_held, &error));
        TEST_CHECK_MESSAGE(test, error.sqnr_db > (wide ? 40.0 : 30.0), "%d bits: %.1f dB", wide ? 16 : 8,
                           error.sqnr_db);
    }
    stop(&f);
}

static bool has_stage(const pith_quantize_report *report, const char *name)
{
    for (int i = 0; report && i < report->n_stages; i++) {
        if (strcmp(report->stages[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A limit on the drop that int8 can't keep leads to another mix, which is corrected for itself. */
static void test_left_out(pith_test *test, float *data)
{
    static const char deep[] = "input x f32[1,2,4,40]\n"
                               "const w1 f32[8,2,3,3]{-0.4:0.4}\nconst b1 f32[8]{-0.2:0.2}\n"
                               "a = conv x w1 b1\nar = relu a\n"
                               "const w2 f32[8,8,2,3]{-0.3:0.3}\nconst b2 f32[8]{-0.2:0.2}\n"
                               "y = conv ar w2 b2\n"
                               "output y\n";
    const pith_samples samples = { read_sample, data, N_SAMPLES };
    pith_graph *graph = pith_test_graph(test, deep);
    bool has[2] = { false, false }, ok = graph && pith_test_save_onnx(test, graph, PATH);
    pith_test_case(test, "correction that is left out, of the chosen mix as well");
    for (int k = 0; k < 2 && ok; k++) {
        const pith_quantize_options options = { .n_threads = 1, .no_timing = 1, .max_drop = 1e-4, .verify = &samples,
                                                .without = k ? "bias-correction" : NULL };
        pith_quantize_report *report = NULL;
        void *bytes = NULL;
        size_t n_bytes = 0;
        TEST_OK(test, pith_quantize(test->ctx, PATH, &options, &samples, &bytes, &n_bytes, &report));
        TEST_CHECK(test, report && report->n_layers > 0);
        has[k] = has_stage(report, "bias-correction");
        pith_free_bytes(test->ctx, bytes);
        pith_quantize_report_destroy(report);
    }
    TEST_CHECK(test, has[0] && !has[1]);
    pithi_graph_destroy(graph);
}

void test_biases(pith_test *test)
{
    float *data = malloc(N_SAMPLES * N_IN * sizeof(float));
    for (int i = 0; data && i < N_SAMPLES * N_IN; i++) {
        data[i] = (float)pith_test_uniform(test, -0.5, 1.0); /* with a mean, or weights shift none */
    }
    if (data) {
        pith_test_case(test, "correction of a transposed convolution, by channel");
        test_correction(test, transposed, data);
        pith_test_case(test, "correction of the row behind a matmul");
        test_correction(test, matmul, data);
        test_mean(test, data);
        test_unconfirmed(test, data);
        pith_test_case(test, "room for biases where 16 bits come later: convolution");
        test_room(test, convolution, data);
        pith_test_case(test, "room for biases where 16 bits come later: a row behind a matmul");
        test_room(test, row, data);
        test_left_out(test, data);
    }
    free(data);
}
