/* SPDX-License-Identifier: Apache-2.0 */
/* Scales and integers of weights by the error of the layer's outputs, from second moments of its inputs. */
#include <math.h>

#include "quant/product.h"
#include "quant/quant.h"

#define SWEEPS 8
#define DAMPING 0.01     /* of the mean second moment, added to each: few rows must not be fitted */
#define LEAST_LEVEL 0.25 /* smallest largest integer that is tried, as a fraction of the highest */
#define CLIP_STEPS 25
#define CLIP_STEP 0.02
#define FULL 4           /* candidates whose whole error is computed, the best by their own noise */
#define SMALLEST_SCALE 1e-12

typedef struct moments {
    int64_t k;
    float *g;      /* [k][k] */
    float *mean;   /* [k] */
} moments;

/* ---- moments ------------------------------------------------------------------------------- */

/* `scratch` holds n_rows * k floats twice. */
static void take_moments(int isa_limit, const pithi_rounding *r, float *scratch, moments *out)
{
    const int64_t k = r->k, n = r->n_rows;
    float *centred = scratch, *transposed = scratch + n * k;
    double sum = 0.0;
    for (int64_t i = 0; i < k; i++) {
        double mean = 0.0;
        for (int64_t row = 0; r->has_bias && row < n; row++) {
            mean += (double)r->x[row * k + i] / (double)n;
        }
        out->mean[i] = (float)mean;
        for (int64_t row = 0; row < n; row++) {
            centred[row * k + i] = transposed[i * n + row] = r->x[row * k + i] - out->mean[i];
        }
    }
    const int64_t sizes[] = { k, n, k };
    pithi_quant_multiply(pithi_gemm_f32(isa_limit), transposed, centred, NULL, sizes, out->g);
    for (int64_t i = 0; i < k * k; i++) {
        out->g[i] /= (float)n;
    }
    for (int64_t i = 0; i < k; i++) {
        sum += (double)out->g[i * k + i];
    }
    for (int64_t i = 0; i < k; i++) {
        out->g[i * k + i] += (float)(DAMPING * sum / (double)k);
    }
}

/* ---- errors -------------------------------------------------------------------------------- */

static float value_of(const pithi_rounding *r, int64_t at)
{
    return r->scales[at] * (float)(r->q[at] - (r->zeros ? r->zeros[at] : 0));
}

/* gradient = G d for the differences d = w' - w of one row; returns d G d^T. */
static double gradient_of(const moments *m, const float *d, float *gradient)
{
    double error = 0.0;
    memset(gradient, 0, (size_t)m->k * sizeof(float));
    for (int64_t i = 0; i < m->k; i++) {
        const float *row = m->g + i * m->k;
        for (int64_t j = 0; d[i] != 0.0f && j < m->k; j++) {
            gradient[j] += d[i] * row[j];
        }
    }
    for (int64_t i = 0; i < m->k; i++) {
        error += (double)d[i] * (double)gradient[i];
    }
    return error;
}

/* ---- scales -------------------------------------------------------------------------------- */

typedef struct candidate {
    float scale;
    double error;
} candidate;

static int16_t nearest(const pithi_rounding *r, float w, float scale)
{
    return (int16_t)fminf(fmaxf(nearbyintf(w / scale), (float)r->low), (float)r->high);
}

/* Noise of a row as if inputs were independent. */
static double own_noise(const pithi_rounding *r, const moments *m, const float *w, float scale)
{
    double sum = 0.0;
    for (int64_t i = 0; i < r->k; i++) {
        float d = scale * (float)nearest(r, w[i], scale) - w[i];
        sum += (double)(d * d * m->g[i * r->k + i]);
    }
    return sum;
}

static void keep_best(candidate best[FULL], float scale, double error)
{
    int place = FULL;
    while (place > 0 && error < best[place - 1].error) {
        place--;
    }
    for (int i = FULL - 1; i > place; i--) {
        best[i] = best[i - 1];
    }
    if (place < FULL) {
        best[place] = (candidate){ scale, error };
    }
}

/* Scales that make the largest weight a smaller integer (weights may lie on a grid already), and scales that clip. */
static void collect(const pithi_rounding *r, const moments *m, const float *w, float least, candidate best[FULL])
{
    float largest = 0.0f;
    for (int64_t i = 0; i < r->k; i++) {
        largest = fmaxf(largest, fabsf(w[i]));
    }
    for (int i = 0; i < FULL; i++) {
        best[i] = (candidate){ 0.0f, INFINITY };
    }
    for (int level = r->high - 1; level >= 1 && level >= (int)(LEAST_LEVEL * r->high); level--) {
        float scale = largest / (float)level;
        keep_best(best, scale, scale >= least && scale > 0.0f ? own_noise(r, m, w, scale) : INFINITY);
    }
    for (int i = 1; i < CLIP_STEPS; i++) {
        float scale = largest * (float)(1.0 - CLIP_STEP * i) / (float)r->high;
        keep_best(best, scale, scale >= least && scale > 0.0f ? own_noise(r, m, w, scale) : INFINITY);
    }
}

