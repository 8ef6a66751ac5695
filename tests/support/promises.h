/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/memory.md and docs/threads.md promise of any network. */
#ifndef PITH_TEST_PROMISES_H
#define PITH_TEST_PROMISES_H

#include "pith/model.h"
#include "support/test.h"

/* Arenas near the least bytes that any order of placement needs, for one thread and for many. */
void pith_test_arena(pith_test *test, pith_model *model, const pith_shape *shapes);
/* The same bits with these numbers of threads (0 behind the last), each used for every step that has the parts; and no
 * allocation of any kind in a later run, unless shapes depend on data. */
void pith_test_threads(pith_test *test, pith_model *model, const pith_tensor *inputs, int n_inputs,
                       const int *n_threads);

#endif
