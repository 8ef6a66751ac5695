/* SPDX-License-Identifier: Apache-2.0 */
/* Times gemm_f32, or gemm_s8 with bytes as results, on single calls per shape, against the machine's own peak:
 *
 *   bench_gemm [f32|s8] [ISA [M N K]]
 *
 * One call covers all rows and columns with packed B, as an operator does within one block. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "kernels/gemm_f32.h"
#include "kernels/gemm_s8.h"
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
    { 1, 1000, 1280 },
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

static double measure_f32(const pith_gemm_f32 *kernel, shape s)
{
    size_t m = (size_t)s.m, n = (size_t)s.n, k = (size_t)s.k;
    float *a = random_floats(m * k), *b = random_floats(n * k), *c = random_floats(m * n);
    float *packed = random_floats(pithi_gemm_f32_packed_size(kernel, k, n));
    const float **rows = get_memory(m * sizeof *rows);
    ptrdiff_t offset = 0;
    for (size_t i = 0; i < m; i++) {
        rows[i] = a + i * k;
    }
    pithi_gemm_f32_pack(kernel, b, k, n, (ptrdiff_t)n, 1, packed);
    pith_gemm_f32_tile tile = { .a_rows = rows, .segment_offsets = &offset, .n_segments = 1, .segment_length = k,
                                .b = packed, .b_row_stride = (size_t)kernel->nr,
                                .b_panel_stride = (size_t)kernel->nr * k, .c = c, .c_stride = n, .mr = s.m,
                                .n_columns = s.n, .lo = -3e38f, .hi = 3e38f };
    double seconds = seconds_per_call(run_f32, kernel, &tile);
    free(a);
    free(b);
    free(c);
    free(packed);
    free(rows);
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

static void bench_f32(int isa, const shape *only)
{
    const pith_gemm_f32 *kernel = pithi_gemm_f32(isa);
    /* a block that stays in L1 and fills the register tile: what the multiply-add units give at most */
    double peak = measure_f32(kernel, (shape){ kernel->mr_max, kernel->nr * kernel->nv_max, 192 });
    print_header(kernel->head.name, peak);
    for (size_t i = 0; i < (only ? 1 : sizeof shapes / sizeof shapes[0]); i++) {
        const shape s = only ? *only : shapes[i];
        print_speed(s, measure_f32(kernel, s), peak);
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
