/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures and detections: scaling against values that Pillow 13.0 gave (Image.resize, BILINEAR),
 * PNG and JPEG round trips, box decoding, suppression, classes. */
#include <math.h>
#include <stdlib.h>

#include "cli/cli_test.h"
#include "cli/detect.h"
#include "cli/labels.h"

static cli_image make_pattern(pith_test *test)
{
    cli_image image;
    CLI_TEST_OK(test, cli_image_make(6, 5, 1, 0, &image));
    for (int i = 0; i < 30; i++) {
        int x = i % 6;
        int y = i / 6;
        image.pixels[i] = (uint8_t)(x * 53 + y * 97 + x * y * 11);
    }
    return image;
}

static void check_resize(pith_test *test, int width, int height, const int *wanted)
{
    cli_image image = make_pattern(test);
    cli_image resized = { 0 };
    pith_test_case(test, "resize to %d x %d", width, height);
    CLI_TEST_OK(test, cli_image_resize(&image, width, height, &resized));
    for (int i = 0; i < width * height; i++) {
        /* Pillow rounds between its two passes. */
        TEST_CHECK_MESSAGE(test, abs(resized.pixels[i] - wanted[i]) <= 1, "pixel %d is %d, not %d", i,
                           resized.pixels[i], wanted[i]);
    }
    cli_image_free(&image);
    cli_image_free(&resized);
}

static void test_resize(pith_test *test)
{
    static const int small[] = { 98, 129, 125, 121, 122, 123 };
    static const int large[] = {
        0, 27, 62, 97, 133, 168, 203, 111, 9, 55, 85, 125, 164, 131, 97, 136, 121, 96, 125, 122, 130, 174, 128, 82, 126,
        134, 131, 194, 104, 26, 75, 126, 176, 225, 148, 57, 80, 85, 104, 159, 123, 87, 142, 161, 166, 77, 122, 164, 152,
        121, 89, 77, 119, 164, 132, 181, 202, 97, 119, 140, 35, 57, 105,
    };
    static const int low[] = { 85, 91, 155, 103, 167, 91, 105, 133, 137, 107, 111, 139 };
    check_resize(test, 3, 2, small);
    check_resize(test, 9, 7, large);
    check_resize(test, 6, 2, low);
    check_resize(test, 1, 1, (const int[]){ 120 });
}

static void test_colours(pith_test *test)
{
    static const uint8_t colours[] = { 255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 200, 90 };
    static const uint8_t grey[] = { 76, 150, 29, 131 }; /* Pillow's convert("L") */
    cli_image image;
    cli_image converted;
    pith_test_case(test, "colour to grey");
    CLI_TEST_OK(test, cli_image_make(4, 1, 3, 0, &image));
    memcpy(image.pixels, colours, sizeof colours);
    CLI_TEST_OK(test, cli_image_to_channels(&image, 1, &converted));
    TEST_CHECK(test, memcmp(converted.pixels, grey, sizeof grey) == 0);
    cli_image_free(&image);
    cli_image_free(&converted);
}

/* Writes, reads back, and compares with a tolerance (0 for PNG). */
static void test_file(pith_test *test, const char *ending, int tolerance)
{
    char path[512];
    cli_image image = { 0 };
    cli_image back = { 0 };
    pith_test_case(test, "%s round trip", ending);
    snprintf(path, sizeof path, "%s/cli_picture%s", PITH_BINARY_DIR, ending);
    CLI_TEST_OK(test, cli_image_make(33, 17, 3, 0, &image));
    for (int i = 0; i < 33 * 17 * 3; i++) {
        image.pixels[i] = (uint8_t)(i % 33 * 3 + i / 99 * 5);
    }
    pith_status status = cli_image_save(path, &image);
    if (status == PITH_STATUS_UNSUPPORTED) {
        cli_clear_error();
        pith_test_skip(test, "built without the library");
        cli_image_free(&image);
        return;
    }
    CLI_TEST_OK(test, status);
    CLI_TEST_OK(test, cli_image_load(path, &back));
    TEST_CHECK(test, back.width == 33 && back.height == 17 && back.channels == 3);
    for (int i = 0; i < 33 * 17 * 3 && back.channels == 3; i++) {
        TEST_CHECK(test, abs(back.pixels[i] - image.pixels[i]) <= tolerance);
    }
    cli_bytes bytes = { 0 };
    CLI_TEST_OK(test, cli_file_read(path, &bytes));
    cli_image_free(&back);
    for (size_t n = 0; n < 40; n++) { /* a cut header is an error, never a crash */
        pith_status cut = ending[1] == 'p' ? cli_png_parse(bytes.data, n, &back) : cli_jpeg_parse(bytes.data, n, &back);
        TEST_CHECK(test, cut != PITH_OK);
        cli_clear_error();
    }
    cli_bytes_free(&bytes);
    cli_image_free(&image);
    remove(path);
}

