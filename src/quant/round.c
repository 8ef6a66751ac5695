/* SPDX-License-Identifier: Apache-2.0 */
/* Weights as integers: where scales lie, which levels there are, and the plain way of rounding, to the nearest. */
#include <math.h>

#include "ops/shared_quant.h"
#include "quant/quant.h"

#define SMALLEST_SCALE 1e-12
#define WEIGHT_LEVELS 254 /* steps of 8 bits */
#define CLIP_STEPS 15  /* shares 1, 0.94, ... 0.16 of the range */
#define CLIP_STEP 0.06f
#define FINE_STEPS 10
#define FINE_STEP 0.01f
#define GRID_ERROR 0.01 /* of a step */

pithi_quant_scales pithi_quant_scales_of(const pithi_quant_weights *weights, const pithi_weight_format *format)
{
    const pith_shape *shape = &weights->tensor->shape;
    pithi_quant_scales scales = { { 1, { weights->n_out } }, weights->out_axis, 0 };
    const int64_t n_in = shape->dims[weights->in_axis];
    if (weights->has_own_rows || (format->group > 0 && format->group < n_in)) {
        scales.shape = *shape;
        scales.axis = weights->in_axis;
        scales.block = weights->has_own_rows ? n_in : format->group;
        scales.shape.dims[scales.axis] = pithi_div_up(shape->dims[scales.axis], scales.block);
    }
    return scales;
}

/* Symmetric numbers leave the lowest one out: negation must be exact. */
void pithi_quant_levels(const pithi_weight_format *format, int *low_out, int *high_out)
{
    const int bits = format->bits ? format->bits : 8;
    const bool is_unsigned = format->has_zeros || format->kind == PITHI_WEIGHT_PALETTE;
    *high_out = (1 << (is_unsigned ? bits : bits - 1)) - 1;
    *low_out = is_unsigned ? 0 : -*high_out;
}

size_t pithi_quant_code_bytes(const pithi_quant_layer *layer, const pith_tensor *weights)
{
    const size_t n = (size_t)pith_shape_elements(&weights->shape);
    const size_t bits = layer->format.bits ? (size_t)layer->format.bits : 8;
    switch (layer->format.kind) {
    case PITHI_WEIGHT_F32: return 4 * n;
    case PITHI_WEIGHT_F16:
    case PITHI_WEIGHT_BF16: return 2 * n;
    default: return (n * (bits <= 2 ? 2 : bits <= 4 ? 4 : 8) + 7) / 8;
    }
}

typedef struct interval {
    float low, high, best;
} interval;

/* Scale and zero point for an interval around 0. */
static float scale_of(const interval *range, int low, int high, int16_t *zero)
{
    double span = low == 0 ? (double)range->high - (double)range->low
                           : 2.0 * fmax((double)range->high, -(double)range->low);
    double scale = fmax(span / (high - low), SMALLEST_SCALE);
    *zero = low == 0 ? (int16_t)fmin(fmax(nearbyint(-(double)range->low / scale), 0.0), (double)high) : 0;
    return (float)scale;
}

float pithi_quant_fit(const pithi_weight_format *format, double low, double high, int16_t *zero_out)
{
    const interval range = { (float)low, (float)high, 1.0f };
    int first, last;
    pithi_quant_levels(format, &first, &last);
    return scale_of(&range, first, last, zero_out);
}

static void find_intervals(const float *w, const pithi_quant_rows *rows, bool is_per_tensor, interval *intervals,
                           int64_t n)
{
    interval all = { 0.0f, 0.0f, 1.0f };
    for (int64_t i = 0; i < rows->total; i++) {
        interval *own = &intervals[pithi_quant_scale_at(rows, i)];
        own->low = fminf(own->low, w[i]);
        own->high = fmaxf(own->high, w[i]);
        all.low = fminf(all.low, w[i]);
        all.high = fmaxf(all.high, w[i]);
    }
    for (int64_t k = 0; is_per_tensor && k < n; k++) {
        intervals[k] = all;
    }
}

/* Adds to errors[k] the squares of interval k's weights when a share of it is held. */
static void add_errors(const float *w, const pithi_quant_rows *rows, int low, int high, const interval *intervals,
                       const float *shares, double *errors)
{
    for (int64_t i = 0; i < rows->total; i++) {
        const int64_t k = pithi_quant_scale_at(rows, i);
        const interval part = { intervals[k].low * shares[k], intervals[k].high * shares[k], 1.0f };
        int16_t zero = 0;
        const double scale = (double)scale_of(&part, low, high, &zero);
        const double q = fmin(fmax(nearbyint((double)w[i] / scale) + zero, low), high) - zero;
        errors[k] += ((double)w[i] - q * scale) * ((double)w[i] - q * scale);
    }
}

/* Narrows each interval to the share of it that gives the least squared error: with few levels it pays to clip the
 * largest weights. Coarse steps over all shares, then fine ones around the best. */
