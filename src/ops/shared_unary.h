/* SPDX-License-Identifier: Apache-2.0 */
/* What elementwise operators share: activations in double, references of unary operators, and the run
 * on top of kernels/vunary_f32.h. */
#ifndef PITH_OPS_SHARED_UNARY_H
#define PITH_OPS_SHARED_UNARY_H

#include <math.h>

#include "kernels/vunary_f32.h"
#include "ops/op.h"
#include "ops/sample.h"

/* ---- activations -------------------------------------------------------------------------- */

/* kind(x) in double, the reference of every pith_vunary; PITH_VUNARY_NONE gives x. */
double pithi_activation_f64(const pith_activation *activation, double x);

/* Attribute table lines for an embedded pith_activation, so that printing and comparing see it. */
#define PITHI_ACTIVATION_ATTRS(type, field)                                                        \
    PITH_ATTR_OWN_INT(type, field.kind, "activation", 0),                                              \
    PITH_ATTR_OWN_FLOAT(type, field.alpha, "activation_alpha", 0),                                     \
    PITH_ATTR_OWN_FLOAT(type, field.beta, "activation_beta", 0)

static inline bool pithi_activation_set(pith_activation *activation, pith_vunary kind, float alpha, float beta)
{
    *activation = (pith_activation){ .kind = kind, .alpha = alpha, .beta = beta };
    return true;
}

/* ---- unary operators ---------------------------------------------------------------------- */

typedef double pithi_unary_fn(double x, const void *attrs);

/* outputs[0][i] = fn(inputs[0][i]) in double. */
void pithi_unary_ref(const pith_run *run, pithi_unary_fn *fn);
/* The same on this part's elements, for operators without a kernel. */
void pithi_unary_ref_part(const pith_run *run, const pith_part *part, pithi_unary_fn *fn);
/* outputs[0][i] = fn(inputs[0][i]) for integers; fn must be the identity for x >= 0, so that u64 is copied. */
void pithi_unary_ref_s64(const pith_run *run, int64_t (*fn)(int64_t x));
/* Reference of an operator whose as_activation() says all. */
void pithi_unary_activation_ref(const pith_run *run);

typedef struct pithi_unary_state {
    pith_vunary_f32_fn *fn;
    float alpha, beta;
    int64_t n_elements;
} pithi_unary_state;

/* f32: the kernel of as_activation(), in parts. Any other dtype: the reference. */
pith_status pithi_unary_prepare(pith_prepare *prepare);
void pithi_unary_run(const pith_run *run, const pith_part *part);
/* For operators without a kernel: any dtype in parts, run calls pithi_unary_ref_part(). */
pith_status pithi_unary_prepare_parts(pith_prepare *prepare);

/* y[i] = x[i] to the power of `exponent`; y may be x. Exponents that networks use are cheap, rounded at most twice. */
void pithi_power_f32(const float *x, float exponent, float *y, int64_t n);

/* First and last+1 element of a part, cut at multiples of 16 so that parts share no cache line. */
void pithi_part_elements(const pith_part *part, int64_t n_elements, int64_t *begin, int64_t *end);
/* Parts that are worth their start for `n_elements` cheap elements. */
int pithi_element_parts(int64_t n_elements);

extern const pith_operand_spec pithi_x_float[1], pithi_x_number[1], pithi_x_integer[1], pithi_x_bool[1],
    pithi_y_float[1],
    pithi_y_number[1], pithi_y_integer[1], pithi_y_bool[1];

/* The fields that unary operators on floats have in common. */
#define PITHI_UNARY_FLOAT                                                                          \
    .flags = PITH_OP_INPLACE, .inputs = pithi_x_float, .n_inputs = 1, .outputs = pithi_y_float,    \
    .n_outputs = 1, .infer = pithi_infer_same, .layout = PITH_LAYOUT_FREE
#define PITHI_UNARY_NUMBER                                                                         \
    .flags = PITH_OP_INPLACE, .inputs = pithi_x_number, .n_inputs = 1, .outputs = pithi_y_number,  \
    .n_outputs = 1, .infer = pithi_infer_same, .layout = PITH_LAYOUT_FREE
#define PITHI_UNARY_KERNEL .prepare = pithi_unary_prepare, .run = pithi_unary_run

/* ---- spellings ---------------------------------------------------------------------------- */

/* Opset 1: `consumed_inputs` allowed the runtime to reuse memory; it never changed a result. */
pith_status pithi_map_consumed_inputs(pith_ctx *ctx, pith_source *source, void *attrs);

#endif
