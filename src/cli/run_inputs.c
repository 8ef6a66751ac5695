/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the inputs of `pith run`. */
#include "file.h"
#include "run_inputs.h"
#include "values.h"

void cli_run_inputs_free(cli_run_inputs *inputs)
{
    cli_tensors_free(&inputs->tensors);
    cli_image_free(&inputs->picture);
    *inputs = (cli_run_inputs){ 0 };
}

/* The input's shape with what --shape says about it. */
static pith_status input_shape(const cli_input_reader *reader, int index, pith_shape *shape_out)
{
    char name[512];
    pith_shape shape = pith_model_input(reader->net->model, index)->shape;
    for (int i = 0; i < reader->shapes->n; i++) {
        pith_shape given;
        CLI_TRY(cli_parse_shape(reader->shapes->items[i], name, sizeof name, &given));
        if (!name[0] || strcmp(name, pith_model_input(reader->net->model, index)->name) == 0) {
            shape = given;
        }
    }
    *shape_out = shape;
    return PITH_OK;
}

static pith_status read_picture(const cli_input_reader *reader, const char *path, int index, cli_run_inputs *inputs,
                                cli_tensor *tensor)
{
    pith_shape shape;
    CLI_TRY(input_shape(reader, index, &shape));
    cli_image_free(&inputs->picture);
    CLI_TRY(cli_image_load(path, &inputs->picture));
    CLI_TRY_AT(cli_preprocess_apply(reader->settings, &inputs->picture,
                                    pith_model_input(reader->net->model, index)->dtype, &shape, tensor,
                                    &inputs->placement),
               "'%s' for input '%s'", path, pith_model_input(reader->net->model, index)->name);
    return PITH_OK;
}

static pith_status read_raw(const cli_input_reader *reader, const char *path, int index, cli_tensor *tensor)
{
    pith_shape shape;
    const char *name = reader->settings->dtype;
    pith_dtype dtype = name[0] ? cli_dtype_from_name(name) : pith_model_input(reader->net->model, index)->dtype;
    CLI_CHECK(dtype != PITH_DTYPE_NONE, PITH_STATUS_ARG, "dtype '%s' is unknown (f32, u8, s64, ...)", name);
    CLI_TRY(input_shape(reader, index, &shape));
    return cli_raw_load(path, dtype, &shape, tensor);
}

static pith_status read_tensor(const char *path, cli_tensor *tensor)
{
    cli_tensors loaded = { 0 };
    pith_status status = cli_tensors_load(path, &loaded);
    if (status == PITH_OK && loaded.n != 1) {
        status = cli_fail(PITH_STATUS_ARG, "'%s' holds %d tensors, one is needed here", path, loaded.n);
    }
    if (status == PITH_OK) {
        *tensor = loaded.items[0];
        loaded.items[0] = (cli_tensor){ 0 };
    }
    cli_tensors_free(&loaded);
    return status;
}

/* Names the tensor after the input, brings it to the input's type, and takes it over. */
static pith_status add_input(const cli_input_reader *reader, int index, cli_tensor *tensor, cli_run_inputs *inputs)
{
    const pith_value_info *input = pith_model_input(reader->net->model, index);
    pith_status status = PITH_OK;
    cli_shape_fit(&input->shape, &tensor->view.shape);
    if (tensor->view.dtype != input->dtype) {
        cli_warn("input '%s': %s converted to %s", input->name, pith_dtype_name(tensor->view.dtype),
                 pith_dtype_name(input->dtype));
        status = cli_tensor_convert(tensor, input->dtype);
    }
    if (status == PITH_OK) {
        status = cli_tensor_set_name(tensor, input->name, strlen(input->name));
    }
    return status == PITH_OK ? cli_tensors_add(&inputs->tensors, tensor) : status;
}

pith_status cli_read_input(const cli_input_reader *reader, const char *path, int index, cli_run_inputs *inputs)
{
    const pith_value_info *input = pith_model_input(reader->net->model, index);
    cli_tensor tensor = { 0 };
    pith_status status;
    if (input->dtype == PITH_DTYPE_STRING || input->dtype == PITH_DTYPE_OBJECT) {
        status = cli_value_load(reader->net, path, input, &tensor);
    } else if (cli_image_is_name(path)) {
        status = read_picture(reader, path, index, inputs, &tensor);
    } else if (cli_ends_with(path, ".raw") || cli_ends_with(path, ".bin")) {
        status = read_raw(reader, path, index, &tensor);
    } else {
        status = read_tensor(path, &tensor);
    }
    if (status == PITH_OK) {
        status = add_input(reader, index, &tensor, inputs);
    }
    cli_tensor_free(&tensor);
    return status;
}

