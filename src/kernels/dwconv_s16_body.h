/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_s16 once for all vector lengths, in words that the including file defines:
 *
 *   s16_v                   vectors of S16_LANES numbers of 16 bits, or of half as many of 32 bits
 *   s16_load, s16_store, s16_set(number), s16_xor
 *   s16_zip_low, s16_zip_high   pairs of neighbouring lanes of two vectors, in whatever order of channels
 *   s16_dot(acc, a, b)      acc + the sums of two products of neighbours
 *   s16_round(sums, scale, finish)   numbers of 32 bits to results
 *   s16_join(low, high)     undoes the order of zip_low and zip_high: S16_LANES results of 16 bits
 *   s16_narrow(to, v)       stores their low bytes
 *
 * A block is S16_LANES channels. Two taps are interleaved, so that a dot product adds both; numbers are signed there
 * (x - 32768 of unsigned ones), and the share of the zero point is in the bias. The last block begins earlier where
 * channels don't fill it; fewer channels than a block go through buffers. */
#include <string.h>

#include "kernels/dwconv_s16.h"

#define DW_INLINE static inline __attribute__((always_inline))

/* In front of a block's weights, [pair][2][S16_LANES]. */
typedef struct dw_head {
    int32_t bias[S16_LANES];
    float scale[S16_LANES];
} dw_head;

static int dw_pairs(const pith_dwconv_s16_task *t) { return (t->kernel_h * t->kernel_w + 1) / 2; }

static size_t dw_block_bytes(const pith_dwconv_s16_task *t)
{
    return sizeof(dw_head) + (size_t)dw_pairs(t) * 2 * S16_LANES * sizeof(int16_t);
}

static size_t dw_first(const pith_dwconv_s16_task *t, size_t block)
{
    const size_t c = block * S16_LANES;
    return c + S16_LANES > t->n_channels && c > 0 ? t->n_channels - S16_LANES : c;
}

static size_t pack_bytes(const pith_dwconv_s16_task *t)
{
    return (t->n_channels + S16_LANES - 1) / S16_LANES * dw_block_bytes(t);
}

static void dw_pack_block(const pith_dwconv_s16_task *t, size_t c, dw_head *head)
{
    const int n_taps = t->kernel_h * t->kernel_w;
    int16_t order[S16_LANES], zipped[2 * S16_LANES], *to = (int16_t *)(head + 1);
    for (int i = 0; i < S16_LANES; i++) {
        order[i] = (int16_t)i;
    }
    s16_store(zipped, s16_zip_low(s16_load(order), s16_load(order)));
    s16_store(zipped + S16_LANES, s16_zip_high(s16_load(order), s16_load(order)));
    for (int i = 0; i < S16_LANES; i++) {
        const size_t channel = c + (size_t)zipped[2 * i];
        int64_t sum = 0;
        for (int tap = 0; tap < 2 * dw_pairs(t) && channel < t->n_channels; tap++) {
            const int16_t w = tap < n_taps ? t->w[(size_t)tap * t->n_channels + channel] : (int16_t)0;
            to[tap / 2 * 2 * S16_LANES + 2 * i + tap % 2] = w;
            sum += w;
        }
        if (channel < t->n_channels) {
            const int64_t shift = (t->x_is_signed ? 0 : 32768) - t->x_zero;
            head->bias[i] = (int32_t)(t->bias[channel] + shift * sum);
            head->scale[i] = t->scale[channel];
        }
    }
}

static void pack(const pith_dwconv_s16_task *t, void *packed)
{
    memset(packed, 0, pack_bytes(t));
    for (size_t block = 0; block * S16_LANES < t->n_channels; block++) {
        dw_pack_block(t, dw_first(t, block), (dw_head *)(void *)((char *)packed + block * dw_block_bytes(t)));
    }
}

/* ---- run --------------------------------------------------------------------------------------- */

DW_INLINE s16_v dw_load(const uint16_t *from, size_t n, s16_v flip)
{
    uint16_t buffer[S16_LANES] = { 0 };
    if (n < S16_LANES) {
        memcpy(buffer, from, n * sizeof *from);
        from = buffer;
    }
    return s16_xor(s16_load(from), flip);
}

