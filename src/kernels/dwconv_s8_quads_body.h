/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_s8 by products of four bytes, in the words of gemm_s8_body.h. Four taps below each other are interleaved byte
 * by byte, a quad, so that a dot product adds four products of a channel. Along a row, quads are kept for all windows
 * that share them, and where four rows hold the windows of two output rows, for both of these. A block is QUADS_LANES
 * channels of a pixel, or, where fewer are left, those of two, four or eight pixels. Pixels outside of the image are
 * zero points, whose share is in the bias like that of all others.
 *
 * Included behind the words with QUADS_PIXELS, the blocks that share a load of weights. dwconv_s8_body.h does what
 * doesn't fit: weights of more than 8 bits, large kernels. */
#include "kernels/dwconv_s8.h"
#include "kernels/put_s8.h"

#define QUADS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define QUADS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QUADS_UNROLL _Pragma("GCC unroll 4")
#endif

enum { QUADS_LANES = 4 * S8_NR, QUADS_MAX_GROUPS = 2, QUADS_MAX_WIDTH = 7, QUADS_COLUMNS = 24, QUADS_BLOCKS = 8 };

/* Weights of a block as the dot products want them; they follow each other in the packed block. */
typedef struct quads_head {
    int32_t bias[4 * S8_NR];
    float scale[4 * S8_NR];
    /* int8_t weights[n_rows][kernel_w][n_groups][4][4 * S8_NR] */
} quads_head;

/* How a task is cut: groups of four taps below each other, output rows at a time. */
typedef struct quads_plan {
    int n_groups, n_rows;
    size_t block_bytes;
} quads_plan;

static int quads_groups(const pith_dwconv_s8_task *t, int n_rows)
{
    return (t->kernel_h + (n_rows - 1) * t->stride_h + 3) / 4;
}

