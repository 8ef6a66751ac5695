/* SPDX-License-Identifier: Apache-2.0 */
/* Measures of detections and pictures against pycocotools 2 and scikit-image on the same made-up data, and against a
 * plain computation by VOC's rules. */
#include <math.h>

#include "cli/metric.h"
#include "cli/precision.h"
#include "cli/quality.h"
#include "cli_test.h"

enum { N_PICTURES = 8, N_CLASSES = 3, MAX_BOXES = 16 };

/* Numerical Recipes' generator, which is quickly written in another language, too. */
static double draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (double)*state / 4294967296.0;
}

static cli_box draw_box(uint32_t *state)
{
    cli_box box = { .class_index = (int)(draw(state) * N_CLASSES) };
    box.left = draw(state) * 60;
    box.top = draw(state) * 60;
    box.right = 10 + draw(state) * 30; /* width and height, until they are jittered */
    box.bottom = 10 + draw(state) * 30;
    return box;
}

static void close_box(cli_box *box)
{
    box->right += box->left;
    box->bottom += box->top;
}

static void add_picture(pith_test *test, cli_precision *precision, uint32_t *state)
{
    cli_box sizes[MAX_BOXES];
    cli_truth_box truth[MAX_BOXES] = { 0 };
    cli_box items[MAX_BOXES];
    int n_truth = (int)(draw(state) * 6);
    for (int i = 0; i < n_truth; i++) {
        truth[i].box = sizes[i] = draw_box(state);
        truth[i].is_crowd = draw(state) < 0.15;
        close_box(&truth[i].box);
    }
    cli_boxes found = { .items = items, .n = (int)(draw(state) * 9) };
    for (int i = 0; i < found.n; i++) {
        bool is_near = draw(state) < 0.7 && n_truth > 0;
        if (is_near) {
            items[i] = sizes[(int)(draw(state) * n_truth)];
            items[i].left += (draw(state) - 0.5) * 8;
            items[i].top += (draw(state) - 0.5) * 8;
            items[i].right *= 0.8 + 0.4 * draw(state);
            items[i].bottom *= 0.8 + 0.4 * draw(state);
        } else {
            items[i] = draw_box(state);
        }
        items[i].score = draw(state);
        close_box(&items[i]);
    }
    CLI_TEST_OK(test, cli_precision_add(precision, &found, truth, n_truth));
}

static void check_precision(pith_test *test)
{
    static const double wanted[CLI_N_PRECISIONS] = { 0.1505363036, 0.3470847085, 0.2740740741 };
    cli_precision precision = { 0 };
    int times[N_PICTURES];
    double values[CLI_N_PRECISIONS], twice[CLI_N_PRECISIONS];
    uint32_t state = 1;
    pith_test_case(test, "average precision");
    for (int i = 0; i < N_PICTURES; i++) {
        add_picture(test, &precision, &state);
        times[i] = 1;
    }
    CLI_TEST_OK(test, cli_precision_score(&precision, times, values));
    for (int k = 0; k < CLI_N_PRECISIONS; k++) {
        TEST_CHECK_MESSAGE(test, fabs(values[k] - wanted[k]) < 1e-6, "value %d is %.9f, not %.9f", k, values[k],
                           wanted[k]);
    }
    for (int i = 0; i < N_PICTURES; i++) {
        times[i] = 2;
    }
    pith_test_case(test, "average precision with weights: all twice, the last picture left out");
    CLI_TEST_OK(test, cli_precision_score(&precision, times, twice));
    TEST_CHECK(test, memcmp(values, twice, sizeof values) == 0);
    for (int i = 0; i < N_PICTURES; i++) {
        times[i] = i + 1 < N_PICTURES;
    }
    CLI_TEST_OK(test, cli_precision_score(&precision, times, values));
    cli_precision_free(&precision);
    state = 1;
    for (int i = 0; i + 1 < N_PICTURES; i++) {
        add_picture(test, &precision, &state);
    }
    CLI_TEST_OK(test, cli_precision_score(&precision, times, twice));
    TEST_CHECK(test, memcmp(values, twice, sizeof values) == 0);
    cli_precision_free(&precision);
}

static void check_quality(pith_test *test)
{
    cli_pixels a, b, small, large;
    double ssim = 0.0;
    uint32_t state = 1;
    pith_test_case(test, "PSNR and SSIM");
    CLI_TEST_OK(test, cli_pixels_make(19, 23, &a));
    CLI_TEST_OK(test, cli_pixels_make(19, 23, &b));
    for (int i = 0; i < 19 * 23; i++) {
        a.items[i] = floor(draw(&state) * 256);
    }
    for (int i = 0; i < 19 * 23; i++) {
        b.items[i] = fmin(fmax(a.items[i] + floor(draw(&state) * 40) - 20, 0.0), 255.0);
    }
    CLI_TEST_OK(test, cli_ssim(&a, &b, 0, &ssim));
    TEST_CHECK_MESSAGE(test, fabs(ssim - 0.9860767063) < 1e-9, "SSIM %.10f", ssim);
    TEST_CHECK(test, fabs(cli_psnr(cli_mean_square(&a, &b, 0)) - 26.8977453679) < 1e-9);
    TEST_CHECK(test, fabs(cli_psnr(cli_mean_square(&a, &b, 2)) - 26.9041044310) < 1e-9);
    TEST_CHECK(test, cli_psnr(cli_mean_square(&a, &a, 0)) == 100.0 && cli_psnr(1e-30) == 100.0);
    TEST_CHECK(test, isnan(cli_psnr((double)NAN)));
    pith_test_case(test, "bicubic: a slope stays one, away from the mirrored border");
    for (int i = 0; i < 19 * 23; i++) {
        a.items[i] = i % 19 + 3 * (i / 19);
    }
    CLI_TEST_OK(test, cli_pixels_bicubic(&a, 38, 46, &large));
    CLI_TEST_OK(test, cli_pixels_bicubic(&large, 19, 23, &small));
    TEST_CHECK(test, fabs(large.items[20 * 38 + 17] - (8.25 + 3 * 9.75)) < 1e-9);
    TEST_CHECK(test, fabs(small.items[11 * 19 + 9] - a.items[11 * 19 + 9]) < 1e-9);
    cli_free(a.items);
    cli_free(b.items);
    cli_free(small.items);
    cli_free(large.items);
}

static void check_intervals(pith_test *test)
{
    double interval[2];
    pith_test_case(test, "Wilson's interval");
    cli_wilson(0.5, 10, interval); /* Wallis 2013, table 1: 0.2366, 0.7634 */
    TEST_CHECK(test, fabs(interval[0] - 0.2366) < 1e-4 && fabs(interval[1] - 0.7634) < 1e-4);
    cli_wilson(0.0, 10, interval);
    TEST_CHECK(test, interval[0] == 0.0 && fabs(interval[1] - 0.2775) < 1e-4);
}

void test_cli_metrics(pith_test *test)
{
    check_precision(test);
    check_quality(test);
    check_intervals(test);
}
