/* SPDX-License-Identifier: Apache-2.0 */
#include "work_inputs.h"

#include "dataset.h"

pith_status cli_work_words(const cli_words *words, int most_models, const char **models, int *n_models_out,
                           const char **file_out)
{
    int n_models = 0;
    *file_out = NULL;
    for (int i = 0; i < words->n; i++) {
        if (n_models > 0 && cli_is_sample_name(words->items[i])) {
            CLI_CHECK(!*file_out, PITH_STATUS_ARG, "one file of inputs is measured, '%s' and '%s' were given",
                      *file_out, words->items[i]);
            *file_out = words->items[i];
            continue;
        }
        CLI_CHECK(n_models < most_models, PITH_STATUS_ARG,
                  most_models == 1 ? "'%s' is no file of inputs (.png, .jpg, .npy, .npz, .pb, .raw), and only %d model "
                                     "can be measured here"
                                   : "'%s' is one model too many, %d can be measured side by side", words->items[i],
                  most_models);
        models[n_models++] = words->items[i];
    }
    CLI_CHECK(n_models > 0, PITH_STATUS_ARG, "one model file is needed, none was given");
    *n_models_out = n_models;
    return PITH_OK;
}

static pith_status read_files(const cli_work *work, const char *file, const char *model, cli_net *net,
                              cli_run_inputs *inputs)
{
    cli_preprocess settings;
    cli_run_inputs of_file = { 0 };
    CLI_TRY(cli_preprocess_of_model(model, work->sidecar, &work->keys, &settings));
    const cli_input_reader reader = { .net = net, .settings = &settings, .shapes = &work->shapes };
    for (int i = 0; i < work->inputs.n; i++) {
        CLI_TRY(cli_read_named_input(&reader, work->inputs.items[i], inputs));
    }
    if (!file) {
        return PITH_OK;
    }
    pith_status status = cli_read_file(&reader, file, inputs, &of_file);
    for (int i = 0; i < of_file.tensors.n && status == PITH_OK; i++) {
        status = cli_tensors_add(&inputs->tensors, &of_file.tensors.items[i]);
    }
    cli_run_inputs_free(&of_file);
    return status;
}

pith_status cli_work_read(const cli_work *work, const char *file, const char *model, cli_net *net, bool tells,
                          cli_run_inputs *inputs_out)
{
    cli_shapes shapes;
    if (file || work->inputs.n > 0) {
        return read_files(work, file, model, net, inputs_out);
    }
    CLI_TRY(cli_net_choose_shapes(net, &work->shapes, NULL, &shapes));
    if (tells) {
        cli_net_tell_assumed(net, &shapes);
    }
    return cli_net_random_inputs(net, &shapes, (uint64_t)work->seed, &inputs_out->tensors);
}

pith_status cli_work_views(const cli_net *net, const cli_run_inputs *inputs, pith_tensor *views, char *text,
                           size_t n_bytes)
{
    static const cli_run_inputs none = { 0 };
    cli_shapes shapes = { .n = pith_model_n_inputs(net->model) };
    CLI_TRY(cli_collect_views(net, inputs, &none, views));
    for (int i = 0; i < shapes.n; i++) {
        shapes.items[i] = views[i].shape;
    }
    cli_net_shapes_text(net, &shapes, text, n_bytes);
    return PITH_OK;
}
