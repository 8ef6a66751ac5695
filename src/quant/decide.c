/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions that users count: the class of a row of scores, and whether a probability passes one half. Few samples have
 * few decisions that change, so that changes aren't counted but expected: errors as wide as those seen near the border
 * (standard deviation sigma) change a decision with a distance m to it with probability Q(m / sigma). */
#include <float.h>
#include <math.h>

#include "quant/decide.h"
#include "quant/quant.h"

#define FAR_LOGITS 16.0 /* probabilities so far from the border don't change */
#define FAR_SIGMOID 6.9 /* just within those of END */
#define FAR        4.0  /* sigmas: errors beyond say nothing of those near the border */
#define LEAST_NEAR 32   /* errors from which sigma is learnt, if there are so many */
#define TINY       1e-30
#define END        1e-3 /* of probabilities that pass one half */
#define MOST_PAIRS ((int64_t)1 << 20) /* kept of large maps */
/* Decisions for the most frequent class, by those for all others. Of two classes as many: what changes is then a
 * fraction of twice what is found, as in 1 - F1. */
static const int most_background[] = { 1, 3 };

pithi_decision pithi_decision_of(const pith_value *value, const pith_node *softmax, bool is_one_choice)
{
    const pith_node *node = value->producer;
    const pith_node *moved = node;
    while (pithi_quant_is_reordering(moved)) {
        moved = moved->inputs[0]->producer;
    }
    if (pithi_is(moved, "sigmoid")) { /* a row of them has several labels */
        return (pithi_decision){ .kind = PITHI_DECISION_SIGMOID, .are_logits = true };
    }
    const bool is_behind = pithi_is(node, "softmax");
    softmax = !softmax && (is_behind || pithi_is(node, "log_softmax")) ? node : softmax;
    const pithi_decision_kind kind = is_behind ? PITHI_DECISION_SOFTMAX : PITHI_DECISION_SCORES;
    if (is_one_choice) {
        return (pithi_decision){ .kind = kind, .is_flat = true, .are_logits = softmax != NULL };
    }
    return softmax ? (pithi_decision){ kind, (int)pithi_attr_int(softmax, "axis"),
                                       pithi_attr_int(softmax, "flatten") != 0, true }
                   : (pithi_decision){ .kind = PITHI_DECISION_NONE };
}

void pithi_decisions_destroy(pith_ctx *ctx, pithi_decisions *all)
{
    pithi_free(ctx, all->pairs);
    pithi_free(ctx, all->n_of_class);
    *all = (pithi_decisions){ 0 };
}

/* Samples may have more classes than those before, as where these are places in a text. */
static pith_status reserve(pith_ctx *ctx, pithi_decisions *all, int64_t n_more, int64_t n_classes)
{
    const int64_t n_wanted = pithi_min_s64(all->n + n_more, MOST_PAIRS);
    void *classes = all->n_of_class, *pairs = all->pairs;
    all->most_classes = pithi_max_s64(all->most_classes, n_classes);
    PITH_TRY(pithi_grow(ctx, &classes, &all->n_classes, (size_t)n_classes, sizeof *all->n_of_class));
    all->n_of_class = classes;
    PITH_TRY(pithi_grow(ctx, &pairs, &all->capacity, (size_t)n_wanted, sizeof *all->pairs));
    all->pairs = pairs;
    return PITH_OK;
}

static void halve(pithi_decisions *all)
{
    all->n /= 2;
    all->log_every++;
    for (int64_t i = 0; i < all->n; i++) {
        all->pairs[i] = all->pairs[2 * i];
    }
}

/* An error that is no number changes the decision; one of 0, as between two zeros, says that nothing moves here. */
static void add_pair(pithi_decisions *all, const pithi_decision *decision, double margin, double error,
                     int64_t class_of)
{
    if (!isfinite((float)margin)) {
        return;
    }
    const float moved = isfinite((float)error) ? (float)error : (float)fmax(-2.0 * margin, -(double)FLT_MAX);
    all->n_of_class[class_of]++;
    all->n_rows++;
    all->n_close += margin <= (decision->kind == PITHI_DECISION_SIGMOID ? FAR_SIGMOID : FAR_LOGITS);
    if (moved == 0.0f || (margin > FAR_LOGITS && all->are_logits)) {
        return;
    }
    if (all->n == MOST_PAIRS) {
        halve(all);
    }
    if (all->n_seen++ % ((int64_t)1 << all->log_every) == 0) {
        all->pairs[all->n++] = (pithi_decision_pair){ (float)margin, moved };
    }
}

/* NaN stays NaN. */
static double log_of(double p) { return log(p < TINY ? TINY : p); }

static double score_at(const pith_tensor *tensor, pithi_decision_kind kind, int64_t i)
{
    const double x = pithi_tensor_get_f64(tensor, i);
    return kind == PITHI_DECISION_SOFTMAX ? log_of(x) : x;
}

/* The two best classes of a row, by the reference. */
static void add_row(pithi_decisions *all, const pithi_decision *decision, const pith_tensor *reference,
                    const pith_tensor *output, const int64_t at[3])
{
    const pithi_decision_kind kind = decision->kind;
    const int64_t first = at[0], n = at[1], stride = at[2];
    int64_t best = 0, second = 1;
    for (int64_t c = 1; c < n; c++) {
        const double x = pithi_tensor_get_f64(reference, first + c * stride);
        if (x > pithi_tensor_get_f64(reference, first + best * stride)) {
            second = best;
            best = c;
        } else if (c > 1 && x > pithi_tensor_get_f64(reference, first + second * stride)) {
            second = c;
        }
    }
    const int64_t i = first + best * stride, k = first + second * stride;
    const double margin = score_at(reference, kind, i) - score_at(reference, kind, k);
    add_pair(all, decision, margin, score_at(output, kind, i) - score_at(output, kind, k) - margin, best);
}

