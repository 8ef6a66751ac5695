/* SPDX-License-Identifier: Apache-2.0 */
/* Task classify: the most probable classes of the first output. */
#include "task.h"

enum { MAX_CAPTIONS = 5 };

static pith_status draw(const cli_result *result, const cli_score *scores, int n_scores)
{
    char captions[MAX_CAPTIONS][160];
    const char *lines[MAX_CAPTIONS];
    int n_lines = n_scores < MAX_CAPTIONS ? n_scores : MAX_CAPTIONS;
    for (int i = 0; i < n_lines; i++) {
        char scratch[32];
        snprintf(captions[i], sizeof captions[i], "%5.1f%% %s", 100.0 * scores[i].score,
                 cli_label(result->labels, scores[i].class_index, scratch));
        lines[i] = captions[i];
    }
    return cli_draw_captions(result, lines, n_lines);
}

static void report(const cli_result *result, const cli_score *scores, int n_scores)
{
    cli_json *json = result->json;
    if (json) {
        cli_json_list(json, "classes");
    }
    for (int i = 0; i < n_scores; i++) {
        char scratch[32];
        const char *label = cli_label(result->labels, scores[i].class_index, scratch);
        if (json) {
            cli_json_object(json, NULL);
            cli_json_whole(json, "class", scores[i].class_index);
            cli_json_text(json, "label", label);
            cli_json_number(json, "probability", scores[i].score);
            cli_json_end(json);
        } else {
            printf("  %6.2f %%  %s\n", 100.0 * scores[i].score, label);
        }
    }
    if (json) {
        cli_json_end(json);
    }
}

static pith_status show(const cli_result *result)
{
    const pith_tensor *output = pith_session_output(result->net->session, 0);
    size_t n_classes = (size_t)pith_shape_elements(&output->shape);
    cli_score *scores;
    if (result->labels->n && (size_t)result->labels->n != n_classes) {
        cli_warn("%d labels for %zu classes", result->labels->n, n_classes);
    }
    CLI_TRY(cli_alloc((size_t)result->settings->top, sizeof *scores, (void **)&scores));
    int n_scores = cli_top_scores(output, (int)result->settings->top, scores);
    report(result, scores, n_scores);
    pith_status status = result->drawing ? draw(result, scores, n_scores) : PITH_OK;
    cli_free(scores);
    return status;
}

const cli_task cli_task_classify = { .name = "classify", .help = "the --top most probable classes, by --labels",
                                     .show = show };
