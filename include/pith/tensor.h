/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors: dtype, shape and a dense row-major block of elements. */
#ifndef PITH_TENSOR_H
#define PITH_TENSOR_H

#include "pith/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Largest rank of a tensor. */
#define PITH_MAX_RANK 8

/**
 * Element types. Those of less than a byte are packed, lowest bits first, as ONNX stores them; the bits left over
 * in the last byte are 0. Small floats are named by their exponent and mantissa bits: FN has no infinities, UZ has
 * one zero and keeps its bit pattern for NaN (ONNX 1.14 and later, "Float stored in 8 bits").
 */
typedef enum pith_dtype {
    PITH_DTYPE_NONE = 0, /**< No tensor: an optional operand that is absent. */
    PITH_DTYPE_F32,
    PITH_DTYPE_F16,
    PITH_DTYPE_BF16,
    PITH_DTYPE_F64,
    PITH_DTYPE_F8E4M3FN,
    PITH_DTYPE_F8E4M3FNUZ,
    PITH_DTYPE_F8E5M2,
    PITH_DTYPE_F8E5M2FNUZ,
    PITH_DTYPE_F8E8M0, /**< A power of two, the scale of a block. */
    PITH_DTYPE_F6E2M3, /**< 6 bits, four elements in three bytes. */
    PITH_DTYPE_F6E3M2,
    PITH_DTYPE_F4E2M1, /**< 4 bits. */
    PITH_DTYPE_S8,
    PITH_DTYPE_U8,
    PITH_DTYPE_S16,
    PITH_DTYPE_U16,
    PITH_DTYPE_S32,
    PITH_DTYPE_U32,
    PITH_DTYPE_S64,
    PITH_DTYPE_U64,
    PITH_DTYPE_S4,
    PITH_DTYPE_U4,
    PITH_DTYPE_S2,
    PITH_DTYPE_U2,
    PITH_DTYPE_BOOL,   /**< One byte, 0 or 1. */
    PITH_DTYPE_C64,    /**< Complex: two f32, real part first. */
    PITH_DTYPE_C128,   /**< Complex: two f64, real part first. */
    PITH_DTYPE_STRING, /**< pith_string. */
    PITH_DTYPE_OBJECT, /**< A sequence, an optional or a map: rank 0, one handle. */
    PITH_DTYPE_COUNT
} pith_dtype;

/** An element of a string tensor: UTF-8, immutable, not terminated. */
typedef struct pith_string {
    const char *data;
    size_t n_bytes;
} pith_string;

/** Short name, such as "f32". Static; "none" for PITH_DTYPE_NONE. */
const char *pith_dtype_name(pith_dtype dtype);

/** Bytes of one element; 0 for PITH_DTYPE_NONE and for elements of less than a byte. */
size_t pith_dtype_bytes(pith_dtype dtype);

/** Bits of one element; 0 for PITH_DTYPE_NONE. */
unsigned pith_dtype_bits(pith_dtype dtype);

/** Sizes of the dimensions, outermost first. Rank 0 is a scalar; a size may be 0. */
typedef struct pith_shape {
    int rank;                    /**< 0..PITH_MAX_RANK. */
    int64_t dims[PITH_MAX_RANK]; /**< dims[0..rank-1]; -1 where a size is not known yet. */
} pith_shape;

/** Product of the dimensions (1 for a scalar). Every dimension must be known. */
int64_t pith_shape_elements(const pith_shape *shape);

/** 1 if ranks and all dimensions are equal, else 0. */
int pith_shape_equal(const pith_shape *a, const pith_shape *b);

/** A view of a dense row-major tensor (last dimension fastest, no padding). Owns nothing. */
typedef struct pith_tensor {
    pith_dtype dtype;
    pith_shape shape;
    void *data; /**< pith_tensor_bytes() bytes, aligned to the element; NULL if there is no value. */
} pith_tensor;

/** Bytes of all elements, rounded up to whole ones. The shape must have passed pith's checks (no overflow). */
size_t pith_tensor_bytes(const pith_tensor *tensor);

/** Element `index` as a number; the real part of a complex one; 0 for strings and objects. */
double pith_tensor_get(const pith_tensor *tensor, int64_t index);

/**
 * Stores the element nearest to `value`, ties to even: integers and floats of 8 bits and less saturate, larger floats
 * become infinite; NaN becomes 0 where the type has none. Complex numbers are real then; strings and objects stay.
 */
void pith_tensor_set(pith_tensor *tensor, int64_t index, double value);

#ifdef __cplusplus
}
#endif
#endif
