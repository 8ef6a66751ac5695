/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset.h"

#include "idx.h"
#include "label_list.h"

#define MAX_LONE_FOLDERS 4 /* data/photos/val/...: one in the other */

void cli_dataset_close(cli_dataset *dataset)
{
    for (int i = 0; dataset->paths && i < dataset->n; i++) {
        cli_free(dataset->paths[i]);
    }
    cli_free(dataset->paths);
    cli_free(dataset->labels);
    cli_tensors_free(&dataset->arrays);
    cli_bytes_free(&dataset->pixels);
    *dataset = (cli_dataset){ 0 };
}

/* ---- folders ------------------------------------------------------------------------------- */

static bool is_sample_name(const char *name)
{
    static const char *const endings[] = { ".npy", ".npz", ".pb", ".raw", ".bin" };
    bool known = cli_image_is_name(name);
    for (int i = 0; i < CLI_COUNT(endings); i++) {
        known = known || cli_ends_with(name, endings[i]);
    }
    return known && name[0] != '.';
}

/* Takes `path` over. */
static pith_status add_file(cli_dataset *dataset, size_t capacity[2], char *path, int64_t label)
{
    void *paths = dataset->paths, *labels = dataset->labels;
    size_t needed = (size_t)dataset->n + 1;
    pith_status status = cli_grow(&paths, &capacity[0], needed, sizeof(char *));
    dataset->paths = paths;
    if (status == PITH_OK) {
        status = cli_grow(&labels, &capacity[1], needed, sizeof(int64_t));
        dataset->labels = labels;
    }
    if (status != PITH_OK) {
        cli_free(path);
        return status;
    }
    dataset->paths[dataset->n] = path;
    dataset->labels[dataset->n++] = label;
    return PITH_OK;
}

/* The number in front of '_'; -1 if there is none. */
static int64_t label_of_name(const char *name)
{
    int64_t label = 0;
    size_t n = strspn(name, "0123456789");
    if (n == 0 || n > 9 || name[n] != '_') {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        label = label * 10 + (name[i] - '0');
    }
    return label;
}

/* Every sample in one folder; label -1: by a list beside them, or by their names. */
static pith_status add_folder(cli_dataset *dataset, size_t capacity[2], const char *folder, int64_t label)
{
    char **names = NULL;
    int n_names = 0;
    cli_label_list list = { 0 };
    pith_status status = PITH_OK;
    CLI_TRY(cli_list_folder(folder, "", &names, &n_names));
    CLI_TRY_GOTO(cli_label_list_load(folder, &list), done);
    for (int i = 0; i < n_names && status == PITH_OK; i++) {
        char *path = NULL;
        if (is_sample_name(names[i])) {
            int64_t own = list.n > 0 ? cli_label_list_find(&list, names[i]) : label_of_name(names[i]);
            CLI_TRY_GOTO(cli_text_format(&path, "%s/%s", folder, names[i]), done);
            status = add_file(dataset, capacity, path, label >= 0 ? label : own);
        }
    }
done:
    cli_label_list_free(&list);
    cli_free_names(names, n_names);
    return status;
}

/* Folders within the folder, as classes. */
static pith_status add_classes(cli_dataset *dataset, size_t capacity[2], const char *folder, char **names, int n_names)
{
    int64_t n_classes = 0;
    for (int i = 0; i < n_names; i++) {
        char *path = NULL;
        pith_status status = PITH_OK;
        CLI_TRY(cli_text_format(&path, "%s/%s", folder, names[i]));
        if (names[i][0] != '.' && cli_is_folder(path)) {
            status = add_folder(dataset, capacity, path, n_classes++);
        }
        cli_free(path);
        CLI_TRY(status);
    }
    return PITH_OK;
}

static pith_status open_files(const char *folder, char **names, int n_names, cli_dataset *dataset)
{
    size_t capacity[2] = { 0 };
    CLI_TRY(add_classes(dataset, capacity, folder, names, n_names));
    if (dataset->n == 0) {
        CLI_TRY(add_folder(dataset, capacity, folder, -1));
    }
    bool all_labelled = true;
    for (int i = 0; i < dataset->n; i++) {
        all_labelled = all_labelled && dataset->labels[i] >= 0;
    }
    if (!all_labelled) {
        cli_free(dataset->labels);
        dataset->labels = NULL;
    }
    return PITH_OK;
}

