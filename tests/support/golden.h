/* SPDX-License-Identifier: Apache-2.0 */
/* Small models with the outputs that another runtime gave for them. */
#ifndef PITH_TEST_GOLDEN_H
#define PITH_TEST_GOLDEN_H

#include "support/test.h"

/* Input k is f32 with elements 0.6 sin(1.3 i + 0.9 k). */
typedef struct pith_test_golden {
    const char *name, *model; /* text of support/proto.h */
    int n_outputs;
    float values[24];         /* of all outputs, one after the other */
} pith_test_golden;

/* A case for each: imports, runs, compares to 2e-6. */
void pith_test_goldens(pith_test *test, const pith_test_golden *goldens, int n_goldens);

#endif