static void test_drawing(pith_test *test)
{
    cli_image image;
    const cli_rgb red = { 200, 0, 0 };
    pith_test_case(test, "drawing stays in the picture");
    CLI_TEST_OK(test, cli_image_make(20, 10, 3, 0, &image));
    cli_draw_frame(&image, -5, -5, 40, 40, 2, red);
    cli_draw_text(&image, -3, 5, 3, "A \xc3\xa9~", red);
    cli_draw_fill(&image, 15, 8, 1000000, 1000000, red);
    TEST_CHECK(test, image.pixels[3 * (9 * 20 + 19)] == 200);
    cli_image_free(&image);
    pith_test_case(test, "a glyph");
    CLI_TEST_OK(test, cli_image_make(6, 9, 3, 0, &image));
    cli_draw_text(&image, 0, 0, 1, "L", red);
    for (int y = 0; y < 9; y++) {
        for (int x = 0; x < 6; x++) {
            bool is_ink = (x == 0 && y < 7) || (y == 6 && x < 5);
            TEST_CHECK(test, (image.pixels[3 * (y * 6 + x)] != 0) == is_ink);
        }
    }
    TEST_CHECK(test, cli_text_width(2, "a\xc3\xa9") == 24);
    cli_image_free(&image);
}

static void fill(cli_tensor *tensor, const double *values)
{
    for (size_t i = 0; i < (size_t)pith_shape_elements(&tensor->view.shape); i++) {
        cli_set(&tensor->view, i, values[i]);
    }
}

static void test_ssd(pith_test *test)
{
    cli_tensor scores, corners;
    cli_boxes boxes = { 0 };
    pith_test_case(test, "ssd, suppression and the way back to the picture");
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F32, &(pith_shape){ 3, { 1, 4, 2 } }, &scores));
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F32, &(pith_shape){ 3, { 1, 4, 4 } }, &corners));
    fill(&scores, (const double[]){ 0.1, 0.9, 0.2, 0.8, 0.9, 0.1, 0.3, 0.7 });
    fill(&corners, (const double[]){ 0, 0, 0.5, 0.5, 0, 0, 0.5, 0.4, 0, 0, 1, 1, 0.5, 0.5, 1.5, 1 });
    const pith_tensor *outputs[] = { &scores.view, &corners.view };
    cli_head head = { .outputs = outputs, .n_outputs = 2, .width = 100, .height = 200, .score_threshold = 0.5 };
    CLI_TEST_OK(test, cli_detect("ssd", &head, &boxes));
    TEST_CHECK(test, boxes.n == 3);
    cli_suppress(&boxes, 0.5); /* the second covers 0.8 of the first */
    TEST_CHECK(test, boxes.n == 2 && boxes.items[0].class_index == 1 && fabs(boxes.items[0].score - 0.9) < 1e-6);
    TEST_CHECK(test, boxes.items[0].right == 50.0 && boxes.items[0].bottom == 100.0);
    cli_placement placement = { .width = 100, .height = 200, .scale_x = 0.5, .scale_y = 0.5, .top = 10 };
    cli_boxes_to_picture(&boxes, &placement, 200, 300);
    TEST_CHECK(test, boxes.items[1].left == 100.0 && boxes.items[1].right == 200.0); /* cut at the edge */
    TEST_CHECK(test, boxes.items[1].top == 180.0 && boxes.items[1].bottom == 300.0);
    cli_boxes_free(&boxes);
    CLI_TEST_STATUS(test, cli_detect("yolo", &head, &boxes), PITH_STATUS_ARG, "yolox");
    CLI_TEST_STATUS(test, cli_detect("yolox", &head, &boxes), PITH_STATUS_SHAPE, "5 + classes");
    cli_tensor_free(&scores);
    cli_tensor_free(&corners);
}

