/* SPDX-License-Identifier: Apache-2.0 */
/* What choosing a mix goes by: of two that are as fast the more accurate one, limits on bytes, and sensitivity on as
 * many samples as there is work left for. */
#include <math.h>

#include "quant/mix.h"
#include "support/graph_text.h"

static const pith_quantize_options options = { .max_bytes = 1000, .max_ram_bytes = 500 };

static int preferred_to(pith_test *test, double float_ms, double a_ms, double b_ms, double a_score, double b_score)
{
    static pithi_quant_search search;
    int better = -1;
    search.points[0] = (pithi_quant_point){ .ms = float_ms };
    search.points[1] = (pithi_quant_point){ .ms = a_ms, .error.score = a_score, .is_judged = true };
    search.points[2] = (pithi_quant_point){ .ms = b_ms, .error.score = b_score, .is_judged = true };
    TEST_OK(test, pithi_quant_prefer(&search, 1, 2, &better));
    return better;
}

static int preferred(pith_test *test, double a_ms, double b_ms, double a_score, double b_score)
{
    return preferred_to(test, 2.0, a_ms, b_ms, a_score, b_score);
}

static void test_prefer(pith_test *test)
{
    pith_test_case(test, "of two mixes that are as fast, but for noise, the more accurate one");
    TEST_CHECK(test, preferred(test, 1.00, 1.01, 20.0, 25.0) == 2 && preferred(test, 1.00, 1.01, 25.0, 20.0) == 1);
    TEST_CHECK(test, preferred(test, 1.01, 1.00, 20.0, 25.0) == 2 && preferred(test, 1.01, 1.00, 25.0, 20.0) == 1);
    pith_test_case(test, "unless that alone is slower than float");
    TEST_CHECK(test, preferred_to(test, 1.005, 1.00, 1.01, 20.0, 25.0) == 1);
    TEST_CHECK(test, preferred_to(test, 1.005, 1.01, 1.00, 25.0, 20.0) == 2);
    TEST_CHECK(test, preferred_to(test, 0.99, 1.00, 1.01, 20.0, 25.0) == 2);
    pith_test_case(test, "else the faster one");
    TEST_CHECK(test, preferred(test, 1.00, 1.10, 20.0, 25.0) == 1 && preferred(test, 1.10, 1.00, 25.0, 20.0) == 2);
}

static void test_bytes(pith_test *test)
{
    const pithi_quant quant = { .options = &options };
    static pithi_quant_search search;
    pithi_quant_point point = { .n_bytes = 1000, .verdict = { .ram_bytes = 500 } };
    search.quant = (pithi_quant *)(uintptr_t)&quant;
    pith_test_case(test, "limits on the file and on the arena hold for every point");
    TEST_CHECK(test, pithi_quant_keeps_bytes(&search, &point));
    point.verdict.ram_bytes = 501;
    TEST_CHECK(test, !pithi_quant_keeps_bytes(&search, &point));
    point = (pithi_quant_point){ .n_bytes = 1001, .verdict = { .ram_bytes = 500 } };
    TEST_CHECK(test, !pithi_quant_keeps_bytes(&search, &point));
}

static void test_work(pith_test *test)
{
    pith_graph *graph = pith_test_graph(test, "input x f32[4,1,8]\nconst w f32[1,64,8]\nconst r f32[1,64,16]\n"
                                              "l = lstm x w r\nconst s s64[2]{4,16}\nm = reshape l s\n"
                                              "const v f32[16,5]\ny = matmul m v\noutput y\n");
    pithi_quant_work work = { .per_run = 1.0, .limit = INFINITY };
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .work = &work, .graph = graph,
                          .arena = { .ctx = test->ctx } };
    int n_quantisers = 2; /* weights of both layers */
    pith_test_case(test, "sensitivity on as many samples as there is work for, recurrent weights too");
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_OK(test, pithi_quant_select(&quant));
    for (int t = 0; t < quant.n_tensors; t++) {
        n_quantisers += quant.tensors[t].source == t;
    }
    static const int wanted[][2] = { { 4, 4 }, { 3, 2 }, { 2, 2 }, { 1, 1 }, { 0, 0 } };
    for (int i = 0; i < PITH_COUNT(wanted); i++) {
        work.limit = wanted[i][0] * n_quantisers;
        const int n = pithi_quant_noise_samples(&quant);
        TEST_CHECK_MESSAGE(test, n == wanted[i][1], "work for %d samples: %d", wanted[i][0], n);
    }
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(graph);
}

static void test_better(pith_test *test)
{
    const pithi_quant_error before = { .score = 20.0, .sqnr_db = 18.0 };
    static const struct {
        double score, sqnr_db, least_db;
        bool is_better;
    } after[] = { { 20.1, 18.0, 0.0, true },  { 20.04, 19.0, 0.0, false }, { 20.1, 18.0, 0.2, false },
                  { 21.0, 17.5, 0.0, true },  { 21.0, 16.5, 0.0, false },  { 19.0, 25.0, 0.0, false } };
    pith_test_case(test, "a stage stays if most samples gain, and all together don't lose more than that");
    for (int i = 0; i < PITH_COUNT(after); i++) {
        const pithi_quant_error error = { .score = after[i].score, .sqnr_db = after[i].sqnr_db };
        const bool is_better = pithi_quant_is_better(&before, &error, after[i].least_db);
        TEST_CHECK_MESSAGE(test, is_better == after[i].is_better, "number %d", i);
    }
}

static void test_fitting(pith_test *test)
{
    enum { MOST = 16 };
    const int sizes[][3] = { { 100, 25, 16 }, { 40, 24, 16 }, { 20, 20, 16 }, { 5, 5, 5 } }; /* all, held, fitting */
    pith_test_case(test, "what is fitted doesn't see the samples that judge it, where there are others");
    for (int i = 0; i < PITH_COUNT(sizes); i++) {
        const pith_samples samples = { .n_samples = sizes[i][0] };
        const pithi_quant quant = { .samples = &samples, .n_held = sizes[i][1] };
        int fitting[MOST], n_held = 0;
        const int n = pithi_quant_free_samples(&quant, MOST, fitting);
        for (int k = 0; k < n * quant.n_held; k++) {
            n_held += fitting[k / quant.n_held] == pithi_quant_held_sample(&quant, k % quant.n_held);
        }
        TEST_CHECK_MESSAGE(test, n == sizes[i][2] && n_held == (sizes[i][0] > sizes[i][1] ? 0 : n),
                           "of %d samples %d, %d of them held", sizes[i][0], n, n_held);
    }
}

void test_choose(pith_test *test)
{
    test_better(test);
    test_fitting(test);
    test_prefer(test);
    test_bytes(test);
    test_work(test);
}
