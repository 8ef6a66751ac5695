/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG through libjpeg. Its errors jump back here, so each function keeps its state in one struct. */
#include "image.h"

#if PITH_HAS_JPEG
#include <setjmp.h>
#include <stdlib.h>
/* jpeglib.h uses FILE and size_t without including them. */
#include <jpeglib.h>

typedef struct jpeg_failure {
    struct jpeg_error_mgr base; /* must be first: libjpeg hands it back */
    jmp_buf jump;
    char message[JMSG_LENGTH_MAX];
} jpeg_failure;

static void leave(j_common_ptr common)
{
    jpeg_failure *failure = (jpeg_failure *)(void *)common->err;
    common->err->format_message(common, failure->message);
    longjmp(failure->jump, 1);
}

static void stay_silent(j_common_ptr common)
{
    (void)common;
}

static struct jpeg_error_mgr *catch_errors(jpeg_failure *failure)
{
    struct jpeg_error_mgr *base = jpeg_std_error(&failure->base);
    base->error_exit = leave;
    base->output_message = stay_silent; /* warnings: a damaged picture is shown as far as it goes */
    return base;
}

typedef struct jpeg_reader {
    struct jpeg_decompress_struct jpeg;
    jpeg_failure failure;
    cli_image image;
} jpeg_reader;

static pith_status read_rows(jpeg_reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    int channels = jpeg->num_components == 1 ? 1 : 3;
    CLI_CHECK(jpeg->num_components <= 3, PITH_STATUS_UNSUPPORTED, "jpeg: %d colour components (CMYK) can't be read",
              jpeg->num_components);
    jpeg->out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    CLI_TRY(cli_image_make((int)jpeg->image_width, (int)jpeg->image_height, channels, 0, &reader->image));
    jpeg_start_decompress(jpeg);
    size_t n_row = (size_t)reader->image.width * (size_t)channels;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = reader->image.pixels + jpeg->output_scanline * n_row;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
    return PITH_OK;
}

static pith_status decode(jpeg_reader *reader, const uint8_t *data, size_t n_bytes)
{
    reader->jpeg.err = catch_errors(&reader->failure);
    if (setjmp(reader->failure.jump)) {
        return cli_fail(PITH_STATUS_FORMAT, "jpeg: %s", reader->failure.message);
    }
    jpeg_create_decompress(&reader->jpeg);
    jpeg_mem_src(&reader->jpeg, data, n_bytes);
    jpeg_read_header(&reader->jpeg, TRUE);
    return read_rows(reader);
}

pith_status cli_jpeg_parse(const uint8_t *data, size_t n_bytes, cli_image *image_out)
{
    void *block;
    CLI_TRY(cli_alloc(1, sizeof(jpeg_reader), &block));
    jpeg_reader *reader = block;
    pith_status status = decode(reader, data, n_bytes);
    jpeg_destroy_decompress(&reader->jpeg);
    if (status == PITH_OK) {
        *image_out = reader->image;
    } else {
        cli_image_free(&reader->image);
    }
    cli_free(reader);
    return status;
}

typedef struct jpeg_writer {
    struct jpeg_compress_struct jpeg;
    jpeg_failure failure;
    unsigned char *data; /* libjpeg's malloc */
    unsigned long n_bytes;
} jpeg_writer;

static pith_status encode(jpeg_writer *writer, const cli_image *image)
{
    struct jpeg_compress_struct *jpeg = &writer->jpeg;
    jpeg->err = catch_errors(&writer->failure);
    if (setjmp(writer->failure.jump)) {
        return cli_fail(PITH_STATUS_IO, "jpeg: %s", writer->failure.message);
    }
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &writer->data, &writer->n_bytes);
    jpeg->image_width = (JDIMENSION)image->width;
    jpeg->image_height = (JDIMENSION)image->height;
    jpeg->input_components = image->channels;
    jpeg->in_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, 92, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    size_t n_row = (size_t)image->width * (size_t)image->channels;
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->pixels + jpeg->next_scanline * n_row;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return PITH_OK;
}

pith_status cli_jpeg_write(const cli_image *image, cli_bytes *bytes)
{
    void *block;
    CLI_TRY(cli_alloc(1, sizeof(jpeg_writer), &block));
    jpeg_writer *writer = block;
    pith_status status = encode(writer, image);
    if (status == PITH_OK) {
        status = cli_bytes_add(bytes, writer->data, writer->n_bytes);
    }
    jpeg_destroy_compress(&writer->jpeg);
    free(writer->data);
    cli_free(writer);
    return status;
}
#else
pith_status cli_jpeg_parse(const uint8_t *data, size_t n_bytes, cli_image *image_out)
{
    (void)data, (void)n_bytes, (void)image_out;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "jpeg: this tool was built without libjpeg");
}

pith_status cli_jpeg_write(const cli_image *image, cli_bytes *bytes)
{
    (void)image, (void)bytes;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "jpeg: this tool was built without libjpeg");
}
#endif
