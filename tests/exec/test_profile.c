/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: what they say of steps, blocks and threads agrees with the plan and with itself, and taking one changes
 * no result. Machine limits are possible ones. */
#include <math.h>
#include <stdlib.h>

#include "exec/internal.h"
#include "pith/profile.h"
#include "support/graph_text.h"

static const char *const text =
    "input x f32[1,8,40,40]\n"
    "const w f32[16,8,3,3]{0.5}\n"
    "c = conv x w | pads=[1,1,1,1]\n"
    "s = sigmoid c\n"
    "t = transpose s | perm=[0,3,2,1]\n"
    "m = reduce_max t\n"
    "output c\noutput m\n";

static pith_model *make_model(pith_test *test)
{
    pith_graph *graph = pith_test_graph(test, text);
    pith_model *model = NULL;
    pith_status status = graph ? pithi_model_from_graph(graph, NULL, &model) : PITH_STATUS_ARG;
    TEST_OK(test, status);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
    }
    return model;
}

static void check_step(pith_test *test, const pith_profile *profile, int index)
{
    const pith_profile_step *step = &profile->steps[index];
    TEST_CHECK(test, step->n_calls == 1.0 && step->min_ns >= 0.0 && step->median_ns >= step->min_ns);
    TEST_CHECK(test, step->stop_ns >= step->start_ns);
    TEST_CHECK(test, index == 0 || step->start_ns >= profile->steps[index - 1].start_ns);
    TEST_CHECK(test, step->n_parts >= 1 && step->n_parts <= (step->max_parts > 1 ? step->max_parts : 1));
    TEST_CHECK(test, (step->busy_ns != NULL) == (profile->n_threads > 1));
    size_t alive = 0;
    for (int i = 0; i < profile->n_blocks; i++) {
        const pith_profile_block *block = &profile->blocks[i];
        alive += block->first_step <= index && index <= block->last_step ? block->n_bytes : 0;
    }
    TEST_CHECK_MESSAGE(test, alive == step->live_bytes, "step %d: blocks %zu, live %zu", index, alive,
                       step->live_bytes);
    TEST_CHECK(test, step->live_bytes <= profile->arena_bytes);
    uint64_t written = 0;
    for (int i = 0; i < step->n_operands; i++) {
        written += step->operands[i].role == PITH_PROFILE_OUTPUT ? step->operands[i].n_bytes : 0;
    }
    TEST_CHECK(test, written == step->bytes_written);
}

static void check_profile(pith_test *test, const pith_profile *profile, int n_threads)
{
    bool has_conv = false;
    double sum = 0.0;
    TEST_CHECK(test, profile->n_threads == n_threads && profile->n_rounds == 5 && profile->n_steps >= 3);
    TEST_CHECK(test, profile->run_min_ns > 0.0 && profile->run_median_ns >= profile->run_min_ns);
    for (int i = 0; i < profile->n_steps; i++) {
        check_step(test, profile, i);
        sum += profile->steps[i].median_ns;
        if (strcmp(profile->steps[i].op, "conv") == 0) {
            has_conv = true;
            TEST_CHECK(test, profile->steps[i].macs == 16u * 8 * 9 * 40 * 40 && profile->steps[i].kernel != NULL);
        }
    }
    TEST_CHECK(test, has_conv && fabs(sum - profile->steps_ns) <= 1e-6 * sum);
    TEST_CHECK(test, profile->n_events >= profile->n_steps);
    for (int i = 0; i < profile->n_events; i++) {
        const pith_profile_event *event = &profile->events[i];
        TEST_CHECK(test, event->thread >= 0 && event->thread < n_threads && event->stop_ns >= event->start_ns);
    }
    TEST_CHECK(test, (profile->n_counters > 0) == (profile->steps[0].counters != NULL));
    TEST_CHECK(test, profile->n_counters > 0 || profile->counters_note[0]);
}

static void profile_once(pith_test *test, int n_threads)
{
    pith_model *model = make_model(test);
    pith_session *session = NULL;
    pith_profile *profile = NULL;
    pith_session_options options = { .n_threads = n_threads };
    pith_profile_options profile_options = { .n_rounds = 5 };
    pith_tensor x = { PITH_DTYPE_F32, { 4, { 1, 8, 40, 40 } }, malloc(8 * 1600 * sizeof(float)) };
    void *wanted = malloc(16 * 1600 * sizeof(float));
    if (model) {
        pith_test_fill(test, &x, -2, 2, false);
        TEST_OK(test, pith_session_create(model, &options, &session));
        TEST_OK(test, pith_session_run(session, &x, 1));
        memcpy(wanted, pith_session_output(session, 0)->data, 16 * 1600 * sizeof(float));
        TEST_OK(test, pith_session_profile(session, &x, 1, &profile_options, &profile));
        check_profile(test, profile, n_threads);
        TEST_CHECK(test, memcmp(wanted, pith_session_output(session, 0)->data, 16 * 1600 * sizeof(float)) == 0);
        pith_profile_destroy(profile);
        TEST_STATUS(test, pith_session_profile(session, &x, 2, NULL, &profile), PITH_STATUS_ARG, "2 inputs given");
        pith_session_destroy(session);
        pith_model_destroy(model);
    }
    free(x.data);
    free(wanted);
}

static void check_machine(pith_test *test)
{
    pith_machine machine;
    TEST_OK(test, pith_machine_measure(test->ctx, 1, &machine));
    TEST_CHECK(test, machine.cpu[0] && machine.n_cpus >= machine.n_usable_cpus && machine.n_usable_cpus >= 1);
    TEST_CHECK(test, machine.f32_flops_per_s > 1e7 && machine.s8_ops_per_s > 1e7 && machine.clock_ns > 0.0);
    const pith_machine_level *memory = &machine.levels[PITH_MACHINE_LEVELS - 1];
    TEST_CHECK(test, memory->read_bytes_per_s > 1e7 && memory->write_bytes_per_s > 1e7);
    TEST_STATUS(test, pith_machine_measure(test->ctx, 5000, &machine), PITH_STATUS_ARG, "n_threads is 5000");
}

void test_profile(pith_test *test)
{
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        pith_test_case(test, "%d threads", n_threads);
        profile_once(test, n_threads);
    }
    pith_test_case(test, "machine");
    check_machine(test);
}
