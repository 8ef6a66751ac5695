/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentation: intersection over union of each class over all pictures, its mean over the classes that occur, and the
 * share of pixels that are right; at the size of the masks, the class of the nearest point of the network's result.
 *
 * Masks are pictures whose grey value is the class; 255 doesn't count. With two classes every value above 127 is the
 * second if there is one above 1. They lie in --labels, or DATA/masks beside DATA/images, under the picture's name
 * with .png; or beside the picture as NAME_mask.png. */
#include "metric.h"
#include "plane.h"

enum { MAX_CLASSES = 255, IGNORED = 255 };
enum { N_RIGHT, N_ALL, PER_CLASS }; /* then intersection and union of each class */

typedef struct state {
    const cli_metric_source *source;
    int n_classes;
    cli_rows rows;
    double *sums;
} state;

static pith_status open_segments(void *self, cli_metric_source *source)
{
    state *s = self;
    s->source = source;
    CLI_CHECK(source->dataset->paths, PITH_STATUS_ARG, "segments need a folder of pictures as data");
    return PITH_OK;
}

static pith_status load_mask(const state *s, const char *path, cli_image *mask_out)
{
    const char *name = cli_base_name(path);
    char *tries[2] = { 0 };
    cli_image colour = { 0 };
    const char *folder = s->source->truth ? s->source->truth : s->source->data;
    pith_status status = cli_text_format(&tries[0], "%s%s/%.*s.png", folder, s->source->truth ? "" : "/masks",
                                         (int)cli_stem(name), name);
    if (status == PITH_OK) {
        status = cli_path_beside(path, "_mask.png", &tries[1]);
    }
    int found = tries[0] && cli_is_file(tries[0]) ? 0 : tries[1] && cli_is_file(tries[1]) ? 1 : -1;
    if (status == PITH_OK && found < 0) {
        status = cli_fail(PITH_STATUS_ARG, "no mask: neither '%s' nor '%s' exists", tries[0], tries[1]);
    }
    status = status == PITH_OK ? cli_image_load(tries[found], &colour) : status;
    status = status == PITH_OK ? cli_image_to_channels(&colour, 1, mask_out) : status;
    cli_image_free(&colour);
    cli_free(tries[0]);
    cli_free(tries[1]);
    return status;
}

static bool is_black_and_white(const cli_image *mask)
{
    bool has_more = false;
    for (size_t i = 0; i < (size_t)mask->width * (size_t)mask->height; i++) {
        has_more = has_more || mask->pixels[i] > 1;
    }
    return has_more;
}

static int true_class(uint8_t value, bool is_black_white)
{
    return is_black_white ? value > 127 : value == IGNORED ? -1 : value;
}

/* Where the mask's pixel lies in the network's result; the input may hold the picture with borders. */
static int found_class(const cli_result *result, const cli_plane *plane, const cli_image *mask, int x, int y,
                       double threshold)
{
    const cli_placement *placement = &result->placement;
    double picture_x = (x + 0.5) * result->picture->width / mask->width;
    double picture_y = (y + 0.5) * result->picture->height / mask->height;
    int at_x = (int)((picture_x * placement->scale_x + placement->left) * plane->width / placement->width);
    int at_y = (int)((picture_y * placement->scale_y + placement->top) * plane->height / placement->height);
    at_x = at_x < 0 ? 0 : at_x < plane->width ? at_x : plane->width - 1;
    at_y = at_y < 0 ? 0 : at_y < plane->height ? at_y : plane->height - 1;
    return cli_plane_class(plane, at_x, at_y, threshold);
}

