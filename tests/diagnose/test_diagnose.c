/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that are broken on purpose after they were quantised: pith_diagnose() names what was broken and why, and the
 * repaired network is as good as before. What is right is known, since the test broke it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "export/export.h"
#include "import/import.h"
#include "pith/diagnose.h"
#include "pith/session.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define FLOAT_PATH  PITH_BINARY_DIR "/diagnose_float.onnx"
#define INT_PATH    PITH_BINARY_DIR "/diagnose_int8.onnx"
#define BROKEN_PATH PITH_BINARY_DIR "/diagnose_broken.onnx"
#define SHARED      PITH_SOURCE_DIR "/../shared/models/"

enum { N_SAMPLES = 8, MOST_ELEMENTS = 3 * 224 * 224 };

/* Convolutions without and with an activation, depthwise, a shortcut, a table, a product. */
static const char network[] = "input x f32[1,3,12,12]\n"
                              "const w1 f32[8,3,3,3]{-0.4:0.4}\nconst b1 f32[8]{-0.4:0.4}\n"
                              "a = conv x w1 b1 | pads=[1,1,1,1] strides=[2,2]\n"
                              "ar = relu a\n"
                              "const w2 f32[8,1,3,3]{-0.5:0.5}\nconst b2 f32[8]{-0.4:0.4}\n"
                              "d = conv ar w2 b2 | pads=[1,1,1,1] group=8\n"
                              "dr = relu d\n"
                              "const w3 f32[8,8,1,1]{-0.5:0.5}\nconst b3 f32[8]{-0.4:0.4}\n"
                              "e = conv dr w3 b3\n"
                              "s = add e ar\n"
                              "t = sigmoid s\n"
                              "const w4 f32[12,8,1,1]{-0.5:0.5}\nconst b4 f32[12]{-0.4:0.4}\n"
                              "c = conv t w4 b4\n"
                              "cr = relu c\n"
                              "const w5 f32[8,12,1,1]{-0.5:0.5}\nconst b5 f32[8]{-0.4:0.4}\n"
                              "h = conv cr w5 b5\n"
                              "g = global_average_pool h\n"
                              "f = flatten g\n"
                              "const w6 f32[8,5]{-0.6:0.6}\nconst b6 f32[5]{-0.3:0.3}\n"
                              "y = gemm f w6 b6\n"
                              "output y\n";

/* ---- samples ------------------------------------------------------------------------------- */

typedef struct source {
    float *elements; /* N_SAMPLES of them */
    pith_shape shape;
    float factor; /* 1; otherwise the preprocessing is wrong */
    float *scaled;
} source;

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    source *s = user;
    int64_t n = pith_shape_elements(&s->shape);
    for (int64_t i = 0; i < n; i++) {
        s->scaled[i] = s->factor * s->elements[index * n + i];
    }
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, s->shape, s->scaled };
    return PITH_OK;
}

/* Smooth patterns rather than noise, so that activations vary from place to place. */
static bool make_source(pith_test *test, const pith_shape *shape, double low, double high, source *s)
{
    int64_t n = pith_shape_elements(shape), width = shape->dims[shape->rank - 1];
    *s = (source){ .elements = calloc((size_t)(N_SAMPLES * n), sizeof(float)),
                   .shape = *shape,
                   .factor = 1.0f,
                   .scaled = calloc((size_t)n, sizeof(float)) };
    for (int64_t i = 0; s->elements && i < N_SAMPLES * n; i++) {
        double wave = sin((double)(i / n + 1) * 0.11 * (double)(i % width) + 0.07 * (double)(i / width % 97));
        double x = 0.5 + 0.4 * wave + 0.1 * pith_test_uniform(test, -1.0, 1.0);
        s->elements[i] = (float)(low + (high - low) * x);
    }
    return s->elements && s->scaled;
}

static void free_source(source *s)
{
    free(s->elements);
    free(s->scaled);
}

/* ---- files --------------------------------------------------------------------------------- */

static void quantize(pith_test *test, const char *path, const pith_quantize_options *how, source *s)
{
    const pith_samples samples = { read_sample, s, N_SAMPLES };
    void *bytes = NULL;
    size_t n_bytes = 0;
    TEST_OK(test, pith_quantize(test->ctx, path, how, &samples, &bytes, &n_bytes, NULL));
    if (bytes) {
        pith_test_write_file(test, INT_PATH, bytes, n_bytes);
    }
    pith_free_bytes(test->ctx, bytes);
}

