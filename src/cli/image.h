/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of 8-bit pixels: files, scaling, drawing. */
#ifndef PITH_CLI_IMAGE_H
#define PITH_CLI_IMAGE_H

#include "file.h"

/* Rows from the top, channels interleaved: 1 (grey) or 3 (red, green, blue). */
typedef struct cli_image {
    int width, height, channels;
    uint8_t *pixels;
} cli_image;

#define CLI_MAX_IMAGE_SIDE 65535
#define CLI_MAX_IMAGE_BYTES ((size_t)1 << 31)

/* Filled with `value`. */
pith_status cli_image_make(int width, int height, int channels, uint8_t value, cli_image *image_out);
void cli_image_free(cli_image *image);

/* PNG and JPEG by content. Transparency is laid on white, 16-bit samples become 8-bit. */
bool cli_image_is_name(const char *path); /* .png .jpg .jpeg */
pith_status cli_image_load(const char *path, cli_image *image_out);
/* PNG or JPEG by the ending of the name. */
pith_status cli_image_save(const char *path, const cli_image *image);
pith_status cli_png_parse(const uint8_t *data, size_t n_bytes, cli_image *image_out);
pith_status cli_jpeg_parse(const uint8_t *data, size_t n_bytes, cli_image *image_out);
pith_status cli_png_save(const char *path, const cli_image *image);
pith_status cli_jpeg_write(const cli_image *image, cli_bytes *bytes);

/* Grey to colour by copying; colour to grey by ITU-R BT.601 luma. */
pith_status cli_image_to_channels(const cli_image *image, int channels, cli_image *converted_out);
/* Linear interpolation with the triangle widened when the picture shrinks, so nothing is skipped. */
pith_status cli_image_resize(const cli_image *image, int width, int height, cli_image *resized_out);

typedef struct cli_rgb {
    uint8_t r, g, b;
} cli_rgb;
/* A colour per class, well apart from its neighbours. */
cli_rgb cli_class_colour(int class_index);
/* All drawing is clipped to the picture, which must have 3 channels. */
void cli_draw_fill(cli_image *image, int left, int top, int width, int height, cli_rgb colour);
void cli_draw_frame(cli_image *image, int left, int top, int width, int height, int thickness, cli_rgb colour);
/* ASCII in 5x7 glyphs (descenders below) on a 6x9 grid, enlarged `zoom` times; other characters show as a box. */
void cli_draw_text(cli_image *image, int left, int top, int zoom, const char *text, cli_rgb colour);
int cli_text_width(int zoom, const char *text);
int cli_text_height(int zoom);
/* A copy of `part` at (left, top). */
void cli_draw_image(cli_image *image, int left, int top, const cli_image *part);

#endif
