/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures: making, colours, scaling; files by content. */
#include <math.h>

#include "image.h"

pith_status cli_image_make(int width, int height, int channels, uint8_t value, cli_image *image_out)
{
    void *pixels;
    CLI_CHECK(width > 0 && height > 0 && width <= CLI_MAX_IMAGE_SIDE && height <= CLI_MAX_IMAGE_SIDE,
              PITH_STATUS_LIMIT, "a picture of %d x %d; sides of 1 to %d are possible", width, height,
              CLI_MAX_IMAGE_SIDE);
    CLI_CHECK(channels == 1 || channels == 3, PITH_STATUS_UNSUPPORTED, "a picture of %d channels", channels);
    size_t n_bytes = (size_t)width * (size_t)height * (size_t)channels;
    CLI_CHECK(n_bytes <= CLI_MAX_IMAGE_BYTES, PITH_STATUS_LIMIT, "a picture of %zu bytes; %zu are the most", n_bytes,
              CLI_MAX_IMAGE_BYTES);
    CLI_TRY(cli_alloc(n_bytes, 1, &pixels));
    memset(pixels, value, n_bytes);
    *image_out = (cli_image){ .width = width, .height = height, .channels = channels, .pixels = pixels };
    return PITH_OK;
}

void cli_image_free(cli_image *image)
{
    cli_free(image->pixels);
    *image = (cli_image){ 0 };
}

bool cli_image_is_name(const char *path)
{
    return cli_ends_with(path, ".png") || cli_ends_with(path, ".jpg") || cli_ends_with(path, ".jpeg");
}

static pith_status parse_image(const cli_bytes *bytes, cli_image *image_out)
{
    if (bytes->n >= 8 && memcmp(bytes->data, "\x89PNG\r\n\x1a\n", 8) == 0) {
        return cli_png_parse(bytes->data, bytes->n, image_out);
    }
    if (bytes->n >= 3 && memcmp(bytes->data, "\xff\xd8\xff", 3) == 0) {
        return cli_jpeg_parse(bytes->data, bytes->n, image_out);
    }
    return cli_fail(PITH_STATUS_FORMAT, "neither PNG nor JPEG");
}

pith_status cli_image_load(const char *path, cli_image *image_out)
{
    cli_bytes bytes;
    CLI_TRY(cli_file_read(path, &bytes));
    pith_status status = parse_image(&bytes, image_out);
    cli_bytes_free(&bytes);
    if (status != PITH_OK) {
        cli_add_place("'%s'", path);
    }
    return status;
}

pith_status cli_image_save(const char *path, const cli_image *image)
{
    cli_bytes bytes = { 0 };
    if (cli_ends_with(path, ".png")) {
        return cli_png_save(path, image);
    }
    CLI_CHECK(cli_image_is_name(path), PITH_STATUS_ARG, "can't tell the format of '%s': .png, .jpg and .jpeg are known",
              path);
    pith_status status = cli_jpeg_write(image, &bytes);
    if (status == PITH_OK) {
        status = cli_file_write(path, bytes.data, bytes.n);
    }
    cli_bytes_free(&bytes);
    return status;
}

pith_status cli_image_to_channels(const cli_image *image, int channels, cli_image *converted_out)
{
    cli_image converted;
    CLI_TRY(cli_image_make(image->width, image->height, channels, 0, &converted));
    size_t n = (size_t)image->width * (size_t)image->height;
    const uint8_t *from = image->pixels;
    if (image->channels == channels) {
        memcpy(converted.pixels, from, n * (size_t)channels);
    } else if (channels == 3) {
        for (size_t i = 0; i < n; i++) {
            memset(converted.pixels + 3 * i, from[i], 3);
        }
    } else {
        for (size_t i = 0; i < n; i++) { /* BT.601 in 16-bit fixed point, rounded */
            uint32_t luma = 19595u * from[3 * i] + 38470u * from[3 * i + 1] + 7471u * from[3 * i + 2];
            converted.pixels[i] = (uint8_t)((luma + 32768u) >> 16);
        }
    }
    *converted_out = converted;
    return PITH_OK;
}

/* For one output position: the first input position and the weights from there on. */
typedef struct taps {
    int *first, *count;
    float *weights; /* `stride` for each output position */
    int stride;
} taps;

static void taps_free(taps *t)
{
    cli_free(t->first);
    cli_free(t->count);
    cli_free(t->weights);
}