static pith_status count(const state *s, const cli_result *result, const cli_plane *plane, const cli_image *mask,
                         double *row)
{
    double threshold = cli_plane_threshold(plane->tensor);
    bool is_black_white = s->n_classes == 2 && is_black_and_white(mask);
    double *classes = row + PER_CLASS;
    for (int y = 0; y < mask->height; y++) {
        for (int x = 0; x < mask->width; x++) {
            int want = true_class(mask->pixels[(size_t)y * (size_t)mask->width + (size_t)x], is_black_white);
            int got = want < 0 ? -1 : found_class(result, plane, mask, x, y, threshold);
            CLI_CHECK(want < s->n_classes, PITH_STATUS_ARG, "the mask has class %d, the network has %d classes", want,
                      s->n_classes);
            if (want >= 0) {
                row[N_ALL]++;
                row[N_RIGHT] += want == got;
                classes[2 * want] += want == got;
                classes[2 * want + 1]++;
                classes[2 * got + 1] += want != got;
            }
        }
    }
    return PITH_OK;
}

static pith_status add_segments(void *self, const cli_result *result, int index)
{
    state *s = self;
    cli_plane plane;
    cli_image mask = { 0 };
    double *row = NULL;
    CLI_CHECK(result->picture, PITH_STATUS_ARG, "segments need pictures as data");
    CLI_TRY(cli_plane_of(pith_session_output(result->net->session, 0), result->settings->layout, &plane));
    CLI_CHECK(plane.channels <= MAX_CLASSES, PITH_STATUS_LIMIT, "%d classes are more than %d", plane.channels,
              MAX_CLASSES);
    s->n_classes = plane.channels == 1 ? 2 : plane.channels;
    CLI_TRY(load_mask(s, s->source->dataset->paths[index], &mask));
    pith_status status = cli_rows_add(&s->rows, PER_CLASS + 2 * s->n_classes, &row);
    status = status == PITH_OK ? count(s, result, &plane, &mask, row) : status;
    cli_image_free(&mask);
    return status;
}

static pith_status score_segments(void *self, const int *times, double *values)
{
    state *s = self;
    double sum = 0.0;
    int n = 0;
    if (!s->sums) {
        CLI_TRY(cli_alloc((size_t)s->rows.width, sizeof(double), (void **)&s->sums));
    }
    cli_rows_sum(&s->rows, times, s->sums);
    for (int i = 0; i < s->n_classes; i++) {
        double all = s->sums[PER_CLASS + 2 * i + 1];
        sum += all > 0.0 ? s->sums[PER_CLASS + 2 * i] / all : 0.0;
        n += all > 0.0;
    }
    values[0] = n > 0 ? sum / n : 0.0;
    values[1] = s->sums[N_ALL] > 0.0 ? s->sums[N_RIGHT] / s->sums[N_ALL] : 0.0;
    return PITH_OK;
}

/* Of each class, after the last score, which was that of all samples. */
static void tell_segments(const void *self, cli_json *json)
{
    const state *s = self;
    if (json) {
        cli_json_list(json, "iou");
    }
    for (int i = 0; i < s->n_classes; i++) {
        char scratch[32];
        const char *label = cli_label(s->source->labels, i, scratch);
        double all = s->sums[PER_CLASS + 2 * i + 1], iou = all > 0.0 ? s->sums[PER_CLASS + 2 * i] / all : 0.0;
        if (json && all > 0.0) {
            cli_json_number(json, NULL, iou);
        } else if (json) {
            cli_json_null(json, NULL);
        } else if (all > 0.0) {
            printf("  IoU %6.2f %%  %s\n", 100.0 * iou, cli_plain(label));
        }
    }
    if (json) {
        cli_json_end(json);
    }
}

static void close_segments(void *self)
{
    state *s = self;
    cli_free(s->rows.items);
    cli_free(s->sums);
}

const cli_metric cli_metric_segments = {
    .name = "segments", .task = "segment", .help = "mean intersection over union", .state_bytes = sizeof(state),
    .values = { { "miou", "mean IoU", CLI_VALUE_PERCENT, false },
                { "pixel_accuracy", "pixels right", CLI_VALUE_PERCENT, false } },
    .open = open_segments, .add = add_segments, .score = score_segments, .tell = tell_segments,
    .close = close_segments,
};
