/* SPDX-License-Identifier: Apache-2.0 */
/* Bitmaps after Microsoft's "Bitmap Storage": a file header of 14 bytes, an info header of 12 (OS/2) or 40 and more,
 * masks, a palette, and rows of whole 32-bit words from the bottom up. */
#include "ops/shared_image.h"

#define FILE_HEADER 14
#define MAX_EXTENT 1000000

enum { STORED_PLAIN, STORED_RLE8, STORED_RLE4, STORED_FIELDS, STORED_ALPHA_FIELDS = 6 };

typedef struct bitmap {
    const uint8_t *data;
    size_t n_bytes, pixels_at, palette_at;
    int64_t height, width;
    uint32_t n_bits, stored, n_colours, colour_bytes;
    uint32_t masks[3]; /* red, green, blue of 16 and 32 bits */
    bool is_top_down;
} bitmap;

/* `count` bytes from `at`, lowest first; 0 beyond the end. */
static uint32_t word(const bitmap *b, size_t at, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count && at + (size_t)i < b->n_bytes; i++) {
        value |= (uint32_t)b->data[at + (size_t)i] << (8 * i);
    }
    return value;
}

static void read_masks(bitmap *b, size_t header_bytes)
{
    static const uint32_t of_16[3] = { 0x7c00, 0x03e0, 0x001f }, of_32[3] = { 0xff0000, 0x00ff00, 0x0000ff };
    const bool has_masks = b->stored == STORED_FIELDS || b->stored == STORED_ALPHA_FIELDS;
    for (size_t k = 0; k < 3; k++) {
        b->masks[k] = has_masks ? word(b, FILE_HEADER + 40 + 4 * k, 4) : b->n_bits == 16 ? of_16[k] : of_32[k];
    }
    b->palette_at = FILE_HEADER + header_bytes;
    if (has_masks && header_bytes == 40) { /* the masks follow the header instead of lying in it */
        b->palette_at += b->stored == STORED_FIELDS ? 12 : 16;
    }
}

static bool read_header(bitmap *b)
{
    const size_t header_bytes = word(b, FILE_HEADER, 4);
    const bool is_old = header_bytes == 12;
    if (b->n_bytes < FILE_HEADER + 12 || (!is_old && (header_bytes < 40 || b->n_bytes < FILE_HEADER + 40))) {
        return false;
    }
    b->pixels_at = word(b, 10, 4);
    const int64_t height = is_old ? (int64_t)word(b, 20, 2) : (int64_t)(int32_t)word(b, 22, 4);
    b->width = is_old ? (int64_t)word(b, 18, 2) : (int64_t)(int32_t)word(b, 18, 4);
    b->is_top_down = height < 0;
    b->height = height < 0 ? -height : height;
    b->n_bits = word(b, is_old ? 24 : 28, 2);
    b->stored = is_old ? STORED_PLAIN : word(b, 30, 4);
    b->colour_bytes = is_old ? 3 : 4;
    b->n_colours = is_old ? 0 : word(b, 46, 4);
    if (b->n_bits <= 8 && (b->n_colours == 0 || b->n_colours > 1u << b->n_bits)) {
        b->n_colours = 1u << b->n_bits;
    }
    read_masks(b, header_bytes);
    const bool is_known = b->n_bits == 1 || b->n_bits == 4 || b->n_bits == 8 || b->n_bits == 16 || b->n_bits == 24 ||
                          b->n_bits == 32;
    const bool fits = b->stored == STORED_PLAIN || (b->stored == STORED_RLE8 && b->n_bits == 8) ||
                      (b->stored == STORED_RLE4 && b->n_bits == 4) ||
                      ((b->stored == STORED_FIELDS || b->stored == STORED_ALPHA_FIELDS) && b->n_bits >= 16);
    return is_known && fits && b->width > 0 && b->width <= MAX_EXTENT && b->height > 0 && b->height <= MAX_EXTENT;
}

static void set_colour(const bitmap *b, uint32_t index, uint8_t *pixel)
{
    const size_t at = b->palette_at + (size_t)index * b->colour_bytes;
    const uint32_t colour = index < b->n_colours ? word(b, at, 3) : 0;
    for (int k = 0; k < 3; k++) {
        pixel[k] = (uint8_t)(colour >> (16 - 8 * k));
    }
}