static void test_yolox(pith_test *test)
{
    cli_tensor output;
    cli_boxes boxes = { 0 };
    pith_test_case(test, "yolox grids");
    /* Input 64 x 32: grids of 8 x 4, 4 x 2 and 2 x 1. */
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F32, &(pith_shape){ 3, { 1, 42, 7 } }, &output));
    const double cell[] = { 0.5, 0.25, log(2.0), log(3.0), 0.8, 0.1, 0.9 };
    for (size_t i = 0; i < 7; i++) {
        cli_set(&output.view, (32 + 5) * 7 + i, cell[i]); /* stride 16, column 1, row 1 */
    }
    const pith_tensor *outputs[] = { &output.view };
    cli_head head = { .outputs = outputs, .n_outputs = 1, .width = 64, .height = 32, .score_threshold = 0.5 };
    CLI_TEST_OK(test, cli_detect("yolox", &head, &boxes));
    TEST_CHECK(test, boxes.n == 1);
    if (boxes.n == 1) { /* centre (24, 20), size 32 x 48 */
        TEST_CHECK(test, fabs(boxes.items[0].left - 8.0) < 1e-4 && fabs(boxes.items[0].right - 40.0) < 1e-4);
        TEST_CHECK(test, fabs(boxes.items[0].top + 4.0) < 1e-4 && fabs(boxes.items[0].bottom - 44.0) < 1e-4);
        TEST_CHECK(test, boxes.items[0].class_index == 1 && fabs(boxes.items[0].score - 0.72) < 1e-6);
    }
    cli_boxes_free(&boxes);
    cli_tensor_free(&output);
}

static void test_classes(pith_test *test)
{
    cli_tensor values;
    cli_score top[3];
    cli_labels labels;
    char scratch[32];
    pith_test_case(test, "softmax where it is needed, and only there");
    CLI_TEST_OK(test, cli_tensor_make(PITH_DTYPE_F32, &(pith_shape){ 2, { 1, 4 } }, &values));
    fill(&values, (const double[]){ 1, 3, 3, -100 });
    TEST_CHECK(test, cli_top_scores(&values.view, 3, top) == 3);
    TEST_CHECK(test, top[0].class_index == 1 && top[1].class_index == 2 && top[2].class_index == 0);
    TEST_CHECK(test, fabs(top[0].score - 1.0 / (2.0 + exp(-2.0))) < 1e-9);
    fill(&values, (const double[]){ 0.1, 0.2, 0.3, 0.4 });
    TEST_CHECK(test, cli_top_scores(&values.view, 2, top) == 2 && fabs(top[0].score - 0.4) < 1e-6);
    cli_tensor_free(&values);

    pith_test_case(test, "labels keep their blanks");
    CLI_TEST_OK(test, cli_labels_parse(" \n\nb c\r\nlast", 12, &labels));
    TEST_CHECK(test, labels.n == 4 && strcmp(labels.items[0], " ") == 0 && strcmp(labels.items[1], "") == 0);
    TEST_CHECK(test, strcmp(labels.items[2], "b c") == 0 && strcmp(cli_label(&labels, 4, scratch), "class 4") == 0);
    cli_labels_free(&labels);
}

void test_cli_vision(pith_test *test)
{
    test_resize(test);
    test_colours(test);
    test_file(test, ".png", 0);
    test_file(test, ".jpg", 12);
    test_drawing(test);
    test_ssd(test);
    test_yolox(test);
    test_classes(test);
}
