/* SPDX-License-Identifier: Apache-2.0 */
/* What values point to: strings and objects. Copies of them into an arena, and comparison. */
#ifndef PITH_GRAPH_OBJECT_H
#define PITH_GRAPH_OBJECT_H

#include "base/base.h"
#include "pith/object.h"

typedef enum pithi_depth {
    PITHI_WHOLE,  /* everything */
    PITHI_OUTLINE /* of objects only types, numbers of items and shapes: what inference may depend on */
} pithi_depth;

/* True for dtypes whose elements point to something. */
static inline bool pithi_dtype_has_pointers(pith_dtype dtype)
{
    return dtype == PITH_DTYPE_STRING || dtype == PITH_DTYPE_OBJECT;
}

/* A copy of a value with all that it points to. What isn't well-formed (counts, kinds, depth, sizes) fails with
 * PITH_STATUS_ARG; pointers are the caller's word. In an outline tensors inside of objects have no data. */
pith_status pithi_value_copy(pithi_arena *arena, const pith_tensor *from, pithi_depth depth, pith_tensor *copy_out);
/* Same dtype, shape and contents (of objects in an outline: types, numbers of items and shapes). */
bool pithi_value_same(const pith_tensor *a, const pith_tensor *b, pithi_depth depth);
pith_status pithi_type_copy(pithi_arena *arena, const pith_type *from, const pith_type **copy_out);

/* Below, equal (0) or above: by bytes, which is the order of code points in UTF-8. */
int pithi_string_order(const pith_string *a, const pith_string *b);

static inline bool pithi_string_same(const pith_string *a, const pith_string *b)
{
    return a->n_bytes == b->n_bytes && (a->n_bytes == 0 || memcmp(a->data, b->data, a->n_bytes) == 0);
}

#endif
