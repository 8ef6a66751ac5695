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

/** Element types. Sub-byte types are packed, lowest bits first, as ONNX stores them. */
typedef enum pith_dtype {
    PITH_DTYPE_NONE = 0, /**< No tensor: an optional operand that is absent. */
    PITH_DTYPE_F32,
    PITH_DTYPE_F16,
    PITH_DTYPE_BF16,
    PITH_DTYPE_F64,
    PITH_DTYPE_S8,
    PITH_DTYPE_U8,
    PITH_DTYPE_S16,
    PITH_DTYPE_U16,
    PITH_DTYPE_S32,
    PITH_DTYPE_U32,
    PITH_DTYPE_S64,
    PITH_DTYPE_U64,
    PITH_DTYPE_BOOL, /**< One byte, 0 or 1. */
    PITH_DTYPE_COUNT
} pith_dtype;

/** Short name, such as "f32". Static; "none" for PITH_DTYPE_NONE. */
const char *pith_dtype_name(pith_dtype dtype);

/** Bytes of one element; 0 for PITH_DTYPE_NONE. */
size_t pith_dtype_bytes(pith_dtype dtype);

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

/** Bytes of all elements. The shape must have passed pith's checks (no overflow). */
size_t pith_tensor_bytes(const pith_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
