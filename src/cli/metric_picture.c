/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures made larger: PSNR and SSIM of luma against the original, beside those of bicubic interpolation, by the rules
 * of the field (Dong et al., arXiv 1501.00092): the original is cut to whole multiples of the scale, made smaller by
 * MATLAB's bicubic, and `scale` pixels at each border don't count. Networks of one channel get luma, those of three
 * 8-bit colours. With scale 1 (denoising and the like can't be made from clean pictures) the input is the original.
 *
 * Networks of one fixed size get smaller pictures with their border repeated; that part of the result is cut off. */
#include <math.h>

#include "metric.h"
#include "plane.h"
#include "quality.h"

enum { PSNR, SSIM, BICUBIC_PSNR, BICUBIC_SSIM, COUNT, WIDTH, N_PROBE = 48, N_PLANES = 3 };

typedef struct state {
    cli_metric_source *source; /* scale is learned */
    int index;                 /* 1 + of the sample below */
    int n_planes, width, height;
    cli_pixels luma;           /* of the original, rounded */
    cli_pixels small[N_PLANES];
    cli_rows rows;
} state;

static void forget(state *s)
{
    cli_free(s->luma.items);
    for (int i = 0; i < N_PLANES; i++) {
        cli_free(s->small[i].items);
        s->small[i] = (cli_pixels){ 0 };
    }
    s->luma = (cli_pixels){ 0 };
    s->index = 0;
}

static pith_status open_picture(void *self, cli_metric_source *source)
{
    state *s = self;
    s->source = source;
    CLI_CHECK(source->dataset->paths, PITH_STATUS_ARG, "PSNR needs a folder of pictures as data");
    return PITH_OK;
}

/* ---- the original ---------------------------------------------------------------------------- */

static void fill_planes(const cli_image *picture, cli_pixels *luma, cli_pixels planes[N_PLANES])
{
    for (int y = 0; y < luma->height; y++) {
        for (int x = 0; x < luma->width; x++) {
            const uint8_t *pixel = picture->pixels + ((size_t)y * (size_t)picture->width + (size_t)x) * 3;
            size_t at = (size_t)y * (size_t)luma->width + (size_t)x;
            luma->items[at] = cli_luma(pixel[0], pixel[1], pixel[2]);
            for (int c = 0; c < N_PLANES; c++) {
                planes[c].items[at] = pixel[c];
            }
        }
    }
    cli_pixels_round(luma);
}

static pith_status shrink(state *s, const cli_image *picture, int n_planes)
{
    int scale = s->source->scale;
    cli_pixels planes[N_PLANES] = { 0 };
    pith_status status = PITH_OK;
    s->width = picture->width / scale;
    s->height = picture->height / scale;
    CLI_CHECK(s->width > 0 && s->height > 0, PITH_STATUS_SHAPE, "a picture of %d x %d is too small for scale %d",
              picture->width, picture->height, scale);
    CLI_TRY(cli_pixels_make(s->width * scale, s->height * scale, &s->luma));
    for (int c = 0; c < N_PLANES && status == PITH_OK; c++) {
        status = cli_pixels_make(s->luma.width, s->luma.height, &planes[c]);
    }
    if (status == PITH_OK) {
        fill_planes(picture, &s->luma, planes);
    }
    for (int c = 0; c < n_planes && status == PITH_OK; c++) {
        status = cli_pixels_bicubic(n_planes == 1 ? &s->luma : &planes[c], s->width, s->height, &s->small[c]);
        if (status == PITH_OK && n_planes > 1) {
            cli_pixels_round(&s->small[c]);
        }
    }
    for (int c = 0; c < N_PLANES; c++) {
        cli_free(planes[c].items);
    }
    return status;
}

static pith_status load(state *s, int index, int n_planes)
{
    cli_image file = { 0 }, coloured = { 0 };
    if (s->index == index + 1) {
        return PITH_OK;
    }
    forget(s);
    s->n_planes = n_planes;
    CLI_TRY(cli_image_load(s->source->dataset->paths[index], &file));
    pith_status status = cli_image_to_channels(&file, 3, &coloured);
    status = status == PITH_OK ? shrink(s, &coloured, n_planes) : status;
    cli_image_free(&file);
    cli_image_free(&coloured);
    s->index = index + 1;
    return status;
}

/* ---- the input ------------------------------------------------------------------------------ */

typedef struct input_form {
    pith_shape shape;
    bool is_nhwc;
    int channels;
    int64_t height, width; /* -1: open */
} input_form;

static pith_status choose_form(const cli_input_reader *reader, input_form *form)
{
    const pith_value_info *input = pith_model_input(reader->net->model, 0);
    char text[CLI_SHAPE_BYTES];
    form->shape = input->shape;
    CLI_CHECK(form->shape.rank == 4 && input->dtype == PITH_DTYPE_F32, PITH_STATUS_SHAPE,
              "input %s is no picture of float32 [1, channels, height, width]", cli_shape_text(&input->shape, text));
    const int64_t *dims = form->shape.dims;
    form->is_nhwc = reader->settings->layout == CLI_LAYOUT_NHWC ||
                    (reader->settings->layout == CLI_LAYOUT_AUTO && (dims[3] == 1 || dims[3] == 3) && dims[1] != 1 &&
                     dims[1] != 3);
    int64_t channels = dims[form->is_nhwc ? 3 : 1];
    form->height = dims[form->is_nhwc ? 1 : 2];
    form->width = dims[form->is_nhwc ? 2 : 3];
    CLI_CHECK(channels == 1 || channels == 3, PITH_STATUS_SHAPE, "input %s has neither 1 nor 3 channels",
              cli_shape_text(&input->shape, text));
    form->channels = (int)channels;
    return PITH_OK;
}

static pith_status make_tensor(const input_form *form, int height, int width, cli_tensor *tensor)
{
    pith_shape shape = { .rank = 4, .dims = { 1 } };
    shape.dims[form->is_nhwc ? 3 : 1] = form->channels;
    shape.dims[form->is_nhwc ? 1 : 2] = form->height > 0 ? form->height : height;
    shape.dims[form->is_nhwc ? 2 : 3] = form->width > 0 ? form->width : width;
    return cli_tensor_make(PITH_DTYPE_F32, &shape, tensor);
}

static double setting(const cli_channel_values *values, int channel, double otherwise)
{
    return values->n == 0 ? otherwise : values->items[values->n == 1 ? 0 : channel];
}

static void fill_tensor(const state *s, const cli_preprocess *settings, const input_form *form, pith_tensor *tensor)
{
    const int64_t *dims = tensor->shape.dims;
    int64_t height = dims[form->is_nhwc ? 1 : 2], width = dims[form->is_nhwc ? 2 : 3];
    bool is_open = settings->mean.n == 0 && settings->scale.n == 0;
    for (int c = 0; c < form->channels; c++) {
        const cli_pixels *plane = &s->small[settings->color == CLI_COLOR_BGR ? form->channels - 1 - c : c];
        double mean = setting(&settings->mean, c, 0.0), scale = setting(&settings->scale, c, is_open ? 1.0 / 255 : 1.0);
        for (int64_t y = 0; y < height; y++) {
            for (int64_t x = 0; x < width; x++) {
                int64_t from_y = y < plane->height ? y : plane->height - 1;
                int64_t from_x = x < plane->width ? x : plane->width - 1;
                int64_t at = form->is_nhwc ? (y * width + x) * form->channels + c : (c * height + y) * width + x;
                ((float *)tensor->data)[at] = (float)((plane->items[from_y * plane->width + from_x] - mean) * scale);
            }
        }
    }
}

/* How much larger the network makes a picture. */
static pith_status learn_scale(state *s, const cli_input_reader *reader, const input_form *form)
{
    cli_tensor probe = { 0 };
    cli_plane plane = { 0 };
    CLI_TRY(make_tensor(form, N_PROBE, N_PROBE, &probe));
    pith_status status = pith_session_run(reader->net->session, &probe.view, 1);
    status = status == PITH_OK ? PITH_OK : cli_net_fail(reader->net, status);
    if (status == PITH_OK) {
        status = cli_plane_of(pith_session_output(reader->net->session, 0), reader->settings->layout, &plane);
    }
    int height = (int)probe.view.shape.dims[form->is_nhwc ? 1 : 2];
    cli_tensor_free(&probe);
    CLI_TRY(status);
    CLI_CHECK(plane.height % height == 0, PITH_STATUS_SHAPE, "%d rows become %d: give --scale", height, plane.height);
    s->source->scale = plane.height / height;
    return PITH_OK;
}

static pith_status read_small(void *self, const cli_input_reader *reader, int index, cli_run_inputs *inputs)
{
    state *s = self;
    input_form form;
    cli_tensor tensor = { 0 };
    CLI_CHECK(pith_model_n_inputs(reader->net->model) == 1, PITH_STATUS_ARG, "PSNR needs a network of one input");
    CLI_TRY(choose_form(reader, &form));
    if (s->source->scale == 0) {
        CLI_TRY(learn_scale(s, reader, &form));
    }
    CLI_TRY(load(s, index, form.channels));
    bool fits = (form.height < 0 || s->height <= form.height) && (form.width < 0 || s->width <= form.width);
    CLI_CHECK(fits, PITH_STATUS_SHAPE, "the network takes %lld x %lld, the picture made smaller has %d x %d",
              (long long)form.width, (long long)form.height, s->width, s->height);
    CLI_TRY(make_tensor(&form, s->height, s->width, &tensor));
    fill_tensor(s, reader->settings, &form, &tensor.view);
    const char *name = pith_model_input(reader->net->model, 0)->name;
    pith_status status = cli_tensor_set_name(&tensor, name, strlen(name));
    status = status == PITH_OK ? cli_tensors_add(&inputs->tensors, &tensor) : status;
    cli_tensor_free(&tensor);
    return status;
}

/* ---- the result ------------------------------------------------------------------------------ */

static void fill_luma(const cli_plane *plane, const cli_preprocess *settings, double scale, cli_pixels *luma)
{
    for (int y = 0; y < luma->height; y++) {
        for (int x = 0; x < luma->width; x++) {
            double rgb[N_PLANES];
            for (int c = 0; c < plane->channels; c++) {
                int channel = settings->color == CLI_COLOR_BGR ? plane->channels - 1 - c : c;
                double value = cli_plane_get(plane, x, y, channel) * scale;
                rgb[c] = plane->channels == 1 ? value : fmin(fmax(rint(value), 0.0), 255.0);
            }
            luma->items[(size_t)y * (size_t)luma->width + (size_t)x] =
                plane->channels == 1 ? rgb[0] : cli_luma(rgb[0], rgb[1], rgb[2]);
        }
    }
    cli_pixels_round(luma);
}

/* Luma of small colours made larger by bicubic: each first, as a viewer would. */
static pith_status enlarge(const state *s, cli_pixels *luma_out)
{
    cli_pixels planes[N_PLANES] = { 0 };
    pith_status status = PITH_OK;
    for (int c = 0; c < s->n_planes && status == PITH_OK; c++) {
        status = cli_pixels_bicubic(&s->small[c], s->luma.width, s->luma.height, &planes[c]);
    }
    for (size_t i = 0; i < (size_t)s->luma.width * (size_t)s->luma.height && status == PITH_OK; i++) {
        planes[0].items[i] = s->n_planes == 1 ? planes[0].items[i]
                                              : cli_luma(planes[0].items[i], planes[1].items[i], planes[2].items[i]);
    }
    if (status == PITH_OK) {
        cli_pixels_round(&planes[0]);
        *luma_out = planes[0];
        planes[0].items = NULL;
    }
    for (int c = 0; c < N_PLANES; c++) {
        cli_free(planes[c].items);
    }
    return status;
}

static pith_status measure(const state *s, const cli_pixels *got, double row[2])
{
    row[0] = cli_psnr(cli_mean_square(got, &s->luma, s->source->scale));
    return cli_ssim(got, &s->luma, s->source->scale, &row[1]);
}

static pith_status add_picture(void *self, const cli_result *result, int index)
{
    state *s = self;
    const pith_tensor *output = pith_session_output(result->net->session, 0);
    const cli_input_reader reader = { .net = result->net, .settings = result->settings };
    input_form form;
    cli_plane plane;
    cli_pixels got = { 0 }, bicubic = { 0 };
    double *row = NULL;
    CLI_TRY(choose_form(&reader, &form));
    CLI_TRY(load(s, index, form.channels));
    CLI_TRY(cli_plane_of(output, result->settings->layout, &plane));
    CLI_CHECK((plane.channels == 1 || plane.channels == 3) && plane.width >= s->luma.width &&
                  plane.height >= s->luma.height, PITH_STATUS_SHAPE,
              "the network makes %d channels of %d x %d, the original has %d x %d", plane.channels, plane.width,
              plane.height, s->luma.width, s->luma.height);
    CLI_TRY(cli_plane_need_finite(&plane, "the network's output"));
    CLI_TRY(cli_pixels_make(s->luma.width, s->luma.height, &got));
    fill_luma(&plane, result->settings, cli_plane_pixel_scale(result->settings, output), &got);
    pith_status status = cli_rows_add(&s->rows, WIDTH, &row);
    status = status == PITH_OK ? measure(s, &got, row + PSNR) : status;
    status = status == PITH_OK ? enlarge(s, &bicubic) : status;
    status = status == PITH_OK ? measure(s, &bicubic, row + BICUBIC_PSNR) : status;
    if (status == PITH_OK) {
        row[COUNT] = 1.0;
    }
    cli_free(got.items);
    cli_free(bicubic.items);
    return status;
}

static pith_status score_picture(void *self, const int *times, double *values)
{
    const state *s = self;
    double sums[WIDTH];
    cli_rows_sum(&s->rows, times, sums);
    for (int k = 0; k < COUNT; k++) {
        values[k] = sums[k] / sums[COUNT];
    }
    return PITH_OK;
}

static void tell_picture(const void *self, cli_json *json)
{
    const state *s = self;
    if (json) {
        cli_json_whole(json, "scale", s->source->scale);
    } else {
        printf("  luma, %d times larger, %d pixels at each border left out\n", s->source->scale, s->source->scale);
    }
}

static void close_picture(void *self)
{
    state *s = self;
    forget(s);
    cli_free(s->rows.items);
}

const cli_metric cli_metric_picture = {
    .name = "picture", .task = "image", .help = "PSNR and SSIM of super-resolution", .state_bytes = sizeof(state),
    .values = { { "psnr", "PSNR", CLI_VALUE_DB, false }, { "ssim", "SSIM", CLI_VALUE_PLAIN, false },
                { "bicubic_psnr", "PSNR of bicubic", CLI_VALUE_DB, false },
                { "bicubic_ssim", "SSIM of bicubic", CLI_VALUE_PLAIN, false } },
    .open = open_picture, .read = read_small, .add = add_picture, .score = score_picture, .tell = tell_picture,
    .close = close_picture,
};
