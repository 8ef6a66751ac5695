/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions that change: what is expected of few errors is near what is counted, wherever the classes are; background
 * doesn't hide the rest; and which values decide. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "quant/decide.h"
#include "quant/quant.h"
#include "support/graph_text.h"

enum { N_ROWS = 4000, N_CLASSES = 5, N = N_ROWS * N_CLASSES };

static const pithi_decision by_row = { PITHI_DECISION_SCORES, 1, false, true };
static const pithi_decision last = { PITHI_DECISION_SCORES, -1, false, true };
static const pithi_decision planar = { PITHI_DECISION_SOFTMAX, 1, false, true };
static const pithi_decision halves = { .kind = PITHI_DECISION_SIGMOID, .are_logits = true };

/* Sum of twelve: nearly normal with a variance of 1. */
static double normal(pith_test *test)
{
    double sum = -6.0;
    for (int i = 0; i < 12; i++) {
        sum += pith_test_uniform(test, 0.0, 1.0);
    }
    return sum;
}

typedef struct scores {
    float want[N], got[N]; /* [row][class] */
    int n_changed, n_background; /* counted */
} scores;

static int best_of(const float *row)
{
    int best = 0;
    for (int c = 1; c < N_CLASSES; c++) {
        best = row[c] > row[best] ? c : best;
    }
    return best;
}

static void fill(pith_test *test, scores *s, double background)
{
    s->n_changed = s->n_background = 0;
    for (int row = 0; row < N_ROWS; row++) {
        float *want = s->want + row * N_CLASSES, *got = s->got + row * N_CLASSES;
        for (int c = 0; c < N_CLASSES; c++) {
            want[c] = (float)pith_test_uniform(test, -3.0, 3.0);
        }
        want[0] += pith_test_uniform(test, 0.0, 1.0) < background ? 9.0f : 0.0f;
        for (int c = 0; c < N_CLASSES; c++) {
            got[c] = want[c] + 0.15f * (float)normal(test);
        }
        s->n_changed += best_of(want) != best_of(got);
        s->n_background += best_of(want) == 0;
    }
}

static double share_of(const pithi_decisions *all)
{
    double n = 0.0;
    const double changes = pithi_decisions_changes(all, &n);
    return n > 0.0 ? changes / n : -1.0;
}

static double changed(pith_test *test, pithi_decision decision, const pith_shape *shape, float *want, float *got)
{
    pithi_decisions all = { 0 };
    const pith_tensor reference = { PITH_DTYPE_F32, *shape, want }, output = { PITH_DTYPE_F32, *shape, got };
    TEST_OK(test, pithi_decisions_add(test->ctx, &all, &decision, &reference, &output));
    const double share = share_of(&all);
    pithi_decisions_destroy(test->ctx, &all);
    return share;
}

/* Probabilities with classes along axis 1. */
static void turn(const float *from, float *to)
{
    for (int row = 0; row < N_ROWS; row++) {
        double sum = 0.0;
        for (int c = 0; c < N_CLASSES; c++) {
            sum += exp((double)from[row * N_CLASSES + c]);
        }
        for (int c = 0; c < N_CLASSES; c++) {
            to[c * N_ROWS + row] = (float)(exp((double)from[row * N_CLASSES + c]) / sum);
        }
    }
}

