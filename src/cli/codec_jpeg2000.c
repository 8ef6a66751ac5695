/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG 2000, as a codestream or in its file format, through openjpeg. Grey or RGB without subsampling. */
#include "codec.h"

#if PITH_HAS_OPENJPEG
#include <stdbool.h>
#include <string.h>

#include <openjpeg.h>

typedef struct jp2_bytes {
    const uint8_t *data;
    size_t n_bytes, at;
} jp2_bytes;

static OPJ_SIZE_T read_bytes(void *to, OPJ_SIZE_T n, void *user)
{
    jp2_bytes *in = user;
    const size_t left = in->n_bytes - in->at, taken = n < left ? n : left;
    if (taken == 0) {
        return (OPJ_SIZE_T)-1;
    }
    memcpy(to, in->data + in->at, taken);
    in->at += taken;
    return taken;
}

static OPJ_OFF_T skip_bytes(OPJ_OFF_T n, void *user)
{
    jp2_bytes *in = user;
    if (n < 0 || (size_t)n > in->n_bytes - in->at) {
        return -1;
    }
    in->at += (size_t)n;
    return n;
}

static OPJ_BOOL seek(OPJ_OFF_T at, void *user)
{
    jp2_bytes *in = user;
    if (at < 0 || (size_t)at > in->n_bytes) {
        return OPJ_FALSE;
    }
    in->at = (size_t)at;
    return OPJ_TRUE;
}

static uint8_t sample(const opj_image_comp_t *component, size_t i)
{
    const int value = component->data[i] + (component->sgnd ? 1 << (component->prec - 1) : 0);
    const int scaled = component->prec > 8 ? value >> (component->prec - 8) : value << (8 - component->prec);
    return (uint8_t)(scaled < 0 ? 0 : scaled > 255 ? 255 : scaled);
}

static int copy_pixels(const opj_image_t *image, uint8_t *pixels)
{
    const opj_image_comp_t *c = image->comps;
    const bool is_grey = image->numcomps < 3;
    const size_t n_pixels = (size_t)c[0].w * c[0].h;
    for (OPJ_UINT32 k = 0; k < (is_grey ? 1 : 3); k++) {
        if (!c[k].data || c[k].w != c[0].w || c[k].h != c[0].h || c[k].prec < 1 || c[k].prec > 16) {
            return 0;
        }
    }
    for (size_t i = 0; i < n_pixels; i++) {
        for (size_t k = 0; k < 3; k++) {
            pixels[3 * i + k] = sample(&c[is_grey ? 0 : k], i);
        }
    }
    return image->color_space != OPJ_CLRSPC_SYCC && image->color_space != OPJ_CLRSPC_CMYK;
}

/* Size of the first component, which the header alone doesn't give. */
static int64_t extent(OPJ_UINT32 from, OPJ_UINT32 to, OPJ_UINT32 step)
{
    return step == 0 ? 0 : ((int64_t)to + step - 1) / step - ((int64_t)from + step - 1) / step;
}

static int decode(opj_codec_t *codec, opj_stream_t *stream, int64_t size[2], uint8_t *pixels)
{
    opj_dparameters_t parameters;
    opj_image_t *image = NULL;
    opj_set_default_decoder_parameters(&parameters);
    int is_good = opj_setup_decoder(codec, &parameters) && opj_read_header(stream, codec, &image) &&
                  image->numcomps > 0;
    const int64_t height = is_good ? extent(image->y0, image->y1, image->comps[0].dy) : 0;
    const int64_t width = is_good ? extent(image->x0, image->x1, image->comps[0].dx) : 0;
    is_good = height > 0 && width > 0 && (!pixels || (size[0] == height && size[1] == width));
    size[0] = height;
    size[1] = width;
    if (is_good && pixels) {
        is_good = opj_decode(codec, stream, image) && opj_end_decompress(codec, stream) &&
                  image->comps[0].h == height && image->comps[0].w == width && copy_pixels(image, pixels);
    }
    opj_image_destroy(image);
    return is_good;
}

int cli_codec_jpeg2000(const void *data, size_t n_bytes, int64_t size[2], uint8_t *pixels)
{
    jp2_bytes in = { data, n_bytes, 0 };
    const bool is_codestream = n_bytes > 0 && in.data[0] == 0xff;
    opj_codec_t *codec = opj_create_decompress(is_codestream ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    opj_stream_t *stream = opj_stream_create(OPJ_J2K_STREAM_CHUNK_SIZE, OPJ_TRUE);
    int is_good = codec && stream;
    if (is_good) {
        opj_stream_set_user_data(stream, &in, NULL);
        opj_stream_set_user_data_length(stream, n_bytes);
        opj_stream_set_read_function(stream, read_bytes);
        opj_stream_set_skip_function(stream, skip_bytes);
        opj_stream_set_seek_function(stream, seek);
        is_good = decode(codec, stream, size, pixels);
    }
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    return is_good;
}
#else
typedef int cli_no_codec_jpeg2000; /* a translation unit must not be empty */
#endif
