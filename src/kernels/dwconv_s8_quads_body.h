/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_s8 by products of four bytes, in the words of gemm_s8_body.h. Four taps below each other are interleaved byte
 * by byte, a quad, so that a dot product adds four products of a channel. Quads of a strip of pixels lie in memory as
 * the pixels do, so that all taps of a row read the same ones, at any distance, and vectors hold channels of
 * neighbouring pixels where one has few. Where four rows hold the windows of two output rows, both are made of them.
 * Quads, sums and bytes of a strip are made after each other: as one chain for each vector, their latencies would fill
 * the CPU's scheduler. Pixels outside of the image are zero points, whose share is in the bias like that of all others.
 * Weights of more than 8 bits (unsigned ones less their zero point) are two halves, each with taps of its own.
 *
 * dwconv_s8_body.h does what doesn't fit: large kernels. */
#include "kernels/dwconv_s8.h"
#include "kernels/put_s8.h"

#define QUADS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define QUADS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QUADS_UNROLL _Pragma("GCC unroll 8")
#endif

enum {
    QUADS_LANES = 4 * S8_NR, /* what is loaded, and what becomes bytes, at a time */
    QUADS_MAX_GROUPS = 2,
    QUADS_MAX_WIDTH = 80,
    QUADS_HEADER = 64,  /* bytes of packed weights that hold the number of halves */
    QUADS_ALL = 320,    /* so many channels are taken together, */
    QUADS_CHUNK = 128,  /* of more of them so many */
    QUADS_STRIP = 2048, /* results of an output row */
    QUADS_INPUT = 5120, /* what they are made of */
    QUADS_TOGETHER = S8_NR / 4 /* vectors, as many as registers hold */
};

/* How a task is cut: groups of four taps below each other, output rows at a time. */
typedef struct quads_plan {
    int n_groups, n_rows, n_halves, n_taps; /* taps of all halves */
    size_t chunk;         /* channels */
    size_t pattern_bytes; /* weights of a vector: int32_t bias[S8_NR], int8_t [n_rows][n_taps][4 S8_NR] */
} quads_plan;

/* Some channels, all of them if they follow each other from pixel to pixel. After `period` lanes a vector has the same
 * channels again. Pixels are dealt to n_planes planes in turn, so that those of windows next to each other are
 * neighbours; a stride of whole vectors needs no planes. */
typedef struct quads_chunk {
    size_t c;
    int n, period, n_planes;
    size_t bytes;
    const int8_t *patterns; /* period / S8_NR of them */
    const float *scale;     /* [period + QUADS_LANES] */
} quads_chunk;

static int quads_groups(const pith_dwconv_s8_task *t, int n_rows)
{
    return (t->kernel_h + (n_rows - 1) * t->stride_h + 3) / 4;
}

static int64_t quads_columns(const pith_dwconv_s8_task *t, int n_pixels)
{
    return (int64_t)(n_pixels - 1) * t->stride_w + (int64_t)(t->kernel_w - 1) * t->dilation_w + 1;
}

/* The smallest and the largest weight. */
static void quads_range(const pith_dwconv_s8_task *t, int *low, int *high)
{
    *low = *high = 0;
    for (int tap = 0; tap < t->kernel_h * t->kernel_w; tap++) {
        for (size_t c = 0; c < t->n_channels; c++) {
            const int w = t->w[(size_t)tap * t->w_stride + c];
            *low = w < *low ? w : *low;
            *high = w > *high ? w : *high;
        }
    }
}

static int quads_halves(const pith_dwconv_s8_task *t)
{
    int low, high;
    if (t->packed) {
        return *(const int32_t *)t->packed;
    }
    quads_range(t, &low, &high);
    return low >= -128 && high <= 127 ? 1 : 2;
}

static quads_plan quads_plan_of(const pith_dwconv_s8_task *t)
{
    quads_plan plan = { .n_groups = quads_groups(t, 1), .n_rows = 1, .n_halves = quads_halves(t) };
    if (t->dilation_h == 1 && quads_groups(t, 2) == plan.n_groups) {
        plan.n_rows = 2;
    }
    plan.n_taps = t->kernel_w * plan.n_groups * plan.n_halves;
    plan.pattern_bytes = S8_NR * sizeof(int32_t) + (size_t)(plan.n_rows * plan.n_taps) * QUADS_LANES;
    plan.chunk = t->n_channels <= QUADS_ALL ? t->n_channels : QUADS_CHUNK;
    for (; plan.chunk > QUADS_LANES && (size_t)quads_columns(t, 4) * plan.chunk > QUADS_INPUT;) {
        plan.chunk = QUADS_LANES;
    }
    return plan;
}

