/* SPDX-License-Identifier: Apache-2.0 */
/* Files as bytes, and the formats of tensors: npy, npz (zip), TensorProto, raw. Every parser checks
 * every length: these files may come from anywhere. */
#ifndef PITH_CLI_FILE_H
#define PITH_CLI_FILE_H

#include "tensors.h"

typedef struct cli_bytes {
    uint8_t *data;
    size_t n, capacity;
} cli_bytes;

pith_status cli_file_read(const char *path, cli_bytes *bytes_out);
pith_status cli_file_write(const char *path, const void *data, size_t n_bytes);
pith_status cli_bytes_add(cli_bytes *bytes, const void *data, size_t n_bytes);
void cli_bytes_free(cli_bytes *bytes);

/* Little-endian number of 1 to 8 bytes. */
uint64_t cli_read_le(const uint8_t *data, int n_bytes);
pith_status cli_bytes_add_le(cli_bytes *bytes, uint64_t value, int n_bytes);

/* .npy: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
pith_status cli_npy_parse(const uint8_t *data, size_t n_bytes, cli_tensor *tensor_out);
/* bf16, which numpy lacks, is written as f32. */
pith_status cli_npy_write(const pith_tensor *tensor, cli_bytes *bytes);

/* .zip: PKWARE's APPNOTE, stored and deflated entries, zip64 sizes; no encryption, one volume. */
typedef struct cli_zip_entry {
    const char *name; /* not terminated */
    size_t n_name;
    const uint8_t *data;
    size_t n_packed, n_bytes;
    unsigned method;
    uint32_t crc;
} cli_zip_entry;
/* Entries point into `data`; the array is freed with cli_free(). */
pith_status cli_zip_parse(const uint8_t *data, size_t n_bytes, cli_zip_entry **entries_out, int *n_entries_out);
pith_status cli_zip_extract(const cli_zip_entry *entry, cli_bytes *bytes_out);

/* .npz: every entry NAME.npy becomes a tensor NAME. */
pith_status cli_npz_parse(const uint8_t *data, size_t n_bytes, cli_tensors *list);
pith_status cli_npz_write(const cli_tensors *list, cli_bytes *bytes);

/* onnx.TensorProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
pith_status cli_pb_parse(const uint8_t *data, size_t n_bytes, cli_tensor *tensor_out);

/* Reads a tensor file by the ending of its name: .npy, .npz (all entries), .pb. */
pith_status cli_tensors_load(const char *path, cli_tensors *list);
/* Plain elements without header; the shape has at most one -1, which the size decides. */
pith_status cli_raw_load(const char *path, pith_dtype dtype, const pith_shape *shape, cli_tensor *tensor_out);
pith_status cli_npy_save(const char *path, const pith_tensor *tensor);
pith_status cli_npz_save(const char *path, const cli_tensors *list);

#endif
