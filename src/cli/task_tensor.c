/* SPDX-License-Identifier: Apache-2.0 */
/* Task tensor: numbers about each output, for models of any kind. */
#include <math.h>

#include "task.h"
#include "values.h"

typedef struct summary {
    double min, max, mean;
    size_t n, n_not_finite;
} summary;

static summary summarize(const pith_tensor *tensor)
{
    summary what = { .min = INFINITY, .max = -INFINITY, .n = (size_t)pith_shape_elements(&tensor->shape) };
    double sum = 0.0;
    for (size_t i = 0; i < what.n; i++) {
        double value = cli_get(tensor, i);
        if (!isfinite(value)) {
            what.n_not_finite++;
            continue;
        }
        what.min = fmin(what.min, value);
        what.max = fmax(what.max, value);
        sum += value;
    }
    what.mean = what.n > what.n_not_finite ? sum / (double)(what.n - what.n_not_finite) : (double)NAN;
    return what;
}

enum { N_FIRST = 6 };

static void print_tensor(const char *name, const pith_tensor *tensor)
{
    char shape[CLI_SHAPE_BYTES];
    summary what = summarize(tensor);
    printf("  %-24s %s %s", name, pith_dtype_name(tensor->dtype), cli_shape_text(&tensor->shape, shape));
    if (what.n > what.n_not_finite) {
        printf("  min %.6g  max %.6g  mean %.6g", what.min, what.max, what.mean);
    }
    if (what.n_not_finite) {
        printf("  %s%zu not finite%s", cli_colour_on(CLI_BAD), what.n_not_finite, cli_colour_off());
    }
    printf("\n    first:");
    for (size_t i = 0; i < what.n && i < N_FIRST; i++) {
        printf(" %.6g", cli_get(tensor, i));
    }
    printf("%s\n", what.n > N_FIRST ? " ..." : "");
}

static void write_tensor(cli_json *json, const char *name, const pith_tensor *tensor)
{
    summary what = summarize(tensor);
    double first[N_FIRST];
    int n_first = what.n < N_FIRST ? (int)what.n : N_FIRST;
    for (int i = 0; i < n_first; i++) {
        first[i] = cli_get(tensor, (size_t)i);
    }
    cli_json_object(json, NULL);
    cli_json_text(json, "name", name);
    cli_json_text(json, "dtype", pith_dtype_name(tensor->dtype));
    cli_json_shape(json, "shape", &tensor->shape);
    cli_json_number(json, "min", what.min);
    cli_json_number(json, "max", what.max);
    cli_json_number(json, "mean", what.mean);
    cli_json_whole(json, "not_finite", (int64_t)what.n_not_finite);
    cli_json_numbers(json, "first", first, n_first);
    cli_json_end(json);
}

/* Strings, sequences, optionals, maps. */
static void show_value(cli_json *json, const char *name, const pith_tensor *value)
{
    char type[PITH_TYPE_TEXT_BYTES];
    const pith_object *object = pith_object_of(value);
    if (!json) {
        cli_value_print(name, value, 2);
        return;
    }
    cli_json_object(json, NULL);
    cli_json_text(json, "name", name);
    cli_json_text(json, "type", pith_type_text(object ? object->type : pith_type_tensor(value->dtype), type));
    cli_value_write_json(json, "value", value);
    cli_json_end(json);
}

static pith_status show(const cli_result *result)
{
    int n_outputs = pith_model_n_outputs(result->net->model);
    if (result->json) {
        cli_json_list(result->json, "outputs");
    }
    for (int i = 0; i < n_outputs; i++) {
        const char *name = pith_model_output(result->net->model, i)->name;
        const pith_tensor *output = pith_session_output(result->net->session, i);
        if (!cli_value_is_numbers(output)) {
            show_value(result->json, name, output);
        } else if (result->json) {
            write_tensor(result->json, name, output);
        } else {
            print_tensor(name, output);
        }
    }
    if (result->json) {
        cli_json_end(result->json);
    }
    return result->drawing ? cli_draw_captions(result, &result->name, 1) : PITH_OK;
}

const cli_task cli_task_tensor = { .name = "tensor", .help = "shape, range and first values of each output",
                                   .show = show };
