/* SPDX-License-Identifier: Apache-2.0 */
/* Algebra of affine maps. See affine_node.c for what nodes do. */
#include "passes/affine.h"

#define MAX_TAPS 1024                  /* per axis and in all */
#define MAX_FACTOR ((int64_t)1 << 20)  /* of strides and offsets: products of two stay in 64 bits */
#define MAX_WEIGHTS ((int64_t)1 << 24) /* 128 MiB while they are computed */
#define MAX_WORK ((int64_t)1 << 30)    /* products to compose weights: about a second */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int64_t high_of(const pithi_affine_axis *axis) { return axis->low + (axis->n_taps - 1) * axis->step; }
static int64_t step_of(const pithi_affine_axis *axis) { return axis->n_taps > 1 ? axis->step : 0; }

int64_t pithi_affine_taps(const pithi_affine *map)
{
    int64_t n = 1;
    for (int i = 0; i < map->n_axes; i++) {
        n *= map->axes[i].n_taps;
    }
    return n;
}

int64_t pithi_affine_weights(const pithi_affine *map)
{
    return map->n_out * pithi_affine_taps(map) * (map->n_in / map->group);
}

pith_status pithi_affine_new_weights(pithi_arena *arena, pithi_affine *map)
{
    void *weights = NULL, *bias = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)pithi_affine_weights(map), sizeof(double), &weights));
    PITH_TRY(pithi_arena_array(arena, (size_t)map->n_out, sizeof(double), &bias));
    map->weights = weights;
    map->bias = bias;
    return PITH_OK;
}

pithi_affine pithi_affine_identity(int n_axes, int64_t n_channels)
{
    pithi_affine map = { .n_axes = n_axes, .n_in = n_channels, .n_out = n_channels, .group = n_channels };
    for (int i = 0; i < n_axes; i++) {
        map.axes[i] = (pithi_affine_axis){ .step = 1, .n_taps = 1, .stride = 1 };
    }
    return map;
}

void pithi_affine_set_factor(pithi_affine *map, double factor)
{
    for (int64_t i = 0; i < map->n_out; i++) {
        map->weights[i] = factor;
    }
}

/* ---- geometry ------------------------------------------------------------------------------- */

/* Taps from `low` to `high`; `step` 0: there is one. */
static void set_taps(pithi_affine_axis *axis, int64_t low, int64_t high, int64_t step)
{
    axis->low = low;
    axis->step = step > 0 ? step : 1;
    axis->n_taps = (high - low) / axis->step + 1;
}

/* A convolution can be written with these numbers, and its weights can be held. */
static bool is_feasible(const pithi_affine *map)
{
    int64_t n_taps = 1;
    for (int i = 0; i < map->n_axes; i++) {
        const pithi_affine_axis *axis = &map->axes[i];
        bool fits = axis->low <= 0 && axis->low >= -MAX_FACTOR && axis->extra + high_of(axis) >= 0 &&
                    axis->extra <= MAX_FACTOR && axis->extra >= -MAX_FACTOR && axis->n_taps <= MAX_TAPS &&
                    axis->stride <= MAX_FACTOR && axis->step <= MAX_FACTOR;
        if (!fits || n_taps * axis->n_taps > MAX_TAPS) {
            return false;
        }
        n_taps *= axis->n_taps;
    }
    size_t n_weights = 0;
    return pithi_mul_size((size_t)map->n_out, (size_t)(map->n_in / map->group), &n_weights) &&
           pithi_mul_size(n_weights, (size_t)n_taps, &n_weights) && n_weights <= (size_t)MAX_WEIGHTS;
}

static bool pads(const pithi_affine_axis *axis) { return axis->low < 0 || axis->extra + high_of(axis) > 0; }
/* Positions next to the result's would read nothing of the image. */
static bool sees_nothing_outside(const pithi_affine_axis *axis)
{
    return high_of(axis) < axis->stride && axis->extra + axis->low >= 0;
}

static int64_t work_of(const pithi_affine *outer, const pithi_affine *inner)
{
    size_t work = 0;
    bool fits = pithi_mul_size((size_t)pithi_affine_weights(outer),
                               (size_t)(pithi_affine_taps(inner) * (inner->n_in / inner->group)), &work);
    return fits && work <= (size_t)MAX_WORK ? (int64_t)work : MAX_WORK + 1;
}