/* ---- breaking ------------------------------------------------------------------------------ */

typedef enum breakage {
    SMALL_RANGE,
    LARGE_RANGE,
    MOVED_ZERO,
    OTHER_READ_ZERO,
    WEIGHT_SCALE,
    WEIGHT_CHANNEL,
    NO_BIAS
} breakage;

static pith_node *maker(pith_graph *graph, const char *name)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        if (node->outputs[0] && pithi_same_text(node->outputs[0]->name, name)) {
            return node;
        }
    }
    return NULL;
}

static pith_value *replace_scalar(pith_test *test, pith_graph *graph, const pith_value *old, double value)
{
    pith_value *fresh = NULL;
    pith_tensor to;
    TEST_OK(test, pithi_graph_new_constant(graph, NULL, old->constant->dtype, &old->constant->shape, &to, &fresh));
    pithi_tensor_set_f64(&to, 0, value);
    return fresh;
}

static void break_range(pith_test *test, pith_graph *graph, pith_node *q, breakage how)
{
    double factor = how == SMALL_RANGE ? 0.1 : how == LARGE_RANGE ? 10.0 : 1.0;
    double zero = pithi_tensor_get_f64(q->inputs[2]->constant, 0);
    pith_value *scale =
        replace_scalar(test, graph, q->inputs[1], factor * pithi_tensor_get_f64(q->inputs[1]->constant, 0));
    bool moves = how == MOVED_ZERO || how == OTHER_READ_ZERO;
    pith_value *fresh = replace_scalar(test, graph, q->inputs[2],
                                       !moves         ? zero
                                       : zero > 128.0 ? zero - 70.0
                                                      : zero + 70.0);
    for (pith_node *node = graph->first; node; node = node->next) {
        if (node == q ? how != OTHER_READ_ZERO : node->inputs[0] == q->outputs[0]) {
            node->inputs[1] = scale;
            node->inputs[2] = fresh;
        }
    }
}

static void break_layer(pith_test *test, pith_graph *graph, pith_node *layer, breakage how)
{
    pith_node *dq = layer->inputs[how == NO_BIAS ? 2 : 1]->producer;
    const pith_value *old = dq->inputs[how == NO_BIAS ? 0 : 1];
    pith_value *fresh = NULL;
    pith_tensor to;
    TEST_OK(test, pithi_graph_new_constant(graph, NULL, old->constant->dtype, &old->constant->shape, &to, &fresh));
    int64_t n = pith_shape_elements(&to.shape);
    for (int64_t i = 0; how != NO_BIAS && i < n; i++) {
        double factor = how == WEIGHT_SCALE ? 1.7 : i == n / 2 ? 1000.0 : 1.0;
        pithi_tensor_set_f64(&to, i, factor * pithi_tensor_get_f64(old->constant, i));
    }
    dq->inputs[how == NO_BIAS ? 0 : 1] = fresh;
}

/* Breaks INT_PATH at the tensor or the layer that makes it, into BROKEN_PATH. */
static bool break_file(pith_test *test, const char *name, breakage how)
{
    pithi_file file = { 0 };
    pithi_import_info info = { 0 };
    pith_graph *graph = NULL;
    bool ok = false;
    TEST_OK(test, pithi_file_map(test->ctx, INT_PATH, &file));
    TEST_OK(test, pithi_import(test->ctx, file.data, file.n_bytes, "", &info, &graph));
    pith_node *node = graph ? maker(graph, name) : NULL, *q = NULL;
    for (pith_node *user = node ? graph->first : NULL; user; user = user->next) {
        bool is_q = user->op && pithi_same_text(pithi_op_head(user->op)->name, "quantize_linear");
        q = is_q && user->inputs[0] == node->outputs[0] ? user : q;
    }
    TEST_CHECK_MESSAGE(test, node && (how >= WEIGHT_SCALE || q), "no %s to break", name);
    if (node && how >= WEIGHT_SCALE) {
        break_layer(test, graph, node, how);
        ok = true;
    } else if (node && q) {
        break_range(test, graph, q, how);
        ok = true;
    }
    if (ok) {
        pith_test_save_onnx(test, graph, BROKEN_PATH);
    }
    pithi_graph_destroy(graph);
    pithi_import_info_deinit(test->ctx, &info);
    pithi_file_unmap(&file);
    return ok;
}

