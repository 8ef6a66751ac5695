/* SPDX-License-Identifier: Apache-2.0 */
/* AdaRound (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", arXiv 2004.10568): for every
 * weight, whether it rounds down or up, learnt by gradient descent on the error of the layer's output behind its
 * activation, with the quantised network's inputs and the float network's outputs. */
#include <math.h>

#include "quant/product.h"
#include "quant/quant.h"

#define BATCH 32
#define RATE 1e-2f
#define STRETCH_HIGH 1.1f  /* zeta */
#define STRETCH_LOW -0.1f  /* gamma */
#define LAMBDA 0.01f
#define WARM_UP 0.2        /* of the steps: no regulariser */
#define BETA_FIRST 20.0
#define BETA_LAST 2.0
#define MOMENT_1 0.9f
#define MOMENT_2 0.999f

/* Arrays of one problem; weights are [k][n_out], so that rows of x multiply them. */
typedef struct learner {
    const pithi_rounding *r;
    const pithi_round_target *target;
    const pith_gemm_f32 *kernel;
    float *v, *first, *second;    /* variables and Adam's moments */
    float *floors, *scales, *h;   /* w = scale * (floor + h) */
    float *w, *gradient;
    float *x, *x_transposed, *y;  /* of a batch: [BATCH][k], [k][BATCH], [BATCH][n_out] */
    uint64_t state;
} learner;

/* ---- the relaxation ------------------------------------------------------------------------ */

static float sigmoid(float v) { return 1.0f / (1.0f + expf(-v)); }

static float rectified(float v)
{
    return fminf(fmaxf(sigmoid(v) * (STRETCH_HIGH - STRETCH_LOW) + STRETCH_LOW, 0.0f), 1.0f);
}

/* Variables at which h is what the division leaves over: the weights themselves, inside of the range. */
static void start(learner *l)
{
    const pithi_rounding *r = l->r;
    for (int64_t i = 0; i < r->k; i++) {
        for (int64_t o = 0; o < r->n_out; o++) {
            const int64_t from = o * r->k + i, to = i * r->n_out + o;
            const float scale = r->scales[from], zero = r->zeros ? (float)r->zeros[from] : 0.0f;
            const float q = fminf(fmaxf(r->w[from] / scale + zero, (float)r->low), (float)r->high);
            const float floor_q = fminf(floorf(q), (float)(r->high - 1));
            l->scales[to] = scale;
            l->floors[to] = floor_q - zero;
            const float rest = (STRETCH_HIGH - STRETCH_LOW) / (q - floor_q - STRETCH_LOW) - 1.0f;
            l->v[to] = -logf(rest);
        }
    }
}

static void soft_weights(learner *l)
{
    for (int64_t i = 0; i < l->r->k * l->r->n_out; i++) {
        l->h[i] = rectified(l->v[i]);
        l->w[i] = l->scales[i] * (l->floors[i] + l->h[i]);
    }
}

static void hard_weights(learner *l)
{
    for (int64_t i = 0; i < l->r->k * l->r->n_out; i++) {
        l->w[i] = l->scales[i] * (l->floors[i] + (l->h[i] >= 0.5f ? 1.0f : 0.0f));
    }
}

/* ---- loss ---------------------------------------------------------------------------------- */

static float activated(const pithi_round_target *t, float y) { return fminf(fmaxf(y, t->lo), t->hi); }

/* Mean over rows of the squared errors of all outputs. */
static double loss_of(learner *l)
{
    const pithi_rounding *r = l->r;
    double sum = 0.0;
    for (int64_t row = 0; row < r->n_rows; row += BATCH) {
        int64_t n = r->n_rows - row < BATCH ? r->n_rows - row : BATCH;
        const int64_t sizes[] = { n, r->k, r->n_out };
        pithi_quant_multiply(l->kernel, r->x + row * r->k, l->w, l->target->bias, sizes, l->y);
        for (int64_t i = 0; i < n * r->n_out; i++) {
            const float y = l->y[i], want = l->target->y[row * r->n_out + i];
            const double error = (double)(activated(l->target, y) - activated(l->target, want));
            sum += error * error;
        }
    }
    return sum / (double)r->n_rows;
}

static void take_batch(learner *l, float *want)
{
    const pithi_rounding *r = l->r;
    for (int64_t b = 0; b < BATCH; b++) {
        l->state = l->state * 6364136223846793005u + 1442695040888963407u; /* Knuth's linear congruence */
        const int64_t row = (int64_t)((l->state >> 33) % (uint64_t)r->n_rows);
        memcpy(l->x + b * r->k, r->x + row * r->k, (size_t)r->k * sizeof(float));
        memcpy(want + b * r->n_out, l->target->y + row * r->n_out, (size_t)r->n_out * sizeof(float));
        for (int64_t i = 0; i < r->k; i++) {
            l->x_transposed[i * BATCH + b] = l->x[b * r->k + i];
        }
    }
}

/* y becomes the gradient of the loss with respect to y. */
static void differentiate(learner *l, const float *want)
{
    const pithi_round_target *t = l->target;
    for (int64_t i = 0; i < BATCH * l->r->n_out; i++) {
        const float y = l->y[i];
        const float error = 2.0f / BATCH * (activated(t, y) - activated(t, want[i]));
        l->y[i] = y > t->lo && y < t->hi ? error : 0.0f;
    }
}

