/* SPDX-License-Identifier: Apache-2.0 */
/* Four taps of a column at a time: their bytes are interleaved, so that vpdpbusd adds four products of a channel. A
 * block is 64 lanes: channels of one pixel, or of several neighbouring ones where a pixel has fewer. Taps outside of
 * the image read a block of zero points, whose share of the sum is in the bias like that of all others. Along a row,
 * interleaved columns are kept for the pixels that share them. */
#include <immintrin.h>

#include "kernels/dwconv_s8.h"

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL8 /* constant widths are unrolled anyway */
#else
#define UNROLL _Pragma("GCC unroll 4")
#define UNROLL8 _Pragma("GCC unroll 8")
#endif

enum { LANES = 64, MAX_QUADS = 16 };

/* Interleaving orders the lanes so that vector v holds, in each of its four 128-bit parts p, lanes 16p + 4v to + 3;
 * vpack* of the results brings them back. */
typedef struct packed {
    __m512i w[MAX_QUADS][4], bias[4];
    __m512 scale[4];
} packed;

/* Byte pointers of all taps, filled up to whole quads. */
typedef struct taps {
    const uint8_t *at[4 * MAX_QUADS];
    int n_quads;
} taps;

/* ---- weights ------------------------------------------------------------------------------- */

INLINE void interleave(const __m512i x[4], __m512i quads[4])
{
    const __m512i low01 = _mm512_unpacklo_epi8(x[0], x[1]), high01 = _mm512_unpackhi_epi8(x[0], x[1]);
    const __m512i low23 = _mm512_unpacklo_epi8(x[2], x[3]), high23 = _mm512_unpackhi_epi8(x[2], x[3]);
    quads[0] = _mm512_unpacklo_epi16(low01, low23);
    quads[1] = _mm512_unpackhi_epi16(low01, low23);
    quads[2] = _mm512_unpacklo_epi16(high01, high23);
    quads[3] = _mm512_unpackhi_epi16(high01, high23);
}

/* Quad q holds taps 4 * (q % per_column) to + 3 of column q / per_column; -1: there is no such tap. */
INLINE int tap_of(const pith_dwconv_s8_task *t, int q, int k)
{
    const int per_column = (t->kernel_h + 3) / 4, ky = 4 * (q % per_column) + k;
    return ky < t->kernel_h ? ky * t->kernel_w + q / per_column : -1;
}

static int count_quads(const pith_dwconv_s8_task *t) { return (t->kernel_h + 3) / 4 * t->kernel_w; }

/* A copy of `n` elements of 2 or 4 bytes, repeated with period `n` over 64 lanes, zeros behind `n_lanes`. */
static void spread(const void *from, size_t item_bytes, size_t n, size_t n_lanes, void *to)
{
    __builtin_memset(to, 0, LANES * item_bytes);
    for (size_t at = 0; at < n_lanes; at += n) {
        __builtin_memcpy((char *)to + at * item_bytes, from, (n_lanes - at < n ? n_lanes - at : n) * item_bytes);
    }
}

/* The weights of a tap as bytes; false if one doesn't fit. */
INLINE bool tap_weights(const int16_t lanes[LANES], __m512i *bytes)
{
    const __m512i a = _mm512_loadu_si512(lanes), b = _mm512_loadu_si512(lanes + LANES / 2);
    const __m256i low = _mm512_cvtsepi16_epi8(a), high = _mm512_cvtsepi16_epi8(b);
    *bytes = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    return (_mm512_cmpneq_epi16_mask(_mm512_cvtepi8_epi16(low), a) |
            _mm512_cmpneq_epi16_mask(_mm512_cvtepi8_epi16(high), b)) == 0;
}

