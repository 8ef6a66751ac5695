/* SPDX-License-Identifier: Apache-2.0 */
/* image_decoder: the picture in an encoded stream of bytes, [height, width, channels] of u8. ONNX ImageDecoder. What
 * can't be read gives [0, 0, channels], as the standard says; a format whose decoder the program has not handed over
 * (pith/image.h) is an error. */
#include "base/ctx.h"
#include "ops/sample.h"
#include "ops/shared_image.h"
#include "ops/shared_index.h"

typedef struct decoder_attrs {
    int64_t pixel_format;
} decoder_attrs;

enum { FORMAT_RGB, FORMAT_BGR, FORMAT_GREY };
static const char *const pixel_formats[] = { "RGB", "BGR", "Grayscale", NULL };
static const pith_attr_spec table[] = {
    PITH_ATTR_CHOICE(decoder_attrs, pixel_format, "pixel_format", FORMAT_RGB, pixel_formats) };

/* First bytes of the formats; '?' is any byte. */
static const struct {
    const char *start;
    size_t n_bytes;
    int format; /* pith_image_format, or -1 */
    const char *name;
    pith_image_decode_fn *own;
} formats[] = {
    { "BM", 2, -1, "BMP", pithi_image_bmp },
    { "\xff\xd8\xff", 3, PITH_IMAGE_JPEG, "JPEG", NULL },
    { "\x89PNG\r\n\x1a\n", 8, PITH_IMAGE_PNG, "PNG", NULL },
    { "RIFF????WEBP", 12, PITH_IMAGE_WEBP, "WebP", NULL },
    { "II*\0", 4, PITH_IMAGE_TIFF, "TIFF", NULL },
    { "MM\0*", 4, PITH_IMAGE_TIFF, "TIFF", NULL },
    { "II+\0", 4, PITH_IMAGE_TIFF, "TIFF", NULL },
    { "MM\0+", 4, PITH_IMAGE_TIFF, "TIFF", NULL },
    { "\0\0\0\x0cjP  \r\n\x87\n", 12, PITH_IMAGE_JPEG2000, "JPEG 2000", NULL },
    { "\xff\x4f\xff\x51", 4, PITH_IMAGE_JPEG2000, "JPEG 2000", NULL },
    { "P", 1, -1, "PNM", pithi_image_pnm },
};

static bool starts_with(const uint8_t *data, size_t n_bytes, int i)
{
    bool is_same = n_bytes >= formats[i].n_bytes;
    for (size_t k = 0; is_same && k < formats[i].n_bytes; k++) {
        is_same = formats[i].start[k] == '?' || data[k] == (uint8_t)formats[i].start[k];
    }
    return is_same;
}

/* The number of the stream's format, -1: none that is known. */
static int format_of(const pith_tensor *stream)
{
    for (int i = 0; i < PITH_COUNT(formats); i++) {
        if (starts_with(stream->data, (size_t)pith_shape_elements(&stream->shape), i)) {
            return i;
        }
    }
    return -1;
}

static pith_image_decode_fn *decoder_of(const pith_ctx *ctx, int i)
{
    return formats[i].own ? formats[i].own : ctx->image_decoders[formats[i].format];
}

static int64_t channels_of(const decoder_attrs *attrs)
{
    return attrs->pixel_format == FORMAT_GREY ? 1 : 3;
}

/* Luma of ITU-R BT.601 with 16 bits of fraction, and blue first. */
static void convert(int64_t pixel_format, const uint8_t *rgb, int64_t n_pixels, uint8_t *y)
{
    for (int64_t i = 0; i < n_pixels; i++, rgb += 3) {
        const uint8_t red = rgb[0], green = rgb[1], blue = rgb[2];
        if (pixel_format == FORMAT_GREY) {
            y[i] = (uint8_t)((19595u * red + 38470u * green + 7471u * blue + 0x8000u) >> 16);
        } else {
            y[3 * i] = blue;
            y[3 * i + 1] = green;
            y[3 * i + 2] = red;
        }
    }
}

