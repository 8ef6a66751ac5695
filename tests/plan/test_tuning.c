/* SPDX-License-Identifier: Apache-2.0 */
/* Tuned choices: found again by key, written and read back; files for elsewhere or damaged in any way are refused
 * whole; and a model runs any choice with results that are close, with the same bits for any number of threads. */
#include <stdlib.h>

#include "exec/internal.h"
#include "plan/tuning.h"
#include "support/graph_text.h"

static void fill(pith_test *test, pithi_tuning *tuning)
{
    for (int i = 0; i < 40; i++) {
        pithi_tuned entry = { .key = pith_test_random(test), .choice = i % 5, .isa = i % 3 == 0 ? -1 : 0,
                              .serial_at = i % 4 };
        TEST_OK(test, pithi_tuning_add(tuning, &entry));
        TEST_CHECK(test, pithi_tuning_find(tuning, entry.key)->choice == entry.choice);
    }
    TEST_CHECK(test, tuning->n_entries == 40);
    for (size_t i = 1; i < tuning->n_entries; i++) {
        TEST_CHECK(test, tuning->entries[i - 1].key < tuning->entries[i].key);
    }
    pithi_tuned again = tuning->entries[7];
    again.choice = 99;
    TEST_OK(test, pithi_tuning_add(tuning, &again));
    TEST_CHECK(test, tuning->n_entries == 40 && pithi_tuning_find(tuning, again.key)->choice == 99);
    TEST_CHECK(test, pithi_tuning_find(tuning, again.key + 1) == &tuning->fallback);
}

static bool parses(pith_test *test, const char *cpu, const char *text, size_t n_bytes, size_t *n_entries)
{
    char reason[200];
    pithi_tuning tuning = { .ctx = test->ctx, .fallback = PITHI_TUNED_DEFAULT };
    TEST_OK(test, pithi_tuning_parse(&tuning, cpu, text, n_bytes, reason));
    *n_entries = tuning.n_entries;
    TEST_CHECK(test, reason[0] == '\0' || tuning.n_entries == 0);
    pithi_tuning_deinit(&tuning);
    return reason[0] == '\0';
}

/* Every cut is refused; a changed byte at most changes what a line says. */
static void check_damage(pith_test *test, const char *text, size_t n_bytes)
{
    char *copy = malloc(n_bytes + 1);
    size_t n_entries = 0;
    TEST_CHECK(test, parses(test, "A CPU", text, n_bytes, &n_entries) && n_entries == 40);
    TEST_CHECK(test, !parses(test, "Another CPU", text, n_bytes, &n_entries));
    for (size_t n = 0; n < n_bytes; n++) {
        TEST_CHECK(test, !parses(test, "A CPU", text, n, &n_entries));
    }
    for (int i = 0; i < 5000; i++) {
        memcpy(copy, text, n_bytes);
        copy[pith_test_random(test) % n_bytes] = (char)pith_test_random(test);
        TEST_CHECK(test, !parses(test, "A CPU", copy, n_bytes, &n_entries) || n_entries == 40);
    }
    TEST_CHECK(test, !parses(test, "A CPU", NULL, 0, &n_entries));
    free(copy);
}

static void check_text(pith_test *test)
{
    pithi_tuning tuning = { .ctx = test->ctx, .fallback = PITHI_TUNED_DEFAULT };
    pithi_text text = { .ctx = test->ctx };
    pith_test_case(test, "table");
    fill(test, &tuning);
    pith_test_case(test, "text");
    pithi_tuning_print(&tuning, "A CPU", &text);
    check_damage(test, text.data, text.n_bytes);
    pithi_text_deinit(&text);
    pithi_tuning_deinit(&tuning);
}

static const char *const model_text =
    "input x f32[1,48,14,14]\n"
    "const w f32[64,48,3,3]{0.25,-0.5,0.125,1,-1,0.5,0.75}\n"
    "c = conv x w | pads=[1,1,1,1]\n"
    "r = tanh c\n"
    "output r\n";

enum { N_IN = 48 * 14 * 14, N_OUT = 64 * 14 * 14 };

static void run_with(pith_test *test, const pithi_tuned *tried, int n_threads, const pith_tensor *x, float *y)
{
    pith_graph *graph = pith_test_graph(test, model_text);
    pithi_tuning tuning = { .ctx = test->ctx, .fallback = *tried };
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_session_options options = { .n_threads = n_threads };
    TEST_OK(test, pithi_model_from_graph(graph, NULL, &model));
    model->program.tuning = &tuning;
    TEST_OK(test, pith_session_create(model, &options, &session));
    TEST_OK(test, pith_session_run(session, x, 1));
    memcpy(y, pith_session_output(session, 0)->data, N_OUT * sizeof(float));
    pith_session_destroy(session);
    pith_model_destroy(model);
}

static void check_choices(pith_test *test)
{
    pith_tensor x = { PITH_DTYPE_F32, { 4, { 1, 48, 14, 14 } }, malloc(N_IN * sizeof(float)) };
    float *wanted = malloc(N_OUT * sizeof(float)), *one = malloc(N_OUT * sizeof(float)),
          *three = malloc(N_OUT * sizeof(float));
    pith_tensor a = { PITH_DTYPE_F32, { 1, { N_OUT } }, wanted }, b = { PITH_DTYPE_F32, { 1, { N_OUT } }, one };
    pith_test_case(test, "choices");
    pith_test_fill(test, &x, -0.1, 0.1, false);
    run_with(test, &PITHI_TUNED_DEFAULT, 1, &x, wanted);
    for (int choice = 0; choice < 8; choice++) { /* numbers that an operator lacks count as 0 */
        pithi_tuned tried = { .choice = choice, .isa = choice == 7 ? 0 : -1, .serial_at = choice == 6 ? 3 : 0 };
        run_with(test, &tried, 1, &x, one);
        run_with(test, &tried, 3, &x, three);
        TEST_CHECK(test, memcmp(one, three, N_OUT * sizeof(float)) == 0);
        double difference = pith_test_difference(&b, &a);
        TEST_CHECK_MESSAGE(test, difference < 1e-4, "choice %d differs by %g", choice, difference);
    }
    free(x.data);
    free(wanted);
    free(one);
    free(three);
}

void test_tuning(pith_test *test)
{
    check_text(test);
    check_choices(test);
}
