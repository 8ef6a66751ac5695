/* SPDX-License-Identifier: Apache-2.0 */
/* Means of quantised images. */
#ifndef PITH_OPS_SHARED_QLINEAR_POOL_H
#define PITH_OPS_SHARED_QLINEAR_POOL_H

#include "ops/shared_lookup.h"

/* Index of pixel `at` (of n_points) of a channel and image. */
static inline int64_t pithi_qlinear_pool_index(bool is_last, int64_t n_channels, int64_t n_points,
                                               int64_t image, int64_t channel, int64_t at)
{
    return is_last ? (image * n_points + at) * n_channels + channel
                   : (image * n_channels + channel) * n_points + at;
}

/* This part of the channels, or all of them (part NULL). */
void pithi_qlinear_global_pool(const pith_run *run, bool is_last, const pith_part *part);
pith_status pithi_qlinear_global_pool_prepare(pith_prepare *prepare, bool is_last);
/* For spellings: true if the file's attribute channels_last, which pith keeps to itself elsewhere,
 * is set. */
bool pithi_qlinear_is_channels_last(pith_source *source);
/* And back: channels-first images need no word. */
pith_status pithi_qlinear_pool_to_source(pith_ctx *ctx, const pith_node *node, pith_source *source);

#endif
