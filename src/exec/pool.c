/* SPDX-License-Identifier: Apache-2.0 */
/* Thread pool. A job is published under a generation number; a ticket (generation << 32 | next part) hands
 * out parts by compare-and-swap, so a worker that comes late can never take a part of a job whose
 * description it has not read. */
#include <stdatomic.h>

#include "base/ctx.h"
#include "exec/pool.h"
#include "platform/platform.h"

typedef void job_fn(void *user, int part, int worker);

typedef struct worker {
    pithi_exec_pool *pool;
    pithi_thread *thread;
    int index;
} worker;

struct pithi_exec_pool {
    pith_ctx *ctx;
    int n_threads;
    bool keep_denormals;
    uint64_t spin_ns;
    pith_thread_pool own; /* parallel_for NULL: threads below */
    worker *workers; /* n_threads - 1 */
    _Alignas(64) _Atomic uint64_t ticket;
    _Atomic(job_fn *) fn;
    _Atomic(void *) user;
    _Atomic int n_parts;
    _Alignas(64) _Atomic int n_done;
    _Alignas(64) _Atomic uint32_t wake_word; /* changes whenever parked workers should look again */
    _Atomic int n_parked;
    _Atomic int caller_cpu; /* of the run under way; -1: unknown */
    _Atomic bool stays_awake, stops;
};

#define PART_MASK 0xffffffffu
#define SPINS_BEFORE_YIELD 2000 /* 20 to 80 us */
#define SPINS_PER_YIELD 64
#define LONGEST_SPIN_NS 2000000u /* in a run that leaves the others nothing to do */

/* Takes and runs parts of the current job until none is left. Returns the generation it saw. */
static uint32_t run_parts(pithi_exec_pool *pool, int worker_index)
{
    for (;;) {
        uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
        job_fn *fn = atomic_load_explicit(&pool->fn, memory_order_acquire);
        void *user = atomic_load_explicit(&pool->user, memory_order_acquire);
        int n_parts = atomic_load_explicit(&pool->n_parts, memory_order_acquire);
        int64_t part = (int64_t)(ticket & PART_MASK);
        if (part >= n_parts) {
            return (uint32_t)(ticket >> 32);
        }
        if (atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket + 1, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
            fn(user, (int)part, worker_index);
            atomic_fetch_add_explicit(&pool->n_done, 1, memory_order_release);
        }
    }
}

/* Whoever waits for long may stand on the core that the other needs, so it makes room now and then. */
static void wait_a_little(int n_spins)
{
    if (n_spins >= SPINS_BEFORE_YIELD && n_spins % SPINS_PER_YIELD == 0) {
        pithi_thread_yield();
    } else {
        pithi_thread_pause();
    }
}

static bool has_news(pithi_exec_pool *pool, uint32_t seen)
{
    return (uint32_t)(atomic_load(&pool->ticket) >> 32) != seen ||
           atomic_load_explicit(&pool->stops, memory_order_relaxed);
}

/* Sleeps unless there is work, a wake-up call, or (minding it) the order to stay awake. */
static void park(pithi_exec_pool *pool, uint32_t seen, bool minds_order)
{
    uint32_t word = atomic_load(&pool->wake_word);
    atomic_fetch_add(&pool->n_parked, 1);
    if (!has_news(pool, seen) && !(minds_order && atomic_load(&pool->stays_awake))) {
        pithi_futex_wait(&pool->wake_word, word);
        /* The system likes to wake a thread where its waker runs, and takes milliseconds to part two that are busy. */
        pithi_thread_leave_cpu(atomic_load(&pool->caller_cpu));
    }
    atomic_fetch_sub(&pool->n_parked, 1);
}

/* In a run a worker waits for the next job without parking, but not for ever, and not at the cost of others. */
static void wait_for_news(pithi_exec_pool *pool, uint32_t seen)
{
    while (!has_news(pool, seen)) {
        uint64_t start = pithi_clock_ns(), waited = 0;
        bool stays_awake = false;
        int n_spins = 0;
        do {
            for (int i = 0; i < SPINS_PER_YIELD && !has_news(pool, seen); i++) {
                wait_a_little(n_spins++);
            }
            stays_awake = atomic_load_explicit(&pool->stays_awake, memory_order_relaxed);
            waited = pithi_clock_ns() - start;
        } while (!has_news(pool, seen) && waited < (stays_awake ? LONGEST_SPIN_NS : pool->spin_ns));
        if (!has_news(pool, seen)) {
            park(pool, seen, waited < LONGEST_SPIN_NS);
        }
    }
}

static void worker_main(void *user)
{
    worker *self = user;
    pithi_exec_pool *pool = self->pool;
    if (!pool->keep_denormals) {
        pithi_denormals_off();
    }
    while (!atomic_load(&pool->stops)) {
        uint32_t seen = run_parts(pool, self->index);
        wait_for_news(pool, seen);
    }
}