static double try_scale(const pithi_rounding *r, const moments *m, const float *w, float scale, float *d)
{
    for (int64_t i = 0; i < r->k; i++) {
        d[i] = scale * (float)nearest(r, w[i], scale) - w[i];
    }
    return gradient_of(m, d, d + r->k);
}

static void search_scale(const pithi_rounding *r, const moments *m, int64_t out, float least, float *d)
{
    const float *w = r->w + out * r->k;
    candidate best[FULL];
    float taken = r->scales[out * r->k];
    double error = try_scale(r, m, w, taken, d);
    collect(r, m, w, fmaxf(least, (float)SMALLEST_SCALE), best);
    for (int i = 0; i < FULL && isfinite(best[i].error); i++) {
        double own = try_scale(r, m, w, best[i].scale, d);
        if (own < error) {
            error = own;
            taken = best[i].scale;
        }
    }
    for (int64_t i = 0; i < r->k; i++) {
        r->scales[out * r->k + i] = taken;
        r->q[out * r->k + i] = nearest(r, w[i], taken);
    }
}

/* ---- integers ------------------------------------------------------------------------------ */

/* One step of weight i, if it pays. */
static bool move(const pithi_rounding *r, const moments *m, int64_t at, int64_t i, float *gradient)
{
    const float *row = m->g + i * m->k;
    const float step = gradient[i] > 0.0f ? -r->scales[at] : r->scales[at];
    const int q = r->q[at] + (gradient[i] > 0.0f ? -1 : 1);
    if (q < r->low || q > r->high || 2.0f * step * gradient[i] + step * step * row[i] >= 0.0f) {
        return false;
    }
    r->q[at] = (int16_t)q;
    for (int64_t j = 0; j < m->k; j++) {
        gradient[j] += step * row[j];
    }
    return true;
}

static double descend(const pithi_rounding *r, const moments *m, int64_t out, float *d, double *before)
{
    const int64_t first = out * r->k;
    bool moves = true;
    for (int64_t i = 0; i < r->k; i++) {
        d[i] = value_of(r, first + i) - r->w[first + i];
    }
    *before = gradient_of(m, d, d + r->k);
    for (int sweep = 0; sweep < SWEEPS && moves; sweep++) {
        moves = false;
        for (int64_t i = 0; i < r->k; i++) {
            moves = move(r, m, first + i, i, d + r->k) || moves;
        }
    }
    double shift = 0.0;
    for (int64_t i = 0; i < r->k; i++) {
        d[i] = value_of(r, first + i) - r->w[first + i];
        shift -= (double)d[i] * (double)m->mean[i];
    }
    if (r->has_bias) {
        r->shifts[out] = (float)shift;
    }
    return gradient_of(m, d, d + r->k);
}

pith_status pithi_round_descent(pith_ctx *ctx, const pithi_rounding *r, const float *least_scales, bool search,
                                double *before, double *after)
{
    moments m = { .k = r->k };
    void *block = NULL;
    size_t n_scratch = (size_t)(2 * r->n_rows * r->k), n_moments = (size_t)(r->k * r->k);
    PITH_TRY(pithi_alloc_array(ctx, n_scratch + n_moments + 3 * (size_t)r->k, sizeof(float), &block));
    float *scratch = block, *d = scratch + n_scratch + n_moments + r->k;
    m.g = scratch + n_scratch;
    m.mean = m.g + n_moments;
    take_moments(pithi_isa_limit(ctx), r, scratch, &m);
    *before = *after = 0.0;
    for (int64_t out = 0; out < r->n_out; out++) {
        double nearest_error;
        if (search) {
            for (int64_t i = 0; i < r->k; i++) {
                d[i] = value_of(r, out * r->k + i) - r->w[out * r->k + i];
            }
            *before += gradient_of(&m, d, d + r->k);
            search_scale(r, &m, out, least_scales ? least_scales[out] : 0.0f, d);
        }
        *after += descend(r, &m, out, d, &nearest_error);
        *before += search ? 0.0 : nearest_error;
    }
    pithi_free(ctx, block);
    return PITH_OK;
}
