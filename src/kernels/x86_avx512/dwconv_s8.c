/* SPDX-License-Identifier: Apache-2.0 */
/* Two taps at a time: their pixels and weights, as 16-bit numbers, are interleaved, and vpmaddwd
 * adds both products of a channel. 32 channels of up to 4 output pixels share the interleaved
 * weights. Inside the image taps are a list of offsets made once; at its border each pixel has a
 * list of its own. */
#include <immintrin.h>

#include "kernels/dwconv_s8.h"

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 4")
#endif

enum { PIXELS = 4, BLOCK = 32, MAX_TAPS = 64 };

typedef struct taps {
    int n;
    ptrdiff_t x[MAX_TAPS], w[MAX_TAPS];
} taps;

/* Taps in the image of a window that starts at (iy, ix). */
static void list_taps(const pith_dwconv_s8_task *t, int iy, int ix, taps *list)
{
    list->n = 0;
    for (int k = 0; k < t->kernel_h * t->kernel_w; k++) {
        int dy = k / t->kernel_w * t->dilation_h, dx = k % t->kernel_w * t->dilation_w;
        if (iy + dy >= 0 && iy + dy < t->in_h && ix + dx >= 0 && ix + dx < t->in_w) {
            list->x[list->n] = (ptrdiff_t)dy * (ptrdiff_t)t->x_row_stride +
                               (ptrdiff_t)dx * (ptrdiff_t)t->x_pixel_stride;
            list->w[list->n++] = (ptrdiff_t)k * (ptrdiff_t)t->w_stride;
        }
    }
}

INLINE __m512i load_x(const uint8_t *x, __mmask32 mask, __m256i flip, __m512i zero)
{
    __m256i bytes = _mm256_xor_si256(_mm256_maskz_loadu_epi8(mask, x), flip);
    return _mm512_sub_epi16(_mm512_cvtepu8_epi16(bytes), zero);
}

INLINE __m128i finish(const pith_dwconv_s8_task *t, __m512i sum, size_t c, __mmask16 mask)
{
    __m512 lo = _mm512_set1_ps((float)(t->low - t->zero)),
           hi = _mm512_set1_ps((float)(t->high - t->zero));
    sum = _mm512_add_epi32(sum, _mm512_maskz_loadu_epi32(mask, t->bias + c));
    __m512 value =
        _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_maskz_loadu_ps(mask, t->scale + c));
    value = _mm512_min_ps(_mm512_max_ps(value, lo), hi);
    __m512i rounded =
        _mm512_cvt_roundps_epi32(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm512_cvtepi32_epi8(_mm512_add_epi32(rounded, _mm512_set1_epi32(t->zero)));
}

/* Channels [c, c + 32) under the mask of `pixels` output pixels; the first window starts at x. */
INLINE void block(const pith_dwconv_s8_task *t, const taps *list, const int pixels,
                  const uint8_t *x, uint8_t *y, size_t c, __mmask32 mask)
{
    const size_t x_step = (size_t)t->stride_w * t->x_pixel_stride;
    const __m256i flip = _mm256_set1_epi8((char)t->x_flip);
    const __m512i zero = _mm512_set1_epi16((short)t->x_zero);
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    __m512i low[PIXELS], high[PIXELS];
    UNROLL
    for (int p = 0; p < pixels; p++) {
        low[p] = high[p] = _mm512_setzero_si512();
    }
    for (int i = 0; i < list->n; i += 2) {
        const bool has_two = i + 1 < list->n;
        __m512i w0 = _mm512_maskz_loadu_epi16(mask, t->w + list->w[i] + c);
        __m512i w1 = has_two ? _mm512_maskz_loadu_epi16(mask, t->w + list->w[i + 1] + c)
                             : _mm512_setzero_si512();
        __m512i w_low = _mm512_unpacklo_epi16(w0, w1), w_high = _mm512_unpackhi_epi16(w0, w1);
        UNROLL
        for (int p = 0; p < pixels; p++) {
            const uint8_t *at = x + (size_t)p * x_step + c;
            __m512i x0 = load_x(at + list->x[i], mask, flip, zero);
            __m512i x1 =
                has_two ? load_x(at + list->x[i + 1], mask, flip, zero) : _mm512_setzero_si512();
            low[p] =
                _mm512_add_epi32(low[p], _mm512_madd_epi16(_mm512_unpacklo_epi16(x0, x1), w_low));
            high[p] =
                _mm512_add_epi32(high[p], _mm512_madd_epi16(_mm512_unpackhi_epi16(x0, x1), w_high));
        }
    }
    UNROLL
    for (int p = 0; p < pixels; p++) {
        __m128i a =
            finish(t, _mm512_permutex2var_epi64(low[p], first, high[p]), c, (__mmask16)mask);
        __m128i b = finish(t, _mm512_permutex2var_epi64(low[p], second, high[p]), c + 16,
                           (__mmask16)(mask >> 16));
        _mm256_mask_storeu_epi8(y + (size_t)p * t->y_pixel_stride + c, mask,
                                _mm256_set_m128i(b, a));
    }
}

