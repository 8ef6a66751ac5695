/* SPDX-License-Identifier: Apache-2.0 */
/* PNG through libpng's simplified interface. */
#include "codec.h"

#if PITH_HAS_PNG
#include <stdlib.h>

#include <png.h>

/* Read with alpha, which is then dropped: libpng would blend it with a background. */
static int read_pixels(png_image *png, uint8_t *pixels)
{
    const size_t n_pixels = (size_t)png->width * png->height;
    uint8_t *rgba = malloc(n_pixels * 4);
    png->format = PNG_FORMAT_RGBA;
    int is_read = rgba && png_image_finish_read(png, NULL, rgba, 0, NULL);
    for (size_t i = 0; i < n_pixels && is_read; i++) {
        for (int k = 0; k < 3; k++) {
            pixels[3 * i + (size_t)k] = rgba[4 * i + (size_t)k];
        }
    }
    free(rgba);
    return is_read;
}

int cli_codec_png(const void *data, size_t n_bytes, int64_t size[2], uint8_t *pixels)
{
    png_image png = { .version = PNG_IMAGE_VERSION };
    int is_good = png_image_begin_read_from_memory(&png, data, n_bytes);
    is_good = is_good && (!pixels || (size[0] == png.height && size[1] == png.width));
    size[0] = png.height;
    size[1] = png.width;
    is_good = is_good && (!pixels || read_pixels(&png, pixels));
    png_image_free(&png);
    return is_good != 0;
}
#else
typedef int cli_no_codec_png; /* a translation unit must not be empty */
#endif
