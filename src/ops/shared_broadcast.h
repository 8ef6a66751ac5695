/* SPDX-License-Identifier: Apache-2.0 */
/* Broadcast elementwise work as rows: neighbouring dimensions that all operands walk alike are
 * merged, so that most operators see a few long rows in which each operand is a vector or a single value. Where
 * rows stay short, operands are spread out over a few hundred elements first, and all are vectors. */
#ifndef PITH_OPS_SHARED_BROADCAST_H
#define PITH_OPS_SHARED_BROADCAST_H

#include "ops/op.h"

#define PITHI_ROWS_MAX_OPERANDS 3

typedef struct pithi_rows pithi_rows;

/* One row of n elements: operand k is a vector where rows->inner_strides[k] is 1, else one value. */
typedef void pithi_row_fn(const pithi_rows *rows, const void *const *operands, void *y, int64_t n);

struct pithi_rows {
    int rank, n_operands;                 /* rank after merging, at least 1; the last dimension is the row */
    int64_t dims[PITH_MAX_RANK];
    int64_t strides[PITHI_ROWS_MAX_OPERANDS][PITH_MAX_RANK]; /* elements; 0 where broadcast */
    int64_t inner_strides[PITHI_ROWS_MAX_OPERANDS];
    int64_t n_rows, row_length, chunk;    /* rows are cut into chunks of at most `chunk` */
    bool is_spread;                       /* short rows: inner_strides are 1, `strides` say where elements lie */
    bool is_dense[PITHI_ROWS_MAX_OPERANDS]; /* the operand lies as y does */
    bool is_repeated[PITHI_ROWS_MAX_OPERANDS]; /* all rows see the same ones of the operand */
    size_t operand_bytes[PITHI_ROWS_MAX_OPERANDS], y_bytes; /* per element */
    pithi_row_fn *row;
    const void *user;                     /* for `row` */
    void (*finish)(const pithi_rows *rows, void *y, int64_t n); /* optional, on finished stretches of y */
    const void *finish_user;
    float finish_alpha, finish_beta;
};

/* Fills everything but `row`, `user` and `finish`. */
void pithi_rows_init(pithi_rows *rows, const pith_tensor *operands, int n_operands, const pith_tensor *y);
/* A prepare with `rows` (in the arena) as state; run is pithi_rows_run. */
pith_status pithi_rows_prepare(pith_prepare *prepare, pithi_rows **rows_out);
void pithi_rows_run(const pith_run *run, const pith_part *part);
/* This part of rows over other operands than the run's inputs. */
void pithi_rows_apply(const pithi_rows *rows, const void *const *operands, void *y, const pith_part *part);
/* Elements [begin, begin + count) of the result's shape as operand 0 gives them, float32 or bool (1 and 0). */
void pithi_rows_spread_f32(const pithi_rows *rows, const void *operand, int64_t begin, int64_t count, float *to);

/* Offset of the operand's element that meets element `index` of shape `to`; plain arithmetic, for references. */
int64_t pithi_broadcast_offset(const pith_shape *shape, const pith_shape *to, int64_t index);

#endif