/* ---- checks -------------------------------------------------------------------------------- */

static double error_of(pith_test *test, const char *float_path, const void *bytes, size_t n_bytes, source *s)
{
    const pith_samples samples = { read_sample, s, N_SAMPLES };
    return pith_test_compare_models(test, float_path, bytes, n_bytes, &samples).sqnr_db;
}

typedef struct expectation {
    const char *path;    /* of the float network */
    const char *subject; /* tensor, or result of the layer */
    pith_cause cause;    /* NONE: any */
    double least_db;     /* of the repaired network */
} expectation;

/* The first finding about a tensor or layer. */
static const pith_finding *first_finding(const pith_diagnose_report *report)
{
    for (int i = 0; i < report->n_findings; i++) {
        if (report->findings[i].tensor >= 0 || report->findings[i].layer >= 0) {
            return &report->findings[i];
        }
    }
    return NULL;
}

static void check_finding(pith_test *test, const expectation *want, const pith_diagnose_report *report)
{
    const pith_finding *f = first_finding(report);
    const char *subject = f && f->layer >= 0 && report->layers[f->layer].tensor >= 0
                              ? report->tensors[report->layers[f->layer].tensor].name
                          : f ? f->subject
                              : "nothing";
    bool is_right = pithi_same_text(subject, want->subject);
    for (int i = 0; f && f->layer >= 0 && !is_right && i < report->n_tensors; i++) {
        is_right = pithi_same_text(f->subject, want->subject); /* a layer whose activation was absorbed */
    }
    TEST_CHECK_MESSAGE(test, is_right, "'%s' is blamed, not '%s': %s", subject, want->subject, report->verdict);
    TEST_CHECK_MESSAGE(test, !f || want->cause == PITH_CAUSE_NONE || f->cause == want->cause, "the cause is %s, not %s",
                       pith_cause_name(f->cause), pith_cause_name(want->cause));
    TEST_CHECK_MESSAGE(test, !report->needs_repair || strstr(report->verdict, f ? f->subject : "?") != NULL,
                       "the verdict lacks the name: %s", report->verdict);
}

static void check_diagnosis(pith_test *test, const expectation *want, const char *path, source *s)
{
    const pith_samples samples = { read_sample, s, N_SAMPLES };
    const pith_diagnose_options how = { .n_threads = 1, .repair = 1 };
    pith_diagnose_report *report = NULL;
    TEST_OK(test, pith_diagnose(test->ctx, want->path, path, &how, &samples, &report));
    if (report && want->subject) {
        check_finding(test, want, report);
    }
    TEST_CHECK(test, report && report->is_repaired);
    if (report && report->is_repaired) {
        double db = error_of(test, want->path, report->repaired_file, report->repaired_file_bytes, s);
        TEST_CHECK_MESSAGE(test, db >= want->least_db, "repaired: %.1f dB, less than %.1f; %s", db, want->least_db,
                           report->verdict);
    }
    pith_diagnose_report_destroy(report);
}

/* ---- the small network --------------------------------------------------------------------- */

