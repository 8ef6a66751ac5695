/* SPDX-License-Identifier: Apache-2.0 */
/* Zip archives as npz files use them: central directory, stored or deflated entries, zip64 sizes. */
#include "file.h"

#if PITH_HAS_ZLIB
#include <zlib.h>

/* Raw deflate into exactly entry->n_bytes bytes. */
static pith_status inflate_entry(const cli_zip_entry *entry, uint8_t *to)
{
    z_stream stream = { 0 };
    CLI_CHECK(inflateInit2(&stream, -MAX_WBITS) == Z_OK, PITH_STATUS_NOMEM, "zlib can't begin");
    size_t n_in = entry->n_packed;
    size_t n_out = entry->n_bytes;
    int result = Z_OK;
    stream.next_in = (Bytef *)(uintptr_t)entry->data;
    stream.next_out = to;
    while (result == Z_OK) { /* zlib counts in 32 bits */
        uInt in_now = (uInt)(n_in < 1u << 30 ? n_in : 1u << 30);
        uInt out_now = (uInt)(n_out < 1u << 30 ? n_out : 1u << 30);
        stream.avail_in = in_now;
        stream.avail_out = out_now;
        result = inflate(&stream, Z_NO_FLUSH);
        n_in -= in_now - stream.avail_in;
        n_out -= out_now - stream.avail_out;
    }
    inflateEnd(&stream);
    CLI_CHECK(result == Z_STREAM_END && n_out == 0, PITH_STATUS_FORMAT,
              "zip: entry '%.*s' doesn't unpack to its %zu bytes", (int)entry->n_name, entry->name, entry->n_bytes);
    return PITH_OK;
}
#else
static pith_status inflate_entry(const cli_zip_entry *entry, uint8_t *to)
{
    (void)to;
    return cli_fail(PITH_STATUS_UNSUPPORTED,
                    "zip: entry '%.*s' is compressed, and this tool was built without zlib; store it "
                    "uncompressed (numpy.savez) or build with zlib", (int)entry->n_name, entry->name);
}
#endif

/* CRC-32 of ISO 3309, reflected polynomial 0xedb88320. */
static uint32_t crc32_of(const uint8_t *data, size_t n_bytes)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) {
            table[i] = table[i] >> 1 ^ (table[i] & 1u ? 0xedb88320u : 0u);
        }
    }
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n_bytes; i++) {
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 255u];
    }
    return ~crc;
}

enum { N_END = 22, N_CENTRAL = 46, N_LOCAL = 30, N_END64 = 56, N_LOCATOR64 = 20 };

/* Position of the end record, which a comment of up to 64 KiB may follow. */
static bool find_end(const uint8_t *data, size_t n_bytes, size_t *at_out)
{
    for (size_t back = N_END; back <= n_bytes && back <= N_END + 65535u; back++) {
        if (cli_read_le(data + n_bytes - back, 4) == 0x06054b50u) {
            *at_out = n_bytes - back;
            return true;
        }
    }
    return false;
}

/* Replaces fields that are all ones by the 64-bit ones of extra field 1. */
static pith_status read_zip64(const uint8_t *extra, size_t n_extra, uint64_t *values[3], const bool wanted[3])
{
    while (n_extra >= 4) {
        size_t n_field = (size_t)cli_read_le(extra + 2, 2);
        CLI_CHECK(n_field <= n_extra - 4, PITH_STATUS_FORMAT, "zip: an extra field is longer than its entry");
        if (cli_read_le(extra, 2) == 1) {
            size_t at = 0;
            for (int i = 0; i < 3; i++) {
                if (wanted[i]) {
                    CLI_CHECK(at + 8 <= n_field, PITH_STATUS_FORMAT, "zip: the 64-bit sizes are cut off");
                    *values[i] = cli_read_le(extra + 4 + at, 8);
                    at += 8;
                }
            }
            return PITH_OK;
        }
        extra += 4 + n_field;
        n_extra -= 4 + n_field;
    }
    return PITH_OK;
}

