/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders of pictures for the operator ImageDecoder. The library needs libc alone, so it reads BMP and PNM itself;
 * for the other formats the program hands over functions, usually a few lines around libjpeg, libpng and their like
 * (the tool's are in src/cli/codec_*.c). */
#ifndef PITH_IMAGE_H
#define PITH_IMAGE_H

#include "pith/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Formats that need a decoder. */
typedef enum pith_image_format {
    PITH_IMAGE_JPEG,
    PITH_IMAGE_JPEG2000,
    PITH_IMAGE_PNG,
    PITH_IMAGE_TIFF,
    PITH_IMAGE_WEBP,
    PITH_IMAGE_FORMAT_COUNT
} pith_image_format;

/**
 * Reads a picture; called from any thread, twice for each picture.
 *
 * @param data    `n_bytes` of an encoded picture whose first bytes are those of the format.
 * @param size    Receives {height, width}, both at least 1.
 * @param pixels  NULL: only the size is wanted. Else height * width * 3 bytes of room for 8-bit red, green, blue;
 *                transparency is left out, grey is given three times. `size` then is what the first call gave.
 * @return 1 if the picture could be read, else 0; the operator then gives an empty picture, as ONNX wants.
 */
typedef int(pith_image_decode_fn)(const void *data, size_t n_bytes, int64_t size[2], uint8_t *pixels);

/**
 * Sets the decoder of a format for models of this context; NULL takes it away. A model that meets a picture of a
 * format without decoder fails with PITH_STATUS_UNSUPPORTED.
 * @retval PITH_STATUS_ARG  There is no such format.
 */
pith_status pith_ctx_set_image_decoder(pith_ctx *ctx, pith_image_format format, pith_image_decode_fn *decode);

#ifdef __cplusplus
}
#endif
#endif