static void test_rows(pith_test *test, scores *s, float *turned)
{
    const pith_shape rows = { 2, { N_ROWS, N_CLASSES } }, planes = { 3, { 1, N_CLASSES, N_ROWS } };
    pith_test_case(test, "as many classes are expected to change as do");
    fill(test, s, 0.0);
    const double counted = (double)s->n_changed / N_ROWS;
    const double share = changed(test, last, &rows, s->want, s->got);
    TEST_CHECK_MESSAGE(test, counted > 0.03 && fabs(share - counted) < 0.15 * counted, "%.4f, counted %.4f", share,
                       counted);
    turn(s->want, turned);
    turn(s->got, turned + N);
    const double by_axis =
        changed(test, planar, &planes, turned, turned + N);
    TEST_CHECK_MESSAGE(test, fabs(by_axis - share) < 1e-3 * share, "%.6f, along the last axis %.6f", by_axis, share);
    const double unchanged =
        changed(test, planar, &planes, turned, turned);
    TEST_CHECK(test, unchanged == 0.0);
    pith_test_case(test, "background counts three times as much as the rest at most");
    fill(test, s, 0.97);
    const double least = (double)s->n_changed / (4.0 * (N_ROWS - s->n_background));
    const double seen = changed(test, by_row, &rows, s->want, s->got);
    TEST_CHECK_MESSAGE(test, s->n_background > N_ROWS * 19 / 20 && fabs(seen - least) < 0.4 * least,
                       "%.4f, counted %.4f", seen, least);
}

/* Few of many pixels are found: F1 of found and lost ones is what users count. */
static void test_found(pith_test *test, scores *s)
{
    const pith_shape shape = { 2, { N_ROWS, N_CLASSES } };
    int64_t n_both = 0, n_all = 0;
    pith_test_case(test, "of two classes as much background as is found: 1 - F1");
    for (int i = 0; i < N; i++) {
        const double x = pith_test_uniform(test, -1.5, 1.5) - (pith_test_uniform(test, 0.0, 1.0) < 0.9 ? 4.0 : 0.0);
        const double y = x + 0.1 * normal(test);
        s->want[i] = (float)(1.0 / (1.0 + exp(-x)));
        s->got[i] = (float)(1.0 / (1.0 + exp(-y)));
        n_both += x > 0.0 && y > 0.0;
        n_all += (x > 0.0) + (y > 0.0);
    }
    const double wanted = 1.0 - 2.0 * (double)n_both / (double)n_all;
    const double share = changed(test, halves, &shape, s->want, s->got);
    TEST_CHECK_MESSAGE(test, wanted > 0.02 && fabs(share - wanted) < 0.25 * wanted, "%.4f, counted %.4f", share,
                       wanted);
}

/* Margins are differences of two scores, each with the error's deviation. */
static void test_noise(pith_test *test, scores *s)
{
    const pith_tensor reference = { PITH_DTYPE_F32, { 2, { N_ROWS, N_CLASSES } }, s->want };
    const pith_tensor output = { PITH_DTYPE_F32, reference.shape, s->got };
    const double wanted = 2.0 * 0.15 * 0.15;
    pithi_decisions all = { 0 };
    pith_test_case(test, "noise is that near the border, not that of decisions far from it");
    fill(test, s, 0.5);
    for (int row = 0; row < N_ROWS; row++) {
        s->got[row * N_CLASSES] += s->want[row * N_CLASSES] > 11.0f ? 5.0f : 0.0f;
    }
    TEST_OK(test, pithi_decisions_add(test->ctx, &all, &by_row, &reference, &output));
    const double noise = pithi_decisions_noise(&all);
    TEST_CHECK_MESSAGE(test, fabs(noise - wanted) < 0.2 * wanted, "%.5f, not %.5f", noise, wanted);
    pithi_decisions_destroy(test->ctx, &all);
}

