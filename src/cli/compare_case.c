/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a model is compared with, and lines inputs up with the model. */
#include "compare_case.h"

#include <string.h>

#include "file.h"

static pith_status add_case(const char *name, cli_cases *cases, cli_case **case_out)
{
    CLI_TRY(cli_grow((void **)&cases->items, &cases->capacity, (size_t)cases->n + 1, sizeof *cases->items));
    CLI_TRY(cli_text_copy(name, strlen(name), &cases->items[cases->n].name));
    *case_out = &cases->items[cases->n++];
    return PITH_OK;
}

void cli_cases_free(cli_cases *cases)
{
    for (int i = 0; i < cases->n; i++) {
        cli_free(cases->items[i].name);
        cli_tensors_free(&cases->items[i].inputs);
        cli_tensors_free(&cases->items[i].wanted);
    }
    cli_free(cases->items);
    *cases = (cli_cases){ 0 };
}

/* Moves `tensor` into inputs or wanted tensors by the prefix of its name. */
static pith_status sort_array(cli_tensor *tensor, cli_case *which)
{
    bool is_input = strncmp(tensor->name, "in/", 3) == 0;
    bool is_wanted = strncmp(tensor->name, "out/", 4) == 0;
    CLI_CHECK(is_input || is_wanted, PITH_STATUS_FORMAT, "array '%s' is neither in/NAME nor out/NAME", tensor->name);
    size_t n_prefix = is_input ? 3 : 4;
    memmove(tensor->name, tensor->name + n_prefix, strlen(tensor->name) - n_prefix + 1);
    return cli_tensors_add(is_input ? &which->inputs : &which->wanted, tensor);
}

pith_status cli_cases_from_npz(const char *path, cli_cases *cases)
{
    cli_tensors arrays = { 0 };
    cli_case *which;
    pith_status status = PITH_OK;
    CLI_TRY(add_case("", cases, &which));
    CLI_TRY_GOTO(cli_tensors_load(path, &arrays), done);
    for (int i = 0; i < arrays.n && status == PITH_OK; i++) {
        status = sort_array(&arrays.items[i], which);
        if (status != PITH_OK) {
            cli_add_place("'%s'", path);
        }
    }
    if (status == PITH_OK && which->wanted.n == 0) {
        status = cli_fail(PITH_STATUS_FORMAT, "'%s' has no array out/NAME to compare with", path);
    }
done:
    cli_tensors_free(&arrays);
    return status;
}

/* Whether `written` is `name` with some or all '/' and ':', which file names don't take, as '_'. */
static bool is_flattened(const char *name, const char *written)
{
    for (; *name && (*name == *written || (strchr("/:", *name) && *written == '_')); name++) {
        written++;
    }
    return *name == *written;
}

static pith_status match_name(cli_tensor *tensor, int n_values, const pith_value_info *const *values)
{
    const char *match = NULL;
    int n_matches = 0;
    for (int i = 0; i < n_values; i++) {
        if (strcmp(values[i]->name, tensor->name) == 0) {
            return PITH_OK;
        }
        if (is_flattened(values[i]->name, tensor->name)) {
            match = values[i]->name;
            n_matches++;
        }
    }
    return n_matches == 1 ? cli_tensor_set_name(tensor, match, strlen(match)) : PITH_OK;
}

static pith_status match_list(cli_tensors *list, int n_values, const pith_value_info *const *values)
{
    for (int i = 0; i < list->n; i++) {
        CLI_TRY(match_name(&list->items[i], n_values, values));
    }
    return PITH_OK;
}

pith_status cli_cases_match_names(const cli_net *net, cli_cases *cases)
{
    const pith_value_info *inputs[CLI_MAX_INPUTS];
    const pith_value_info **outputs;
    int n_inputs = pith_model_n_inputs(net->model);
    int n_outputs = pith_model_n_outputs(net->model);
    pith_status status = PITH_OK;
    for (int i = 0; i < n_inputs; i++) {
        inputs[i] = pith_model_input(net->model, i);
    }
    CLI_TRY(cli_alloc((size_t)n_outputs, sizeof *outputs, (void **)&outputs));
    for (int i = 0; i < n_outputs; i++) {
        outputs[i] = pith_model_output(net->model, i);
    }
    for (int i = 0; i < cases->n && status == PITH_OK; i++) {
        status = match_list(&cases->items[i].inputs, n_inputs, inputs);
        if (status == PITH_OK) {
            status = match_list(&cases->items[i].wanted, n_outputs, outputs);
        }
    }
    cli_free(outputs);
    return status;
}

/* K of "<prefix>K.pb", or -1. */
static int file_number(const char *name, const char *prefix)
{
    int number = -1;
    int n_read = 0;
    char end[8];
    if (strncmp(name, prefix, strlen(prefix)) == 0
        && sscanf(name + strlen(prefix), "%5d.%2s%n", &number, end, &n_read) == 2 && strcmp(end, "pb") == 0
        && name[strlen(prefix) + (size_t)n_read] == '\0') {
        return number;
    }
    return -1;
}

