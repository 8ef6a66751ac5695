/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors that the tool owns, by name: what files hold and what runs take. */
#ifndef PITH_CLI_TENSORS_H
#define PITH_CLI_TENSORS_H

#include "cli.h"

typedef struct cli_tensor {
    char *name; /* NULL: none */
    pith_tensor view;
    pith_object_store *store; /* owns the view's data if it isn't NULL */
} cli_tensor;

typedef struct cli_tensors {
    cli_tensor *items;
    int n;
    size_t capacity;
} cli_tensors;

/* Largest tensor that a file may claim. */
#define CLI_MAX_TENSOR_BYTES ((uint64_t)1 << 34)

/* Checks rank, sizes and overflow, and gives the bytes. */
pith_status cli_tensor_check_shape(pith_dtype dtype, const pith_shape *shape, size_t *n_bytes_out);
/* Zeroed. */
pith_status cli_tensor_make(pith_dtype dtype, const pith_shape *shape, cli_tensor *tensor_out);
pith_status cli_tensor_set_name(cli_tensor *tensor, const char *name, size_t n_bytes);
void cli_tensor_free(cli_tensor *tensor);
pith_status cli_tensor_copy(const pith_tensor *view, cli_tensor *copy_out);
/* Values converted to another element type (saturating, rounded to nearest). */
pith_status cli_tensor_convert(cli_tensor *tensor, pith_dtype dtype);

/* Takes over `tensor` and zeroes it. */
pith_status cli_tensors_add(cli_tensors *list, cli_tensor *tensor);
/* NULL if there is none. */
cli_tensor *cli_tensors_find(const cli_tensors *list, const char *name);
void cli_tensors_free(cli_tensors *list);

bool cli_dtype_is_float(pith_dtype dtype);
/* PITH_DTYPE_NONE if unknown. */
pith_dtype cli_dtype_from_name(const char *name);
double cli_get(const pith_tensor *tensor, size_t index);
void cli_set(pith_tensor *tensor, size_t index, double value);
/* A complex tensor as the list of its real and imaginary parts in turn; others as they are. */
pith_tensor cli_tensor_parts(const pith_tensor *tensor);
/* Integers and bool without rounding; u64 as its bits. */
int64_t cli_get_s64(const pith_tensor *tensor, size_t index);

/* A shape that has all of `wanted`'s axes but those of length 1, or an open first one, gets these: [28,28] becomes
 * [1,1,28,28]. Others stay as they are. */
void cli_shape_fit(const pith_shape *wanted, pith_shape *shape);
/* Pseudo-random values (splitmix64 of seed and index), uniform: floats in [-1, 1), u8 0..255, other integers
 * 0..n_integers-1, bool a coin. */
void cli_tensor_random(pith_tensor *tensor, uint64_t seed, int64_t n_integers);

#endif
