/* SPDX-License-Identifier: Apache-2.0 */
/* Label files and top-k. */
#include <math.h>

#include "file.h"
#include "labels.h"

pith_status cli_labels_parse(const char *text, size_t n_bytes, cli_labels *labels_out)
{
    cli_labels labels = { 0 };
    size_t capacity = 0;
    pith_status status = PITH_OK;
    CLI_CHECK(!(n_bytes && memchr(text, 0, n_bytes)), PITH_STATUS_FORMAT, "labels: a zero byte; this is no text");
    CLI_TRY(cli_text_copy(text, n_bytes, &labels.text));
    for (char *line = labels.text; *line;) {
        size_t n = strcspn(line, "\n");
        char *next = line[n] ? line + n + 1 : line + n;
        line[n] = '\0';
        if (n > 0 && line[n - 1] == '\r') {
            line[n - 1] = '\0';
        }
        CLI_TRY_GOTO(cli_grow((void **)&labels.items, &capacity, (size_t)labels.n + 1, sizeof *labels.items), done);
        labels.items[labels.n++] = line;
        line = next;
    }
    *labels_out = labels;
    labels = (cli_labels){ 0 };
done:
    cli_labels_free(&labels);
    return status;
}

pith_status cli_labels_load(const char *path, cli_labels *labels_out)
{
    cli_bytes bytes;
    CLI_TRY(cli_file_read(path, &bytes));
    pith_status status = cli_labels_parse((const char *)bytes.data, bytes.n, labels_out);
    cli_bytes_free(&bytes);
    if (status != PITH_OK) {
        cli_add_place("'%s'", path);
    }
    return status;
}

void cli_labels_free(cli_labels *labels)
{
    cli_free(labels->text);
    cli_free(labels->items);
    *labels = (cli_labels){ 0 };
}

const char *cli_label(const cli_labels *labels, int class_index, char scratch[32])
{
    if (class_index >= 0 && class_index < labels->n) {
        return labels->items[class_index];
    }
    snprintf(scratch, 32, "class %d", class_index);
    return scratch;
}

/* Softmax is exp(value - shift) / sum; probabilities pass with shift and sum that change nothing. */
static bool are_probabilities(const pith_tensor *values, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double value = cli_get(values, i);
        if (!(value >= 0.0 && value <= 1.0 + 1e-6)) {
            return false;
        }
        sum += value;
    }
    return fabs(sum - 1.0) < 1e-2;
}

int cli_top_scores(const pith_tensor *values, int n_most, cli_score *scores)
{
    size_t n = (size_t)pith_shape_elements(&values->shape);
    bool is_done = are_probabilities(values, n);
    int n_scores = 0;
    double largest = -INFINITY;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, cli_get(values, i));
    }
    for (size_t i = 0; i < n; i++) {
        double value = cli_get(values, i);
        sum += exp(value - largest);
        int at = n_scores;
        if (at == n_most) {
            if (!(value > scores[at - 1].score)) {
                continue;
            }
            at--;
        } else {
            n_scores++;
        }
        for (; at > 0 && scores[at - 1].score < value; at--) {
            scores[at] = scores[at - 1];
        }
        scores[at] = (cli_score){ .class_index = (int)i, .score = value };
    }
    for (int i = 0; i < n_scores && !is_done; i++) {
        scores[i].score = exp(scores[i].score - largest) / sum;
    }
    return n_scores;
}
