/* SPDX-License-Identifier: Apache-2.0 */
/* pith_machine: short measurements of what the hardware gives, on the threads of a pool, all of them busy at once. */
#include <stdatomic.h>
#include <stdio.h>

#include "exec/pool.h"
#include "kernels/gemm_s8.h"
#include "kernels/peak_f32.h"
#include "pith/profile.h"
#include "platform/machine.h"
#include "platform/platform.h"

#define ROUND_NS 2000000u     /* of one measurement; the best of N_ROUNDS counts */
#define N_ROUNDS 6
#define MAX_MEMORY_BYTES ((size_t)128 << 20)
#define PRODUCT_K 512
#define PRODUCT_PANELS 4

void pith_machine_describe(pith_ctx *ctx, pith_machine *machine_out)
{
    pithi_topology topology;
    pithi_topology_read(&topology);
    *machine_out = (pith_machine){ .n_cpus = topology.n_cpus, .n_usable_cpus = topology.n_usable_cpus,
                                   .n_cores = topology.n_cores };
    snprintf(machine_out->cpu, sizeof machine_out->cpu, "%s", topology.cpu);
    snprintf(machine_out->isa, sizeof machine_out->isa, "%s", pith_ctx_isa(ctx));
    for (int i = 0; i < PITHI_CACHE_LEVELS; i++) {
        machine_out->levels[i].n_bytes = topology.cache_bytes[i];
        machine_out->levels[i].n_sharers = topology.cache_sharers[i];
    }
    machine_out->levels[PITH_MACHINE_LEVELS - 1].n_sharers = topology.n_cpus;
}

/* ---- one measurement ---------------------------------------------------------------------- */

typedef struct meter meter;
struct meter {
    pith_ctx *ctx;
    pithi_exec_pool *pool;
    int n_threads;
    const pith_peak_f32 *peak;
    const pith_gemm_s8 *gemm;
    float *buffer;           /* n_threads blocks of `share` floats */
    size_t share, n_floats;  /* per thread: what there is, what is used now */
    void (*work)(meter *m, float *block, size_t times);
    size_t times;
    _Atomic int n_waiting;
    _Atomic uint64_t sink;
};

/* All threads begin together; a part that finds no other thread (one that lost its core) goes on after a while. */
static void run_share(void *user, int part, int worker, bool follows)
{
    meter *m = user;
    uint64_t give_up = pithi_clock_ns() + ROUND_NS;
    (void)worker;
    (void)follows;
    atomic_fetch_add(&m->n_waiting, 1);
    while (atomic_load(&m->n_waiting) < m->n_threads && pithi_clock_ns() < give_up) {
        pithi_thread_pause();
    }
    m->work(m, m->buffer + (size_t)part * m->share, m->times);
}

static double time_once(meter *m, size_t times)
{
    m->times = times;
    atomic_store(&m->n_waiting, 0);
    uint64_t start = pithi_clock_ns();
    pithi_exec_pool_run(m->pool, m->n_threads, run_share, m);
    return (double)(pithi_clock_ns() - start) * 1e-9;
}

/* Repetitions of `work` per second and thread at best, times the number of threads. */
static double rate_of(meter *m, void (*work)(meter *m, float *block, size_t times))
{
    size_t times = 1;
    double seconds, best = 0.0;
    m->work = work;
    pithi_exec_pool_begin(m->pool, m->n_threads);
    time_once(m, 1);
    while ((seconds = time_once(m, times)) < ROUND_NS * 1e-9 / 4 && times < SIZE_MAX / 8) {
        times *= 4;
    }
    for (int i = 0; i < N_ROUNDS; i++) {
        double rate = (double)times / seconds;
        best = rate > best ? rate : best;
        seconds = time_once(m, times);
    }
    pithi_exec_pool_end(m->pool);
    return best * m->n_threads;
}

static void use(meter *m, float value) { atomic_fetch_add(&m->sink, value > 0.0f); }

