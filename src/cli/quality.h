/* SPDX-License-Identifier: Apache-2.0 */
/* Planes of real-valued pixels (0..255), made smaller and compared as papers on super-resolution do. */
#ifndef PITH_CLI_QUALITY_H
#define PITH_CLI_QUALITY_H

#include "image.h"

typedef struct cli_pixels {
    int width, height;
    double *items; /* rows from the top; freed with cli_free() */
} cli_pixels;

pith_status cli_pixels_make(int width, int height, cli_pixels *pixels_out);
/* Bicubic (Keys, IEEE TASSP 29, 1981, a = -1/2), widened when it shrinks, borders mirrored: MATLAB's imresize. */
pith_status cli_pixels_bicubic(const cli_pixels *from, int width, int height, cli_pixels *pixels_out);
/* Luma of ITU-R BT.601 in 16..235, as MATLAB's rgb2ycbcr gives it for 8-bit pixels, not rounded. */
double cli_luma(double red, double green, double blue);
/* To whole numbers from 0 to 255. */
void cli_pixels_round(cli_pixels *pixels);
/* Mean squared difference, `border` pixels at each edge left out. */
double cli_mean_square(const cli_pixels *a, const cli_pixels *b, int border);
/* 10 log10(255^2 / mean squared difference) in dB, 100 at most, which equal pictures have; NaN of NaN. */
double cli_psnr(double mean_square);
/* Mean structural similarity (Wang et al., IEEE TIP 13, 2004): Gaussian windows of 11x11, sigma 1.5, where they lie
 * fully inside; fails if none does. */
pith_status cli_ssim(const cli_pixels *a, const cli_pixels *b, int border, double *ssim_out);

#endif
