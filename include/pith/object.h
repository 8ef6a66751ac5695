/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are no plain tensors: sequences, optionals and maps. Such a value is a tensor of dtype
 * PITH_DTYPE_OBJECT and rank 0, whose one element is a pith_handle. Objects are immutable and share what they
 * hold. */
#ifndef PITH_OBJECT_H
#define PITH_OBJECT_H

#include "pith/status.h"
#include "pith/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a value is. */
typedef enum pith_kind { PITH_KIND_TENSOR, PITH_KIND_SEQUENCE, PITH_KIND_OPTIONAL, PITH_KIND_MAP } pith_kind;

/** Type of a value, such as a sequence of f32 tensors. */
typedef struct pith_type {
    pith_kind kind;
    pith_dtype dtype;                /**< Of a tensor's elements, of a map's keys; else PITH_DTYPE_NONE. */
    const struct pith_type *element; /**< Of the items (of a map: of the values); NULL for tensors. */
} pith_type;

/** Deepest type that pith takes: a sequence of maps of tensors has depth 3. */
#define PITH_MAX_TYPE_DEPTH 8

/** Types of a tensor and of a sequence and an optional of such tensors. Static; NULL for a dtype that doesn't exist. */
const pith_type *pith_type_tensor(pith_dtype dtype);
const pith_type *pith_type_sequence(pith_dtype dtype);
const pith_type *pith_type_optional(pith_dtype dtype);

/** 1 if both are the same type, else 0; NULL equals NULL only. */
int pith_type_equal(const pith_type *a, const pith_type *b);

/**
 * Writes the type as text, such as "seq(tensor(f32))", cut to fit and terminated.
 * @return `text`
 */
#define PITH_TYPE_TEXT_BYTES 128
const char *pith_type_text(const pith_type *type, char text[PITH_TYPE_TEXT_BYTES]);

/** A sequence, an optional or a map. Nested objects are items of dtype PITH_DTYPE_OBJECT. */
typedef struct pith_object {
    const pith_type *type;
    size_t n_items;           /**< Of an optional 0 or 1. */
    const pith_tensor *items; /**< n_items values of type->element; shapes may differ. Of a map its values. */
    pith_tensor keys;         /**< Of a map: [n_items] of type->dtype (integers or strings); else dtype NONE. */
} pith_object;

/** The element of an OBJECT tensor. */
typedef struct pith_handle {
    const pith_object *object;
    size_t reserved; /**< 0 */
} pith_handle;

/** A value of dtype PITH_DTYPE_OBJECT from a handle, which must outlive the view. */
pith_tensor pith_object_view(pith_handle *handle);

/** The object of a value; NULL if it is a plain tensor or there is none. */
const pith_object *pith_object_of(const pith_tensor *value);

/** Memory for values outside of runs: all that is made or read with a store dies with it. */
typedef struct pith_object_store pith_object_store;

/** Creates a store; the caller destroys it, after the last use of its values. */
pith_status pith_object_store_create(pith_ctx *ctx, pith_object_store **store_out);
void pith_object_store_destroy(pith_object_store *store); /**< NULL is allowed. */

/**
 * Makes a sequence, an optional or a map. Everything is copied into the store.
 *
 * @param type   Of the object.
 * @param items  `n_items` values that fit type->element; of a map its values, of an optional none or one.
 * @param keys   Of a map: [n_items] of type->dtype; else NULL.
 * @retval PITH_STATUS_ARG  The parts don't fit each other; the message says which.
 */
pith_status pith_object_make(pith_object_store *store, const pith_type *type, const pith_tensor *items, size_t n_items,
                             const pith_tensor *keys, pith_tensor *value_out);

/** A copy of any value with all that it points to, such as a session's output that is to outlive the next run. */
pith_status pith_object_copy(pith_object_store *store, const pith_tensor *value, pith_tensor *copy_out);

/**
 * Reads a value as ONNX's test data have it: a TensorProto, SequenceProto, MapProto or OptionalProto.
 *
 * @param type  What the value must be (pith_value_info.type); NULL: a tensor.
 * @retval PITH_STATUS_FORMAT  The bytes are malformed; the message names the place.
 */
pith_status pith_object_read_onnx(pith_object_store *store, const void *data, size_t n_bytes, const pith_type *type,
                                  pith_tensor *value_out);

/** Writes a value in that form. The bytes belong to the store and stay until it writes again. */
pith_status pith_object_write_onnx(pith_object_store *store, const pith_tensor *value, const void **data_out,
                                   size_t *n_bytes_out);

#ifdef __cplusplus
}
#endif
#endif
