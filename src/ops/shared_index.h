/* SPDX-License-Identifier: Apache-2.0 */
/* Operands that hold integers: shapes, axes, starts, repeats, and indices into another operand. */
#ifndef PITH_OPS_SHARED_INDEX_H
#define PITH_OPS_SHARED_INDEX_H

#include "ops/op.h"

/* True if operand `index` is there. */
static inline bool pithi_has_operand(const pith_tensor *operands, int n_operands, int index)
{
    return index < n_operands && operands[index].dtype != PITH_DTYPE_NONE;
}

/* True if the value of a (present) operand is known. */
static inline bool pithi_has_value(const pith_tensor *tensor)
{
    return tensor->data || pith_shape_elements(&tensor->shape) == 0;
}

/* Integers of input `index` (rank 0 or 1, at most PITH_MAX_RANK of them); asks for the value if it isn't
 * known. An absent input gives 0 items. */
pith_status pithi_infer_ints(pith_infer *infer, int index, int64_t items[PITH_MAX_RANK], int *n_items_out);
/* The one integer of input `index`. */
pith_status pithi_infer_int(pith_infer *infer, int index, int64_t *item_out);
/* Axes in input `index` or, where it is absent, 0..n_default-1; in [0, rank), without repetition. */
pith_status pithi_infer_axes(pith_infer *infer, int index, int rank, int n_default, int axes[PITH_MAX_RANK],
                             int *n_axes_out);
/* The same from an attribute. */
pith_status pithi_infer_axes_attr(pith_infer *infer, const pith_ints *attr, int rank, int n_default,
                                  int axes[PITH_MAX_RANK], int *n_axes_out);

/* Reads index `position` of `indices`, counted from the end if negative, below `bound`. One out of range
 * is reported as a fault and replaced by the nearest one in range (bound > 0). */
int64_t pithi_run_index(const pith_run *run, const pith_tensor *indices, int64_t position, int64_t bound);

/* The same for indices of PITH_DTYPES_INDEX, without a call for those in range. */
static inline int64_t pithi_run_index_at(const pith_run *run, const pith_tensor *indices, int64_t position,
                                         int64_t bound)
{
    const int64_t index = indices->dtype == PITH_DTYPE_S64 ? ((const int64_t *)indices->data)[position]
                                                           : ((const int32_t *)indices->data)[position];
    return index >= 0 && index < bound ? index : pithi_run_index(run, indices, position, bound);
}

/* Where channels-first axis `axis` of a rank lies channels-last: [N, C, spatial] -> [N, spatial, C]. */
static inline int64_t pithi_axis_channels_last(int64_t axis, int rank)
{
    int64_t positive = axis < 0 ? axis + rank : axis;
    return positive == 0 ? 0 : positive == 1 ? rank - 1 : positive - 1;
}

/* to_channels_last of operators with an attribute `axis`. */
bool pithi_axis_to_channels_last(pith_graph *graph, pith_node *node);

/* For operators with an `axes` input: rewrites it for channels-last operands. Where it is absent, the axes
 * 0..n_default-1 that it stands for are written down. False if the axes aren't constant. */
bool pithi_axes_input_channels_last(pith_graph *graph, pith_node *node, int index, int rank, int n_default);
/* The same for an `axes` attribute. */
bool pithi_axes_attr_channels_last(pith_graph *graph, pith_ints *attr, int rank, int n_default);

#endif
