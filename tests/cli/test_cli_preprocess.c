/* SPDX-License-Identifier: Apache-2.0 */
/* Sidecar files, and pictures becoming tensors. */
#include <math.h>

#include "cli/cli_test.h"
#include "cli/preprocess.h"

static pith_status parse(const char *text, cli_preprocess *settings)
{
    cli_preprocess_init(settings);
    return cli_preprocess_parse(text, strlen(text), settings);
}

static void test_text(pith_test *test)
{
    static const char file[] = "# a comment\n\nlayout = nhwc\r\n color=gray # behind\nsize = 32xauto\n"
                               "width_multiple = 8\nmean = 1, 2.5,3\nlabels = some file.txt\nblank = 7\n"
                               "pad_value = 127.5";
    cli_preprocess settings;
    cli_preprocess again;
    cli_bytes bytes = { 0 };
    pith_test_case(test, "a file is read");
    CLI_TEST_OK(test, parse(file, &settings));
    TEST_CHECK(test, settings.layout == CLI_LAYOUT_NHWC && settings.color == CLI_COLOR_GRAY);
    TEST_CHECK(test, settings.height == 32 && settings.width == CLI_SIZE_KEEP && settings.width_multiple == 8);
    TEST_CHECK(test, settings.mean.n == 3 && settings.mean.items[1] == 2.5 && settings.scale.n == 0);
    TEST_CHECK(test, strcmp(settings.labels, "some file.txt") == 0 && settings.blank == 7);
    TEST_CHECK(test, settings.pad_value == 127.5);
    TEST_CHECK(test, cli_preprocess_has(&settings, "width-multiple") && !cli_preprocess_has(&settings, "beam"));

    pith_test_case(test, "what is written reads the same");
    CLI_TEST_OK(test, cli_preprocess_write(&settings, &bytes));
    cli_preprocess_init(&again);
    CLI_TEST_OK(test, cli_preprocess_parse((const char *)bytes.data, bytes.n, &again));
    TEST_CHECK(test, memcmp(&settings, &again, sizeof settings) == 0);
    cli_bytes_free(&bytes);
}

static void test_refusals(pith_test *test)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "layuot = nchw", "did you mean 'layout'" },
        { "\nlayout = chwn", "line 2: layout takes one of nchw, nhwc, not 'chwn'" },
        { "size = 3", "HEIGHTxWIDTH" },
        { "size = autoxauto", "one side must be a number" },
        { "size = 0x4", "HEIGHTxWIDTH" },
        { "mean = 1,2,3,4,5", "per channel" },
        { "mean = 1,x", "per channel" },
        { "top = 0", "top takes a whole number from 1" },
        { "blank = 1.5", "whole number" },
        { "just words", "no 'key = value'" },
        { "labels =", "labels takes 1 to" },
    };
    pith_test_case(test, "mistakes are named");
    for (int i = 0; i < CLI_COUNT(cases); i++) {
        cli_preprocess settings;
        pith_status status = parse(cases[i].text, &settings);
        TEST_CHECK_MESSAGE(test, status != PITH_OK, "'%s' was accepted", cases[i].text);
        TEST_CHECK_MESSAGE(test, strstr(cli_error(), cases[i].message), "'%s': \"%s\" lacks \"%s\"", cases[i].text,
                           cli_error(), cases[i].message);
        cli_clear_error();
    }
}

/* A picture of one colour with one pixel of another. */
static cli_image make_picture(pith_test *test, int width, int height, const uint8_t colour[3])
{
    cli_image image;
    CLI_TEST_OK(test, cli_image_make(width, height, 3, 0, &image));
    for (int i = 0; i < width * height; i++) {
        memcpy(image.pixels + 3 * i, colour, 3);
    }
    return image;
}

