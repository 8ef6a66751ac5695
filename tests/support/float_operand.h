/* SPDX-License-Identifier: Apache-2.0 */
/* Float32 operands of kernels in guarded memory. */
#ifndef PITH_TEST_FLOAT_OPERAND_H
#define PITH_TEST_FLOAT_OPERAND_H

#include "support/test.h"

typedef struct pith_test_operand {
    pith_guarded memory;
    float *data; /* uniform in [-2, 2) */
    size_t count;
} pith_test_operand;

/* low ... high, both included. */
int pith_test_pick(pith_test *test, int low, int high);
/* Ends, or begins, at an inaccessible page. `specials`: one in 64 is a zero, NaN, infinity or denormal. Freed with
 * pith_guarded_free(&operand.memory). */
pith_test_operand pith_test_operand_make(pith_test *test, size_t count, bool specials);
/* Equal, both NaN, or no farther apart than `bound`. */
bool pith_test_is_close(double got, double wanted, double bound);

/* A channels-last image that a kernel has written, and what was there before. */
typedef struct pith_test_pixels {
    const float *y, *before;
    size_t count, row_stride, pixel_stride, width, n_channels;
} pith_test_pixels;

/* Every element is what `wanted` says, those between rows and pixels are as before; y[at] is the element. */
typedef double pith_test_wanted(const void *task, size_t at, int row, int column, size_t channel, double *bound_out);
void pith_test_check_pixels(pith_test *test, const pith_test_pixels *pixels, pith_test_wanted *wanted,
                            const void *task);

/* The end of a kernel in double: the sum of `n_terms` products of magnitudes `size`, the residual (NULL: none), the
 * clamp; and the error that as many roundings may make. */
double pith_test_finish(double sum, double size, size_t n_terms, const float *residual, const float limits[2],
                        double *bound_out);

#endif
