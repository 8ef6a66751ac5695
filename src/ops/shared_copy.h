/* SPDX-License-Identifier: Apache-2.0 */
/* Strided copies: what transpose, slice, split, concat, expand, tile and their like come down to. An
 * operator describes its copy dimension by dimension; the plain copy is its reference, the planned copy
 * (dimensions merged; whole rows or 2-D transpositions inside) its fast path. */
#ifndef PITH_OPS_SHARED_COPY_H
#define PITH_OPS_SHARED_COPY_H

#include "kernels/transpose.h"
#include "ops/op.h"

#define PITHI_COPY_MAX_RANK (2 * PITH_MAX_RANK)

/* to[sum i_k to_strides[k]] = from[sum i_k from_strides[k]] for all 0 <= i_k < dims[k]; strides in
 * items, of any sign; from_strides may be 0. Dimensions in falling order of to_strides. */
typedef struct pithi_copy {
    const char *from;
    char *to;
    int64_t item_bytes; /* 0: less than a byte, copied by pithi_copy_plain() only */
    pith_dtype dtype;
    int rank;
    int64_t dims[PITHI_COPY_MAX_RANK], from_strides[PITHI_COPY_MAX_RANK], to_strides[PITHI_COPY_MAX_RANK];
} pithi_copy;

/* A copy of rank 0 from the first element of `from` to the first one of `to`. */
pithi_copy pithi_copy_make(const pith_tensor *from, pith_tensor *to);
void pithi_copy_add(pithi_copy *copy, int64_t dim, int64_t from_stride, int64_t to_stride);
/* Moves the first item of either side, by items. */
void pithi_copy_move(pithi_copy *copy, int64_t from_items, int64_t to_items);

/* Item by item, in order. */
void pithi_copy_plain(const pithi_copy *copy);
/* This part's share. `state` is what pithi_copy_prepare() left. */
void pithi_copy_part(const pithi_copy *copy, const void *state, const pith_part *part);
/* Both for operators whose copy `describe` tells. */
void pithi_copy_ref(const pith_run *run, pithi_copy (*describe)(const pith_run *run));
void pithi_copy_run(const pith_run *run, const pith_part *part, pithi_copy (*describe)(const pith_run *run));
/* Sets use_run, state and max_parts for an operator that only copies. */
pith_status pithi_copy_prepare(pith_prepare *prepare);

/* Reference of views: output 0 gets the bytes of input 0. */
void pithi_copy_same(const pith_run *run);
/* A part of them, for operators that write on a copy of input 0. */
void pithi_copy_same_part(const pith_run *run, const pith_part *part);
/* use_run, in as many parts as moving the bytes of output 0 is worth. */
pith_status pithi_copy_prepare_parts(pith_prepare *prepare);

/* One item; calls of memcpy() for a few bytes would take longer. */
static inline void pithi_copy_item(void *to, const void *from, size_t n_bytes)
{
    if (n_bytes == 4) {
        memcpy(to, from, 4);
    } else if (n_bytes == 8) {
        memcpy(to, from, 8);
    } else {
        memcpy(to, from, n_bytes);
    }
}

/* Parts that are worth their start for moving so many bytes. */
int pithi_copy_max_parts(int64_t n_bytes);
/* `count` copies of the item at `item`, side by side. */
void pithi_fill_items(void *to, const void *item, int64_t item_bytes, int64_t count);
/* Strides in elements of a dense shape. */
void pithi_dense_strides(const pith_shape *shape, int64_t strides_out[PITH_MAX_RANK]);
/* The same where rows (of the last dimension) lie `row_stride` apart; 0: dense. */
void pithi_row_strides(const pith_shape *shape, int64_t row_stride, int64_t strides_out[PITH_MAX_RANK]);
/* takes_window of copies: anything but elements of less than a byte. */
bool pithi_copy_takes_window(const pith_node *node, int index);
/* A piece of a whole, side by side with others along `axis`; strides as those of pith_run. */
typedef struct pithi_piece {
    pith_tensor *piece, *whole;
    int64_t piece_stride, whole_stride;
    int axis;
    bool is_cut; /* goes from the whole, else into it */
} pithi_piece;
/* Copies indices [first, first + n) of the dimensions before the axis; the piece begins at *begin along the axis, the
 * next one where *begin is left. Nothing is to be copied of a piece that lies there already. */
pithi_copy pithi_copy_piece(const pithi_piece *p, int64_t first, int64_t n, int64_t *begin);
/* Product of dims[begin..end-1]. */
int64_t pithi_dims_product(const pith_shape *shape, int begin, int end);

#endif
