/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one quantised tensor as tables of 256 results. */
#ifndef PITH_OPS_SHARED_LOOKUP_H
#define PITH_OPS_SHARED_LOOKUP_H

#include "kernels/lookup_u8.h"
#include "ops/sample.h"
#include "ops/shared_quant.h"

/* x, x_scale, x_zero_point, y_scale, y_zero_point: the order of com.microsoft. */
extern const pith_operand_spec pithi_quant_unary_inputs[5];
extern const pith_operand_spec pithi_quant_unary_outputs[1];
/* The same of 8 or 16 bits; y may have another dtype than an x of 16 bits. */
extern const pith_operand_spec pithi_quant_wide_inputs[5];
extern const pith_operand_spec pithi_quant_wide_outputs[1];
pith_status pithi_quant_unary_infer(pith_infer *infer);
void pithi_quant_unary_pairs(const pith_run *run, pithi_quant_pair *x_out, pithi_quant_pair *y_out);

/* table[byte of x] = byte of y: dequantised, through `function`, quantised; each step rounded to
 * float32. */
void pithi_lookup_fill(const pith_run *run, float (*function)(const void *attrs, float x),
                       uint8_t table[256]);
/* y[i] = table[x[i]] for all elements. */
void pithi_lookup_apply(const pith_run *run, const uint8_t *table);
/* max_parts for n elements. */
int pithi_lookup_parts(const pith_tensor *x);

#endif
