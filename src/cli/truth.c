/* SPDX-License-Identifier: Apache-2.0 */
#include "truth.h"

#include <stdlib.h>

static pith_status add_box(cli_truth_boxes *boxes, const cli_truth_box *box)
{
    void *items = boxes->items;
    CLI_TRY(cli_grow(&items, &boxes->capacity, (size_t)boxes->n + 1, sizeof(cli_truth_box)));
    boxes->items = items;
    boxes->items[boxes->n++] = *box;
    return PITH_OK;
}

/* ---- COCO ------------------------------------------------------------------------------------ */

#if PITH_HAS_JANSSON
#include <jansson.h>

static pith_status coco_open(const char *path, void **coco_out)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    CLI_CHECK(root, PITH_STATUS_FORMAT, "'%s', line %d: %s", path, error.line, error.text);
    bool fits = json_is_array(json_object_get(root, "images")) && json_is_array(json_object_get(root, "annotations")) &&
                json_is_array(json_object_get(root, "categories"));
    if (!fits) {
        json_decref(root);
        return cli_fail(PITH_STATUS_FORMAT, "'%s' has no lists 'images', 'annotations', 'categories': no COCO file",
                        path);
    }
    *coco_out = root;
    return PITH_OK;
}

static void coco_close(void *coco) { json_decref(coco); }

/* How many categories have smaller ids. */
static int class_of(const json_t *root, json_int_t id)
{
    const json_t *list = json_object_get(root, "categories");
    int n = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        n += json_integer_value(json_object_get(json_array_get(list, i), "id")) < id;
    }
    return n;
}

static pith_status coco_read(void *coco, const char *name, cli_truth_boxes *boxes)
{
    const json_t *images = json_object_get(coco, "images"), *list = json_object_get(coco, "annotations");
    const json_t *image = NULL;
    for (size_t i = 0; i < json_array_size(images) && !image; i++) {
        const char *file = json_string_value(json_object_get(json_array_get(images, i), "file_name"));
        image = file && strcmp(cli_base_name(file), name) == 0 ? json_array_get(images, i) : NULL;
    }
    CLI_CHECK(image, PITH_STATUS_ARG, "the COCO file has no image '%s'", name);
    json_int_t id = json_integer_value(json_object_get(image, "id"));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i), *corner = json_object_get(item, "bbox");
        double v[4];
        if (json_integer_value(json_object_get(item, "image_id")) != id) {
            continue;
        }
        CLI_CHECK(json_array_size(corner) == 4, PITH_STATUS_FORMAT, "annotation %zu has no 'bbox' of four numbers", i);
        for (size_t k = 0; k < 4; k++) {
            v[k] = json_number_value(json_array_get(corner, k));
        }
        const cli_truth_box box = {
            .box = { .left = v[0], .top = v[1], .right = v[0] + v[2], .bottom = v[1] + v[3],
                     .class_index = class_of(coco, json_integer_value(json_object_get(item, "category_id"))) },
            .is_crowd = json_integer_value(json_object_get(item, "iscrowd")) != 0,
        };
        CLI_TRY(add_box(boxes, &box));
    }
    return PITH_OK;
}
#else
static pith_status coco_open(const char *path, void **coco_out)
{
    (void)coco_out;
    return cli_fail(PITH_STATUS_UNSUPPORTED, "can't read '%s': this tool was built without jansson", path);
}

static void coco_close(void *coco) { (void)coco; }

static pith_status coco_read(void *coco, const char *name, cli_truth_boxes *boxes)
{
    (void)coco, (void)name, (void)boxes;
    return PITH_OK;
}
#endif

/* ---- YOLO ------------------------------------------------------------------------------------ */

/* The .txt that belongs to a picture. */
static pith_status yolo_path(const cli_truth *truth, const char *picture, char **path_out)
{
    const char *name = cli_base_name(picture);
    int n_stem = (int)cli_stem(name), n_folder = (int)(name - picture);
    if (truth->folder) {
        return cli_text_format(path_out, "%s/%.*s.txt", truth->folder, n_stem, name);
    }
    CLI_TRY(cli_path_beside(picture, ".txt", path_out));
    if (n_folder >= 7 && !cli_is_file(*path_out) && memcmp(name - 7, "images/", 7) == 0) {
        cli_free(*path_out);
        return cli_text_format(path_out, "%.*slabels/%.*s.txt", n_folder - 7, picture, n_stem, name);
    }
    return PITH_OK;
}