/* ---- steps --------------------------------------------------------------------------------- */

/* lambda * d(1 - |2h - 1|^beta) / dh */
static float pull(float h, float beta)
{
    const float u = 2.0f * h - 1.0f, size = fabsf(u);
    return size > 0.0f ? -2.0f * LAMBDA * beta * copysignf(powf(size, beta - 1.0f), u) : 0.0f;
}

static void adam(learner *l, int step, float beta)
{
    const float rate_1 = 1.0f / (1.0f - powf(MOMENT_1, (float)step));
    const float rate_2 = 1.0f / (1.0f - powf(MOMENT_2, (float)step));
    for (int64_t i = 0; i < l->r->k * l->r->n_out; i++) {
        const float s = sigmoid(l->v[i]), h = l->h[i];
        const float slope = h > 0.0f && h < 1.0f ? s * (1.0f - s) * (STRETCH_HIGH - STRETCH_LOW) : 0.0f;
        const float g = slope * (l->gradient[i] * l->scales[i] + (beta > 0.0f ? pull(h, beta) : 0.0f));
        l->first[i] += (1.0f - MOMENT_1) * (g - l->first[i]);
        l->second[i] += (1.0f - MOMENT_2) * (g * g - l->second[i]);
        l->v[i] -= RATE * l->first[i] * rate_1 / (sqrtf(l->second[i] * rate_2) + 1e-8f);
    }
}

/* beta falls by half a cosine once the warm-up is over; 0: no regulariser. */
static float beta_at(int step, int n_steps)
{
    const double done = (double)step / n_steps;
    if (done < WARM_UP) {
        return 0.0f;
    }
    const double t = (done - WARM_UP) / (1.0 - WARM_UP);
    return (float)(BETA_LAST + 0.5 * (BETA_FIRST - BETA_LAST) * (1.0 + cos(3.14159265358979323846 * t)));
}

static void learn(learner *l, int n_steps, float *want)
{
    const int64_t k = l->r->k, n_out = l->r->n_out;
    const int64_t forward[] = { BATCH, k, n_out }, backward[] = { k, BATCH, n_out };
    for (int step = 0; step < n_steps; step++) {
        soft_weights(l);
        take_batch(l, want);
        pithi_quant_multiply(l->kernel, l->x, l->w, l->target->bias, forward, l->y);
        differentiate(l, want);
        pithi_quant_multiply(l->kernel, l->x_transposed, l->y, NULL, backward, l->gradient);
        adam(l, step + 1, beta_at(step, n_steps));
    }
    soft_weights(l);
}

static void take_integers(const learner *l)
{
    const pithi_rounding *r = l->r;
    for (int64_t o = 0; o < r->n_out; o++) {
        for (int64_t i = 0; i < r->k; i++) {
            const int64_t at = i * r->n_out + o, to = o * r->k + i;
            const float zero = r->zeros ? (float)r->zeros[to] : 0.0f;
            r->q[to] = (int16_t)(l->floors[at] + zero + (l->h[at] >= 0.5f ? 1.0f : 0.0f));
        }
    }
}

/* The weights that came in. */
static void given_weights(learner *l)
{
    const pithi_rounding *r = l->r;
    for (int64_t o = 0; o < r->n_out; o++) {
        for (int64_t i = 0; i < r->k; i++) {
            const int64_t from = o * r->k + i;
            l->w[i * r->n_out + o] = r->scales[from] * (float)(r->q[from] - (r->zeros ? r->zeros[from] : 0));
        }
    }
}

static double fraction_settled(const learner *l)
{
    int64_t n = l->r->k * l->r->n_out, n_settled = 0;
    for (int64_t i = 0; i < n; i++) {
        n_settled += l->h[i] < 0.05f || l->h[i] > 0.95f;
    }
    return (double)n_settled / (double)n;
}

pith_status pithi_round_adaround(pith_ctx *ctx, const pithi_rounding *rounding, const pithi_round_target *target,
                                 int n_steps, pithi_round_result *result)
{
    const size_t n = (size_t)(rounding->k * rounding->n_out), n_x = (size_t)(BATCH * rounding->k);
    const size_t n_y = (size_t)(BATCH * rounding->n_out);
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(ctx, 8 * n + 2 * n_x + 2 * n_y, sizeof(float), &block));
    float *at = block;
    learner l = { .r = rounding, .target = target, .kernel = pithi_gemm_f32(pithi_isa_limit(ctx)), .state = 1,
                  .v = at, .first = at + n, .second = at + 2 * n, .floors = at + 3 * n, .scales = at + 4 * n,
                  .h = at + 5 * n, .w = at + 6 * n, .gradient = at + 7 * n, .x = at + 8 * n,
                  .x_transposed = at + 8 * n + n_x, .y = at + 8 * n + 2 * n_x };
    memset(l.first, 0, 2 * n * sizeof(float));
    given_weights(&l);
    result->before = loss_of(&l);
    start(&l);
    soft_weights(&l);
    result->start = loss_of(&l);
    learn(&l, n_steps, l.y + n_y);
    result->settled = fraction_settled(&l);
    hard_weights(&l);
    result->after = loss_of(&l);
    result->is_taken = result->after < result->before;
    if (result->is_taken) {
        take_integers(&l);
    }
    pithi_free(ctx, block);
    return PITH_OK;
}
