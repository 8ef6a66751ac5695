/* SPDX-License-Identifier: Apache-2.0 */
#include "precision.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_OF_CLASS = 100, VOC = CLI_N_OVERLAPS, N_CURVES = CLI_N_OVERLAPS + 1, N_RECALLS = 101 };

/* ---- matching -------------------------------------------------------------------------------- */

static double area_of(const cli_box *box) { return (box->right - box->left) * (box->bottom - box->top); }

/* Over the detection alone where the truth is a crowd. */
static double overlap(const cli_box *found, const cli_truth_box *truth)
{
    double iou = cli_iou(found, &truth->box);
    double common = iou * (area_of(found) + area_of(&truth->box)) / (1.0 + iou);
    return !truth->is_crowd ? iou : area_of(found) > 0.0 ? common / area_of(found) : 0.0;
}

/* COCO: the best of the boxes that are free, of which crowds come last and are always free. */
static void match_at(double least, const cli_box *found, const cli_truth_box *truth, int n_truth, uint16_t bit,
                     uint16_t *taken, cli_verdict *verdict)
{
    int best = -1;
    double best_overlap = least;
    for (int pass = 0; pass < 2 && best < 0; pass++) {
        for (int i = 0; i < n_truth; i++) {
            bool is_open = truth[i].is_crowd ? pass == 1 : pass == 0 && !(taken[i] & bit);
            is_open = is_open && truth[i].box.class_index == found->class_index;
            double common = is_open ? overlap(found, &truth[i]) : -1.0;
            if (common >= best_overlap) {
                best_overlap = common;
                best = i;
            }
        }
    }
    if (best >= 0) {
        taken[best] |= bit;
        verdict->is_right |= truth[best].is_crowd ? 0 : bit;
        verdict->is_ignored |= truth[best].is_crowd ? bit : 0;
    }
}

/* VOC: the box that it overlaps most must be free. */
static void match_voc(const cli_box *found, const cli_truth_box *truth, int n_truth, uint16_t *taken,
                      cli_verdict *verdict)
{
    const uint16_t bit = 1u << VOC;
    int best = -1;
    double best_overlap = 0.5;
    for (int i = 0; i < n_truth; i++) {
        double common = truth[i].box.class_index == found->class_index ? overlap(found, &truth[i]) : -1.0;
        if (common >= best_overlap) {
            best_overlap = common;
            best = i;
        }
    }
    if (best >= 0 && truth[best].is_crowd) {
        verdict->is_ignored |= bit;
    } else if (best >= 0 && !(taken[best] & bit)) {
        verdict->is_right |= bit;
        taken[best] |= bit;
    }
}

static pith_status add_truth(cli_precision *p, const cli_truth_box *truth, int n_truth)
{
    void *counts = p->counts;
    CLI_TRY(cli_grow(&counts, &p->counts_capacity, 2 * (size_t)(p->n_counted + n_truth), sizeof(int)));
    p->counts = counts;
    for (int i = 0; i < n_truth; i++) {
        if (!truth[i].is_crowd) {
            p->counts[2 * p->n_counted] = p->n_samples;
            p->counts[2 * p->n_counted + 1] = truth[i].box.class_index;
            p->n_counted++;
        }
        p->n_classes = truth[i].box.class_index >= p->n_classes ? truth[i].box.class_index + 1 : p->n_classes;
    }
    return PITH_OK;
}

