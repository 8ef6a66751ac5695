/* SPDX-License-Identifier: Apache-2.0 */
/* Thread pool. Each thread has a share of neighbouring parts, so that from step to step it meets the rows that it
 * made itself: what another core has written costs several times as much to read. Whoever is done takes parts from
 * the end of others' shares. A share's ticket (generation << 32 | first part left << 16 | end) changes by
 * compare-and-swap only, and its job's description stays as long as a part is left, so a worker that comes late can
 * never take a part of a job whose description it has not read. */
#include <stdatomic.h>

#include "base/ctx.h"
#include "exec/pool.h"
#include "platform/platform.h"

typedef struct worker {
    _Alignas(64) _Atomic uint64_t ticket;
    _Atomic(pithi_job_fn *) fn;
    _Atomic(void *) user;
    pithi_exec_pool *pool;
    pithi_thread *thread; /* the caller's: NULL */
    int index;
} worker;

struct pithi_exec_pool {
    pith_ctx *ctx;
    int n_threads; /* that run */
    int n_shares;
    bool keep_denormals;
    uint64_t spin_ns;
    pith_thread_pool own; /* parallel_for NULL: threads below */
    worker *workers; /* n_shares, the caller's first */
    _Alignas(64) _Atomic int n_done;
    _Alignas(64) _Atomic uint32_t wake_word; /* changes whenever parked workers should look again */
    _Atomic int n_parked;
    _Atomic int caller_cpu; /* of the run under way; -1: unknown */
    _Atomic bool stays_awake, stops;
};

#define PART_MASK 0xffffu
#define FIRST_SHIFT 16
#define GENERATION_SHIFT 32
#define SPINS_BEFORE_YIELD 2000 /* 20 to 80 us */
#define SPINS_PER_YIELD 64
#define LONGEST_SPIN_NS 2000000u /* in a run that leaves the others nothing to do */

static uint32_t generation_of(worker *w)
{
    return (uint32_t)(atomic_load(&w->ticket) >> GENERATION_SHIFT);
}

