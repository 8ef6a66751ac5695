/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/resize_f32.h"

#define BLOCK 64 /* elements of a row that are summed before the next ones */

static void add_scaled(const float *restrict from, float weight, float *restrict to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        to[i] += weight * from[i];
    }
}

static void set_scaled(const float *restrict from, float weight, float *restrict to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        to[i] = weight * from[i];
    }
}

static void columns_of_plane(const pith_resize_taps_f32 *taps, const float *src, float *dst)
{
    int64_t n_out = taps->n_out;
    for (int64_t x = 0; x < n_out; x++) {
        float sum = taps->weights[x] * src[taps->indices[x]];
        for (int64_t k = 1; k < taps->n_taps; k++) {
            sum += taps->weights[k * n_out + x] * src[taps->indices[k * n_out + x]];
        }
        dst[x] = sum;
    }
}

static void columns(const pith_resize_taps_f32 *taps, const float *src, int64_t n_channels, float *dst)
{
    int64_t n_out = taps->n_out;
    if (n_channels == 1) {
        columns_of_plane(taps, src, dst);
        return;
    }
    for (int64_t x = 0; x < n_out; x++) {
        float *to = dst + x * n_channels;
        set_scaled(src + taps->indices[x] * n_channels, taps->weights[x], to, n_channels);
        for (int64_t k = 1; k < taps->n_taps; k++) {
            add_scaled(src + taps->indices[k * n_out + x] * n_channels, taps->weights[k * n_out + x], to, n_channels);
        }
    }
}

static void rows(const float *const *src, const float *weights, int64_t n_taps, float *dst, int64_t n)
{
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t length = n - i < BLOCK ? n - i : BLOCK;
        set_scaled(src[0] + i, weights[0], dst + i, length);
        for (int64_t k = 1; k < n_taps; k++) {
            add_scaled(src[k] + i, weights[k], dst + i, length);
        }
    }
}

static const pith_resize_f32 records[] = {
    { .head = { "resize_f32__portable", PITH_BOUNDED }, .columns = columns, .rows = rows }
};

PITH_EXPORT_KERNEL(resize_f32, portable, records);
