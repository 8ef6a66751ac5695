/* SPDX-License-Identifier: Apache-2.0 */
/* Picture to tensor: colour, size, padding, scaling of values, layout. */
#include <math.h>

#include "preprocess.h"

/* All choices made. */
typedef struct target {
    bool is_nhwc;
    int channels, width, height;
    bool is_bgr;
    pith_dtype dtype;
    double mean[CLI_MAX_CHANNELS], scale[CLI_MAX_CHANNELS];
} target;

static bool is_channel_count(int64_t size)
{
    return size == 1 || size == 3;
}

/* Layout and sizes out of settings, model and picture. `dims` are the last three of the input's shape. */
static pith_status choose_layout(const cli_preprocess *settings, const int64_t dims[3], target *to)
{
    to->is_nhwc = settings->layout == CLI_LAYOUT_NHWC
                  || (settings->layout == CLI_LAYOUT_AUTO && !is_channel_count(dims[0]) && is_channel_count(dims[2]));
    int64_t channels = dims[to->is_nhwc ? 2 : 0];
    bool is_gray = settings->color == CLI_COLOR_GRAY;
    to->channels = channels > 0 ? (int)channels : is_gray ? 1 : 3;
    CLI_CHECK(is_channel_count(channels) || channels < 0, PITH_STATUS_SHAPE,
              "the input has %lld channels in layout %s, a picture has 1 or 3 (--layout?)", (long long)channels,
              to->is_nhwc ? "nhwc" : "nchw");
    CLI_CHECK(settings->color == CLI_COLOR_AUTO || is_gray == (to->channels == 1), PITH_STATUS_ARG,
              "the input has %d channel(s), which doesn't fit the color setting", to->channels);
    to->is_bgr = settings->color == CLI_COLOR_BGR;
    return PITH_OK;
}

static int round_up(int64_t size, int64_t multiple)
{
    return (int)((size + multiple - 1) / multiple * multiple);
}

/* Height and width of the tensor. */
static pith_status choose_size(const cli_preprocess *settings, const int64_t dims[3], const cli_image *picture,
                               target *to)
{
    int64_t model_height = dims[to->is_nhwc ? 0 : 1];
    int64_t model_width = dims[to->is_nhwc ? 1 : 2];
    int64_t height = settings->height != CLI_SIZE_MODEL ? settings->height : model_height;
    int64_t width = settings->width != CLI_SIZE_MODEL ? settings->width : model_width;
    if (height < 1 && width < 1 && strcmp(settings->task, "image") == 0) { /* any size will do */
        height = picture->height;
        width = picture->width;
    }
    CLI_CHECK(height > 0 || width > 0, PITH_STATUS_SHAPE, "the model leaves height and width open; give --size HxW");
    if (width < 1) {
        width = llrint((double)picture->width * (double)height / picture->height);
    } else if (height < 1) {
        height = llrint((double)picture->height * (double)width / picture->width);
    }
    height = height < 1 ? 1 : height;
    width = round_up(width < 1 ? 1 : width, settings->width_multiple);
    CLI_CHECK(height <= CLI_MAX_IMAGE_SIDE && width <= CLI_MAX_IMAGE_SIDE, PITH_STATUS_LIMIT,
              "an input of %lld x %lld is too large", (long long)height, (long long)width);
    CLI_CHECK((model_height < 0 || height == model_height) && (model_width < 0 || width == model_width),
              PITH_STATUS_SHAPE, "size %lldx%lld doesn't fit the model's input of %lldx%lld", (long long)height,
              (long long)width, (long long)model_height, (long long)model_width);
    to->height = (int)height;
    to->width = (int)width;
    return PITH_OK;
}

static pith_status spread(const cli_channel_values *list, const char *name, int channels, double fallback,
                          double values[CLI_MAX_CHANNELS])
{
    CLI_CHECK(list->n <= 1 || list->n == channels, PITH_STATUS_ARG, "%s has %d values, the input has %d channel(s)",
              name, list->n, channels);
    for (int c = 0; c < channels; c++) {
        values[c] = list->n == 0 ? fallback : list->items[list->n == 1 ? 0 : c];
    }
    return PITH_OK;
}

static pith_status choose(const cli_preprocess *settings, const cli_image *picture, pith_dtype dtype,
                          const pith_shape *shape, target *to)
{
    CLI_CHECK(shape->rank == 3 || shape->rank == 4, PITH_STATUS_SHAPE,
              "the input has rank %d; a picture fills rank 4 (or 3, without batch)", shape->rank);
    CLI_CHECK(shape->rank == 3 || shape->dims[0] <= 1, PITH_STATUS_SHAPE,
              "the model takes batches of %lld; a picture fills a batch of 1", (long long)shape->dims[0]);
    const int64_t *dims = shape->dims + shape->rank - 3;
    CLI_CHECK(!settings->dtype[0] || cli_dtype_from_name(settings->dtype) == dtype, PITH_STATUS_DTYPE,
              "dtype %s is asked for, the model takes %s", settings->dtype, pith_dtype_name(dtype));
    to->dtype = dtype;
    CLI_TRY(choose_layout(settings, dims, to));
    CLI_TRY(choose_size(settings, dims, picture, to));
    /* Without any word about values: what most networks are trained with. */
    bool is_open = settings->mean.n == 0 && settings->scale.n == 0 && cli_dtype_is_float(dtype);
    CLI_TRY(spread(&settings->mean, "mean", to->channels, 0.0, to->mean));
    return spread(&settings->scale, "scale", to->channels, is_open ? 1.0 / 255.0 : 1.0, to->scale);
}