static void work_multiply_add(meter *m, float *block, size_t times)
{
    (void)block;
    use(m, m->peak->multiply_add(times * 64));
}

static void work_read(meter *m, float *block, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        use(m, m->peak->read(block, m->n_floats));
    }
}

static void work_write(meter *m, float *block, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        m->peak->write(block, m->n_floats, (float)i);
    }
}

static void work_copy(meter *m, float *block, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        m->peak->copy(block, block + m->n_floats / 2, m->n_floats / 2);
    }
}

static void work_nothing(meter *m, float *block, size_t times)
{
    (void)m;
    (void)block;
    (void)times;
}

/* Products of one register tile's rows over a long sum: operands stay in L1. */
static void work_products(meter *m, float *block, size_t times)
{
    enum { MAX_ROWS = 64, MAX_COLUMNS = 256 };
    static const int32_t zeros[MAX_COLUMNS];
    const uint8_t *rows[MAX_ROWS];
    const ptrdiff_t offset = 0;
    const uint8_t *bytes = (const uint8_t *)block;
    int mr = m->gemm->mr_max < MAX_ROWS ? m->gemm->mr_max : MAX_ROWS;
    for (int i = 0; i < mr; i++) {
        rows[i] = bytes;
    }
    pith_gemm_s8_tile tile = { .a_rows = rows, .segment_offsets = &offset, .n_segments = 1, .segment_length = PRODUCT_K,
                               .b = (const int8_t *)bytes + PRODUCT_K,
                               .b_panel_stride = PRODUCT_K * (size_t)m->gemm->nr,
                               .bias = zeros, .c = block + m->share - MAX_ROWS * MAX_COLUMNS,
                               .c_stride = MAX_COLUMNS, .mr = mr, .n_columns = PRODUCT_PANELS * m->gemm->nr };
    for (size_t i = 0; i < times; i++) {
        m->gemm->tile(&tile);
    }
}

/* ---- all of them -------------------------------------------------------------------------- */

/* Working sets that fit a level and nothing above it; memory: four times the last cache, within bounds. */
static size_t level_bytes(const pith_machine *machine, int level, int n_threads)
{
    size_t n_bytes = machine->levels[level].n_bytes;
    if (level == PITH_MACHINE_LEVELS - 1) {
        for (int i = 0; i < level; i++) {
            n_bytes = machine->levels[i].n_bytes > n_bytes ? machine->levels[i].n_bytes : n_bytes;
        }
        n_bytes = n_bytes ? 4 * n_bytes : MAX_MEMORY_BYTES;
        n_bytes = n_bytes > MAX_MEMORY_BYTES ? MAX_MEMORY_BYTES : n_bytes;
        return n_bytes / (size_t)n_threads;
    }
    size_t inner = level > 0 ? machine->levels[level - 1].n_bytes : 0;
    int n_sharers = machine->levels[level].n_sharers < n_threads ? machine->levels[level].n_sharers : n_threads;
    size_t own = n_bytes / (size_t)(n_sharers > 0 ? n_sharers : 1);
    size_t most = MAX_MEMORY_BYTES / (size_t)n_threads;
    size_t wanted = inner && own > 4 * inner ? own / 4 + inner : own / 2;
    return wanted > most ? most : wanted;
}

static void measure_level(meter *m, const pith_machine *machine, pith_machine_level *level, int index)
{
    size_t n_floats = level_bytes(machine, index, m->n_threads) / sizeof(float) / (2 * PITH_PEAK_F32_STEP);
    m->n_floats = n_floats * 2 * PITH_PEAK_F32_STEP;
    if (m->n_floats == 0 || m->n_floats > m->share) {
        return;
    }
    double n_bytes = (double)m->n_floats * sizeof(float);
    level->read_bytes_per_s = rate_of(m, work_read) * n_bytes;
    level->write_bytes_per_s = rate_of(m, work_write) * n_bytes;
    level->copy_bytes_per_s = rate_of(m, work_copy) * n_bytes;
}