/* Channels c .. c + n - 1 of one pixel, n at most S16_LANES. */
DW_INLINE void dw_block(const pith_dwconv_s16_task *t, size_t c, size_t n, const dw_head *head, char *y)
{
    const s16_v flip = s16_set(t->x_is_signed ? 0 : (int16_t)0x8000);
    const uint16_t *const *taps = (const uint16_t *const *)t->taps;
    const int16_t *w = (const int16_t *)(head + 1);
    s16_v low = s16_load(head->bias), high = s16_load(head->bias + S16_LANES / 2);
    for (int pair = 0; pair < dw_pairs(t); pair++, w += 2 * S16_LANES) {
        const s16_v a = dw_load(taps[2 * pair] + c, n, flip), b = dw_load(taps[2 * pair + 1] + c, n, flip);
        low = s16_dot(low, s16_zip_low(a, b), s16_load(w));
        high = s16_dot(high, s16_zip_high(a, b), s16_load(w + S16_LANES));
    }
    const s16_v all = s16_join(s16_round(low, head->scale, &t->finish),
                               s16_round(high, head->scale + S16_LANES / 2, &t->finish));
    const size_t item = pith_s16_bytes(t->finish.type);
    uint16_t buffer[S16_LANES];
    char *to = n < S16_LANES ? (char *)buffer : y + c * item;
    if (item == 2) {
        s16_store(to, all);
    } else {
        s16_narrow(to, all);
    }
    if (n < S16_LANES) {
        memcpy(y + c * item, buffer, n * item);
    }
}

static void dw_set_taps(const pith_dwconv_s16_task *t, int oy, int ox)
{
    const int iy = oy * t->stride_h - t->pad_top, ix = ox * t->stride_w - t->pad_left;
    int tap = 0;
    for (int ky = 0; ky < t->kernel_h; ky++) {
        const int y = iy + ky * t->dilation_h;
        for (int kx = 0; kx < t->kernel_w; kx++, tap++) {
            const int x = ix + kx * t->dilation_w;
            const bool is_inside = y >= 0 && y < t->in_h && x >= 0 && x < t->in_w;
            const ptrdiff_t pixel = (ptrdiff_t)y * t->in_w + x;
            t->taps[tap] = is_inside ? t->x + pixel * (ptrdiff_t)t->n_channels : t->zeros;
        }
    }
    t->taps[tap] = t->zeros; /* of an odd number: meets weights of 0 */
}

/* The window one output pixel further on; false if it leaves the image there, or did before. */
static bool dw_advance(const pith_dwconv_s16_task *t, int ox)
{
    const int before = (ox - 1) * t->stride_w - t->pad_left;
    const int last = ox * t->stride_w - t->pad_left + (t->kernel_w - 1) * t->dilation_w;
    const ptrdiff_t step = (ptrdiff_t)t->stride_w * (ptrdiff_t)t->n_channels;
    if (ox == 0 || before < 0 || last >= t->in_w) {
        return false;
    }
    for (int tap = 0; tap < t->kernel_h * t->kernel_w; tap++) {
        const uint16_t *from = t->taps[tap];
        t->taps[tap] = from == t->zeros ? from : from + step;
    }
    return true;
}

static void run(const pith_dwconv_s16_task *t)
{
    const size_t n = t->n_channels, item = pith_s16_bytes(t->finish.type);
    for (int oy = t->y_begin; oy < t->y_end; oy++) {
        for (int ox = 0; ox < t->out_w; ox++) {
            char *y = (char *)t->y + ((size_t)oy * (size_t)t->out_w + (size_t)ox) * n * item;
            const char *packed = t->packed;
            if (!dw_advance(t, ox)) {
                dw_set_taps(t, oy, ox);
            }
            for (size_t block = 0; block * S16_LANES < n; block++, packed += dw_block_bytes(t)) {
                const dw_head *head = (const dw_head *)(const void *)packed;
                if (n < S16_LANES) {
                    dw_block(t, 0, n, head, y);
                } else {
                    dw_block(t, dw_first(t, block), S16_LANES, head, y);
                }
            }
        }
    }
}

static const pith_dwconv_s16 records[] = { { { DWCONV_NAME, PITH_EXACT }, run, pack_bytes, pack } };
