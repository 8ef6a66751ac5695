/* SPDX-License-Identifier: Apache-2.0 */
/* Saving drawings and outputs. */
#include "file.h"
#include "run_output.h"
#include "values.h"

pith_status cli_drawings_add(cli_drawings *drawings, cli_image *drawing)
{
    CLI_TRY(cli_grow((void **)&drawings->items, &drawings->capacity, (size_t)drawings->n + 1, sizeof *drawings->items));
    drawings->items[drawings->n++] = *drawing;
    *drawing = (cli_image){ 0 };
    return PITH_OK;
}

void cli_drawings_free(cli_drawings *drawings)
{
    for (int i = 0; i < drawings->n; i++) {
        cli_image_free(&drawings->items[i]);
    }
    cli_free(drawings->items);
    *drawings = (cli_drawings){ 0 };
}

pith_status cli_drawings_save(const cli_drawings *drawings, const char *path)
{
    enum { GAP = 6 };
    cli_image sheet;
    int64_t height = -GAP;
    int width = 1;
    if (drawings->n == 1) {
        return cli_image_save(path, &drawings->items[0]);
    }
    for (int i = 0; i < drawings->n; i++) {
        width = drawings->items[i].width > width ? drawings->items[i].width : width;
        height += drawings->items[i].height + GAP;
    }
    CLI_CHECK(height > 0 && height <= CLI_MAX_IMAGE_SIDE, PITH_STATUS_LIMIT,
              "%d drawings are %lld pixels high together; give a folder instead", drawings->n, (long long)height);
    CLI_TRY(cli_image_make(width, (int)height, 3, 255, &sheet));
    int top = 0;
    for (int i = 0; i < drawings->n; i++) {
        cli_draw_image(&sheet, 0, top, &drawings->items[i]);
        top += drawings->items[i].height + GAP;
    }
    pith_status status = cli_image_save(path, &sheet);
    cli_image_free(&sheet);
    return status;
}

pith_status cli_output_path(const char *folder, const char *input, const char *ending, char **path_out)
{
    const char *name = cli_base_name(input);
    size_t n_folder = strlen(folder);
    bool has_slash = n_folder > 0 && folder[n_folder - 1] == '/';
    return cli_text_format(path_out, "%s%s%.*s%s", folder, has_slash ? "" : "/", (int)cli_stem(name), name, ending);
}

static pith_status add_copy(cli_tensors *list, const char *role, const char *name, const pith_tensor *view)
{
    cli_tensor copy = { 0 };
    CLI_CHECK(cli_value_is_numbers(view), PITH_STATUS_UNSUPPORTED,
              "'%s' is a %s, which numpy's files can't hold; save as .json or .pb", name, pith_dtype_name(view->dtype));
    CLI_TRY(cli_tensor_copy(view, &copy));
    pith_status status = cli_text_format(&copy.name, "%s/%s", role, name);
    if (status == PITH_OK) {
        status = cli_tensors_add(list, &copy);
    }
    cli_tensor_free(&copy);
    return status;
}

static pith_status save_npz(const cli_net *net, const pith_tensor *inputs, const char *path)
{
    cli_tensors list = { 0 };
    pith_status status = PITH_OK;
    for (int i = 0; i < pith_model_n_inputs(net->model); i++) {
        CLI_TRY_GOTO(add_copy(&list, "in", pith_model_input(net->model, i)->name, &inputs[i]), done);
    }
    for (int i = 0; i < pith_model_n_outputs(net->model); i++) {
        const pith_tensor *output = pith_session_output(net->session, i);
        CLI_TRY_GOTO(add_copy(&list, "out", pith_model_output(net->model, i)->name, output), done);
    }
    CLI_TRY_GOTO(cli_npz_save(path, &list), done);
done:
    cli_tensors_free(&list);
    return status;
}

pith_status cli_save_outputs(const cli_net *net, const pith_tensor *inputs, const char *path)
{
    int n_outputs = pith_model_n_outputs(net->model);
    if (cli_ends_with(path, ".npz")) {
        return save_npz(net, inputs, path);
    }
    if (cli_ends_with(path, ".json") || cli_ends_with(path, ".pb")) {
        return cli_values_save(net, path);
    }
    CLI_CHECK(cli_ends_with(path, ".npy"), PITH_STATUS_ARG,
              "can't tell what to save as '%s': .npz, .npy, .json, .pb, .png, .jpg or a folder are possible", path);
    CLI_CHECK(n_outputs == 1, PITH_STATUS_ARG, ".npy holds one tensor, the model has %d outputs; use .npz", n_outputs);
    return cli_npy_save(path, pith_session_output(net->session, 0));
}
