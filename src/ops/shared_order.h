/* SPDX-License-Identifier: Apache-2.0 */
/* Ordering elements of any dtype, and picking the first ones: top_k, non_max_suppression, unique. */
#ifndef PITH_OPS_SHARED_ORDER_H
#define PITH_OPS_SHARED_ORDER_H

#include "ops/op.h"

/* An integer that orders as the element does; NaN is above everything, both zeros are equal. */
int64_t pithi_order_key(const pith_tensor *tensor, int64_t index);

typedef struct pithi_ranked {
    int64_t key, index;
} pithi_ranked;

/* A heap with the highest key on top, of equal keys the lowest index. */
void pithi_heap_make(pithi_ranked *items, int64_t n_items);
/* Takes the top away and puts `item` in. */
void pithi_heap_replace(pithi_ranked *items, int64_t n_items, pithi_ranked item);
/* Takes the top away; n_items counts it. */
pithi_ranked pithi_heap_pop(pithi_ranked *items, int64_t n_items);

#endif