/* The bits of a mask, stretched to 0..255. */
static uint8_t field(uint32_t value, uint32_t mask)
{
    if (mask == 0) {
        return 0;
    }
    while (!(mask & 1)) {
        mask >>= 1;
        value >>= 1;
    }
    return (uint8_t)((uint64_t)(value & mask) * 255 / mask);
}

static void read_pixel(const bitmap *b, size_t row_at, int64_t column, uint8_t *pixel)
{
    if (b->n_bits <= 8) {
        const size_t bit = (size_t)column * b->n_bits;
        const uint32_t byte = word(b, row_at + bit / 8, 1);
        set_colour(b, byte >> (8 - b->n_bits - bit % 8) & ((1u << b->n_bits) - 1), pixel);
        return;
    }
    const uint32_t value = word(b, row_at + (size_t)column * (b->n_bits / 8), (int)b->n_bits / 8);
    for (int k = 0; k < 3; k++) {
        const int level = b->n_bits == 24 ? (int)(value >> (16 - 8 * k) & 255u) : field(value, b->masks[k]);
        pixel[k] = (uint8_t)level;
    }
}

static uint8_t *row_of(const bitmap *b, int64_t row, uint8_t *pixels)
{
    return pixels + (b->is_top_down ? row : b->height - 1 - row) * b->width * 3;
}

static bool read_rows(const bitmap *b, uint8_t *pixels)
{
    const size_t row_bytes = ((size_t)b->width * b->n_bits + 31) / 32 * 4;
    if (b->pixels_at > b->n_bytes || (b->n_bytes - b->pixels_at) / row_bytes < (size_t)b->height) {
        return false;
    }
    for (int64_t row = 0; row < b->height; row++) {
        uint8_t *to = row_of(b, row, pixels);
        for (int64_t column = 0; column < b->width; column++) {
            read_pixel(b, b->pixels_at + (size_t)row * row_bytes, column, to + 3 * column);
        }
    }
    return true;
}

/* One coded run or stretch of literal pixels: `count` indices, from `at` in the file. */
static void put_run(const bitmap *b, size_t at, bool is_literal, int count, int64_t place[2], uint8_t *pixels)
{
    for (int i = 0; i < count; i++, place[1]++) {
        const bool is_half = b->stored == STORED_RLE4;
        const uint32_t byte = word(b, at + (is_literal ? (size_t)(is_half ? i / 2 : i) : 0), 1);
        if (place[1] < b->width && place[0] < b->height) {
            set_colour(b, !is_half ? byte : i % 2 ? byte & 15 : byte >> 4, row_of(b, place[0], pixels) + 3 * place[1]);
        }
    }
}

/* Pairs (count, index); count 0 escapes: 0 end of row, 1 end, 2 a step, n >= 3 literal indices. */
static bool read_runs(const bitmap *b, uint8_t *pixels)
{
    int64_t place[2] = { 0, 0 };
    size_t at = b->pixels_at;
    for (int64_t i = 0; i < b->height * b->width; i++) { /* what no run covers has the first colour */
        set_colour(b, 0, pixels + 3 * i);
    }
    while (at + 1 < b->n_bytes) {
        const int count = b->data[at], code = b->data[at + 1];
        at += 2;
        if (count > 0) {
            put_run(b, at - 1, false, count, place, pixels);
        } else if (code == 0) {
            place[0]++;
            place[1] = 0;
        } else if (code == 1) {
            return true;
        } else if (code == 2) {
            place[1] += word(b, at, 1);
            place[0] += word(b, at + 1, 1);
            at += 2;
        } else {
            const size_t n = (size_t)(b->stored == STORED_RLE4 ? (code + 1) / 2 : code);
            if (at + n > b->n_bytes) {
                return false;
            }
            put_run(b, at, true, code, place, pixels);
            at += (n + 1) & ~(size_t)1;
        }
    }
    return false; /* no end */
}

int pithi_image_bmp(const void *data, size_t n_bytes, int64_t size[2], uint8_t *pixels)
{
    bitmap b = { .data = data, .n_bytes = n_bytes };
    if (!read_header(&b) || (pixels && (size[0] != b.height || size[1] != b.width))) {
        return 0;
    }
    size[0] = b.height;
    size[1] = b.width;
    if (!pixels) {
        return 1;
    }
    return b.stored == STORED_RLE8 || b.stored == STORED_RLE4 ? read_runs(&b, pixels) : read_rows(&b, pixels);
}
