/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG through libjpeg, with its default upsampling ("fancy"), which ONNX prescribes. */
#include "codec.h"

#if PITH_HAS_JPEG
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

typedef struct jpeg_state {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf jump;
} jpeg_state;

static void leave(j_common_ptr common)
{
    longjmp(((jpeg_state *)common->client_data)->jump, 1);
}

/* A stream that ends early is no picture. */
static void hear(j_common_ptr common, int level)
{
    if (level < 0 && (common->err->msg_code == JWRN_JPEG_EOF || common->err->msg_code == JWRN_HIT_MARKER)) {
        leave(common);
    }
}

static void read_rows(struct jpeg_decompress_struct *jpeg, uint8_t *pixels)
{
    jpeg->out_color_space = JCS_RGB;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = pixels + (size_t)jpeg->output_scanline * jpeg->output_width * 3;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
}

int cli_codec_jpeg(const void *data, size_t n_bytes, int64_t size[2], uint8_t *pixels)
{
    jpeg_state state = { .jpeg = { .err = NULL } };
    state.jpeg.err = jpeg_std_error(&state.errors);
    state.jpeg.client_data = &state;
    state.errors.error_exit = leave;
    state.errors.emit_message = hear;
    if (setjmp(state.jump)) {
        jpeg_destroy_decompress(&state.jpeg);
        return 0;
    }
    jpeg_create_decompress(&state.jpeg);
    jpeg_mem_src(&state.jpeg, data, (unsigned long)n_bytes);
    jpeg_read_header(&state.jpeg, TRUE);
    const int is_same = !pixels || (size[0] == state.jpeg.image_height && size[1] == state.jpeg.image_width);
    size[0] = state.jpeg.image_height;
    size[1] = state.jpeg.image_width;
    if (pixels && is_same) {
        read_rows(&state.jpeg, pixels);
    }
    jpeg_destroy_decompress(&state.jpeg);
    return is_same;
}
#else
typedef int cli_no_codec_jpeg; /* a translation unit must not be empty */
#endif