/* Triangle filter: weight(d) = max(0, 1 - |d| / s), s = max(1, n_in / n_out), d in input pixels from
 * the centre (i + 0.5) * n_in / n_out; weights are scaled to a sum of 1. */
static void fill_taps(int n_in, int n_out, taps *t)
{
    double ratio = (double)n_in / n_out;
    double support = ratio > 1.0 ? ratio : 1.0;
    for (int i = 0; i < n_out; i++) {
        double centre = (i + 0.5) * ratio;
        int first = (int)floor(centre - support + 0.5);
        int last = (int)floor(centre + support + 0.5); /* behind the last */
        first = first < 0 ? 0 : first;
        last = last > n_in ? n_in : last;
        double sum = 0.0;
        float *weights = t->weights + (size_t)i * (size_t)t->stride;
        for (int j = first; j < last; j++) {
            double weight = 1.0 - fabs(j + 0.5 - centre) / support;
            weights[j - first] = (float)(weight > 0.0 ? weight : 0.0);
            sum += (double)weights[j - first];
        }
        for (int j = first; j < last; j++) {
            weights[j - first] = (float)((double)weights[j - first] / sum);
        }
        t->first[i] = first;
        t->count[i] = last - first;
    }
}

static pith_status taps_make(int n_in, int n_out, taps *t)
{
    *t = (taps){ .stride = 2 * (n_in / n_out + 1) + 2 };
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_alloc((size_t)n_out, sizeof(int), (void **)&t->first), done);
    CLI_TRY_GOTO(cli_alloc((size_t)n_out, sizeof(int), (void **)&t->count), done);
    CLI_TRY_GOTO(cli_alloc((size_t)n_out * (size_t)t->stride, sizeof(float), (void **)&t->weights), done);
    fill_taps(n_in, n_out, t);
done:
    if (status != PITH_OK) {
        taps_free(t);
    }
    return status;
}

static uint8_t to_pixel(float value)
{
    return (uint8_t)(value <= 0.0f ? 0.0f : value >= 255.0f ? 255.0f : value + 0.5f);
}

/* Columns first, into rows of floats: to is [height, new width, channels]. */
static void scale_columns(const cli_image *image, const taps *t, int width, float *to)
{
    int channels = image->channels;
    for (int y = 0; y < image->height; y++) {
        const uint8_t *row = image->pixels + (size_t)y * (size_t)image->width * (size_t)channels;
        for (int x = 0; x < width; x++) {
            const float *weights = t->weights + (size_t)x * (size_t)t->stride;
            for (int c = 0; c < channels; c++) {
                float sum = 0.0f;
                for (int j = 0; j < t->count[x]; j++) {
                    sum += weights[j] * (float)row[(t->first[x] + j) * channels + c];
                }
                *to++ = sum;
            }
        }
    }
}

static void scale_rows(const float *from, const taps *t, cli_image *to)
{
    size_t n_row = (size_t)to->width * (size_t)to->channels;
    for (int y = 0; y < to->height; y++) {
        const float *weights = t->weights + (size_t)y * (size_t)t->stride;
        uint8_t *row = to->pixels + (size_t)y * n_row;
        for (size_t x = 0; x < n_row; x++) {
            float sum = 0.0f;
            for (int j = 0; j < t->count[y]; j++) {
                sum += weights[j] * from[(size_t)(t->first[y] + j) * n_row + x];
            }
            row[x] = to_pixel(sum);
        }
    }
}

pith_status cli_image_resize(const cli_image *image, int width, int height, cli_image *resized_out)
{
    cli_image resized = { 0 };
    taps across = { 0 };
    taps down = { 0 };
    void *rows = NULL;
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_image_make(width, height, image->channels, 0, &resized), done);
    CLI_TRY_GOTO(taps_make(image->width, width, &across), done);
    CLI_TRY_GOTO(taps_make(image->height, height, &down), done);
    size_t n_values = (size_t)image->height * (size_t)width * (size_t)image->channels;
    CLI_TRY_GOTO(cli_alloc(n_values, sizeof(float), &rows), done);
    scale_columns(image, &across, width, rows);
    scale_rows(rows, &down, &resized);
    *resized_out = resized;
    resized = (cli_image){ 0 };
done:
    cli_free(rows);
    taps_free(&across);
    taps_free(&down);
    cli_image_free(&resized);
    return status;
}
