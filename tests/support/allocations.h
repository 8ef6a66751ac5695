/* SPDX-License-Identifier: Apache-2.0 */
/* Counts every allocation of the process, also those that pass by a context's allocator: with glibc the test binary
 * brings its own malloc() and mmap(), which count and call the C library's. */
#ifndef PITH_TEST_ALLOCATIONS_H
#define PITH_TEST_ALLOCATIONS_H

#include <stdbool.h>

bool pith_test_counts_allocations(void); /* false: they can't be counted here (other C libraries, sanitizers) */
void pith_test_allocations_start(void);
long pith_test_allocations_stop(void);   /* on any thread since the start */

#endif