bool pithi_affine_compose(const pithi_affine *outer, const pithi_affine *inner, pithi_affine *map_out)
{
    if (outer->n_axes != inner->n_axes || outer->n_in != inner->n_out || work_of(outer, inner) > MAX_WORK) {
        return false;
    }
    *map_out = (pithi_affine){ .n_axes = outer->n_axes, .n_in = inner->n_in, .n_out = outer->n_out,
                               .group = gcd(outer->group, inner->group),
                               .has_bias = outer->has_bias || inner->has_bias };
    for (int i = 0; i < outer->n_axes; i++) {
        const pithi_affine_axis *o = &outer->axes[i], *in = &inner->axes[i];
        if (pads(o) && (inner->has_bias || !sees_nothing_outside(in))) {
            return false;
        }
        pithi_affine_axis *axis = &map_out->axes[i];
        set_taps(axis, in->low + in->stride * o->low, high_of(in) + in->stride * high_of(o),
                 gcd(step_of(in), in->stride * step_of(o)));
        axis->stride = in->stride * o->stride;
        axis->extra = in->extra + in->stride * o->extra;
    }
    return is_feasible(map_out);
}

bool pithi_affine_unite(pithi_affine *map, const pithi_affine *other, bool stacked)
{
    if (map->n_axes != other->n_axes || map->n_in != other->n_in || (!stacked && map->n_out != other->n_out)) {
        return false;
    }
    for (int i = 0; i < map->n_axes; i++) {
        pithi_affine_axis *a = &map->axes[i];
        const pithi_affine_axis *b = &other->axes[i];
        if (a->stride != b->stride || a->extra != b->extra) {
            return false;
        }
        int64_t step = gcd(gcd(step_of(a), step_of(b)), a->low > b->low ? a->low - b->low : b->low - a->low);
        set_taps(a, pithi_min_s64(a->low, b->low), pithi_max_s64(high_of(a), high_of(b)), step);
    }
    map->group = stacked ? 1 : gcd(map->group, other->group);
    map->n_out += stacked ? other->n_out : 0;
    map->has_bias |= other->has_bias;
    return is_feasible(map);
}

/* ---- weights -------------------------------------------------------------------------------- */

/* The tap of `map` that lies where tap number `tap` of `from`, scaled by `strides` and moved by `offsets`, does. */
static int64_t tap_at(const pithi_affine *map, const pithi_affine *from, int64_t tap, const int64_t *strides,
                      const int64_t *offsets)
{
    int64_t place = 0, unit = 1;
    for (int i = map->n_axes - 1; i >= 0; i--) {
        const pithi_affine_axis *axis = &map->axes[i], *source = &from->axes[i];
        int64_t at = (source->low + tap % source->n_taps * source->step) * strides[i] + offsets[i];
        tap /= source->n_taps;
        place += (at - axis->low) / axis->step * unit;
        unit *= axis->n_taps;
    }
    return place;
}

/* Where channel 0 of the inputs that output channel `o` reads stands. */
static int64_t first_input(const pithi_affine *map, int64_t o)
{
    return o / (map->n_out / map->group) * (map->n_in / map->group);
}

void pithi_affine_accumulate(pithi_affine *map, const pithi_affine *other, double sign, int64_t first)
{
    static const int64_t ones[PITHI_AFFINE_AXES] = { 1, 1, 1 }, zeros[PITHI_AFFINE_AXES] = { 0 };
    int64_t width = map->n_in / map->group, other_width = other->n_in / other->group;
    int64_t n_taps = pithi_affine_taps(map), n_other = pithi_affine_taps(other);
    for (int64_t k = 0; k < n_other; k++) {
        int64_t tap = tap_at(map, other, k, ones, zeros);
        for (int64_t o = 0; o < other->n_out; o++) {
            double *to = map->weights + ((first + o) * n_taps + tap) * width + first_input(other, o) -
                         first_input(map, first + o);
            const double *from = other->weights + (o * n_other + k) * other_width;
            for (int64_t c = 0; c < other_width; c++) {
                to[c] += sign * from[c];
            }
        }
    }
    for (int64_t o = 0; o < other->n_out; o++) {
        map->bias[first + o] += sign * other->bias[o];
    }
}

