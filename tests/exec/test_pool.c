/* SPDX-License-Identifier: Apache-2.0 */
/* The pool runs every part exactly once, whatever the number of threads, and parks when idle. */
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "exec/pool.h"
#include "support/test.h"

#define MAX_PARTS 50

typedef struct tally {
    _Atomic int counts[MAX_PARTS];
    _Atomic int worst_worker;
} tally;

static void count_part(void *user, int part, int worker, bool follows)
{
    (void)follows;
    tally *t = user;
    atomic_fetch_add(&t->counts[part], 1);
    int worst = atomic_load(&t->worst_worker);
    while (worker > worst && !atomic_compare_exchange_weak(&t->worst_worker, &worst, worker)) {
    }
}

static void check_jobs(pith_test *test, int n_threads, int spin_us, int n_jobs)
{
    pithi_exec_pool *pool = NULL;
    TEST_OK(test, pithi_exec_pool_create(test->ctx, n_threads, spin_us, false, NULL, &pool));
    for (int job = 0; job < n_jobs; job++) {
        tally t = { 0 };
        int n_parts = job % MAX_PARTS;
        if (job % 100 == 0) {
            pithi_exec_pool_begin(pool, n_threads);
        }
        pithi_exec_pool_run(pool, n_parts, count_part, &t);
        if (job % 100 == 50) {
            pithi_exec_pool_end(pool);
        }
        for (int part = 0; part < MAX_PARTS; part++) {
            TEST_CHECK(test, t.counts[part] == (part < n_parts));
        }
        TEST_CHECK(test, t.worst_worker < n_threads);
    }
    pithi_exec_pool_destroy(pool);
}

/* Every job with another number of threads at work: those that sleep on come when they are needed again. */
static void check_widths(pith_test *test, int n_threads, int spin_us)
{
    pithi_exec_pool *pool = NULL;
    TEST_OK(test, pithi_exec_pool_create(test->ctx, n_threads, spin_us, false, NULL, &pool));
    for (int run = 0; run < 300; run++) {
        int n_active = 2 + (int)(pith_test_random(test) % (uint64_t)(n_threads - 1));
        pithi_exec_pool_begin(pool, n_active);
        for (int job = 0; job < 5; job++) {
            tally t = { 0 };
            int n_parts = (int)(pith_test_random(test) % MAX_PARTS);
            pithi_exec_pool_run(pool, n_parts, count_part, &t);
            for (int part = 0; part < MAX_PARTS; part++) {
                TEST_CHECK(test, t.counts[part] == (part < n_parts));
            }
            TEST_CHECK(test, t.worst_worker < n_threads); /* one that is late from a wider run may help */
        }
        pithi_exec_pool_end(pool);
        if (run % 50 == 49) {
            nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
        }
    }
    pithi_exec_pool_destroy(pool);
}

/* Parts that last until all of them have begun: each thread that takes part must come, also after having slept. */
static void meet(void *user, int part, int worker, bool follows)
{
    _Atomic int *n_here = user;
    (void)part, (void)worker, (void)follows;
    atomic_fetch_add(n_here, 1);
    while (atomic_load(n_here) > 0 && atomic_load(n_here) < 1000) {
        if (atomic_load(n_here) >= *((int *)(void *)(n_here + 1))) {
            atomic_store(n_here, 1000);
        }
        sched_yield();
    }
}

static void check_all_come(pith_test *test)
{
    static const int widths[] = { 2, 8, 3, 8, 2, 5, 8 };
    pithi_exec_pool *pool = NULL;
    TEST_OK(test, pithi_exec_pool_create(test->ctx, 8, 20, false, NULL, &pool));
    for (int i = 0; i < PITH_COUNT(widths); i++) {
        struct { _Atomic int n_here; int n_wanted; } room = { 0, widths[i] };
        pithi_exec_pool_begin(pool, widths[i]);
        pithi_exec_pool_run(pool, widths[i], meet, &room);
        pithi_exec_pool_end(pool);
        TEST_CHECK(test, room.n_here >= 1000);
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL); /* they park */
    }
    pithi_exec_pool_destroy(pool);
}