/* The channels from c on, which is a multiple of plan->chunk. */
static quads_chunk quads_chunk_of(const pith_dwconv_s8_task *t, const quads_plan *plan, const void *packed, size_t c)
{
    const size_t left = t->n_channels - c;
    quads_chunk chunk = { .c = c, .n = (int)(left < plan->chunk ? left : plan->chunk) };
    for (chunk.period = chunk.n; chunk.period % S8_NR != 0;) {
        chunk.period *= 2;
    }
    chunk.n_planes = chunk.n % S8_NR != 0 ? t->stride_w : 1;
    const size_t pattern_bytes = (size_t)(chunk.period / S8_NR) * plan->pattern_bytes;
    chunk.bytes = pattern_bytes + (size_t)(chunk.period + QUADS_LANES) * sizeof(float);
    if (packed) { /* chunks before this one are as large, for they are full */
        const int8_t *first = (const int8_t *)packed + QUADS_HEADER;
        chunk.patterns = first + c / plan->chunk * chunk.bytes;
        if (left < plan->chunk && c > 0) {
            chunk.patterns = first + c / plan->chunk * quads_chunk_of(t, plan, NULL, 0).bytes;
        }
        chunk.scale = (const float *)(const void *)(chunk.patterns + pattern_bytes);
    }
    return chunk;
}

/* ---- weights ----------------------------------------------------------------------------------- */

static size_t pack_bytes(const pith_dwconv_s8_task *t)
{
    const quads_plan plan = quads_plan_of(t);
    bool fits = plan.n_groups <= QUADS_MAX_GROUPS && t->kernel_w <= QUADS_MAX_WIDTH &&
                (size_t)(quads_columns(t, 1) + t->stride_w) * plan.chunk <= QUADS_INPUT; /* planes are rounded up */
    int low, high;
    quads_range(t, &low, &high);
    fits = fits && low >= -256 && high <= 254; /* both halves are bytes */
    size_t bytes = QUADS_HEADER;
    for (size_t c = 0; c < t->n_channels; c++) {
        fits = fits && t->scale[c] < 1.0f && t->scale[c] > -1.0f;
        bytes += c % plan.chunk == 0 ? quads_chunk_of(t, &plan, NULL, c).bytes : 0;
    }
    return fits ? bytes : 0;
}

static void quads_pack_lane(const pith_dwconv_s8_task *t, const quads_plan *plan, size_t c, int lane, int8_t *pattern)
{
    int8_t *weights = pattern + S8_NR * sizeof(int32_t) + 4 * lane;
    uint32_t sum = 0;
    for (int row = 0; row < plan->n_rows; row++) {
        for (int kx = 0; kx < t->kernel_w; kx++) {
            for (int k = 0; k < 4 * plan->n_groups; k++) {
                const int ky = k - row * t->stride_h, quad = row * plan->n_taps + kx * plan->n_groups + k / 4;
                const bool is_tap = ky >= 0 && ky < t->kernel_h;
                const int16_t w = is_tap ? t->w[(size_t)(ky * t->kernel_w + kx) * t->w_stride + c] : (int16_t)0;
                const int half = plan->n_halves == 2 ? (w + 256) / 2 - 128 : w; /* rounded down */
                weights[quad * QUADS_LANES + k % 4] = (int8_t)half;
                if (plan->n_halves == 2) {
                    weights[(quad + plan->n_taps / 2) * QUADS_LANES + k % 4] = (int8_t)(w - half);
                }
                sum += row == 0 ? (uint32_t)(w * t->x_zero) : 0;
            }
        }
    }
    ((int32_t *)(void *)pattern)[lane] = (int32_t)((uint32_t)t->bias[c] - sum);
}