/* Bias minus the zero point's share, and scale, as the vectors have them. False if a result might not fit 32 bits. */
static bool pack_ends(const pith_dwconv_s8_task *t, size_t c, size_t period, size_t n_lanes, packed *out)
{
    int32_t bias[LANES];
    float scale[LANES];
    const __m512i ones = _mm512_set1_epi8(1), zero = _mm512_set1_epi32(t->x_zero);
    const int n_quads = count_quads(t);
    const float largest_sum = (float)(t->kernel_h * t->kernel_w) * 255.0f * 128.0f;
    float largest = 0.0f;
    spread(t->bias + c, sizeof *bias, period, n_lanes, bias);
    spread(t->scale + c, sizeof *scale, period, n_lanes, scale);
    for (int i = 0; i < LANES; i++) {
        float bound = (largest_sum + __builtin_fabsf((float)bias[i])) * __builtin_fabsf(scale[i]);
        largest = bound > largest ? bound : largest;
    }
    for (int v = 0; v < 4; v++) {
        __m512i sum = _mm512_setzero_si512();
        for (int q = 0; q < n_quads; q++) {
            sum = _mm512_dpbusd_epi32(sum, ones, out->w[q][v]);
        }
        for (int p = 0; p < 4; p++) {
            __builtin_memcpy((char *)&out->bias[v] + 16 * p, bias + 16 * p + 4 * v, 16);
            __builtin_memcpy((char *)&out->scale[v] + 16 * p, scale + 16 * p + 4 * v, 16);
        }
        out->bias[v] = _mm512_sub_epi32(out->bias[v], _mm512_mullo_epi32(sum, zero));
    }
    return largest < 0x1p30f;
}

/* Lanes are channels from c, repeated with `period`. False if the numbers are too large for this way. */
static bool pack_block(const pith_dwconv_s8_task *t, size_t c, size_t period, size_t n_lanes, packed *out)
{
    int16_t lanes[LANES];
    bool fits = true;
    for (int q = 0; q < count_quads(t); q++) {
        __m512i x[4];
        for (int k = 0; k < 4; k++) {
            const int tap = tap_of(t, q, k);
            x[k] = _mm512_setzero_si512();
            if (tap >= 0) {
                spread(t->w + (size_t)tap * t->w_stride + c, sizeof *lanes, period, n_lanes, lanes);
                fits = tap_weights(lanes, &x[k]) && fits;
            }
        }
        interleave(x, out->w[q]);
    }
    return pack_ends(t, c, period, n_lanes, out) && fits;
}

/* ---- pixels -------------------------------------------------------------------------------- */

/* Sums to bytes. Packing saturates, so nothing is clamped before (run_quads() sees to it that a rounded value fits 32
 * bits), and the limits, which lie within those of the byte, are applied to 64 results at once. */
INLINE __m512i finish(const pith_dwconv_s8_task *t, const __m512i sums[4], const __m512 scale[4])
{
    const __m512i zero = _mm512_set1_epi16((short)t->zero);
    __m512i rounded[4];
    UNROLL
    for (int v = 0; v < 4; v++) {
        rounded[v] = _mm512_cvt_roundps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[v]), scale[v]),
                                              _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(rounded[0], rounded[1]), zero);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(rounded[2], rounded[3]), zero);
    if (t->low < 0) {
        const __m512i bytes = _mm512_max_epi8(_mm512_packs_epi16(low, high), _mm512_set1_epi8((char)t->low));
        return _mm512_min_epi8(bytes, _mm512_set1_epi8((char)t->high));
    }
    const __m512i bytes = _mm512_max_epu8(_mm512_packus_epi16(low, high), _mm512_set1_epi8((char)t->low));
    return _mm512_min_epu8(bytes, _mm512_set1_epi8((char)t->high));
}

INLINE __mmask64 lanes_mask(size_t n) { return n < LANES ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0; }

/* Masked stores of bytes take some 20 cycles on Zen 4 and 5, so they are left for what is no multiple of 16. */
INLINE void store_lanes(uint8_t *y, __m512i bytes, size_t n)
{
    if (n == LANES) {
        _mm512_storeu_si512(y, bytes);
        return;
    }
    if (n & 32) {
        _mm256_storeu_si256((__m256i *)(void *)y, _mm512_castsi512_si256(bytes));
        bytes = _mm512_shuffle_i64x2(bytes, bytes, 0xee);
        y += 32;
    }
    if (n & 16) {
        _mm_storeu_si128((__m128i *)(void *)y, _mm512_castsi512_si128(bytes));
        bytes = _mm512_shuffle_i64x2(bytes, bytes, 0x39);
        y += 16;
    }
    if (n & 15) {
        _mm_mask_storeu_epi8(y, (__mmask16)((1u << (n & 15)) - 1), _mm512_castsi512_si128(bytes));
    }
}

