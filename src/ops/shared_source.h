/* SPDX-License-Identifier: Apache-2.0 */
/* For spellings of operators that are several of pith's: they put nodes in front of their own. */
#ifndef PITH_OPS_SHARED_SOURCE_H
#define PITH_OPS_SHARED_SOURCE_H

#include "ops/op.h"

/* Puts `add` nodes in front so that input 0 becomes input 0 + input `other`. `sum` (NULL: a fresh value) is the
 * value that the sum shall be. */
pith_status pithi_source_add_inputs(pith_ctx *ctx, pith_source *source, int other, pith_value *sum);

/* Input `index` passes the unary operator `op` first. */
pith_status pithi_source_unary_input(pith_ctx *ctx, pith_source *source, int index, const pith_op *op,
                                     pith_node **node_out);

/* Puts a node of operator `op` in front of this one: it takes over the inputs and the attributes that its table names.
 * Its outputs, fresh values, become the inputs. */
pith_status pithi_source_front(pith_ctx *ctx, pith_source *source, const char *op, int n_outputs, pith_node **node_out);

/* An attribute as a tensor of rank 1 in the graph's memory: ints as s64, floats as f32, strings, one of them, or a
 * tensor as it is. NULL if the node has none, or an empty list. */
pith_status pithi_source_list(pith_ctx *ctx, pith_source *source, const char *name, const pith_tensor **list_out);
/* A rank 1 tensor of zeros for a spelling to fill. */
pith_status pithi_source_new_list(pith_source *source, pith_dtype dtype, int64_t n_items, const pith_tensor **list_out,
                                  void *data_out);

/* A node of one output at the end of `graph`, with default attributes; returns its output. Does nothing (and returns
 * NULL) once *status isn't OK, so that several calls need one check. */
pith_value *pithi_source_put(pith_graph *graph, pith_status *status, const char *op, pith_value *const *inputs,
                             int n_inputs);
/* A vector of one s64, in the same manner. */
pith_value *pithi_source_put_s64(pith_graph *graph, pith_status *status, int64_t item);

#endif
