/* SPDX-License-Identifier: Apache-2.0 */
/* IDX files (http://yann.lecun.com/exdb/mnist): two zero bytes, type, rank, sizes as big-endian 32-bit numbers,
 * elements. Only bytes are read, plain or gzipped (RFC 1952). */
#include "idx.h"

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
#else
static pith_status unpack(cli_bytes *bytes)
{
    (void)bytes;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "gzip needs a tool built with zlib; unpack the file first");
}
#endif

static uint32_t read_be32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

pith_status cli_idx_parse(const cli_bytes *bytes, int rank, uint32_t sizes_out[3], const uint8_t **data_out)
{
    const uint8_t *head = bytes->data;
    size_t n_head = 4 + 4 * (size_t)rank, n_elements = 1;
    CLI_CHECK(bytes->n >= n_head && head[0] == 0 && head[1] == 0 && head[2] == 8 && head[3] == rank,
              PITH_STATUS_FORMAT, "not an IDX file of bytes with %d dimensions", rank);
    for (int i = 0; i < rank; i++) {
        sizes_out[i] = read_be32(head + 4 + 4 * i);
        CLI_CHECK(sizes_out[i] > 0 && sizes_out[i] <= CLI_MAX_IDX_BYTES / n_elements, PITH_STATUS_FORMAT,
                  "size %u of dimension %d is 0, or the file would be larger than %zu bytes", sizes_out[i], i,
                  CLI_MAX_IDX_BYTES);
        n_elements *= sizes_out[i];
    }
    CLI_CHECK(bytes->n - n_head == n_elements, PITH_STATUS_FORMAT, "%zu bytes of elements, the sizes want %zu",
              bytes->n - n_head, n_elements);
    *data_out = head + n_head;
    return PITH_OK;
}

pith_status cli_idx_read(const char *path, cli_bytes *bytes_out)
{
    CLI_TRY(cli_file_read(path, bytes_out));
    if (bytes_out->n > 2 && bytes_out->data[0] == 0x1f && bytes_out->data[1] == 0x8b) {
        CLI_TRY_AT(unpack(bytes_out), "'%s'", path);
    }
    return PITH_OK;
}
