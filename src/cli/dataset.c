/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset.h"

#include <math.h>
#include <stdlib.h>

#include "dataset_idx.h"
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
    cli_tensor_free(&dataset->targets);
    cli_bytes_free(&dataset->pixels);
    cli_class_folders_free(&dataset->classes);
    *dataset = (cli_dataset){ 0 };
}

/* ---- folders ------------------------------------------------------------------------------- */

bool cli_is_sample_name(const char *name)
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
        if (cli_is_sample_name(names[i])) {
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

/* Hidden ones, and what macOS puts into archives. */
static bool is_skipped(const char *name)
{
    return name[0] == '.' || strcmp(name, "__MACOSX") == 0;
}

static int by_natural_order(const void *a, const void *b)
{
    return cli_compare_natural(((const cli_class_folder *)a)->name, ((const cli_class_folder *)b)->name);
}

static pith_status list_classes(const char *folder, char **names, int n_names, cli_class_folders *classes)
{
    size_t capacity = 0;
    for (int i = 0; i < n_names; i++) {
        char *path = NULL;
        CLI_TRY(cli_text_format(&path, "%s/%s", folder, names[i]));
        const bool is_class = !is_skipped(names[i]) && cli_is_folder(path);
        cli_free(path);
        if (is_class) {
            void *items = classes->items;
            pith_status status = cli_grow(&items, &capacity, (size_t)classes->n + 1, sizeof *classes->items);
            classes->items = items;
            CLI_TRY(status);
            CLI_TRY(cli_text_copy(names[i], strlen(names[i]), &classes->items[classes->n].name));
            classes->n++;
        }
    }
    if (classes->n > 0) {
        qsort(classes->items, (size_t)classes->n, sizeof *classes->items, by_natural_order);
    }
    return PITH_OK;
}

/* Folders within the folder, as classes: first by their place among those that have samples. */
static pith_status add_classes(cli_dataset *dataset, size_t capacity[2], const char *folder, const cli_labels *labels)
{
    cli_class_folders *classes = &dataset->classes;
    int n_used = 0;
    for (int i = 0; i < classes->n; i++) {
        const int n_before = dataset->n;
        char *path = NULL;
        CLI_TRY(cli_text_format(&path, "%s/%s", folder, classes->items[i].name));
        pith_status status = add_folder(dataset, capacity, path, n_used);
        cli_free(path);
        CLI_TRY(status);
        const cli_class_folder current = classes->items[i];
        classes->items[i] = classes->items[n_used];
        classes->items[n_used] = current;
        n_used += dataset->n > n_before;
    }
    const cli_class_folders all = *classes;
    classes->n = n_used;
    pith_status status = cli_class_folders_number(classes, labels);
    for (int i = 0; i < dataset->n && status == PITH_OK; i++) {
        dataset->labels[i] = classes->items[dataset->labels[i]].label;
    }
    for (int i = n_used; i < all.n; i++) {
        if (n_used > 0 && classes->rule == CLI_CLASS_BY_ORDER) {
            cli_warn("folder '%s' has no samples and counts as no class", cli_plain(all.items[i].name));
        }
        cli_free(all.items[i].name);
    }
    return status;
}

/* Labels that not all samples have are none. */
static void settle_labels(cli_dataset *dataset)
{
    for (int i = 0; i < dataset->n; i++) {
        const bool has_class = dataset->labels[i] >= 0;
        dataset->n_labelled += has_class;
        dataset->unlabelled = has_class ? dataset->unlabelled : i;
    }
    if (dataset->n_labelled < dataset->n) {
        cli_free(dataset->labels);
        dataset->labels = NULL;
    }
}

static pith_status open_files(const char *folder, char **names, int n_names, const cli_labels *labels,
                              cli_dataset *dataset)
{
    size_t capacity[2] = { 0 };
    CLI_TRY(list_classes(folder, names, n_names, &dataset->classes));
    CLI_TRY(add_classes(dataset, capacity, folder, labels));
    if (dataset->n == 0) {
        CLI_TRY(add_folder(dataset, capacity, folder, -1));
    }
    settle_labels(dataset);
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

pith_status cli_label_get(const pith_tensor *labels, size_t element, int index, int64_t *label_out)
{
    const double largest = 9007199254740992.0, value = cli_get(labels, element); /* 2^53 */
    CLI_CHECK(value >= -largest && value <= largest && value == floor(value), PITH_STATUS_FORMAT,
              "label %g of sample %d is no whole number that a class can have", value, index);
    *label_out = (int64_t)value;
    return PITH_OK;
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
        if (n_scores == 1) {
            CLI_TRY(cli_label_get(tensor, row, i, &dataset->labels[i]));
            continue;
        }
        for (int64_t k = 1; k < n_scores; k++) {
            best = cli_get(tensor, row + (size_t)k) > cli_get(tensor, row + (size_t)best) ? k : best;
        }
        dataset->labels[i] = best;
    }
    return PITH_OK;
}

/* A picture or the like per sample is what the network should make. */
static bool are_targets(const pith_tensor *tensor, int n)
{
    return tensor->shape.rank >= 3 && tensor->shape.dims[0] == n &&
           pith_shape_elements(&tensor->shape) > (int64_t)n;
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
        status = are_targets(&labels->view, dataset->n) ? cli_tensor_copy(&labels->view, &dataset->targets)
                                                        : take_labels(&labels->view, dataset);
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

/* ---- all of them --------------------------------------------------------------------------- */

/* The only folder in a folder without samples; NULL if that isn't so, or if its name is that of a class. */
static pith_status lone_folder(const char *path, char **names, int n_names, const cli_labels *labels, char **lone_out)
{
    char *lone = NULL;
    int n_folders = 0;
    for (int i = 0; i < n_names; i++) {
        char *inner = NULL;
        bool is_sample = cli_is_sample_name(names[i]);
        CLI_TRY(cli_text_format(&inner, "%s/%s", path, names[i]));
        bool is_folder = !is_sample && !is_skipped(names[i]) && cli_is_folder(inner);
        n_folders += is_folder ? 1 + (cli_class_of_name(names[i], labels) >= 0) : is_sample ? 2 : 0;
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

static pith_status open_folder(const char *path, const cli_dataset_wish *wish, int depth, cli_dataset *dataset)
{
    char **names = NULL, *images = NULL, *lone = NULL;
    int n_names = 0;
    CLI_TRY(cli_list_folder(path, "", &names, &n_names));
    pith_status status = cli_dataset_find_idx(path, names, n_names, wish->is_calibration, &images);
    if (status == PITH_OK && depth < MAX_LONE_FOLDERS) {
        status = lone_folder(path, names, n_names, wish->labels, &lone);
    }
    if (status == PITH_OK) {
        status = images ? cli_dataset_open_idx(images, dataset)
                 : lone ? open_folder(lone, wish, depth + 1, dataset)
                        : open_files(path, names, n_names, wish->labels, dataset);
    }
    cli_free(lone);
    cli_free(images);
    cli_free_names(names, n_names);
    return status;
}

static pith_status open_any(const char *path, const cli_dataset_wish *wish, cli_dataset *dataset)
{
    int rank;
    if (cli_is_folder(path)) {
        return open_folder(path, wish, 0, dataset);
    }
    if (cli_ends_with(path, ".npz") || cli_ends_with(path, ".npy")) {
        return open_arrays(path, wish->model, dataset);
    }
    const bool exists = cli_is_file(path);
    if (exists && cli_is_sample_name(path)) { /* one sample */
        size_t capacity[2] = { 0 };
        char *copy = NULL;
        CLI_TRY(cli_text_copy(path, strlen(path), &copy));
        CLI_TRY(add_file(dataset, capacity, copy, -1));
        settle_labels(dataset);
        return PITH_OK;
    }
    if (exists && cli_idx_peek(path, &rank)) {
        return cli_dataset_open_idx(path, dataset);
    }
    return cli_fail(PITH_STATUS_ARG, "%s; a data set is a folder of pictures or arrays, an .npz or .npy file whose "
                    "first axis counts samples, or an IDX file such as t10k-images.idx3-ubyte",
                    exists ? "this is none" : "no such file or folder");
}

pith_status cli_dataset_open(const char *path, const cli_dataset_wish *wish, cli_dataset *dataset_out)
{
    *dataset_out = (cli_dataset){ 0 };
    pith_status status = open_any(path, wish, dataset_out);
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

pith_status cli_dataset_need_labels(const cli_dataset *dataset, const char *path)
{
    if (dataset->labels) {
        return PITH_OK;
    }
    CLI_CHECK(dataset->n_labelled == 0, PITH_STATUS_ARG,
              "'%s' has no class, %d of %d samples have one; a file's name begins with its class and '_' (7_%s), or "
              "y_labels.csv or labels.csv in the folder lists FILE,CLASS; rename, list or remove it",
              dataset->paths[dataset->unlabelled], dataset->n_labelled, dataset->n,
              cli_base_name(dataset->paths[dataset->unlabelled]));
    return cli_fail(PITH_STATUS_ARG, "data set '%s' has no labels; a folder per class, file names CLASS_..., or an "
                    "array 'y' or 'labels' give them", path);
}

pith_status cli_dataset_read(const cli_dataset *dataset, const cli_input_reader *reader, int index,
                             cli_run_inputs *inputs)
{
    static const cli_run_inputs none = { 0 };
    if (dataset->paths) {
        return cli_read_file(reader, dataset->paths[index], &none, inputs);
    }
    return dataset->first_pixel ? cli_dataset_read_pixels(dataset, reader, index, inputs)
                                : read_arrays(dataset, reader, index, inputs);
}
