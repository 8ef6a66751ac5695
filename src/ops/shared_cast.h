/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion of elements between dtypes, shared by cast and cast_like. */
#ifndef PITH_OPS_SHARED_CAST_H
#define PITH_OPS_SHARED_CAST_H

#include "ops/op.h"
#include "ops/sample.h"

typedef struct pithi_cast_attrs {
    int64_t to;         /* a pith_dtype; not of cast_like */
    int64_t saturate;   /* to floats of 8 bits: the largest instead of NaN or infinity */
    int64_t round_mode; /* a pithi_round_mode, to f8e8m0 */
} pithi_cast_attrs;

extern const char *const pithi_cast_round_modes[];
#define PITHI_CAST_ROUNDING_ATTRS                                                                  \
    PITH_ATTR_INT(pithi_cast_attrs, saturate, "saturate", 1),                                      \
    PITH_ATTR_CHOICE(pithi_cast_attrs, round_mode, "round_mode", 0, pithi_cast_round_modes)

/* All but complex numbers and objects. */
#define PITHI_CAST_DTYPES                                                                                            \
    (PITH_DTYPES_ANY | PITH_DTYPES_F8 | PITH_DTYPES(PITH_DTYPE_F8E8M0) | PITH_DTYPES_F6 |                            \
     PITH_DTYPES(PITH_DTYPE_F4E2M1) | PITH_DTYPES_S4U4 | PITH_DTYPES_S2U2 | PITH_DTYPES_STRING)

/* The same from or to strings (shared_cast_text.c). */
void pithi_cast_text(const pith_run *run);
/* outputs[0] = inputs[0] in the dtype of outputs[0]. */
void pithi_cast_ref(const pith_run *run);
pith_status pithi_cast_prepare(pith_prepare *prepare);
void pithi_cast_run(const pith_run *run, const pith_part *part);

#endif
