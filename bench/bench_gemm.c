/* SPDX-License-Identifier: Apache-2.0 */
/* Times gemm_f32, or gemm_s8 with bytes as results, on single calls per shape, against the machine's own peak:
 *
 *   bench_gemm [f32|s8] [ISA [M N K]]
 *
 * One call covers all rows and columns with packed B, as an operator does within one block. The peak of float32 is
 * that of multiply-adds in registers, measured beside each shape. Products of a single row are compared with plain
 * reading of the weights: again and again (they are in L2 or L3 then), and after other data has gone through caches. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "kernels/gemm_f32.h"
#include "kernels/gemm_s8.h"
#include "kernels/peak_f32.h"
#include "platform/platform.h"

#define N_TRIALS 40 /* short ones, so that some escape other programs */

typedef struct shape {
    int m, n, k;
} shape;

static const shape shapes[] = {
    { 128, 128, 128 },  { 256, 256, 256 },  { 512, 512, 512 },   { 12544, 32, 27 },  { 12544, 64, 32 },
    { 3136, 128, 64 },  { 3136, 64, 576 },  { 784, 128, 1152 },  { 196, 512, 512 },  { 196, 256, 2304 },
    { 49, 1024, 1024 }, { 12544, 16, 32 },  { 12544, 96, 16 },   { 3136, 24, 96 },   { 3136, 144, 24 },
    { 784, 32, 144 },   { 784, 192, 32 },   { 196, 64, 192 },    { 196, 384, 64 },   { 196, 96, 384 },
    { 196, 576, 96 },   { 49, 160, 576 },   { 49, 960, 160 },    { 49, 320, 960 },   { 49, 1280, 320 },
    { 128, 256, 256 },  { 128, 1024, 256 }, { 197, 192, 192 },   { 197, 768, 192 },  { 197, 192, 768 },
    { 1, 128, 640 },    { 1, 1000, 1280 },
};

static void *get_memory(size_t n_bytes)
{
    void *data = aligned_alloc(64, pithi_align_up(n_bytes + 1, 64));
    if (!data) {
        abort();
    }
    return data;
}

static float *random_floats(size_t count)
{
    float *data = get_memory(count * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        data[i] = (float)(i * 2654435761u % 1000u) / 500.0f - 1.0f;
    }
    return data;
}