/* Eighty labels, all of them far from one half; rows of which one class is certain. */
static void test_far(pith_test *test)
{
    enum { N_LABELS = 80, N_SAMPLES = 4 };
    float want[N_LABELS], got[N_LABELS], pairs[N_LABELS];
    pithi_decisions all = { 0 }, sure = { 0 };
    pith_test_case(test, "decisions far from the border say nothing of the noise near it");
    for (int i = 0; i < N_LABELS; i++) {
        want[i] = 5e-4f;
        got[i] = i % 2 ? 0.0f : 9e-4f;
        pairs[i] = i % 2 ? 0.0f : 30.0f;
    }
    for (int k = 0; k < N_SAMPLES; k++) {
        const pith_tensor reference = { PITH_DTYPE_F32, { 1, { N_LABELS } }, want };
        const pith_tensor output = { PITH_DTYPE_F32, reference.shape, got };
        const pith_tensor certain = { PITH_DTYPE_F32, { 2, { N_LABELS / 2, 2 } }, pairs };
        TEST_OK(test, pithi_decisions_add(test->ctx, &all, &halves, &reference, &output));
        TEST_OK(test, pithi_decisions_add(test->ctx, &sure, &by_row, &certain, &certain));
    }
    TEST_CHECK(test, all.n_rows == N_LABELS * N_SAMPLES && pithi_decisions_noise(&all) == -1.0);
    TEST_CHECK(test, sure.n_rows == N_LABELS / 2 * N_SAMPLES && pithi_decisions_noise(&sure) == -1.0);
    pithi_decisions_destroy(test->ctx, &all);
    pithi_decisions_destroy(test->ctx, &sure);
}

static void test_halves(pith_test *test, scores *s)
{
    const pith_shape shape = { 2, { N_ROWS, N_CLASSES } };
    int n_changed = 0;
    pith_test_case(test, "probabilities that pass one half");
    fill(test, s, 0.0);
    for (int i = 0; i < N; i++) {
        n_changed += s->want[i] > 0.0f ? s->got[i] <= 0.0f : s->got[i] > 0.0f;
        s->want[i] = 1.0f / (1.0f + expf(-s->want[i]));
        s->got[i] = 1.0f / (1.0f + expf(-s->got[i]));
    }
    const double counted = (double)n_changed / N;
    const double share = changed(test, halves, &shape, s->want, s->got);
    TEST_CHECK_MESSAGE(test, fabs(share - counted) < 0.1 * counted, "%.4f, counted %.4f", share, counted);

    pith_test_case(test, "small probabilities that 8 bits make 0 change nothing");
    for (int i = 0; i < N; i += 2) {
        s->want[i] = i % 4 ? 5e-4f : 1.0f - 5e-4f;
        s->got[i] = i % 4 ? 0.0f : 1.0f;
    }
    const double half = changed(test, halves, &shape, s->want, s->got);
    TEST_CHECK_MESSAGE(test, fabs(half - 0.5 * counted) < 0.15 * counted, "%.4f of %.4f", half, counted);
}

/* Rows of two scores with a margin each; what isn't finite, and what has no error. */
static void test_odd_values(pith_test *test)
{
    enum { N_PAIRS = 200 };
    const pith_shape shape = { 2, { N_PAIRS, 2 } };
    float want[2 * N_PAIRS], got[2 * N_PAIRS];
    pith_test_case(test, "numbers that aren't finite don't hide changes");
    for (int i = 0; i < N_PAIRS; i++) {
        want[2 * i] = got[2 * i] = 0.02f * (float)i;
        want[2 * i + 1] = got[2 * i + 1] = 0.0f;
        got[2 * i] += i % 2 ? 0.5f : -0.5f;
    }
    const double plain = changed(test, by_row, &shape, want, got);
    got[20] = NAN;
    want[30] = INFINITY;
    want[40] = want[41] = -INFINITY;
    const double odd = changed(test, by_row, &shape, want, got);
    TEST_CHECK_MESSAGE(test, plain > 0.02 && fabs(odd - plain) < 0.15 * plain, "%.4f, without these %.4f", odd, plain);
    float half[] = { 0.9f, 0.8f }, none[] = { NAN, 0.8f };
    const pith_shape two = { 1, { 2 } };
    const double lost = changed(test, halves, &two, half, none);
    TEST_CHECK_MESSAGE(test, lost > 0.1, "%.4f", lost);

    pith_test_case(test, "decisions without an error aren't expected to change");
    for (int i = 0; i < N_PAIRS; i++) {
        want[2 * i] = got[2 * i] = i < 100 ? 0.0f : 12.0f;
        want[2 * i + 1] = got[2 * i + 1] = 0.0f;
        got[2 * i] += i < 100 ? 0.0f : i % 2 ? 1.0f : -1.0f;
    }
    const double still = changed(test, by_row, &shape, want, got);
    TEST_CHECK_MESSAGE(test, still >= 0.0 && still < 1e-6, "%.4f", still);
}