/* Beyond the ends nothing is said of the border: 8 bits hold no probabilities between 0 and 1 / 512. NaN stays NaN. */
static double logit(double p)
{
    const double inside = p < END ? END : p > 1.0 - END ? 1.0 - END : p;
    return log(inside) - log(1.0 - inside);
}

int64_t pithi_decision_classes(const pithi_decision *decision, const pith_shape *shape, int64_t *inner_out)
{
    const int axis = decision->axis < 0 ? decision->axis + shape->rank : decision->axis;
    int64_t n = 1;
    *inner_out = 1;
    for (int i = axis; i < shape->rank; i++) {
        int64_t *size = i == axis || decision->is_flat ? &n : inner_out;
        *size *= shape->dims[i];
    }
    return n;
}

pith_status pithi_decisions_add(pith_ctx *ctx, pithi_decisions *all, const pithi_decision *decision,
                                const pith_tensor *reference, const pith_tensor *output)
{
    const pith_shape *shape = &reference->shape;
    const int64_t n_elements = pith_shape_elements(shape);
    all->are_logits = decision->are_logits;
    if (decision->kind == PITHI_DECISION_SIGMOID) {
        PITH_TRY(reserve(ctx, all, n_elements, 2));
        for (int64_t i = 0; i < n_elements; i++) {
            const double x = logit(pithi_tensor_get_f64(reference, i));
            const double error = logit(pithi_tensor_get_f64(output, i)) - x;
            add_pair(all, decision, fabs(x), error, x > 0.0);
        }
        return PITH_OK;
    }
    int64_t inner = 1;
    const int64_t n = pithi_decision_classes(decision, shape, &inner);
    if (n < 2 || n_elements == 0) {
        return PITH_OK;
    }
    PITH_TRY(reserve(ctx, all, n_elements / n, n));
    for (int64_t row = 0; row < n_elements / n; row++) {
        const int64_t at[] = { row / inner * n * inner + row % inner, n, inner };
        add_row(all, decision, reference, output, at);
    }
    return PITH_OK;
}

/* Of the errors with a margin of `most` or less, and how many these are. */
static double sigma_within(const pithi_decisions *all, double most, int64_t *n_out)
{
    double sum = 0.0;
    int64_t n = 0;
    for (int64_t i = 0; i < all->n; i++) {
        if ((double)all->pairs[i].margin <= most) {
            sum += (double)all->pairs[i].error * (double)all->pairs[i].error;
            n++;
        }
    }
    *n_out = n;
    return n > 0 ? sqrt(sum / (double)n) : 0.0;
}

/* Near the border errors are other than far from it. */
static double sigma_near(const pithi_decisions *all)
{
    int64_t n = 0;
    double sigma = sigma_within(all, INFINITY, &n), most = FAR * sigma;
    for (int64_t n_near = 0; n_near < LEAST_NEAR && n_near < n; most *= 2.0) {
        sigma = sigma_within(all, most, &n_near);
    }
    return sigma;
}

/* Mean square of the errors, weighted with p (1 - p) of a logit m / scale; *n_out: as of so many of the same weight. */
static double noise_within(const pithi_decisions *all, double scale, double *n_out)
{
    double sum = 0.0, weights = 0.0, squares = 0.0;
    for (int64_t i = 0; i < all->n; i++) {
        const double margin = (double)all->pairs[i].margin, error = (double)all->pairs[i].error;
        const double w = 1.0 / (2.0 + 2.0 * cosh(margin / scale));
        sum += w * error * error;
        weights += w;
        squares += w * w;
    }
    *n_out = squares > 0.0 ? weights * weights / squares : 0.0;
    return weights > 0.0 ? sum / weights : 0.0;
}

double pithi_decisions_noise(const pithi_decisions *all)
{
    double scale = 1.0, n = 0.0, noise = noise_within(all, scale, &n);
    for (; n < LEAST_NEAR && scale < FAR_LOGITS; scale *= 2.0) {
        noise = noise_within(all, 2.0 * scale, &n);
    }
    return all->n_close < 2 * LEAST_NEAR || !all->are_logits ? -1.0 : noise;
}

double pithi_decisions_changes(const pithi_decisions *all, double *n_out)
{
    int64_t most = 0, n_found = 0;
    double sum = 0.0;
    for (size_t c = 0; c < all->n_classes; c++) {
        most = pithi_max_s64(most, all->n_of_class[c]);
    }
    const double sigma = sigma_near(all);
    for (int64_t i = 0; i < all->n; i++) {
        sum += 0.5 * erfc((double)all->pairs[i].margin / (sigma * sqrt(2.0)));
    }
    n_found = all->n_rows - most;
    const int64_t background = n_found > 0 ? most_background[all->most_classes > 2] * n_found : most;
    *n_out = (double)(n_found + pithi_min_s64(most, background));
    return sum * (all->n > 0 ? (double)all->n_seen / (double)all->n : 1.0);
}
