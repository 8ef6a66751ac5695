/* SPDX-License-Identifier: Apache-2.0 */
/* Stages that need networks built for them: constants that an activation carries are absorbed, channels that are wider
 * than the others are split, operands of a concatenation share its scale, pixels are rounded by what they are. Each
 * gains where it is needed, and leaves other networks alone. */
#include <math.h>
#include <stdlib.h>

#include "export/export.h"
#include "pith/quantize.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"
#include "support/test.h"

#define PATH PITH_BINARY_DIR "/channels_test.onnx"

enum { N_SAMPLES = 16, N_ELEMENTS = 8 * 6 * 6 };

/* A relu between the first two layers, no function between the others (and what keeps them from becoming one). */
static const char absorbing[] = "input x f32[1,8,6,6]\n"
                                "const w1 f32[16,8,1,1]{-0.3:0.3}\nconst b1 f32[16]{-0.2:0.2}\n"
                                "a = conv x w1 b1\n"
                                "ar = relu a\n"
                                "const w2 f32[16,16,1,1]{-0.4:0.4}\nconst b2 f32[16]{-0.2:0.2}\n"
                                "d = conv ar w2 b2\n"
                                "const w3 f32[12,16,1,1]{-0.4:0.4}\nconst b3 f32[12]{-0.2:0.2}\n"
                                "m = max_pool d | kernel_shape=[2,2]\n"
                                "y = conv m w3 b3\n"
                                "output y\n";

static const char joining[] = "input x f32[1,8,6,6]\n"
                              "const w1 f32[8,8,1,1]{-0.3:0.3}\nconst b1 f32[8]{-0.2:0.2}\n"
                              "a = conv x w1 b1\n"
                              "const w2 f32[8,8,1,1]{-3:3}\nconst b2 f32[8]{-0.2:0.2}\n"
                              "b = conv x w2 b2\n"
                              "const w5 f32[8,8,1,1]{-3:3}\nconst b5 f32[8]{-0.2:0.2}\n"
                              "k = conv x w5 b5\n"
                              "c = concat a b k | axis=1\n"
                              "cr = relu c\n"
                              "const w3 f32[8,24,1,1]{-0.4:0.4}\nconst b3 f32[8]{-0.2:0.2}\n"
                              "d = conv cr w3 b3\n"
                              "s = add d k\n"
                              "output s\n";

typedef struct source {
    float samples[N_SAMPLES * N_ELEMENTS];
} source;

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    source *s = user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 8, 6, 6 } }, s->samples + index * N_ELEMENTS };
    return PITH_OK;
}

/* The constant of a name. */
static float *items_of(const pith_graph *graph, const char *name, int64_t *n_out)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        if (value->constant && pithi_same_text(value->name, name)) {
            *n_out = pith_shape_elements(&value->shape);
            return value->constant->data;
        }
    }
    *n_out = 0;
    return NULL;
}

/* Channels `first` to `first + n` of what `bias` is added to carry a constant, which the layer behind takes out. */
static void carry(const pith_graph *graph, const char *bias, const char *next, const char *next_bias, int first, int n,
                  float constant)
{
    int64_t n_in, n_weights, n_out;
    float *b = items_of(graph, bias, &n_in), *w = items_of(graph, next, &n_weights);
    float *to = items_of(graph, next_bias, &n_out);
    for (int64_t i = 0; b && w && to && i < n_weights; i++) {
        const int64_t c = i % n_in;
        to[i / n_in] -= c >= first && c < first + n ? w[i] * constant : 0.0f;
    }
    for (int c = first; b && c < first + n; c++) {
        b[c] += constant;
    }
}

/* Channel 3 of the first layer is wider, and the next layer makes as much of it as before. */
static void widen(const pith_graph *graph, float factor)
{
    int64_t n_w1, n_b1, n_w2;
    float *w1 = items_of(graph, "w1", &n_w1), *b1 = items_of(graph, "b1", &n_b1), *w2 = items_of(graph, "w2", &n_w2);
    for (int i = 0; w1 && b1 && w2 && i < 16; i++) {
        w1[3 * 8 + i % 8] *= i < 8 ? factor : 1.0f;
        b1[3] *= i == 0 ? factor : 1.0f;
        w2[i * 16 + 3] /= factor;
    }
}

typedef enum prepare { AS_IT_IS, HIGH_BIASES, CENTRES, WIDE_CHANNEL } prepare;

static pith_quantize_report *quantize(pith_test *test, const char *text, prepare how, const char *without, source *s)
{
    const pith_samples samples = { read_sample, s, N_SAMPLES };
    const pith_quantize_options options = { .n_threads = 1, .no_mix = 1, .no_timing = 1, .without = without };
    pith_graph *graph = pith_test_graph(test, text);
    pith_quantize_report *report = NULL;
    pithi_bytes file = { .ctx = test->ctx };
    void *bytes = NULL;
    size_t n_bytes = 0;
    if (!graph) {
        return NULL;
    }
    if (how == HIGH_BIASES) { /* relu lets every value of four channels through */
        carry(graph, "b1", "w2", "b2", 4, 4, 20.0f);
    } else if (how == CENTRES) {
        carry(graph, "b2", "w3", "b3", 0, 8, 10.0f);
        carry(graph, "b2", "w3", "b3", 8, 8, -10.0f);
    } else if (how == WIDE_CHANNEL) {
        widen(graph, 12.0f);
    }
    TEST_OK(test, pithi_export_onnx(graph, &file));
    pith_test_write_file(test, PATH, file.data, file.n_bytes);
    TEST_OK(test, pith_quantize(test->ctx, PATH, &options, &samples, &bytes, &n_bytes, &report));
    pith_free_bytes(test->ctx, bytes);
    pithi_free(test->ctx, file.data);
    pithi_graph_destroy(graph);
    return report;
}

