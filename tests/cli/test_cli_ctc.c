/* SPDX-License-Identifier: Apache-2.0 */
/* CTC against the definition: all paths of a few frames, summed by text. */
#include <math.h>
#include <stdlib.h>

#include "cli/cli_test.h"
#include "cli/ctc.h"

enum { MAX_TEXTS = 1024, MAX_FRAMES = 5 };

typedef struct text {
    int classes[MAX_FRAMES];
    int n;
    double prob;
} text;

typedef struct all_texts {
    text items[MAX_TEXTS];
    int n;
} all_texts;

static cli_frames make_frames(pith_test *test, int n_frames, int n_classes, int blank)
{
    cli_tensor logits;
    cli_frames frames = { 0 };
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F32, &(pith_shape){ 3, { 1, n_frames, n_classes } }, &logits));
    pith_test_fill(test, &logits.view, -2.0, 2.0, false);
    CLI_TEST_OK(test, cli_ctc_frames(&logits.view, CLI_SCORES_LOGITS, blank, &frames));
    cli_tensor_free(&logits);
    return frames;
}

static void add_path(const cli_frames *frames, const int *path, all_texts *texts)
{
    text one = { .prob = 1.0 };
    for (int t = 0; t < frames->n_frames; t++) {
        one.prob *= exp(frames->log_probs[t * frames->n_classes + path[t]]);
        if (path[t] != frames->blank && (t == 0 || path[t] != path[t - 1])) {
            one.classes[one.n++] = path[t];
        }
    }
    for (int i = 0; i < texts->n; i++) {
        text *known = &texts->items[i];
        if (known->n == one.n && memcmp(known->classes, one.classes, (size_t)one.n * sizeof(int)) == 0) {
            known->prob += one.prob;
            return;
        }
    }
    texts->items[texts->n++] = one;
}

static void enumerate(const cli_frames *frames, all_texts *texts)
{
    int path[MAX_FRAMES] = { 0 };
    for (;;) {
        add_path(frames, path, texts);
        int t = 0;
        while (t < frames->n_frames && ++path[t] == frames->n_classes) {
            path[t++] = 0;
        }
        if (t == frames->n_frames) {
            return;
        }
    }
}

static const text *find_text(const all_texts *texts, const cli_reading *reading)
{
    for (int i = 0; i < texts->n; i++) {
        const text *known = &texts->items[i];
        if (known->n == reading->n && memcmp(known->classes, reading->classes, (size_t)known->n * sizeof(int)) == 0) {
            return known;
        }
    }
    return NULL;
}

static void test_brute_force(pith_test *test, int n_frames, int n_classes, int blank)
{
    pith_test_case(test, "%d frames, %d classes, blank %d", n_frames, n_classes, blank);
    for (int round = 0; round < 20; round++) {
        cli_frames frames = make_frames(test, n_frames, n_classes, blank);
        all_texts *texts = calloc(1, sizeof *texts);
        cli_reading reading = { 0 };
        double sum = 0.0;
        double best = 0.0;
        enumerate(&frames, texts);
        for (int i = 0; i < texts->n; i++) {
            double log_prob;
            CLI_TEST_OK(test, cli_ctc_log_prob(&frames, texts->items[i].classes, texts->items[i].n, &log_prob));
            TEST_CHECK(test, fabs(exp(log_prob) - texts->items[i].prob) < 1e-12);
            sum += texts->items[i].prob;
            best = fmax(best, texts->items[i].prob);
        }
        TEST_CHECK(test, fabs(sum - 1.0) < 1e-6);
        /* A beam that holds every prefix finds the best text of all. */
        CLI_TEST_OK(test, cli_ctc_beam(&frames, 1000, &reading));
        TEST_CHECK(test, find_text(texts, &reading) && find_text(texts, &reading)->prob > best - 1e-12);
        cli_ctc_free_reading(&reading);
        for (int beam = 1; beam <= 4; beam++) { /* a narrow one some text with its true probability */
            CLI_TEST_OK(test, cli_ctc_beam(&frames, beam, &reading));
            const text *known = find_text(texts, &reading);
            TEST_CHECK(test, known && fabs(known->prob - exp(reading.log_prob)) < 1e-12);
            cli_ctc_free_reading(&reading);
        }
        cli_ctc_free_frames(&frames);
        free(texts);
    }
}