INLINE void all_channels(const pith_dwconv_s8_task *t, const taps *list, const int pixels,
                         const uint8_t *x, uint8_t *y)
{
    for (size_t c = 0; c < t->n_channels; c += BLOCK) {
        size_t n = t->n_channels - c;
        __mmask32 mask = n >= BLOCK ? 0xffffffffu : (1u << n) - 1;
        block(t, list, pixels, x, y, c, mask);
    }
}

/* Columns [begin, end) of a row whose windows lie inside the image from left to right. */
static void inner_columns(const pith_dwconv_s8_task *t, int *begin_out, int *end_out)
{
    int span = (t->kernel_w - 1) * t->dilation_w + 1,
        begin = (t->pad_left + t->stride_w - 1) / t->stride_w;
    int end = t->in_w + t->pad_left >= span ? (t->in_w + t->pad_left - span) / t->stride_w + 1 : 0;
    *begin_out = begin < t->out_w ? begin : t->out_w;
    *end_out = end < *begin_out ? *begin_out : end < t->out_w ? end : t->out_w;
}

static void row(const pith_dwconv_s8_task *t, int oy, int inner_begin, int inner_end)
{
    const int iy = oy * t->stride_h - t->pad_top;
    const ptrdiff_t pixel = (ptrdiff_t)t->x_pixel_stride;
    uint8_t *y = t->y + (size_t)oy * t->y_row_stride;
    taps inner = { 0 }, border;
    if (inner_begin < inner_end) {
        list_taps(t, iy, inner_begin * t->stride_w - t->pad_left, &inner);
    }
    for (int ox = 0; ox < t->out_w;) {
        const int ix = ox * t->stride_w - t->pad_left;
        const uint8_t *x =
            t->x + (ptrdiff_t)iy * (ptrdiff_t)t->x_row_stride + (ptrdiff_t)ix * pixel;
        uint8_t *to = y + (size_t)ox * t->y_pixel_stride;
        if (ox >= inner_begin && ox + PIXELS <= inner_end) {
            all_channels(t, &inner, PIXELS, x, to);
            ox += PIXELS;
        } else if (ox >= inner_begin && ox < inner_end) {
            all_channels(t, &inner, 1, x, to);
            ox++;
        } else {
            list_taps(t, iy, ix, &border);
            all_channels(t, &border, 1, x, to);
            ox++;
        }
    }
}

static bool run_small(const pith_dwconv_s8_task *t)
{
    int inner_begin, inner_end;
    inner_columns(t, &inner_begin, &inner_end);
    for (int oy = t->y_begin; oy < t->y_end; oy++) {
        row(t, oy, inner_begin, inner_end);
    }
    return true;
}

#define DWCONV_NAME       "dwconv_s8_4x32__x86_avx512"
#define DWCONV_SMALL      run_small
#define DWCONV_SMALL_TAPS MAX_TAPS
#include "kernels/dwconv_s8_body.h"

PITH_EXPORT_KERNEL(dwconv_s8, x86_avx512, records);
