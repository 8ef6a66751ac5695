/* SPDX-License-Identifier: Apache-2.0 */
/* Tuned choices: found again by key, written and read back; files for elsewhere or damaged in any way are refused
 * whole; and a model runs any choice with results that are close, with the same bits for any number of threads. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exec/internal.h"
#include "export/export.h"
#include "pith/profile.h"
#include "pith/tune.h"
#include "platform/machine.h"
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

static const char header[] = "threads 4 without fuse_separable,fuse_region\n";

static bool parses(pith_test *test, const char *cpu, const char *text, size_t n_bytes, size_t *n_entries)
{
    char reason[200];
    pithi_tuning tuning = { .ctx = test->ctx, .fallback = PITHI_TUNED_DEFAULT };
    TEST_OK(test, pithi_tuning_parse(&tuning, cpu, text, n_bytes, reason));
    *n_entries = tuning.n_entries;
    TEST_CHECK(test, reason[0] == '\0' || (tuning.n_entries == 0 && tuning.passes_off == 0));
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
    tuning.n_threads = 4;
    tuning.passes_off = 5;
    pith_test_case(test, "text");
    pithi_tuning_print(&tuning, "A CPU", &text);
    TEST_CHECK(test, strstr(text.data, header) != NULL);
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

/* ---- files ---------------------------------------------------------------------------------- */

static char folder[64], model_path[96], tune_path[112];

static void write_model(pith_test *test, const char *text)
{
    pith_graph *graph = pith_test_graph(test, text);
    pithi_bytes bytes = { .ctx = test->ctx };
    snprintf(folder, sizeof folder, "/tmp/pith_tuning_XXXXXX");
    TEST_CHECK(test, mkdtemp(folder) != NULL);
    snprintf(model_path, sizeof model_path, "%s/model.onnx", folder);
    snprintf(tune_path, sizeof tune_path, "%s.tune", model_path);
    TEST_OK(test, pithi_export_onnx(graph, &bytes));
    TEST_OK(test, pithi_file_write(test->ctx, model_path, bytes.data, bytes.n_bytes));
    pithi_free(test->ctx, bytes.data);
    pithi_graph_destroy(graph);
}

static void remove_model(void)
{
    unlink(tune_path);
    unlink(model_path);
    rmdir(folder);
}

/* Profiles the model as it is loaded from disk, and gives facts of its first step of `op`. */
typedef struct step_facts {
    uint64_t key;
    int n_choices;
    bool is_there;
    char kernel[64], why[400], note[300];
} step_facts;

static step_facts look(pith_test *test, bool is_float16, int n_threads, const char *op, const pith_tensor *x)
{
    step_facts facts = { 0 };
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_profile *profile = NULL;
    pith_profile_options options = { .max_seconds = 0.01, .no_counters = 1 };
    TEST_OK(test, pith_model_load(test->ctx, model_path, &(pith_model_options){ .float16 = is_float16 }, &model));
    TEST_OK(test, pith_session_create(model, &(pith_session_options){ .n_threads = n_threads }, &session));
    TEST_OK(test, pith_session_profile(session, x, 1, &options, &profile));
    for (int i = 0; profile && i < profile->n_steps && !facts.is_there; i++) {
        const pith_profile_step *row = &profile->steps[i];
        if (pithi_same_text(row->op, op)) {
            facts.is_there = true;
            facts.key = row->key;
            facts.n_choices = row->n_choices;
            snprintf(facts.kernel, sizeof facts.kernel, "%s", row->kernel ? row->kernel : "");
            snprintf(facts.why, sizeof facts.why, "%s", row->why ? row->why : "");
        }
    }
    snprintf(facts.note, sizeof facts.note, "%s", pith_model_tuning(model));
    pith_profile_destroy(profile);
    pith_session_destroy(session);
    pith_model_destroy(model);
    return facts;
}

