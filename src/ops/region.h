/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of region, which pass fuse_region fills. */
#ifndef PITH_OPS_REGION_H
#define PITH_OPS_REGION_H

#include "ops/op.h"

#define PITHI_REGION_INSTRUCTIONS 32
#define PITHI_REGION_INPUTS 16
#define PITHI_REGION_OUTPUTS 8
#define PITHI_REGION_WORDS 4   /* of an instruction in `program` */
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
} pithi_region_attrs;

#endif