/* Entry's data behind its local header at `offset`. */
static pith_status find_data(const uint8_t *data, size_t n_bytes, uint64_t offset, cli_zip_entry *entry)
{
    CLI_CHECK(offset <= n_bytes && n_bytes - offset >= N_LOCAL && cli_read_le(data + offset, 4) == 0x04034b50u,
              PITH_STATUS_FORMAT, "zip: entry '%.*s' isn't where the directory says", (int)entry->n_name, entry->name);
    uint64_t start = offset + N_LOCAL + cli_read_le(data + offset + 26, 2) + cli_read_le(data + offset + 28, 2);
    CLI_CHECK(start <= n_bytes && entry->n_packed <= n_bytes - start, PITH_STATUS_FORMAT,
              "zip: entry '%.*s' is longer than the file", (int)entry->n_name, entry->name);
    entry->data = data + start;
    return PITH_OK;
}

/* One record of the central directory at `at`; *n_record_out is its length. */
static pith_status parse_record(const uint8_t *data, size_t n_bytes, size_t at, cli_zip_entry *entry,
                                size_t *n_record_out)
{
    const uint8_t *record = data + at;
    CLI_CHECK(n_bytes - at >= N_CENTRAL && cli_read_le(record, 4) == 0x02014b50u, PITH_STATUS_FORMAT,
              "zip: the directory is broken");
    size_t n_name = (size_t)cli_read_le(record + 28, 2);
    size_t n_extra = (size_t)cli_read_le(record + 30, 2);
    size_t n_comment = (size_t)cli_read_le(record + 32, 2);
    CLI_CHECK(n_bytes - at - N_CENTRAL >= n_name + n_extra + n_comment, PITH_STATUS_FORMAT,
              "zip: the directory is cut off");
    uint64_t n_packed = cli_read_le(record + 20, 4);
    uint64_t n_plain = cli_read_le(record + 24, 4);
    uint64_t offset = cli_read_le(record + 42, 4);
    uint64_t *values[3] = { &n_plain, &n_packed, &offset };
    const bool wanted[3] = { n_plain == 0xffffffffu, n_packed == 0xffffffffu, offset == 0xffffffffu };
    CLI_TRY(read_zip64(record + N_CENTRAL + n_name, n_extra, values, wanted));
    *entry = (cli_zip_entry){
        .name = (const char *)record + N_CENTRAL, .n_name = n_name, .n_packed = (size_t)n_packed,
        .n_bytes = (size_t)n_plain, .method = (unsigned)cli_read_le(record + 10, 2),
        .crc = (uint32_t)cli_read_le(record + 16, 4),
    };
    CLI_CHECK((cli_read_le(record + 8, 2) & 1u) == 0, PITH_STATUS_UNSUPPORTED, "zip: entry '%.*s' is encrypted",
              (int)n_name, entry->name);
    *n_record_out = N_CENTRAL + n_name + n_extra + n_comment;
    return find_data(data, n_bytes, offset, entry);
}

/* Number of entries and place of the directory, from the 64-bit end record if there is one. */
static pith_status read_end(const uint8_t *data, size_t n_bytes, uint64_t *n_entries, uint64_t *directory)
{
    size_t end;
    CLI_CHECK(n_bytes >= N_END && find_end(data, n_bytes, &end), PITH_STATUS_FORMAT,
              "zip: no directory at the end; the file is no archive or was cut off");
    *n_entries = cli_read_le(data + end + 10, 2);
    *directory = cli_read_le(data + end + 16, 4);
    if (end >= N_LOCATOR64 && cli_read_le(data + end - N_LOCATOR64, 4) == 0x07064b50u) {
        uint64_t end64 = cli_read_le(data + end - N_LOCATOR64 + 8, 8);
        CLI_CHECK(n_bytes >= N_END64 && end64 <= n_bytes - N_END64 && cli_read_le(data + end64, 4) == 0x06064b50u,
                  PITH_STATUS_FORMAT, "zip: the 64-bit directory is broken");
        *n_entries = cli_read_le(data + end64 + 32, 8);
        *directory = cli_read_le(data + end64 + 48, 8);
    }
    CLI_CHECK(*directory <= n_bytes && *n_entries <= (n_bytes - *directory) / N_CENTRAL, PITH_STATUS_FORMAT,
              "zip: a directory of %llu entries doesn't fit the file", (unsigned long long)*n_entries);
    return PITH_OK;
}