/* Two samples whose rows have other lengths. */
static void test_lengths(pith_test *test)
{
    pithi_decisions all = { 0 };
    float x[7] = { 0.1f, 0.1f, 0.4f, 0.2f, 0.2f, 0.0f, 0.0f }, y[7] = { 0.1f, 0.1f, 0.2f, 0.1f, 0.1f, 0.1f, 0.3f };
    const int lengths[] = { 5, 7, 5 };
    pith_test_case(test, "the number of classes may change from sample to sample");
    for (int i = 0; i < PITH_COUNT(lengths); i++) {
        const pith_tensor reference = { PITH_DTYPE_F32, { 2, { 1, lengths[i] } }, lengths[i] == 7 ? y : x };
        TEST_OK(test, pithi_decisions_add(test->ctx, &all, &planar, &reference, &reference));
    }
    TEST_CHECK(test, all.n_rows == 3 && all.n_classes >= 7 && all.n_of_class[2] == 2 && all.n_of_class[6] == 1);
    pithi_decisions_destroy(test->ctx, &all);
}

/* More decisions than are kept: the share is that of all. */
static void test_many(pith_test *test)
{
    enum { SIDE = 1024, N_MAPS = 3 };
    const size_t n = (size_t)SIDE * SIDE;
    const pith_shape shape = { 3, { 1, SIDE, SIDE } };
    float *want = malloc(n * sizeof(float)), *got = malloc(n * sizeof(float));
    pithi_decisions all = { 0 };
    pith_test_case(test, "maps of many decisions take limited memory");
    for (size_t i = 0; want && got && i < n; i++) {
        const float x = (float)pith_test_uniform(test, -3.0, 3.0);
        want[i] = 1.0f / (1.0f + expf(-x));
        got[i] = 1.0f / (1.0f + expf(-x - (i % 3 ? 0.2f : -0.3f)));
    }
    const double one = want && got ? changed(test, halves, &shape, want, got) : 0.0;
    for (int i = 0; want && got && i < N_MAPS; i++) {
        const pith_tensor reference = { PITH_DTYPE_F32, shape, want }, output = { PITH_DTYPE_F32, shape, got };
        TEST_OK(test, pithi_decisions_add(test->ctx, &all, &halves, &reference, &output));
    }
    const double share = share_of(&all);
    TEST_CHECK_MESSAGE(test, all.n_rows == (int64_t)n * N_MAPS && all.n <= 1 << 20 && all.capacity <= 2u << 20,
                       "%zu pairs of %lld", all.capacity, (long long)all.n_rows);
    TEST_CHECK_MESSAGE(test, one > 0.01 && fabs(share - one) < 0.02 * one, "%.5f, of one map %.5f", share, one);
    pithi_decisions_destroy(test->ctx, &all);
    free(want);
    free(got);
}

