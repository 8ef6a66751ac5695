/* SPDX-License-Identifier: Apache-2.0 */
/* GPTQ: columns are rounded one after the other, and what a column loses is made up for by those still to come, as the
 * second moments H of the inputs say. With upper triangular U, U^T U = H^-1:
 *
 *   q_j = round(w_j);  e = (w_j - q_j) / U[j][j];  w_l -= e U[j][l] for l > j
 *
 * With a diagonal H that is rounding to the nearest. */
#include <math.h>
#include <stdlib.h>

#include "quant/nbits.h"

#define DAMPING 0.01
#define BLOCK 128
#define CLIP_STEPS 28
#define CLIP_STEP 0.03

/* h becomes its factor R, upper triangular with R R^T = h; false if it isn't positive definite. */
static bool factor(double *h, int64_t k)
{
    for (int64_t j = k - 1; j >= 0; j--) {
        for (int64_t i = j; i >= 0; i--) {
            double sum = h[i * k + j];
            for (int64_t l = j + 1; l < k; l++) {
                sum -= h[i * k + l] * h[j * k + l];
            }
            if (i == j) {
                if (!(sum > 0.0)) {
                    return false;
                }
                h[j * k + j] = sqrt(sum);
            } else {
                h[i * k + j] = sum / h[j * k + j];
            }
        }
    }
    return true;
}

/* An upper triangular matrix becomes its inverse, from the last row up; `old` has room for a row. */
static void invert(double *r, int64_t k, double *old)
{
    for (int64_t i = k - 1; i >= 0; i--) {
        double *row = r + i * k;
        memcpy(old, row, (size_t)k * sizeof *old);
        memset(row, 0, (size_t)k * sizeof *row);
        row[i] = 1.0 / old[i];
        for (int64_t l = i + 1; l < k; l++) {
            const double x = -old[l] * row[i];
            const double *below = r + l * k;
            for (int64_t j = l; j < k; j++) {
                row[j] += x * below[j];
            }
        }
    }
}

typedef struct solver {
    const pithi_nbits_matrix *m;
    double *w, *errors;  /* [n_rows][k] in order of `order`; [n_rows][block] */
    double *diagonal;    /* of h, by column */
    const double *u;
    int64_t *order, *place; /* column of each step, step of each column */
    int low, high;
    bool clips;
} solver;

static double group_error(const solver *s, int64_t begin, int64_t end, const double *w, const int64_t *place,
                          double scale, int zero)
{
    double sum = 0.0;
    for (int64_t j = begin; j < end; j++) {
        const double x = w[place ? place[j] : j];
        const double error = x - scale * (fmin(fmax(nearbyint(x / scale) + zero, s->low), s->high) - zero);
        sum += s->diagonal[j] * error * error;
    }
    return sum;
}

/* Scale of the columns of group g; w is in order of the matrix where `place` is NULL. */
static void fit_group(const solver *s, int64_t row, int64_t g, const double *w, const int64_t *place)
{
    const pithi_nbits_matrix *m = s->m;
    const int64_t at = row * pithi_nbits_n_groups(m) + g, begin = g * m->group;
    const int64_t end = pithi_min_s64(begin + m->group, m->k);
    double low = 0.0, high = 0.0, least = INFINITY;
    for (int64_t j = begin; j < end; j++) {
        const double x = w[place ? place[j] : j];
        low = fmin(low, x);
        high = fmax(high, x);
    }
    for (int i = 0; i < (s->clips ? CLIP_STEPS : 1); i++) {
        const double share = 1.0 - CLIP_STEP * i;
        int16_t zero = 0;
        const float scale = pithi_quant_fit(&m->format, low * share, high * share, &zero);
        const double error = s->clips ? group_error(s, begin, end, w, place, (double)scale, zero) : 0.0;
        if (i == 0 || error < least) { /* of weights that are no numbers, the whole range */
            least = error;
            m->scales[at] = scale;
            if (m->format.has_zeros) {
                m->zeros[at] = zero;
            }
        }
    }
}

/* Columns [begin, end) of one row; errors are kept for what lies behind. */
static void round_block(const solver *s, int64_t row, int64_t begin, int64_t end, bool fits)
{
    const pithi_nbits_matrix *m = s->m;
    const int64_t k = m->k, n_groups = pithi_nbits_n_groups(m);
    double *w = s->w + row * k;
    for (int64_t j = begin; j < end; j++) {
        const int64_t column = s->order[j], g = column / m->group;
        if (fits && j % m->group == 0) {
            fit_group(s, row, j / m->group, w, NULL);
        }
        const int zero = m->format.has_zeros ? m->zeros[row * n_groups + g] : 0;
        const double scale = (double)m->scales[row * n_groups + g];
        const double level = fmin(fmax(nearbyint(w[j] / scale) + zero, s->low), s->high);
        const double error = (w[j] - scale * (level - zero)) / s->u[j * k + j];
        m->q[row * k + column] = (int16_t)level;
        s->errors[row * (end - begin) + j - begin] = error;
        for (int64_t l = j + 1; l < end; l++) {
            w[l] -= error * s->u[j * k + l];
        }
    }
}