pith_status cli_zip_parse(const uint8_t *data, size_t n_bytes, cli_zip_entry **entries_out, int *n_entries_out)
{
    uint64_t n_entries, directory;
    void *entries = NULL;
    pith_status status = PITH_OK;
    CLI_TRY(read_end(data, n_bytes, &n_entries, &directory));
    CLI_CHECK(n_entries <= 1000000, PITH_STATUS_LIMIT, "zip: more than a million entries");
    CLI_TRY(cli_alloc((size_t)n_entries, sizeof **entries_out, &entries));
    size_t at = (size_t)directory;
    for (uint64_t i = 0; i < n_entries; i++) {
        size_t n_record;
        CLI_TRY_GOTO(parse_record(data, n_bytes, at, &((cli_zip_entry *)entries)[i], &n_record), done);
        at += n_record;
    }
    *entries_out = entries;
    *n_entries_out = (int)n_entries;
    entries = NULL;
done:
    cli_free(entries);
    return status;
}

pith_status cli_zip_extract(const cli_zip_entry *entry, cli_bytes *bytes_out)
{
    cli_bytes bytes = { 0 };
    /* Deflate makes at most 1032 bytes of one: what claims more is no honest size. */
    CLI_CHECK(entry->n_bytes / 1032 <= entry->n_packed, PITH_STATUS_FORMAT,
              "zip: entry '%.*s' claims %zu bytes from %zu", (int)entry->n_name, entry->name, entry->n_bytes,
              entry->n_packed);
    CLI_CHECK(entry->method == 0 || entry->method == 8, PITH_STATUS_UNSUPPORTED,
              "zip: entry '%.*s' uses compression method %u; stored (0) and deflated (8) are known",
              (int)entry->n_name, entry->name, entry->method);
    CLI_CHECK(entry->method == 8 || entry->n_packed == entry->n_bytes, PITH_STATUS_FORMAT,
              "zip: stored entry '%.*s' has two sizes", (int)entry->n_name, entry->name);
    CLI_TRY(cli_grow((void **)&bytes.data, &bytes.capacity, entry->n_bytes + 1, 1));
    bytes.n = entry->n_bytes;
    pith_status status = PITH_OK;
    if (entry->method == 8) {
        status = inflate_entry(entry, bytes.data);
    } else {
        memcpy(bytes.data, entry->data, entry->n_bytes);
    }
    if (status == PITH_OK && crc32_of(bytes.data, bytes.n) != entry->crc) {
        status = cli_fail(PITH_STATUS_FORMAT, "zip: entry '%.*s' has a wrong checksum", (int)entry->n_name,
                          entry->name);
    }
    if (status != PITH_OK) {
        cli_bytes_free(&bytes);
        return status;
    }
    *bytes_out = bytes;
    return PITH_OK;
}

/* ---- npz ---------------------------------------------------------------------------------- */

static pith_status add_entry(const cli_zip_entry *entry, cli_tensors *list)
{
    cli_bytes bytes = { 0 };
    cli_tensor tensor = { 0 };
    size_t n_name = entry->n_name;
    if (n_name > 4 && memcmp(entry->name + n_name - 4, ".npy", 4) == 0) {
        n_name -= 4;
    }
    CLI_CHECK(!memchr(entry->name, 0, entry->n_name), PITH_STATUS_FORMAT, "npz: an entry's name holds a zero byte");
    CLI_TRY(cli_zip_extract(entry, &bytes));
    pith_status status = cli_npy_parse(bytes.data, bytes.n, &tensor);
    cli_bytes_free(&bytes);
    if (status != PITH_OK) {
        cli_add_place("entry '%.*s'", (int)n_name, entry->name);
        return status;
    }
    status = cli_tensor_set_name(&tensor, entry->name, n_name);
    if (status == PITH_OK) {
        status = cli_tensors_add(list, &tensor);
    }
    cli_tensor_free(&tensor);
    return status;
}

pith_status cli_npz_parse(const uint8_t *data, size_t n_bytes, cli_tensors *list)
{
    cli_zip_entry *entries;
    int n_entries;
    pith_status status = PITH_OK;
    CLI_TRY(cli_zip_parse(data, n_bytes, &entries, &n_entries));
    for (int i = 0; i < n_entries && status == PITH_OK; i++) {
        status = add_entry(&entries[i], list);
    }
    cli_free(entries);
    return status;
}

