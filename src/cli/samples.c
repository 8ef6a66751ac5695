/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "generate.h"
#include "samples.h"

#define MAX_KEPT_BYTES ((size_t)512 << 20)

pith_status cli_samples_open(const cli_input_reader *reader, const cli_dataset *dataset, int n_most,
                             cli_samples *samples_out)
{
    void *indices = NULL, *kept = NULL;
    *samples_out = (cli_samples){ .reader = *reader, .dataset = dataset };
    samples_out->n = dataset && dataset->n < n_most ? dataset->n : n_most;
    CLI_TRY(cli_alloc((size_t)samples_out->n, sizeof(int), &indices));
    samples_out->indices = indices;
    CLI_TRY(cli_alloc((size_t)samples_out->n, sizeof(cli_run_inputs), &kept));
    samples_out->kept = kept;
    for (int i = 0; i < samples_out->n; i++) {
        samples_out->indices[i] = dataset ? (int)((int64_t)i * dataset->n / samples_out->n) : i;
    }
    return PITH_OK;
}

pith_status cli_samples_open_apart(const cli_samples *others, int n_most, cli_samples *samples_out)
{
    const int n_all = others->dataset->n, n_free = n_all - others->n;
    void *is_taken = NULL;
    CLI_TRY(cli_samples_open(&others->reader, others->dataset, n_most < n_free ? n_most : n_free, samples_out));
    CLI_TRY(cli_alloc((size_t)n_all, 1, &is_taken));
    char *taken = is_taken;
    for (int i = 0; i < others->n; i++) {
        taken[others->indices[i]] = 1;
    }
    for (int i = 0, k = 0, seen = 0; i < n_all && k < samples_out->n; i++) {
        if (!taken[i] && (int64_t)seen++ * samples_out->n / n_free >= k) { /* evenly among the free ones */
            samples_out->indices[k++] = i;
        }
    }
    cli_free(taken);
    return PITH_OK;
}

/* The library knows the number among samples that are used only: here it is that in the data, or the file's name. */
static pith_status check_numbers(const cli_dataset *dataset, int index, const cli_run_inputs *inputs)
{
    char number[40];
    snprintf(number, sizeof number, "sample %d of the data", index);
    for (int i = 0; i < inputs->tensors.n; i++) {
        const cli_tensor *input = &inputs->tensors.items[i];
        const bool is_f32 = input->view.dtype == PITH_DTYPE_F32;
        const float *x = input->view.data;
        const int64_t n = cli_dtype_is_float(input->view.dtype) ? pith_shape_elements(&input->view.shape) : 0;
        for (int64_t k = 0; k < n; k++) {
            CLI_CHECK(!isnan(is_f32 ? (double)x[k] : cli_get(&input->view, (size_t)k)), PITH_STATUS_ARG,
                      "%s: element %lld of input '%s' isn't a number (NaN); leave the sample out",
                      dataset->paths ? dataset->paths[index] : number, (long long)k, input->name ? input->name : "");
        }
    }
    return PITH_OK;
}

static pith_status make(cli_samples *samples, int index, cli_run_inputs *inputs)
{
    if (samples->dataset) {
        const int k = samples->indices[index];
        CLI_TRY(cli_dataset_read(samples->dataset, &samples->reader, k, inputs));
        return check_numbers(samples->dataset, k, inputs);
    }
    return cli_generate_inputs(&samples->reader, &samples->shapes, (uint64_t)index + 1, inputs);
}

static size_t bytes_of(const cli_run_inputs *inputs)
{
    size_t n_bytes = 0;
    for (int i = 0; i < inputs->tensors.n; i++) {
        n_bytes += pith_tensor_bytes(&inputs->tensors.items[i].view);
    }
    return n_bytes;
}

void cli_show_stage(void *user, const char *stage, int done, int total)
{
    (void)user;
    if (total > 0) {
        cli_progress("%s: %d of %d", stage, done, total);
    } else {
        cli_progress("%s: %d", stage, done);
    }
}

pith_status cli_samples_read(void *user, int index, pith_tensor *inputs)
{
    static const cli_run_inputs none = { 0 };
    cli_samples *samples = user;
    cli_run_inputs *sample = &samples->kept[index];
    if (sample->tensors.n == 0) {
        bool fits = samples->kept_bytes < MAX_KEPT_BYTES;
        if (!fits) {
            cli_run_inputs_free(&samples->last);
            sample = &samples->last;
        }
        CLI_TRY(make(samples, index, sample));
        cli_image_free(&sample->picture);
        samples->kept_bytes += fits ? bytes_of(sample) : 0;
    }
    return cli_collect_views(samples->reader.net, sample, &none, inputs);
}

void cli_samples_close(cli_samples *samples)
{
    for (int i = 0; samples->kept && i < samples->n; i++) {
        cli_run_inputs_free(&samples->kept[i]);
    }
    cli_run_inputs_free(&samples->last);
    cli_free(samples->indices);
    cli_free(samples->kept);
    *samples = (cli_samples){ 0 };
}