/* ---- .npz, .npy ---------------------------------------------------------------------------- */

/* Whether an array holds labels: what is called as an input of the model is its data. */
static bool are_labels(const char *name, const pith_model *model)
{
    static const char *const names[] = { "y", "label", "labels", "target", "targets", "y_test", "y_train", "y_val" };
    bool are = false;
    for (int i = 0; name && i < CLI_COUNT(names); i++) {
        are = are || strcmp(name, names[i]) == 0;
    }
    for (int i = 0; are && i < pith_model_n_inputs(model); i++) {
        are = strcmp(name, pith_model_input(model, i)->name) != 0;
    }
    return are;
}

/* A class per sample, or a row of scores of which the largest counts ("one hot"). */
static pith_status take_labels(const pith_tensor *tensor, cli_dataset *dataset)
{
    void *block = NULL;
    const int64_t *dims = tensor->shape.dims;
    const int64_t n_scores = tensor->shape.rank == 2 && dims[0] == dataset->n && dims[1] > 1 ? dims[1] : 1;
    CLI_CHECK(pith_shape_elements(&tensor->shape) / n_scores == dataset->n, PITH_STATUS_SHAPE,
              "%lld labels for %d samples", (long long)(pith_shape_elements(&tensor->shape) / n_scores), dataset->n);
    CLI_TRY(cli_alloc((size_t)dataset->n, sizeof(int64_t), &block));
    dataset->labels = block;
    for (int i = 0; i < dataset->n; i++) {
        const size_t row = (size_t)i * (size_t)n_scores;
        int64_t best = 0;
        for (int64_t k = 1; k < n_scores; k++) {
            best = cli_get(tensor, row + (size_t)k) > cli_get(tensor, row + (size_t)best) ? k : best;
        }
        dataset->labels[i] = n_scores > 1 ? best : cli_get_s64(tensor, row);
    }
    return PITH_OK;
}

static pith_status open_arrays(const char *path, const pith_model *model, cli_dataset *dataset)
{
    cli_tensors loaded = { 0 };
    pith_status status = PITH_OK;
    const cli_tensor *labels = NULL;
    CLI_TRY(cli_tensors_load(path, &loaded));
    for (int i = 0; i < loaded.n && status == PITH_OK; i++) {
        const pith_tensor *view = &loaded.items[i].view;
        int64_t n = view->shape.rank > 0 ? view->shape.dims[0] : 0;
        if (are_labels(loaded.items[i].name, model)) {
            labels = &loaded.items[i];
            continue;
        }
        if (n <= 0 || n > INT32_MAX || (dataset->n && n != dataset->n)) {
            status = cli_fail(PITH_STATUS_SHAPE, "array '%s' has %lld samples along its first axis, other arrays have "
                              "%d", loaded.items[i].name ? loaded.items[i].name : "", (long long)n, dataset->n);
        }
        dataset->n = (int)n;
    }
    if (status == PITH_OK && labels) {
        status = take_labels(&labels->view, dataset);
    }
    for (int i = 0; i < loaded.n && status == PITH_OK; i++) {
        if (!are_labels(loaded.items[i].name, model)) {
            status = cli_tensors_add(&dataset->arrays, &loaded.items[i]);
        }
    }
    cli_tensors_free(&loaded);
    return status;
}

/* One sample of an array: a batch of one for the input. */
static pith_status slice(const pith_tensor *array, int index, const pith_value_info *input, cli_tensor *tensor)
{
    pith_shape shape = array->shape;
    shape.dims[0] = 1;
    size_t n_bytes = pith_tensor_bytes(array) / (size_t)array->shape.dims[0];
    if (input->shape.rank == shape.rank - 1) { /* the input has no batch */
        shape.rank--;
        memmove(shape.dims, shape.dims + 1, (size_t)shape.rank * sizeof(int64_t));
    }
    cli_shape_fit(&input->shape, &shape);
    CLI_TRY(cli_tensor_make(array->dtype, &shape, tensor));
    memcpy(tensor->view.data, (const char *)array->data + (size_t)index * n_bytes, n_bytes);
    CLI_TRY(cli_tensor_convert(tensor, input->dtype));
    return cli_tensor_set_name(tensor, input->name, strlen(input->name));
}