/* The 26 bytes that local and central header share, from "version needed" to the extra's length. */
static pith_status write_fields(cli_bytes *bytes, uint32_t crc, size_t n_bytes, size_t n_name)
{
    CLI_TRY(cli_bytes_add_le(bytes, 20, 2));         /* version 2.0 */
    CLI_TRY(cli_bytes_add_le(bytes, 0, 4));          /* flags, method: stored */
    CLI_TRY(cli_bytes_add_le(bytes, 0x00210000, 4)); /* time 0:00, date 1980-01-01: same input, same file */
    CLI_TRY(cli_bytes_add_le(bytes, crc, 4));
    CLI_TRY(cli_bytes_add_le(bytes, n_bytes, 4));
    CLI_TRY(cli_bytes_add_le(bytes, n_bytes, 4));
    CLI_TRY(cli_bytes_add_le(bytes, n_name, 2));
    return cli_bytes_add_le(bytes, 0, 2);
}

static pith_status write_entry(const cli_tensor *tensor, cli_bytes *bytes, cli_bytes *directory)
{
    cli_bytes array = { 0 };
    char *name = NULL;
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_text_format(&name, "%s.npy", tensor->name), done);
    CLI_TRY_GOTO(cli_npy_write(&tensor->view, &array), done);
    if (array.n >= 0xffffffffu - bytes->n) {
        status = cli_fail(PITH_STATUS_LIMIT, "npz: more than 4 GiB can't be written; use one .npy per output");
        goto done;
    }
    size_t offset = bytes->n;
    size_t n_name = strlen(name);
    uint32_t crc = crc32_of(array.data, array.n);
    CLI_TRY_GOTO(cli_bytes_add_le(bytes, 0x04034b50, 4), done);
    CLI_TRY_GOTO(write_fields(bytes, crc, array.n, n_name), done);
    CLI_TRY_GOTO(cli_bytes_add(bytes, name, n_name), done);
    CLI_TRY_GOTO(cli_bytes_add(bytes, array.data, array.n), done);

    CLI_TRY_GOTO(cli_bytes_add_le(directory, 0x02014b50, 4), done);
    CLI_TRY_GOTO(cli_bytes_add_le(directory, 20, 2), done);
    CLI_TRY_GOTO(write_fields(directory, crc, array.n, n_name), done);
    CLI_TRY_GOTO(cli_bytes_add_le(directory, 0, 6), done); /* comment, volume, attributes */
    CLI_TRY_GOTO(cli_bytes_add_le(directory, 0, 4), done);
    CLI_TRY_GOTO(cli_bytes_add_le(directory, offset, 4), done);
    CLI_TRY_GOTO(cli_bytes_add(directory, name, n_name), done);
done:
    cli_free(name);
    cli_bytes_free(&array);
    return status;
}

pith_status cli_npz_write(const cli_tensors *list, cli_bytes *bytes)
{
    cli_bytes directory = { 0 };
    pith_status status = PITH_OK;
    for (int i = 0; i < list->n; i++) {
        CLI_TRY_GOTO(write_entry(&list->items[i], bytes, &directory), done);
    }
    size_t offset = bytes->n;
    CLI_TRY_GOTO(cli_bytes_add(bytes, directory.data, directory.n), done);
    CLI_TRY_GOTO(cli_bytes_add_le(bytes, 0x06054b50, 4), done);
    CLI_TRY_GOTO(cli_bytes_add_le(bytes, 0, 4), done);
    CLI_TRY_GOTO(cli_bytes_add_le(bytes, (uint64_t)list->n, 2), done);
    CLI_TRY_GOTO(cli_bytes_add_le(bytes, (uint64_t)list->n, 2), done);
    CLI_TRY_GOTO(cli_bytes_add_le(bytes, directory.n, 4), done);
    CLI_TRY_GOTO(cli_bytes_add_le(bytes, offset, 4), done);
    CLI_TRY_GOTO(cli_bytes_add_le(bytes, 0, 2), done);
done:
    cli_bytes_free(&directory);
    return status;
}