static void test_values(pith_test *test)
{
    pith_graph *graph = pith_test_graph(test, "input x f32[1,6,4]\n"
                                              "a = softmax x | axis=1\nb = log_softmax x | axis=-1\n"
                                              "c = sigmoid x\nd = transpose c | perm=[0,2,1]\ne = relu x\n"
                                              "output a\noutput b\noutput d\noutput e\n");
    pith_test_case(test, "which values decide");
    const pithi_decision a = pithi_decision_of(graph->outputs[0], NULL, false);
    const pithi_decision b = pithi_decision_of(graph->outputs[1], NULL, false);
    TEST_CHECK(test, a.kind == PITHI_DECISION_SOFTMAX && a.axis == 1 && !a.is_flat);
    TEST_CHECK(test, b.kind == PITHI_DECISION_SCORES && b.axis == -1);
    TEST_CHECK(test, pithi_decision_of(graph->outputs[2], NULL, false).kind == PITHI_DECISION_SIGMOID);
    TEST_CHECK(test, pithi_decision_of(graph->outputs[2], NULL, true).kind == PITHI_DECISION_SIGMOID);
    TEST_CHECK(test, pithi_decision_of(graph->outputs[3], NULL, false).kind == PITHI_DECISION_NONE);
    TEST_CHECK(test, pithi_decision_of(graph->outputs[3], NULL, true).kind == PITHI_DECISION_SCORES);
    const pithi_decision front = pithi_decision_of(graph->outputs[3], graph->outputs[0]->producer, false);
    TEST_CHECK(test, front.kind == PITHI_DECISION_SCORES && front.axis == 1 && !front.is_flat);
    pithi_graph_destroy(graph);
    graph = pith_test_graph(test, "input x f32[1,6,4]\ns = relu x\na = softmax s | axis=1 flatten=1\noutput a\n");
    const pith_node *flat = graph->outputs[0]->producer;
    const pithi_decision old = pithi_decision_of(flat->inputs[0], flat, false);
    TEST_CHECK(test, old.kind == PITHI_DECISION_SCORES && old.axis == 1 && old.is_flat && old.are_logits);
    const pithi_decision one = pithi_decision_of(flat->inputs[0], flat, true);
    TEST_CHECK(test, one.kind == PITHI_DECISION_SCORES && one.is_flat && one.are_logits);
    TEST_CHECK(test, !pithi_decision_of(flat->inputs[0], NULL, true).are_logits);
    const pithi_decisions none = { 0 };
    TEST_CHECK(test, share_of(&none) == -1.0 && pithi_decisions_noise(&none) == -1.0);
    pithi_graph_destroy(graph);
}

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 2, { 1, 8 } }, (float *)user + 8 * index };
    return PITH_OK;
}

