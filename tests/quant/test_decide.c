/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions that change: what is expected of few errors is near what is counted, wherever the classes are; background
 * doesn't hide the rest; and which values decide. */
#include <math.h>
#include <stdlib.h>

#include "quant/decide.h"
#include "support/graph_text.h"

enum { N_ROWS = 4000, N_CLASSES = 5, N = N_ROWS * N_CLASSES };

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

static double changed(pith_test *test, pithi_decision decision, const pith_shape *shape, float *want, float *got)
{
    pithi_decisions all = { 0 };
    const pith_tensor reference = { PITH_DTYPE_F32, *shape, want }, output = { PITH_DTYPE_F32, *shape, got };
    TEST_OK(test, pithi_decisions_add(test->ctx, &all, &decision, &reference, &output));
    const double share = pithi_decisions_changed(&all);
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
    const double share = changed(test, (pithi_decision){ PITHI_DECISION_SCORES, -1, false }, &rows, s->want, s->got);
    TEST_CHECK_MESSAGE(test, counted > 0.03 && fabs(share - counted) < 0.15 * counted, "%.4f, counted %.4f", share,
                       counted);
    turn(s->want, turned);
    turn(s->got, turned + N);
    const double by_axis =
        changed(test, (pithi_decision){ PITHI_DECISION_SOFTMAX, 1, false }, &planes, turned, turned + N);
    TEST_CHECK_MESSAGE(test, fabs(by_axis - share) < 1e-3 * share, "%.6f, along the last axis %.6f", by_axis, share);
    const double unchanged =
        changed(test, (pithi_decision){ PITHI_DECISION_SOFTMAX, 1, false }, &planes, turned, turned);
    TEST_CHECK(test, unchanged == 0.0);
    pith_test_case(test, "background counts three times as much as the rest at most");
    fill(test, s, 0.97);
    const double least = (double)s->n_changed / (4.0 * (N_ROWS - s->n_background));
    const double seen = changed(test, (pithi_decision){ PITHI_DECISION_SCORES, 1, false }, &rows, s->want, s->got);
    TEST_CHECK_MESSAGE(test, s->n_background > N_ROWS * 19 / 20 && fabs(seen - least) < 0.4 * least,
                       "%.4f, counted %.4f", seen, least);
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
    const double share = changed(test, (pithi_decision){ .kind = PITHI_DECISION_SIGMOID }, &shape, s->want, s->got);
    TEST_CHECK_MESSAGE(test, fabs(share - counted) < 0.1 * counted, "%.4f, counted %.4f", share, counted);
}

static void test_values(pith_test *test)
{
    pith_graph *graph = pith_test_graph(test, "input x f32[1,6,4]\n"
                                              "a = softmax x | axis=1\nb = log_softmax x | axis=-1\n"
                                              "c = sigmoid x\nd = transpose c | perm=[0,2,1]\ne = relu x\n"
                                              "output a\noutput b\noutput d\noutput e\n");
    pith_test_case(test, "which values decide");
    const pithi_decision a = pithi_decision_of(graph->outputs[0], false);
    const pithi_decision b = pithi_decision_of(graph->outputs[1], false);
    TEST_CHECK(test, a.kind == PITHI_DECISION_SOFTMAX && a.axis == 1 && !a.is_flat);
    TEST_CHECK(test, b.kind == PITHI_DECISION_SCORES && b.axis == -1);
    TEST_CHECK(test, pithi_decision_of(graph->outputs[2], false).kind == PITHI_DECISION_SIGMOID);
    TEST_CHECK(test, pithi_decision_of(graph->outputs[3], false).kind == PITHI_DECISION_NONE);
    TEST_CHECK(test, pithi_decision_of(graph->outputs[3], true).kind == PITHI_DECISION_SCORES);
    const pithi_decisions none = { 0 };
    TEST_CHECK(test, pithi_decisions_changed(&none) == -1.0);
    pithi_graph_destroy(graph);
}

void test_decide(pith_test *test)
{
    scores *s = malloc(sizeof *s);
    float *turned = malloc(2 * N * sizeof(float));
    if (s && turned) {
        test_rows(test, s, turned);
        test_halves(test, s);
    }
    test_values(test);
    free(turned);
    free(s);
}
