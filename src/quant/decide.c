/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions that users count: the class of a row of scores, and whether a probability passes one half. Few samples have
 * few decisions that change, so that changes aren't counted but expected: errors as wide as those seen near the border
 * (standard deviation sigma) change a decision with a distance m to it with probability Q(m / sigma). */
#include <math.h>

#include "quant/decide.h"
#include "quant/quant.h"

#define FAR_LOGITS 16.0 /* probabilities so far from the border don't change */
#define FAR        4.0  /* sigmas: errors beyond say nothing of those near the border */
#define LEAST_NEAR 32   /* errors from which sigma is learnt, if there are so many */
#define TINY       1e-30
#define MOST_BACKGROUND 3 /* decisions for the most frequent class, by those for all others */

pithi_decision pithi_decision_of(const pith_value *value, bool is_one_choice)
{
    const pith_node *node = value->producer;
    if (is_one_choice) {
        return (pithi_decision){ PITHI_DECISION_SCORES, 0, true };
    }
    if (pithi_is(node, "softmax") || pithi_is(node, "log_softmax")) {
        return (pithi_decision){ pithi_is(node, "softmax") ? PITHI_DECISION_SOFTMAX : PITHI_DECISION_SCORES,
                                 (int)pithi_attr_int(node, "axis"), pithi_attr_int(node, "flatten") != 0 };
    }
    while (pithi_quant_is_reordering(node)) {
        node = node->inputs[0]->producer;
    }
    return (pithi_decision){ pithi_is(node, "sigmoid") ? PITHI_DECISION_SIGMOID : PITHI_DECISION_NONE, 0, false };
}

void pithi_decisions_destroy(pith_ctx *ctx, pithi_decisions *all)
{
    pithi_free(ctx, all->pairs);
    pithi_free(ctx, all->n_of_class);
    *all = (pithi_decisions){ 0 };
}

static pith_status reserve(pith_ctx *ctx, pithi_decisions *all, int64_t n_more, int64_t n_classes)
{
    void *block = NULL;
    if (!all->n_of_class) {
        PITH_TRY(pithi_alloc_array(ctx, (size_t)n_classes, sizeof(int64_t), &block));
        all->n_of_class = block;
        all->n_classes = n_classes;
    }
    PITH_CHECK(ctx, n_classes == all->n_classes, PITH_STATUS_UNSUPPORTED,
               "decisions of the network: %lld classes in one sample, %lld in another", (long long)n_classes,
               (long long)all->n_classes);
    if (all->n + n_more > all->capacity) {
        const int64_t capacity = pithi_max_s64(all->n + n_more, 2 * all->capacity);
        PITH_TRY(pithi_alloc_array(ctx, (size_t)capacity, sizeof *all->pairs, &block));
        if (all->n > 0) {
            memcpy(block, all->pairs, (size_t)all->n * sizeof *all->pairs);
        }
        pithi_free(ctx, all->pairs);
        all->pairs = block;
        all->capacity = capacity;
    }
    return PITH_OK;
}

static void add_pair(pithi_decisions *all, double margin, double error, int64_t class_of)
{
    all->n_of_class[class_of]++;
    all->n_rows++;
    if (margin <= FAR_LOGITS || !all->are_logits) {
        all->pairs[all->n++] = (pithi_decision_pair){ (float)margin, (float)error };
    }
}

static double score_at(const pith_tensor *tensor, pithi_decision_kind kind, int64_t i)
{
    const double x = pithi_tensor_get_f64(tensor, i);
    return kind == PITHI_DECISION_SOFTMAX ? log(fmax(x, TINY)) : x;
}

/* The two best classes of a row, by the reference. */
static void add_row(pithi_decisions *all, pithi_decision_kind kind, const pith_tensor *reference,
                    const pith_tensor *output, const int64_t at[3])
{
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
    add_pair(all, margin, score_at(output, kind, i) - score_at(output, kind, k) - margin, best);
}

static double logit(double p) { return log(fmax(p, TINY)) - log(fmax(1.0 - p, TINY)); }

pith_status pithi_decisions_add(pith_ctx *ctx, pithi_decisions *all, const pithi_decision *decision,
                                const pith_tensor *reference, const pith_tensor *output)
{
    const pith_shape *shape = &reference->shape;
    const int64_t n_elements = pith_shape_elements(shape);
    all->are_logits = decision->kind != PITHI_DECISION_SCORES || !decision->is_flat;
    if (decision->kind == PITHI_DECISION_SIGMOID) {
        PITH_TRY(reserve(ctx, all, n_elements, 2));
        for (int64_t i = 0; i < n_elements; i++) {
            const double x = logit(pithi_tensor_get_f64(reference, i));
            const double error = logit(pithi_tensor_get_f64(output, i)) - x;
            add_pair(all, fabs(x), error, x > 0.0);
        }
        return PITH_OK;
    }
    const int axis = decision->axis < 0 ? decision->axis + shape->rank : decision->axis;
    int64_t n = 1, inner = 1;
    for (int i = axis; i < shape->rank; i++) {
        int64_t *size = i == axis || decision->is_flat ? &n : &inner;
        *size *= shape->dims[i];
    }
    if (n < 2 || n_elements == 0) {
        return PITH_OK;
    }
    PITH_TRY(reserve(ctx, all, n_elements / n, n));
    for (int64_t row = 0; row < n_elements / n; row++) {
        const int64_t at[] = { row / inner * n * inner + row % inner, n, inner };
        add_row(all, decision->kind, reference, output, at);
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
    for (int64_t n_near = 0; sigma > 0.0 && n_near < LEAST_NEAR && n_near < n; most *= 2.0) {
        sigma = sigma_within(all, most, &n_near);
        sigma = sigma > 0.0 ? sigma : most; /* nothing there yet */
    }
    return sigma;
}

double pithi_decisions_changed(const pithi_decisions *all)
{
    int64_t most = 0;
    double sum = 0.0;
    if (all->n_rows == 0) {
        return -1.0;
    }
    for (int64_t c = 0; c < all->n_classes; c++) {
        most = pithi_max_s64(most, all->n_of_class[c]);
    }
    const double sigma = sigma_near(all);
    for (int64_t i = 0; i < all->n && sigma > 0.0; i++) {
        sum += 0.5 * erfc((double)all->pairs[i].margin / (sigma * sqrt(2.0)));
    }
    const int64_t background = all->n_rows - most > 0 ? MOST_BACKGROUND * (all->n_rows - most) : most;
    return sum / (double)(all->n_rows - most + pithi_min_s64(most, background));
}