static void pack(const pith_dwconv_s8_task *t, void *packed)
{
    const quads_plan plan = quads_plan_of(t);
    int8_t *pattern = (int8_t *)packed + QUADS_HEADER;
    memset(packed, 0, QUADS_HEADER);
    *(int32_t *)packed = plan.n_halves;
    for (size_t c = 0; c < t->n_channels; c += plan.chunk) {
        const quads_chunk chunk = quads_chunk_of(t, &plan, NULL, c);
        for (int i = 0; i < chunk.period; i++) {
            quads_pack_lane(t, &plan, c + (size_t)(i % chunk.n), i % S8_NR, pattern);
            pattern += i % S8_NR == S8_NR - 1 ? plan.pattern_bytes : 0;
        }
        float *scale = (float *)(void *)pattern;
        for (int i = 0; i < chunk.period + QUADS_LANES; i++) {
            scale[i] = t->scale[c + (size_t)(i % chunk.n)];
        }
        pattern = (int8_t *)(scale + chunk.period + QUADS_LANES);
    }
}

/* ---- quads ------------------------------------------------------------------------------------- */

/* What strips of two output rows share. */
typedef struct quads_strip {
    _Alignas(64) uint8_t quads[QUADS_MAX_GROUPS][4 * (QUADS_INPUT + 2 * QUADS_LANES)];
    int32_t sums[2][QUADS_STRIP + QUADS_LANES + S8_NR]; /* an odd number of vectors: see 4 KB aliasing */
    uint8_t outside[QUADS_LANES];
    const pith_dwconv_s8_task *t;
    s8_limits limits;
    s8_v flip;
    int n_groups, n_rows, n_taps;
    const uint8_t *rows[4 * QUADS_MAX_GROUPS]; /* column 0; of those outside of the image `outside` */
    bool is_inside[4 * QUADS_MAX_GROUPS];
    int plane;     /* lanes of a plane */
    int q_period;  /* bytes of quads to where the channels of a vector are the same */
    int taps[2 * QUADS_MAX_WIDTH * QUADS_MAX_GROUPS]; /* bytes of quads */
} quads_strip;

/* Where to read `count` times n lanes (all QUADS_LANES, if is_full), `apart` bytes from each other. */
typedef struct quads_source {
    int g; /* rows 4 g to 4 g + 3 */
    ptrdiff_t offset, apart;
    int n, count;
} quads_source;

/* To quads `step` bytes apart; up to QUADS_LANES - n quads behind the n are written too. */
QUADS_INLINE void quads_weave(const quads_strip *s, quads_source from, uint8_t *quads, size_t step, const bool is_full)
{
    const s8_v flip = s->flip;
    const uint8_t *at[4];
    ptrdiff_t apart[4];
    QUADS_UNROLL
    for (int k = 0; k < 4; k++) {
        const bool is_inside = s->is_inside[4 * from.g + k];
        at[k] = s->rows[4 * from.g + k] + (is_inside ? from.offset : 0);
        apart[k] = is_inside ? from.apart : 0;
    }
    for (int left = from.count; left > 0; left--, quads += step) {
        s8_v x[4], q[4];
        QUADS_UNROLL
        for (int k = 0; k < 4; k++) {
            x[k] = s8_xor(is_full ? s8_load(at[k]) : s8_load_some(at[k], from.n), flip);
            at[k] += apart[k];
        }
        s8_interleave(x, q);
        QUADS_UNROLL
        for (int v = 0; v < 4; v++) {
            s8_store(quads + v * QUADS_LANES, q[v]);
        }
    }
}

/* The same for n lanes each, one block of lanes after the other; the last one overlaps that before. */
static void quads_weave_all(const quads_strip *s, quads_source from, uint8_t *quads, size_t step)
{
    if (from.n < QUADS_LANES) {
        quads_weave(s, from, quads, step, false);
        return;
    }
    for (int lane = 0, n = from.n; lane < n; lane += QUADS_LANES) {
        const int at = lane + QUADS_LANES <= n ? lane : n - QUADS_LANES;
        quads_source block = from;
        block.offset += at;
        quads_weave(s, block, quads + 4 * at, step, true);
    }
}

/* The same for n lanes outside of the image. */
static void quads_outside(const quads_strip *s, int n, uint8_t *quads)
{
    const s8_v zeros = s8_xor(s8_load(s->outside), s->flip);
    for (; n > 0; n -= S8_NR, quads += QUADS_LANES) {
        s8_store(quads, zeros);
    }
}

/* How many of columns 0 .. n-1 are in a plane. */
static int quads_in_plane(int n, int plane, int n_planes)
{
    return n_planes == 1 ? n : (n - plane + n_planes - 1) / n_planes;
}

