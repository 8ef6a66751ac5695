/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures with a picture that they should become (denoising, deblurring, low light, enlarging of true pairs): PSNR and
 * SSIM of all channels together, as scikit-image has them for the sigma and windows of the paper, or of luma.
 *
 * Pairs: folders `input` and `target` whose files have the same names but for the ending, or arrays x and y of an .npz.
 * Where the target has 8-bit pixels, the output is rounded to such; float targets are compared as they are. */
#include <math.h>

#include "metric.h"
#include "plane.h"
#include "quality.h"

enum { PSNR, SSIM, COUNT, WIDTH, N_PLANES = 3 };

typedef struct state {
    const cli_metric_source *source;
    char *folder, **names; /* of targets; NULL: the data set has them */
    int n_names;
    bool has_warned;       /* that units differ */
    cli_rows rows;
} state;

bool cli_are_pairs(const char *data, const cli_dataset *dataset)
{
    char input[4096], target[4096];
    snprintf(input, sizeof input, "%s/input", data);
    snprintf(target, sizeof target, "%s/target", data);
    return dataset->targets.view.data || (cli_is_folder(input) && cli_is_folder(target));
}

static pith_status open_pairs(void *self, cli_metric_source *source)
{
    state *s = self;
    s->source = source;
    CLI_CHECK(source->truth || cli_are_pairs(source->data, source->dataset), PITH_STATUS_ARG,
              "pairs need folders 'input' and 'target' in '%s', or an .npz with arrays x and y of pictures",
              source->data);
    if (source->dataset->targets.view.data) {
        CLI_CHECK(!source->truth, PITH_STATUS_ARG,
                  "--labels '%s' and an array of '%s' are both true pictures; leave one of them out", source->truth,
                  source->data);
        return PITH_OK;
    }
    CLI_CHECK(source->dataset->paths, PITH_STATUS_ARG,
              "pairs find the file of a true picture by that of its sample, and samples of '%s' are no files; give a "
              "folder of pictures or arrays, or an .npz with arrays x and y of pictures", source->data);
    CLI_TRY(source->truth ? cli_text_copy(source->truth, strlen(source->truth), &s->folder)
                          : cli_text_format(&s->folder, "%s/target", source->data));
    return cli_list_folder(s->folder, "", &s->names, &s->n_names);
}

/* ---- targets ------------------------------------------------------------------------------- */

/* The file of the same name, else of the same name but for the ending. */
static pith_status find_target(const state *s, const char *input, char **path_out)
{
    const char *name = cli_base_name(input), *found = NULL;
    const size_t n_stem = cli_stem(name);
    for (int i = 0; i < s->n_names; i++) {
        const bool same = strcmp(s->names[i], name) == 0;
        const bool alike = cli_stem(s->names[i]) == n_stem && strncmp(s->names[i], name, n_stem) == 0 &&
                           cli_is_sample_name(s->names[i]);
        found = same || (alike && !found) ? s->names[i] : found;
    }
    CLI_CHECK(found, PITH_STATUS_ARG, "'%s' has no '%.*s' for '%s'; pairs have the same names but for the ending",
              s->folder, (int)n_stem, name, input);
    return cli_text_format(path_out, "%s/%s", s->folder, found);
}

static pith_status check_size(const cli_plane *got, int width, int height)
{
    CLI_CHECK(got->channels == 1 || got->channels == 3, PITH_STATUS_SHAPE,
              "the network makes %d channels; 1 or 3 are a picture", got->channels);
    CLI_CHECK(got->width == width && got->height == height, PITH_STATUS_SHAPE,
              "the network makes %d x %d pixels, the target has %d x %d; 'size' and 'resize' of the preprocess file "
              "may have changed the input", got->width, got->height, width, height);
    return PITH_OK;
}

/* Pixels of the target as the output has channels: planes[c], red first. */
static pith_status picture_target(const char *path, const cli_plane *got, cli_pixels planes[N_PLANES])
{
    cli_image file = { 0 }, picture = { 0 };
    CLI_TRY(cli_image_load(path, &file));
    pith_status status = check_size(got, file.width, file.height);
    status = status == PITH_OK ? cli_image_to_channels(&file, got->channels, &picture) : status;
    for (int c = 0; c < got->channels && status == PITH_OK; c++) {
        status = cli_pixels_make(picture.width, picture.height, &planes[c]);
        for (size_t i = 0; i < (size_t)picture.width * (size_t)picture.height && status == PITH_OK; i++) {
            planes[c].items[i] = picture.pixels[i * (size_t)picture.channels + (size_t)c];
        }
    }
    cli_image_free(&file);
    cli_image_free(&picture);
    return status;
}