INLINE void block(const pith_dwconv_s8_task *t, const packed *b, const taps *list, ptrdiff_t offset, uint8_t *y,
                  size_t n_lanes, const bool flips)
{
    const __mmask64 mask = lanes_mask(n_lanes);
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    __m512i sums[4];
    UNROLL
    for (int v = 0; v < 4; v++) {
        sums[v] = b->bias[v];
    }
    for (int q = 0; q < list->n_quads; q++) {
        __m512i x[4], quads[4];
        UNROLL
        for (int k = 0; k < 4; k++) {
            x[k] = _mm512_maskz_loadu_epi8(mask, list->at[4 * q + k] + offset);
            x[k] = flips ? _mm512_xor_si512(x[k], flip) : x[k];
        }
        interleave(x, quads);
        UNROLL
        for (int v = 0; v < 4; v++) {
            sums[v] = _mm512_dpbusd_epi32(sums[v], quads[v], b->w[q][v]);
        }
    }
    store_lanes(y, finish(t, sums, b->scale), n_lanes);
}

/* Taps of the window at (iy, ix): those outside of the image read `zeros`; what fills the last quad has weight 0. */
static void list_taps(const pith_dwconv_s8_task *t, int iy, int ix, size_t c, const uint8_t *zeros, taps *list)
{
    list->n_quads = count_quads(t);
    for (int k = 0; k < 4 * list->n_quads; k++) {
        const int tap = tap_of(t, k / 4, k % 4), inside_tap = tap < 0 ? 0 : tap;
        const int y = iy + inside_tap / t->kernel_w * t->dilation_h, x = ix + inside_tap % t->kernel_w * t->dilation_w;
        const bool inside = y >= 0 && y < t->in_h && x >= 0 && x < t->in_w;
        const uint8_t *at = inside ? t->x + (size_t)y * t->x_row_stride + (size_t)x * t->x_pixel_stride + c : zeros;
        list->at[k] = tap >= 0 ? at : list->at[0];
    }
}

/* Columns [begin, end) whose windows lie inside of the image from left to right. */
static void inner_columns(const pith_dwconv_s8_task *t, int *begin_out, int *end_out)
{
    const int span = (t->kernel_w - 1) * t->dilation_w + 1, begin = (t->pad_left + t->stride_w - 1) / t->stride_w;
    const int end = t->in_w + t->pad_left >= span ? (t->in_w + t->pad_left - span) / t->stride_w + 1 : 0;
    *begin_out = begin < t->out_w ? begin : t->out_w;
    *end_out = end < *begin_out ? *begin_out : end < t->out_w ? end : t->out_w;
}

typedef struct row_task {
    const pith_dwconv_s8_task *t;
    const packed *block;
    const uint8_t *zeros;
    size_t c, n_lanes;  /* channels of a pixel in this block */
    int n_together;     /* pixels of a full block */
    int inner_begin, inner_end;
} row_task;

/* Otherwise some taps stay at `zeros` while the others move along the row. */
static bool rows_are_inside(const pith_dwconv_s8_task *t, int iy)
{
    return iy >= 0 && iy + (t->kernel_h - 1) * t->dilation_h < t->in_h;
}

