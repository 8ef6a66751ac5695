/* SPDX-License-Identifier: Apache-2.0 */
/* Error measures, statistics of run times, options, shapes. */
#include <math.h>
#include <stdlib.h>

#include "cli/args.h"
#include "cli/bench_stats.h"
#include "cli/cli_test.h"
#include "cli/metrics.h"
#include "cli/net.h"

static cli_metrics measure(pith_test *test, pith_dtype dtype, const double *got, const double *want, double rtol,
                           double atol)
{
    cli_tensor a, b;
    cli_metrics metrics;
    const pith_shape shape = { 1, { 3 } };
    CLI_TEST_OK(test, cli_tensor_make(dtype, &shape, &a));
    CLI_TEST_OK(test, cli_tensor_make(dtype, &shape, &b));
    for (size_t i = 0; i < 3; i++) {
        cli_set(&a.view, i, got[i]);
        cli_set(&b.view, i, want[i]);
    }
    cli_measure(&a.view, &b.view, rtol, atol, &metrics);
    cli_tensor_free(&a);
    cli_tensor_free(&b);
    return metrics;
}

static void test_metrics(pith_test *test)
{
    pith_test_case(test, "measures");
    cli_metrics metrics = measure(test, PITH_DTYPE_F64, (const double[]){ 1, 2, -4 }, (const double[]){ 1, 2.5, -4 },
                                  0, 0.5);
    TEST_CHECK(test, cli_is_within(&metrics) && metrics.max_abs == 0.5 && metrics.max_rel == 0.2);
    TEST_CHECK(test, metrics.largest == 4 && metrics.of_largest == 0.125 && fabs(metrics.mean_abs - 0.5 / 3) < 1e-15);
    TEST_CHECK(test, fabs(metrics.sqnr_db - 10 * log10(23.25 / 0.25)) < 1e-12);
    TEST_CHECK(test, fabs(metrics.cosine - 22 / sqrt(21.0 * 23.25)) < 1e-12);

    pith_test_case(test, "tolerance is that of numpy.allclose");
    metrics = measure(test, PITH_DTYPE_F64, (const double[]){ 1, 2, 3.1 }, (const double[]){ 1, 2, 3 }, 0.03, 0.009);
    TEST_CHECK(test, metrics.n_outside == 1 && metrics.worst == 2);
    metrics = measure(test, PITH_DTYPE_F64, (const double[]){ 1, 2, 3.1 }, (const double[]){ 1, 2, 3 }, 0.03, 0.011);
    TEST_CHECK(test, cli_is_within(&metrics));

    pith_test_case(test, "NaN and infinities");
    const double specials[] = { NAN, INFINITY, -INFINITY };
    metrics = measure(test, PITH_DTYPE_F32, specials, specials, 0, 0);
    TEST_CHECK(test, cli_is_within(&metrics) && metrics.max_abs == 0);
    metrics = measure(test, PITH_DTYPE_F32, (const double[]){ 1, -INFINITY, NAN }, specials, 1e9, 1e9);
    TEST_CHECK(test, metrics.n_outside == 3);

    pith_test_case(test, "defaults: floats by the largest element, integers exact");
    metrics = measure(test, PITH_DTYPE_F64, (const double[]){ 0.0005, 0, 100 }, (const double[]){ 0, 0, 100 }, -1, -1);
    TEST_CHECK(test, cli_is_within(&metrics));
    metrics = measure(test, PITH_DTYPE_F64, (const double[]){ 0.002, 0, 100 }, (const double[]){ 0, 0, 100 }, -1, -1);
    TEST_CHECK(test, metrics.n_outside == 1);
    const double big = 9007199254740992.0; /* 2^53: one more is no double */
    cli_tensor a, b;
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_S64, &(pith_shape){ 0, { 0 } }, &a));
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_S64, &(pith_shape){ 0, { 0 } }, &b));
    *(int64_t *)a.view.data = (int64_t)big + 1;
    *(int64_t *)b.view.data = (int64_t)big;
    cli_measure(&a.view, &b.view, -1, -1, &metrics);
    TEST_CHECK(test, metrics.n_outside == 1 && metrics.max_abs == 1.0);
    cli_tensor_free(&a);
    cli_tensor_free(&b);
}

static void test_times(pith_test *test)
{
    static const double sorted[] = { 1, 2, 4, 8, 16 };
    pith_test_case(test, "quantiles are those of numpy.quantile");
    TEST_CHECK(test, fabs(cli_quantile(sorted, 5, 0.1) - 1.4) < 1e-12 && cli_quantile(sorted, 5, 0.5) == 4);
    TEST_CHECK(test, fabs(cli_quantile(sorted, 5, 0.9) - 12.8) < 1e-12);
    TEST_CHECK(test, fabs(cli_quantile(sorted, 5, 0.99) - 15.68) < 1e-12);
    TEST_CHECK(test, cli_times_of(sorted, 1).std == 0.0 && cli_quantile(sorted, 1, 0.9) == 1);

    pith_test_case(test, "faster, slower, the same");
    double before[200], same[200], slower[200];
    for (int i = 0; i < 200; i++) {
        before[i] = pith_test_uniform(test, 1.0, 1.2);
        same[i] = pith_test_uniform(test, 1.0, 1.2);
        slower[i] = pith_test_uniform(test, 1.1, 1.32);
    }
    cli_difference difference;
    CLI_TEST_OK(test, cli_compare_times(same, 200, before, 200, &difference));
    TEST_CHECK(test, difference.verdict == CLI_SAME && difference.low <= 1.01 && difference.high >= 0.99);
    CLI_TEST_OK(test, cli_compare_times(slower, 200, before, 200, &difference));
    TEST_CHECK(test, difference.verdict == CLI_SLOWER && fabs(difference.ratio - 1.1) < 0.03);
    CLI_TEST_OK(test, cli_compare_times(before, 200, slower, 200, &difference));
    TEST_CHECK(test, difference.verdict == CLI_FASTER && difference.low < difference.ratio);
    CLI_TEST_STATUS(test, cli_compare_times(before, 0, slower, 1, &difference), PITH_STATUS_ARG, "no run times");
}

