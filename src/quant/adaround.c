/* SPDX-License-Identifier: Apache-2.0 */
/* AdaRound (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", arXiv 2004.10568): for every
 * weight, whether it rounds down or up, learnt by gradient descent on the error of the layer's output behind its
 * activation, with the quantised network's inputs and the float network's outputs. */
#include <math.h>

#include "quant/product.h"
#include "quant/quant.h"

#define BATCH 32
#define JUDGING 4        /* one row in so many judges: rows of a few samples are soon learnt by heart */
#define LEAST_ROWS 16
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
    float *bias;                  /* [n_out] */
    int64_t n_learnt;             /* rows in front that are learnt from; the rest judge */
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

/* What the weights make of some rows, at most BATCH, in l->y; returns their number. */
static int64_t forward(const learner *l, int64_t row, int64_t end)
{
    const int64_t n = pithi_min_s64(end - row, BATCH), sizes[] = { n, l->r->k, l->r->n_out };
    pithi_quant_multiply(l->kernel, l->r->x + row * l->r->k, l->w, l->bias, sizes, l->y);
    return n;
}

/* Mean over the rows that judge of the squared errors of all outputs. */
static double loss_of(const learner *l)
{
    const pithi_rounding *r = l->r;
    double sum = 0.0;
    for (int64_t row = l->n_learnt, n; row < r->n_rows; row += n) {
        n = forward(l, row, r->n_rows);
        for (int64_t i = 0; i < n * r->n_out; i++) {
            const float y = l->y[i], want = l->target->y[row * r->n_out + i];
            const double error = (double)(activated(l->target, y) - activated(l->target, want));
            sum += error * error;
        }
    }
    return sum / (double)(r->n_rows - l->n_learnt);
}

/* The bias takes the mean error of the rows that are learnt from. */
static void settle_bias(learner *l, double *means)
{
    const pithi_rounding *r = l->r;
    memset(means, 0, (size_t)r->n_out * sizeof *means);
    for (int64_t row = 0, n; row < l->n_learnt && r->has_bias; row += n) {
        n = forward(l, row, l->n_learnt);
        for (int64_t i = 0; i < n * r->n_out; i++) {
            means[i % r->n_out] += (double)(l->target->y[row * r->n_out + i] - l->y[i]) / (double)l->n_learnt;
        }
    }
    for (int64_t o = 0; o < r->n_out; o++) {
        l->bias[o] += (float)means[o];
    }
}

