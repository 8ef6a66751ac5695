/* SPDX-License-Identifier: Apache-2.0 */
/* Thread pool. Each thread has a share of neighbouring parts, so that from step to step it meets the rows that it
 * made itself: what another core has written costs several times as much to read. Whoever is done takes parts from
 * the end of others' shares. A share's ticket (generation << 32 | first part left << 16 | end) changes by
 * compare-and-swap only, and its job's description stays as long as a part is left, so a worker that comes late can
 * never take a part of a job whose description it has not read. */
#include <math.h>
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
    pithi_handover handover;
    int n_runs; /* begun */
    bool is_set;
    _Alignas(64) _Atomic int n_done; /* parts of the job under way, without the caller's */
    /* Read by all, written once per run or less. Workers that take part park apart from those beyond, so that these
     * sleep on when a run begins. */
    _Alignas(64) _Atomic uint32_t wake_words[2]; /* change whenever parked workers should look again */
    _Atomic int n_parked[2];
    _Atomic int caller_cpu; /* of the run under way; -1: unknown */
    _Atomic int n_active;   /* threads that take part in runs */
    _Atomic int n_awake;    /* the same while a run is under way; else 0 */
    _Atomic int n_sharing;  /* shares of the job under way */
    _Atomic bool stops;
};

#define PART_MASK 0xffffu
#define FIRST_SHIFT 16
#define GENERATION_SHIFT 32
#define SPINS_BEFORE_YIELD 2000 /* 20 to 80 us */
#define SPINS_PER_YIELD 64
#define LONGEST_SPIN_NS 2000000u /* in a run that leaves the others nothing to do */
#define USUAL_HANDOVER_NS 200.0  /* until it is measured */
#define LEAST_HANDOVER_NS 20.0
#define HANDOVER_LOSS 2.5        /* rows also come from another core's cache, and all wait for the last part */
#define MEASURED_PART_NS 1000
#define MEASURED_JOBS 16
#define LONGEST_MEASURE_NS 200000u
#define LAST_MEASURE 1024        /* run */

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