static void ref(const pith_run *run)
{
    const decoder_attrs *attrs = run->attrs;
    const pith_tensor *stream = &run->inputs[0];
    const int i = format_of(stream);
    int64_t size[2] = { run->outputs[0].shape.dims[0], run->outputs[0].shape.dims[1] };
    pith_image_decode_fn *decode = i >= 0 ? decoder_of(run->heap->ctx, i) : NULL;
    const int64_t n_pixels = size[0] * size[1];
    uint8_t *pixels = run->outputs[0].data;
    if (n_pixels > 0 && attrs->pixel_format != FORMAT_RGB) {
        pixels = pithi_run_alloc(run, (size_t)n_pixels, 3);
    }
    if (n_pixels == 0 || !pixels) {
        return;
    }
    if (!decode || !decode(stream->data, (size_t)pith_shape_elements(&stream->shape), size, pixels)) {
        pithi_run_fault(run, "the picture can no longer be read");
    } else if (attrs->pixel_format != FORMAT_RGB) {
        convert(attrs->pixel_format, pixels, n_pixels, run->outputs[0].data);
    }
}

/* Reads the whole picture: only then is it known not to be empty. */
static pith_status try_decode(pith_infer *infer, pith_image_decode_fn *decode, pith_shape *shape)
{
    const pith_tensor *stream = &infer->inputs[0];
    const size_t n_bytes = (size_t)pith_shape_elements(&stream->shape);
    pith_shape rgb = { 3, { 0, 0, 3 } };
    size_t n_pixel_bytes = 0;
    void *pixels = NULL;
    if (!decode(stream->data, n_bytes, rgb.dims, NULL)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_shape_check(infer->ctx, &rgb, PITH_DTYPE_U8, &n_pixel_bytes));
    PITH_TRY(pithi_alloc_raw(infer->ctx, n_pixel_bytes, &pixels));
    if (n_pixel_bytes > 0 && decode(stream->data, n_bytes, rgb.dims, pixels)) {
        shape->dims[0] = rgb.dims[0];
        shape->dims[1] = rgb.dims[1];
    }
    pithi_free(infer->ctx, pixels);
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const pith_tensor *stream = &infer->inputs[0];
    pith_shape *shape = &infer->outputs[0].shape;
    PITH_CHECK(infer->ctx, stream->shape.rank == 1, PITH_STATUS_SHAPE,
               "the encoded stream has rank %d, but must have 1", stream->shape.rank);
    if (!pithi_has_value(stream)) {
        return pithi_infer_need_value(infer, 0);
    }
    infer->outputs[0].dtype = PITH_DTYPE_U8;
    *shape = (pith_shape){ 3, { 0, 0, channels_of(infer->attrs) } };
    const int i = format_of(stream);
    if (i < 0) {
        return PITH_OK;
    }
    pith_image_decode_fn *decode = decoder_of(infer->ctx, i);
    PITH_CHECK(infer->ctx, decode, PITH_STATUS_UNSUPPORTED,
               "the picture is %s, for which this program has no decoder; hand one over with "
               "pith_ctx_set_image_decoder(), or use a tool built with its library (`pith version` lists them)",
               formats[i].name);
    return try_decode(infer, decode, shape);
}

static const pith_operand_spec inputs[] = { { "encoded_stream", PITH_DTYPES(PITH_DTYPE_U8), PITH_ONE } };
static const pith_operand_spec outputs[] = { { "image", PITH_DTYPES(PITH_DTYPE_U8), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "ImageDecoder", 20, NULL } };
static const char *const samples[] = {
    "u8[17]{80,54,10,50,32,49,10,50,53,53,10,1,2,3,250,128,7}", /* P6, 2 x 1 */
    "u8[17]{80,54,10,50,32,49,10,50,53,53,10,1,2,3,250,128,7} | pixel_format=BGR",
    "u8[14]{80,50,32,49,32,50,32,49,53,10,55,32,49,53} | pixel_format=Grayscale", /* P2, 1 x 2 */
    "u8[3]{80,54,10}",
    "u8[0]{}",
};

const pith_op pith_op_image_decoder = {
    .head = { "image_decoder", 1, PITH_ATTRS(table, decoder_attrs) },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