static void test_breakages(pith_test *test)
{
    static const struct {
        const char *name, *subject;
        breakage how;
        pith_cause cause;
    } cases[] = {
        { "a range of a tenth", "cr", SMALL_RANGE, PITH_CAUSE_SATURATED },
        { "a range of a tenth of the shortcut", "s", SMALL_RANGE, PITH_CAUSE_SATURATED },
        { "a range of a tenth behind the first layer", "ar", SMALL_RANGE, PITH_CAUSE_SATURATED },
        { "a range of ten times", "h", LARGE_RANGE, PITH_CAUSE_TOO_WIDE },
        { "a moved zero point", "h", MOVED_ZERO, PITH_CAUSE_ZERO_POINT },
        { "another zero point when read", "dr", OTHER_READ_ZERO, PITH_CAUSE_PARAMETERS_DIFFER },
        { "a wrong scale of weights", "h", WEIGHT_SCALE, PITH_CAUSE_WEIGHT_SCALE },
        { "a wrong scale of depthwise weights", "d", WEIGHT_SCALE, PITH_CAUSE_WEIGHT_SCALE },
        { "one channel of weights times 1000", "e", WEIGHT_CHANNEL, PITH_CAUSE_WEIGHT_SCALE },
        { "a bias that is lost", "c", NO_BIAS, PITH_CAUSE_BIAS_LOST },
    };
    const pith_quantize_options how = {
        .observer = PITH_OBSERVER_MIN_MAX, .no_bias_correction = 1, .no_mix = 1, .n_threads = 1
    };
    const pith_shape shape = { 4, { 1, 3, 12, 12 } };
    source s;
    pith_graph *graph = pith_test_graph(test, network);
    if (graph && make_source(test, &shape, -1.0, 1.0, &s)) {
        pith_test_save_onnx(test, graph, FLOAT_PATH);
        quantize(test, FLOAT_PATH, &how, &s);
        for (int i = 0; i < PITH_COUNT(cases); i++) {
            const expectation want = { FLOAT_PATH, cases[i].subject, cases[i].cause, 25.0 };
            pith_test_case(test, "%s", cases[i].name);
            if (break_file(test, cases[i].subject, cases[i].how)) {
                check_diagnosis(test, &want, BROKEN_PATH, &s);
            }
        }
        free_source(&s);
    }
    pithi_graph_destroy(graph);
}

/* Multiplies channel 3 of the weights and bias `out`, divides that input channel of `in`: the same function. */
static void unbalance(pith_graph *graph, const char *out, const char *bias, const char *in, float factor)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        float *w = value->constant ? value->constant->data : NULL;
        bool is_out = w && (pithi_same_text(value->name, out) || pithi_same_text(value->name, bias));
        int64_t per_channel = w ? pith_shape_elements(&value->shape) / value->shape.dims[0] : 0;
        for (int64_t k = 0; is_out && k < per_channel; k++) {
            w[3 * per_channel + k] *= factor;
        }
        for (int64_t k = 0; w && pithi_same_text(value->name, in) && k < value->shape.dims[0]; k++) {
            w[k * per_channel + 3] /= factor;
        }
    }
}

#define PAIR(from, to, scale) \
    "const " to "_s f32[]{" scale "}\nconst " to "_z u8[]{128}\n" \
    to "_q = quantize_linear " from " " to "_s " to "_z\n" to " = dequantize_linear " to "_q " to "_s " to "_z\n"
#define LAYERS "input x f32[1,3,12,12]\nconst w1 f32[8,3,3,3]{-0.4:0.4}\na = conv x w1\n" \
    "const w2 f32[4,8,1,1]{-0.5:0.5}\nconst r f32[]{1.4142135}\nconst i f32[]{1}\nconst u f32[]{0.5}\n"

/* Quantisers take a function in parts and put pairs between them: HardSwish, or the nodes of which GELU consists. */
static void test_cut_apart(pith_test *test)
{
    static const char *const cases[][3] = { { "g", LAYERS "h = hard_swish a\ny = conv h w2\noutput y\n",
          LAYERS PAIR("a", "ad", "0.03") "g = hard_sigmoid ad | alpha=0.16666667 beta=0.5\n" PAIR("g", "gd", "0.0004")
          "h = mul ad gd\n" PAIR("h", "hd", "0.03") "y = conv hd w2\noutput y\n" },
        { "e", LAYERS "d = div a r\ne = erf d\np = add e i\nm = mul a p\nh = mul m u\ny = conv h w2\noutput y\n",
          LAYERS PAIR("a", "ad", "0.03") "d = div ad r\ne = erf d\n" PAIR("e", "ed", "0.0005")
          "p = add ed i\nm = mul ad p\nh = mul m u\n" PAIR("h", "hd", "0.03") "y = conv hd w2\noutput y\n" } };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        source s;
        pith_test_case(test, "the parts of a function, '%s' of which has a small range", cases[i][0]);
        const uint64_t random = test->random; /* for the same weights */
        pith_graph *floats = pith_test_graph(test, cases[i][1]);
        test->random = random;
        pith_graph *twin = pith_test_graph(test, cases[i][2]);
        const expectation want = { FLOAT_PATH, cases[i][0], PITH_CAUSE_SATURATED, 30.0 };
        if (floats && twin && make_source(test, &(pith_shape){ 4, { 1, 3, 12, 12 } }, -1.0, 1.0, &s)) {
            pith_test_save_onnx(test, floats, FLOAT_PATH);
            pith_test_save_onnx(test, twin, BROKEN_PATH);
            check_diagnosis(test, &want, BROKEN_PATH, &s);
            free_source(&s);
        }
        pithi_graph_destroy(floats);
        pithi_graph_destroy(twin);
    }
}