static pith_status read_arrays(const cli_dataset *dataset, const cli_input_reader *reader, int index,
                               cli_run_inputs *inputs)
{
    const pith_model *model = reader->net->model;
    int n_inputs = pith_model_n_inputs(model);
    for (int i = 0; i < n_inputs; i++) {
        const pith_value_info *input = pith_model_input(model, i);
        const cli_tensor *array = cli_tensors_find(&dataset->arrays, input->name);
        cli_tensor tensor = { 0 };
        array = array || n_inputs > 1 || dataset->arrays.n != 1 ? array : &dataset->arrays.items[0];
        CLI_CHECK(array, PITH_STATUS_ARG, "the data set has no array for input '%s'", input->name);
        pith_status status = slice(&array->view, index, input, &tensor);
        if (status == PITH_OK) {
            status = cli_tensors_add(&inputs->tensors, &tensor);
        }
        cli_tensor_free(&tensor);
        CLI_TRY(status);
    }
    return PITH_OK;
}

/* ---- IDX ----------------------------------------------------------------------------------- */

static const char idx_images[] = "images-idx3-ubyte", idx_labels[] = "labels-idx1-ubyte";

static pith_status open_idx_labels(const char *images, cli_dataset *dataset)
{
    char *path = NULL;
    cli_bytes bytes = { 0 };
    const uint8_t *data = NULL;
    uint32_t sizes[3];
    void *block = NULL;
    CLI_TRY(cli_text_copy(images, strlen(images), &path));
    memcpy(strstr(path, idx_images), idx_labels, strlen(idx_labels)); /* of the same length */
    pith_status status = PITH_OK;
    if (cli_is_file(path)) {
        CLI_TRY_GOTO(cli_idx_read(path, &bytes), done);
        CLI_TRY_GOTO(cli_idx_parse(&bytes, 1, sizes, &data), done);
        if ((int64_t)sizes[0] != dataset->n) {
            status = cli_fail(PITH_STATUS_SHAPE, "%u labels for %d pictures", sizes[0], dataset->n);
            goto done;
        }
        CLI_TRY_GOTO(cli_alloc(sizes[0], sizeof(int64_t), &block), done);
        dataset->labels = block;
        for (uint32_t i = 0; i < sizes[0]; i++) {
            dataset->labels[i] = data[i];
        }
    }
done:
    cli_bytes_free(&bytes);
    cli_free(path);
    return status;
}

static pith_status open_idx(const char *path, cli_dataset *dataset)
{
    const uint8_t *data = NULL;
    uint32_t sizes[3];
    CLI_TRY(cli_idx_read(path, &dataset->pixels));
    CLI_TRY(cli_idx_parse(&dataset->pixels, 3, sizes, &data));
    CLI_CHECK(sizes[0] <= INT32_MAX && sizes[1] <= CLI_MAX_IMAGE_SIDE && sizes[2] <= CLI_MAX_IMAGE_SIDE,
              PITH_STATUS_LIMIT, "%u pictures of %u x %u", sizes[0], sizes[1], sizes[2]);
    dataset->n = (int)sizes[0];
    dataset->height = (int)sizes[1];
    dataset->width = (int)sizes[2];
    return open_idx_labels(path, dataset);
}

static pith_status read_pixels(const cli_dataset *dataset, const cli_input_reader *reader, int index,
                               cli_run_inputs *inputs)
{
    size_t n_pixels = (size_t)dataset->height * (size_t)dataset->width;
    const pith_value_info *input = pith_model_input(reader->net->model, 0);
    cli_tensor tensor = { 0 };
    CLI_TRY(cli_image_make(dataset->width, dataset->height, 1, 0, &inputs->picture));
    memcpy(inputs->picture.pixels, dataset->pixels.data + dataset->pixels.n - (size_t)(dataset->n - index) * n_pixels,
           n_pixels);
    CLI_TRY(cli_preprocess_apply(reader->settings, &inputs->picture, input->dtype, &input->shape, &tensor,
                                 &inputs->placement));
    pith_status status = cli_tensor_set_name(&tensor, input->name, strlen(input->name));
    if (status == PITH_OK) {
        status = cli_tensors_add(&inputs->tensors, &tensor);
    }
    cli_tensor_free(&tensor);
    return status;
}