/* One input_K.pb or output_K.pb, named by the model. */
static pith_status load_numbered(const cli_net *net, const char *folder, const char *file, bool is_input,
                                 cli_case *which)
{
    char path[4096];
    cli_tensors one = { 0 };
    int number = file_number(file, is_input ? "input_" : "output_");
    int n_values = is_input ? pith_model_n_inputs(net->model) : pith_model_n_outputs(net->model);
    if (number < 0) {
        return PITH_OK;
    }
    CLI_CHECK(number < n_values, PITH_STATUS_ARG, "'%s/%s': the model has only %d %s", folder, file, n_values,
              is_input ? "inputs" : "outputs");
    CLI_CHECK(snprintf(path, sizeof path, "%s/%s", folder, file) < (int)sizeof path, PITH_STATUS_LIMIT,
              "the path of '%s' is too long", file);
    pith_status status = cli_tensors_load(path, &one);
    if (status == PITH_OK) {
        const pith_value_info *value = is_input ? pith_model_input(net->model, number)
                                                : pith_model_output(net->model, number);
        status = cli_tensor_set_name(&one.items[0], value->name, strlen(value->name));
    }
    if (status == PITH_OK) {
        status = cli_tensors_add(is_input ? &which->inputs : &which->wanted, &one.items[0]);
    }
    cli_tensors_free(&one);
    return status;
}

static pith_status load_set(const cli_net *net, const char *folder, const char *name, cli_cases *cases)
{
    char **files = NULL;
    int n_files = 0;
    cli_case *which;
    CLI_TRY(add_case(name, cases, &which));
    CLI_TRY(cli_list_folder(folder, "", &files, &n_files));
    pith_status status = PITH_OK;
    for (int i = 0; i < n_files && status == PITH_OK; i++) {
        bool is_input = strncmp(files[i], "input_", 6) == 0;
        if (is_input || strncmp(files[i], "output_", 7) == 0) {
            status = load_numbered(net, folder, files[i], is_input, which);
        }
    }
    cli_free_names(files, n_files);
    CLI_TRY(status);
    CLI_CHECK(which->wanted.n > 0, PITH_STATUS_IO, "'%s' has no output_K.pb (nor test_data_set_* folders)", folder);
    return PITH_OK;
}

pith_status cli_cases_from_folder(const cli_net *net, const char *path, cli_cases *cases)
{
    char **sets = NULL;
    int n_sets = 0;
    CLI_TRY(cli_list_folder(path, "test_data_set_", &sets, &n_sets));
    pith_status status = n_sets == 0 ? load_set(net, path, "", cases) : PITH_OK;
    for (int i = 0; i < n_sets && status == PITH_OK; i++) {
        char folder[4096];
        if (snprintf(folder, sizeof folder, "%s/%s", path, sets[i]) >= (int)sizeof folder) {
            status = cli_fail(PITH_STATUS_LIMIT, "the path of '%s' is too long", sets[i]);
        } else if (cli_is_folder(folder)) {
            status = load_set(net, folder, sets[i], cases);
        }
    }
    cli_free_names(sets, n_sets);
    if (status == PITH_OK && cases->n == 0) {
        status = cli_fail(PITH_STATUS_IO, "'%s' has no test data", path);
    }
    return status;
}

pith_status cli_load_named_input(const cli_net *net, const char *word, cli_tensors *inputs)
{
    cli_tensors loaded = { 0 };
    char name[512];
    int index;
    const char *sign = strchr(word, '=');
    sign = sign ? sign : strrchr(word, ':');
    CLI_CHECK(sign && sign > word && (size_t)(sign - word) < sizeof name, PITH_STATUS_ARG,
              "--input takes NAME=FILE, not '%s'", word);
    snprintf(name, sizeof name, "%.*s", (int)(sign - word), word);
    CLI_TRY(cli_net_find_input(net, name, &index));
    pith_status status = cli_tensors_load(sign + 1, &loaded);
    if (status == PITH_OK && loaded.n != 1) {
        status = cli_fail(PITH_STATUS_ARG, "'%s' holds %d tensors, one is needed for input '%s'", sign + 1, loaded.n,
                          name);
    }
    if (status == PITH_OK) {
        status = cli_tensor_set_name(&loaded.items[0], name, strlen(name));
    }
    if (status == PITH_OK) {
        status = cli_tensors_add(inputs, &loaded.items[0]);
    }
    cli_tensors_free(&loaded);
    return status;
}

pith_status cli_order_inputs(const cli_net *net, const cli_tensors *inputs, pith_tensor *views)
{
    int unused;
    for (int i = 0; i < inputs->n; i++) {
        CLI_TRY(cli_net_find_input(net, inputs->items[i].name, &unused));
    }
    for (int i = 0; i < pith_model_n_inputs(net->model); i++) {
        const pith_value_info *input = pith_model_input(net->model, i);
        const cli_tensor *tensor = cli_tensors_find(inputs, input->name);
        char text[CLI_SHAPE_BYTES];
        CLI_CHECK(tensor, PITH_STATUS_ARG, "input '%s' (%s, %s) of '%s' is missing", input->name,
                  pith_dtype_name(input->dtype), cli_shape_text(&input->shape, text), net->path);
        CLI_CHECK(tensor->view.dtype == input->dtype, PITH_STATUS_DTYPE, "input '%s' is %s, the model takes %s",
                  input->name, pith_dtype_name(tensor->view.dtype), pith_dtype_name(input->dtype));
        views[i] = tensor->view;
    }
    return PITH_OK;
}
