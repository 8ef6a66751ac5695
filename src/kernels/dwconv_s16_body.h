/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_s16 once for all vector lengths, in words that the including file defines:
 *
 *   s16_v                   vectors of S16_LANES numbers of 16 bits, or of half as many of 32 bits
 *   s16_load, s16_store, s16_set(number), s16_xor
 *   s16_load_bytes          S16_LANES unsigned bytes
 *   s16_zip_low, s16_zip_high   pairs of neighbouring lanes of two vectors, in whatever order of channels
 *   s16_dot(acc, a, b)      acc + the sums of two products of neighbours
 *   s16_round(sums, scale, finish)   numbers of 32 bits to results
 *   s16_join(low, high)     undoes the order of zip_low and zip_high: S16_LANES results of 16 bits
 *   s16_narrow(to, v)       stores their low bytes
 *
 * Rows of the image are copied to scratch, with their borders and as signed numbers, pixels that are a stride apart
 * behind each other: then a tap of all results of a row is a stretch at some distance, whatever the width, and vectors
 * cross from pixel to pixel. Weights are kept for the whole period of channels in vectors. Two taps are interleaved, so
 * that a dot product adds both; the share of the zero point is in the bias. */
#include <limits.h>
#include <string.h>

#include "base/base.h"
#include "kernels/dwconv_s16.h"

#define DW_INLINE static inline __attribute__((always_inline))

/* In front of a vector's weights, [pair][2][S16_LANES]. */
typedef struct dw_head {
    int32_t bias[S16_LANES];
    float scale[S16_LANES];
} dw_head;

/* What turns numbers of x, bytes with zeros in front of them, into signed ones that are `dw_shift` less: words of x -
 * 32768, or of x as they are; bytes of x - 32768, or of x + 128 - 32768. */
static uint16_t dw_flip(const pith_dwconv_s16_task *t)
{
    return t->x_is_bytes ? (t->x_is_signed ? 0x8080 : 0x8000) : (t->x_is_signed ? 0 : 0x8000);
}

static int32_t dw_shift(const pith_dwconv_s16_task *t)
{
    return t->x_is_bytes && t->x_is_signed ? 32768 - 128 : t->x_is_signed ? 0 : 32768;
}

static int dw_pairs(const pith_dwconv_s16_task *t) { return (t->kernel_h * t->kernel_w + 1) / 2; }

static size_t dw_vector_bytes(const pith_dwconv_s16_task *t)
{
    return sizeof(dw_head) + (size_t)dw_pairs(t) * 2 * S16_LANES * sizeof(int16_t);
}

/* Vectors until the first one's channels come again. */
static size_t dw_period(const pith_dwconv_s16_task *t)
{
    size_t period = t->n_channels;
    for (size_t lanes = S16_LANES; lanes % 2 == 0 && period % 2 == 0; lanes /= 2) {
        period /= 2;
    }
    return period;
}

static size_t pack_bytes(const pith_dwconv_s16_task *t) { return dw_period(t) * dw_vector_bytes(t); }

static void dw_pack_vector(const pith_dwconv_s16_task *t, size_t vector, dw_head *head)
{
    const int n_taps = t->kernel_h * t->kernel_w;
    int16_t order[S16_LANES], zipped[2 * S16_LANES], *to = (int16_t *)(head + 1);
    for (int i = 0; i < S16_LANES; i++) {
        order[i] = (int16_t)i;
    }
    s16_store(zipped, s16_zip_low(s16_load(order), s16_load(order)));
    s16_store(zipped + S16_LANES, s16_zip_high(s16_load(order), s16_load(order)));
    for (int i = 0; i < S16_LANES; i++) {
        const size_t channel = (vector * S16_LANES + (size_t)zipped[2 * i]) % t->n_channels;
        int64_t sum = 0;
        for (int tap = 0; tap < 2 * dw_pairs(t); tap++) {
            const int16_t w = tap < n_taps ? t->w[(size_t)tap * t->n_channels + channel] : (int16_t)0;
            to[tap / 2 * 2 * S16_LANES + 2 * i + tap % 2] = w;
            sum += w;
        }
        const int64_t shift = dw_shift(t) - t->x_zero;
        head->bias[i] = (int32_t)(t->bias[channel] + shift * sum);
        head->scale[i] = t->scale[channel];
    }
}

