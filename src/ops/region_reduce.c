/* SPDX-License-Identifier: Apache-2.0 */
/* region_reduce: a region whose last value is reduced over its last dimensions while a tile of it is in the cache: only
 * the reduced value is output 0. It may not lie on an input, which may repeat along what is reduced. */
#include "ops/region.h"

static const char *const samples[] = {
    "f32[30,40] f32[40] | program=[66,0,1,-1] reduce=1 reduced=1",
    "f32[7,9,40] f32[7,1,40] f32[9,1] | program=[65,0,1,-1,66,3,3,-1,65,4,2,-1] reduce=2 reduced=1 keepdims=1",
    "f32[5,6,70] f32[6,1] f32[5,1,1] | program=[65,0,1,-1,66,3,2,-1] reduce=3 reduced=2",
    "f32[3,2,300] f32[3,1,1] f32[3,2,1] f32[2,1] | "
    "program=[66,1,0,-1,66,4,2,-1,64,5,3,-1,2,6,-1,-1] reduce=7 reduced=1",
    "f32[90,33] f32[90,33] | program=[65,0,1,-1,1,2,-1,-1] results=[0] reduce=8 reduced=1 | 2",
    "f32[6,600] bool[600] f32[] | program=[138,1,0,2] reduce=4 reduced=2 keepdims=1",
    "f32[40,130] f32[130] | program=[66,0,1,-1,1,2,-1,-1] reduce=9 reduced=1",
};

const pith_op pith_op_region_reduce = {
    .head = { "region_reduce", 1, PITH_ATTRS(pithi_region_attrs_table, pithi_region_attrs) },
    PITHI_REGION_RECORD,
    .ref_bytes = pithi_region_ref_bytes,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