static void take_batch(learner *l, float *want)
{
    const pithi_rounding *r = l->r;
    for (int64_t b = 0; b < BATCH; b++) {
        l->state = l->state * 6364136223846793005u + 1442695040888963407u; /* Knuth's linear congruence */
        const int64_t row = (int64_t)((l->state >> 33) % (uint64_t)l->n_learnt);
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

/* l->gradient, of the loss by the weights, becomes that of loss and regulariser by the variables. */
static void chain_rule(learner *l, float beta)
{
    for (int64_t i = 0; i < l->r->k * l->r->n_out; i++) {
        const float s = sigmoid(l->v[i]), h = l->h[i];
        const float slope = h > 0.0f && h < 1.0f ? s * (1.0f - s) * (STRETCH_HIGH - STRETCH_LOW) : 0.0f;
        l->gradient[i] = slope * (l->gradient[i] * l->scales[i] + (beta > 0.0f ? pull(h, beta) : 0.0f));
    }
}

static void adam(learner *l, int step)
{
    const float rate_1 = 1.0f / (1.0f - powf(MOMENT_1, (float)step));
    const float rate_2 = 1.0f / (1.0f - powf(MOMENT_2, (float)step));
    for (int64_t i = 0; i < l->r->k * l->r->n_out; i++) {
        const float g = l->gradient[i];
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

/* Of a batch, at the variables as they are. */
static void take_gradient(learner *l, float beta, float *want)
{
    const int64_t k = l->r->k, n_out = l->r->n_out;
    const int64_t sizes[] = { BATCH, k, n_out }, backward[] = { k, BATCH, n_out };
    soft_weights(l);
    take_batch(l, want);
    pithi_quant_multiply(l->kernel, l->x, l->w, l->bias, sizes, l->y);
    differentiate(l, want);
    pithi_quant_multiply(l->kernel, l->x_transposed, l->y, NULL, backward, l->gradient);
    chain_rule(l, beta);
}

static void learn(learner *l, int n_steps, float *want)
{
    for (int step = 0; step < n_steps; step++) {
        take_gradient(l, beta_at(step, n_steps), want);
        adam(l, step + 1);
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

/* Learns, and compares on the rows that judge. */
static void solve(learner *l, int n_steps, float *want, double *means, pithi_round_result *result)
{
    const pithi_rounding *r = l->r;
    for (int64_t o = 0; o < r->n_out; o++) {
        l->bias[o] = (l->target->bias ? l->target->bias[o] : 0.0f) + (r->has_bias ? r->shifts[o] : 0.0f);
    }
    given_weights(l);
    result->before = loss_of(l);
    start(l);
    soft_weights(l);
    settle_bias(l, means);
    result->start = loss_of(l);
    learn(l, n_steps, want);
    result->settled = fraction_settled(l);
    hard_weights(l);
    settle_bias(l, means);
    result->after = loss_of(l);
    result->is_taken = result->after < result->before;
    for (int64_t o = 0; o < r->n_out && r->has_bias && result->is_taken; o++) {
        r->shifts[o] = l->bias[o] - (l->target->bias ? l->target->bias[o] : 0.0f);
    }
}

/* Room for a problem and its means, in `arena`; *want_out: the float network's outputs of a batch. */
static pith_status open_learner(pithi_arena *arena, const pithi_rounding *rounding, const pithi_round_target *target,
                                learner *l, float **want_out, double **means_out)
{
    const size_t n = (size_t)(rounding->k * rounding->n_out), n_x = (size_t)(BATCH * rounding->k);
    const size_t n_y = (size_t)(BATCH * rounding->n_out), n_out = (size_t)rounding->n_out;
    void *block = NULL, *means = NULL;
    PITH_TRY(pithi_arena_array(arena, n_out, sizeof(double), &means));
    PITH_TRY(pithi_arena_array(arena, 8 * n + 2 * n_x + 2 * n_y + n_out, sizeof(float), &block));
    float *at = block, *x = at + 8 * n;
    *l = (learner){ .r = rounding, .target = target, .kernel = pithi_gemm_f32(pithi_isa_limit(arena->ctx)), .state = 1,
                    .v = at, .first = at + n, .second = at + 2 * n, .floors = at + 3 * n, .scales = at + 4 * n,
                    .h = at + 5 * n, .w = at + 6 * n, .gradient = at + 7 * n, .x = x, .x_transposed = x + n_x,
                    .y = x + 2 * n_x, .bias = x + 2 * n_x + 2 * n_y,
                    .n_learnt = rounding->n_rows - rounding->n_rows / JUDGING };
    *want_out = l->y + n_y;
    *means_out = means;
    return PITH_OK;
}

pith_status pithi_round_adaround(pith_ctx *ctx, const pithi_rounding *rounding, const pithi_round_target *target,
                                 int n_steps, pithi_round_result *result)
{
    pithi_arena arena = { .ctx = ctx };
    learner l;
    float *want = NULL;
    double *means = NULL;
    *result = (pithi_round_result){ 0 };
    if (rounding->n_rows < LEAST_ROWS) {
        return PITH_OK;
    }
    pith_status status = open_learner(&arena, rounding, target, &l, &want, &means);
    if (status == PITH_OK) {
        solve(&l, n_steps, want, means, result);
        if (result->is_taken) {
            take_integers(&l);
        }
    }
    pithi_arena_deinit(&arena);
    return status;
}

pith_status pithi_round_gradient(pith_ctx *ctx, const pithi_rounding *rounding, const pithi_round_target *target,
                                 float *v, float beta, double *loss_out, float *gradient)
{
    const size_t n_bytes = (size_t)(rounding->k * rounding->n_out) * sizeof(float);
    pithi_arena arena = { .ctx = ctx };
    learner l;
    float *want = NULL;
    double *means = NULL;
    pith_status status = open_learner(&arena, rounding, target, &l, &want, &means);
    if (status == PITH_OK) {
        start(&l);
        memcpy(*loss_out < 0.0 ? v : l.v, *loss_out < 0.0 ? l.v : v, n_bytes);
        take_gradient(&l, beta, want);
        memcpy(gradient, l.gradient, n_bytes);
        pithi_quant_multiply(l.kernel, l.x, l.w, l.bias, (const int64_t[]){ BATCH, rounding->k, rounding->n_out }, l.y);
        *loss_out = 0.0;
        for (int64_t i = 0; i < BATCH * rounding->n_out; i++) {
            const double error = (double)(activated(target, l.y[i]) - activated(target, want[i]));
            *loss_out += error * error / BATCH;
        }
        for (size_t i = 0; i < n_bytes / sizeof(float) && beta > 0.0f; i++) {
            *loss_out += (double)LAMBDA * (1.0 - pow(fabs(2.0 * (double)l.h[i] - 1.0), (double)beta));
        }
    }
    pithi_arena_deinit(&arena);
    return status;
}
