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

#endif
