/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_add and qlinear_mul: operands, inference, and runs over rows. */
#ifndef PITH_OPS_SHARED_QLINEAR_BINARY_H
#define PITH_OPS_SHARED_QLINEAR_BINARY_H

#include "kernels/qadd_s8.h"
#include "kernels/s16.h"
#include "ops/sample.h"
#include "ops/shared_broadcast.h"
#include "ops/shared_quant.h"

typedef struct pithi_qlinear_binary_attrs {
    pithi_limits limits;
} pithi_qlinear_binary_attrs;

extern const pith_attr_spec pithi_qlinear_binary_attrs_table[2];
extern const pith_operand_spec pithi_qlinear_binary_inputs[8];
extern const pith_operand_spec pithi_qlinear_binary_outputs[1];

/* a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point: the order of
 * com.microsoft. */
typedef struct pithi_qlinear_binary {
    pithi_quant_pair a, b, y;
    pithi_limits limits;
} pithi_qlinear_binary;

pithi_qlinear_binary pithi_qlinear_binary_of(const pith_run *run);
pith_status pithi_qlinear_binary_infer(pith_infer *infer);
/* `value` of two quantised numbers: what is rounded and clamped, with y's zero point in it. */
void pithi_qlinear_binary_ref(const pith_run *run,
                              float (*value)(const pithi_qlinear_binary *binary, int32_t a,
                                             int32_t b));
/* State of a run: rows over a and b. `row` works on them with rows->user, the pithi_qlinear_binary.
 */
typedef struct pithi_qlinear_rows {
    pithi_rows rows;
    const pith_s16 *wide; /* where an operand or the result has 16 bits, else NULL */
    pith_s16_type a_type, b_type;
    pith_s16_finish finish;
    pithi_qlinear_binary binary;
    const pith_qadd_s8 *kernel;
    bool a_is_signed, b_is_signed;
    int repeated;   /* operand whose row all rows share, laid out n_side times, or -1 */
    int64_t n_side; /* rows of the other one that then count as one */
} pithi_qlinear_rows;

/* A row's operands and limits; a_base and b_base only read signed bytes. Scales and offset are the operator's. */
pith_qadd_s8_row pithi_qlinear_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n);

/* A row where something has 16 bits: sums of numbers as they are stored, products of numbers less their zero points. */
void pithi_qlinear_wide_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n, bool is_product,
                            const pith_s16_terms *terms);

/* Leaves use_run false where scales or zero points aren't known. */
pith_status pithi_qlinear_binary_prepare(pith_prepare *prepare, pithi_row_fn *row);
void pithi_qlinear_binary_run(const pith_run *run, const pith_part *part);
bool pithi_qlinear_binary_to_channels_last(pith_graph *graph, pith_node *node);

#endif
