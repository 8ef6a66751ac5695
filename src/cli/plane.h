/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs that are pictures: [1, C, H, W] or [1, H, W, C], with or without the batch. */
#ifndef PITH_CLI_PLANE_H
#define PITH_CLI_PLANE_H

#include "task.h"

typedef struct cli_plane {
    const pith_tensor *tensor;
    int width, height, channels;
    bool is_nhwc;
} cli_plane;

/* The layout setting decides; left open, the smaller of first and last dimension counts the channels. */
pith_status cli_plane_of(const pith_tensor *tensor, int layout, cli_plane *plane_out);
double cli_plane_get(const cli_plane *plane, int x, int y, int channel);
/* Fails, and says where, if a value is NaN or infinite; `what` is the name for it. */
pith_status cli_plane_need_finite(const cli_plane *plane, const char *what);
/* Pixel = value * this: 255 if all are within -2..2, else 1. */
double cli_plane_guess_scale(const pith_tensor *tensor);
/* Pixel = value * this: values of 0..1 are spread over the pixels, others are taken as pixels, unless output_scale
 * says. */
double cli_plane_pixel_scale(const cli_preprocess *settings, const pith_tensor *output);
/* Of one channel: 0.5 for probabilities, 0 for logits. */
double cli_plane_threshold(const pith_tensor *output);
/* One channel: foreground where the value is above the threshold. More: the best channel. */
int cli_plane_class(const cli_plane *plane, int x, int y, double threshold);

#endif
