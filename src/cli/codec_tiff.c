/* SPDX-License-Identifier: Apache-2.0 */
/* TIFF, the first picture of a file, through libtiff. */
#include "codec.h"

#if PITH_HAS_TIFF
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

typedef struct tiff_bytes {
    const uint8_t *data;
    toff_t n_bytes, at;
} tiff_bytes;

static tsize_t read_bytes(thandle_t handle, tdata_t to, tsize_t n)
{
    tiff_bytes *in = (tiff_bytes *)handle;
    const toff_t left = in->at < in->n_bytes ? in->n_bytes - in->at : 0;
    const toff_t taken = n < 0 ? 0 : (toff_t)n < left ? (toff_t)n : left;
    if (taken > 0) {
        memcpy(to, in->data + in->at, (size_t)taken);
    }
    in->at += taken;
    return (tsize_t)taken;
}

static tsize_t write_nothing(thandle_t handle, tdata_t from, tsize_t n)
{
    (void)handle;
    (void)from;
    (void)n;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence)
{
    tiff_bytes *in = (tiff_bytes *)handle;
    in->at = offset + (whence == SEEK_CUR ? in->at : whence == SEEK_END ? in->n_bytes : 0);
    return in->at;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t length(thandle_t handle)
{
    return ((const tiff_bytes *)handle)->n_bytes;
}

static int read_pixels(TIFF *tiff, uint32_t height, uint32_t width, uint8_t *pixels)
{
    const size_t n_pixels = (size_t)height * width;
    uint32_t *words = malloc(n_pixels * sizeof *words);
    int is_read = words && TIFFReadRGBAImageOriented(tiff, width, height, words, ORIENTATION_TOPLEFT, 1);
    for (size_t i = 0; i < n_pixels && is_read; i++) {
        pixels[3 * i] = (uint8_t)TIFFGetR(words[i]);
        pixels[3 * i + 1] = (uint8_t)TIFFGetG(words[i]);
        pixels[3 * i + 2] = (uint8_t)TIFFGetB(words[i]);
    }
    free(words);
    return is_read;
}

int cli_codec_tiff(const void *data, size_t n_bytes, int64_t size[2], uint8_t *pixels)
{
    tiff_bytes in = { data, n_bytes, 0 };
    uint32_t height = 0, width = 0;
    TIFFSetErrorHandler(NULL); /* silent: what can't be read is told by the result */
    TIFFSetWarningHandler(NULL);
    TIFF *tiff = TIFFClientOpen("memory", "rm", (thandle_t)&in, read_bytes, write_nothing, seek, close_nothing, length,
                                NULL, NULL);
    int is_good = tiff && TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height) &&
                  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) && height > 0 && width > 0;
    is_good = is_good && (!pixels || (size[0] == height && size[1] == width));
    size[0] = height;
    size[1] = width;
    is_good = is_good && (!pixels || read_pixels(tiff, height, width, pixels));
    if (tiff) {
        TIFFClose(tiff);
    }
    return is_good;
}
#else
typedef int cli_no_codec_tiff; /* a translation unit must not be empty */
#endif