static void set_row(pith_tensor *tensor, int frame, const double *row)
{
    for (int c = 0; c < 3; c++) {
        cli_set(tensor, (size_t)(frame * 3 + c), row[c]);
    }
}

/* Two frames that both favour the blank, but whose other paths together favour the label: the best
 * path reads nothing (0.36), the best text is class 1 (0.4 * 0.6 * 2 + 0.4 * 0.4 = 0.64). */
static void test_merging(pith_test *test)
{
    cli_tensor probs;
    cli_frames frames;
    cli_reading greedy = { 0 };
    cli_reading beam = { 0 };
    pith_test_case(test, "beam sums what greedy can't");
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F32, &(pith_shape){ 3, { 2, 1, 3 } }, &probs));
    set_row(&probs.view, 0, (const double[]){ 0.6, 0.4, 0.0 });
    set_row(&probs.view, 1, (const double[]){ 0.6, 0.4, 0.0 });
    CLI_TEST_OK(test, cli_ctc_frames(&probs.view, CLI_SCORES_AUTO, 0, &frames));
    CLI_TEST_OK(test, cli_ctc_greedy(&frames, &greedy));
    CLI_TEST_OK(test, cli_ctc_beam(&frames, 2, &beam));
    TEST_CHECK(test, greedy.n == 0 && fabs(exp(greedy.log_prob) - 0.36) < 1e-6);
    TEST_CHECK(test, beam.n == 1 && beam.classes[0] == 1 && fabs(exp(beam.log_prob) - 0.64) < 1e-6);
    cli_ctc_free_reading(&greedy);
    cli_ctc_free_reading(&beam);
    cli_ctc_free_frames(&frames);
    cli_tensor_free(&probs);
}

static void test_score_kinds(pith_test *test)
{
    pith_test_case(test, "logits, probabilities and their logarithms are told apart");
    static const double rows[3][3] = { /* all mean 0.2, 0.5, 0.3 */
        { 0.2, 0.5, 0.3 }, { -1.6094379, -0.6931472, -1.2039728 }, { 1.0, 1.9162907, 1.4054651 },
    };
    for (int i = 0; i < 3; i++) {
        cli_tensor tensor;
        cli_frames frames;
        CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F32, &(pith_shape){ 2, { 1, 3 } }, &tensor));
        set_row(&tensor.view, 0, rows[i]);
        CLI_TEST_OK(test, cli_ctc_frames(&tensor.view, CLI_SCORES_AUTO, 0, &frames));
        for (int c = 0; c < 3; c++) {
            TEST_CHECK(test, fabs(exp(frames.log_probs[c]) - rows[0][c]) < 1e-6);
        }
        cli_ctc_free_frames(&frames);
        cli_tensor_free(&tensor);
    }
    cli_tensor batch;
    cli_frames frames;
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F32, &(pith_shape){ 3, { 2, 2, 3 } }, &batch));
    CLI_TEST_STATUS(test, cli_ctc_frames(&batch.view, CLI_SCORES_AUTO, 0, &frames), PITH_STATUS_SHAPE, "2x2x3");
    cli_tensor_free(&batch);
}

void test_cli_ctc(pith_test *test)
{
    test_brute_force(test, 1, 3, 0);
    test_brute_force(test, 4, 3, 0);
    test_brute_force(test, 4, 4, 2);
    test_brute_force(test, 5, 3, 2);
    test_merging(test);
    test_score_kinds(test);
}