/* A channel that the quantiser balanced in front of two layers: nothing is wrong with it. */
static void test_fork(pith_test *test)
{
    static const char fork[] = "input x f32[1,3,12,12]\n"
                               "const w1 f32[8,3,3,3]{-0.4:0.4}\nconst b1 f32[8]{-0.4:0.4}\n"
                               "a = conv x w1 b1\n"
                               "ar = relu a\n"
                               "const w2 f32[8,8,1,1]{-0.5:0.5}\nconst b2 f32[8]{-0.4:0.4}\n"
                               "c = conv ar w2 b2\n"
                               "const w3 f32[8,8,1,1]{-0.5:0.5}\nconst b3 f32[8]{-0.4:0.4}\n"
                               "d = conv ar w3 b3\n"
                               "s = mul c d\n"
                               "output s\n";
    const pith_quantize_options how = { .no_equalization = 1, .no_mix = 1, .n_threads = 1 };
    const pith_diagnose_options options = { .n_threads = 1 };
    const pith_shape shape = { 4, { 1, 3, 12, 12 } };
    source s;
    pith_graph *graph = pith_test_graph(test, fork);
    pith_diagnose_report *report = NULL;
    bool is_found = false;
    pith_test_case(test, "a channel that was balanced in front of two layers");
    if (graph && make_source(test, &shape, -1.0, 1.0, &s)) {
        const pith_samples samples = { read_sample, &s, N_SAMPLES };
        pith_test_save_onnx(test, graph, FLOAT_PATH);
        unbalance(graph, "w1", "b1", "w2", 5.0f);
        unbalance(graph, "", "", "w3", 5.0f);
        pith_test_save_onnx(test, graph, BROKEN_PATH);
        quantize(test, BROKEN_PATH, &how, &s);
        TEST_OK(test, pith_diagnose(test->ctx, FLOAT_PATH, INT_PATH, &options, &samples, &report));
        for (int i = 0; report && i < report->n_tensors; i++) {
            is_found = is_found || (pithi_same_text(report->tensors[i].name, "ar") && report->tensors[i].is_rescaled);
        }
        for (int i = 0; report && i < report->n_findings; i++) {
            TEST_CHECK(test, report->findings[i].cause != PITH_CAUSE_WEIGHT_SCALE);
        }
        TEST_CHECK(test, is_found);
        free_source(&s);
    }
    pith_diagnose_report_destroy(report);
    pithi_graph_destroy(graph);
}

/* No balancing: channel 3 takes all codes, of its activation, or of its weights where they have one scale. */
static void test_unbalanced(pith_test *test)
{
    static const struct {
        const char *name, *subject;
        int per_tensor;
        pith_cause cause;
    } cases[] = {
        { "a channel times 1000 that the next layer divides", "cr", 0, PITH_CAUSE_ACTIVATION_OUTLIER },
        { "the same with one scale for all weights", "c", 1, PITH_CAUSE_WEIGHT_OUTLIER },
    };
    const pith_shape shape = { 4, { 1, 3, 12, 12 } };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        const pith_quantize_options how = { .observer = PITH_OBSERVER_MIN_MAX, .no_mix = 1, .n_threads = 1,
                                            .without = "equalization,absorption,smoothing,splitting,rounding,"
                                                       "bias-correction",
                                            .per_tensor_weights = cases[i].per_tensor };
        const expectation want = { FLOAT_PATH, cases[i].subject, cases[i].cause, 25.0 };
        source s;
        pith_graph *graph = pith_test_graph(test, network);
        pith_test_case(test, "%s", cases[i].name);
        if (graph && make_source(test, &shape, -1.0, 1.0, &s)) {
            unbalance(graph, "w4", "b4", "w5", 1000.0f);
            pith_test_save_onnx(test, graph, FLOAT_PATH);
            quantize(test, FLOAT_PATH, &how, &s);
            check_diagnosis(test, &want, INT_PATH, &s);
            free_source(&s);
        }
        pithi_graph_destroy(graph);
    }
}

