/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset_idx.h"

#include <ctype.h>

enum { MAX_SETS = 256, NAME = 256, KEY = NAME + 1 };

/* ---- names --------------------------------------------------------------------------------- */

static void lower(const char *name, char text[NAME])
{
    size_t n = 0;
    for (; name[n] && n + 1 < NAME; n++) {
        text[n] = (char)tolower((unsigned char)name[n]);
    }
    text[n] = '\0';
}

static bool is_labels_name(const char *name)
{
    char text[NAME];
    lower(name, text);
    return strstr(text, "label") != NULL;
}

/* Whether a word of a name only tells the format: idx3, ubyte, gz. */
static bool is_format(const char *word, size_t n)
{
    static const char *const words[] = { "gz", "ubyte", "byte", "int", "float", "double", "bin", "s" /* of labels */ };
    bool is = n >= 3 && strncmp(word, "idx", 3) == 0 && strspn(word + 3, "0123456789") + 3 >= n;
    for (int i = 0; i < CLI_COUNT(words); i++) {
        is = is || (strlen(words[i]) == n && strncmp(words[i], word, n) == 0);
    }
    return is;
}

/* What a name says besides what the file holds and how: " t10k" of t10k-images-idx3-ubyte and t10k-labels.idx1.gz,
 * " train" of images-train.idx3. */
static void find_key(const char *name, char key[KEY])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char text[NAME], *word = text;
    size_t n_key = 0;
    lower(name, text);
    char *images = strstr(text, "image"), *labels = strstr(text, "label"), *kind = images ? images : labels;
    if (kind) {
        memset(kind, '-', strlen("image"));
    }
    while (*(word += strcspn(word, letters))) {
        const size_t n = strspn(word, letters);
        if (!is_format(word, n)) {
            n_key += (size_t)snprintf(key + n_key, KEY - n_key, " %.*s", (int)n, word);
        }
        word += n;
    }
    key[n_key] = '\0';
}

static bool is_meant(const char *name, bool is_calibration)
{
    static const char *const words[2][3] = { { "t10k", "test", "val" }, { "train", "train", "train" } };
    char text[NAME];
    bool is = false;
    lower(name, text);
    for (int i = 0; i < CLI_COUNT(words[0]); i++) {
        is = is || strstr(text, words[is_calibration][i]) != NULL;
    }
    return is;
}

/* A .gz whose content lies there unpacked. */
static bool is_second_copy(const char *name, char **names, int n_names)
{
    bool is = false;
    const size_t n = strlen(name);
    for (int i = 0; i < n_names && cli_ends_with(name, ".gz"); i++) {
        is = is || (strlen(names[i]) == n - 3 && strncmp(names[i], name, n - 3) == 0);
    }
    return is;
}

/* ---- which --------------------------------------------------------------------------------- */

static pith_status choose(const char *folder, const char *const *sets, int n_sets, bool is_calibration,
                          const char **chosen_out)
{
    const char *meant = NULL;
    int n_meant = 0;
    for (int i = 0; i < n_sets; i++) {
        const bool is = n_sets == 1 || is_meant(sets[i], is_calibration);
        n_meant += is;
        meant = is ? sets[i] : meant;
    }
    CLI_CHECK(n_meant == 1, PITH_STATUS_ARG,
              "%d IDX files hold samples, such as '%s' and '%s'; give the one that is meant by its name", n_sets,
              sets[0], sets[n_sets - 1]);
    if (n_sets > 1) {
        cli_warn("of %d data sets in '%s', '%s' is taken for %s", n_sets, folder, meant,
                 is_calibration ? "calibration" : "judging");
    }
    *chosen_out = meant;
    return PITH_OK;
}