/* Channels of a plane in the order red, green, blue; 8-bit pixels if `rounded`. */
static pith_status take_planes(const cli_plane *from, bool is_bgr, double scale, bool rounded,
                               cli_pixels planes[N_PLANES])
{
    for (int c = 0; c < from->channels; c++) {
        CLI_TRY(cli_pixels_make(from->width, from->height, &planes[c]));
        double *to = planes[c].items;
        for (int y = 0; y < from->height; y++) {
            for (int x = 0; x < from->width; x++) {
                *to++ = scale * cli_plane_get(from, x, y, is_bgr ? from->channels - 1 - c : c);
            }
        }
        if (rounded) {
            cli_pixels_round(&planes[c]);
        }
    }
    return PITH_OK;
}

/* The view of one sample; pictures without axis of channels get one. */
static pith_tensor sample_of(const pith_tensor *array, int64_t index)
{
    pith_tensor view = *array;
    view.data = (char *)array->data + (size_t)index * (pith_tensor_bytes(array) / (size_t)array->shape.dims[0]);
    view.shape.dims[0] = 1;
    return view;
}

static double mean_magnitude(const pith_tensor *tensor)
{
    const size_t n = (size_t)pith_shape_elements(&tensor->shape);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += fabs(cli_get(tensor, i)) / (double)n;
    }
    return sum;
}

/* Scales of the output and of sample `view` of float targets. Both have one unit, that of all targets, unless the
 * largest values disagree and a mean too: neither dark pictures nor single values beyond the range are a unit. */
static void choose_scales(state *s, const pith_tensor *targets, const pith_tensor *view, const pith_tensor *output,
                          double *scale, double *own)
{
    const double given = s->source->settings->output_scale, theirs = cli_plane_guess_scale(output);
    *own = cli_plane_guess_scale(targets);
    if (theirs == *own || mean_magnitude(*own == 1.0 ? view : output) <= 2.0) {
        *own = given > 0.0 ? given : *own;
        *scale = *own;
    } else if (given <= 0.0 && !s->has_warned) {
        s->has_warned = true;
        cli_warn("outputs are taken as %s, targets as %s; output_scale of the preprocess file says otherwise",
                 theirs == 1.0 ? "pixels (0..255)" : "0..1", *own == 1.0 ? "pixels (0..255)" : "0..1");
    }
}

static pith_status array_target(state *s, const pith_tensor *array, int64_t index, const cli_plane *got,
                                double *scale, bool *is_float, cli_pixels planes[N_PLANES])
{
    const cli_preprocess *settings = s->source->settings;
    const pith_tensor view = sample_of(array, index);
    cli_plane plane;
    CLI_TRY(cli_plane_of(&view, view.shape.rank == 3 ? CLI_LAYOUT_NCHW : settings->layout, &plane));
    CLI_TRY(check_size(got, plane.width, plane.height));
    CLI_CHECK(plane.channels == got->channels, PITH_STATUS_SHAPE, "the network makes %d channels, the target has %d",
              got->channels, plane.channels);
    CLI_TRY(cli_plane_need_finite(&plane, "the target"));
    *is_float = view.dtype != PITH_DTYPE_U8;
    double own = 1.0;
    if (*is_float) {
        choose_scales(s, array, &view, got->tensor, scale, &own);
    }
    return take_planes(&plane, settings->color == CLI_COLOR_BGR, own, false, planes);
}

static pith_status file_target(state *s, int index, const cli_plane *got, double *scale, bool *is_float,
                               cli_pixels planes[N_PLANES])
{
    char *path = NULL;
    cli_tensors loaded = { 0 };
    CLI_TRY(find_target(s, s->source->dataset->paths[index], &path));
    pith_status status = PITH_OK;
    if (cli_image_is_name(path)) {
        status = picture_target(path, got, planes);
    } else {
        status = cli_tensors_load(path, &loaded);
        if (status == PITH_OK && (loaded.n != 1 || loaded.items[0].view.shape.rank < 2)) {
            status = cli_fail(PITH_STATUS_SHAPE, "'%s' holds no picture", path);
        }
        if (status == PITH_OK) {
            pith_tensor whole = loaded.items[0].view; /* one sample: [1, ...] */
            if (whole.shape.rank < 4) {
                memmove(whole.shape.dims + 1, whole.shape.dims, (size_t)whole.shape.rank * sizeof(int64_t));
                whole.shape.rank++;
                whole.shape.dims[0] = 1;
            }
            status = array_target(s, &whole, 0, got, scale, is_float, planes);
        }
    }
    cli_tensors_free(&loaded);
    cli_free(path);
    return status;
}

