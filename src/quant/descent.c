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

#define BLOCK 128          /* rows at once */

typedef struct moments {
    int64_t k;
    float *g;              /* [k][k] */
    float *mean;           /* [k] */
    float *diagonal;       /* [k], of g */
} moments;

typedef struct candidate {
    float scale;
    double error;
} candidate;

/* ---- moments ------------------------------------------------------------------------------- */

/* `scratch` holds n_rows * k floats twice. */
static void take_moments(const pith_gemm_f32 *kernel, const pithi_rounding *r, float *scratch, moments *out)
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
    pithi_quant_multiply(kernel, transposed, centred, NULL, sizes, out->g);
    for (int64_t i = 0; i < k * k; i++) {
        out->g[i] /= (float)n;
    }
    for (int64_t i = 0; i < k; i++) {
        sum += (double)out->g[i * k + i];
    }
    for (int64_t i = 0; i < k; i++) {
        out->g[i * k + i] += (float)(DAMPING * sum / (double)k);
        out->diagonal[i] = out->g[i * k + i];
    }
}

/* ---- errors -------------------------------------------------------------------------------- */

static float value_of(const pithi_rounding *r, int64_t at)
{
    return r->scales[at] * (float)(r->q[at] - (r->zeros ? r->zeros[at] : 0));
}

/* Some rows at once: their gradients are one product of matrices. */
typedef struct block {
    const pith_gemm_f32 *kernel;
    int64_t first, n;
    float *d;             /* [n][k]: differences w' - w that are tried */
    float *trial;         /* [n][k]: d G */
    float *gradient;      /* [n][k]: of what is taken */
    double errors[BLOCK]; /* d G d^T of what is taken */
    candidate candidates[BLOCK][FULL];
    float scales[BLOCK];  /* taken; 0: that of each weight */
} block;

/* Takes the differences of the rows that are better so than before. */
static void take_better(const moments *m, block *b, int which)
{
    const int64_t k = m->k, sizes[] = { b->n, k, k };
    pithi_quant_multiply(b->kernel, b->d, m->g, NULL, sizes, b->trial);
    for (int64_t row = 0; row < b->n; row++) {
        double error = 0.0;
        for (int64_t i = 0; i < k; i++) {
            error += (double)b->d[row * k + i] * (double)b->trial[row * k + i];
        }
        const bool is_tried = which < 0 || isfinite(b->candidates[row][which].error);
        if (which < 0 || (is_tried && error < b->errors[row])) {
            b->errors[row] = error;
            b->scales[row] = which < 0 ? 0.0f : b->candidates[row][which].scale;
            memcpy(b->gradient + row * k, b->trial + row * k, (size_t)k * sizeof(float));
        }
    }
}

/* ---- scales -------------------------------------------------------------------------------- */

/* The nearest integer that there is. The sum pushes fractions out of the mantissa: to the nearest, ties to even. */
static inline float nearest(const pithi_rounding *r, float w, float scale)
{
    const float magic = 12582912.0f, q = w / scale, low = (float)r->low, high = (float)r->high;
    const float held = q < low ? low : q > high ? high : q;
    return held + magic - magic;
}

