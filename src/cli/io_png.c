/* SPDX-License-Identifier: Apache-2.0 */
/* PNG through libpng's simplified interface. */
#include "image.h"

#if PITH_HAS_PNG
#include <png.h>

pith_status cli_png_parse(const uint8_t *data, size_t n_bytes, cli_image *image_out)
{
    png_image png = { .version = PNG_IMAGE_VERSION };
    cli_image image = { 0 };
    pith_status status = PITH_OK;
    CLI_CHECK(png_image_begin_read_from_memory(&png, data, n_bytes), PITH_STATUS_FORMAT, "png: %s", png.message);
    bool is_colour = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
    png.format = is_colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    int width = png.width > CLI_MAX_IMAGE_SIDE ? CLI_MAX_IMAGE_SIDE + 1 : (int)png.width;
    int height = png.height > CLI_MAX_IMAGE_SIDE ? CLI_MAX_IMAGE_SIDE + 1 : (int)png.height;
    CLI_TRY_GOTO(cli_image_make(width, height, is_colour ? 3 : 1, 255, &image), done);
    png_color white = { 255, 255, 255 };
    if (!png_image_finish_read(&png, &white, image.pixels, 0, NULL)) {
        status = cli_fail(PITH_STATUS_FORMAT, "png: %s", png.message);
        goto done;
    }
    *image_out = image;
    image = (cli_image){ 0 };
done:
    png_image_free(&png);
    cli_image_free(&image);
    return status;
}

pith_status cli_png_save(const char *path, const cli_image *image)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION, .width = (png_uint_32)image->width, .height = (png_uint_32)image->height,
        .format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY,
    };
    int is_written = png_image_write_to_file(&png, path, 0, image->pixels, 0, NULL);
    CLI_CHECK(is_written, PITH_STATUS_IO, "can't write '%s': %s", path, png.message);
    return PITH_OK;
}
#else
pith_status cli_png_parse(const uint8_t *data, size_t n_bytes, cli_image *image_out)
{
    (void)data, (void)n_bytes, (void)image_out;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "png: this tool was built without libpng");
}

pith_status cli_png_save(const char *path, const cli_image *image)
{
    (void)image;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "can't write '%s': this tool was built without libpng", path);
}
#endif
