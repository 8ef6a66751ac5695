/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of einsum equations: labels of every operand dimension, sizes of labels. */
#ifndef PITH_OPS_SHARED_EINSUM_H
#define PITH_OPS_SHARED_EINSUM_H

#include "ops/op.h"

#define PITHI_EINSUM_MAX_OPERANDS 32
/* Labels: A..Z are 0..25, a..z 26..51, dimensions under an ellipsis 52.. (the last one is 59). */
#define PITHI_EINSUM_LABELS 60

typedef struct pithi_einsum_term {
    int8_t labels[PITH_MAX_RANK]; /* of each dimension */
    int8_t rank;
} pithi_einsum_term;

typedef struct pithi_einsum {
    int n_operands;
    pithi_einsum_term operands[PITHI_EINSUM_MAX_OPERANDS], output;
    int64_t dims[PITHI_EINSUM_LABELS]; /* -1: label not used */
} pithi_einsum;

/* Reads the equation for operands of these shapes. Fails with the reason in *error_out (static text);
 * dimensions of size 1 are broadcast, as in numpy. */
bool pithi_einsum_read(const char *equation, const pith_tensor *inputs, int n_inputs, pithi_einsum *einsum,
                       const char **error_out);
/* Elements to step when `label` grows by one: 0 if the operand lacks it or is broadcast, the sum for a
 * label that stands twice (a diagonal). */
int64_t pithi_einsum_stride(const pithi_einsum_term *term, const pith_shape *shape, int label);

#endif
