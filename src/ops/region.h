/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of region, which pass fuse_region fills. */
#ifndef PITH_OPS_REGION_H
#define PITH_OPS_REGION_H

#include "ops/op.h"

#define PITHI_REGION_INSTRUCTIONS 32
#define PITHI_REGION_INPUTS 16
#define PITHI_REGION_OUTPUTS 8
#define PITHI_REGION_WORDS 4   /* of an instruction in `program`: its function and its operands */
#define PITHI_REGION_OPERANDS 3
#define PITHI_REGION_BINARY 64 /* added to a pith_vbinary, so that it is no pith_vunary */

/* Functions that are no kernel's. A truth value is 1 or 0 within a region, a byte outside. */
typedef enum pithi_region_function {
    PITHI_REGION_EQUAL = 128,
    PITHI_REGION_LESS,
    PITHI_REGION_LESS_OR_EQUAL,
    PITHI_REGION_GREATER,
    PITHI_REGION_GREATER_OR_EQUAL,
    PITHI_REGION_AND,
    PITHI_REGION_OR,
    PITHI_REGION_XOR,
    PITHI_REGION_NOT,
    PITHI_REGION_TO_BOOL, /* a is not 0 */
    PITHI_REGION_WHERE,   /* a ? b : c */
    PITHI_REGION_SIGN,
    PITHI_REGION_POWER,   /* a to the power of alpha */
    PITHI_REGION_SCALE,   /* a alpha */
    PITHI_REGION_END
} pithi_region_function;

/* Instruction i makes value n_inputs + i; values 0 to n_inputs - 1 are the inputs. */
typedef struct pithi_region_attrs {
    pith_ints program;      /* of each instruction: function and three operands (-1: it takes fewer) */
    pith_floats parameters; /* of each instruction: alpha and beta; empty: all are 0 */
    pith_ints results;      /* instructions that make outputs 1, 2, ...; the last one makes output 0 */
    int64_t reduce;         /* of region_reduce: 1 + the pithi_reduce_kind that output 0 is of the last one's value, */
    int64_t reduced;        /* over so many of its last dimensions, */
    int64_t keepdims;       /* which are then 1, or gone */
} pithi_region_attrs;

#define PITHI_REGION_LEAST_ROW 9 /* elements that are reduced to one: less go another way, with other bits */
#define PITHI_REGION_MOST_ROW 4096

/* Functions from PITHI_REGION_EQUAL on, of three operands or fewer; y may be any of them. */
double pithi_region_f64(int function, float alpha, const double *x);
void pithi_region_apply(int function, float alpha, const float *const *x, float *y, size_t n);

extern const pith_attr_spec pithi_region_attrs_table[6];
extern const pith_operand_spec pithi_region_inputs[1], pithi_region_outputs[1];
pith_status pithi_region_infer(pith_infer *infer);
void pithi_region_ref(const pith_run *run);
size_t pithi_region_ref_bytes(const pith_run *run);
pith_status pithi_region_prepare(pith_prepare *prepare);
void pithi_region_run(const pith_run *run, const pith_part *part);
void pithi_region_cost(const pith_infer *infer, pith_cost *cost);

#define PITHI_REGION_RECORD                                                                        \
    .inputs = pithi_region_inputs, .n_inputs = 1, .outputs = pithi_region_outputs, .n_outputs = 1, \
    .infer = pithi_region_infer, .ref = pithi_region_ref, .prepare = pithi_region_prepare,         \
    .run = pithi_region_run, .cost = pithi_region_cost

#endif
