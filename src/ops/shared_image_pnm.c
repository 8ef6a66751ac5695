/* SPDX-License-Identifier: Apache-2.0 */
/* Portable bitmaps, as the manual pages pbm(5), pgm(5) and ppm(5) of Netpbm describe them. */
#include "ops/shared_image.h"

#define MAX_EXTENT 1000000

typedef struct reader {
    const uint8_t *at, *end;
    bool is_good;
} reader;

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* White space and comments up to the end of their lines. */
static void skip_space(reader *in)
{
    while (in->at < in->end && (is_space(*in->at) || *in->at == '#')) {
        if (*in->at == '#') {
            while (in->at < in->end && *in->at != '\n' && *in->at != '\r') {
                in->at++;
            }
        } else {
            in->at++;
        }
    }
}

static int64_t read_number(reader *in)
{
    int64_t value = 0;
    skip_space(in);
    in->is_good = in->is_good && in->at < in->end && *in->at >= '0' && *in->at <= '9';
    while (in->is_good && in->at < in->end && *in->at >= '0' && *in->at <= '9') {
        value = value * 10 + (*in->at++ - '0');
        in->is_good = value <= MAX_EXTENT;
    }
    return value;
}

static int read_byte(reader *in)
{
    in->is_good = in->is_good && in->at < in->end;
    return in->is_good ? *in->at++ : 0;
}

/* One sample in [0, 255]. */
static uint8_t read_sample(reader *in, bool is_text, int64_t max)
{
    int64_t value = 0;
    if (is_text) {
        value = read_number(in);
    } else {
        value = read_byte(in);
        value = max > 255 ? value * 256 + read_byte(in) : value;
    }
    value = value > max ? max : value;
    return (uint8_t)((value * 255 * 2 + max) / (2 * max));
}

static void set_grey(uint8_t *pixel, uint8_t value)
{
    pixel[0] = pixel[1] = pixel[2] = value;
}

/* P1 and P4: 1 is black; binary rows begin at a byte. */
static void read_bits(reader *in, bool is_text, const int64_t size[2], uint8_t *pixels)
{
    for (int64_t row = 0; row < size[0]; row++) {
        int byte = 0;
        for (int64_t column = 0; column < size[1] && in->is_good; column++, pixels += 3) {
            if (is_text) {
                skip_space(in);
                byte = read_byte(in);
                in->is_good = in->is_good && (byte == '0' || byte == '1');
                set_grey(pixels, byte == '1' ? 0 : 255);
            } else {
                byte = column % 8 == 0 ? read_byte(in) : byte;
                set_grey(pixels, byte >> (7 - column % 8) & 1 ? 0 : 255);
            }
        }
    }
}

int pithi_image_pnm(const void *data, size_t n_bytes, int64_t size[2], uint8_t *pixels)
{
    reader in = { data, (const uint8_t *)data + n_bytes, n_bytes > 2 };
    const int kind = in.is_good ? in.at[1] - '0' : 0; /* 1 to 3 text, 4 to 6 binary: bits, grey, colours */
    const bool is_text = kind <= 3;
    if (kind < 1 || kind > 6) {
        return 0;
    }
    in.at += 2;
    const int64_t width = read_number(&in), height = read_number(&in);
    const int64_t max = kind % 3 == 1 ? 1 : read_number(&in);
    in.is_good = in.is_good && width > 0 && height > 0 && max > 0 && max <= 65535;
    if (!in.is_good || (pixels && (size[0] != height || size[1] != width))) {
        return 0;
    }
    size[0] = height;
    size[1] = width;
    if (!pixels) {
        return 1;
    }
    in.at += !is_text && in.at < in.end; /* the one white space before binary samples */
    if (kind % 3 == 1) {
        read_bits(&in, is_text, size, pixels);
    }
    for (int64_t i = 0; i < height * width && kind % 3 != 1 && in.is_good; i++) {
        set_grey(pixels + 3 * i, read_sample(&in, is_text, max));
        for (int k = 1; k < 3 && kind % 3 == 0; k++) {
            pixels[3 * i + k] = read_sample(&in, is_text, max);
        }
    }
    return in.is_good;
}
