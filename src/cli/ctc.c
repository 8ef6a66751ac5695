/* SPDX-License-Identifier: Apache-2.0 */
/* CTC: frames from a tensor, greedy reading, probability of a text. The beam search is in ctc_beam.c. */
#include <math.h>

#include "ctc.h"
#include "logsum.h"

/* Row sums as probabilities tell what the values are. */
static cli_scores guess_scores(const pith_tensor *output, int n_frames, int n_classes)
{
    bool are_probs = true;
    bool are_logprobs = true;
    for (int t = 0; t < n_frames; t++) {
        double sum = 0.0;
        double exp_sum = 0.0;
        for (int c = 0; c < n_classes; c++) {
            double value = cli_get(output, (size_t)t * (size_t)n_classes + (size_t)c);
            sum += value;
            exp_sum += exp(value);
            are_probs = are_probs && value >= -1e-6;
        }
        are_probs = are_probs && fabs(sum - 1.0) < 1e-2;
        are_logprobs = are_logprobs && fabs(exp_sum - 1.0) < 1e-2;
    }
    return are_probs ? CLI_SCORES_PROBS : are_logprobs ? CLI_SCORES_LOGPROBS : CLI_SCORES_LOGITS;
}

static void fill_frames(const pith_tensor *output, int scores, cli_frames *frames)
{
    for (int t = 0; t < frames->n_frames; t++) {
        double *row = frames->log_probs + (size_t)t * (size_t)frames->n_classes;
        double total = -INFINITY;
        for (int c = 0; c < frames->n_classes; c++) {
            double value = cli_get(output, (size_t)t * (size_t)frames->n_classes + (size_t)c);
            row[c] = scores == CLI_SCORES_PROBS ? log(value > 0.0 ? value : 0.0) : value;
            total = cli_log_add(total, row[c]);
        }
        for (int c = 0; c < frames->n_classes && scores == CLI_SCORES_LOGITS; c++) {
            row[c] -= total;
        }
    }
}

pith_status cli_ctc_frames(const pith_tensor *output, int scores, int blank, cli_frames *frames_out)
{
    const pith_shape *shape = &output->shape;
    char text[CLI_SHAPE_BYTES];
    cli_frames frames = { .blank = blank };
    bool is_batch = shape->rank == 3 && shape->dims[0] != 1 && shape->dims[1] != 1;
    CLI_CHECK((shape->rank == 2 || shape->rank == 3) && !is_batch, PITH_STATUS_SHAPE,
              "ctc needs an output [frames, classes] with a batch of 1, not %s", cli_shape_text(shape, text));
    int64_t n_classes = shape->dims[shape->rank - 1];
    int64_t n_frames = shape->rank == 2 || shape->dims[0] != 1 ? shape->dims[0] : shape->dims[1];
    CLI_CHECK(n_classes > 1 && n_classes <= 1000000 && n_frames <= 1000000, PITH_STATUS_SHAPE,
              "ctc can't read %s", cli_shape_text(shape, text));
    CLI_CHECK(blank < n_classes, PITH_STATUS_ARG, "blank is class %d, the output has %lld classes", blank,
              (long long)n_classes);
    frames.n_classes = (int)n_classes;
    frames.n_frames = (int)n_frames;
    CLI_TRY(cli_alloc((size_t)n_frames * (size_t)n_classes, sizeof(double), (void **)&frames.log_probs));
    if (scores == CLI_SCORES_AUTO) {
        scores = (int)guess_scores(output, frames.n_frames, frames.n_classes);
    }
    fill_frames(output, scores, &frames);
    *frames_out = frames;
    return PITH_OK;
}

void cli_ctc_free_frames(cli_frames *frames)
{
    cli_free(frames->log_probs);
    *frames = (cli_frames){ 0 };
}

void cli_ctc_free_reading(cli_reading *reading)
{
    cli_free(reading->classes);
    *reading = (cli_reading){ 0 };
}

static int best_class(const double *row, int n_classes)
{
    int best = 0;
    for (int c = 1; c < n_classes; c++) {
        best = row[c] > row[best] ? c : best;
    }
    return best;
}

pith_status cli_ctc_greedy(const cli_frames *frames, cli_reading *reading_out)
{
    cli_reading reading = { 0 };
    int last = frames->blank;
    CLI_TRY(cli_alloc((size_t)frames->n_frames, sizeof(int), (void **)&reading.classes));
    for (int t = 0; t < frames->n_frames; t++) {
        int best = best_class(frames->log_probs + (size_t)t * (size_t)frames->n_classes, frames->n_classes);
        if (best != frames->blank && best != last) {
            reading.classes[reading.n++] = best;
        }
        last = best;
    }
    pith_status status = cli_ctc_log_prob(frames, reading.classes, reading.n, &reading.log_prob);
    if (status != PITH_OK) {
        cli_ctc_free_reading(&reading);
        return status;
    }
    *reading_out = reading;
    return PITH_OK;
}

/* Forward variable alpha(t, s) over the text with blanks between and around its labels (Graves et
 * al., section 4.1). States s = 0 .. 2n: even ones are blanks, odd ones labels. */
static void forward_step(const cli_frames *frames, const double *row, const int *classes, int n, double *alpha)
{
    for (int s = 2 * n; s >= 0; s--) { /* downwards, so that alpha[s - 1] is still of the frame before */
        double sum = alpha[s];
        if (s >= 1) {
            sum = cli_log_add(sum, alpha[s - 1]);
        }
        if (s >= 3 && s % 2 == 1 && classes[s / 2] != classes[s / 2 - 1]) {
            sum = cli_log_add(sum, alpha[s - 2]);
        }
        alpha[s] = sum + row[s % 2 ? classes[s / 2] : frames->blank];
    }
}

pith_status cli_ctc_log_prob(const cli_frames *frames, const int *classes, int n, double *log_prob_out)
{
    double *alpha;
    int n_states = 2 * n + 1;
    if (frames->n_frames == 0) {
        *log_prob_out = n == 0 ? 0.0 : -INFINITY;
        return PITH_OK;
    }
    CLI_TRY(cli_alloc((size_t)n_states, sizeof *alpha, (void **)&alpha));
    for (int s = 0; s < n_states; s++) {
        alpha[s] = -INFINITY;
    }
    alpha[0] = frames->log_probs[frames->blank];
    if (n > 0) {
        alpha[1] = frames->log_probs[classes[0]];
    }
    for (int t = 1; t < frames->n_frames; t++) {
        forward_step(frames, frames->log_probs + (size_t)t * (size_t)frames->n_classes, classes, n, alpha);
    }
    *log_prob_out = n > 0 ? cli_log_add(alpha[n_states - 1], alpha[n_states - 2]) : alpha[0];
    cli_free(alpha);
    return PITH_OK;
}
