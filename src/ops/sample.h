/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of operators as text, for generic tests, benchmarks and docs:
 *
 *   "f32[2,3,8,8] f32[4,3,3,3] - | strides=[2,2] auto_pad=SAME_UPPER"
 *
 * One word per input: dtype, shape, and optionally what the values are:
 *   (nothing)    random in [-2, 2) with a few specials of the dtype's range for integers 0..100
 *   {1,2,-3}     these values (for a scalar "s64[]{5}"), known before the run
 *   {lo:hi}      random in [lo, hi)
 *   -            absent optional input
 *   seq:f32{f32[2]{1,2} f32[1]{3}}   a sequence of constants; opt:... an optional
 *   map:f32{s64[2]{7,5} f32[2]{1,2}} a map of keys and values
 * After "|" the attributes that differ from their defaults; lists in brackets, tensors as f32[2]{1,2}, the type of a
 * sequence as the dtype of its tensors. Strings are words: string[2]{ab,c}. After a
 * further "|" the number of outputs if it isn't that of the record's non-optional outputs. */
#ifndef PITH_OPS_SAMPLE_H
#define PITH_OPS_SAMPLE_H

#include "ops/op.h"

typedef struct pith_sample {
    pith_graph *graph;   /* inputs without given values are graph inputs, the others constants */
    pith_node *node;     /* the one node */
    double low[16], high[16]; /* range of random values per node input */
} pith_sample;

/* Parses a sample into a graph with one node. The caller destroys sample->graph. */
pith_status pithi_sample_parse(pith_ctx *ctx, const pith_op *op, const char *text, pith_sample *sample);

#endif