static void write_tuning(pith_test *test, const pithi_tuning *tuning)
{
    pithi_topology topology;
    pithi_text text = { .ctx = test->ctx };
    pithi_topology_read(&topology);
    pithi_tuning_print(tuning, topology.cpu, &text);
    TEST_OK(test, pithi_file_write(test->ctx, tune_path, text.data, text.n_bytes));
    pithi_text_deinit(&text);
}

#if PITH_TEST_HAS_CLI
/* What the tool prints of the model beside which the file lies. */
static bool tool_says(pith_test *test, const char *arguments, const char *wanted)
{
    char command[400], line[1000];
    bool is_there = false;
    snprintf(command, sizeof command, PITH_BINARY_DIR "/pith %s --isa %s %s 2>&1", arguments,
             pith_ctx_isa(test->ctx), model_path);
    FILE *output = popen(command, "r");
    while (output && fgets(line, sizeof line, output)) {
        is_there = is_there || strstr(line, wanted);
    }
    return output && pclose(output) == 0 && is_there;
}
#endif

/* From a file on disk a step takes another way than its own judgement, for any number of threads. */
static void check_file(pith_test *test, bool is_float16)
{
    pith_tensor x = { PITH_DTYPE_F32, { 4, { 1, 48, 14, 14 } }, malloc(N_IN * sizeof(float)) };
    pithi_tuning tuning = { .ctx = test->ctx, .fallback = PITHI_TUNED_DEFAULT, .is_float16 = is_float16,
                            .n_threads = 2 };
    pith_test_fill(test, &x, -0.1, 0.1, false);
    write_model(test, model_text);
    step_facts plain = look(test, is_float16, 1, "conv", &x);
    TEST_CHECK(test, plain.n_choices > 2 && plain.note[0] == '\0');
    write_tuning(test, &tuning);
    step_facts keyed = look(test, is_float16, 1, "conv", &x);
    TEST_CHECK(test, keyed.key != 0 && strcmp(keyed.kernel, plain.kernel) == 0);
    TEST_CHECK_MESSAGE(test, strstr(keyed.note, "0 steps from ") && strstr(keyed.note, ", timed with 1 and 2 threads"),
                       "note '%s'", keyed.note);
    int n_others = 0, n_float16 = 0;
    for (int choice = 1; choice < plain.n_choices; choice++) {
        pithi_tuned entry = { .key = keyed.key, .choice = choice, .isa = -1 };
        TEST_OK(test, pithi_tuning_add(&tuning, &entry));
        write_tuning(test, &tuning);
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            step_facts tuned = look(test, is_float16, n_threads, "conv", &x);
            n_others += strcmp(tuned.kernel, plain.kernel) != 0;
            n_float16 += strstr(tuned.kernel, "f16") != NULL;
            TEST_CHECK_MESSAGE(test, strncmp(tuned.why, "by timing (pith tune): ", 23) == 0, "why '%s'", tuned.why);
        }
    }
    TEST_CHECK(test, n_others >= 3);
    /* Direct sums are products in float16 then, and stay that. */
    TEST_CHECK_MESSAGE(test, n_float16 == (is_float16 && pith_ctx_has_float16(test->ctx) ? 3 : 0), "%d", n_float16);
    step_facts other = look(test, !is_float16, 1, "conv", &x);
    TEST_CHECK_MESSAGE(test, strstr(other.note, "is ignored: it was made for 'float16 ") && !other.key, "note '%s'",
                       other.note);
#if PITH_TEST_HAS_CLI
    if (!is_float16) {
        TEST_CHECK(test, tool_says(test, "profile --no-counters --why", "by timing (pith tune): "));
        TEST_CHECK(test, tool_says(test, "info", "1 steps from "));
    }
#endif
    pithi_tuning_deinit(&tuning);
    remove_model();
    free(x.data);
}