static void check_handover(pith_test *test)
{
    const pithi_handover usual = { 0.0, 200.0 }, dear = { 1000.0, 2000.0 };
    TEST_CHECK(test, pithi_handover_width(usual, 900.0, 2) == 1 && pithi_handover_width(usual, 1100.0, 2) == 2);
    TEST_CHECK(test, pithi_handover_width(usual, 1e9, 64) == 64 && pithi_handover_width(usual, 1e9, 1) == 1);
    TEST_CHECK(test, pithi_handover_width(dear, 3000.0, 64) == 1);
    for (double work_ns = 100.0; work_ns < 1e7; work_ns *= 1.3) { /* no other number is better by the estimate */
        int n = pithi_handover_width(usual, work_ns, 64);
        double chosen = pithi_handover_run_ns(usual, work_ns, 64);
        TEST_CHECK(test, n >= 1 && n <= 64 && chosen <= work_ns);
        TEST_CHECK(test, pithi_handover_width(dear, work_ns, 64) <= n);
        for (int most = 1; most <= 64; most++) {
            TEST_CHECK(test, chosen <= 1.1 * pithi_handover_run_ns(usual, work_ns, most));
        }
    }
    pithi_exec_pool *pool = NULL;
    TEST_OK(test, pithi_exec_pool_create(test->ctx, 2, 50, false, NULL, &pool));
    for (int i = 0; i < 5; i++) { /* the fourth measures */
        pithi_exec_pool_begin(pool, 2);
        pithi_exec_pool_end(pool);
    }
    pithi_handover found = pithi_exec_pool_handover(pool);
    TEST_CHECK_MESSAGE(test, found.each_ns >= 20.0 && found.each_ns < 1e6 && found.base_ns >= 0.0, "%g + %g ns",
                       found.base_ns, found.each_ns);
    pithi_exec_pool_destroy(pool);
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void check_idle(pith_test *test)
{
    pithi_exec_pool *pool = NULL;
    tally t = { 0 };
    TEST_OK(test, pithi_exec_pool_create(test->ctx, 3, 100, false, NULL, &pool));
    pithi_exec_pool_begin(pool, 3);
    pithi_exec_pool_run(pool, 10, count_part, &t);
    pithi_exec_pool_end(pool);
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL); /* far beyond the spin time */
    double before = cpu_seconds();
    nanosleep(&(struct timespec){ 0, 200000000 }, NULL);
    double used = cpu_seconds() - before;
    TEST_CHECK_MESSAGE(test, used < 0.02, "%g s of CPU in 0.2 s of idleness", used);
    pithi_exec_pool_destroy(pool);
}

/* A pool of the caller's that runs parts backwards on one thread, with the workers' numbers in turn. */
typedef struct own_pool {
    int n_calls, n_parts;
} own_pool;

static void run_backwards(void *user, int n_parts, void (*part)(void *context, int i, int worker), void *context)
{
    own_pool *own = user;
    own->n_calls++;
    own->n_parts += n_parts;
    for (int i = n_parts - 1; i >= 0; i--) {
        part(context, i, i % 4);
    }
}

static void check_own(pith_test *test)
{
    own_pool own = { 0 };
    pith_thread_pool description = { 4, run_backwards, &own };
    pithi_exec_pool *pool = NULL;
    TEST_OK(test, pithi_exec_pool_create(test->ctx, 4, 0, false, &description, &pool));
    for (int n_parts = 0; n_parts < MAX_PARTS; n_parts++) {
        tally t = { 0 };
        pithi_exec_pool_begin(pool, 4);
        pithi_exec_pool_run(pool, n_parts, count_part, &t);
        pithi_exec_pool_end(pool);
        for (int part = 0; part < MAX_PARTS; part++) {
            TEST_CHECK(test, t.counts[part] == (part < n_parts));
        }
        TEST_CHECK(test, t.worst_worker < 4);
    }
    TEST_CHECK(test, own.n_calls == MAX_PARTS - 2); /* single parts need no pool */
    pithi_exec_pool_destroy(pool);
}

void test_pool(pith_test *test)
{
    static const int threads[] = { 1, 2, 3, 7 };
    for (int i = 0; i < PITH_COUNT(threads); i++) {
        pith_test_case(test, "%d threads, spinning", threads[i]);
        check_jobs(test, threads[i], 20, 2000);
        pith_test_case(test, "%d threads, parking at once", threads[i]);
        check_jobs(test, threads[i], -1, 500);
    }
    pith_test_case(test, "32 threads, most of them waiting for a core");
    check_jobs(test, 32, 20, 300);
    pith_test_case(test, "other numbers of threads from run to run");
    check_widths(test, 8, 20);
    check_widths(test, 5, -1);
    pith_test_case(test, "all that are called come");
    check_all_come(test);
    pith_test_case(test, "what a hand-over costs");
    check_handover(test);
    pith_test_case(test, "the caller's own");
    check_own(test);
    pith_test_case(test, "no CPU when idle");
    check_idle(test);
}