/* ---- all of them --------------------------------------------------------------------------- */

/* The only folder in a folder without samples; NULL if that isn't so. */
static pith_status lone_folder(const char *path, char **names, int n_names, char **lone_out)
{
    char *lone = NULL;
    int n_folders = 0;
    for (int i = 0; i < n_names; i++) {
        char *inner = NULL;
        bool is_sample = is_sample_name(names[i]);
        CLI_TRY(cli_text_format(&inner, "%s/%s", path, names[i]));
        bool is_folder = !is_sample && names[i][0] != '.' && cli_is_folder(inner);
        n_folders += is_folder ? 1 : is_sample ? 2 : 0;
        cli_free(is_folder ? lone : inner);
        lone = is_folder ? inner : lone;
    }
    if (n_folders != 1) {
        cli_free(lone);
        lone = NULL;
    }
    *lone_out = lone;
    return PITH_OK;
}

static pith_status open_folder(const char *path, int depth, cli_dataset *dataset)
{
    char **names = NULL, *images = NULL, *lone = NULL;
    int n_names = 0;
    pith_status status = PITH_OK;
    CLI_TRY(cli_list_folder(path, "", &names, &n_names));
    for (int i = 0; i < n_names && !images && status == PITH_OK; i++) {
        if (strstr(names[i], idx_images)) {
            status = cli_text_format(&images, "%s/%s", path, names[i]);
        }
    }
    if (status == PITH_OK && depth < MAX_LONE_FOLDERS) {
        status = lone_folder(path, names, n_names, &lone);
    }
    if (status == PITH_OK) {
        status = images ? open_idx(images, dataset)
                 : lone ? open_folder(lone, depth + 1, dataset)
                        : open_files(path, names, n_names, dataset);
    }
    cli_free(lone);
    cli_free(images);
    cli_free_names(names, n_names);
    return status;
}

static pith_status open_any(const char *path, const pith_model *model, cli_dataset *dataset)
{
    if (cli_is_folder(path)) {
        return open_folder(path, 0, dataset);
    }
    if (cli_ends_with(path, ".npz") || cli_ends_with(path, ".npy")) {
        return open_arrays(path, model, dataset);
    }
    if (strstr(path, idx_images)) {
        return open_idx(path, dataset);
    }
    const bool exists = cli_is_file(path);
    if (exists && is_sample_name(path)) { /* one sample */
        size_t capacity[2] = { 0 };
        char *copy = NULL;
        CLI_TRY(cli_text_copy(path, strlen(path), &copy));
        return add_file(dataset, capacity, copy, -1);
    }
    return cli_fail(PITH_STATUS_ARG, "%s; a data set is a folder of pictures or arrays, an .npz or .npy file whose "
                    "first axis counts samples, or a file named ...%s[.gz]",
                    exists ? "this is none" : "no such file or folder", idx_images);
}

pith_status cli_dataset_open(const char *path, const pith_model *model, cli_dataset *dataset_out)
{
    *dataset_out = (cli_dataset){ 0 };
    pith_status status = open_any(path, model, dataset_out);
    if (status == PITH_OK && dataset_out->n == 0) {
        status = cli_fail(PITH_STATUS_ARG, "no samples; expected pictures, .npy, .npz, .pb or .raw files, or folders "
                          "of them");
    }
    if (status != PITH_OK) {
        cli_add_place("data set '%s'", path);
        cli_dataset_close(dataset_out);
    }
    return status;
}

pith_status cli_dataset_read(const cli_dataset *dataset, const cli_input_reader *reader, int index,
                             cli_run_inputs *inputs)
{
    static const cli_run_inputs none = { 0 };
    if (dataset->paths) {
        return cli_read_file(reader, dataset->paths[index], &none, inputs);
    }
    return dataset->pixels.n ? read_pixels(dataset, reader, index, inputs)
                             : read_arrays(dataset, reader, index, inputs);
}
