/* SPDX-License-Identifier: Apache-2.0 */
/* Weights that lie elsewhere than in the text: in a file, or in the package around it, there in any number of bits. */
#include "import/text/text.h"

typedef struct place {
    const unsigned char *data; /* of the file or the package's weights */
    size_t data_bytes;
    uint64_t offset;
    uint64_t n_bits;           /* of each element, lowest first; 0: as the dtype has them */
    int64_t low;               /* the number that code 0 stands for */
} place;

/* "0:1234", the file's number and the first byte; behind it "/5,-16" where elements have fewer bits than usual. */
static pith_status read_place(pithi_text_reader *reader, place *at)
{
    pithi_scan *scan = &reader->scan;
    uint64_t file = 0;
    const size_t n_files = reader->weights ? 1 : reader->info->n_external_files;
    PITH_TRY(pithi_scan_u64(scan, &file));
    PITH_TRY(pithi_scan_expect(scan, ':'));
    PITH_TRY(pithi_scan_u64(scan, &at->offset));
    if (file >= n_files) {
        return pithi_scan_fail(scan, "file %llu isn't among the %zu that the text names", (unsigned long long)file,
                               n_files);
    }
    at->data = reader->weights ? reader->weights->data : reader->info->external_files[file].data;
    at->data_bytes = reader->weights ? reader->weights->n_bytes : reader->info->external_files[file].n_bytes;
    if (reader->weights && pithi_scan_take(scan, '/')) {
        PITH_TRY(pithi_scan_u64(scan, &at->n_bits));
        PITH_TRY(pithi_scan_expect(scan, ','));
        PITH_TRY(pithi_scan_s64(scan, &at->low));
        if (at->n_bits < 1 || at->n_bits > 7) {
            return pithi_scan_fail(scan, "%llu bits an element; 1 to 7 are allowed", (unsigned long long)at->n_bits);
        }
    }
    return PITH_OK;
}

static pith_status check_inside(const pithi_text_reader *reader, const place *at, size_t n_bytes)
{
    if (n_bytes > at->data_bytes || at->offset > at->data_bytes - n_bytes) {
        return pithi_scan_fail(&reader->scan, "%zu bytes at %llu lie outside of the weights, which have %zu", n_bytes,
                               (unsigned long long)at->offset, at->data_bytes);
    }
    return PITH_OK;
}

static pith_status check_hash(pithi_text_reader *reader, const place *at, size_t n_bytes)
{
    uint64_t hash = 0;
    PITH_TRY(pithi_scan_expect(&reader->scan, '#'));
    PITH_TRY(pithi_scan_hash(&reader->scan, &hash));
    PITH_TRY(check_inside(reader, at, n_bytes));
    const uint64_t found = pithi_hash(PITHI_HASH_START, at->data + at->offset, n_bytes);
    if (found != hash) {
        return pithi_scan_fail(&reader->scan, "the bytes have the hash %016llx, not %016llx: the weights have changed",
                               (unsigned long long)found, (unsigned long long)hash);
    }
    return PITH_OK;
}

/* ---- other bits --------------------------------------------------------------------------- */

/* All codes stand for numbers of the dtype, whatever the bytes hold. */
static pith_status check_codes(const pithi_text_reader *reader, const place *at, const pith_tensor *tensor)
{
    const bool is_signed = tensor->dtype == PITH_DTYPE_S8 || tensor->dtype == PITH_DTYPE_S4;
    const bool is_there = is_signed || tensor->dtype == PITH_DTYPE_U8 || tensor->dtype == PITH_DTYPE_U4;
    const int64_t n_values = (int64_t)1 << pith_dtype_bits(tensor->dtype), lowest = is_signed ? -n_values / 2 : 0;
    if (!is_there || at->low < lowest || at->low >= lowest + n_values ||
        at->low + ((int64_t)1 << at->n_bits) > lowest + n_values) {
        return pithi_scan_fail(&reader->scan,
                               "%llu bits from %lld on don't fit %s; s8, u8, s4 and u4 can have fewer bits",
                               (unsigned long long)at->n_bits, (long long)at->low, pith_dtype_name(tensor->dtype));
    }
    return PITH_OK;
}

static void unpack(const place *at, int64_t count, pith_tensor *tensor)
{
    const unsigned char *from = at->data + at->offset;
    const unsigned n_bits = (unsigned)at->n_bits, mask = (1u << n_bits) - 1;
    const bool is_byte = pith_dtype_bytes(tensor->dtype) == 1;
    const unsigned low = (unsigned)at->low; /* its low bits, in two's complement */
    unsigned word = 0, n_held = 0;
    for (int64_t i = 0; i < count; i++) {
        if (n_held < n_bits) {
            word |= (unsigned)*from++ << n_held;
            n_held += 8;
        }
        const unsigned value = (word & mask) + low;
        if (is_byte) {
            ((unsigned char *)tensor->data)[i] = (unsigned char)value;
        } else {
            pithi_tensor_set_code(tensor, i, value & 15);
        }
        word >>= n_bits;
        n_held -= n_bits;
    }
}

static pith_status read_codes(pithi_text_reader *reader, pith_graph *graph, const place *at, pith_tensor *tensor,
                              size_t n_bytes)
{
    const int64_t count = pith_shape_elements(&tensor->shape);
    PITH_TRY(check_codes(reader, at, tensor)); /* so n_bytes has at least 4 bits an element, and nothing overflows */
    PITH_TRY(check_inside(reader, at, (size_t)count / 8 * at->n_bits + ((size_t)count % 8 * at->n_bits + 7) / 8));
    PITH_TRY(pithi_arena_alloc(&graph->arena, n_bytes + !n_bytes, &tensor->data));
    unpack(at, count, tensor);
    return PITH_OK;
}

/* ---- data --------------------------------------------------------------------------------- */

pith_status pithi_text_place(pithi_text_reader *reader, pith_graph *graph, pith_tensor *tensor, size_t n_bytes)
{
    place at = { .offset = 0 };
    PITH_TRY(read_place(reader, &at));
    if (at.n_bits) {
        return read_codes(reader, graph, &at, tensor, n_bytes);
    }
    PITH_TRY(reader->weights ? check_inside(reader, &at, n_bytes) : check_hash(reader, &at, n_bytes));
    size_t alignment = pith_dtype_bytes(tensor->dtype);
    alignment = alignment == 0 ? 1 : alignment > 8 ? 8 : alignment;
    tensor->data = (void *)(uintptr_t)(at.data + at.offset);
    if ((uintptr_t)tensor->data % alignment != 0) {
        PITH_TRY(pithi_arena_alloc(&graph->arena, n_bytes, &tensor->data));
        memcpy(tensor->data, at.data + at.offset, n_bytes);
    }
    return pithi_text_check_bools(reader, tensor, n_bytes);
}