/* Gain of a stage in dB; 0: it had nothing to do or wasn't kept. */
static double gain_of(const pith_quantize_report *report, const char *stage)
{
    double gain = 0.0;
    for (int i = 0; report && i < report->n_stages; i++) {
        const pith_quantize_stage *s = &report->stages[i];
        gain += s->is_kept && pithi_same_text(s->name, stage) ? s->after_db - s->before_db : 0.0;
    }
    return gain;
}

static const pith_quantized_tensor *tensor_of(const pith_quantize_report *report, const char *name)
{
    for (int i = 0; report && i < report->n_tensors; i++) {
        if (pithi_same_text(report->tensors[i].name, name)) {
            return &report->tensors[i];
        }
    }
    return NULL;
}

static void check_stage(pith_test *test, source *s, prepare how, const char *stage, const char *without,
                        double least_db)
{
    pith_test_case(test, "%s", stage);
    pith_quantize_report *with = quantize(test, absorbing, how, without, s);
    const double gain = gain_of(with, stage);
    TEST_CHECK_MESSAGE(test, gain >= least_db, "%s gains %.2f dB", stage, gain);
    pith_quantize_report_destroy(with);
    pith_test_case(test, "%s where nothing needs it", stage);
    pith_quantize_report *plain = quantize(test, absorbing, AS_IT_IS, without, s);
    TEST_CHECK_MESSAGE(test, gain_of(plain, stage) < least_db, "%s gains %.2f dB", stage, gain_of(plain, stage));
    pith_quantize_report_destroy(plain);
}

/* What only the concatenation reads has the scale of its result, what something else reads too has its own. */
static void test_joining(pith_test *test, source *s)
{
    pith_test_case(test, "concatenation");
    pith_quantize_report *report = quantize(test, joining, AS_IT_IS, NULL, s);
    const pith_quantized_tensor *a = tensor_of(report, "a"), *b = tensor_of(report, "b"), *k = tensor_of(report, "k"),
                                *c = tensor_of(report, "c");
    TEST_CHECK(test, a && b && c && k);
    if (a && b && c && k) {
        TEST_CHECK(test, a->scale == c->scale && a->zero_point == c->zero_point);
        TEST_CHECK(test, b->scale == c->scale && b->zero_point == c->zero_point);
        TEST_CHECK(test, k->scale != c->scale);
    }
    pith_quantize_report_destroy(report);
}

/* Pixels in [-1, 1] lie between the codes of their own step, those in [0, 1] on them. */
static void test_pixels(pith_test *test, source *s)
{
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        double noise = 0.0;
        pith_test_case(test, "pixels from %d to 1", -is_signed);
        for (int i = 0; i < N_SAMPLES * N_ELEMENTS; i++) {
            double pixel = floor(pith_test_uniform(test, 0.0, 255.999));
            s->samples[i] = (float)(is_signed ? (pixel - 127.5) / 127.5 : pixel / 255.0);
        }
        pith_quantize_report *report = quantize(test, absorbing, AS_IT_IS, NULL, s);
        const pith_quantized_tensor *x = tensor_of(report, "x");
        TEST_CHECK(test, x != NULL);
        for (int i = 0; x && i < N_SAMPLES * N_ELEMENTS; i++) {
            double code = nearbyint((double)s->samples[i] / (double)x->scale) + x->zero_point;
            double error = (fmin(fmax(code, 0.0), 255.0) - x->zero_point) * (double)x->scale - (double)s->samples[i];
            noise += error * error / ((double)x->scale * (double)x->scale) / (N_SAMPLES * N_ELEMENTS);
        }
        TEST_CHECK_MESSAGE(test, noise < (is_signed ? 0.1 : 1e-6), "%.4g of a squared step", noise);
        pith_quantize_report_destroy(report);
    }
}

void test_channels(pith_test *test)
{
    source *s = calloc(1, sizeof *s);
    if (!s) {
        return;
    }
    for (int i = 0; i < N_SAMPLES * N_ELEMENTS; i++) {
        s->samples[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    check_stage(test, s, HIGH_BIASES, "absorption", "equalization,smoothing,splitting", 3.0);
    check_stage(test, s, CENTRES, "absorption", "equalization,smoothing,splitting", 3.0);
    check_stage(test, s, WIDE_CHANNEL, "splitting", "equalization,smoothing,absorption", 1.0);
    test_joining(test, s);
    test_pixels(test, s);
    free(s);
}