INLINE void inner_row(const row_task *r, int oy, uint8_t *y, const bool flips)
{
    const pith_dwconv_s8_task *t = r->t;
    const int iy = oy * t->stride_h - t->pad_top;
    const ptrdiff_t step = (ptrdiff_t)t->stride_w * (ptrdiff_t)t->x_pixel_stride;
    taps list, moving;
    list_taps(t, iy, r->inner_begin * t->stride_w - t->pad_left, r->c, r->zeros, &list);
    const bool all_move = rows_are_inside(t, iy);
    moving = list;
    for (int ox = r->inner_begin; ox < r->inner_end;) {
        const int left = r->inner_end - ox, n = left < r->n_together ? left : r->n_together;
        const ptrdiff_t offset = (ptrdiff_t)(ox - r->inner_begin) * step;
        for (int k = 0; !all_move && k < 4 * list.n_quads; k++) {
            moving.at[k] = list.at[k] == r->zeros ? r->zeros : list.at[k] + offset;
        }
        block(t, r->block, &moving, all_move ? offset : 0, y + (size_t)ox * t->y_pixel_stride,
              (size_t)n * r->n_lanes, flips);
        ox += n;
    }
}

INLINE void row(const row_task *r, int oy, const bool flips)
{
    const pith_dwconv_s8_task *t = r->t;
    const int iy = oy * t->stride_h - t->pad_top;
    uint8_t *y = t->y + (size_t)oy * t->y_row_stride + r->c;
    for (int ox = 0; ox < t->out_w; ox++) {
        if (ox == r->inner_begin && r->inner_end > ox) {
            inner_row(r, oy, y, flips);
            ox = r->inner_end - 1;
            continue;
        }
        taps list;
        list_taps(t, iy, ox * t->stride_w - t->pad_left, r->c, r->zeros, &list);
        block(t, r->block, &list, 0, y + (size_t)ox * t->y_pixel_stride, r->n_lanes, flips);
    }
}

/* ---- rows with shared columns ---------------------------------------------------------------- */

enum { CHUNK = 8, MAX_WIDTH = 7, MAX_STRIDE = 2, MAX_COLUMNS = (CHUNK - 1) * MAX_STRIDE + MAX_WIDTH, MAX_GROUPS = 2 };

/* Interleaved columns under the windows of a few pixels. */
typedef struct strip {
    __m512i quads[MAX_COLUMNS][MAX_GROUPS][4];
    const uint8_t *rows[4 * MAX_GROUPS]; /* NULL: outside of the image, or behind the last tap */
} strip;

INLINE void load_column(const row_task *r, strip *columns, int ix, __m512i quads[MAX_GROUPS][4], const int n_groups,
                        const bool flips)
{
    const pith_dwconv_s8_task *t = r->t;
    const __mmask64 mask = lanes_mask(r->n_lanes);
    const __m512i zeros = _mm512_set1_epi8((char)t->x_zero), flip = _mm512_set1_epi8((char)0x80);
    const ptrdiff_t at = (ptrdiff_t)ix * (ptrdiff_t)t->x_pixel_stride;
    const bool inside = ix >= 0 && ix < t->in_w;
    UNROLL
    for (int g = 0; g < n_groups; g++) {
        __m512i x[4];
        UNROLL
        for (int k = 0; k < 4; k++) {
            const uint8_t *row = columns->rows[4 * g + k];
            x[k] = zeros;
            if (inside && row) {
                x[k] = _mm512_maskz_loadu_epi8(mask, row + at);
                x[k] = flips ? _mm512_xor_si512(x[k], flip) : x[k];
            }
        }
        interleave(x, quads[g]);
    }
}

INLINE void strip_pixel(const row_task *r, __m512i (*quads)[MAX_GROUPS][4], uint8_t *y, const int width,
                        const int n_groups)
{
    const packed *b = r->block;
    __m512i sums[4];
    UNROLL
    for (int v = 0; v < 4; v++) {
        sums[v] = b->bias[v];
    }
    UNROLL8
    for (int kx = 0; kx < width; kx++) {
        UNROLL
        for (int g = 0; g < n_groups; g++) {
            UNROLL
            for (int v = 0; v < 4; v++) {
                sums[v] = _mm512_dpbusd_epi32(sums[v], quads[kx][g][v], b->w[kx * n_groups + g][v]);
            }
        }
    }
    store_lanes(y, finish(r->t, sums, b->scale), r->n_lanes);
}

