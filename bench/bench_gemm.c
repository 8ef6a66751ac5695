/* SPDX-License-Identifier: Apache-2.0 */
/* Times gemm_f32 on single calls per shape, against the machine's own multiply-add peak:
 *
 *   bench_gemm [ISA]
 *
 * One call covers all rows and columns with packed B, as an operator does within one block. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/gemm_f32.h"
#include "platform/platform.h"

#define N_TRIALS 100 /* short ones, so that some escape other programs */

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

static float *random_floats(size_t count)
{
    float *data = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    for (size_t i = 0; data && i < count; i++) {
        data[i] = (float)(i * 2654435761u % 1000u) / 500.0f - 1.0f;
    }
    return data;
}

static double seconds_per_call(const pith_gemm_f32 *kernel, const pith_gemm_f32_tile *tile)
{
    double best = 1e9;
    for (int trial = 0; trial < N_TRIALS; trial++) {
        int repeats = 0;
        uint64_t start = pithi_clock_ns(), now = start;
        for (; now - start < 300000; repeats++, now = pithi_clock_ns()) {
            kernel->tile(tile);
        }
        double seconds = (double)(now - start) * 1e-9 / repeats;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static double measure(const pith_gemm_f32 *kernel, shape s)
{
    size_t m = (size_t)s.m, n = (size_t)s.n, k = (size_t)s.k;
    float *a = random_floats(m * k), *b = random_floats(n * k), *c = random_floats(m * n);
    float *packed = random_floats(pithi_gemm_f32_packed_size(kernel, k, n));
    const float **rows = malloc(m * sizeof *rows);
    ptrdiff_t offset = 0;
    if (!a || !b || !c || !packed || !rows) {
        abort();
    }
    for (size_t i = 0; i < m; i++) {
        rows[i] = a + i * k;
    }
    pithi_gemm_f32_pack(kernel, b, k, n, (ptrdiff_t)n, 1, packed);
    pith_gemm_f32_tile tile = { .a_rows = rows, .segment_offsets = &offset, .n_segments = 1, .segment_length = k,
                                .b = packed, .b_row_stride = (size_t)kernel->nr,
                                .b_panel_stride = (size_t)kernel->nr * k, .c = c, .c_stride = n, .mr = s.m,
                                .n_columns = s.n, .lo = -3e38f, .hi = 3e38f };
    double seconds = seconds_per_call(kernel, &tile);
    free(a);
    free(b);
    free(c);
    free(packed);
    free(rows);
    return 2e-9 * (double)s.m * (double)s.n * (double)s.k / seconds;
}

/* A block that stays in L1 and fills the register tile: what the multiply-add units give at most. */
static double peak(const pith_gemm_f32 *kernel)
{
    return measure(kernel, (shape){ kernel->mr_max, kernel->nr * kernel->nv_max, 192 });
}

int main(int argc, char **argv)
{
    int isa = argc > 1 ? pithi_isa_find(argv[1]) : -1;
    const pith_gemm_f32 *kernel = pithi_gemm_f32(isa);
    double best = peak(kernel);
    printf("%s: %.1f GFLOP/s in L1\n", kernel->head.name, best);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        double speed = measure(kernel, shapes[i]);
        printf("%5d x %4d x %4d  %6.1f GFLOP/s  %3.0f %%\n", shapes[i].m, shapes[i].n, shapes[i].k, speed,
               100.0 * speed / best);
    }
    return 0;
}