/* ---- the result ---------------------------------------------------------------------------- */

static void to_luma(cli_pixels planes[N_PLANES], int *n_planes, bool rounded)
{
    for (size_t i = 0; i < (size_t)planes[0].width * (size_t)planes[0].height && *n_planes == N_PLANES; i++) {
        planes[0].items[i] = cli_luma(planes[0].items[i], planes[1].items[i], planes[2].items[i]);
    }
    if (rounded && *n_planes == N_PLANES) {
        cli_pixels_round(&planes[0]);
    }
    *n_planes = 1;
}

static pith_status measure(const cli_pixels *a, const cli_pixels *b, int n_planes, double *row)
{
    double square = 0.0, ssim = 0.0;
    for (int c = 0; c < n_planes; c++) {
        square += cli_mean_square(&a[c], &b[c], 0) / n_planes;
        CLI_TRY(cli_ssim(&a[c], &b[c], 0, &ssim));
        row[SSIM] += ssim / n_planes;
    }
    row[PSNR] = cli_psnr(square);
    row[COUNT] = 1.0;
    return PITH_OK;
}

static pith_status add_pair(void *self, const cli_result *result, int index)
{
    state *s = self;
    const pith_tensor *output = pith_session_output(result->net->session, 0);
    const cli_preprocess *settings = s->source->settings;
    cli_pixels got[N_PLANES] = { 0 }, want[N_PLANES] = { 0 };
    cli_plane plane;
    double *row = NULL, scale = cli_plane_pixel_scale(settings, output);
    bool is_float = false;
    CLI_TRY(cli_plane_of(output, settings->layout, &plane));
    CLI_TRY(cli_plane_need_finite(&plane, "the network's output"));
    int n_planes = plane.channels, n_same = n_planes;
    pith_status status = s->folder ? file_target(s, index, &plane, &scale, &is_float, want)
                                   : array_target(s, &s->source->dataset->targets.view, index, &plane, &scale,
                                                  &is_float, want);
    if (status == PITH_OK) {
        status = take_planes(&plane, settings->color == CLI_COLOR_BGR, scale, !is_float, got);
    }
    if (status == PITH_OK && s->source->is_luma) {
        to_luma(got, &n_planes, !is_float);
        to_luma(want, &n_same, !is_float);
    }
    status = status == PITH_OK ? cli_rows_add(&s->rows, WIDTH, &row) : status;
    status = status == PITH_OK ? measure(got, want, n_planes, row) : status;
    for (int c = 0; c < N_PLANES; c++) {
        cli_free(got[c].items);
        cli_free(want[c].items);
    }
    return status;
}

static pith_status score_pairs(void *self, const int *times, double *values)
{
    const state *s = self;
    double sums[WIDTH];
    cli_rows_sum(&s->rows, times, sums);
    values[PSNR] = sums[PSNR] / sums[COUNT];
    values[SSIM] = sums[SSIM] / sums[COUNT];
    return PITH_OK;
}

static void tell_pairs(const void *self, cli_json *json)
{
    const state *s = self;
    if (json) {
        cli_json_text(json, "planes", s->source->is_luma ? "luma" : "rgb");
    } else {
        printf("  %s, no border left out; a mean over pictures\n", s->source->is_luma ? "luma" : "all channels");
    }
}

static void close_pairs(void *self)
{
    state *s = self;
    cli_free_names(s->names, s->n_names);
    cli_free(s->folder);
    cli_free(s->rows.items);
}

const cli_metric cli_metric_pairs = {
    .name = "pairs", .task = "image", .help = "PSNR and SSIM against true pictures", .state_bytes = sizeof(state),
    .values = { { "psnr", "PSNR", CLI_VALUE_DB, false }, { "ssim", "SSIM", CLI_VALUE_PLAIN, false } },
    .open = open_pairs, .add = add_pair, .score = score_pairs, .tell = tell_pairs, .close = close_pairs,
};
