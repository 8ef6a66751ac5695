/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders of detection heads, and non-maximum suppression. */
#include <math.h>
#include <stdlib.h>

#include "detect.h"

static pith_status add_box(cli_boxes *boxes, const cli_box *box)
{
    CLI_TRY(cli_grow((void **)&boxes->items, &boxes->capacity, (size_t)boxes->n + 1, sizeof *boxes->items));
    boxes->items[boxes->n++] = *box;
    return PITH_OK;
}

void cli_boxes_free(cli_boxes *boxes)
{
    cli_free(boxes->items);
    *boxes = (cli_boxes){ 0 };
}

/* Rows of [1, N, C] or [N, C]; 0 if the tensor is neither. */
static int64_t count_rows(const pith_tensor *tensor)
{
    const pith_shape *shape = &tensor->shape;
    if (shape->rank == 3 && shape->dims[0] == 1) {
        return shape->dims[1];
    }
    return shape->rank == 2 ? shape->dims[0] : 0;
}

static int64_t count_columns(const pith_tensor *tensor)
{
    return tensor->shape.dims[tensor->shape.rank - 1];
}

/* ---- ssd ---------------------------------------------------------------------------------- */

static pith_status find_ssd_outputs(const cli_head *head, const pith_tensor **scores, const pith_tensor **corners)
{
    for (int i = 0; i < head->n_outputs; i++) {
        const pith_tensor *output = head->outputs[i];
        if (count_rows(output) > 0 && count_columns(output) == 4 && !*corners) {
            *corners = output;
        } else if (count_rows(output) > 0 && !*scores) {
            *scores = output;
        }
    }
    CLI_CHECK(*scores && *corners && count_rows(*scores) == count_rows(*corners), PITH_STATUS_SHAPE,
              "decoder ssd needs outputs [1, N, classes] and [1, N, 4] with the same N");
    return PITH_OK;
}

/* Fractions of the input stay near 0..1, pixels don't. */
static bool are_fractions(const pith_tensor *corners)
{
    size_t n = (size_t)pith_shape_elements(&corners->shape);
    for (size_t i = 0; i < n; i++) {
        if (fabs(cli_get(corners, i)) > 4.0) {
            return false;
        }
    }
    return true;
}

static pith_status decode_ssd(const cli_head *head, cli_boxes *boxes)
{
    const pith_tensor *scores = NULL;
    const pith_tensor *corners = NULL;
    CLI_TRY(find_ssd_outputs(head, &scores, &corners));
    bool is_fraction = are_fractions(corners);
    double width = is_fraction ? head->width : 1.0;
    double height = is_fraction ? head->height : 1.0;
    size_t n_classes = (size_t)count_columns(scores);
    size_t n_rows = (size_t)count_rows(scores);
    for (size_t i = 0; i < n_rows * n_classes; i++) {
        double score = cli_get(scores, i);
        int class_index = (int)(i % n_classes);
        size_t row = i / n_classes;
        if (class_index == head->background || !(score > head->score_threshold)) {
            continue;
        }
        cli_box box = { .left = cli_get(corners, 4 * row) * width, .top = cli_get(corners, 4 * row + 1) * height,
                        .right = cli_get(corners, 4 * row + 2) * width,
                        .bottom = cli_get(corners, 4 * row + 3) * height, .score = score,
                        .class_index = class_index };
        CLI_TRY(add_box(boxes, &box));
    }
    return PITH_OK;
}

/* ---- yolox (Ge et al. 2021, arXiv:2107.08430) --------------------------------------------- */

/* One cell of a grid: centre = (value + cell) * stride, size = exp(value) * stride. */
static pith_status decode_cell(const cli_head *head, const pith_tensor *output, size_t row, const int cell[3],
                               cli_boxes *boxes)
{
    size_t n_columns = (size_t)count_columns(output);
    size_t at = row * n_columns;
    double objectness = cli_get(output, at + 4);
    int best = 0;
    for (int c = 1; c < (int)n_columns - 5; c++) {
        best = cli_get(output, at + 5 + (size_t)c) > cli_get(output, at + 5 + (size_t)best) ? c : best;
    }
    double score = objectness * cli_get(output, at + 5 + (size_t)best);
    if (!(score > head->score_threshold)) {
        return PITH_OK;
    }
    int stride = cell[2];
    double x = (cli_get(output, at) + cell[0]) * stride;
    double y = (cli_get(output, at + 1) + cell[1]) * stride;
    double half_width = 0.5 * exp(cli_get(output, at + 2)) * stride;
    double half_height = 0.5 * exp(cli_get(output, at + 3)) * stride;
    cli_box box = { .left = x - half_width, .top = y - half_height, .right = x + half_width,
                    .bottom = y + half_height, .score = score, .class_index = best };
    return add_box(boxes, &box);
}