static void pack(const pith_dwconv_s16_task *t, void *packed)
{
    for (size_t i = 0; i < dw_period(t); i++) {
        dw_pack_vector(t, i, (dw_head *)(void *)((char *)packed + i * dw_vector_bytes(t)));
    }
}

/* ---- rows in scratch ---------------------------------------------------------------------------- */

/* kernel_h rows, [phase of the stride][pixel][channel] each. */
typedef struct dw_rows {
    uint16_t *numbers;
    const uint16_t **taps; /* of an output row; one more, for an odd number of them */
    int *held;             /* which row of the image each one is */
    size_t n_pixels, phase, row; /* pixels of a row; numbers of a phase, of a row: whole vectors */
    size_t start;                /* bytes in front of the numbers */
} dw_rows;

static dw_rows dw_rows_of(const pith_dwconv_s16_task *t)
{
    const size_t stride = (size_t)t->stride_w, reach = (size_t)(t->kernel_w - 1) * (size_t)t->dilation_w;
    const size_t n_taps = (size_t)(t->kernel_h * t->kernel_w);
    dw_rows rows = { .n_pixels = (size_t)(t->out_w - 1) * stride + reach + 1 };
    rows.phase = pithi_align_up((rows.n_pixels + stride - 1) / stride * t->n_channels, S16_LANES);
    const size_t n_phases = stride < rows.n_pixels ? stride : rows.n_pixels;
    rows.row = n_phases * rows.phase + S16_LANES; /* the last vector reads behind */
    rows.start = pithi_align_up((n_taps + 1) * sizeof(void *) + (size_t)t->kernel_h * sizeof(int), PITH_ALIGNMENT);
    return rows;
}

static size_t scratch_bytes(const pith_dwconv_s16_task *t)
{
    const dw_rows rows = dw_rows_of(t);
    return rows.start + (size_t)t->kernel_h * rows.row * sizeof(uint16_t);
}

/* n numbers with flipped signs, or not. */
DW_INLINE void dw_copy(uint16_t *to, const char *from, size_t n, uint16_t flip, const bool are_bytes)
{
    const s16_v flips = s16_set((int16_t)flip);
    const size_t item = are_bytes ? 1 : 2;
    for (size_t i = 0; i < n && n >= S16_LANES; i += S16_LANES) {
        const size_t at = i + S16_LANES <= n ? i : n - S16_LANES;
        const char *x = from + at * item;
        s16_store(to + at, s16_xor(are_bytes ? s16_load_bytes(x) : s16_load(x), flips));
    }
    for (size_t i = 0; i < n && n < S16_LANES; i++) {
        const uint16_t x = are_bytes ? ((const uint8_t *)from)[i] : ((const uint16_t *)(const void *)from)[i];
        to[i] = x ^ flip;
    }
}

static void dw_copy_row(const pith_dwconv_s16_task *t, const dw_rows *rows, int y, uint16_t *to)
{
    const uint16_t flip = dw_flip(t), zero = (uint16_t)(t->x_zero - dw_shift(t));
    const size_t item = t->x_is_bytes ? 1 : 2;
    const bool is_inside = y >= 0 && y < t->in_h;
    const size_t n = t->n_channels, stride = (size_t)t->stride_w;
    const size_t begin = is_inside && (size_t)t->pad_left < rows->n_pixels ? (size_t)t->pad_left : rows->n_pixels;
    const size_t left = rows->n_pixels - begin, count = left < (size_t)t->in_w ? left : (size_t)t->in_w;
    const char *from = is_inside ? (const char *)t->x + (size_t)y * (size_t)t->in_w * n * item : NULL;
    const size_t run = stride == 1 ? count : 1; /* pixels that stay together */
    for (size_t i = 0, phase = 0, at = 0, step = 1; i < rows->n_pixels; i += step) {
        uint16_t *pixel = to + phase * rows->phase + at;
        if (i >= begin && i < begin + count) {
            step = run;
            if (t->x_is_bytes) {
                dw_copy(pixel, from, step * n, flip, true);
            } else {
                dw_copy(pixel, from, step * n, flip, false);
            }
            from += step * n * item;
        } else {
            step = 1;
            for (size_t c = 0; c < n; c++) {
                pixel[c] = zero;
            }
        }
        phase = stride > 1 && phase + 1 < stride ? phase + 1 : 0;
        at += phase == 0 ? step * n : 0;
    }
}