INLINE void strip_row(const row_task *r, int oy, uint8_t *y, const int width, const int n_groups, const bool flips)
{
    const pith_dwconv_s8_task *t = r->t;
    strip columns;
    for (int k = 0; k < 4 * n_groups; k++) {
        const int iy = oy * t->stride_h - t->pad_top + k * t->dilation_h;
        const bool inside = k < t->kernel_h && iy >= 0 && iy < t->in_h;
        columns.rows[k] = inside ? t->x + (size_t)iy * t->x_row_stride + r->c : NULL;
    }
    for (int ox = 0; ox < t->out_w; ox += CHUNK) {
        const int n = t->out_w - ox < CHUNK ? t->out_w - ox : CHUNK, n_columns = (n - 1) * t->stride_w + width;
        for (int i = 0; i < n_columns; i++) {
            load_column(r, &columns, ox * t->stride_w - t->pad_left + i, columns.quads[i], n_groups, flips);
        }
        for (int i = 0; i < n; i++) {
            strip_pixel(r, columns.quads + i * t->stride_w, y + (size_t)(ox + i) * t->y_pixel_stride, width, n_groups);
        }
    }
}

INLINE bool can_strip(const row_task *r)
{
    const pith_dwconv_s8_task *t = r->t;
    return r->n_together == 1 && t->dilation_w == 1 && t->stride_w <= MAX_STRIDE && t->kernel_w <= MAX_WIDTH &&
           t->kernel_h <= 4 * MAX_GROUPS;
}

/* One row of a block. */
INLINE void any_row(const row_task *r, int oy, const bool flips)
{
    const pith_dwconv_s8_task *t = r->t;
    uint8_t *y = t->y + (size_t)oy * t->y_row_stride + r->c;
    if (!can_strip(r)) {
        row(r, oy, flips);
    } else if (t->kernel_w == 3 && t->kernel_h <= 4) {
        strip_row(r, oy, y, 3, 1, flips);
    } else if (t->kernel_w == 5 && t->kernel_h > 4) {
        strip_row(r, oy, y, 5, 2, flips);
    } else if (t->kernel_h <= 4) {
        strip_row(r, oy, y, t->kernel_w, 1, flips);
    } else {
        strip_row(r, oy, y, t->kernel_w, 2, flips);
    }
}

/* Neighbouring pixels share a block where their bytes are one after the other. */
static int pixels_together(const pith_dwconv_s8_task *t)
{
    const bool is_dense = t->x_pixel_stride == t->n_channels && t->y_pixel_stride == t->n_channels;
    return is_dense && t->stride_w == 1 && t->n_channels < LANES ? (int)(LANES / t->n_channels) : 1;
}

/* False if the numbers are too large: all is to be done anew. */
static bool run_quads(const pith_dwconv_s8_task *t)
{
    uint8_t zeros[LANES];
    packed weights;
    row_task r = { .t = t, .block = &weights, .zeros = zeros, .n_together = pixels_together(t) };
    __builtin_memset(zeros, t->x_zero ^ t->x_flip, sizeof zeros);
    inner_columns(t, &r.inner_begin, &r.inner_end);
    for (r.c = 0; r.c < t->n_channels; r.c += LANES) {
        r.n_lanes = t->n_channels - r.c < LANES ? t->n_channels - r.c : LANES;
        if (!pack_block(t, r.c, r.n_lanes, (size_t)r.n_together * r.n_lanes, &weights)) {
            return false;
        }
        for (int oy = t->y_begin; oy < t->y_end; oy++) {
            if (t->x_flip) {
                any_row(&r, oy, true);
            } else {
                any_row(&r, oy, false);
            }
        }
    }
    return true;
}

#define DWCONV_NAME          "dwconv_s8_quads__x86_vnni"
#define DWCONV_SMALL(task)   (count_quads(task) <= MAX_QUADS && run_quads(task))
#define DWCONV_SMALL_TAPS    (4 * MAX_QUADS)
#include "kernels/dwconv_s8_body.h"

PITH_EXPORT_KERNEL(dwconv_s8, x86_vnni, records);
