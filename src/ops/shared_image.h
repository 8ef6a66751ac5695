/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that pith reads by itself, as pith_image_decode_fn. */
#ifndef PITH_OPS_SHARED_IMAGE_H
#define PITH_OPS_SHARED_IMAGE_H

#include "base/base.h"
#include "pith/image.h"

/* Windows and OS/2 bitmaps: 1, 4, 8, 16, 24 and 32 bits, palettes, bit fields, run lengths, both directions. */
pith_image_decode_fn pithi_image_bmp;
/* PBM, PGM and PPM, in text and in binary (P1 to P6), up to 16 bits. */
pith_image_decode_fn pithi_image_pnm;

#endif