/* What calibration measures of a network whose batch may be open, and what is decided by that. */
static void check_measured(pith_test *test, const char *text, bool is_open, const char *measured,
                           pithi_decision_kind kind)
{
    enum { N_SAMPLES = 4 };
    static const pith_quantize_options options = { .n_threads = 1 };
    float data[8 * N_SAMPLES];
    const pith_samples samples = { read_sample, data, N_SAMPLES };
    pithi_quant_work work = { .limit = INFINITY };
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &samples, .work = &work,
                          .graph = pith_test_graph(test, text), .arena = { .ctx = test->ctx } };
    for (int i = 0; i < PITH_COUNT(data); i++) {
        data[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    if (is_open) {
        quant.graph->inputs[0]->shape.dims[0] = -1;
    }
    TEST_OK(test, pithi_quant_learn_types(&quant, quant.graph));
    TEST_OK(test, pithi_quant_select(&quant));
    TEST_OK(test, pithi_quant_calibrate(&quant));
    const char *name = quant.measured ? quant.graph->values[quant.measured[0]]->name : "";
    TEST_CHECK_MESSAGE(test, strcmp(name, measured) == 0, "%s is measured, not %s", name, measured);
    for (int i = 0; quant.decisions && i < quant.n_measured; i++) {
        TEST_CHECK_MESSAGE(test, quant.decisions[i].kind == kind, "value %d decides as %d", i,
                           (int)quant.decisions[i].kind);
    }
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(quant.graph);
}

/* Scores of which a mask leaves three, by a number or by infinity: the error is that of the three. */
static void test_masked(pith_test *test)
{
    enum { N_SAMPLES = 4 };
    static const char *const masked[] = { "m = add s k\n", "const z bool[1,5]{1,1,0,1,0}\nm = where z s k\n" };
    static const char *const by[] = { "0,0,-1e9,0,-1e9", "-inf" };
    static const pith_quantize_options options = { .n_threads = 1 };
    float data[8 * N_SAMPLES];
    const pith_samples samples = { read_sample, data, N_SAMPLES };
    for (int i = 0; i < PITH_COUNT(data); i++) {
        data[i] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    for (int k = 0; k < PITH_COUNT(masked); k++) {
        char text[400];
        pithi_quant_error error = { 0 };
        pithi_quant_work work = { .limit = INFINITY };
        snprintf(text, sizeof text, "input x f32[1,8]\nconst w f32[8,5]\ns = matmul x w\nconst k f32[1,5]{%s}\n%s"
                 "y = softmax m | axis=1\noutput y\n", by[k], masked[k]);
        pith_test_case(test, "scores masked with %s", by[k]);
        pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &samples, .work = &work,
                              .graph = pith_test_graph(test, text), .arena = { .ctx = test->ctx } };
        TEST_OK(test, pithi_quant_learn_types(&quant, quant.graph));
        TEST_OK(test, pithi_quant_select(&quant));
        TEST_OK(test, pithi_quant_calibrate(&quant));
        for (int t = 0; t < quant.n_tensors; t++) { /* the mask in 8 bits would leave nothing of the scores */
            quant.tensors[t].format = PITHI_ACTIVATION_F32;
        }
        TEST_OK(test, pithi_quant_measure(&quant, quant.n_held, &error));
        TEST_CHECK_MESSAGE(test, error.sqnr_db > 20.0 && error.sqnr_db < 70.0, "%.1f dB", error.sqnr_db);
        pithi_arena_deinit(&quant.arena);
        pithi_graph_destroy(quant.graph);
    }
}

static void test_measured(pith_test *test)
{
    static const char classes[] = "input x f32[1,8]\nconst w f32[8,5]\ns = matmul x w\ny = softmax s | axis=1\n"
                                  "output y\n";
    static const char boxes[] = "input x f32[1,8]\nconst w f32[8,4]\nconst v f32[8,3]\na = matmul x w\n"
                                "b = matmul x v\ny = concat a b | axis=1\noutput y\n";
    static const char labels[] = "input x f32[1,8]\nconst w f32[8,5]\ns = matmul x w\ny = sigmoid s\noutput y\n";
    pith_test_case(test, "classifiers are measured in front of their softmax, with an open batch as well");
    check_measured(test, classes, false, "s", PITHI_DECISION_SCORES);
    check_measured(test, classes, true, "s", PITHI_DECISION_SCORES);
    static const char rows[] = "input x f32[1,8]\nconst w f32[8,10]\ns = matmul x w\nconst n s64[3]{1,2,5}\n"
                               "r = reshape s n\np = softmax r | axis=2\ny = transpose p | perm=[0,2,1]\noutput y\n";
    pith_test_case(test, "so are several rows, in whatever order");
    check_measured(test, rows, false, "r", PITHI_DECISION_SCORES);
    pith_test_case(test, "rows that a concatenation joins aren't classes, labels are no choice");
    check_measured(test, boxes, false, "a", PITHI_DECISION_NONE);
    check_measured(test, boxes, true, "a", PITHI_DECISION_NONE);
    check_measured(test, labels, true, "y", PITHI_DECISION_SIGMOID);
}

void test_decide(pith_test *test)
{
    test_measured(test);
    scores *s = malloc(sizeof *s);
    float *turned = malloc(2 * N * sizeof(float));
    if (s && turned) {
        test_rows(test, s, turned);
        test_found(test, s);
        test_noise(test, s);
        test_halves(test, s);
    }
    test_masked(test);
    test_far(test);
    test_odd_values(test);
    test_lengths(test);
    test_many(test);
    test_values(test);
    free(turned);
    free(s);
}
