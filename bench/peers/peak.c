/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the peak of float32 multiply-adds of one core in GFLOP/s: independent vector chains in registers, the best of
   many short trials. Built with -O3 -march=native by compare.py. */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
enum { N_CHAINS = 12, N_STEPS = 200000, N_TRIALS = 200 };
typedef float word __attribute__((vector_size(LANES * sizeof(float))));

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The empty asm keeps each chain in a register and the compiler from folding the loop. */
static float chains(float factor)
{
    word sums[N_CHAINS], a = { 0 }, b = { 0 };
    a += factor;
    b += 1e-3f;
#pragma GCC unroll 12 /* every loop over the chains, or the array goes to memory */
    for (int i = 0; i < N_CHAINS; i++) {
        sums[i] = b * (float)i;
    }
    for (int step = 0; step < N_STEPS; step++) {
#pragma GCC unroll 12
        for (int i = 0; i < N_CHAINS; i++) {
            sums[i] = sums[i] * a + b;
#if defined(__x86_64__)
            __asm__ volatile("" : "+x"(sums[i]));
#elif defined(__aarch64__)
            __asm__ volatile("" : "+w"(sums[i]));
#endif
        }
    }
    float total = 0.0f;
#pragma GCC unroll 12
    for (int i = 0; i < N_CHAINS; i++) {
        total += sums[i][0];
    }
    return total;
}

int main(void)
{
    double best = 1e30;
    volatile float sink = 0.0f;
    for (int trial = 0; trial < N_TRIALS; trial++) {
        double start = seconds();
        sink += chains(0.5f);
        double taken = seconds() - start;
        best = taken < best ? taken : best;
    }
    printf("%.1f\n", 2.0 * LANES * N_CHAINS * N_STEPS / best * 1e-9);
    return 0;
}
