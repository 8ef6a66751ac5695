/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that pith reads itself, written here byte by byte after the formats' descriptions, and every cut of them
 * in front of an inaccessible page. */
#include <stdlib.h>

#include "base/ctx.h"
#include "ops/sample.h"
#include "ops/shared_image.h"
#include "support/test.h"

/* A file of `n_file` bytes, and its pixels: height, width, then red, green, blue of each. */
typedef struct picture {
    const char *name;
    pith_image_decode_fn *decode;
    size_t n_file;
    uint8_t file[128];
    uint8_t wanted[40];
} picture;

#define BMP_HEAD(size, start, w, h, bits, stored, colours)                                                             \
    'B', 'M', size, 0, 0, 0, 0, 0, 0, 0, start, 0, 0, 0, 40, 0, 0, 0, w, 0, 0, 0, h, 1, 0, bits, 0, stored, 0, 0, 0,   \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, colours, 0, 0, 0, 0, 0, 0, 0
#define TWO 2, 0, 0, 0
#define TWO_DOWN 0xfe, 0xff, 0xff, 0xff

static const picture pictures[] = {
    { "bmp of 24 bits, from the bottom", pithi_image_bmp, 70,
      { BMP_HEAD(70, 54, 2, TWO, 24, 0, 0), 1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0 },
      { 2, 2, 9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4 } },
    { "bmp of 24 bits, from the top", pithi_image_bmp, 70,
      { BMP_HEAD(70, 54, 2, TWO_DOWN, 24, 0, 0), 1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0 },
      { 2, 2, 3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10 } },
    { "bmp of 1 bit with a palette", pithi_image_bmp, 70,
      { BMP_HEAD(70, 62, 3, TWO, 1, 0, 2), 1, 2, 3, 0, 4, 5, 6, 0, 0xa0, 0, 0, 0, 0x40, 0, 0, 0 },
      { 2, 3, 3, 2, 1, 6, 5, 4, 3, 2, 1, 6, 5, 4, 3, 2, 1, 6, 5, 4 } },
    { "bmp with run lengths", pithi_image_bmp, 76,
      { BMP_HEAD(76, 62, 4, TWO, 8, 1, 2), 1, 2, 3, 0, 4, 5, 6, 0,
        3, 1, 0, 0, 0, 3, 1, 0, 1, 0, 1, 0, 0, 1 },
      { 2, 4, 6, 5, 4, 3, 2, 1, 6, 5, 4, 3, 2, 1, 6, 5, 4, 6, 5, 4, 6, 5, 4, 3, 2, 1 } },
    { "bmp of 16 bits with fields 5, 6, 5", pithi_image_bmp, 74,
      { BMP_HEAD(74, 66, 2, TWO, 16, 3, 0), 0, 0xf8, 0, 0, 0xe0, 0x07, 0, 0, 0x1f, 0, 0, 0,
        0x00, 0xf8, 0xe0, 0x07, 0x1f, 0x00, 0xff, 0xff },
      { 2, 2, 0, 0, 255, 255, 255, 255, 255, 0, 0, 0, 255, 0 } },
    { "pnm P1", pithi_image_pnm, 16, "P1\n# x\n2 2\n1001", { 2, 2, 0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0 } },
    { "pnm P2", pithi_image_pnm, 15, "P2 2 1 15\n0 5 1", { 1, 2, 0, 0, 0, 85, 85, 85 } },
    { "pnm P3", pithi_image_pnm, 18, "P3 1 1 255\n10 20 3", { 1, 1, 10, 20, 3 } },
    { "pnm P4", pithi_image_pnm, 9, "P4\n3 2\n\xa0@", { 2, 3, 0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0,
                                                      255, 255, 255 } },
    { "pnm P5 of 16 bits", pithi_image_pnm, 17, "P5\n2 1\n65535\n\xff\xff\x80\x80", { 1, 2, 255, 255, 255, 128, 128,
                                                                                128 } },
    { "pnm P6", pithi_image_pnm, 14, "P6 1 1 255\nabc", { 1, 1, 'a', 'b', 'c' } },
};

static void check_picture(pith_test *test, const picture *p)
{
    uint8_t pixels[64 * 3] = { 0 };
    int64_t size[2] = { 0, 0 };
    pith_test_case(test, "%s", p->name);
    TEST_CHECK(test, p->decode(p->file, p->n_file, size, NULL));
    TEST_CHECK(test, size[0] == p->wanted[0] && size[1] == p->wanted[1]);
    TEST_CHECK(test, p->decode(p->file, p->n_file, size, pixels));
    TEST_CHECK(test, memcmp(pixels, p->wanted + 2, (size_t)(3 * size[0] * size[1])) == 0);
}

/* Every cut gives no picture, or one without reading beyond the end. */
static void check_cuts(pith_test *test, const picture *p)
{
    pith_test_case(test, "%s, cut", p->name);
    for (size_t n = 0; n < p->n_file; n++) {
        pith_guarded file = pith_guarded_alloc(n, false);
        int64_t size[2] = { p->wanted[0], p->wanted[1] };
        uint8_t pixels[64 * 3];
        memcpy(file.data, p->file, n);
        (void)p->decode(file.data, n, size, NULL);
        size[0] = p->wanted[0];
        size[1] = p->wanted[1];
        (void)p->decode(file.data, n, size, pixels);
        pith_guarded_free(&file);
    }
}

static void check_missing(pith_test *test)
{
    pith_sample sample;
    pith_test_case(test, "a format without decoder");
    memset(test->ctx->image_decoders, 0, sizeof test->ctx->image_decoders);
    TEST_OK(test, pithi_sample_parse(test->ctx, pithi_op_find("image_decoder"), "u8[4]{255,216,255,224}", &sample));
    pith_tensor output = { 0 };
    pith_infer infer = { .ctx = test->ctx, .node = sample.node, .attrs = sample.node->attrs,
                         .inputs = sample.node->inputs[0]->constant, .n_inputs = 1, .outputs = &output,
                         .n_outputs = 1 };
    TEST_STATUS(test, pithi_op_infer(&infer), PITH_STATUS_UNSUPPORTED, "the picture is JPEG");
    pithi_graph_destroy(sample.graph);
}

void test_image_decoder(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(pictures); i++) {
        check_picture(test, &pictures[i]);
        check_cuts(test, &pictures[i]);
    }
    check_missing(test);
}
