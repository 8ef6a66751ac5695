/* SPDX-License-Identifier: Apache-2.0 */
/* IDX files (http://yann.lecun.com/exdb/mnist): two zero bytes, type, rank, sizes as big-endian 32-bit numbers,
 * elements in the same order of bytes. Plain or gzipped (RFC 1952). */
#include "idx.h"

enum { PEEK = 4096 }; /* bytes of a file that tell what it is */

#if PITH_HAS_ZLIB
#include <zlib.h>

enum { CHUNK = 1 << 16 };

static pith_status inflate_all(z_stream *stream, cli_bytes *out)
{
    uint8_t chunk[CHUNK];
    int result = Z_OK;
    while (result == Z_OK) {
        stream->next_out = chunk;
        stream->avail_out = CHUNK;
        result = inflate(stream, Z_NO_FLUSH);
        CLI_CHECK(result == Z_OK || result == Z_STREAM_END, PITH_STATUS_FORMAT, "the gzip data is damaged or cut off");
        CLI_TRY(cli_bytes_add(out, chunk, CHUNK - stream->avail_out));
        CLI_CHECK(out->n <= CLI_MAX_IDX_BYTES, PITH_STATUS_LIMIT, "more than %zu bytes when unpacked",
                  CLI_MAX_IDX_BYTES);
    }
    return PITH_OK;
}

static pith_status unpack(cli_bytes *bytes)
{
    cli_bytes out = { 0 };
    z_stream stream = { .next_in = bytes->data, .avail_in = (uInt)bytes->n };
    CLI_CHECK(bytes->n <= UINT32_MAX && inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK, PITH_STATUS_NOMEM,
              "zlib can't begin");
    pith_status status = inflate_all(&stream, &out);
    inflateEnd(&stream);
    cli_bytes_free(status == PITH_OK ? bytes : &out);
    if (status == PITH_OK) {
        *bytes = out;
    }
    return status;
}

static bool unpack_head(const char *path, const uint8_t *packed, size_t n, uint8_t head[4])
{
    uint8_t copy[PEEK];
    (void)path;
    memcpy(copy, packed, n);
    z_stream stream = { .next_in = copy, .avail_in = (uInt)n, .next_out = head, .avail_out = 4 };
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
        return false;
    }
    const int result = inflate(&stream, Z_SYNC_FLUSH);
    inflateEnd(&stream);
    return (result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_out == 0;
}
#else
static pith_status unpack(cli_bytes *bytes)
{
    (void)bytes;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "gzip needs a tool built with zlib; unpack the file first (gunzip)");
}

/* What can't be looked into but is called as one (images-idx3.gz, labels.gz; not images.tar.gz) counts as one, so that
 * reading it says what is missing. */
static bool unpack_head(const char *path, const uint8_t *packed, size_t n, uint8_t head[4])
{
    static const uint8_t images[] = { 0, 0, 8, 3 };
    const char *name = cli_base_name(path), *dot = strchr(name, '.');
    (void)packed;
    (void)n;
    memcpy(head, images, sizeof images);
    return strstr(name, "idx") || strstr(name, "ubyte") ||
           ((!dot || strcmp(dot, ".gz") == 0) && (strstr(name, "image") || strstr(name, "label")));
}
#endif

static uint32_t read_be32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static pith_dtype dtype_of(uint8_t code)
{
    static const pith_dtype dtypes[] = {
        [0x08] = PITH_DTYPE_U8,  [0x09] = PITH_DTYPE_S8,  [0x0b] = PITH_DTYPE_S16,
        [0x0c] = PITH_DTYPE_S32, [0x0d] = PITH_DTYPE_F32, [0x0e] = PITH_DTYPE_F64,
    };
    return code < CLI_COUNT(dtypes) ? dtypes[code] : PITH_DTYPE_NONE;
}

static bool is_gzip(const uint8_t *data, size_t n) { return n > 2 && data[0] == 0x1f && data[1] == 0x8b; }

/* The first four bytes, unpacked if need be. */
static bool is_idx_head(const uint8_t *head, size_t n)
{
    return n >= 4 && head[0] == 0 && head[1] == 0 && dtype_of(head[2]) != PITH_DTYPE_NONE && head[3] >= 1 &&
           head[3] <= PITH_MAX_RANK;
}

pith_status cli_idx_parse(const cli_bytes *bytes, cli_idx *idx_out)
{
    const uint8_t *head = bytes->data;
    CLI_CHECK(is_idx_head(head, bytes->n), PITH_STATUS_FORMAT,
              "not an IDX file: it begins with two zero bytes, an element type (8, 9, 11 to 14) and a rank of 1 to %d",
              PITH_MAX_RANK);
    cli_idx idx = { .shape = { .rank = head[3] }, .dtype = dtype_of(head[2]) };
    const size_t n_head = 4 + 4 * (size_t)head[3];
    size_t n_wanted = pith_dtype_bytes(idx.dtype);
    CLI_CHECK(bytes->n >= n_head, PITH_STATUS_FORMAT, "the IDX file is cut off in its head");
    for (int i = 0; i < idx.shape.rank; i++) {
        const uint32_t size = read_be32(head + 4 + 4 * i);
        CLI_CHECK(size > 0 && size <= CLI_MAX_IDX_BYTES / n_wanted, PITH_STATUS_FORMAT,
                  "size %u of dimension %d is 0, or the file would be larger than %zu bytes", size, i,
                  CLI_MAX_IDX_BYTES);
        idx.shape.dims[i] = size;
        n_wanted *= size;
    }
    CLI_CHECK(bytes->n - n_head == n_wanted, PITH_STATUS_FORMAT, "%zu bytes of elements, the sizes want %zu",
              bytes->n - n_head, n_wanted);
    idx.data = head + n_head;
    *idx_out = idx;
    return PITH_OK;
}

pith_status cli_idx_to_tensor(const cli_idx *idx, cli_tensor *tensor_out)
{
    CLI_TRY(cli_tensor_make(idx->dtype, &idx->shape, tensor_out));
    const uint16_t one = 1;
    const size_t size = pith_dtype_bytes(idx->dtype), n_bytes = pith_tensor_bytes(&tensor_out->view);
    const size_t flip = *(const uint8_t *)&one == 1 ? size - 1 : 0; /* the file is big-endian */
    uint8_t *to = tensor_out->view.data;
    for (size_t i = 0; i < n_bytes; i++) {
        to[i] = idx->data[i ^ flip]; /* sizes are powers of two */
    }
    return PITH_OK;
}

pith_status cli_idx_read(const char *path, cli_bytes *bytes_out)
{
    CLI_TRY(cli_file_read(path, bytes_out));
    if (is_gzip(bytes_out->data, bytes_out->n)) {
        CLI_TRY_AT(unpack(bytes_out), "'%s'", path);
    }
    return PITH_OK;
}

bool cli_idx_peek(const char *path, int *rank_out)
{
    uint8_t packed[PEEK], head[4] = { 0 };
    FILE *file = fopen(path, "rb");
    const size_t n = file ? fread(packed, 1, sizeof packed, file) : 0;
    if (file) {
        fclose(file);
    }
    const bool is_packed = is_gzip(packed, n);
    if (is_packed ? !unpack_head(path, packed, n, head) : n < sizeof head) {
        return false;
    }
    if (!is_packed) {
        memcpy(head, packed, sizeof head);
    }
    *rank_out = head[3];
    return is_idx_head(head, sizeof head);
}