typedef struct settings {
    bool flag;
    int64_t whole;
    double number;
    const char *text;
    cli_words words;
} settings;

static const cli_option options[] = {
    { "flag", 'f', CLI_KIND_FLAG, offsetof(settings, flag), NULL, "", 0, 0 },
    { "whole", 'w', CLI_KIND_INT, offsetof(settings, whole), "N", "", 1, 9 },
    { "number", 0, CLI_KIND_NUMBER, offsetof(settings, number), "X", "", 0, 0 },
    { "text", 0, CLI_KIND_TEXT, offsetof(settings, text), "T", "", 0, 0 },
    { "words", 0, CLI_KIND_WORDS, offsetof(settings, words), "W", "", 0, 0 },
    { 0 },
};

static const cli_command command = { .name = "verb", .options = options };

static pith_status parse(const char *line, settings *given, cli_words *words)
{
    static char copy[512];
    char *args[32];
    int n_args = 0;
    bool wants_help;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        args[n_args++] = word;
    }
    words->n = 0;
    *given = (settings){ .words = { .items = given->words.items, .capacity = given->words.capacity } };
    return cli_parse_args(&command, n_args, args, given, words, &wants_help);
}

static void test_args(pith_test *test)
{
    settings given = { 0 };
    cli_words words = { 0 };
    pith_test_case(test, "options of every kind");
    CLI_TEST_OK(test, parse("a --flag --whole 3 --number=-2.5 --text --x --words p -w4 --words=q b -- --flag", &given,
                            &words));
    TEST_CHECK(test, given.flag && given.whole == 4 && given.number == -2.5 && strcmp(given.text, "--x") == 0);
    TEST_CHECK(test, given.words.n == 2 && strcmp(given.words.items[1], "q") == 0);
    TEST_CHECK(test, words.n == 3 && strcmp(words.items[0], "a") == 0 && strcmp(words.items[2], "--flag") == 0);
    pith_test_case(test, "refusals");
    CLI_TEST_STATUS(test, parse("--nubmer 3", &given, &words), PITH_STATUS_ARG, "did you mean '--number'");
    CLI_TEST_STATUS(test, parse("--whole", &given, &words), PITH_STATUS_ARG, "--whole needs N");
    CLI_TEST_STATUS(test, parse("--whole x3", &given, &words), PITH_STATUS_ARG, "whole number");
    CLI_TEST_STATUS(test, parse("--whole 10", &given, &words), PITH_STATUS_ARG, "1 to 9");
    CLI_TEST_STATUS(test, parse("--flag=1", &given, &words), PITH_STATUS_ARG, "no value");
    CLI_TEST_STATUS(test, parse("-x", &given, &words), PITH_STATUS_ARG, "unknown option '-x'");
    cli_free_settings(&command, &given);
    cli_free(words.items);
}

static void test_shapes(pith_test *test)
{
    static const struct {
        const char *word, *name;
        pith_shape shape;
    } cases[] = {
        { "x=1x3x2", "x", { 3, { 1, 3, 2 } } },
        { "a:0:1,3", "a:0", { 2, { 1, 3 } } },
        { "a:0=5", "a:0", { 1, { 5 } } },
        { "2,4", "", { 2, { 2, 4 } } },
        { "s=scalar", "s", { 0, { 0 } } },
        { "z=0x7", "z", { 2, { 0, 7 } } },
    };
    char name[64];
    pith_shape shape;
    pith_test_case(test, "shapes in words");
    for (int i = 0; i < CLI_COUNT(cases); i++) {
        CLI_TEST_OK(test, cli_parse_shape(cases[i].word, name, sizeof name, &shape));
        TEST_CHECK(test, strcmp(name, cases[i].name) == 0 && pith_shape_equal(&shape, &cases[i].shape));
    }
    static const char *const wrong[] = {
        "x=", "x=1x", "x=ax3", "x=-1", "x=1x1x1x1x1x1x1x1x1", "x=9999999999999999999", "",
    };
    for (int i = 0; i < CLI_COUNT(wrong); i++) {
        TEST_CHECK_MESSAGE(test, cli_parse_shape(wrong[i], name, sizeof name, &shape) != PITH_OK, "'%s'", wrong[i]);
        cli_clear_error();
    }
}

void test_cli_numbers(pith_test *test)
{
    test_metrics(test);
    test_times(test);
    test_args(test);
    test_shapes(test);
}