static void test_other_data(pith_test *test)
{
    static const float factors[] = { 0.05f, 30.0f };
    const pith_quantize_options how = {
        .observer = PITH_OBSERVER_MIN_MAX, .no_bias_correction = 1, .no_mix = 1, .n_threads = 1
    };
    const pith_shape shape = { 4, { 1, 3, 12, 12 } };
    for (int k = 0; k < PITH_COUNT(factors); k++) {
        source s;
        pith_graph *graph = pith_test_graph(test, network);
        pith_test_case(test, "calibrated with inputs times %g", (double)factors[k]);
        if (graph && make_source(test, &shape, -1.0, 1.0, &s)) {
            const pith_samples samples = { read_sample, &s, N_SAMPLES };
            const expectation want = { FLOAT_PATH, NULL, PITH_CAUSE_NONE, 25.0 };
            pith_diagnose_report *report = NULL;
            pith_test_save_onnx(test, graph, FLOAT_PATH);
            s.factor = factors[k];
            quantize(test, FLOAT_PATH, &how, &s);
            s.factor = 1.0f;
            TEST_OK(test, pith_diagnose(test->ctx, FLOAT_PATH, INT_PATH, NULL, &samples, &report));
            TEST_CHECK(test, report && report->n_findings > 0 &&
                                 report->findings[0].cause == PITH_CAUSE_CALIBRATION_DATA &&
                                 report->findings[0].repair == PITH_REPAIR_RECALIBRATE);
            pith_diagnose_report_destroy(report);
            check_diagnosis(test, &want, INT_PATH, &s);
            free_source(&s);
        }
        pithi_graph_destroy(graph);
    }
}

/* A sound network: nothing is blamed; every tensor and layer is matched, also without names, also after balancing. */
static void test_sound(pith_test *test)
{
    const pith_quantize_options how = { .observer = PITH_OBSERVER_MIN_MAX, .no_mix = 1, .n_threads = 1 };
    const pith_shape shape = { 4, { 1, 3, 12, 12 } };
    source s;
    pith_graph *graph = pith_test_graph(test, network);
    pith_test_case(test, "a sound network");
    if (graph && make_source(test, &shape, -1.0, 1.0, &s)) {
        const pith_samples samples = { read_sample, &s, N_SAMPLES };
        unbalance(graph, "w4", "b4", "w5", 20.0f); /* so that balancing has something to do */
        pith_test_save_onnx(test, graph, FLOAT_PATH);
        quantize(test, FLOAT_PATH, &how, &s);
        pith_graph *unnamed = NULL;
        TEST_OK(test, pithi_graph_clone(graph, &unnamed));
        for (size_t i = 0; unnamed && i < unnamed->n_values; i++) {
            TEST_OK(test, pithi_arena_format(&unnamed->arena, &unnamed->values[i]->name, "other%zu", i));
        }
        if (unnamed) {
            pith_test_save_onnx(test, unnamed, BROKEN_PATH);
        }
        const char *const paths[] = { FLOAT_PATH, BROKEN_PATH };
        for (int k = 0; k < 2; k++) {
            pith_diagnose_report *report = NULL;
            pith_test_case(test, "a sound network, %s", k ? "other names" : "its names");
            TEST_OK(test, pith_diagnose(test->ctx, paths[k], INT_PATH, NULL, &samples, &report));
            if (report) {
                TEST_CHECK_MESSAGE(test, !report->needs_repair, "%s", report->verdict);
                TEST_CHECK_MESSAGE(test, report->n_layers == 6 && report->n_unmatched == 0, "%d layers, %d unmatched",
                                   report->n_layers, report->n_unmatched);
                for (int i = 0; i < report->n_tensors; i++) {
                    TEST_CHECK(test, (report->tensors[i].is_matched_by_name != 0) == (k == 0) || i == 0);
                }
            }
            pith_diagnose_report_destroy(report);
        }
        pithi_graph_destroy(unnamed);
        free_source(&s);
    }
    pithi_graph_destroy(graph);
}