static double measure_hz(void)
{
    double best = 0.0;
    for (int i = 0; i < N_ROUNDS; i++) {
        uint64_t start = pithi_clock_ns();
        double cycles = (double)pithi_run_chain(1 << 20);
        double rate = cycles / ((double)(pithi_clock_ns() - start) * 1e-9);
        best = rate > best ? rate : best;
    }
    return best;
}

static double measure_clock_ns(void)
{
    enum { N = 2000 };
    uint64_t start = pithi_clock_ns(), last = start;
    for (int i = 0; i < N; i++) {
        last = pithi_clock_ns();
    }
    return (double)(last - start) / N;
}

static double measure_handover_ns(meter *m)
{
    enum { N = 400 };
    double best = 1e9;
    if (m->n_threads == 1) {
        return 0.0;
    }
    m->work = work_nothing;
    pithi_exec_pool_begin(m->pool, m->n_threads);
    for (int i = 0; i < N; i++) {
        double ns = time_once(m, 1) * 1e9;
        best = ns < best ? ns : best;
    }
    pithi_exec_pool_end(m->pool);
    return best;
}

static pith_status make_meter(pith_ctx *ctx, meter *m, const pith_machine *machine)
{
    void *buffer = NULL;
    size_t n_bytes = level_bytes(machine, PITH_MACHINE_LEVELS - 1, m->n_threads), least = (size_t)1 << 20;
    m->share = (n_bytes > least ? n_bytes : least) / sizeof(float) / PITH_PEAK_F32_STEP * PITH_PEAK_F32_STEP;
    PITH_TRY(pithi_alloc_array(ctx, m->share * (size_t)m->n_threads, sizeof(float), &buffer));
    m->buffer = buffer;
    return pithi_exec_pool_create(ctx, m->n_threads, 0, false, NULL, &m->pool);
}

pith_status pith_machine_measure(pith_ctx *ctx, int n_threads, pith_machine *machine_out)
{
    int isa_limit = pithi_isa_limit(ctx);
    PITH_CHECK(ctx, n_threads >= 0 && n_threads <= 1024, PITH_STATUS_ARG,
               "n_threads is %d; it must be 0 (automatic) to 1024", n_threads);
    pith_machine_describe(ctx, machine_out);
    meter m = { .ctx = ctx, .n_threads = n_threads ? n_threads : pithi_cpu_count(), .peak = pithi_peak_f32(isa_limit),
                .gemm = pithi_kernel_find("gemm_s8", isa_limit)->records };
    pith_status status = make_meter(ctx, &m, machine_out);
    if (status == PITH_OK) {
        uint32_t former = pithi_denormals_off();
        machine_out->n_threads = m.n_threads;
        machine_out->hz = measure_hz();
        machine_out->clock_ns = measure_clock_ns();
        machine_out->handover_ns = measure_handover_ns(&m);
        machine_out->f32_flops_per_s =
            rate_of(&m, work_multiply_add) * 64.0 * 2.0 * m.peak->n_lanes * m.peak->n_chains;
        double products = 2.0 * PRODUCT_K * PRODUCT_PANELS * m.gemm->nr * (m.gemm->mr_max < 64 ? m.gemm->mr_max : 64);
        machine_out->s8_ops_per_s = rate_of(&m, work_products) * products;
        for (int i = 0; i < PITH_MACHINE_LEVELS; i++) {
            if (machine_out->levels[i].n_bytes > 0 || i == PITH_MACHINE_LEVELS - 1) {
                measure_level(&m, machine_out, &machine_out->levels[i], i);
            }
        }
        pithi_denormals_restore(former);
    }
    pithi_exec_pool_destroy(m.pool);
    pithi_free(ctx, m.buffer);
    return status;
}