static void test_values(pith_test *test)
{
    const uint8_t colour[3] = { 10, 20, 30 };
    cli_image picture = make_picture(test, 4, 4, colour);
    cli_preprocess settings;
    cli_tensor tensor = { 0 };
    cli_placement placement;
    const pith_shape nchw = { 4, { -1, 3, 2, 2 } };
    pith_test_case(test, "channels, mean and scale");
    CLI_TEST_OK(test, parse("color = bgr\nmean = 1,2,3\nscale = 2", &settings));
    CLI_TEST_OK(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &nchw, &tensor, &placement));
    const double wanted[3] = { (30 - 1) * 2, (20 - 2) * 2, (10 - 3) * 2 };
    for (size_t i = 0; i < 12; i++) {
        TEST_CHECK(test, cli_get(&tensor.view, i) == wanted[i / 4]);
    }
    cli_tensor_free(&tensor);

    pith_test_case(test, "bytes in nhwc, and 0..1 for floats without a word");
    const pith_shape nhwc = { 3, { 2, 2, 3 } };
    CLI_TEST_OK(test, parse("", &settings));
    CLI_TEST_OK(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_U8, &nhwc, &tensor, &placement));
    TEST_CHECK(test, cli_get(&tensor.view, 0) == 10 && cli_get(&tensor.view, 5) == 30);
    cli_tensor_free(&tensor);
    CLI_TEST_OK(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &nhwc, &tensor, &placement));
    TEST_CHECK(test, fabs(cli_get(&tensor.view, 1) - 20.0 / 255.0) < 1e-7);
    cli_tensor_free(&tensor);

    pith_test_case(test, "what doesn't fit is refused");
    CLI_TEST_OK(test, parse("color = gray", &settings));
    CLI_TEST_STATUS(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &nchw, &tensor, &placement),
                    PITH_STATUS_ARG, "color");
    CLI_TEST_OK(test, parse("size = 3x2", &settings));
    CLI_TEST_STATUS(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &nchw, &tensor, &placement),
                    PITH_STATUS_SHAPE, "3x2");
    const pith_shape open = { 4, { 1, 3, -1, -1 } };
    CLI_TEST_OK(test, parse("", &settings));
    CLI_TEST_STATUS(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &open, &tensor, &placement),
                    PITH_STATUS_SHAPE, "--size");
    cli_image_free(&picture);
}

static void test_placement(pith_test *test)
{
    const uint8_t white[3] = { 255, 255, 255 };
    cli_image picture = make_picture(test, 20, 10, white);
    cli_preprocess settings;
    cli_tensor tensor = { 0 };
    cli_placement placement;
    const pith_shape square = { 4, { 1, 1, 8, 8 } };
    pith_test_case(test, "letterbox in the middle");
    CLI_TEST_OK(test, parse("resize = letterbox\npad_value = 100\nscale = 1", &settings));
    CLI_TEST_OK(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &square, &tensor, &placement));
    for (size_t i = 0; i < 64; i++) { /* 8 x 4 in rows 2 to 5 */
        TEST_CHECK(test, cli_get(&tensor.view, i) == (i / 8 >= 2 && i / 8 < 6 ? 255 : 100));
    }
    TEST_CHECK(test, placement.scale_x == 0.4 && placement.top == 2.0 && placement.left == 0.0);
    cli_tensor_free(&tensor);

    pith_test_case(test, "letterbox in the corner, and crop");
    CLI_TEST_OK(test, parse("resize = letterbox\nanchor = corner", &settings));
    CLI_TEST_OK(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &square, &tensor, &placement));
    TEST_CHECK(test, placement.top == 0.0 && cli_get(&tensor.view, 31) == 1.0 && cli_get(&tensor.view, 32) == 0.0);
    cli_tensor_free(&tensor);
    CLI_TEST_OK(test, parse("resize = crop", &settings));
    CLI_TEST_OK(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &square, &tensor, &placement));
    TEST_CHECK(test, placement.left == -4.0 && placement.scale_x == 0.8 && cli_get(&tensor.view, 0) == 1.0);
    cli_tensor_free(&tensor);

    pith_test_case(test, "width by aspect ratio, padded to a multiple");
    const pith_shape open = { 4, { 1, 1, 32, -1 } };
    CLI_TEST_OK(test, parse("size = 32xauto\nwidth_multiple = 48\npad_value = 51", &settings));
    CLI_TEST_OK(test, cli_preprocess_apply(&settings, &picture, PITH_DTYPE_F32, &open, &tensor, &placement));
    TEST_CHECK(test, tensor.view.shape.dims[3] == 96); /* 64 from the picture, 32 of padding */
    TEST_CHECK(test, cli_get(&tensor.view, 63) == 1.0 && fabs(cli_get(&tensor.view, 64) - 0.2) < 1e-7);
    cli_tensor_free(&tensor);
    cli_image_free(&picture);
}

void test_cli_preprocess(pith_test *test)
{
    test_text(test);
    test_refusals(test);
    test_values(test);
    test_placement(test);
}
