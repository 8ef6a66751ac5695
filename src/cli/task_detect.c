/* SPDX-License-Identifier: Apache-2.0 */
/* Task detect: boxes of objects, in pixels of the picture. */
#include "detect.h"
#include "task.h"

enum { MAX_OUTPUTS = 32 };

pith_status cli_find_boxes(const cli_result *result, cli_boxes *boxes)
{
    const pith_tensor *outputs[MAX_OUTPUTS];
    const cli_preprocess *settings = result->settings;
    int n_outputs = pith_model_n_outputs(result->net->model);
    CLI_CHECK(result->picture, PITH_STATUS_ARG, "task detect needs a picture as input");
    CLI_CHECK(n_outputs <= MAX_OUTPUTS, PITH_STATUS_LIMIT, "%d outputs are more than %d", n_outputs, MAX_OUTPUTS);
    for (int i = 0; i < n_outputs; i++) {
        outputs[i] = pith_session_output(result->net->session, i);
    }
    cli_head head = { .outputs = outputs, .n_outputs = n_outputs, .width = result->placement.width,
                      .height = result->placement.height, .score_threshold = settings->score_threshold,
                      .background = (int)settings->background };
    CLI_TRY(cli_detect(settings->decoder, &head, boxes));
    cli_suppress(boxes, settings->iou_threshold);
    cli_boxes_to_picture(boxes, &result->placement, result->picture->width, result->picture->height);
    return PITH_OK;
}

static void report(const cli_result *result, const cli_boxes *boxes)
{
    cli_json *json = result->json;
    if (json) {
        cli_json_list(json, "boxes");
    } else {
        printf("  %d object%s\n", boxes->n, boxes->n == 1 ? "" : "s");
    }
    for (int i = 0; i < boxes->n; i++) {
        const cli_box *box = &boxes->items[i];
        const double corners[] = { box->left, box->top, box->right, box->bottom };
        char scratch[32];
        const char *label = cli_label(result->labels, box->class_index, scratch);
        if (json) {
            cli_json_object(json, NULL);
            cli_json_whole(json, "class", box->class_index);
            cli_json_text(json, "label", label);
            cli_json_number(json, "score", box->score);
            cli_json_numbers(json, "box", corners, 4);
            cli_json_end(json);
        } else {
            printf("  %6.3f  %-16s x %.0f..%.0f  y %.0f..%.0f\n", box->score, label, box->left, box->right, box->top,
                   box->bottom);
        }
    }
    if (json) {
        cli_json_end(json);
    }
}

static void draw_box(const cli_result *result, const cli_box *box, int zoom)
{
    const cli_rgb white = { 255, 255, 255 };
    cli_rgb colour = cli_class_colour(box->class_index);
    char scratch[32];
    char caption[128];
    int left = (int)(box->left + 0.5);
    int top = (int)(box->top + 0.5);
    int width = (int)(box->right + 0.5) - left;
    int height = (int)(box->bottom + 0.5) - top;
    cli_draw_frame(result->drawing, left, top, width, height, zoom + 1, colour);
    const char *label = result->labels->n ? cli_label(result->labels, box->class_index, scratch) : "";
    snprintf(caption, sizeof caption, "%s%s%.0f%%", label, *label ? " " : "", 100.0 * box->score);
    int above = top - cli_text_height(zoom) - zoom;
    int caption_top = above < 0 ? top : above;
    cli_draw_fill(result->drawing, left, caption_top, cli_text_width(zoom, caption) + zoom,
                  cli_text_height(zoom) + zoom, colour);
    cli_draw_text(result->drawing, left + zoom, caption_top + zoom, zoom, caption, white);
}

static pith_status show(const cli_result *result)
{
    cli_boxes boxes = { 0 };
    pith_status status = cli_find_boxes(result, &boxes);
    if (status == PITH_OK) {
        report(result, &boxes);
    }
    if (status == PITH_OK && result->drawing) {
        status = cli_image_to_channels(result->picture, 3, result->drawing);
        for (int i = boxes.n - 1; i >= 0 && status == PITH_OK; i--) { /* the best on top */
            draw_box(result, &boxes.items[i], cli_caption_zoom(result->picture));
        }
    }
    cli_boxes_free(&boxes);
    return status;
}

const cli_task cli_task_detect = { .name = "detect", .help = "boxes by --decoder ssd or yolox", .show = show };
