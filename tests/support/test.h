/* SPDX-License-Identifier: Apache-2.0 */
/* The test runner: one binary, one function per file, cases counted one by one.
 *
 *   pith_tests [--list] [--filter TEXT] [--without TEXT] [--seed N] [--isa NAME]
 *              [--threads N] [--case TEXT] [--verbose]
 *
 * tests/<folder>/test_<name>.c defines `void test_<name>(pith_test *test)`. A case is opened with
 * pith_test_case(), and fails if a check fails before the next case begins. */
#ifndef PITH_TEST_H
#define PITH_TEST_H

#include "base/base.h"
#include "pith/tensor.h"

typedef struct pith_test {
    pith_ctx *ctx;          /* fresh for every test function */
    uint64_t seed, random;  /* random: state, reset at every case */
    const char *isa;        /* --isa or NULL */
    int n_threads;          /* --threads or 1; heeded by models/onnx_suite */
    const char *only_case;  /* --case or NULL: models/onnx_suite runs only cases with this in their name */
    const char *name;       /* "<folder>/<name>" */
    char case_name[160];
    bool case_failed, case_open, is_verbose;
    int n_passed, n_failed, n_skipped;
} pith_test;

/* Begins a case (and ends the one before). The random state depends on seed and case name only. */
void pith_test_case(pith_test *test, const char *format, ...) PITH_PRINTF(2, 3);
/* Counts the open case as skipped, with the reason. */
void pith_test_skip(pith_test *test, const char *format, ...) PITH_PRINTF(2, 3);
void pith_test_fail(pith_test *test, const char *file, int line, const char *format, ...) PITH_PRINTF(4, 5);

#define TEST_CHECK(test, condition)                                                                \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            pith_test_fail((test), __FILE__, __LINE__, "%s", #condition);                          \
        }                                                                                          \
    } while (0)

#define TEST_CHECK_MESSAGE(test, condition, ...)                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            pith_test_fail((test), __FILE__, __LINE__, __VA_ARGS__);                               \
        }                                                                                          \
    } while (0)

/* Fails with the context's message unless the status is PITH_OK. */
#define TEST_OK(test, expression)                                                                  \
    do {                                                                                           \
        pith_status test_status_ = (expression);                                                   \
        TEST_CHECK_MESSAGE((test), test_status_ == PITH_OK, "%s: %s (%s)", #expression,            \
                           pith_ctx_error((test)->ctx), pith_status_name(test_status_));           \
        pith_ctx_clear_error((test)->ctx);                                                         \
    } while (0)

/* Fails unless the status is `wanted` and the message contains `part`; clears the message. */
#define TEST_STATUS(test, expression, wanted, part)                                                \
    do {                                                                                           \
        pith_status test_status_ = (expression);                                                   \
        TEST_CHECK_MESSAGE((test), test_status_ == (wanted), "%s gives '%s', not '%s'", #expression, \
                           pith_status_name(test_status_), pith_status_name(wanted));              \
        TEST_CHECK_MESSAGE((test), strstr(pith_ctx_error((test)->ctx), (part)) != NULL,            \
                           "message \"%s\" lacks \"%s\"", pith_ctx_error((test)->ctx), (part));    \
        pith_ctx_clear_error((test)->ctx);                                                         \
    } while (0)

/* ---- random data -------------------------------------------------------------------------- */

uint64_t pith_test_random(pith_test *test);                           /* 64 random bits */
double pith_test_uniform(pith_test *test, double low, double high);   /* [low, high) */
/* Fills a tensor; for floats, `specials` mixes in NaN, infinities, signed zeros, limits, denormals. */
void pith_test_fill(pith_test *test, pith_tensor *tensor, double low, double high, bool specials);

/* ---- guarded memory ----------------------------------------------------------------------- */

/* A block that ends exactly at an inaccessible page (and starts after one when `at_start`). */
typedef struct pith_guarded {
    void *mapping;
    size_t mapping_bytes;
    void *data;
} pith_guarded;
pith_guarded pith_guarded_alloc(size_t n_bytes, bool at_start);
void pith_guarded_free(pith_guarded *guarded);

/* ---- comparison --------------------------------------------------------------------------- */

/* Largest |a - b| / max(1, |b|) over float tensors, elements with equal bits, both NaN or equal
 * infinities counting 0, others with NaN counting infinity; 0 or 1 for other dtypes. */
double pith_test_difference(const pith_tensor *a, const pith_tensor *b);

/* ---- failing allocator -------------------------------------------------------------------- */

/* Lets `n_good` allocations succeed, then fails all (or only one when `only_once`). */
typedef struct pith_failing_allocator {
    long n_good, n_calls, n_live;
    bool only_once;
} pith_failing_allocator;
pith_allocator pith_failing_allocator_make(pith_failing_allocator *state);

#endif
