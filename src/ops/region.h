/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of region, which pass fuse_region fills. */
#ifndef PITH_OPS_REGION_H
#define PITH_OPS_REGION_H

#include "ops/op.h"

#define PITHI_REGION_INSTRUCTIONS 32
#define PITHI_REGION_INPUTS 16
#define PITHI_REGION_OUTPUTS 8
#define PITHI_REGION_WORDS 3   /* of an instruction in `program` */
#define PITHI_REGION_BINARY 64 /* added to a pith_vbinary, so that it is no pith_vunary */

/* Instruction i makes value n_inputs + i; values 0 to n_inputs - 1 are the inputs. */
typedef struct pithi_region_attrs {
    pith_ints program;      /* of each instruction: function, first and second operand (-1: it takes one) */
    pith_floats parameters; /* of each instruction: alpha and beta; empty: all are 0 */
    pith_ints results;      /* instructions that make outputs 1, 2, ...; the last one makes output 0 */
} pithi_region_attrs;

#endif
