/* SPDX-License-Identifier: Apache-2.0 */
/* Task segment: a class for every pixel; the drawing lays class colours over the picture. */
#include "plane.h"

enum { MAX_CLASSES = 4096 };

static void report(const cli_result *result, const size_t *counts, int n_classes, size_t n_pixels)
{
    cli_json *json = result->json;
    if (json) {
        cli_json_list(json, "classes");
    }
    for (int i = 0; i < n_classes; i++) {
        char scratch[32];
        double share = (double)counts[i] / (double)n_pixels;
        const char *label = cli_label(result->labels, i, scratch);
        if (counts[i] == 0) {
            continue;
        }
        if (json) {
            cli_json_object(json, NULL);
            cli_json_whole(json, "class", i);
            cli_json_text(json, "label", label);
            cli_json_number(json, "share", share);
            cli_json_end(json);
        } else {
            printf("  %6.2f %% of the pixels  %s\n", 100.0 * share, label);
        }
    }
    if (json) {
        cli_json_end(json);
    }
}

/* Half of each pixel from its class, class 0 left as it is. */
static void overlay(const cli_result *result, const cli_plane *plane, double threshold)
{
    cli_image *drawing = result->drawing;
    const cli_placement *placement = &result->placement;
    double to_plane_x = (double)plane->width / placement->width;
    double to_plane_y = (double)plane->height / placement->height;
    for (int y = 0; y < drawing->height; y++) {
        int from_y = (int)(((y + 0.5) * placement->scale_y + placement->top) * to_plane_y);
        for (int x = 0; x < drawing->width; x++) {
            int from_x = (int)(((x + 0.5) * placement->scale_x + placement->left) * to_plane_x);
            bool is_inside = from_x >= 0 && from_x < plane->width && from_y >= 0 && from_y < plane->height;
            int class_index = is_inside ? cli_plane_class(plane, from_x, from_y, threshold) : 0;
            if (class_index > 0) {
                uint8_t *pixel = drawing->pixels + ((size_t)y * (size_t)drawing->width + (size_t)x) * 3;
                cli_rgb colour = cli_class_colour(class_index);
                pixel[0] = (uint8_t)((pixel[0] + colour.r) / 2);
                pixel[1] = (uint8_t)((pixel[1] + colour.g) / 2);
                pixel[2] = (uint8_t)((pixel[2] + colour.b) / 2);
            }
        }
    }
}

static pith_status show(const cli_result *result)
{
    const pith_tensor *output = pith_session_output(result->net->session, 0);
    cli_plane plane;
    size_t *counts;
    CLI_TRY(cli_plane_of(output, result->settings->layout, &plane));
    CLI_CHECK(plane.channels <= MAX_CLASSES, PITH_STATUS_LIMIT, "%d classes are more than %d", plane.channels,
              MAX_CLASSES);
    int n_classes = plane.channels == 1 ? 2 : plane.channels;
    double threshold = cli_plane_threshold(output);
    CLI_TRY(cli_alloc((size_t)n_classes, sizeof *counts, (void **)&counts));
    for (int y = 0; y < plane.height; y++) {
        for (int x = 0; x < plane.width; x++) {
            counts[cli_plane_class(&plane, x, y, threshold)]++;
        }
    }
    report(result, counts, n_classes, (size_t)plane.width * (size_t)plane.height);
    cli_free(counts);
    if (!result->drawing) {
        return PITH_OK;
    }
    CLI_CHECK(result->picture, PITH_STATUS_ARG, "there is no picture to draw on");
    CLI_TRY(cli_image_to_channels(result->picture, 3, result->drawing));
    overlay(result, &plane, threshold);
    return PITH_OK;
}

const cli_task cli_task_segment = { .name = "segment", .help = "a class for every pixel; --draw lays them over",
                                    .show = show };
