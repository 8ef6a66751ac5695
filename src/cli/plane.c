/* SPDX-License-Identifier: Apache-2.0 */
/* Reading outputs that are pictures. */
#include "plane.h"

#include <math.h>

pith_status cli_plane_of(const pith_tensor *tensor, int layout, cli_plane *plane_out)
{
    char text[CLI_SHAPE_BYTES];
    const pith_shape *shape = &tensor->shape;
    bool is_picture = shape->rank == 3 || (shape->rank == 4 && shape->dims[0] == 1);
    CLI_CHECK(is_picture && pith_shape_elements(shape) > 0, PITH_STATUS_SHAPE,
              "the output %s is no picture (channels, height, width)", cli_shape_text(shape, text));
    const int64_t *dims = shape->dims + shape->rank - 3;
    bool is_nhwc = layout == CLI_LAYOUT_NHWC || (layout == CLI_LAYOUT_AUTO && dims[2] < dims[0]);
    cli_plane plane = { .tensor = tensor, .is_nhwc = is_nhwc };
    int64_t width = dims[is_nhwc ? 1 : 2];
    int64_t height = dims[is_nhwc ? 0 : 1];
    int64_t channels = dims[is_nhwc ? 2 : 0];
    CLI_CHECK(width <= CLI_MAX_IMAGE_SIDE && height <= CLI_MAX_IMAGE_SIDE && channels <= 100000, PITH_STATUS_LIMIT,
              "the output %s is too large for a picture", cli_shape_text(shape, text));
    plane.width = (int)width;
    plane.height = (int)height;
    plane.channels = (int)channels;
    *plane_out = plane;
    return PITH_OK;
}

double cli_plane_get(const cli_plane *plane, int x, int y, int channel)
{
    size_t index = plane->is_nhwc
                       ? ((size_t)y * (size_t)plane->width + (size_t)x) * (size_t)plane->channels + (size_t)channel
                       : ((size_t)channel * (size_t)plane->height + (size_t)y) * (size_t)plane->width + (size_t)x;
    return cli_get(plane->tensor, index);
}

pith_status cli_plane_need_finite(const cli_plane *plane, const char *what)
{
    for (int y = 0; y < plane->height; y++) {
        for (int x = 0; x < plane->width; x++) {
            for (int c = 0; c < plane->channels; c++) {
                const double value = cli_plane_get(plane, x, y, c);
                CLI_CHECK(isfinite(value), PITH_STATUS_ARG,
                          "%s has %f in channel %d, row %d, column %d; a picture of it can't be judged", what, value, c,
                          y, x);
            }
        }
    }
    return PITH_OK;
}

double cli_plane_guess_scale(const pith_tensor *tensor)
{
    const size_t n = (size_t)pith_shape_elements(&tensor->shape);
    for (size_t i = 0; i < n; i++) {
        if (fabs(cli_get(tensor, i)) > 2.0) {
            return 1.0;
        }
    }
    return 255.0;
}

double cli_plane_pixel_scale(const cli_preprocess *settings, const pith_tensor *output)
{
    return settings->output_scale > 0.0 ? settings->output_scale : cli_plane_guess_scale(output);
}

int cli_plane_class(const cli_plane *plane, int x, int y, double threshold)
{
    if (plane->channels == 1) {
        return cli_plane_get(plane, x, y, 0) > threshold;
    }
    int best = 0;
    double best_value = cli_plane_get(plane, x, y, 0);
    for (int c = 1; c < plane->channels; c++) {
        double value = cli_plane_get(plane, x, y, c);
        if (value > best_value) {
            best_value = value;
            best = c;
        }
    }
    return best;
}

double cli_plane_threshold(const pith_tensor *output)
{
    size_t n = (size_t)pith_shape_elements(&output->shape);
    for (size_t i = 0; i < n; i++) {
        double value = cli_get(output, i);
        if (value < 0.0 || value > 1.0) {
            return 0.0;
        }
    }
    return 0.5;
}
