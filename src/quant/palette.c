/* SPDX-License-Identifier: Apache-2.0 */
/* Palettes: 1-D k-means on sorted weights (Han et al., "Deep compression", arXiv 1510.00149). A cell is what lies
 * between the midpoints of neighbouring numbers, found by binary search; sums come from prefix sums. */
#include <math.h>
#include <stdlib.h>

#include "quant/nbits.h"

#define SPARSE 0.1 /* of zeros, from which 0 stays 0 */
#define N_PIECES 256

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

typedef struct clustering {
    const float *sorted;
    const double *sums, *squares; /* of the first i */
    int64_t n;
    int n_codes, pinned;          /* number that stays 0; -1: none */
} clustering;

/* First weight that is not below x. */
static int64_t first_from(const clustering *c, double x)
{
    int64_t low = 0, high = c->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if ((double)c->sorted[middle] < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int64_t cell_end(const clustering *c, const double *codes, int i)
{
    return i + 1 == c->n_codes ? c->n : first_from(c, 0.5 * (codes[i] + codes[i + 1]));
}

/* Means of the cells; returns the cost of the codes as they were. */
static double iterate(const clustering *c, double *codes)
{
    double cost = 0.0;
    int64_t begin = 0, ends[256];
    for (int i = 0; i < c->n_codes; i++) {
        ends[i] = cell_end(c, codes, i);
    }
    for (int i = 0; i < c->n_codes; i++) {
        const int64_t end = pithi_max_s64(ends[i], begin), count = end - begin;
        const double sum = c->sums[end] - c->sums[begin], square = c->squares[end] - c->squares[begin];
        cost += square - 2.0 * codes[i] * sum + codes[i] * codes[i] * (double)count;
        if (count > 0 && i != c->pinned) {
            codes[i] = sum / (double)count;
        }
        begin = end;
    }
    return cost;
}

/* Where codes begin: evenly spaced by value, by rank, or with the density that many codes end up with, the cube root of
 * the weights' (Panter and Dite, "Quantization distortion in pulse-count modulation", Proc. IRE 39, 1951): of pieces of
 * as many weights each, the width to the power of 2/3. */
typedef enum beginning { BY_VALUE, BY_RANK, BY_DENSITY, N_BEGINNINGS } beginning;

static double piece_end(const clustering *c, int i) { return (double)c->sorted[(c->n - 1) * i / N_PIECES]; }

static void start_by_density(const clustering *c, double *codes)
{
    double total = 0.0, sum = 0.0;
    int piece = 0;
    for (int i = 0; i < N_PIECES; i++) {
        total += pow(piece_end(c, i + 1) - piece_end(c, i), 2.0 / 3.0);
    }
    for (int i = 0; i < c->n_codes; i++) {
        const double wanted = total * ((double)i + 0.5) / c->n_codes;
        double own = pow(piece_end(c, piece + 1) - piece_end(c, piece), 2.0 / 3.0);
        while (piece + 1 < N_PIECES && sum + own <= wanted) {
            sum += own;
            piece++;
            own = pow(piece_end(c, piece + 1) - piece_end(c, piece), 2.0 / 3.0);
        }
        const double part = own > 0.0 ? fmin((wanted - sum) / own, 1.0) : 0.0;
        codes[i] = piece_end(c, piece) + part * (piece_end(c, piece + 1) - piece_end(c, piece));
    }
}

static void start(clustering *c, double *codes, beginning from)
{
    const double low = (double)c->sorted[0], span = (double)c->sorted[c->n - 1] - low;
    for (int i = 0; i < c->n_codes; i++) {
        const double at = ((double)i + 0.5) / c->n_codes;
        codes[i] = from == BY_VALUE ? low + span * i / (c->n_codes - 1)
                                    : (double)c->sorted[(int64_t)(at * (double)c->n)];
    }
    if (from == BY_DENSITY) {
        start_by_density(c, codes);
    }
    int nearest = 0;
    for (int i = 0; i < c->n_codes; i++) {
        nearest = fabs(codes[i]) < fabs(codes[nearest]) ? i : nearest;
    }
    if (c->pinned >= 0) {
        c->pinned = nearest;
        codes[nearest] = 0.0;
    }
}

static double run(clustering *c, double *codes, beginning from, double *costs)
{
    start(c, codes, from);
    for (int i = 0; i < PITHI_PALETTE_ITERATIONS; i++) {
        costs[i] = iterate(c, codes);
    }
    double final[256];
    memcpy(final, codes, (size_t)c->n_codes * sizeof *final);
    return iterate(c, final);
}

static int count_distinct(const float *sorted, int64_t n, int most, double *codes)
{
    int count = 0;
    for (int64_t i = 0; i < n && count <= most; i++) {
        if (i == 0 || sorted[i] != sorted[i - 1]) {
            if (count < most) {
                codes[count] = (double)sorted[i];
            }
            count++;
        }
    }
    return count;
}

static void assign(const double *codes, int n_codes, const float *w, int64_t n, float *codebook, int16_t *to)
{
    for (int i = 0; i < n_codes; i++) {
        codebook[i] = (float)codes[i];
    }
    for (int64_t i = 0; i < n; i++) {
        int low = 0, high = n_codes - 1; /* the last code whose lower midpoint w reaches */
        while (low < high) {
            const int middle = (low + high + 1) / 2;
            if ((double)w[i] < 0.5 * (codes[middle - 1] + codes[middle])) {
                high = middle - 1;
            } else {
                low = middle;
            }
        }
        to[i] = (int16_t)low;
    }
}

static pith_status cluster(pithi_arena *arena, clustering *c, const float *w, double *codes, double *costs)
{
    void *sorted = NULL, *sums = NULL, *squares = NULL;
    double others[256], other_costs[PITHI_PALETTE_ITERATIONS];
    int64_t n_zeros = 0;
    PITH_TRY(pithi_arena_array(arena, (size_t)c->n, sizeof(float), &sorted));
    PITH_TRY(pithi_arena_array(arena, (size_t)c->n + 1, sizeof(double), &sums));
    PITH_TRY(pithi_arena_array(arena, (size_t)c->n + 1, sizeof(double), &squares));
    memcpy(sorted, w, (size_t)c->n * sizeof(float));
    qsort(sorted, (size_t)c->n, sizeof(float), compare);
    *c = (clustering){ sorted, sums, squares, c->n, c->n_codes, -1 };
    for (int64_t i = 0; i < c->n; i++) {
        const double x = (double)c->sorted[i];
        ((double *)sums)[i + 1] = c->sums[i] + x;
        ((double *)squares)[i + 1] = c->squares[i] + x * x;
        n_zeros += x == 0.0;
    }
    const int n_distinct = count_distinct(c->sorted, c->n, c->n_codes, codes);
    if (n_distinct <= c->n_codes) {
        c->n_codes = n_distinct;
        return PITH_OK;
    }
    c->pinned = (double)n_zeros >= SPARSE * (double)c->n ? 0 : -1;
    double least = INFINITY;
    for (int i = 0; i < N_BEGINNINGS; i++) {
        const double cost = run(c, others, (beginning)i, other_costs);
        if (cost < least) {
            least = cost;
            memcpy(codes, others, sizeof others);
            memcpy(costs, other_costs, sizeof other_costs);
        }
    }
    return PITH_OK;
}

pith_status pithi_palette(pith_ctx *ctx, const float *w, int64_t n, int n_codes, float *codebook, int16_t *codes,
                          double *costs_out)
{
    pithi_arena arena = { .ctx = ctx };
    clustering c = { .n = n, .n_codes = n_codes };
    double means[256] = { 0.0 }, costs[PITHI_PALETTE_ITERATIONS] = { 0.0 };
    PITH_CHECK(ctx, n > 0 && n_codes > 1 && n_codes <= 256, PITH_STATUS_ARG, "a palette of %d numbers for %lld weights",
               n_codes, (long long)n);
    pith_status status = cluster(&arena, &c, w, means, costs);
    pithi_arena_deinit(&arena);
    PITH_TRY(status);
    memset(codebook, 0, (size_t)n_codes * sizeof *codebook);
    assign(means, c.n_codes, w, n, codebook, codes);
    if (costs_out) {
        memcpy(costs_out, costs, sizeof costs);
    }
    return PITH_OK;
}