/* Lines "class x y width height", the centre and the size as shares of the picture. */
static pith_status yolo_parse(char *text, const cli_image *picture, cli_truth_boxes *boxes)
{
    int number = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *at = line, *end = line;
        double v[5];
        int n = 0;
        number++;
        for (; n < 5; n++, at = end) {
            v[n] = strtod(at, &end);
            if (end == at) {
                break;
            }
        }
        if (n == 0 && line[strspn(line, " \t\r")] == '\0') {
            continue;
        }
        CLI_CHECK(n == 5 && v[0] >= 0 && v[0] < 1e6, PITH_STATUS_FORMAT,
                  "line %d isn't 'class x y width height'", number);
        const double width = picture->width, height = picture->height;
        const cli_truth_box box = { .box = { .class_index = (int)v[0],
                                             .left = (v[1] - v[3] / 2) * width, .right = (v[1] + v[3] / 2) * width,
                                             .top = (v[2] - v[4] / 2) * height,
                                             .bottom = (v[2] + v[4] / 2) * height } };
        CLI_TRY(add_box(boxes, &box));
    }
    return PITH_OK;
}

/* A picture without file has no objects, as YOLO's tools take it. */
static pith_status yolo_read(const cli_truth *truth, const char *path, const cli_image *picture,
                             cli_truth_boxes *boxes)
{
    char *file = NULL;
    cli_bytes bytes = { 0 };
    CLI_TRY(yolo_path(truth, path, &file));
    pith_status status = PITH_OK;
    if (cli_is_file(file)) {
        status = cli_file_read(file, &bytes);
        status = status == PITH_OK ? cli_bytes_add(&bytes, "", 1) : status;
        status = status == PITH_OK ? yolo_parse((char *)bytes.data, picture, boxes) : status;
        if (status != PITH_OK) {
            cli_add_place("'%s'", file);
        }
    }
    cli_bytes_free(&bytes);
    cli_free(file);
    return status;
}

/* ---- both ------------------------------------------------------------------------------------ */

/* The first .json of a folder; NULL if there is none. */
static pith_status find_json(const char *folder, char **path_out)
{
    char **names = NULL;
    int n_names = 0;
    pith_status status = PITH_OK;
    *path_out = NULL;
    if (!cli_is_folder(folder)) {
        return PITH_OK;
    }
    CLI_TRY(cli_list_folder(folder, "", &names, &n_names));
    for (int i = 0; i < n_names && !*path_out && status == PITH_OK; i++) {
        if (cli_ends_with(names[i], ".json")) {
            status = cli_text_format(path_out, "%s/%s", folder, names[i]);
        }
    }
    cli_free_names(names, n_names);
    return status;
}

pith_status cli_truth_open(const char *data, const char *given, cli_truth *truth_out)
{
    char *json = NULL, *folder = NULL;
    *truth_out = (cli_truth){ 0 };
    if (given && cli_is_folder(given)) {
        return cli_text_copy(given, strlen(given), &truth_out->folder);
    }
    if (given) {
        return coco_open(given, &truth_out->coco);
    }
    CLI_TRY(find_json(data, &json));
    if (!json) {
        CLI_TRY(cli_text_format(&folder, "%s/annotations", data));
        pith_status status = find_json(folder, &json);
        cli_free(folder);
        CLI_TRY(status);
    }
    pith_status status = json ? coco_open(json, &truth_out->coco) : PITH_OK;
    cli_free(json);
    return status;
}

pith_status cli_truth_read(const cli_truth *truth, const char *path, const cli_image *picture, cli_truth_boxes *boxes)
{
    return truth->coco ? coco_read(truth->coco, cli_base_name(path), boxes) : yolo_read(truth, path, picture, boxes);
}

void cli_truth_close(cli_truth *truth)
{
    if (truth->coco) {
        coco_close(truth->coco);
    }
    cli_free(truth->folder);
    *truth = (cli_truth){ 0 };
}