static int clamp_side(double size)
{
    return size < 1.0 ? 1 : size > CLI_MAX_IMAGE_SIDE ? CLI_MAX_IMAGE_SIDE : (int)rint(size);
}

/* Size to which the picture is scaled, and its place in the tensor (negative when cropped). */
static void place(const cli_preprocess *settings, const cli_image *picture, const target *to, int *width, int *height,
                  cli_placement *placement)
{
    double ratio_x = (double)to->width / picture->width;
    double ratio_y = (double)to->height / picture->height;
    bool keeps_aspect = settings->resize != CLI_FIT_STRETCH;
    if (keeps_aspect) {
        bool fills = settings->resize == CLI_FIT_CROP;
        ratio_x = ratio_y = fills ? fmax(ratio_x, ratio_y) : fmin(ratio_x, ratio_y);
    } else if (settings->width == CLI_SIZE_KEEP) {
        ratio_x = ratio_y; /* what width_multiple adds is padding, not stretching */
    }
    *width = clamp_side(picture->width * ratio_x);
    *height = clamp_side(picture->height * ratio_y);
    bool is_corner = !keeps_aspect || settings->anchor == CLI_ANCHOR_CORNER;
    *placement = (cli_placement){
        .width = to->width, .height = to->height,
        .scale_x = (double)*width / picture->width, .scale_y = (double)*height / picture->height,
        .left = is_corner ? 0.0 : floor((to->width - *width) / 2.0),
        .top = is_corner ? 0.0 : floor((to->height - *height) / 2.0),
    };
}

/* Writes one channel plane or stripe of the tensor; source is NULL outside of the picture. */
static void fill_tensor(const cli_image *scaled, const cli_placement *placement, double pad_value, const target *to,
                        pith_tensor *tensor)
{
    float *floats = to->dtype == PITH_DTYPE_F32 ? tensor->data : NULL;
    int left = (int)placement->left;
    int top = (int)placement->top;
    for (int y = 0; y < to->height; y++) {
        for (int x = 0; x < to->width; x++) {
            bool is_inside = y >= top && y - top < scaled->height && x >= left && x - left < scaled->width;
            size_t from = is_inside ? ((size_t)(y - top) * (size_t)scaled->width + (size_t)(x - left))
                                          * (size_t)scaled->channels : 0;
            for (int c = 0; c < to->channels; c++) {
                size_t place_nhwc = ((size_t)y * (size_t)to->width + (size_t)x) * (size_t)to->channels + (size_t)c;
                size_t place_nchw = ((size_t)c * (size_t)to->height + (size_t)y) * (size_t)to->width + (size_t)x;
                size_t index = to->is_nhwc ? place_nhwc : place_nchw;
                int source = to->is_bgr ? 2 - c : c;
                double pixel = is_inside ? scaled->pixels[from + (size_t)source] : pad_value;
                double value = (pixel - to->mean[c]) * to->scale[c];
                if (floats) {
                    floats[index] = (float)value;
                } else {
                    cli_set(tensor, index, value);
                }
            }
        }
    }
}

pith_status cli_preprocess_apply(const cli_preprocess *settings, const cli_image *picture, pith_dtype dtype,
                                 const pith_shape *shape, cli_tensor *tensor_out, cli_placement *placement_out)
{
    target to = { 0 };
    cli_image coloured = { 0 };
    cli_image scaled = { 0 };
    cli_placement placement;
    int width, height;
    pith_status status = PITH_OK;
    CLI_TRY(choose(settings, picture, dtype, shape, &to));
    place(settings, picture, &to, &width, &height, &placement);
    CLI_TRY_GOTO(cli_image_to_channels(picture, to.channels, &coloured), done);
    CLI_TRY_GOTO(cli_image_resize(&coloured, width, height, &scaled), done);
    pith_shape full = { .rank = shape->rank, .dims = { 1 } };
    int64_t *dims = full.dims + shape->rank - 3;
    dims[to.is_nhwc ? 2 : 0] = to.channels;
    dims[to.is_nhwc ? 0 : 1] = to.height;
    dims[to.is_nhwc ? 1 : 2] = to.width;
    CLI_TRY_GOTO(cli_tensor_make(dtype, &full, tensor_out), done);
    fill_tensor(&scaled, &placement, settings->pad_value, &to, &tensor_out->view);
    *placement_out = placement;
done:
    cli_image_free(&coloured);
    cli_image_free(&scaled);
    return status;
}