/* Quads of n columns from that at ix, in the order of memory: what is written behind one is written again. */
static void quads_load(quads_strip *s, const quads_chunk *chunk, int ix, int n)
{
    const pith_dwconv_s8_task *t = s->t;
    const int left = ix < 0 ? (-ix < n ? -ix : n) : 0, end = t->in_w - ix < left ? left : t->in_w - ix;
    const int right = end < n ? end : n, n_planes = chunk->n_planes;
    const ptrdiff_t pixel = (ptrdiff_t)t->x_pixel_stride;
    const bool is_flat = chunk->n == pixel && n_planes == 1;
    for (int i = 0; i < s->n_groups * n_planes; i++) {
        const int g = i / n_planes, p = i % n_planes;
        const int first = quads_in_plane(left, p, n_planes), last = quads_in_plane(right, p, n_planes);
        uint8_t *quads = s->quads[g] + 4 * p * s->plane;
        quads_source from = { g, (ix + p + first * n_planes) * pixel + (ptrdiff_t)chunk->c, n_planes * pixel, chunk->n,
                              last - first };
        quads_outside(s, first * chunk->n, quads);
        if (is_flat) { /* one piece, whose whole blocks follow each other */
            const int n_lanes = from.n * from.count, whole = n_lanes / QUADS_LANES * QUADS_LANES;
            from.n = whole ? QUADS_LANES : n_lanes;
            from.apart = QUADS_LANES;
            from.count = whole ? whole / QUADS_LANES : 1;
            if (n_lanes > 0) {
                quads_weave_all(s, from, quads + 4 * first * chunk->n, 4 * QUADS_LANES);
            }
            if (whole > 0 && whole < n_lanes) {
                from.offset += n_lanes - QUADS_LANES;
                from.count = 1;
                quads_weave_all(s, from, quads + 4 * (first * chunk->n + n_lanes - QUADS_LANES), 0);
            }
        } else {
            quads_weave_all(s, from, quads + 4 * first * chunk->n, 4 * (size_t)chunk->n);
        }
        quads_outside(s, (quads_in_plane(n, p, n_planes) - last) * chunk->n, quads + 4 * last * chunk->n);
    }
}

/* ---- sums -------------------------------------------------------------------------------------- */

/* n vectors of sums in `rows` output rows, of three quads each, whose weights stay in registers. */
QUADS_INLINE void quads_sums_3(quads_strip *s, const quads_chunk *chunk, size_t pattern_bytes, int n, const int rows)
{
    const int8_t *pattern = chunk->patterns;
    const int n_patterns = chunk->period / S8_NR, q_period = s->q_period;
    for (int p = 0; p < n_patterns && p < n; p++, pattern += pattern_bytes) {
        const s8_v bias = s8_load(pattern);
        const uint8_t *quads = s->quads[0] + p * QUADS_LANES;
        const uint8_t *q0 = quads + s->taps[0], *q1 = quads + s->taps[1], *q2 = quads + s->taps[2];
        s8_b weights[2][3];
        QUADS_UNROLL
        for (int i = 0; i < 3 * rows; i++) {
            weights[i / 3][i % 3] = s8_load_b(pattern + (i + 1) * QUADS_LANES);
        }
        for (int at = p; at < n; at += n_patterns, q0 += q_period, q1 += q_period, q2 += q_period) {
            const s8_a x[] = { s8_as_a(s8_load(q0)), s8_as_a(s8_load(q1)), s8_as_a(s8_load(q2)) };
            QUADS_UNROLL
            for (int r = 0; r < rows; r++) {
                s8_acc acc = s8_start(bias);
                QUADS_UNROLL
                for (int i = 0; i < 3; i++) {
                    acc = s8_dot(acc, x[i], weights[r][i]);
                }
                s8_store(s->sums[r] + at * S8_NR, s8_end(acc, bias));
            }
        }
    }
}