/* Runs parts of a share until none is left, and returns how many. */
static int run_share(const worker *self, worker *from)
{
    int n_done = 0, part = 0, last = -2;
    const bool is_own = from == self;
    pithi_job_fn *fn = NULL;
    void *user = NULL;
    for (; take(from, is_own, &fn, &user, &part); n_done++) {
        fn(user, part, self->index, is_own && part == last + 1);
        last = part;
    }
    return n_done;
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

static int group_of(const worker *self)
{
    return self->index >= atomic_load(&self->pool->n_active);
}

static bool stays_awake(const worker *self)
{
    return self->index < atomic_load_explicit(&self->pool->n_awake, memory_order_relaxed);
}

/* Runs its own share and what is left of others', and returns the generation it saw. What is done is reported share by
 * share, so nobody waits for whoever looks through shares that are empty; those may be of the next job already. */
static uint32_t work_once(worker *self)
{
    pithi_exec_pool *pool = self->pool;
    uint32_t seen = generation_of(self);
    int i = 0, n_sharing = 0;
    do {
        int n_done = run_share(self, &pool->workers[i == 0 ? self->index : (self->index + i) % n_sharing]);
        if (n_done > 0) {
            atomic_fetch_add_explicit(&pool->n_done, n_done, memory_order_release);
        }
        n_sharing = i == 0 ? atomic_load_explicit(&pool->n_sharing, memory_order_relaxed) : n_sharing;
    } while (++i < n_sharing && !has_news(self, seen));
    return seen;
}

/* Sleeps unless there is work, a wake-up call, or (minding it) the order to stay awake. */
static void park(worker *self, uint32_t seen, bool minds_order)
{
    pithi_exec_pool *pool = self->pool;
    const int group = group_of(self);
    uint32_t word = atomic_load(&pool->wake_words[group]);
    atomic_fetch_add(&pool->n_parked[group], 1);
    if (!has_news(self, seen) && !(minds_order && self->index < atomic_load(&pool->n_awake)) &&
        group == group_of(self)) {
        pithi_futex_wait(&pool->wake_words[group], word);
        /* The system likes to wake a thread where its waker runs, and takes milliseconds to part two that are busy. */
        pithi_thread_leave_cpu(atomic_load(&pool->caller_cpu));
    }
    atomic_fetch_sub(&pool->n_parked[group], 1);
}

/* In a run a worker waits for the next job without parking, but not for ever, and not at the cost of others. */
static void wait_for_news(worker *self, uint32_t seen)
{
    pithi_exec_pool *pool = self->pool;
    while (!has_news(self, seen)) {
        uint64_t start = pithi_clock_ns(), waited = 0;
        bool is_awake = false;
        int n_spins = 0;
        do {
            for (int i = 0; i < SPINS_PER_YIELD && !has_news(self, seen); i++) {
                wait_a_little(n_spins++);
            }
            is_awake = stays_awake(self);
            waited = pithi_clock_ns() - start;
        } while (!has_news(self, seen) && waited < (is_awake ? LONGEST_SPIN_NS : pool->spin_ns));
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
        uint32_t seen = work_once(self);
        wait_for_news(self, seen);
    }
}

static void wake_parked(pithi_exec_pool *pool, int group)
{
    if (atomic_load(&pool->n_parked[group]) > 0) {
        atomic_fetch_add(&pool->wake_words[group], 1);
        pithi_futex_wake_all(&pool->wake_words[group]);
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
    pool->handover = (pithi_handover){ 0.0, USUAL_HANDOVER_NS };
    pool->caller_cpu = -1;
    pool->keep_denormals = keep_denormals;
    pool->spin_ns = spin_us > 0 ? (uint64_t)spin_us * 1000u : 0;
    if (own) {
        pool->own = *own;
        pool->n_active = own->n_threads;
        *pool_out = pool;
        return PITH_OK;
    }
    PITH_TRY_GOTO(pithi_alloc_array(ctx, (size_t)n_threads, sizeof(worker), &workers), done);
    pool->workers = workers;
    pool->n_shares = n_threads;
    pool->n_active = n_threads;
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
    for (int group = 0; group < 2; group++) {
        atomic_fetch_add(&pool->wake_words[group], 1);
        pithi_futex_wake_all(&pool->wake_words[group]);
    }
    for (int i = 1; i < pool->n_threads; i++) {
        pithi_thread_join(pool->ctx, pool->workers[i].thread);
    }
    pithi_free(pool->ctx, pool->workers);
    pithi_free(pool->ctx, pool);
}

/* ---- what a hand-over costs --------------------------------------------------------------- */

int pithi_handover_width(pithi_handover handover, double work_ns, int most)
{
    double width = handover.each_ns > 0.0 ? sqrt(work_ns / (HANDOVER_LOSS * handover.each_ns)) : most;
    int n = width < 2.0 ? 2 : width < most ? (int)width : most;
    double cost_ns = HANDOVER_LOSS * (handover.base_ns + handover.each_ns * (n - 1));
    return most > 1 && work_ns - work_ns / n > cost_ns ? n : 1;
}

double pithi_handover_run_ns(pithi_handover handover, double work_ns, int most)
{
    int n = pithi_handover_width(handover, work_ns, most);
    return n > 1 ? work_ns / n + HANDOVER_LOSS * (handover.base_ns + handover.each_ns * (n - 1)) : work_ns;
}

static void spin_part(void *user, int part, int index, bool follows)
{
    (void)user, (void)part, (void)index, (void)follows;
    uint64_t start_ns = pithi_clock_ns();
    while (pithi_clock_ns() - start_ns < MEASURED_PART_NS) {
        pithi_thread_pause();
    }
}

/* What a job of one part for each of n threads takes longer than its parts. A thread that isn't there loses its part to
 * another, which bounds it. */
static double measure_job(pithi_exec_pool *pool, int n)
{
    double best = 1e9;
    uint64_t begin_ns = pithi_clock_ns(), now_ns = begin_ns;
    for (int i = 0; i < MEASURED_JOBS && now_ns - begin_ns < LONGEST_MEASURE_NS; i++) {
        uint64_t start_ns = now_ns;
        pithi_exec_pool_run(pool, n, spin_part, NULL);
        now_ns = pithi_clock_ns();
        best = fmin(best, (double)(now_ns - start_ns) - MEASURED_PART_NS);
    }
    return fmax(best, LEAST_HANDOVER_NS);
}

/* A line through jobs of two threads and of all; the best of all times it was measured. */
static void measure_handover(pithi_exec_pool *pool, int n)
{
    double two_ns = measure_job(pool, 2), all_ns = n > 2 ? measure_job(pool, n) : two_ns;
    double each_ns = n > 2 ? fmax((all_ns - two_ns) / (n - 2), LEAST_HANDOVER_NS) : two_ns;
    pithi_handover found = { fmax(two_ns - each_ns, 0.0), each_ns };
    bool is_better = !pool->is_set || found.base_ns + found.each_ns * (n - 1) <
                                          pool->handover.base_ns + pool->handover.each_ns * (n - 1);
    pool->handover = is_better ? found : pool->handover;
    pool->is_set = true;
}

pithi_handover pithi_exec_pool_handover(const pithi_exec_pool *pool) { return pool->handover; }

void pithi_exec_pool_set_handover(pithi_exec_pool *pool, pithi_handover handover)
{
    pool->handover = handover;
    pool->n_runs = LAST_MEASURE;
}

/* ---- jobs --------------------------------------------------------------------------------- */

/* The first runs plan and wake threads, and starting quickly counts. Noise of one time is mended the next. */
static bool must_measure(pithi_exec_pool *pool, int n_active)
{
    if (pool->own.parallel_for || n_active < 2 || pool->n_runs >= LAST_MEASURE) {
        return false;
    }
    pool->n_runs++;
    return pool->n_runs == 4 || pool->n_runs == 64 || pool->n_runs == LAST_MEASURE;
}

void pithi_exec_pool_begin(pithi_exec_pool *pool, int n_active)
{
    int former = atomic_load_explicit(&pool->n_active, memory_order_relaxed);
    if (pool->n_threads == 1 || n_active < 2) {
        return;
    }
    n_active = n_active < pool->n_threads ? n_active : pool->n_threads;
    atomic_store(&pool->caller_cpu, pithi_thread_cpu());
    atomic_store(&pool->n_active, n_active);
    atomic_store(&pool->n_awake, n_active);
    wake_parked(pool, 0);
    if (n_active > former) {
        wake_parked(pool, 1);
    }
    if (must_measure(pool, n_active)) {
        measure_handover(pool, n_active);
    }
}

void pithi_exec_pool_end(pithi_exec_pool *pool)
{
    atomic_store(&pool->n_awake, 0);
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
                          memory_order_release);
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
    int n_active = atomic_load_explicit(&pool->n_active, memory_order_relaxed);
    int n = n_parts < n_active ? n_parts : n_active, n_mine = 0;
    atomic_store_explicit(&pool->n_done, 0, memory_order_relaxed);
    if (atomic_load_explicit(&pool->n_sharing, memory_order_relaxed) != n) {
        atomic_store_explicit(&pool->n_sharing, n, memory_order_relaxed);
    }
    for (int i = n - 1; i >= 0; i--) {
        publish(&pool->workers[i], n_parts * i / n, n_parts * (i + 1) / n, fn, user);
    }
    atomic_thread_fence(memory_order_seq_cst); /* tickets before the look at who sleeps; who lies down looks again */
    wake_parked(pool, 0);
    for (int i = 0; i < n && n_mine + atomic_load_explicit(&pool->n_done, memory_order_acquire) < n_parts; i++) {
        n_mine += run_share(&pool->workers[0], &pool->workers[i]);
    }
    for (int n_spins = 0; n_mine + atomic_load_explicit(&pool->n_done, memory_order_acquire) < n_parts; n_spins++) {
        wait_a_little(n_spins);
    }
}
