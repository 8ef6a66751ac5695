/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of files, and tensor files by the ending of their name. */
#include <errno.h>

#include "file.h"

static pith_status read_all(FILE *file, const char *path, cli_bytes *bytes)
{
    uint8_t block[65536];
    for (;;) {
        size_t n = fread(block, 1, sizeof block, file);
        if (n == 0) {
            break;
        }
        CLI_CHECK(bytes->n + n <= CLI_MAX_TENSOR_BYTES, PITH_STATUS_LIMIT, "'%s' is larger than %llu GiB", path,
                  (unsigned long long)(CLI_MAX_TENSOR_BYTES >> 30));
        CLI_TRY(cli_bytes_add(bytes, block, n));
    }
    CLI_CHECK(!ferror(file), PITH_STATUS_IO, "can't read '%s': %s", path, strerror(errno));
    return PITH_OK;
}

pith_status cli_file_read(const char *path, cli_bytes *bytes_out)
{
    cli_bytes bytes = { 0 };
    CLI_CHECK(!cli_is_folder(path), PITH_STATUS_IO, "'%s' is a folder, a file is needed", path);
    FILE *file = fopen(path, "rb");
    CLI_CHECK(file, PITH_STATUS_IO, "can't open '%s': %s", path, strerror(errno));
    pith_status status = read_all(file, path, &bytes);
    fclose(file);
    if (status != PITH_OK) {
        cli_bytes_free(&bytes);
        return status;
    }
    *bytes_out = bytes;
    return PITH_OK;
}

pith_status cli_file_write(const char *path, const void *data, size_t n_bytes)
{
    FILE *file = fopen(path, "wb");
    CLI_CHECK(file, PITH_STATUS_IO, "can't write '%s': %s", path, strerror(errno));
    bool is_written = fwrite(data, 1, n_bytes, file) == n_bytes;
    is_written = fclose(file) == 0 && is_written;
    CLI_CHECK(is_written, PITH_STATUS_IO, "can't write '%s': %s", path, strerror(errno));
    return PITH_OK;
}

pith_status cli_bytes_add(cli_bytes *bytes, const void *data, size_t n_bytes)
{
    CLI_CHECK(n_bytes <= SIZE_MAX / 4 - bytes->n, PITH_STATUS_LIMIT, "more bytes than memory can hold");
    CLI_TRY(cli_grow((void **)&bytes->data, &bytes->capacity, bytes->n + n_bytes, 1));
    if (n_bytes) {
        memcpy(bytes->data + bytes->n, data, n_bytes);
    }
    bytes->n += n_bytes;
    return PITH_OK;
}

void cli_bytes_free(cli_bytes *bytes)
{
    cli_free(bytes->data);
    *bytes = (cli_bytes){ 0 };
}

uint64_t cli_read_le(const uint8_t *data, int n_bytes)
{
    uint64_t value = 0;
    for (int i = n_bytes - 1; i >= 0; i--) {
        value = value << 8 | data[i];
    }
    return value;
}

pith_status cli_bytes_add_le(cli_bytes *bytes, uint64_t value, int n_bytes)
{
    uint8_t text[8];
    for (int i = 0; i < n_bytes; i++) {
        text[i] = (uint8_t)(value >> 8 * i);
    }
    return cli_bytes_add(bytes, text, (size_t)n_bytes);
}

static pith_status parse_tensors(const char *path, const cli_bytes *bytes, cli_tensors *list)
{
    cli_tensor tensor = { 0 };
    if (cli_ends_with(path, ".npz")) {
        return cli_npz_parse(bytes->data, bytes->n, list);
    }
    if (cli_ends_with(path, ".npy")) {
        CLI_TRY(cli_npy_parse(bytes->data, bytes->n, &tensor));
    } else if (cli_ends_with(path, ".pb")) {
        CLI_TRY(cli_pb_parse(bytes->data, bytes->n, &tensor));
    } else {
        return cli_fail(PITH_STATUS_UNSUPPORTED, "no tensor format has this ending; known are .npy, .npz and .pb");
    }
    pith_status status = cli_tensors_add(list, &tensor);
    cli_tensor_free(&tensor);
    return status;
}

pith_status cli_tensors_load(const char *path, cli_tensors *list)
{
    cli_bytes bytes;
    CLI_TRY(cli_file_read(path, &bytes));
    pith_status status = parse_tensors(path, &bytes, list);
    cli_bytes_free(&bytes);
    if (status != PITH_OK) {
        cli_add_place("'%s'", path);
    }
    return status;
}

static pith_status raw_parse(const cli_bytes *bytes, pith_dtype dtype, const pith_shape *shape, cli_tensor *tensor_out)
{
    pith_shape full = *shape;
    size_t n_bytes;
    int unknown = -1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0) {
            CLI_CHECK(unknown < 0, PITH_STATUS_SHAPE, "several dimensions are unknown; give --shape");
            unknown = i;
            full.dims[i] = 1;
        }
    }
    CLI_TRY(cli_tensor_check_shape(dtype, &full, &n_bytes));
    if (unknown >= 0 && n_bytes > 0) {
        full.dims[unknown] = (int64_t)(bytes->n / n_bytes);
        n_bytes *= bytes->n / n_bytes;
    }
    CLI_CHECK(n_bytes == bytes->n, PITH_STATUS_SHAPE, "%zu bytes can't fill the shape; %zu are needed", bytes->n,
              n_bytes);
    CLI_TRY(cli_tensor_make(dtype, &full, tensor_out));
    if (n_bytes) {
        memcpy(tensor_out->view.data, bytes->data, n_bytes);
    }
    return PITH_OK;
}

pith_status cli_raw_load(const char *path, pith_dtype dtype, const pith_shape *shape, cli_tensor *tensor_out)
{
    cli_bytes bytes;
    CLI_TRY(cli_file_read(path, &bytes));
    pith_status status = raw_parse(&bytes, dtype, shape, tensor_out);
    cli_bytes_free(&bytes);
    if (status != PITH_OK) {
        cli_add_place("'%s'", path);
    }
    return status;
}

pith_status cli_npy_save(const char *path, const pith_tensor *tensor)
{
    cli_bytes bytes = { 0 };
    pith_status status = cli_npy_write(tensor, &bytes);
    if (status == PITH_OK) {
        status = cli_file_write(path, bytes.data, bytes.n);
    }
    cli_bytes_free(&bytes);
    return status;
}

pith_status cli_npz_save(const char *path, const cli_tensors *list)
{
    cli_bytes bytes = { 0 };
    pith_status status = cli_npz_write(list, &bytes);
    if (status == PITH_OK) {
        status = cli_file_write(path, bytes.data, bytes.n);
    }
    cli_bytes_free(&bytes);
    return status;
}
