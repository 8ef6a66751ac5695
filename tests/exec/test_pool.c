/* SPDX-License-Identifier: Apache-2.0 */
/* The pool runs every part exactly once, whatever the number of threads, and parks when idle. */
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
            pithi_exec_pool_begin(pool);
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

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void check_idle(pith_test *test)
{
    pithi_exec_pool *pool = NULL;
    tally t = { 0 };
    TEST_OK(test, pithi_exec_pool_create(test->ctx, 3, 100, false, NULL, &pool));
    pithi_exec_pool_begin(pool);
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
        pithi_exec_pool_begin(pool);
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
    pith_test_case(test, "the caller's own");
    check_own(test);
    pith_test_case(test, "no CPU when idle");
    check_idle(test);
}
