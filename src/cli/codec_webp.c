/* SPDX-License-Identifier: Apache-2.0 */
/* WebP through libwebp. */
#include "codec.h"

#if PITH_HAS_WEBP
#include <webp/decode.h>

int cli_codec_webp(const void *data, size_t n_bytes, int64_t size[2], uint8_t *pixels)
{
    int height = 0, width = 0;
    if (!WebPGetInfo(data, n_bytes, &width, &height) || (pixels && (size[0] != height || size[1] != width))) {
        return 0;
    }
    size[0] = height;
    size[1] = width;
    return !pixels || WebPDecodeRGBInto(data, n_bytes, pixels, (size_t)height * (size_t)width * 3, width * 3) != NULL;
}
#else
typedef int cli_no_codec_webp; /* a translation unit must not be empty */
#endif
