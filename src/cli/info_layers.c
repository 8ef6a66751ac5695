/* SPDX-License-Identifier: Apache-2.0 */
/* pith info --layers: the steps of a run with what each takes. */
#include "info.h"

static void write_json(const cli_net *net, const pith_layer *layers, int n_layers)
{
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", net->path);
    cli_json_list(&json, "layers");
    for (int i = 0; i < n_layers; i++) {
        const pith_layer *layer = &layers[i];
        cli_json_object(&json, NULL);
        cli_json_text(&json, "name", layer->name);
        cli_json_text(&json, "op", layer->op);
        cli_json_text(&json, "kernel", layer->kernel);
        cli_json_text(&json, "dtype", pith_dtype_name(layer->output.dtype));
        cli_json_shape(&json, "shape", &layer->output.shape);
        cli_json_whole(&json, "macs", (int64_t)layer->macs);
        cli_json_whole(&json, "flops", (int64_t)layer->flops);
        cli_json_whole(&json, "output_bytes", (int64_t)layer->output_bytes);
        cli_json_whole(&json, "weight_bytes", (int64_t)layer->weight_bytes);
        cli_json_whole(&json, "scratch_bytes", (int64_t)layer->scratch_bytes);
        cli_json_text(&json, "arithmetic", pith_arithmetic_name(layer->arithmetic));
        cli_json_whole(&json, "island", layer->island);
        cli_json_text(&json, "why_float", layer->why_float);
        cli_json_bool(&json, "layout_conversion", cli_is_conversion(layer->op, layer->name));
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_end(&json);
}

static int at_least(int width, const char *text)
{
    return (int)strlen(text) > width ? (int)strlen(text) : width;
}

static void print_words(const pith_layer *layers, int n_layers)
{
    char shape[CLI_SHAPE_BYTES], macs[CLI_HUMAN_BYTES], flops[CLI_HUMAN_BYTES];
    int w_op = 8, w_kernel = 9, w_shape = 6;
    for (int i = 0; i < n_layers; i++) {
        w_op = at_least(w_op, layers[i].op);
        w_kernel = at_least(w_kernel, layers[i].kernel ? layers[i].kernel : "");
        w_shape = at_least(w_shape, cli_shape_text(&layers[i].output.shape, shape));
    }
    printf("%5s  %-*s %-*s %-5s %-*s %10s %10s %11s %11s %10s  node\n", "step", w_op, "operator", w_kernel, "kernel",
           "type", w_shape, "output", "MACs", "FLOPs", "output B", "weights B", "scratch B");
    for (int i = 0; i < n_layers; i++) {
        const pith_layer *layer = &layers[i];
        printf("%5d  %-*s %-*s %-5s %-*s %10s %10s %11zu %11zu %10zu  %s\n", i, w_op, layer->op, w_kernel,
               layer->kernel ? layer->kernel : "reference", pith_dtype_name(layer->output.dtype), w_shape,
               cli_shape_text(&layer->output.shape, shape), cli_human_count((double)layer->macs, macs),
               cli_human_count((double)layer->flops, flops), layer->output_bytes, layer->weight_bytes,
               layer->scratch_bytes, cli_plain(layer->name));
    }
}

pith_status cli_info_layers(const cli_net *net, const cli_shapes *shapes, int n_threads, bool is_json)
{
    const pith_layer *layers = NULL;
    int n_layers = 0;
    pith_status status = pith_model_layers(net->model, shapes->items, n_threads, &layers, &n_layers);
    if (status != PITH_OK) {
        return cli_net_fail(net, status);
    }
    if (is_json) {
        write_json(net, layers, n_layers);
    } else {
        print_words(layers, n_layers);
    }
    return PITH_OK;
}

static void print_conversions(const pith_layer *layers, int n_layers)
{
    char shape[CLI_SHAPE_BYTES];
    int n = 0;
    for (int i = 0; i < n_layers; i++) {
        n += cli_is_conversion(layers[i].op, layers[i].name);
    }
    printf("layout   %d conversion%s between channels-first and channels-last remain%s\n", n, n == 1 ? "" : "s",
           n == 1 ? "s" : "");
    for (int i = 0; i < n_layers; i++) {
        if (cli_is_conversion(layers[i].op, layers[i].name)) {
            printf("  step %d  %s  %s\n", i, cli_plain(layers[i].name), cli_shape_text(&layers[i].output.shape, shape));
        }
    }
}

/* One line for each stretch of float steps: where, how much work, and why its largest step is float. */
static void print_island(const pith_layer *layers, int n_layers, int first)
{
    char macs[CLI_HUMAN_BYTES];
    const pith_layer *largest = &layers[first];
    uint64_t n_macs = 0;
    int n_steps = 0;
    for (int i = first; i < n_layers; i++) {
        if (layers[i].island == layers[first].island) {
            n_steps++;
            n_macs += layers[i].macs;
            largest = layers[i].flops > largest->flops ? &layers[i] : largest;
        }
    }
    printf("  step %d  %d step%s, %s MACs, %s '%s': %s\n", first, n_steps, n_steps == 1 ? "" : "s",
           cli_human_count((double)n_macs, macs), largest->op, cli_plain(largest->name), largest->why_float);
}

static void print_islands(const pith_layer *layers, int n_layers)
{
    int n_integer = 0, n_borders = 0, n_islands = 0;
    for (int i = 0; i < n_layers; i++) {
        n_integer += layers[i].arithmetic == PITH_ARITHMETIC_INTEGER;
        n_borders += layers[i].arithmetic == PITH_ARITHMETIC_BORDER;
        n_islands = layers[i].island >= n_islands ? layers[i].island + 1 : n_islands;
    }
    if (n_integer + n_borders == 0) {
        return;
    }
    printf("integer  %d of %d steps; %d quantise or dequantise, %d stretch%s of float steps\n", n_integer, n_layers,
           n_borders, n_islands, n_islands == 1 ? "" : "es");
    for (int island = 0; island < n_islands; island++) {
        int first = 0;
        while (layers[first].island != island) {
            first++;
        }
        print_island(layers, n_layers, first);
    }
}

void cli_info_print_notes(const cli_net *net, const cli_shapes *shapes, int n_threads)
{
    const pith_layer *layers = NULL;
    int n_layers = 0;
    if (pith_model_layers(net->model, shapes->items, n_threads, &layers, &n_layers) == PITH_OK) {
        print_conversions(layers, n_layers);
        print_islands(layers, n_layers);
    }
}