static void test_errors(pith_test *test)
{
    const pith_shape shape = { 4, { 1, 3, 12, 12 } };
    source s;
    pith_diagnose_report *report = NULL;
    pith_test_case(test, "errors");
    if (make_source(test, &shape, -1.0, 1.0, &s)) {
        const pith_samples samples = { read_sample, &s, N_SAMPLES }, none = { read_sample, &s, 0 };
        TEST_STATUS(test, pith_diagnose(test->ctx, FLOAT_PATH, INT_PATH, NULL, &none, &report),
                    PITH_STATUS_ARG, "no samples");
        TEST_STATUS(test, pith_diagnose(test->ctx, "nowhere.onnx", INT_PATH, NULL, &samples, &report),
                    PITH_STATUS_IO, "nowhere.onnx");
        free_source(&s);
    }
    TEST_CHECK(test, !pith_cause_name(PITH_CAUSE_COUNT) && !pith_repair_name(PITH_REPAIR_COUNT));
}

/* ---- real networks ------------------------------------------------------------------------- */

typedef struct real_case {
    const char *float_path, *int_path; /* int_path NULL: quantised here */
    pith_shape shape;
    double low, high;
    const char *names[2];    /* tensors of the quantised network that are broken, of layers without activation */
    const char *subjects[2]; /* the same in the float network */
} real_case;

static bool exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    return file && fclose(file) == 0;
}

static void copy_file(pith_test *test, const char *from)
{
    pithi_file file = { 0 };
    TEST_OK(test, pithi_file_map(test->ctx, from, &file));
    pith_test_write_file(test, INT_PATH, file.data, file.n_bytes);
    pithi_file_unmap(&file);
}

static void test_real(pith_test *test, const real_case *real)
{
    static const breakage ways[] = { SMALL_RANGE, WEIGHT_CHANNEL, LARGE_RANGE, OTHER_READ_ZERO, WEIGHT_SCALE, NO_BIAS };
    static const char *const words[] = { "small", "channel times 1000", "large", "zero", "weights", "no bias" };
    const pith_quantize_options how = {
        .observer = PITH_OBSERVER_MIN_MAX, .no_bias_correction = 1, .no_mix = 1, .n_threads = 1
    };
    source s;
    const char *slash = strrchr(real->float_path, '/');
    pith_test_case(test, "%s", slash + 1);
    if (!exists(real->float_path)) {
        pith_test_skip(test, "no %s", real->float_path);
        return;
    }
    if (!make_source(test, &real->shape, real->low, real->high, &s)) {
        return;
    } else if (real->int_path) {
        copy_file(test, real->int_path);
    } else {
        quantize(test, real->float_path, &how, &s);
    }
    for (int i = 0; i < 2 * PITH_COUNT(ways); i++) {
        const int place = i == 2 ? 1 : i / PITH_COUNT(ways); /* a large range hardly shows at the first place */
        const char *name = real->names[place];
        const expectation want = { real->float_path, real->subjects[place], PITH_CAUSE_NONE, 15.0 };
        pith_test_case(test, "%s, %s of %s", slash + 1, words[i % PITH_COUNT(ways)], name);
        if (break_file(test, name, ways[i % PITH_COUNT(ways)])) {
            check_diagnosis(test, &want, BROKEN_PATH, &s);
        }
    }
    free_source(&s);
}

void test_diagnose(pith_test *test)
{
    const real_case real[] = {
        { PITH_SOURCE_DIR "/models/text_line/text_line.onnx",
          NULL,
          { 4, { 1, 1, 32, 160 } },
          -1.0,
          1.0,
          { "conv_11", "conv_27" },
          { "conv_11", "conv_27" } },
        { SHARED "converted_onnx/mlperf_resnet8.float.onnx",
          SHARED "converted_onnx/mlperf_resnet8_int8.qdq.onnx",
          { 4, { 1, 3, 32, 32 } },
          0.0,
          255.0,
          { "v41_Conv", "v74_Conv" },
          { "v11_Conv", "v20_Conv" } },
    };
    test_sound(test);
    test_breakages(test);
    test_unbalanced(test);
    test_cut_apart(test);
    test_fork(test);
    test_other_data(test);
    test_errors(test);
    for (int i = 0; i < PITH_COUNT(real); i++) {
        test_real(test, &real[i]);
    }
}