/* A part of a share: its owner's from the front, another's from the end. False: none is left. */
static bool take(worker *from, bool is_own, pithi_job_fn **fn, void **user, int *part)
{
    uint64_t ticket = atomic_load_explicit(&from->ticket, memory_order_acquire);
    for (;;) {
        uint64_t first = ticket >> FIRST_SHIFT & PART_MASK, end = ticket & PART_MASK;
        if (first >= end) {
            return false;
        }
        *fn = atomic_load_explicit(&from->fn, memory_order_acquire);
        *user = atomic_load_explicit(&from->user, memory_order_acquire);
        *part = (int)(is_own ? first : end - 1);
        if (atomic_compare_exchange_weak_explicit(&from->ticket, &ticket,
                                                  is_own ? ticket + (1u << FIRST_SHIFT) : ticket - 1,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return true;
        }
    }
}

/* Takes and runs parts of the current job until none is left. Returns the generation it saw. */
static uint32_t run_parts(pithi_exec_pool *pool, int index)
{
    uint32_t seen = generation_of(&pool->workers[index]);
    int n_done = 0, part = 0, last = -2;
    pithi_job_fn *fn = NULL;
    void *user = NULL;
    for (int i = 0; i < pool->n_shares; i++) {
        worker *from = &pool->workers[(index + i) % pool->n_shares];
        for (; take(from, i == 0, &fn, &user, &part); n_done++) {
            fn(user, part, index, part == last + 1);
            last = part;
        }
    }
    if (n_done > 0) { /* until then no other job can begin */
        atomic_fetch_add_explicit(&pool->n_done, n_done, memory_order_release);
    }
    return seen;
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

static bool has_news(worker *self, uint32_t seen)
{
    return generation_of(self) != seen || atomic_load_explicit(&self->pool->stops, memory_order_relaxed);
}

/* Sleeps unless there is work, a wake-up call, or (minding it) the order to stay awake. */
static void park(worker *self, uint32_t seen, bool minds_order)
{
    pithi_exec_pool *pool = self->pool;
    uint32_t word = atomic_load(&pool->wake_word);
    atomic_fetch_add(&pool->n_parked, 1);
    if (!has_news(self, seen) && !(minds_order && atomic_load(&pool->stays_awake))) {
        pithi_futex_wait(&pool->wake_word, word);
        /* The system likes to wake a thread where its waker runs, and takes milliseconds to part two that are busy. */
        pithi_thread_leave_cpu(atomic_load(&pool->caller_cpu));
    }
    atomic_fetch_sub(&pool->n_parked, 1);
}

/* In a run a worker waits for the next job without parking, but not for ever, and not at the cost of others. */
static void wait_for_news(worker *self, uint32_t seen)
{
    pithi_exec_pool *pool = self->pool;
    while (!has_news(self, seen)) {
        uint64_t start = pithi_clock_ns(), waited = 0;
        bool stays_awake = false;
        int n_spins = 0;
        do {
            for (int i = 0; i < SPINS_PER_YIELD && !has_news(self, seen); i++) {
                wait_a_little(n_spins++);
            }
            stays_awake = atomic_load_explicit(&pool->stays_awake, memory_order_relaxed);
            waited = pithi_clock_ns() - start;
        } while (!has_news(self, seen) && waited < (stays_awake ? LONGEST_SPIN_NS : pool->spin_ns));
        if (!has_news(self, seen)) {
            park(self, seen, waited < LONGEST_SPIN_NS);
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
        wait_for_news(self, seen);
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
    return pithi_alloc_bytes(sizeof(pithi_exec_pool)) + pithi_alloc_bytes((size_t)n_threads * sizeof(worker)) +
           (size_t)(n_threads - 1) * pithi_alloc_bytes(pithi_thread_bytes());
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
    PITH_TRY_GOTO(pithi_alloc_array(ctx, (size_t)n_threads, sizeof(worker), &workers), done);
    pool->workers = workers;
    pool->n_shares = n_threads;
    for (int i = 0; i < n_threads; i++) {
        pool->workers[i].pool = pool;
        pool->workers[i].index = i;
    }
    for (int i = 1; i < n_threads; i++) {
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
    for (int i = 1; i < pool->n_threads; i++) {
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
    pithi_job_fn *fn;
    void *user;
    bool keep_denormals;
} own_job;

static void run_own_part(void *context, int part, int worker_index)
{
    const own_job *job = context;
    uint32_t former = job->keep_denormals ? 0 : pithi_denormals_off();
    job->fn(job->user, part, worker_index, false);
    if (!job->keep_denormals) {
        pithi_denormals_restore(former);
    }
}

static void run_elsewhere(pithi_exec_pool *pool, int n_parts, pithi_job_fn *fn, void *user)
{
    own_job job = { fn, user, pool->keep_denormals };
    pool->own.parallel_for(pool->own.user, n_parts, run_own_part, &job);
}

/* A share's description is complete before its ticket says so; all parts of the job before are done. */
static void publish(worker *share, int begin, int end, pithi_job_fn *fn, void *user)
{
    uint64_t generation = (atomic_load_explicit(&share->ticket, memory_order_relaxed) >> GENERATION_SHIFT) + 1;
    atomic_store_explicit(&share->fn, fn, memory_order_release);
    atomic_store_explicit(&share->user, user, memory_order_release);
    atomic_store_explicit(&share->ticket,
                          generation << GENERATION_SHIFT | (uint64_t)begin << FIRST_SHIFT | (uint64_t)end,
                          memory_order_seq_cst);
}

void pithi_exec_pool_run(pithi_exec_pool *pool, int n_parts, pithi_job_fn *fn, void *user)
{
    if (pool->own.parallel_for && n_parts > 1) {
        run_elsewhere(pool, n_parts, fn, user);
        return;
    }
    if (pool->n_threads == 1 || n_parts <= 1) {
        for (int part = 0; part < n_parts; part++) {
            fn(user, part, 0, part > 0);
        }
        return;
    }
    int n = pool->n_shares;
    atomic_store_explicit(&pool->n_done, 0, memory_order_relaxed);
    for (int i = 0; i < n; i++) {
        publish(&pool->workers[i], n_parts * i / n, n_parts * (i + 1) / n, fn, user);
    }
    wake_parked(pool);
    run_parts(pool, 0);
    for (int n_spins = 0; atomic_load_explicit(&pool->n_done, memory_order_acquire) < n_parts; n_spins++) {
        wait_a_little(n_spins);
    }
}
