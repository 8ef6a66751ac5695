/* SPDX-License-Identifier: Apache-2.0 */
/* Guarded float32 vectors for kernel tests. */
#ifndef PITH_TEST_FLOAT_VECTORS_H
#define PITH_TEST_FLOAT_VECTORS_H

#include "kernels/kernel.h"
#include "support/test.h"

/* n floats that end at (or, at_start, begin after) an inaccessible page. */
typedef struct pith_test_floats {
    pith_guarded guarded;
    float *data;
    size_t n;
} pith_test_floats;

pith_test_floats pith_test_floats_new(size_t n, bool at_start);
/* Random in [low, high); `specials` mixes in NaN, infinities, zeros, limits, denormals. */
pith_test_floats pith_test_floats_random(pith_test *test, size_t n, bool at_start, double low, double high,
                                         bool specials);
void pith_test_floats_free(pith_test_floats *floats);

/* Equal bits, or both NaN, or both zero. */
bool pith_test_same_float(float a, float b);

/* The records of `family` for every ISA that this machine has: calls check(test, records, isa name, user). */
void pith_test_each_isa(pith_test *test, const char *family,
                        void (*check)(pith_test *test, const void *records, const char *isa));

#endif
