/* SPDX-License-Identifier: Apache-2.0 */
#include "generate.h"

#include <math.h>

enum { LEAST_SIDE = 16, N_DISCS = 400 };

static double unit(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static bool takes_picture(const pith_value_info *input, const pith_shape *shape, int *height, int *width, int *channels)
{
    const int64_t *d = shape->dims;
    if (shape->rank != 4 || d[0] != 1 || !(cli_dtype_is_float(input->dtype) || input->dtype == PITH_DTYPE_U8)) {
        return false;
    }
    const bool is_last = (d[3] == 3 || d[3] == 1) && !(d[1] == 3 || d[1] == 1);
    const int64_t n = is_last ? d[3] : d[1], h = is_last ? d[1] : d[2], w = is_last ? d[2] : d[3];
    if ((n != 1 && n != 3) || h < LEAST_SIDE || w < LEAST_SIDE || h > CLI_MAX_IMAGE_SIDE || w > CLI_MAX_IMAGE_SIDE) {
        return false;
    }
    *height = (int)h;
    *width = (int)w;
    *channels = (int)n;
    return true;
}

typedef struct disc {
    double x, y, radius, colour[3];
} disc;

/* Density of radii r^-3, which makes the picture look alike at every scale. */
static disc next_disc(const cli_image *image, double contrast, double mean, uint64_t *state)
{
    const double most = 0.4 * (image->width < image->height ? image->width : image->height), least = 1.5;
    const double u = unit(state), a = 1.0 / (least * least), b = 1.0 / (most * most);
    disc d = { unit(state) * image->width, unit(state) * image->height, 1.0 / sqrt(a - u * (a - b)), { 0 } };
    const double grey = mean + contrast * (unit(state) - 0.5);
    for (int c = 0; c < 3; c++) {
        d.colour[c] = grey + 0.4 * contrast * (unit(state) - 0.5);
    }
    return d;
}

static void draw_disc(cli_image *image, const disc *d, uint64_t *state)
{
    for (int y = (int)fmax(d->y - d->radius, 0.0); y < image->height && y <= d->y + d->radius; y++) {
        for (int x = (int)fmax(d->x - d->radius, 0.0); x < image->width && x <= d->x + d->radius; x++) {
            const double dx = x - d->x, dy = y - d->y;
            if (dx * dx + dy * dy > d->radius * d->radius) {
                continue;
            }
            const double noise = 6.0 * (unit(state) - 0.5);
            for (int c = 0; c < image->channels; c++) {
                const double shade = d->colour[c] + 20.0 * dx / d->radius + noise;
                image->pixels[((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels + (size_t)c] =
                    (uint8_t)fmin(fmax(shade, 0.0), 255.0);
            }
        }
    }
}

static pith_status make_picture(int height, int width, int channels, uint64_t seed, cli_image *image_out)
{
    uint64_t state = seed * 0x9E3779B97F4A7C15u;
    for (int i = 0; i < 4; i++) {
        unit(&state);
    }
    const double contrast = 80.0 + 200.0 * unit(&state), mean = 80.0 + 96.0 * unit(&state);
    CLI_TRY(cli_image_make(width, height, channels, (uint8_t)mean, image_out));
    for (int i = 0; i < N_DISCS; i++) {
        const disc d = next_disc(image_out, contrast, mean, &state);
        draw_disc(image_out, &d, &state);
    }
    return PITH_OK;
}

static pith_status make_input(const cli_input_reader *reader, int index, const pith_shape *shape, uint64_t seed,
                              cli_run_inputs *inputs, cli_tensor *tensor)
{
    const pith_value_info *input = pith_model_input(reader->net->model, index);
    int height, width, channels;
    if (takes_picture(input, shape, &height, &width, &channels)) {
        cli_image_free(&inputs->picture);
        CLI_TRY(make_picture(height, width, channels, seed, &inputs->picture));
        return cli_preprocess_apply(reader->settings, &inputs->picture, input->dtype, shape, tensor,
                                    &inputs->placement);
    }
    CLI_TRY(cli_tensor_make(input->dtype, shape, tensor));
    cli_tensor_random(&tensor->view, seed, cli_net_count_integers(reader->net, index));
    return PITH_OK;
}

bool cli_generates_picture(const cli_net *net, const cli_shapes *shapes)
{
    int height, width, channels;
    for (int i = 0; i < shapes->n; i++) {
        if (takes_picture(pith_model_input(net->model, i), &shapes->items[i], &height, &width, &channels)) {
            return true;
        }
    }
    return false;
}

pith_status cli_generate_inputs(const cli_input_reader *reader, const cli_shapes *shapes, uint64_t seed,
                                cli_run_inputs *inputs)
{
    for (int i = 0; i < shapes->n; i++) {
        const pith_value_info *input = pith_model_input(reader->net->model, i);
        cli_tensor tensor = { 0 };
        char type[PITH_TYPE_TEXT_BYTES];
        CLI_CHECK(input->dtype != PITH_DTYPE_OBJECT && input->dtype != PITH_DTYPE_STRING, PITH_STATUS_ARG,
                  "input '%s' is a %s, which can't be generated; give samples with --calib", input->name,
                  pith_type_text(input->type, type));
        pith_status status = make_input(reader, i, &shapes->items[i], seed + (uint64_t)i, inputs, &tensor);
        if (status == PITH_OK) {
            status = cli_tensor_set_name(&tensor, input->name, strlen(input->name));
        }
        if (status == PITH_OK) {
            status = cli_tensors_add(&inputs->tensors, &tensor);
        }
        cli_tensor_free(&tensor);
        CLI_TRY_AT(status, "input '%s'", input->name);
    }
    return PITH_OK;
}