static void *random_bytes(size_t count)
{
    uint8_t *data = get_memory(count);
    for (size_t i = 0; i < count; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    return data;
}

typedef void tile_fn(const void *kernel, const void *tile);

static void run_f32(const void *kernel, const void *tile) { ((const pith_gemm_f32 *)kernel)->tile(tile); }

/* A single row by strips of 8 panels whose rows lie side by side, as ops/shared_gemm_run.c packs large weights. */
static void run_row(const void *kernel, const void *row)
{
    const pith_gemm_f32 *gemm = kernel;
    pith_gemm_f32_tile tile = *(const pith_gemm_f32_tile *)row;
    const int n = tile.n_columns, width = 8 * gemm->nr;
    tile.b_panel_stride = (size_t)gemm->nr;
    for (int n0 = 0; n0 < n; n0 += width, tile.c += width, tile.b += (size_t)width * tile.segment_length) {
        tile.n_columns = n - n0 < width ? n - n0 : width;
        tile.b_row_stride = pithi_align_up((size_t)tile.n_columns, (size_t)gemm->nr);
        gemm->tile(&tile);
    }
}
static void run_s8(const void *kernel, const void *tile) { ((const pith_gemm_s8 *)kernel)->tile(tile); }

static double seconds_per_call(tile_fn *run, const void *kernel, const void *tile)
{
    double best = 1e9;
    for (int trial = 0; trial < N_TRIALS; trial++) {
        int repeats = 0;
        uint64_t start = pithi_clock_ns(), now = start;
        for (; now - start < 300000; repeats++, now = pithi_clock_ns()) {
            run(kernel, tile);
        }
        double seconds = (double)(now - start) * 1e-9 / repeats;
        best = seconds < best ? seconds : best;
    }
    return best;
}

/* A product with its memory. */
typedef struct product {
    pith_gemm_f32_tile tile;
    const float **rows;
    float *a, *c, *packed;
    size_t packed_floats;
    ptrdiff_t offset;
} product;

static void make_product(const pith_gemm_f32 *kernel, shape s, product *p)
{
    size_t m = (size_t)s.m, n = (size_t)s.n, k = (size_t)s.k;
    float *b = random_floats(n * k);
    p->packed_floats = pithi_gemm_f32_packed_size(kernel, k, n);
    p->a = random_floats(m * k);
    p->c = random_floats(m * n);
    p->packed = random_floats(p->packed_floats + PITH_PEAK_F32_STEP);
    p->rows = get_memory(m * sizeof *p->rows);
    p->offset = 0;
    for (size_t i = 0; i < m; i++) {
        p->rows[i] = p->a + i * k;
    }
    pithi_gemm_f32_pack(kernel, b, k, n, (ptrdiff_t)n, 1, p->packed);
    free(b);
    p->tile = (pith_gemm_f32_tile){ .a_rows = p->rows, .segment_offsets = &p->offset, .n_segments = 1,
                                    .segment_length = k, .b = p->packed, .b_row_stride = (size_t)kernel->nr,
                                    .b_panel_stride = (size_t)kernel->nr * k, .c = p->c, .c_stride = n, .mr = s.m,
                                    .n_columns = s.n, .lo = -3e38f, .hi = 3e38f };
}

static void free_product(product *p)
{
    free(p->a);
    free(p->c);
    free(p->packed);
    free(p->rows);
}

static double measure_f32(const pith_gemm_f32 *kernel, shape s)
{
    product p;
    make_product(kernel, s, &p);
    double seconds = seconds_per_call(run_f32, kernel, &p.tile);
    free_product(&p);
    return 2e-9 * (double)s.m * (double)s.n * (double)s.k / seconds;
}

/* Any bytes will do as packed B. */
static double measure_s8(const pith_gemm_s8 *kernel, shape s)
{
    size_t m = (size_t)s.m, n = (size_t)s.n, k = (size_t)s.k, panel = pithi_gemm_s8_panel_bytes(kernel, 1, k);
    uint8_t *a = random_bytes(m * k), *c = random_bytes(m * n);
    int8_t *packed = random_bytes((n + (size_t)kernel->nr - 1) / (size_t)kernel->nr * panel);
    int32_t *bias = random_bytes(n * sizeof *bias);
    float *scale = random_floats(n);
    const uint8_t **rows = get_memory(m * sizeof *rows);
    ptrdiff_t offset = 0;
    for (size_t i = 0; i < m; i++) {
        rows[i] = a + i * k;
    }
    pith_gemm_s8_tile tile = { .a_rows = rows, .segment_offsets = &offset, .n_segments = 1, .segment_length = k,
                               .b = packed, .b_panel_stride = panel, .bias = bias, .scale = scale, .zero = 3,
                               .low = -128, .high = 127, .c = c, .c_stride = n, .mr = s.m, .n_columns = s.n };
    double seconds = seconds_per_call(run_s8, kernel, &tile);
    free(a);
    free(c);
    free(packed);
    free(bias);
    free(scale);
    free(rows);
    return 2e-9 * (double)s.m * (double)s.n * (double)s.k / seconds;
}

static void print_header(const char *name, double peak) { printf("%s: peak %.1f G/s\n", name, peak); }

static void print_speed(shape s, double speed, double peak)
{
    printf("%5d x %4d x %4d  %6.1f G/s  %3.0f %%\n", s.m, s.n, s.k, speed, 100.0 * speed / peak);
}

static void bench_s8(int isa, const shape *only)
{
    const pith_gemm_s8 *kernel = pithi_gemm_s8(isa);
    double peak = measure_s8(kernel, (shape){ kernel->mr_max, kernel->nr * 4, 1024 });
    print_header(kernel->head.name, peak);
    for (size_t i = 0; i < (only ? 1 : sizeof shapes / sizeof shapes[0]); i++) {
        const shape s = only ? *only : shapes[i];
        print_speed(s, measure_s8(kernel, s), peak);
    }
}

#define PEAK_ROUNDS 4000

static void run_multiply_add(const void *kernel, const void *unused)
{
    volatile float sink = ((const pith_peak_f32 *)kernel)->multiply_add(PEAK_ROUNDS);
    (void)sink;
    (void)unused;
}

static double measure_peak(int isa)
{
    const pith_peak_f32 *peak = pithi_peak_f32(isa);
    return 2e-9 * PEAK_ROUNDS * peak->n_lanes * peak->n_chains / seconds_per_call(run_multiply_add, peak, NULL);
}

/* What a single row's product is compared with: reading the packed weights. */
typedef struct reading {
    const float *data;
    size_t n_floats;
} reading;

static void run_read(const void *kernel, const void *what)
{
    const reading *r = what;
    volatile float sink = ((const pith_peak_f32 *)kernel)->read(r->data, r->n_floats);
    (void)sink;
}

#define FLUSH_FLOATS ((size_t)32 << 20) /* 128 MiB */

/* The best of calls that each find other data in the caches. */
static double cold_seconds(tile_fn *run, const void *kernel, const void *task, const float *other,
                           const pith_peak_f32 *peak)
{
    double best = 1e9;
    for (int trial = 0; trial < N_TRIALS / 2; trial++) {
        run_read(peak, &(reading){ other, FLUSH_FLOATS });
        uint64_t start = pithi_clock_ns();
        run(kernel, task);
        double seconds = (double)(pithi_clock_ns() - start) * 1e-9;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static void bench_row(const pith_gemm_f32 *kernel, int isa, shape s)
{
    const pith_peak_f32 *peak = pithi_peak_f32(isa);
    float *other = random_floats(FLUSH_FLOATS);
    product p;
    make_product(kernel, s, &p);
    const reading all = { p.packed, pithi_align_up(p.packed_floats, PITH_PEAK_F32_STEP) };
    const double gigabytes = (double)p.packed_floats * sizeof(float) * 1e-9;
    const double warm[] = { gigabytes / seconds_per_call(run_row, kernel, &p.tile),
                            gigabytes / seconds_per_call(run_read, peak, &all) };
    const double cold[] = { gigabytes / cold_seconds(run_row, kernel, &p.tile, other, peak),
                            gigabytes / cold_seconds(run_read, peak, &all, other, peak) };
    printf("%5d x %4d x %4d  %6.1f GB/s in caches, %3.0f %% of reading; %.1f GB/s from memory, %.0f %%\n", s.m, s.n,
           s.k, warm[0], 100.0 * warm[0] / warm[1], cold[0], 100.0 * cold[0] / cold[1]);
    free_product(&p);
    free(other);
}

static void bench_f32(int isa, const shape *only)
{
    const pith_gemm_f32 *kernel = pithi_gemm_f32(isa);
    print_header(kernel->head.name, measure_peak(isa));
    for (size_t i = 0; i < (only ? 1 : sizeof shapes / sizeof shapes[0]); i++) {
        const shape s = only ? *only : shapes[i];
        if (s.m == 1) {
            bench_row(kernel, isa, s);
        } else {
            const double speed = measure_f32(kernel, s);
            print_speed(s, speed, measure_peak(isa));
        }
    }
}

int main(int argc, char **argv)
{
    bool is_s8 = argc > 1 && pithi_same_text(argv[1], "s8");
    bool has_type = is_s8 || (argc > 1 && pithi_same_text(argv[1], "f32"));
    int first = 1 + has_type, isa = argc > first ? pithi_isa_find(argv[first]) : -1;
    shape only = { 0, 0, 0 };
    if (argc > first + 3) {
        only = (shape){ atoi(argv[first + 1]), atoi(argv[first + 2]), atoi(argv[first + 3]) };
    }
    if (is_s8) {
        bench_s8(isa, only.m ? &only : NULL);
    } else {
        bench_f32(isa, only.m ? &only : NULL);
    }
    return 0;
}
