/* SPDX-License-Identifier: Apache-2.0 */
/* What operators on sequences, optionals and maps share: reading objects, making them in the heap of the run. */
#ifndef PITH_OPS_SHARED_OBJECT_H
#define PITH_OPS_SHARED_OBJECT_H

#include "graph/object.h"
#include "ops/op.h"
#include "ops/sample.h"
#include "ops/shared_index.h"

extern const pith_operand_spec pithi_object_input[1], pithi_object_output[1];

/* Output 0 is an object: dtype and shape are all that is known of it before the run. */
pith_status pithi_infer_object(pith_infer *infer);
/* The outline of input `index`; asks for the value while there is none. */
pith_status pithi_infer_outline(pith_infer *infer, int index, pith_kind kind, const pith_object **object_out);

/* Input `index` as an object of this kind; another one is a fault (NULL). */
const pith_object *pithi_run_object(const pith_run *run, int index, pith_kind kind);
/* Output 0 as a new object whose items are to be filled; NULL: no memory. `type` may lie in memory of the plan. */
pith_object *pithi_run_new_object(const pith_run *run, const pith_type *type, size_t n_items, pith_tensor **items_out);
/* A copy of a value's elements for an object; what they point to is shared. */
bool pithi_run_item(const pith_run *run, const pith_tensor *from, pith_tensor *item_out);
/* Copies an item to output 0, which has its dtype and shape (a fault otherwise). */
void pithi_run_take_item(const pith_run *run, const pith_tensor *item);
/* Position in [-n, n) from input `index`, or `absent` where there is none; out of range is a fault and gives -1. */
int64_t pithi_run_position(const pith_run *run, int index, int64_t n, int64_t absent);

#endif
