/* SPDX-License-Identifier: Apache-2.0 */
/* Task image: the first output is a picture (super-resolution, denoising, style). */
#include <math.h>

#include "plane.h"

static void fill(const cli_plane *plane, double scale, bool is_bgr, cli_image *image)
{
    uint8_t *pixel = image->pixels;
    for (int y = 0; y < plane->height; y++) {
        for (int x = 0; x < plane->width; x++) {
            for (int c = 0; c < image->channels; c++) {
                double value = cli_plane_get(plane, x, y, is_bgr ? image->channels - 1 - c : c) * scale;
                *pixel++ = (uint8_t)(value > 0.0 ? fmin(rint(value), 255.0) : 0.0);
            }
        }
    }
}

static pith_status show(const cli_result *result)
{
    const pith_tensor *output = pith_session_output(result->net->session, 0);
    cli_plane plane;
    CLI_TRY(cli_plane_of(output, result->settings->layout, &plane));
    CLI_CHECK(plane.channels == 1 || plane.channels == 3, PITH_STATUS_SHAPE,
              "task image needs 1 or 3 channels, the output has %d", plane.channels);
    double scale = cli_plane_pixel_scale(result->settings, output);
    if (result->json) {
        cli_json_whole(result->json, "width", plane.width);
        cli_json_whole(result->json, "height", plane.height);
        cli_json_whole(result->json, "channels", plane.channels);
        cli_json_number(result->json, "output_scale", scale);
    } else {
        printf("  picture of %d x %d, %d channel%s, pixel = value * %g\n", plane.width, plane.height, plane.channels,
               plane.channels == 1 ? "" : "s", scale);
    }
    if (result->drawing) {
        CLI_TRY(cli_image_make(plane.width, plane.height, plane.channels, 0, result->drawing));
        fill(&plane, scale, result->settings->color == CLI_COLOR_BGR && plane.channels == 3, result->drawing);
    }
    return PITH_OK;
}

const cli_task cli_task_image = { .name = "image", .help = "the first output is a picture; save it with --draw",
                                  .show = show };