/* A pass that is left out by the file isn't run. */
static void check_passes(pith_test *test)
{
    pith_tensor x = { PITH_DTYPE_F32, { 2, { 200, 65 } }, malloc(200 * 65 * sizeof(float)) };
    pithi_tuning tuning = { .ctx = test->ctx, .fallback = PITHI_TUNED_DEFAULT, .n_threads = 1 };
    pith_test_fill(test, &x, -1, 1, false);
    write_model(test, "input x f32[200,65]\na = tanh x\nb = mul a x\nc = exp b\nd = add c a\noutput d\n");
    TEST_CHECK(test, look(test, false, 1, "region", &x).is_there);
    tuning.passes_off = 4;
    write_tuning(test, &tuning);
    step_facts facts = look(test, false, 1, "region", &x);
    TEST_CHECK(test, !facts.is_there);
    TEST_CHECK_MESSAGE(test, strstr(facts.note, "0 steps, without fuse_region from "), "note '%s'", facts.note);
    remove_model();
    free(x.data);
}

/* The whole way with the clock: what is kept was faster with the threads asked for, and not slower with one. */
static void check_tune(pith_test *test, bool is_float16)
{
    pith_tensor x = { PITH_DTYPE_F32, { 4, { 1, 48, 14, 14 } }, malloc(N_IN * sizeof(float)) };
    pith_tune_options options = { .n_threads = 2, .max_seconds = 0.2, .float16 = is_float16 };
    pith_tune_report report;
    pith_test_fill(test, &x, -0.1, 0.1, false);
    write_model(test, model_text);
    TEST_OK(test, pith_tune_model(test->ctx, model_path, &x, 1, &options, &report));
    TEST_CHECK(test, report.n_steps > 0 && report.n_variants >= 3 && report.n_candidates >= 1);
    step_facts facts = look(test, is_float16, 2, "conv", &x);
    TEST_CHECK(test, pithi_file_exists(tune_path) == (report.is_kept != 0));
    TEST_CHECK(test, (strstr(facts.note, " from ") != NULL) == (report.is_kept != 0));
    TEST_CHECK(test, !report.is_kept || (report.tuned_ns < report.default_ns && report.n_won >= 16 &&
                                         report.alone_tuned_ns < 1.02 * report.alone_default_ns));
    remove_model();
    free(x.data);
}

/* The caller's list of passes is left whole, however long. */
static void check_long_list(pith_test *test, int n_names)
{
    static const char name[] = "merge_common,";
    char list[1000] = "";
    static float data[200 * 65];
    const pith_tensor x = { PITH_DTYPE_F32, { 2, { 200, 65 } }, data };
    const pith_tune_options options = { .n_threads = 1, .max_seconds = 0.01, .disable_passes = list };
    pith_tune_report report;
    pith_test_case(test, "a list of %d passes to leave out", n_names);
    for (int i = 0; i < n_names; i++) {
        memcpy(list + (size_t)i * (sizeof name - 1), name, sizeof name);
    }
    list[(size_t)n_names * (sizeof name - 1) - 1] = '\0';
    write_model(test, "input x f32[200,65]\na = tanh x\nb = mul a x\noutput b\n");
    TEST_OK(test, pith_tune_model(test->ctx, model_path, &x, 1, &options, &report));
    remove_model();
}

void test_tuning(pith_test *test)
{
    check_long_list(test, 17); /* 220 characters */
    check_long_list(test, 60);
    check_text(test);
    check_choices(test);
    pith_test_case(test, "a file on disk");
    check_file(test, false);
    pith_test_case(test, "a file that leaves a pass out");
    check_passes(test);
    pith_test_case(test, "tuning with the clock");
    check_tune(test, false);
    pith_test_case(test, "products in float16: a file on disk");
    TEST_OK(test, pith_ctx_set_isa_limit(test->ctx, "portable"));
    check_file(test, true);
    pith_test_case(test, "products in float16: tuning with the clock");
    check_tune(test, true);
}
