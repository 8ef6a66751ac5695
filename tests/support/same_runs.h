/* SPDX-License-Identifier: Apache-2.0 */
/* Two models that should be the same. */
#ifndef PITH_TEST_SAME_RUNS_H
#define PITH_TEST_SAME_RUNS_H

#include "pith/pith.h"
#include "support/test.h"

/* Runs both with the same inputs; they must run to the same bits, or both not at all. */
void pith_test_same_runs(pith_test *test, pith_model *a, pith_model *b);

#endif
