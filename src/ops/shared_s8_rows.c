/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_s8_rows.h"

/* Scratch: float [MOST] factors, s32 [SUMS], bytes [n_rows][2][n_k rounded up]. */
enum { SUMS = 4096 };

static const ptrdiff_t no_offset = 0;

static size_t plane_bytes(int64_t n_k) { return pithi_align_up((size_t)n_k, 4); }

size_t pithi_s8_rows_scratch_bytes(int64_t n_k, int64_t n_rows)
{
    return PITHI_S8_ROWS_MOST * sizeof(float) + SUMS * sizeof(int32_t) + (size_t)n_rows * 2 * plane_bytes(n_k);
}

static uint8_t *plane_of(void *scratch, int64_t n_k, int index)
{
    return (uint8_t *)((int32_t *)scratch + PITHI_S8_ROWS_MOST + SUMS) + (size_t)index * plane_bytes(n_k);
}

float pithi_s8_rows_top(const pith_tensor *tensor)
{
    const int8_t *weights = tensor->data;
    const int64_t n_k = tensor->shape.dims[tensor->shape.rank - 1];
    const int64_t n = n_k ? pith_shape_elements(&tensor->shape) / n_k : 0;
    int64_t most = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t sum = 0;
        for (int64_t k = 0; k < n_k; k++) {
            const int weight = weights[i * n_k + k];
            sum += weight < 0 ? -weight : weight;
        }
        most = pithi_max_s64(most, sum);
    }
    return (float)pithi_max_s64(pithi_min_s64(INT32_MAX / most, 32767), 1);
}

pith_status pithi_s8_rows_make(pith_prepare *prepare, const pith_tensor *weights, int64_t first, int64_t n,
                               const float *scale, int64_t n_rows, pithi_s8_rows *rows_out)
{
    const int64_t n_k = weights->shape.dims[weights->shape.rank - 1];
    pith_tensor part = { .dtype = PITH_DTYPE_S8, .shape = { 2, { n, n_k } },
                         .data = (int8_t *)weights->data + first * n_k };
    const pithi_s8_source source = { .weights = &part, .n_groups = 1, .n = n, .n_channels = n_k, .n_taps = 1,
                                     .n_stride = n_k, .c_stride = 1, .segment_length = n_k, .n_rows = 2 * n_rows,
                                     .a_dtype = PITH_DTYPE_U8, .a_zero = 32768 };
    pithi_s8_rows *w = rows_out;
    *w = (pithi_s8_rows){ .coder = pithi_s16(prepare->isa_limit), .scale = scale + first, .n_k = n_k,
                          .top = pithi_s8_rows_top(weights) };
    PITH_TRY(pithi_s8_weights_make(prepare, &source, false, &w->weights));
    for (int64_t i = 0; i < n; i++) { /* added to 256 high and to low: 257 times in all, of which this is the inverse */
        w->weights.bias[i] = (int32_t)((uint32_t)w->weights.bias[i] * 0xff00ff01u);
    }
    return PITH_OK;
}

void pithi_s8_rows_encode(const pithi_s8_rows *w, const float *const *x, int n_rows, void *scratch)
{
    const size_t n = (size_t)w->n_k, padding = plane_bytes(w->n_k) - n;
    float *factors = scratch;
    for (int m = 0; m < n_rows; m++) {
        uint8_t *high = plane_of(scratch, w->n_k, 2 * m), *low = plane_of(scratch, w->n_k, 2 * m + 1);
        factors[m] = w->coder->encode(x[m], w->top, high, low, n);
        memset(high + n, 0, padding);
        memset(low + n, 0, padding);
    }
}

void pithi_s8_rows_multiply(const pithi_s8_rows *w, const pithi_s8_rows_product *p, void *scratch)
{
    const float *factors = scratch;
    int32_t *sums = (int32_t *)scratch + PITHI_S8_ROWS_MOST;
    const uint8_t *a_rows[2 * PITHI_S8_ROWS_MOST];
    const int64_t n_once = SUMS / (2 * p->n_rows) / 64 * 64; /* whole panels */
    for (int i = 0; i < 2 * p->n_rows; i++) {
        a_rows[i] = plane_of(scratch, w->n_k, i);
    }
    for (int64_t at = 0; at < p->n; at += n_once) {
        const int64_t n = pithi_min_s64(n_once, p->n - at);
        pith_gemm_s8_tile tile = { .a_rows = a_rows, .segment_offsets = &no_offset, .n_segments = 1,
                                   .segment_length = plane_bytes(w->n_k), .c = sums, .c_stride = (size_t)n,
                                   .mr = 2 * p->n_rows };
        pithi_s8_fill_tile(&w->weights, 0, 0, p->first + at, n, &tile);
        w->weights.kernel->tile(&tile);
        for (int m = 0; m < p->n_rows; m++) {
            const int32_t *high = sums + 2 * m * n;
            w->coder->decode(&(pith_s16_decode){ .high = high, .low = high + n, .scale = w->scale + p->first + at,
                                                 .bias = p->bias ? p->bias + at : NULL, .factor = factors[m],
                                                 .y = p->y + (size_t)m * p->y_stride + at, .n = (size_t)n });
        }
    }
}
