/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "support/test.h"

#define PITH_TEST(folder, name) void test_##name(pith_test *test);
#include "pith_tests.inc"
#undef PITH_TEST

static const struct {
    const char *name;
    void (*function)(pith_test *test);
} tests[] = {
#define PITH_TEST(folder, name) { #folder "/" #name, test_##name },
#include "pith_tests.inc"
#undef PITH_TEST
};

static void close_case(pith_test *test)
{
    if (!test->case_open) {
        return;
    }
    test->case_open = false;
    if (test->case_failed) {
        test->n_failed++;
        printf("FAILED %s: %s (repeat with --filter %s --seed %llu)\n", test->name, test->case_name, test->name,
               (unsigned long long)test->seed);
    } else {
        test->n_passed++;
        if (test->is_verbose) {
            printf("passed %s: %s\n", test->name, test->case_name);
        }
    }
}

void pith_test_case(pith_test *test, const char *format, ...)
{
    close_case(test);
    va_list args;
    va_start(args, format);
    vsnprintf(test->case_name, sizeof test->case_name, format, args);
    va_end(args);
    test->case_open = true;
    test->case_failed = false;
    test->random = pithi_hash(PITHI_HASH_START ^ test->seed, test->case_name, strlen(test->case_name)) | 1u;
    pith_ctx_clear_error(test->ctx);
}

void pith_test_skip(pith_test *test, const char *format, ...)
{
    char reason[200];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    printf("skipped %s: %s: %s\n", test->name, test->case_name, reason);
    test->case_open = false;
    test->n_skipped++;
}

void pith_test_fail(pith_test *test, const char *file, int line, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (!test->case_open) {
        pith_test_case(test, "outside of any case");
    }
    if (!test->case_failed) {
        const char *short_file = strstr(file, "tests/");
        printf("%s:%d: %s: %s: %s\n", short_file ? short_file : file, line, test->name, test->case_name, message);
    }
    test->case_failed = true;
}

static void run_test(size_t index, pith_test *totals)
{
    pith_test test = { .seed = totals->seed, .isa = totals->isa, .is_verbose = totals->is_verbose,
                       .name = tests[index].name, .n_threads = totals->n_threads, .only_case = totals->only_case };
    if (pith_ctx_create(NULL, &test.ctx) != PITH_OK) {
        abort();
    }
    if (test.isa && pith_ctx_set_isa_limit(test.ctx, test.isa) != PITH_OK) {
        printf("%s\n", pith_ctx_error(test.ctx));
        exit(2);
    }
    pith_test_case(&test, "start");
    test.case_open = false;
    tests[index].function(&test);
    close_case(&test);
    if (pith_ctx_memory_bytes(test.ctx) != 0) {
        printf("FAILED %s: %zu bytes leaked\n", test.name, pith_ctx_memory_bytes(test.ctx));
        test.n_failed++;
    }
    pith_ctx_destroy(test.ctx);
    printf("%-28s %5d passed, %d failed, %d skipped\n", test.name, test.n_passed, test.n_failed, test.n_skipped);
    fflush(stdout);
    totals->n_passed += test.n_passed;
    totals->n_failed += test.n_failed;
    totals->n_skipped += test.n_skipped;
}

/* A part of the name stands in the comma list. */
static bool is_listed(const char *list, const char *name)
{
    char part[100];
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',') {
        snprintf(part, sizeof part, "%.*s", (int)strcspn(at, ","), at);
        if (part[0] && strstr(name, part)) {
            return true;
        }
    }
    return false;
}

static void usage(const char *program)
{
    printf("usage: %s [--list] [--filter TEXT] [--without TEXT,...] [--seed N] [--isa NAME] [--threads N] "
           "[--case TEXT] [--verbose]\n", program);
    exit(2);
}

int main(int argc, char **argv)
{
    pith_test totals = { .seed = 1, .n_threads = 1 };
    setvbuf(stdout, NULL, _IOLBF, 0); /* a crash must not swallow what was reported */
    const char *filter = "", *without = NULL;
    bool only_list = false;
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (pithi_same_text(argv[i], "--list")) {
            only_list = true;
        } else if (pithi_same_text(argv[i], "--verbose")) {
            totals.is_verbose = true;
        } else if (pithi_same_text(argv[i], "--filter") && has_value) {
            filter = argv[++i];
        } else if (pithi_same_text(argv[i], "--without") && has_value) {
            without = argv[++i];
        } else if (pithi_same_text(argv[i], "--seed") && has_value) {
            totals.seed = strtoull(argv[++i], NULL, 0);
        } else if (pithi_same_text(argv[i], "--isa") && has_value) {
            totals.isa = argv[++i];
        } else if (pithi_same_text(argv[i], "--threads") && has_value) {
            totals.n_threads = atoi(argv[++i]);
        } else if (pithi_same_text(argv[i], "--case") && has_value) {
            totals.only_case = argv[++i];
        } else {
            usage(argv[0]);
        }
    }
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        if (!strstr(tests[i].name, filter) || is_listed(without, tests[i].name)) {
            continue;
        }
        if (only_list) {
            printf("%s\n", tests[i].name);
        } else {
            run_test(i, &totals);
        }
    }
    if (!only_list) {
        printf("%d passed, %d failed, %d skipped\n", totals.n_passed, totals.n_failed, totals.n_skipped);
    }
    return totals.n_failed != 0;
}