static pith_status narrow(const float *w, const pithi_quant_rows *rows, int low, int high, interval *intervals,
                          int64_t n, pithi_arena *arena)
{
    void *least = NULL, *errors = NULL, *shares = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)n, sizeof(double), &least));
    PITH_TRY(pithi_arena_array(arena, (size_t)n, sizeof(double), &errors));
    PITH_TRY(pithi_arena_array(arena, 2 * (size_t)n, sizeof(float), &shares));
    float *share = shares, *middle = share + n;
    for (int step = 0; step < CLIP_STEPS + FINE_STEPS; step++) {
        const bool is_coarse = step < CLIP_STEPS;
        for (int64_t k = 0; k < n; k++) {
            middle[k] = step == CLIP_STEPS ? intervals[k].best : middle[k];
            const float off = ((float)(step - CLIP_STEPS) - 0.5f * (FINE_STEPS - 1)) * FINE_STEP;
            share[k] = is_coarse ? 1.0f - (float)step * CLIP_STEP : fminf(middle[k] + off, 1.0f);
        }
        memset(errors, 0, (size_t)n * sizeof(double));
        add_errors(w, rows, low, high, intervals, share, errors);
        for (int64_t k = 0; k < n; k++) {
            if (step == 0 || ((double *)errors)[k] < ((double *)least)[k]) {
                ((double *)least)[k] = ((double *)errors)[k];
                intervals[k].best = share[k];
            }
        }
    }
    for (int64_t k = 0; k < n; k++) {
        intervals[k].low *= intervals[k].best;
        intervals[k].high *= intervals[k].best;
    }
    return PITH_OK;
}

/* Weights may lie on a grid already, those of networks that were trained for integers: scales at which every weight is
 * an integer, but for GRID_ERROR of a step, though the largest one isn't the highest. */
typedef struct grid {
    uint64_t alive[2]; /* by largest integer */
    float largest;
} grid;

static void find_grids(const float *w, const pithi_quant_rows *rows, grid *grids, int64_t n, int high)
{
    for (int64_t i = 0; i < rows->total; i++) {
        grid *own = &grids[pithi_quant_scale_at(rows, i)];
        own->largest = fmaxf(own->largest, fabsf(w[i]));
    }
    for (int64_t k = 0; k < n; k++) {
        for (int level = high / 4; level < high && level < 128; level++) {
            grids[k].alive[level / 64] |= (uint64_t)1 << level % 64;
        }
    }
    for (int64_t i = 0; i < rows->total; i++) {
        grid *own = &grids[pithi_quant_scale_at(rows, i)];
        for (int level = high / 4; (own->alive[0] | own->alive[1]) && level < 128; level++) {
            if (!(own->alive[level / 64] >> level % 64 & 1)) {
                continue;
            }
            double q = own->largest > 0.0f ? (double)w[i] / (double)own->largest * level : 0.5;
            if (fabs(q - nearbyint(q)) > GRID_ERROR) {
                own->alive[level / 64] &= ~((uint64_t)1 << level % 64);
            }
        }
    }
}

/* The finest one, or 0. */
static float grid_scale(const grid *own)
{
    for (int level = 127; level > 0; level--) {
        if (own->alive[level / 64] >> level % 64 & 1) {
            return own->largest / (float)level;
        }
    }
    return 0.0f;
}

static pith_status use_grids(const float *w, const pithi_quant_rows *rows, const float *least_scales, int high,
                             float *scales, int64_t n, pithi_arena *arena)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)n, sizeof(grid), &block));
    find_grids(w, rows, block, n, high);
    for (int64_t k = 0; k < n; k++) {
        float scale = grid_scale((const grid *)block + k);
        scales[k] = scale > 0.0f && (!least_scales || scale >= least_scales[k]) ? scale : scales[k];
    }
    return PITH_OK;
}

pith_status pithi_quant_round_nearest(const pithi_quant_weights *weights, const pithi_weight_format *format,
                                      const float *least_scales, bool is_per_tensor, pithi_arena *arena,
                                      pithi_quant_rounded *rounded_out)
{
    const pithi_quant_scales where = pithi_quant_scales_of(weights, format);
    const pithi_quant_rows rows =
        pithi_quant_rows_make(&weights->tensor->shape, &where.shape, where.axis, where.block);
    const int64_t n = pith_shape_elements(&where.shape);
    const float *w = weights->tensor->data;
    void *q = NULL, *scales = NULL, *zeros = NULL, *intervals = NULL;
    int low, high;
    PITH_TRY(pithi_arena_array(arena, (size_t)rows.total, sizeof(int16_t), &q));
    PITH_TRY(pithi_arena_array(arena, (size_t)n, sizeof(float), &scales));
    PITH_TRY(pithi_arena_array(arena, (size_t)n, sizeof(int16_t), &zeros));
    PITH_TRY(pithi_arena_array(arena, (size_t)n, sizeof(interval), &intervals));
    find_intervals(w, &rows, is_per_tensor, intervals, n);
    pithi_quant_levels(format, &low, &high);
    if (!is_per_tensor && high - low < WEIGHT_LEVELS) {
        PITH_TRY(narrow(w, &rows, low, high, intervals, n, arena));
    }
    for (int64_t k = 0; k < n; k++) {
        float scale = scale_of((const interval *)intervals + k, low, high, (int16_t *)zeros + k);
        ((float *)scales)[k] = least_scales ? fmaxf(scale, least_scales[k]) : scale;
    }
    if (low < 0 && high == 127 && where.block == 0 && !is_per_tensor) {
        PITH_TRY(use_grids(w, &rows, least_scales, high, scales, n, arena));
    }
    for (int64_t i = 0; i < rows.total; i++) {
        int64_t k = pithi_quant_scale_at(&rows, i);
        double level = nearbyint((double)w[i] / (double)((const float *)scales)[k]) + ((const int16_t *)zeros)[k];
        ((int16_t *)q)[i] = (int16_t)fmin(fmax(level, (double)low), (double)high);
    }
    *rounded_out = (pithi_quant_rounded){ q, scales, format->has_zeros ? zeros : NULL };
    return PITH_OK;
}