pith_status cli_read_named_input(const cli_input_reader *reader, const char *word, cli_run_inputs *inputs)
{
    char name[512];
    int index;
    /* Names may hold ':' or '=': the longest prefix that is an input's name wins. */
    const char *file = NULL;
    for (const char *sign = word + strcspn(word, "=:"); *sign; sign += 1 + strcspn(sign + 1, "=:")) {
        for (int i = 0; i < pith_model_n_inputs(reader->net->model); i++) {
            const char *known = pith_model_input(reader->net->model, i)->name;
            if (strlen(known) == (size_t)(sign - word) && strncmp(known, word, (size_t)(sign - word)) == 0) {
                index = i;
                file = sign + 1;
            }
        }
    }
    if (!file) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "=:"), word);
        CLI_CHECK(word[strcspn(word, "=:")], PITH_STATUS_ARG, "--input takes NAME=FILE, not '%s'", word);
        return cli_net_find_input(reader->net, name, &index);
    }
    return cli_read_input(reader, file, index, inputs);
}

/* The only input that is not given; for pictures the one that the settings name. */
static pith_status find_open_input(const cli_input_reader *reader, const char *path, const cli_run_inputs *given,
                                   int *index_out)
{
    const pith_model *model = reader->net->model;
    int n_open = 0;
    if (cli_image_is_name(path) && reader->settings->image_input[0]) {
        return cli_net_find_input(reader->net, reader->settings->image_input, index_out);
    }
    for (int i = pith_model_n_inputs(model) - 1; i >= 0; i--) {
        if (!cli_tensors_find(&given->tensors, pith_model_input(model, i)->name)) {
            n_open++;
            *index_out = i;
        }
    }
    CLI_CHECK(n_open == 1, PITH_STATUS_ARG,
              n_open ? "'%s' could be any of %d inputs; give the others with --input NAME=FILE"
                     : "'%s' has no input left to go to (%d are open)", path, n_open);
    return PITH_OK;
}

/* Arrays NAME or in/NAME of an npz file; out/NAME is for `pith compare` and passes. */
static pith_status read_npz(const cli_input_reader *reader, const char *path, cli_run_inputs *inputs)
{
    cli_tensors loaded = { 0 };
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_tensors_load(path, &loaded), done);
    for (int i = 0; i < loaded.n; i++) {
        const char *name = loaded.items[i].name;
        int index;
        if (strncmp(name, "out/", 4) == 0) {
            continue;
        }
        name += strncmp(name, "in/", 3) == 0 ? 3 : 0;
        CLI_TRY_GOTO(cli_net_find_input(reader->net, name, &index), done);
        CLI_TRY_GOTO(add_input(reader, index, &loaded.items[i], inputs), done);
    }
done:
    cli_tensors_free(&loaded);
    return status;
}

pith_status cli_read_file(const cli_input_reader *reader, const char *path, const cli_run_inputs *given,
                          cli_run_inputs *inputs)
{
    int index;
    if (cli_ends_with(path, ".npz")) {
        return read_npz(reader, path, inputs);
    }
    CLI_TRY(find_open_input(reader, path, given, &index));
    return cli_read_input(reader, path, index, inputs);
}

pith_status cli_collect_views(const cli_net *net, const cli_run_inputs *inputs, const cli_run_inputs *given,
                              pith_tensor *views)
{
    for (int i = 0; i < pith_model_n_inputs(net->model); i++) {
        const pith_value_info *input = pith_model_input(net->model, i);
        char text[CLI_SHAPE_BYTES];
        const cli_tensor *tensor = cli_tensors_find(&inputs->tensors, input->name);
        tensor = tensor ? tensor : cli_tensors_find(&given->tensors, input->name);
        CLI_CHECK(tensor, PITH_STATUS_ARG, "input '%s' (%s, %s) is missing; give it with --input %s=FILE", input->name,
                  pith_dtype_name(input->dtype), cli_shape_text(&input->shape, text), input->name);
        views[i] = tensor->view;
    }
    return PITH_OK;
}