/* The same of any number of quads, four vectors at a time, the last of which may be the same. */
QUADS_INLINE void quads_sums_any(quads_strip *s, const quads_chunk *chunk, size_t pattern_bytes, int n, const int rows)
{
    const int8_t *pattern = chunk->patterns;
    const int n_patterns = chunk->period / S8_NR, n_taps = s->n_taps;
    for (int p = 0; p < n_patterns && p < n; p++, pattern += pattern_bytes) {
        const s8_v bias = s8_load(pattern);
        const uint8_t *quads = s->quads[0] + p * QUADS_LANES;
        const int count = (n - p + n_patterns - 1) / n_patterns;
        for (int i = 0; i < count; i += QUADS_TOGETHER, quads += QUADS_TOGETHER * s->q_period) {
            const int8_t *w = pattern + QUADS_LANES;
            s8_acc acc[2][QUADS_TOGETHER];
            ptrdiff_t next[QUADS_TOGETHER];
            QUADS_UNROLL
            for (int k = 0; k < QUADS_TOGETHER; k++) {
                next[k] = i + k < count ? k : count - 1 - i;
                acc[0][k] = acc[1][k] = s8_start(bias);
            }
            for (int tap = 0; tap < n_taps; tap++, w += QUADS_LANES) {
                const uint8_t *from = quads + s->taps[tap];
                s8_b weights[2];
                QUADS_UNROLL
                for (int r = 0; r < rows; r++) {
                    weights[r] = s8_load_b(w + r * n_taps * QUADS_LANES);
                }
                QUADS_UNROLL
                for (int k = 0; k < QUADS_TOGETHER; k++) {
                    const s8_a x = s8_as_a(s8_load(from + next[k] * s->q_period));
                    QUADS_UNROLL
                    for (int r = 0; r < rows; r++) {
                        acc[r][k] = s8_dot(acc[r][k], x, weights[r]);
                    }
                }
            }
            QUADS_UNROLL
            for (int k = 0; k < QUADS_TOGETHER * rows; k++) {
                const ptrdiff_t at = p + (i + next[k % QUADS_TOGETHER]) * n_patterns;
                s8_store(s->sums[k / QUADS_TOGETHER] + at * S8_NR,
                         s8_end(acc[k / QUADS_TOGETHER][k % QUADS_TOGETHER], bias));
            }
        }
    }
}

static void quads_sums_3_of_1(quads_strip *s, const quads_chunk *c, size_t b, int n) { quads_sums_3(s, c, b, n, 1); }
static void quads_sums_3_of_2(quads_strip *s, const quads_chunk *c, size_t b, int n) { quads_sums_3(s, c, b, n, 2); }
static void quads_sums_of_1(quads_strip *s, const quads_chunk *c, size_t b, int n) { quads_sums_any(s, c, b, n, 1); }
static void quads_sums_of_2(quads_strip *s, const quads_chunk *c, size_t b, int n) { quads_sums_any(s, c, b, n, 2); }

/* ---- bytes ------------------------------------------------------------------------------------- */

/* `count` times n sums to bytes, y_step from each other; no product leaves the integers, see pack_bytes. */
static void quads_finish(const quads_strip *s, const quads_chunk *chunk, const int32_t *sums, int n, int count,
                         uint8_t *y, size_t y_step)
{
    const s8_limits limits = s->limits;
    const int period = chunk->period, step = QUADS_LANES % period;
    const float *scales = chunk->scale;
    for (; count > 0; count--, sums += n, y += y_step) {
        for (int at = 0, phase = 0; at < n; at += QUADS_LANES) {
            s8_f scale[4];
            s8_v v[4];
            QUADS_UNROLL
            for (int i = 0; i < 4; i++) {
                scale[i] = s8_load_n_f(scales + phase + i * S8_NR, S8_NR);
                v[i] = s8_load(sums + at + i * S8_NR);
            }
            phase += step;
            phase -= phase >= period ? period : 0;
            QUADS_UNROLL
            for (int stage = 0; stage < S8_STAGES; stage++) {
                s8_stage(v, scale, &limits, true, stage);
            }
            const s8_v bytes = s8_in_order(s8_bytes_of(v, &limits), &limits);
            if (n - at >= QUADS_LANES) {
                s8_store(y + at, bytes);
            } else {
                uint8_t buffer[QUADS_LANES];
                s8_store(buffer, bytes);
                s8_put(y + at, buffer, (size_t)(n - at), QUADS_LANES);
            }
        }
    }
}

/* ---- rows -------------------------------------------------------------------------------------- */