static void wake_parked(pithi_exec_pool *pool)
{
    if (atomic_load(&pool->n_parked) > 0) {
        atomic_fetch_add(&pool->wake_word, 1);
        pithi_futex_wake_all(&pool->wake_word);
    }
}

size_t pithi_exec_pool_bytes(int n_threads)
{
    size_t n_workers = (size_t)n_threads - 1;
    return pithi_alloc_bytes(sizeof(pithi_exec_pool)) + pithi_alloc_bytes(n_workers * sizeof(worker)) +
           n_workers * pithi_alloc_bytes(pithi_thread_bytes());
}

pith_status pithi_exec_pool_create(pith_ctx *ctx, int n_threads, int spin_us, bool keep_denormals,
                                   const pith_thread_pool *own, pithi_exec_pool **pool_out)
{
    void *block = NULL, *workers = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_alloc(ctx, sizeof(pithi_exec_pool), &block));
    pithi_exec_pool *pool = block;
    pool->ctx = ctx;
    pool->n_threads = 1;
    pool->caller_cpu = -1;
    pool->keep_denormals = keep_denormals;
    pool->spin_ns = spin_us > 0 ? (uint64_t)spin_us * 1000u : 0;
    if (own) {
        pool->own = *own;
        *pool_out = pool;
        return PITH_OK;
    }
    PITH_TRY_GOTO(pithi_alloc_array(ctx, (size_t)n_threads - 1, sizeof(worker), &workers), done);
    pool->workers = workers;
    for (int i = 0; i < n_threads - 1; i++) {
        pool->workers[i] = (worker){ .pool = pool, .index = i + 1 };
        PITH_TRY_GOTO(pithi_thread_start(ctx, worker_main, &pool->workers[i], &pool->workers[i].thread), done);
        pool->n_threads++;
    }
    *pool_out = pool;
    pool = NULL;
done:
    pithi_exec_pool_destroy(pool);
    return status;
}

void pithi_exec_pool_destroy(pithi_exec_pool *pool)
{
    if (!pool) {
        return;
    }
    atomic_store(&pool->stops, true);
    atomic_fetch_add(&pool->wake_word, 1);
    pithi_futex_wake_all(&pool->wake_word);
    for (int i = 0; i < pool->n_threads - 1; i++) {
        pithi_thread_join(pool->ctx, pool->workers[i].thread);
    }
    pithi_free(pool->ctx, pool->workers);
    pithi_free(pool->ctx, pool);
}

void pithi_exec_pool_begin(pithi_exec_pool *pool)
{
    if (pool->n_threads > 1) {
        atomic_store(&pool->caller_cpu, pithi_thread_cpu());
        atomic_store(&pool->stays_awake, true);
        wake_parked(pool);
    }
}

void pithi_exec_pool_end(pithi_exec_pool *pool)
{
    atomic_store(&pool->stays_awake, false);
}

typedef struct own_job {
    job_fn *fn;
    void *user;
    bool keep_denormals;
} own_job;

static void run_own_part(void *context, int part, int worker_index)
{
    const own_job *job = context;
    uint32_t former = job->keep_denormals ? 0 : pithi_denormals_off();
    job->fn(job->user, part, worker_index);
    if (!job->keep_denormals) {
        pithi_denormals_restore(former);
    }
}

static void run_elsewhere(pithi_exec_pool *pool, int n_parts, job_fn *fn, void *user)
{
    own_job job = { fn, user, pool->keep_denormals };
    pool->own.parallel_for(pool->own.user, n_parts, run_own_part, &job);
}

void pithi_exec_pool_run(pithi_exec_pool *pool, int n_parts, void (*fn)(void *user, int part, int worker), void *user)
{
    if (pool->own.parallel_for && n_parts > 1) {
        run_elsewhere(pool, n_parts, fn, user);
        return;
    }
    if (pool->n_threads == 1 || n_parts <= 1) {
        for (int part = 0; part < n_parts; part++) {
            fn(user, part, 0);
        }
        return;
    }
    uint64_t generation = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;
    /* Between the two stores of the ticket no part can be taken. Whoever sees a piece of the new
     * description (release) also sees the closed ticket, so its compare-and-swap fails. */
    atomic_store_explicit(&pool->ticket, generation << 32 | PART_MASK, memory_order_seq_cst);
    atomic_store_explicit(&pool->fn, fn, memory_order_release);
    atomic_store_explicit(&pool->user, user, memory_order_release);
    atomic_store_explicit(&pool->n_parts, n_parts, memory_order_release);
    atomic_store_explicit(&pool->n_done, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->ticket, (generation + 1) << 32, memory_order_seq_cst);
    wake_parked(pool);
    run_parts(pool, 0);
    for (int n_spins = 0; atomic_load_explicit(&pool->n_done, memory_order_acquire) < n_parts; n_spins++) {
        wait_a_little(n_spins);
    }
}