static quads_plan quads_plan_of(const pith_dwconv_s8_task *t)
{
    quads_plan plan = { .n_groups = quads_groups(t, 1), .n_rows = 1 };
    if (t->dilation_h == 1 && quads_groups(t, 2) == plan.n_groups) {
        plan.n_rows = 2;
    }
    plan.block_bytes = sizeof(quads_head) + (size_t)(plan.n_rows * t->kernel_w * plan.n_groups) * 4 * QUADS_LANES;
    return plan;
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* Pixels side by side in a block of so many channels. Eight where their bytes are neighbours. */
static int quads_together(const pith_dwconv_s8_task *t, size_t n_channels)
{
    if (t->n_channels == 8 && t->stride_w == 1 && QUADS_LANES == 64) {
        return 8;
    }
    return n_channels > QUADS_LANES / 2 ? 1 : n_channels > QUADS_LANES / 4 || QUADS_LANES < 64 ? 2 : 4;
}

static size_t pack_bytes(const pith_dwconv_s8_task *t)
{
    bool fits = quads_groups(t, 1) <= QUADS_MAX_GROUPS && t->kernel_w <= QUADS_MAX_WIDTH;
    for (int tap = 0; fits && tap < t->kernel_h * t->kernel_w; tap++) {
        for (size_t c = 0; c < t->n_channels; c++) {
            const int16_t w = t->w[(size_t)tap * t->w_stride + c];
            fits = fits && w >= -128 && w <= 127;
        }
    }
    for (size_t c = 0; c < t->n_channels; c++) {
        fits = fits && t->scale[c] < 1.0f && t->scale[c] > -1.0f;
    }
    return fits ? (t->n_channels + QUADS_LANES - 1) / QUADS_LANES * quads_plan_of(t).block_bytes : 0;
}

/* Place of a lane among the 32-bit words of four vectors: see s8_interleave. */
static int quads_word(int lane) { return lane / 4 % 4 * S8_NR + lane / 16 * 4 + lane % 4; }

static void quads_pack_lane(const pith_dwconv_s8_task *t, const quads_plan *plan, size_t c, int lane, quads_head *head)
{
    int8_t *weights = (int8_t *)(head + 1) + 4 * quads_word(lane);
    uint32_t sum = 0;
    for (int row = 0; row < plan->n_rows; row++) {
        for (int kx = 0; kx < t->kernel_w; kx++) {
            for (int k = 0; k < 4 * plan->n_groups; k++) {
                const int ky = k - row * t->stride_h;
                const bool is_tap = ky >= 0 && ky < t->kernel_h;
                const int16_t w = is_tap ? t->w[(size_t)(ky * t->kernel_w + kx) * t->w_stride + c] : (int16_t)0;
                const int quad = (row * t->kernel_w + kx) * plan->n_groups + k / 4;
                weights[(size_t)quad * 4 * QUADS_LANES + (size_t)(k % 4)] = (int8_t)w;
                sum += row == 0 ? (uint32_t)(w * t->x_zero) : 0;
            }
        }
    }
    head->bias[quads_word(lane)] = (int32_t)((uint32_t)t->bias[c] - sum);
    head->scale[quads_word(lane)] = t->scale[c];
}

static void pack(const pith_dwconv_s8_task *t, void *packed)
{
    const quads_plan plan = quads_plan_of(t);
    memset(packed, 0, pack_bytes(t));
    for (size_t c = 0; c < t->n_channels; c += QUADS_LANES) {
        const size_t left = t->n_channels - c, n = left < QUADS_LANES ? left : QUADS_LANES;
        const int width = QUADS_LANES / quads_together(t, n);
        quads_head *head = (quads_head *)(void *)((char *)packed + c / QUADS_LANES * plan.block_bytes);
        for (int lane = 0; lane < QUADS_LANES; lane++) {
            if (lane % width < (int)n) {
                quads_pack_lane(t, &plan, c + (size_t)(lane % width), lane, head);
            }
        }
    }
}

/* ---- quads ------------------------------------------------------------------------------------- */

/* A block of channels, and the quads under the windows of a few groups of pixels. */
typedef struct quads_strip {
    s8_v quads[QUADS_COLUMNS * QUADS_MAX_GROUPS * 4 + 8 * QUADS_MAX_WIDTH * QUADS_MAX_GROUPS];
    const pith_dwconv_s8_task *t;
    const quads_head *head;
    size_t c; /* first channel */
    s8_limits limits;
    s8_v flip;
    bool is_one;                       /* a block lies in one piece */
    int n_lanes, together, group_step; /* channels; pixels of a group; columns from a group to the next */
    int n_groups, n_rows;              /* of rows, in the quads; output rows */
    /* Column 0 of each row, and bytes to the next pixel; of those outside of the image `outside`, and 0. */
    const uint8_t *rows[4 * QUADS_MAX_GROUPS];
    ptrdiff_t steps[4 * QUADS_MAX_GROUPS];
    uint8_t outside[QUADS_LANES];
} quads_strip;

/* Pixels at the border: those outside of the image are zero points. */
static __attribute__((noinline)) void quads_load_border(const quads_strip *s, int ix, s8_v *quads)
{
    const pith_dwconv_s8_task *t = s->t;
    const int width = QUADS_LANES / s->together;
    if (ix + (s->together - 1) * t->stride_w < 0 || ix >= t->in_w) {
        const s8_v zeros = s8_xor(s8_load((const void *)s->outside), s->flip);
        for (int v = 0; v < 4 * s->n_groups; v++) {
            quads[v] = zeros;
        }
        return;
    }
    for (int g = 0; g < s->n_groups; g++, quads += 4) {
        uint8_t bytes[4][QUADS_LANES];
        s8_v x[4];
        for (int k = 0; k < 4; k++) {
            memcpy(bytes[k], s->outside, QUADS_LANES);
            for (int i = 0; i < s->together; i++) {
                const int at = ix + i * t->stride_w;
                if (at >= 0 && at < t->in_w) {
                    memcpy(bytes[k] + i * width, s->rows[4 * g + k] + at * s->steps[4 * g + k], (size_t)s->n_lanes);
                }
            }
            x[k] = s8_xor(s8_load((const void *)bytes[k]), s->flip);
        }
        s8_interleave(x, quads);
    }
}

/* Columns of the windows of n groups from that at ix. */
static void quads_load(quads_strip *s, int ix, int n)
{
    /* copies, for the quads could alias the originals */
    const int n_groups = s->n_groups, together = s->together;
    const int n_lanes = s->n_lanes, stride = s->t->stride_w, width = s->t->kernel_w, group_step = s->group_step;
    const int last = s->t->in_w - (together - 1) * stride, dilation = s->t->dilation_w;
    /* from a group's last column to the next one's first */
    const int jump = together * stride - (group_step - 1) * dilation;
    const s8_v flip = s->flip;
    const uint8_t *at[4 * QUADS_MAX_GROUPS];
    ptrdiff_t steps[4 * QUADS_MAX_GROUPS];
    s8_v *quads = s->quads;
    for (int k = 0; k < 4 * n_groups; k++) {
        steps[k] = s->steps[k];
        at[k] = s->rows[k] + ix * steps[k];
    }
    for (int left = (n - 1) * group_step + width, in_group = 1; left > 0; left--, in_group++) {
        if (ix < 0 || ix >= last || (together == 8 && !s->is_one)) {
            quads_load_border(s, ix, quads);
        } else if (s->is_one) {
            for (int g = 0; g < n_groups; g++) {
                s8_v x[4];
                for (int k = 0; k < 4; k++) {
                    x[k] = s8_xor(s8_load(at[4 * g + k]), flip);
                }
                s8_interleave(x, quads + 4 * g);
            }
        } else {
            for (int g = 0; g < n_groups; g++) {
                s8_v x[4];
                for (int k = 0; k < 4; k++) {
                    const ptrdiff_t step = steps[4 * g + k] * stride;
                    x[k] = s8_xor(s8_load_pieces(at[4 * g + k], step, n_lanes, together), flip);
                }
                s8_interleave(x, quads + 4 * g);
            }
        }
        const bool is_last = in_group == group_step;
        const int move = is_last ? jump : dilation;
        in_group = is_last ? 0 : in_group;
        ix += move;
        quads += 4 * n_groups;
        for (int k = 0; k < 4 * n_groups; k++) {
            at[k] += move * steps[k];
        }
    }
}

/* Neighbouring pixels of a few channels are as good as one of many. */
static bool quads_is_one(const quads_strip *s)
{
    const pith_dwconv_s8_task *t = s->t;
    const size_t width = (size_t)(QUADS_LANES / s->together);
    return (size_t)s->n_lanes == width && (s->together == 1 || (t->stride_w == 1 && t->x_pixel_stride == width &&
                                                                t->y_pixel_stride == width));
}

/* ---- windows ----------------------------------------------------------------------------------- */

/* Groups of pixels that aren't full. */
static __attribute__((noinline)) void quads_store_some(const quads_strip *s, const uint8_t *bytes, uint8_t *y, int n)
{
    const int width = QUADS_LANES / s->together;
    for (int i = 0; i < n; i++, y += s->t->y_pixel_stride) {
        if (s->n_lanes == width) {
            memcpy(y, bytes + i * width, (size_t)width);
        } else {
            s8_put(y, bytes + i * width, (size_t)s->n_lanes, QUADS_LANES);
        }
    }
}

/* A group of n pixels, as far as there are so many. */
QUADS_INLINE void quads_store(const quads_strip *s, s8_v bytes, uint8_t *y, int n)
{
    const size_t pixel = s->t->y_pixel_stride;
    if (s->is_one && n >= s->together) {
        s8_store(y, bytes);
    } else if (s->n_lanes == QUADS_LANES / 2 && s->together == 2 && n >= 2) {
        s8_store_part(y, bytes, 0, 2);
        s8_store_part(y + pixel, bytes, 1, 2);
    } else {
        uint8_t buffer[QUADS_LANES];
        s8_store(buffer, bytes);
        quads_store_some(s, buffer, y, n < s->together ? n : s->together);
    }
}

/* The results of a block; no product leaves the integers, see pack_bytes. */
QUADS_INLINE s8_v quads_bytes(const quads_strip *s, const s8_acc sums[4], const s8_limits *limits)
{
    s8_f scale[4];
    s8_v v[4];
    QUADS_UNROLL
    for (int i = 0; i < 4; i++) {
        scale[i] = s8_load_n_f(s->head->scale + i * S8_NR, S8_NR);
        v[i] = s8_end(sums[i], s8_load(s->head->bias + i * S8_NR));
    }
    QUADS_UNROLL
    for (int stage = 0; stage < S8_STAGES; stage++) {
        s8_stage(v, scale, limits, true, stage);
    }
    return s8_bytes_of(v, limits);
}

/* Sums of `rows` output rows of `pixels` groups, of which n pixels are wanted. */
QUADS_INLINE void quads_finish(const quads_strip *s, const s8_acc (*sums)[4], uint8_t *y, int n, const int rows,
                               const int pixels)
{
    const s8_limits limits = s->limits;
    const ptrdiff_t step = s->together * (ptrdiff_t)s->t->y_pixel_stride;
    const ptrdiff_t y_row = (ptrdiff_t)s->t->y_row_stride - pixels * step;
    QUADS_UNROLL
    for (int r = 0; r < rows; r++, y += y_row) {
        QUADS_UNROLL
        for (int p = 0; p < pixels; p++, y += step) {
            if (p * s->together < n) {
                quads_store(s, quads_bytes(s, sums[r * pixels + p], &limits), y, n - p * s->together);
            }
        }
    }
}

/* QUADS_PIXELS groups of pixels, of which n pixels are wanted, in `rows` output rows. */
QUADS_INLINE void quads_windows(const quads_strip *s, const s8_v *quads, uint8_t *y, int n, const int rows)
{
    const int n_taps = s->t->kernel_w * s->n_groups;
    const size_t next = (size_t)(s->group_step * s->n_groups * 4);
    const int8_t *w = (const int8_t *)(s->head + 1);
    const size_t w_row = (size_t)n_taps * 4 * QUADS_LANES;
    s8_acc sums[2 * QUADS_PIXELS][4];
    QUADS_UNROLL
    for (int v = 0; v < 4; v++) {
        const s8_v bias = s8_load(s->head->bias + v * S8_NR);
        QUADS_UNROLL
        for (int i = 0; i < rows * QUADS_PIXELS; i++) {
            sums[i][v] = s8_start(bias);
        }
    }
    for (int tap = 0; tap < n_taps; tap++, quads += 4, w += 4 * QUADS_LANES) {
        QUADS_UNROLL
        for (int v = 0; v < 4; v++) {
            s8_a x[QUADS_PIXELS];
            QUADS_UNROLL
            for (int p = 0; p < QUADS_PIXELS; p++) {
                x[p] = s8_as_a(s8_keep(quads[(size_t)p * next + (size_t)v]));
            }
            QUADS_UNROLL
            for (int r = 0; r < rows; r++) {
                const s8_b weights = s8_load_b(w + (size_t)r * w_row + v * QUADS_LANES);
                QUADS_UNROLL
                for (int p = 0; p < QUADS_PIXELS; p++) {
                    sums[r * QUADS_PIXELS + p][v] = s8_dot(sums[r * QUADS_PIXELS + p][v], x[p], weights);
                }
            }
        }
    }
    quads_finish(s, (const s8_acc(*)[4])sums, y, n, rows, QUADS_PIXELS);
}

/* One or two output rows of a block. */
static void quads_row(quads_strip *s, int oy)
{
    const pith_dwconv_s8_task *t = s->t;
    const int together = s->together;
    const int n_pixels = (t->out_w + together - 1) / together, width = t->kernel_w, apart = together * t->stride_w;
    const bool shares = t->dilation_w == 1 && apart < width;
    s->group_step = shares ? apart : width;
    const int fitting = 1 + (QUADS_COLUMNS - width) / s->group_step;
    const int n_blocks = fitting < QUADS_BLOCKS ? fitting / QUADS_PIXELS * QUADS_PIXELS : QUADS_BLOCKS;
    for (int first = 0; first < n_pixels; first += n_blocks) {
        const int n = n_pixels - first < n_blocks ? n_pixels - first : n_blocks;
        quads_load(s, first * apart - t->pad_left, n);
        for (int i = 0; i < n; i += QUADS_PIXELS) {
            const s8_v *quads = s->quads + i * s->group_step * s->n_groups * 4;
            const int ox = (first + i) * together;
            uint8_t *y = t->y + (size_t)oy * t->y_row_stride + (size_t)ox * t->y_pixel_stride + s->c;
            if (s->n_rows == 2) {
                quads_windows(s, quads, y, t->out_w - ox, 2);
            } else {
                quads_windows(s, quads, y, t->out_w - ox, 1);
            }
        }
    }
}

/* The column of quads at ix, in registers. */
QUADS_INLINE void quads_load_column(const quads_strip *s, int ix, s8_v quads[4], const bool is_one)
{
    const int n_lanes = s->n_lanes, together = s->together, stride = s->t->stride_w;
    if (ix < 0 || ix >= s->t->in_w - (together - 1) * stride || (!is_one && together == 8)) {
        s8_v border[4];
        quads_load_border(s, ix, border);
        QUADS_UNROLL
        for (int v = 0; v < 4; v++) {
            quads[v] = border[v];
        }
        return;
    }
    s8_v x[4];
    QUADS_UNROLL
    for (int k = 0; k < 4; k++) {
        const ptrdiff_t step = s->steps[k];
        const uint8_t *from = s->rows[k] + ix * step;
        x[k] = s8_xor(is_one ? s8_load(from) : s8_load_pieces(from, step * stride, n_lanes, together), s->flip);
    }
    s8_interleave(x, quads);
}

/* The same for windows of three columns and one group of rows, which stay in registers. */
QUADS_INLINE void quads_row_3(const quads_strip *s, int oy, const int rows, const bool is_one)
{
    const pith_dwconv_s8_task *t = s->t;
    const int apart = s->together * t->stride_w, out_w = t->out_w, together = s->together;
    const int8_t *weights = (const int8_t *)(s->head + 1);
    const size_t y_step = (size_t)together * t->y_pixel_stride, y_row = t->y_row_stride;
    const s8_limits limits = s->limits;
    uint8_t *y = t->y + (size_t)oy * t->y_row_stride + s->c;
    s8_v q[3][4];
    for (int i = 0; i < 12; i++) {
        q[i / 4][i % 4] = s->flip; /* for compilers that don't see that the first turn loads all */
    }
    for (int ox = 0, ix = -t->pad_left; ox < out_w; ox += together, ix += apart, y += y_step) {
        s8_acc sums[2][4];
        if (ox == 0 || apart >= 3) {
            quads_load_column(s, ix, q[0], is_one);
            quads_load_column(s, ix + 1, q[1], is_one);
        } else if (apart == 2) {
            memcpy(q[0], q[2], sizeof q[0]);
            quads_load_column(s, ix + 1, q[1], is_one);
        } else {
            memcpy(q[0], q[1], sizeof q[0]);
            memcpy(q[1], q[2], sizeof q[1]);
        }
        quads_load_column(s, ix + 2, q[2], is_one);
        QUADS_UNROLL
        for (int v = 0; v < 4; v++) {
            QUADS_UNROLL
            for (int r = 0; r < rows; r++) {
                sums[r][v] = s8_start(s8_load(s->head->bias + v * S8_NR));
                QUADS_UNROLL
                for (int kx = 0; kx < 3; kx++) {
                    const s8_b w = s8_load_b(weights + ((r * 3 + kx) * 4 + v) * QUADS_LANES);
                    sums[r][v] = s8_dot(sums[r][v], s8_as_a(q[kx][v]), w);
                }
            }
        }
        QUADS_UNROLL
        for (int r = 0; r < rows; r++) {
            const s8_v bytes = quads_bytes(s, (const s8_acc *)sums[r], &limits);
            if (is_one && ox + together <= out_w) {
                s8_store(y + (size_t)r * y_row, bytes);
            } else {
                quads_store(s, bytes, y + (size_t)r * y_row, out_w - ox);
            }
        }
    }
}

static void quads_row_3_one(const quads_strip *s, int oy)
{
    if (s->n_rows == 2) {
        quads_row_3(s, oy, 2, true);
    } else {
        quads_row_3(s, oy, 1, true);
    }
}

static void quads_row_3_any(const quads_strip *s, int oy)
{
    if (s->n_rows == 2) {
        quads_row_3(s, oy, 2, false);
    } else {
        quads_row_3(s, oy, 1, false);
    }
}

static void quads_rows(quads_strip *s, const quads_plan *plan)
{
    const pith_dwconv_s8_task *t = s->t;
    for (int oy = t->y_begin; oy < t->y_end; oy += s->n_rows) {
        s->n_rows = plan->n_rows < t->y_end - oy ? plan->n_rows : t->y_end - oy;
        for (int k = 0; k < 4 * s->n_groups; k++) {
            const int iy = oy * t->stride_h - t->pad_top + k * t->dilation_h;
            const bool is_tap = k < t->kernel_h + (s->n_rows - 1) * t->stride_h;
            const bool is_inside = is_tap && iy >= 0 && iy < t->in_h;
            s->rows[k] = is_inside ? t->x + (size_t)iy * t->x_row_stride + s->c : s->outside;
            s->steps[k] = is_inside ? (ptrdiff_t)t->x_pixel_stride : 0;
        }
        if (t->kernel_w == 3 && s->n_groups == 1 && t->dilation_w == 1) {
            if (s->is_one) {
                quads_row_3_one(s, oy);
            } else {
                quads_row_3_any(s, oy);
            }
        } else {
            quads_row(s, oy);
        }
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
    for (s.c = 0; s.c < t->n_channels; s.c += QUADS_LANES) {
        const size_t left = t->n_channels - s.c;
        s.n_lanes = (int)(left < QUADS_LANES ? left : QUADS_LANES);
        s.together = quads_together(t, (size_t)s.n_lanes);
        s.is_one = quads_is_one(&s);
        s.head = (const quads_head *)(const void *)((const char *)t->packed + s.c / QUADS_LANES * plan.block_bytes);
        quads_rows(&s, &plan);
    }
}

#define DWCONV_PACKED run_packed
#define DWCONV_PACK   pack_bytes, pack
#include "kernels/dwconv_s8_body.h"
