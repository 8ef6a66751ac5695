/* SPDX-License-Identifier: Apache-2.0 */
/* IDX files of bytes, plain or gzipped. */
#ifndef PITH_CLI_IDX_H
#define PITH_CLI_IDX_H

#include "file.h"

#define CLI_MAX_IDX_BYTES ((size_t)1 << 32)

pith_status cli_idx_read(const char *path, cli_bytes *bytes_out);
/* Sizes of the `rank` (at most 3) dimensions and the elements, which lie in `bytes`. */
pith_status cli_idx_parse(const cli_bytes *bytes, int rank, uint32_t sizes_out[3], const uint8_t **data_out);

#endif