/* Blocks hold whole groups, so a group is fitted to weights that know of all columns before it. */
static void solve(const solver *s, int64_t block, bool fits)
{
    const int64_t k = s->m->k;
    for (int64_t begin = 0; begin < k; begin += block) {
        const int64_t end = pithi_min_s64(begin + block, k);
        for (int64_t row = 0; row < s->m->n_rows; row++) {
            double *w = s->w + row * k;
            round_block(s, row, begin, end, fits);
            for (int64_t j = begin; j < end; j++) {
                const double error = s->errors[row * (end - begin) + j - begin];
                for (int64_t l = end; l < k; l++) {
                    w[l] -= error * s->u[j * k + l];
                }
            }
        }
    }
}

typedef struct column {
    double size;
    int64_t index;
} column;

static int compare(const void *a, const void *b)
{
    const column *x = a, *y = b;
    return x->size != y->size ? (x->size > y->size ? -1 : 1) : x->index < y->index ? -1 : 1;
}

/* h in the order of the columns, in `to`. */
static void arrange(const double *h, const int64_t *order, int64_t k, double *to)
{
    for (int64_t i = 0; i < k * k; i++) {
        to[i] = h[order[i / k] * k + order[i % k]];
    }
}

/* Columns in the order of their rounding; what h lacks to be positive definite. */
static void prepare(solver *s, double *h, column *columns, const pithi_gptq_options *options)
{
    const int64_t k = s->m->k;
    double mean = 0.0;
    for (int64_t j = 0; j < k; j++) {
        mean += h[j * k + j] / (double)k;
        columns[j] = (column){ h[j * k + j], j };
        s->diagonal[j] = h[j * k + j];
    }
    if (options->act_order) {
        qsort(columns, (size_t)k, sizeof *columns, compare);
    }
    for (int64_t j = 0; j < k; j++) {
        s->order[j] = columns[j].index;
        s->place[s->order[j]] = j;
        h[j * k + j] = h[j * k + j] == 0.0 ? fmax(mean, 1.0) : h[j * k + j]; /* an input that is always 0 */
        h[j * k + j] += (options->damping > 0.0 ? options->damping : DAMPING) * mean;
    }
    for (int64_t i = 0; i < s->m->n_rows * k; i++) {
        s->w[i] = (double)s->m->w[i / k * k + s->order[i % k]];
    }
}

static pith_status run(pithi_arena *arena, solver *s, double *h, const pithi_gptq_options *options)
{
    const pithi_nbits_matrix *m = s->m;
    const int64_t k = m->k, n_groups = pithi_nbits_n_groups(m);
    int64_t block = options->block > 0 ? options->block : BLOCK;
    void *w = NULL, *errors = NULL, *order = NULL, *place = NULL, *columns = NULL, *ordered = NULL,
         *diagonal = NULL;
    block = n_groups > 1 ? pithi_div_up(block, m->group) * m->group : block;
    PITH_TRY(pithi_arena_array(arena, (size_t)(m->n_rows * k), sizeof(double), &w));
    PITH_TRY(pithi_arena_array(arena, (size_t)(m->n_rows * block), sizeof(double), &errors));
    PITH_TRY(pithi_arena_array(arena, (size_t)k, sizeof(int64_t), &order));
    PITH_TRY(pithi_arena_array(arena, (size_t)k, sizeof(int64_t), &place));
    PITH_TRY(pithi_arena_array(arena, (size_t)k, sizeof(column), &columns));
    PITH_TRY(pithi_arena_array(arena, (size_t)k, sizeof(double), &diagonal));
    s->diagonal = diagonal;
    s->clips = options->clips;
    s->w = w;
    s->errors = errors;
    s->order = order;
    s->place = place;
    prepare(s, h, columns, options);
    if (options->act_order) {
        for (int64_t g = 0; g < m->n_rows * n_groups; g++) {
            fit_group(s, g / n_groups, g % n_groups, s->w + g / n_groups * k, s->place);
        }
        PITH_TRY(pithi_arena_array(arena, (size_t)(k * k), sizeof(double), &ordered));
        arrange(h, s->order, k, ordered);
        h = ordered;
    }
    PITH_CHECK(arena->ctx, factor(h, k), PITH_STATUS_ARG,
               "the inputs' second moments aren't positive definite; more damping is needed");
    invert(h, k, columns);
    s->u = h;
    solve(s, block, !options->act_order);
    return PITH_OK;
}

pith_status pithi_gptq(pith_ctx *ctx, const pithi_nbits_matrix *m, double *h, const pithi_gptq_options *options)
{
    static const pithi_gptq_options defaults = { 0 };
    pithi_arena arena = { .ctx = ctx };
    solver s = { .m = m };
    pithi_quant_levels(&m->format, &s.low, &s.high);
    pith_status status = run(&arena, &s, h, options ? options : &defaults);
    pithi_arena_deinit(&arena);
    return status;
}

double pithi_nbits_error(const pithi_nbits_matrix *m, const double *h)
{
    const int64_t k = m->k;
    double total = 0.0;
    for (int64_t row = 0; row < m->n_rows; row++) {
        for (int64_t i = 0; i < k; i++) {
            const double a = (double)m->w[row * k + i] - pithi_nbits_real(m, row, i);
            double sum = 0.0;
            for (int64_t j = 0; j < i && a != 0.0; j++) {
                sum += h[i * k + j] * ((double)m->w[row * k + j] - pithi_nbits_real(m, row, j));
            }
            total += a * (2.0 * sum + h[i * k + i] * a);
        }
    }
    return total;
}