/* Rows next to each other stay for the next output row. */
static void dw_set_taps(const pith_dwconv_s16_task *t, const dw_rows *rows, int oy)
{
    const uint16_t **taps = rows->taps;
    for (int ky = 0; ky < t->kernel_h; ky++) {
        const int y = oy * t->stride_h - t->pad_top + ky * t->dilation_h;
        const int slot = t->dilation_h > 1 ? ky : (y % t->kernel_h + t->kernel_h) % t->kernel_h;
        uint16_t *row = rows->numbers + (size_t)slot * rows->row;
        if (rows->held[slot] != y) {
            dw_copy_row(t, rows, y, row);
            rows->held[slot] = y;
        }
        for (int kx = 0; kx < t->kernel_w; kx++) {
            const size_t x = (size_t)(kx * t->dilation_w), stride = (size_t)t->stride_w;
            *taps++ = row + x % stride * rows->phase + x / stride * t->n_channels;
        }
    }
    *taps = taps[-1]; /* meets weights of 0 */
}

/* ---- run --------------------------------------------------------------------------------------- */

/* n results, all of an output row: those of the same weights behind each other. */
DW_INLINE void dw_line(const pith_dwconv_s16_task *t, const uint16_t *const *taps, size_t n, char *y, const int n_pairs)
{
    const pith_s16_finish finish = t->finish;
    const bool is_wide = pith_s16_bytes(finish.type) == 2;
    const size_t item = is_wide ? 2 : 1, vector_bytes = dw_vector_bytes(t), step = dw_period(t) * S16_LANES;
    const char *from = t->packed;
    for (size_t first = 0; first < step && first < n; first += S16_LANES, from += vector_bytes) {
        const dw_head *head = (const dw_head *)(const void *)from;
        for (size_t at = first; at < n; at += step) {
            const int16_t *w = (const int16_t *)(head + 1);
            s16_v low = s16_load(head->bias), high = s16_load(head->bias + S16_LANES / 2);
            for (int pair = 0; pair < n_pairs; pair++, w += 2 * S16_LANES) {
                const s16_v a = s16_load(taps[2 * pair] + at), b = s16_load(taps[2 * pair + 1] + at);
                low = s16_dot(low, s16_zip_low(a, b), s16_load(w));
                high = s16_dot(high, s16_zip_high(a, b), s16_load(w + S16_LANES));
            }
            const s16_v all = s16_join(s16_round(low, head->scale, &finish),
                                       s16_round(high, head->scale + S16_LANES / 2, &finish));
            const bool is_whole = at + S16_LANES <= n;
            uint16_t buffer[S16_LANES];
            void *to = is_whole ? (void *)(y + at * item) : buffer;
            if (is_wide) {
                s16_store(to, all);
            } else {
                s16_narrow(to, all);
            }
            if (!is_whole) {
                memcpy(y + at * item, buffer, (n - at) * item);
            }
        }
    }
}

static void run(const pith_dwconv_s16_task *t)
{
    const size_t n = t->n_channels * (size_t)t->out_w, item = pith_s16_bytes(t->finish.type);
    dw_rows rows = dw_rows_of(t);
    rows.taps = t->scratch;
    rows.held = (int *)(void *)(rows.taps + t->kernel_h * t->kernel_w + 1);
    rows.numbers = (uint16_t *)(void *)((char *)t->scratch + rows.start);
    for (int ky = 0; ky < t->kernel_h; ky++) {
        rows.held[ky] = INT_MIN;
    }
    for (int oy = t->y_begin; oy < t->y_end; oy++) {
        char *y = (char *)t->y + (size_t)oy * n * item;
        dw_set_taps(t, &rows, oy);
        if (dw_pairs(t) == 5) {
            dw_line(t, rows.taps, n, y, 5);
        } else {
            dw_line(t, rows.taps, n, y, dw_pairs(t));
        }
    }
}

static const pith_dwconv_s16 records[] = { { { DWCONV_NAME, PITH_EXACT }, run, pack_bytes, pack, scratch_bytes } };