/* n output pixels, from the one whose window begins at column ix. */
static void quads_run_strip(quads_strip *s, const quads_plan *plan, const quads_chunk *chunk, int ix, int n, uint8_t *y)
{
    typedef void sums_fn(quads_strip *, const quads_chunk *, size_t, int);
    static sums_fn *const sums_of[2][2] = { { quads_sums_of_1, quads_sums_of_2 },
                                            { quads_sums_3_of_1, quads_sums_3_of_2 } };
    const pith_dwconv_s8_task *t = s->t;
    const int columns = (int)quads_columns(t, n), n_lanes = n * chunk->n;
    s->plane = quads_in_plane(columns, 0, chunk->n_planes) * chunk->n;
    s->q_period = 4 * chunk->period * (chunk->n_planes == 1 ? t->stride_w : 1);
    for (int i = 0, *tap = s->taps; i < t->kernel_w * plan->n_halves; i++) {
        const int column = i % t->kernel_w * t->dilation_w, n_planes = chunk->n_planes;
        const int plane = n_planes == 1 ? 0 : column % n_planes, at = n_planes == 1 ? column : column / n_planes;
        for (int g = 0; g < plan->n_groups; g++) {
            *tap++ = 4 * (plane * s->plane + at * chunk->n) + g * (int)sizeof s->quads[0];
        }
    }
    quads_load(s, chunk, ix, columns);
    sums_of[plan->n_taps == 3][s->n_rows - 1](s, chunk, plan->pattern_bytes, (n_lanes + S8_NR - 1) / S8_NR);
    const bool is_flat = (size_t)chunk->n == t->y_pixel_stride;
    for (int r = 0; r < s->n_rows; r++, y += t->y_row_stride) {
        quads_finish(s, chunk, s->sums[r], is_flat ? n_lanes : chunk->n, is_flat ? 1 : n, y, t->y_pixel_stride);
    }
}

/* One or two output rows of a chunk. */
static void quads_run_row(quads_strip *s, const quads_plan *plan, const quads_chunk *chunk, uint8_t *y)
{
    const pith_dwconv_s8_task *t = s->t;
    const int most = QUADS_STRIP / chunk->n > 1 ? QUADS_STRIP / chunk->n : 1;
    const int columns = QUADS_INPUT / chunk->n - chunk->n_planes; /* at least those of a pixel, see pack_bytes */
    const int fitting = 1 + (columns - (int)quads_columns(t, 1)) / t->stride_w;
    const int longest = fitting < most ? fitting : most;
    const int64_t out_w = t->out_w, n_strips = (out_w + longest - 1) / longest;
    for (int64_t i = 0; i < n_strips; i++) {
        const int first = (int)(out_w * i / n_strips), n = (int)(out_w * (i + 1) / n_strips) - first;
        quads_run_strip(s, plan, chunk, first * t->stride_w - t->pad_left, n, y + (size_t)first * t->y_pixel_stride);
    }
}

static void run_packed(const pith_dwconv_s8_task *t)
{
    const quads_plan plan = quads_plan_of(t);
    quads_strip s;
    s.t = t;
    s.limits = s8_limits_of(t->zero, t->low, t->high);
    s.flip = s8_bytes(t->x_flip);
    memset(s.outside, t->x_zero ^ t->x_flip, sizeof s.outside);
    s.n_groups = plan.n_groups;
    s.n_taps = plan.n_taps;
    for (int oy = t->y_begin; oy < t->y_end; oy += s.n_rows) {
        s.n_rows = plan.n_rows < t->y_end - oy ? plan.n_rows : t->y_end - oy;
        for (int k = 0; k < 4 * s.n_groups; k++) {
            const int iy = oy * t->stride_h - t->pad_top + k * t->dilation_h;
            const bool is_inside = k < t->kernel_h + (s.n_rows - 1) * t->stride_h && iy >= 0 && iy < t->in_h;
            s.rows[k] = is_inside ? t->x + (size_t)iy * t->x_row_stride : s.outside;
            s.is_inside[k] = is_inside;
        }
        for (size_t c = 0; c < t->n_channels; c += plan.chunk) {
            const quads_chunk chunk = quads_chunk_of(t, &plan, t->packed, c);
            quads_run_row(&s, &plan, &chunk, t->y + (size_t)oy * t->y_row_stride + c);
        }
    }
}

#define DWCONV_PACKED run_packed
#define DWCONV_PACK   pack_bytes, pack
#include "kernels/dwconv_s8_body.h"
