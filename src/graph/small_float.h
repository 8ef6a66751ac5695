/* SPDX-License-Identifier: Apache-2.0 */
/* Floats of 8 bits and less: the f8 family of ONNX, E8M0 scales, and the 6- and 4-bit floats of the OCP
 * Microscaling Formats (MX) Specification v1.0. */
#ifndef PITH_GRAPH_SMALL_FLOAT_H
#define PITH_GRAPH_SMALL_FLOAT_H

#include "graph/graph.h"

bool pithi_dtype_is_small_float(pith_dtype dtype);

/* Exact value of the element with these bits. */
double pithi_small_float_decode(pith_dtype dtype, unsigned code);

/* Bits of the element nearest to `value`, ties to even. Beyond the largest finite value (infinities too): the largest
 * if `saturate`, else infinity where the type has it, else NaN (the tables of ONNX Cast). Types without NaN always
 * saturate and take -0 for NaN. E8M0 as below, rounding up. */
unsigned pithi_small_float_encode(pith_dtype dtype, double value, bool saturate);

/* E8M0 holds powers of two from 2^-127 to 2^127, and NaN. Signs are dropped. */
typedef enum pithi_round_mode {
    PITHI_ROUND_UP,      /* away from zero */
    PITHI_ROUND_DOWN,    /* towards zero */
    PITHI_ROUND_NEAREST, /* ties up */
} pithi_round_mode;
/* Outside of the range, 0 and infinity too: the nearest end if `saturate`, else NaN. */
unsigned pithi_e8m0_encode(double value, bool saturate, pithi_round_mode mode);

#endif
