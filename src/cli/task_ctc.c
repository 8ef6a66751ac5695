/* SPDX-License-Identifier: Apache-2.0 */
/* Task ctc: text from a recogniser, greedy and by prefix beam search. */
#include <math.h>

#include "ctc.h"
#include "task.h"

/* Labels leave the blank out (the usual charset file) or name every class. */
static pith_status check_labels(const cli_result *result, const cli_frames *frames)
{
    int n_labels = result->labels->n;
    CLI_CHECK(n_labels == 0 || n_labels == frames->n_classes || n_labels == frames->n_classes - 1, PITH_STATUS_ARG,
              "%d labels for %d classes; %d (without the blank) or %d are needed", n_labels, frames->n_classes,
              frames->n_classes - 1, frames->n_classes);
    return PITH_OK;
}

static pith_status make_text(const cli_result *result, const cli_frames *frames, const cli_reading *reading,
                             cli_bytes *text)
{
    bool leaves_blank_out = result->labels->n == frames->n_classes - 1;
    for (int i = 0; i < reading->n; i++) {
        char scratch[32];
        int index = reading->classes[i];
        index -= leaves_blank_out && index > frames->blank;
        const char *label = cli_label(result->labels, index, scratch);
        if (result->labels->n == 0 && i > 0) {
            CLI_TRY(cli_bytes_add(text, " ", 1));
        }
        CLI_TRY(cli_bytes_add(text, label, strlen(label)));
    }
    return cli_bytes_add(text, "", 1);
}

static void report(const cli_result *result, const char *method, const char *text, const cli_reading *reading)
{
    cli_json *json = result->json;
    /* Geometric mean per character, so that long lines don't look worse than short ones. */
    double confidence = exp(reading->log_prob / (reading->n > 0 ? reading->n : 1));
    if (!json) {
        printf("  %-7s %.3f  %s%s%s\n", method, confidence, cli_colour_on(CLI_STRONG), text, cli_colour_off());
        return;
    }
    cli_json_object(json, method);
    cli_json_text(json, "text", text);
    cli_json_number(json, "confidence", confidence);
    cli_json_number(json, "log_probability", reading->log_prob); /* of the whole text */
    cli_json_end(json);
}

typedef struct both {
    cli_frames frames;
    cli_reading greedy, beam;
    cli_bytes greedy_text, beam_text;
} both;

static pith_status read_both(const cli_result *result, both *reads)
{
    const cli_preprocess *settings = result->settings;
    const pith_tensor *output = pith_session_output(result->net->session, 0);
    CLI_TRY(cli_ctc_frames(output, settings->ctc_output, (int)settings->blank, &reads->frames));
    CLI_TRY(check_labels(result, &reads->frames));
    CLI_TRY(cli_ctc_greedy(&reads->frames, &reads->greedy));
    CLI_TRY(cli_ctc_beam(&reads->frames, (int)settings->beam, &reads->beam));
    CLI_TRY(make_text(result, &reads->frames, &reads->greedy, &reads->greedy_text));
    return make_text(result, &reads->frames, &reads->beam, &reads->beam_text);
}

static pith_status show_both(const cli_result *result, both *reads)
{
    char method[16];
    CLI_TRY(read_both(result, reads));
    snprintf(method, sizeof method, "beam %d", (int)result->settings->beam);
    report(result, "greedy", (char *)reads->greedy_text.data, &reads->greedy);
    report(result, result->json ? "beam" : method, (char *)reads->beam_text.data, &reads->beam);
    if (!result->drawing) {
        return PITH_OK;
    }
    const char *line = (char *)reads->beam_text.data;
    return cli_draw_captions(result, &line, 1);
}

pith_status cli_ctc_text(const cli_result *result, int beam, cli_bytes *text_out)
{
    const cli_preprocess *settings = result->settings;
    const pith_tensor *output = pith_session_output(result->net->session, 0);
    cli_frames frames = { 0 };
    cli_reading reading = { 0 };
    pith_status status = cli_ctc_frames(output, settings->ctc_output, (int)settings->blank, &frames);
    status = status == PITH_OK ? check_labels(result, &frames) : status;
    if (status == PITH_OK) {
        status = beam > 0 ? cli_ctc_beam(&frames, beam, &reading) : cli_ctc_greedy(&frames, &reading);
    }
    status = status == PITH_OK ? make_text(result, &frames, &reading, text_out) : status;
    cli_ctc_free_frames(&frames);
    cli_ctc_free_reading(&reading);
    return status;
}

static pith_status show(const cli_result *result)
{
    both reads = { 0 };
    pith_status status = show_both(result, &reads);
    cli_ctc_free_frames(&reads.frames);
    cli_ctc_free_reading(&reads.greedy);
    cli_ctc_free_reading(&reads.beam);
    cli_bytes_free(&reads.greedy_text);
    cli_bytes_free(&reads.beam_text);
    return status;
}

const cli_task cli_task_ctc = { .name = "ctc", .help = "recognised text with its probability, greedy and by --beam",
                                .show = show };