/* Output channel `o` of tap `tap` of the outer map, spread over the taps of the inner one, from a column on. */
static void compose_row(const pithi_affine *outer, const pithi_affine *inner, const int64_t *places, int64_t o,
                        int64_t tap, int64_t first_column, pithi_affine *map)
{
    int64_t n_inner = pithi_affine_taps(inner), n_outer = pithi_affine_taps(outer), n_taps = pithi_affine_taps(map);
    int64_t width = map->n_in / map->group, inner_width = inner->n_in / inner->group;
    int64_t outer_width = outer->n_in / outer->group, first = first_input(outer, o);
    const double *factors = outer->weights + (o * n_outer + tap) * outer_width;
    for (int64_t m = 0; m < outer_width; m++) {
        double factor = factors[m];
        map->bias[o] += factor * inner->bias[first + m];
        for (int64_t k = 0; factor != 0.0 && k < n_inner; k++) {
            const double *from = inner->weights + ((first + m) * n_inner + k) * inner_width;
            double *to = map->weights + (o * n_taps + places[k]) * width + first_input(inner, first + m) -
                         first_input(map, o);
            for (int64_t c = first_column; c < inner_width; c++) {
                to[c] += factor * from[c];
            }
        }
    }
}

#define ROWS 4
#define COLUMNS 4 /* of weights that are summed up in registers: dense maps of hundreds of channels take long enough */

typedef double lanes __attribute__((vector_size(16)));

/* to[r][c] += sum over m of factors[r][m] from[m][c], in the order of m */
static void add_tile(double *to, int64_t to_stride, const double *from, int64_t from_stride, const double *factors,
                     int64_t factor_stride, int64_t count)
{
    lanes sums[ROWS][COLUMNS / 2], row[COLUMNS / 2];
    for (int r = 0; r < ROWS; r++) {
        memcpy(sums[r], to + r * to_stride, sizeof sums[r]);
    }
    for (int64_t m = 0; m < count; m++) {
        memcpy(row, from + m * from_stride, sizeof row);
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            const double factor = factors[r * factor_stride + m];
            sums[r][0] += factor * row[0];
            sums[r][1] += factor * row[1];
        }
    }
    for (int r = 0; r < ROWS; r++) {
        memcpy(to + r * to_stride, sums[r], sizeof sums[r]);
    }
}

/* Output channels [o, o + ROWS) of tap `tap` of maps without groups; what is behind the last full tile is left. Returns
 * the columns done. */
static int64_t compose_tiles(const pithi_affine *outer, const pithi_affine *inner, const int64_t *places, int64_t o,
                             int64_t tap, pithi_affine *map)
{
    const int64_t n_inner = pithi_affine_taps(inner), width = inner->n_in, row = pithi_affine_taps(map) * width;
    const int64_t factor_stride = pithi_affine_taps(outer) * outer->n_in, n_done = width / COLUMNS * COLUMNS;
    const double *factors = outer->weights + o * factor_stride + tap * outer->n_in;
    for (int64_t k = 0; k < n_inner; k++) {
        for (int64_t c = 0; c < n_done; c += COLUMNS) {
            add_tile(map->weights + o * row + places[k] * width + c, row, inner->weights + k * width + c,
                     n_inner * width, factors, factor_stride, outer->n_in);
        }
    }
    return n_done;
}

pith_status pithi_affine_fill_composed(pithi_arena *arena, const pithi_affine *outer, const pithi_affine *inner,
                                       pithi_affine *map)
{
    static const int64_t ones[PITHI_AFFINE_AXES] = { 1, 1, 1 };
    int64_t n_outer = pithi_affine_taps(outer), n_inner = pithi_affine_taps(inner);
    const bool is_dense = outer->group == 1 && inner->group == 1;
    void *block = NULL;
    PITH_TRY(pithi_affine_new_weights(arena, map));
    PITH_TRY(pithi_arena_array(arena, (size_t)n_inner, sizeof(int64_t), &block));
    int64_t *places = block;
    memcpy(map->bias, outer->bias, (size_t)map->n_out * sizeof(double));
    for (int64_t tap = 0; tap < n_outer; tap++) {
        int64_t offsets[PITHI_AFFINE_AXES] = { 0 }, rest = tap;
        for (int i = map->n_axes - 1; i >= 0; i--) {
            const pithi_affine_axis *axis = &outer->axes[i];
            offsets[i] = inner->axes[i].stride * (axis->low + rest % axis->n_taps * axis->step);
            rest /= axis->n_taps;
        }
        for (int64_t k = 0; k < n_inner; k++) {
            places[k] = tap_at(map, inner, k, ones, offsets);
        }
        int64_t n_done = 0; /* columns of the rows at hand */
        for (int64_t o = 0; o < map->n_out; o++) {
            bool has_tiles = is_dense && o < map->n_out / ROWS * ROWS;
            if (!has_tiles) {
                n_done = 0;
            } else if (o % ROWS == 0) {
                n_done = compose_tiles(outer, inner, places, o, tap, map);
            }
            compose_row(outer, inner, places, o, tap, n_done, map);
        }
    }
    return PITH_OK;
}