/* Noise of a row as if inputs were independent. */
static double own_noise(const pithi_rounding *r, const moments *m, const float *w, float scale)
{
    double sum = 0.0;
    for (int64_t i = 0; i < r->k; i++) {
        float d = scale * nearest(r, w[i], scale) - w[i];
        sum += (double)(d * d * m->diagonal[i]);
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

static void try_candidates(const pithi_rounding *r, const moments *m, int which, block *b)
{
    const int64_t k = r->k;
    for (int64_t row = 0; row < b->n; row++) {
        const float *w = r->w + (b->first + row) * k, scale = b->candidates[row][which].scale;
        const bool is_one = isfinite(b->candidates[row][which].error);
        for (int64_t i = 0; i < k; i++) {
            b->d[row * k + i] = is_one ? scale * nearest(r, w[i], scale) - w[i] : 0.0f;
        }
    }
    take_better(m, b, which);
}

/* Scales of whole rows; integers become the nearest ones where another scale is taken. */
static void search_scales(const pithi_rounding *r, const moments *m, const float *least_scales, block *b)
{
    for (int64_t row = 0; row < b->n; row++) {
        const int64_t out = b->first + row;
        const float least = least_scales ? least_scales[out] : 0.0f;
        collect(r, m, r->w + out * r->k, fmaxf(least, (float)SMALLEST_SCALE), b->candidates[row]);
    }
    for (int which = 0; which < FULL; which++) {
        try_candidates(r, m, which, b);
    }
    for (int64_t row = 0; row < b->n; row++) {
        const int64_t at = (b->first + row) * r->k;
        for (int64_t i = 0; b->scales[row] > 0.0f && i < r->k; i++) {
            r->scales[at + i] = b->scales[row];
            r->q[at + i] = (int16_t)nearest(r, r->w[at + i], b->scales[row]);
        }
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

/* Returns the error that is left; `gradient` is that of the row as it is. */
static double descend(const pithi_rounding *r, const moments *m, int64_t out, float *gradient)
{
    const int64_t first = out * r->k;
    double shift = 0.0, error = 0.0;
    bool moves = true;
    for (int sweep = 0; sweep < SWEEPS && moves; sweep++) {
        moves = false;
        for (int64_t i = 0; i < r->k; i++) {
            moves = move(r, m, first + i, i, gradient) || moves;
        }
    }
    for (int64_t i = 0; i < r->k; i++) {
        const double d = (double)(value_of(r, first + i) - r->w[first + i]);
        shift -= d * (double)m->mean[i];
        error += d * (double)gradient[i];
    }
    if (r->has_bias) {
        r->shifts[out] = (float)shift;
    }
    return error;
}

static void fit_rows(const pithi_rounding *r, const moments *m, const float *least_scales, bool search, block *b,
                     double *before, double *after)
{
    const int64_t k = r->k;
    for (int64_t i = 0; i < b->n * k; i++) {
        b->d[i] = value_of(r, b->first * k + i) - r->w[b->first * k + i];
    }
    take_better(m, b, -1);
    for (int64_t row = 0; row < b->n; row++) {
        *before += b->errors[row];
    }
    if (search) {
        search_scales(r, m, least_scales, b);
    }
    for (int64_t row = 0; row < b->n; row++) {
        *after += descend(r, m, b->first + row, b->gradient + row * k);
    }
}

pith_status pithi_round_descent(pith_ctx *ctx, const pithi_rounding *r, const float *least_scales, bool search,
                                double *before, double *after)
{
    const pith_gemm_f32 *kernel = pithi_gemm_f32(pithi_isa_limit(ctx));
    const int64_t n_block = pithi_min_s64(r->n_out, BLOCK);
    const size_t k = (size_t)r->k, n_rows = (size_t)(n_block * r->k), n_scratch = 2 * (size_t)r->n_rows * k;
    moments m = { .k = r->k };
    void *items = NULL, *rows = NULL;
    PITH_TRY(pithi_alloc_array(ctx, n_scratch + 3 * n_rows + k * k + 2 * k, sizeof(float), &items));
    pith_status status = pithi_alloc(ctx, sizeof(block), &rows);
    float *scratch = items;
    block *b = rows;
    m.g = scratch + n_scratch;
    m.mean = m.g + k * k;
    m.diagonal = m.mean + k;
    *before = *after = 0.0;
    if (status == PITH_OK) {
        b->kernel = kernel;
        b->d = m.diagonal + k;
        b->trial = b->d + n_rows;
        b->gradient = b->trial + n_rows;
        take_moments(kernel, r, scratch, &m);
    }
    for (int64_t out = 0; out < r->n_out && status == PITH_OK; out += n_block) {
        b->first = out;
        b->n = pithi_min_s64(n_block, r->n_out - out);
        fit_rows(r, &m, least_scales, search, b, before, after);
    }
    pithi_free(ctx, rows);
    pithi_free(ctx, items);
    return status;
}