static int by_score(const void *a, const void *b)
{
    const cli_box *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

pith_status cli_precision_add(cli_precision *p, const cli_boxes *found, const cli_truth_box *truth, int n_truth)
{
    void *verdicts = p->verdicts, *block = NULL;
    CLI_TRY(add_truth(p, truth, n_truth));
    CLI_TRY(cli_grow(&verdicts, &p->capacity, (size_t)(p->n + found->n), sizeof(cli_verdict)));
    p->verdicts = verdicts;
    CLI_TRY(cli_alloc((size_t)n_truth + 1, sizeof(uint16_t), &block));
    uint16_t *taken = block;
    qsort(found->items, (size_t)found->n, sizeof(cli_box), by_score);
    for (int i = 0; i < found->n; i++) {
        const cli_box *box = &found->items[i];
        int n_before = 0;
        for (int k = 0; k < i && n_before < MAX_OF_CLASS; k++) {
            n_before += found->items[k].class_index == box->class_index;
        }
        if (n_before >= MAX_OF_CLASS) {
            continue;
        }
        cli_verdict *verdict = &p->verdicts[p->n++];
        *verdict = (cli_verdict){ .sample = p->n_samples, .class_index = box->class_index, .score = (float)box->score };
        for (int t = 0; t < CLI_N_OVERLAPS; t++) {
            match_at(0.5 + 0.05 * t - 1e-10, box, truth, n_truth, (uint16_t)(1u << t), taken, verdict);
        }
        match_voc(box, truth, n_truth, taken, verdict);
    }
    cli_free(taken);
    p->n_samples++;
    p->is_sorted = false;
    return PITH_OK;
}

/* ---- curves ---------------------------------------------------------------------------------- */

static int by_class(const void *a, const void *b)
{
    const cli_verdict *x = a, *y = b;
    if (x->class_index != y->class_index) {
        return x->class_index - y->class_index;
    }
    return x->score != y->score ? (x->score < y->score ? 1 : -1) : x->sample - y->sample;
}

typedef struct curve {
    double *recalls, *precisions;
    int n;
} curve;

/* Points of precision over recall, going down the scores; each precision is raised to the best behind it. */
static void draw_curve(const cli_verdict *verdicts, int n, const int *times, int bit, double n_true, curve *c)
{
    double right = 0.0, wrong = 0.0;
    c->n = 0;
    for (int i = 0; i < n; i++) {
        int weight = verdicts[i].is_ignored >> bit & 1 ? 0 : times[verdicts[i].sample];
        bool is_right = verdicts[i].is_right >> bit & 1;
        right += is_right ? weight : 0;
        wrong += is_right ? 0 : weight;
        if (weight > 0) {
            c->recalls[c->n] = right / n_true;
            c->precisions[c->n++] = right / (right + wrong);
        }
    }
    for (int i = c->n - 2; i >= 0; i--) {
        c->precisions[i] = fmax(c->precisions[i], c->precisions[i + 1]);
    }
}

static double mean_at_recalls(const curve *c)
{
    double sum = 0.0;
    int at = 0;
    for (int k = 0; k < N_RECALLS; k++) {
        while (at < c->n && c->recalls[at] < 0.01 * k - 1e-12) {
            at++;
        }
        sum += at < c->n ? c->precisions[at] : 0.0;
    }
    return sum / N_RECALLS;
}

static double area_under(const curve *c)
{
    double sum = 0.0, before = 0.0;
    for (int i = 0; i < c->n; i++) {
        sum += (c->recalls[i] - before) * c->precisions[i];
        before = c->recalls[i];
    }
    return sum;
}

static void add_class(const cli_verdict *verdicts, int n, const int *times, double n_true, curve *c,
                      double values[CLI_N_PRECISIONS])
{
    for (int t = 0; t < CLI_N_OVERLAPS; t++) {
        draw_curve(verdicts, n, times, t, n_true, c);
        double mean = mean_at_recalls(c);
        values[0] += mean / CLI_N_OVERLAPS;
        values[1] += t == 0 ? mean : 0.0;
    }
    draw_curve(verdicts, n, times, VOC, n_true, c);
    values[2] += area_under(c);
}

static double count_true(const cli_precision *p, const int *times, int class_index)
{
    double sum = 0.0;
    for (int i = 0; i < p->n_counted; i++) {
        sum += p->counts[2 * i + 1] == class_index ? times[p->counts[2 * i]] : 0;
    }
    return sum;
}

pith_status cli_precision_score(cli_precision *p, const int *times, double values[CLI_N_PRECISIONS])
{
    curve c = { 0 };
    int n_classes = 0, at = 0;
    void *block = NULL;
    CLI_TRY(cli_alloc(2 * (size_t)p->n + 1, sizeof(double), &block));
    c.recalls = block;
    c.precisions = c.recalls + p->n;
    if (!p->is_sorted && p->n > 0) {
        qsort(p->verdicts, (size_t)p->n, sizeof(cli_verdict), by_class);
        p->is_sorted = true;
    }
    memset(values, 0, CLI_N_PRECISIONS * sizeof(double));
    for (int class_index = 0; class_index < p->n_classes; class_index++) {
        double n_true = count_true(p, times, class_index);
        while (at < p->n && p->verdicts[at].class_index < class_index) {
            at++;
        }
        int end = at;
        while (end < p->n && p->verdicts[end].class_index == class_index) {
            end++;
        }
        if (n_true > 0.0) {
            add_class(p->verdicts + at, end - at, times, n_true, &c, values);
            n_classes++;
        }
    }
    for (int k = 0; k < CLI_N_PRECISIONS && n_classes > 0; k++) {
        values[k] /= n_classes;
    }
    cli_free(c.recalls);
    return PITH_OK;
}

void cli_precision_free(cli_precision *p)
{
    cli_free(p->verdicts);
    cli_free(p->counts);
    *p = (cli_precision){ 0 };
}
