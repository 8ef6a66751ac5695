/* SPDX-License-Identifier: Apache-2.0 */
/* AWQ: weights that meet large inputs are scaled up before they are rounded, and the inputs down; then ranges are
 * clipped. Errors are those of the outputs, tr(D H D^T) with the second moments H of the inputs. */
#include <math.h>

#include "quant/nbits.h"

#define N_ALPHAS 20
#define N_SHRINKS 20
#define MOST_SHRINK 0.5
#define SMALLEST_FACTOR 1e-4

/* ---- nearest ------------------------------------------------------------------------------- */

static void fit(const pithi_nbits_matrix *m, int64_t row, int64_t g, double part, int16_t *zero)
{
    const int64_t begin = g * m->group, end = pithi_min_s64(begin + m->group, m->k);
    double low = 0.0, high = 0.0;
    for (int64_t j = begin; j < end; j++) {
        low = fmin(low, (double)m->w[row * m->k + j]);
        high = fmax(high, (double)m->w[row * m->k + j]);
    }
    m->scales[row * pithi_nbits_n_groups(m) + g] = pithi_quant_fit(&m->format, low * part, high * part, zero);
}

static void round_group(const pithi_nbits_matrix *m, int64_t row, int64_t g, double part)
{
    const int64_t begin = g * m->group, end = pithi_min_s64(begin + m->group, m->k);
    const int64_t at = row * pithi_nbits_n_groups(m) + g;
    int16_t zero = 0;
    int low, high;
    fit(m, row, g, part, &zero);
    pithi_quant_levels(&m->format, &low, &high);
    for (int64_t j = begin; j < end; j++) {
        const double level = nearbyint((double)m->w[row * m->k + j] / (double)m->scales[at]) + zero;
        m->q[row * m->k + j] = (int16_t)fmin(fmax(level, low), high);
    }
    if (m->format.has_zeros) {
        m->zeros[at] = zero;
    }
}

void pithi_nbits_nearest(const pithi_nbits_matrix *m, const float *shrink)
{
    const int64_t n_groups = pithi_nbits_n_groups(m);
    for (int64_t i = 0; i < m->n_rows * n_groups; i++) {
        round_group(m, i / n_groups, i % n_groups, shrink ? (double)shrink[i] : 1.0);
    }
}

/* ---- scale --------------------------------------------------------------------------------- */

/* x^alpha, scaled so that the largest times the smallest is 1; ones for alpha 0. */
static void make_factors(const double *x, int64_t k, double alpha, float *factors)
{
    double low = INFINITY, high = 0.0;
    for (int64_t j = 0; j < k; j++) {
        const double f = alpha == 0.0 ? 1.0 : fmax(pow(x[j], alpha), SMALLEST_FACTOR);
        factors[j] = (float)f;
        low = fmin(low, f);
        high = fmax(high, f);
    }
    const double middle = sqrt(low * high);
    for (int64_t j = 0; j < k && alpha != 0.0; j++) {
        factors[j] = (float)((double)factors[j] / middle);
    }
}

/* Error of rounding w * factors, seen from the outputs: the inputs are divided by the factors. */
static double scaled_error(const pithi_nbits_matrix *m, const double *h, const float *factors, float *w, double *d)
{
    const int64_t k = m->k;
    pithi_nbits_matrix scaled = *m;
    double total = 0.0;
    for (int64_t i = 0; i < m->n_rows * k; i++) {
        w[i] = m->w[i] * factors[i % k];
    }
    scaled.w = w;
    pithi_nbits_nearest(&scaled, NULL);
    for (int64_t row = 0; row < m->n_rows; row++) {
        for (int64_t j = 0; j < k; j++) {
            d[j] = ((double)w[row * k + j] - pithi_nbits_real(&scaled, row, j)) / (double)factors[j];
        }
        for (int64_t i = 0; i < k; i++) {
            double sum = 0.0;
            for (int64_t j = 0; j < i; j++) {
                sum += h[i * k + j] * d[j];
            }
            total += d[i] * (2.0 * sum + h[i * k + i] * d[i]);
        }
    }
    return total;
}

pith_status pithi_awq_scale(pith_ctx *ctx, const pithi_nbits_matrix *matrices, int n_matrices, const double *h,
                            const double *x, float *factors, double *alpha_out)
{
    const int64_t k = matrices[0].k;
    pithi_arena arena = { .ctx = ctx };
    void *w = NULL, *d = NULL;
    int64_t most = 0;
    double least = INFINITY;
    pith_status status = PITH_OK;
    for (int i = 0; i < n_matrices; i++) {
        most = pithi_max_s64(most, matrices[i].n_rows);
    }
    *alpha_out = 0.0;
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)(most * k), sizeof(float), &w), done);
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)k, sizeof(double), &d), done);
    for (int a = 0; a < N_ALPHAS; a++) {
        const double alpha = (double)a / N_ALPHAS;
        double error = 0.0;
        make_factors(x, k, alpha, factors);
        for (int i = 0; i < n_matrices; i++) {
            error += scaled_error(&matrices[i], h, factors, w, d);
        }
        if (error < least) {
            least = error;
            *alpha_out = alpha;
        }
    }
    make_factors(x, k, *alpha_out, factors);
done:
    pithi_arena_deinit(&arena);
    return status;
}

/* ---- clip ---------------------------------------------------------------------------------- */

static double group_error(const pithi_nbits_matrix *m, const double *h, int64_t row, int64_t g)
{
    const int64_t begin = g * m->group, end = pithi_min_s64(begin + m->group, m->k), k = m->k;
    double total = 0.0;
    for (int64_t i = begin; i < end; i++) {
        const double a = (double)m->w[row * k + i] - pithi_nbits_real(m, row, i);
        double sum = 0.0;
        for (int64_t j = begin; j < i; j++) {
            sum += h[i * k + j] * ((double)m->w[row * k + j] - pithi_nbits_real(m, row, j));
        }
        total += a * (2.0 * sum + h[i * k + i] * a);
    }
    return total;
}

pith_status pithi_awq_clip(pith_ctx *ctx, const pithi_nbits_matrix *m, const double *h)
{
    const int64_t n_groups = pithi_nbits_n_groups(m);
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(ctx, (size_t)(m->n_rows * n_groups), sizeof(float), &block));
    float *parts = block;
    for (int64_t i = 0; i < m->n_rows * n_groups; i++) {
        double least = INFINITY;
        for (int s = 0; s < N_SHRINKS; s++) {
            const double part = 1.0 - MOST_SHRINK * s / N_SHRINKS;
            round_group(m, i / n_groups, i % n_groups, part);
            const double error = group_error(m, h, i / n_groups, i % n_groups);
            if (error < least) {
                least = error;
                parts[i] = (float)part;
            }
        }
    }
    pithi_nbits_nearest(m, parts);
    pithi_free(ctx, block);
    return PITH_OK;
}
