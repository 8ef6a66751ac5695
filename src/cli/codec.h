/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders for the operator ImageDecoder, each around a library that may be absent. */
#ifndef PITH_CLI_CODEC_H
#define PITH_CLI_CODEC_H

#include <stdint.h>

#include "pith/image.h"

/* Sets those that this build has. */
void cli_codecs_set(pith_ctx *ctx);

pith_image_decode_fn cli_codec_jpeg, cli_codec_jpeg2000, cli_codec_png, cli_codec_tiff, cli_codec_webp;

#endif