static pith_status decode_yolox(const cli_head *head, cli_boxes *boxes)
{
    static const int strides[] = { 8, 16, 32 };
    const pith_tensor *output = head->outputs[0];
    int64_t n_rows = 0;
    for (int i = 0; i < CLI_COUNT(strides); i++) {
        n_rows += (int64_t)(head->width / strides[i]) * (head->height / strides[i]);
    }
    CLI_CHECK(head->n_outputs == 1 && count_rows(output) == n_rows && count_columns(output) > 5, PITH_STATUS_SHAPE,
              "decoder yolox needs one output [1, %lld, 5 + classes] for an input of %d x %d", (long long)n_rows,
              head->height, head->width);
    size_t row = 0;
    for (int i = 0; i < CLI_COUNT(strides); i++) {
        int n_columns = head->width / strides[i];
        int n_cells = n_columns * (head->height / strides[i]);
        for (int cell = 0; cell < n_cells; cell++, row++) {
            CLI_TRY(decode_cell(head, output, row, (int[]){ cell % n_columns, cell / n_columns, strides[i] }, boxes));
        }
    }
    return PITH_OK;
}

static const struct {
    const char *name;
    pith_status (*decode)(const cli_head *head, cli_boxes *boxes);
} decoders[] = {
    { "ssd", decode_ssd },
    { "yolox", decode_yolox },
};

pith_status cli_detect(const char *decoder, const cli_head *head, cli_boxes *boxes_out)
{
    cli_boxes boxes = { 0 };
    for (int i = 0; i < CLI_COUNT(decoders); i++) {
        if (strcmp(decoders[i].name, decoder) == 0) {
            pith_status status = decoders[i].decode(head, &boxes);
            if (status != PITH_OK) {
                cli_boxes_free(&boxes);
                return status;
            }
            *boxes_out = boxes;
            return PITH_OK;
        }
    }
    return cli_fail(PITH_STATUS_ARG, "task detect needs --decoder ssd or --decoder yolox%s%s%s",
                    *decoder ? ", not '" : "", decoder, *decoder ? "'" : "");
}

/* ---- suppression -------------------------------------------------------------------------- */

static int compare_boxes(const void *a, const void *b)
{
    const cli_box *x = a;
    const cli_box *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

static double area(double width, double height)
{
    return width > 0.0 && height > 0.0 ? width * height : 0.0;
}

double cli_iou(const cli_box *a, const cli_box *b)
{
    double common = area(fmin(a->right, b->right) - fmax(a->left, b->left),
                         fmin(a->bottom, b->bottom) - fmax(a->top, b->top));
    double all = area(a->right - a->left, a->bottom - a->top) + area(b->right - b->left, b->bottom - b->top) - common;
    return all > 0.0 ? common / all : 0.0;
}

void cli_suppress(cli_boxes *boxes, double iou_threshold)
{
    int n_kept = 0;
    if (boxes->n == 0) {
        return;
    }
    qsort(boxes->items, (size_t)boxes->n, sizeof *boxes->items, compare_boxes);
    for (int i = 0; i < boxes->n; i++) {
        bool is_kept = true;
        for (int j = 0; j < n_kept && is_kept; j++) {
            is_kept = boxes->items[i].class_index != boxes->items[j].class_index
                      || cli_iou(&boxes->items[i], &boxes->items[j]) <= iou_threshold;
        }
        if (is_kept) {
            boxes->items[n_kept++] = boxes->items[i];
        }
    }
    boxes->n = n_kept;
}

static double clamp(double value, double high)
{
    return value < 0.0 ? 0.0 : value > high ? high : value;
}

void cli_boxes_to_picture(cli_boxes *boxes, const cli_placement *placement, int width, int height)
{
    for (int i = 0; i < boxes->n; i++) {
        cli_box *box = &boxes->items[i];
        box->left = clamp((box->left - placement->left) / placement->scale_x, width);
        box->right = clamp((box->right - placement->left) / placement->scale_x, width);
        box->top = clamp((box->top - placement->top) / placement->scale_y, height);
        box->bottom = clamp((box->bottom - placement->top) / placement->scale_y, height);
    }
}
