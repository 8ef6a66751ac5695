/* SPDX-License-Identifier: Apache-2.0 */
/* IDX files, plain or gzipped. */
#ifndef PITH_CLI_IDX_H
#define PITH_CLI_IDX_H

#include "file.h"

#define CLI_MAX_IDX_BYTES ((size_t)1 << 32)

typedef struct cli_idx {
    pith_dtype dtype;
    pith_shape shape;
    const uint8_t *data; /* elements, big-endian, within the file's bytes */
} cli_idx;

/* The file's bytes, unpacked. */
pith_status cli_idx_read(const char *path, cli_bytes *bytes_out);
pith_status cli_idx_parse(const cli_bytes *bytes, cli_idx *idx_out);
pith_status cli_idx_to_tensor(const cli_idx *idx, cli_tensor *tensor_out);
/* Whether a file begins as one, and its rank. */
bool cli_idx_peek(const char *path, int *rank_out);

#endif