pith_status cli_dataset_find_idx(const char *folder, char **names, int n_names, bool is_calibration, char **path_out)
{
    const char *sets[MAX_SETS], *chosen = NULL;
    int n_sets = 0;
    for (int i = 0; i < n_names; i++) {
        char *path = NULL;
        int rank = 0;
        if (names[i][0] == '.' || cli_is_sample_name(names[i])) {
            continue;
        }
        CLI_TRY(cli_text_format(&path, "%s/%s", folder, names[i]));
        const bool is_set = cli_is_file(path) && cli_idx_peek(path, &rank) && rank > 1 &&
                            !is_labels_name(names[i]) && !is_second_copy(names[i], names, n_names);
        cli_free(path);
        if (is_set) {
            CLI_CHECK(n_sets < MAX_SETS, PITH_STATUS_LIMIT, "'%s' has more than %d IDX files of samples; give the one "
                      "that is meant by its name", folder, MAX_SETS);
            sets[n_sets++] = names[i];
        }
    }
    if (n_sets == 0) {
        return PITH_OK;
    }
    CLI_TRY(choose(folder, sets, n_sets, is_calibration, &chosen));
    return cli_text_format(path_out, "%s/%s", folder, chosen);
}

/* The file of labels beside: that whose name says the same, or the only one of a folder with one set. */
static pith_status find_labels(const char *folder, const char *images, char **names, int n_names, char **path_out)
{
    char key[KEY], own[KEY];
    const char *found = NULL, *other = NULL;
    int n_others = 0, n_sets = 0;
    find_key(images, key);
    for (int i = 0; i < n_names; i++) {
        char *path = NULL;
        int rank = 0;
        if (names[i][0] == '.' || cli_is_sample_name(names[i]) || is_second_copy(names[i], names, n_names)) {
            continue;
        }
        CLI_TRY(cli_text_format(&path, "%s/%s", folder, names[i]));
        const bool is_idx = cli_is_file(path) && cli_idx_peek(path, &rank);
        cli_free(path);
        const bool are_labels = is_idx && (rank == 1 || is_labels_name(names[i]));
        find_key(names[i], own);
        const bool fits = are_labels && strcmp(key, own) == 0;
        CLI_CHECK(!fits || !found, PITH_STATUS_ARG, "'%s' and '%s' could both be the labels of '%s'; move one of them "
                  "away", found, names[i], images);
        n_sets += is_idx && !are_labels;
        n_others += are_labels;
        found = fits ? names[i] : found;
        other = are_labels ? names[i] : other;
    }
    found = !found && n_others == 1 && n_sets <= 1 ? other : found;
    return found ? cli_text_format(path_out, "%s/%s", folder, found) : PITH_OK;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* A class per sample; of a row of numbers the first (QMNIST: class, then where the digit is from). */
static pith_status take_labels(const cli_bytes *bytes, cli_dataset *dataset)
{
    cli_idx idx;
    cli_tensor tensor = { 0 };
    void *block = NULL;
    CLI_TRY(cli_idx_parse(bytes, &idx));
    CLI_CHECK(idx.shape.dims[0] == dataset->n, PITH_STATUS_SHAPE, "%lld labels for %d samples",
              (long long)idx.shape.dims[0], dataset->n);
    CLI_TRY(cli_idx_to_tensor(&idx, &tensor));
    pith_status status = cli_alloc((size_t)dataset->n, sizeof(int64_t), &block);
    dataset->labels = block;
    const size_t step = (size_t)(pith_shape_elements(&idx.shape) / dataset->n);
    for (int i = 0; i < dataset->n && status == PITH_OK; i++) {
        status = cli_label_get(&tensor.view, (size_t)i * step, i, &dataset->labels[i]);
    }
    dataset->n_labelled = dataset->n;
    cli_tensor_free(&tensor);
    return status;
}

static pith_status open_labels(const char *images, cli_dataset *dataset)
{
    const char *base = cli_base_name(images);
    char *folder = NULL, *path = NULL, **names = NULL;
    int n_names = 0;
    cli_bytes bytes = { 0 };
    pith_status status = base == images ? cli_text_copy(".", 1, &folder)
                                        : cli_text_copy(images, (size_t)(base - images), &folder);
    CLI_TRY_GOTO(status, done);
    CLI_TRY_GOTO(cli_list_folder(folder, "", &names, &n_names), done);
    CLI_TRY_GOTO(find_labels(folder, base, names, n_names, &path), done);
    if (path) {
        CLI_TRY_GOTO(cli_idx_read(path, &bytes), done);
        status = take_labels(&bytes, dataset);
        if (status != PITH_OK) {
            cli_add_place("'%s'", path);
        }
    }
done:
    cli_bytes_free(&bytes);
    cli_free_names(names, n_names);
    cli_free(folder);
    cli_free(path);
    return status;
}

/* Pictures: bytes of one channel, or of one or three before or behind rows and columns. */
static bool take_pictures(const cli_idx *idx, cli_dataset *dataset)
{
    const int64_t *dims = idx->shape.dims;
    const int rank = idx->shape.rank;
    const bool is_last = rank == 4 && (dims[3] == 1 || dims[3] == 3), is_first = rank == 4 && !is_last &&
                                                                                  (dims[1] == 1 || dims[1] == 3);
    const int64_t *size = is_first ? dims + 2 : dims + 1;
    if (idx->dtype != PITH_DTYPE_U8 || !(rank == 3 || is_last || is_first) || size[0] > CLI_MAX_IMAGE_SIDE ||
        size[1] > CLI_MAX_IMAGE_SIDE) {
        return false;
    }
    dataset->height = (int)size[0];
    dataset->width = (int)size[1];
    dataset->channels = is_last ? (int)dims[3] : is_first ? (int)dims[1] : 1;
    dataset->is_planar = is_first;
    dataset->first_pixel = idx->data;
    return true;
}

pith_status cli_dataset_open_idx(const char *path, cli_dataset *dataset)
{
    cli_idx idx;
    cli_tensor tensor = { 0 };
    CLI_TRY(cli_idx_read(path, &dataset->pixels));
    CLI_TRY_AT(cli_idx_parse(&dataset->pixels, &idx), "'%s'", path);
    CLI_CHECK(idx.shape.rank > 1 && idx.shape.dims[0] <= INT32_MAX, PITH_STATUS_ARG,
              "'%s' has %d dimension%s of %lld: these are no samples", path, idx.shape.rank,
              idx.shape.rank == 1 ? "" : "s", (long long)idx.shape.dims[0]);
    dataset->n = (int)idx.shape.dims[0];
    if (!take_pictures(&idx, dataset)) {
        CLI_TRY(cli_idx_to_tensor(&idx, &tensor));
        pith_status status = cli_tensors_add(&dataset->arrays, &tensor);
        cli_tensor_free(&tensor);
        CLI_TRY(status);
        cli_bytes_free(&dataset->pixels);
    }
    return open_labels(path, dataset);
}

pith_status cli_dataset_read_pixels(const cli_dataset *dataset, const cli_input_reader *reader, int index,
                                    cli_run_inputs *inputs)
{
    const size_t n_pixels = (size_t)dataset->height * (size_t)dataset->width, n_channels = (size_t)dataset->channels;
    const uint8_t *from = dataset->first_pixel + (size_t)index * n_pixels * n_channels;
    const pith_value_info *input = pith_model_input(reader->net->model, 0);
    cli_tensor tensor = { 0 };
    CLI_TRY(cli_image_make(dataset->width, dataset->height, dataset->channels, 0, &inputs->picture));
    for (size_t i = 0; i < n_pixels; i++) {
        for (size_t c = 0; c < n_channels; c++) {
            const size_t place = i * n_channels + c;
            inputs->picture.pixels[place] = from[dataset->is_planar ? c * n_pixels + i : place];
        }
    }
    CLI_TRY(cli_preprocess_apply(reader->settings, &inputs->picture, input->dtype, &input->shape, &tensor,
                                 &inputs->placement));
    pith_status status = cli_tensor_set_name(&tensor, input->name, strlen(input->name));
    if (status == PITH_OK) {
        status = cli_tensors_add(&inputs->tensors, &tensor);
    }
    cli_tensor_free(&tensor);
    return status;
}
