/* SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

void cli_codecs_set(pith_ctx *ctx)
{
    (void)ctx;
#if PITH_HAS_JPEG
    (void)pith_ctx_set_image_decoder(ctx, PITH_IMAGE_JPEG, cli_codec_jpeg);
#endif
#if PITH_HAS_OPENJPEG
    (void)pith_ctx_set_image_decoder(ctx, PITH_IMAGE_JPEG2000, cli_codec_jpeg2000);
#endif
#if PITH_HAS_PNG
    (void)pith_ctx_set_image_decoder(ctx, PITH_IMAGE_PNG, cli_codec_png);
#endif
#if PITH_HAS_TIFF
    (void)pith_ctx_set_image_decoder(ctx, PITH_IMAGE_TIFF, cli_codec_tiff);
#endif
#if PITH_HAS_WEBP
    (void)pith_ctx_set_image_decoder(ctx, PITH_IMAGE_WEBP, cli_codec_webp);
#endif
}
