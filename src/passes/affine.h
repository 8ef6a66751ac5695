/* SPDX-License-Identifier: Apache-2.0 */
/* Affine maps of images that are the same at every position, and what two of them make together:
 *
 *   y[o](p) = bias[o] + sum over c, k of weights[o, k, c] * x[c](stride * p + low + k * step),  x = 0 outside
 *
 * A convolution, an average, a batch normalisation, a factor per channel are such maps (Ding et al., arXiv 2101.03697
 * and 2103.13425). Geometry is decided on first; weights are then computed, in double, for what is to be built. */
#ifndef PITH_PASSES_AFFINE_H
#define PITH_PASSES_AFFINE_H

#include "passes/rewrite.h"

#define PITHI_AFFINE_AXES 3

typedef struct pithi_affine_axis {
    int64_t low, step, n_taps; /* taps lie at low + k * step */
    int64_t stride;
    int64_t extra; /* the result has floor((size - 1 + extra) / stride) + 1 positions */
} pithi_affine_axis;

typedef struct pithi_affine {
    int n_axes;
    pithi_affine_axis axes[PITHI_AFFINE_AXES];
    int64_t n_in, n_out, group; /* channels; as those of a convolution in groups */
    bool has_bias;
    double *weights; /* [n_out, taps in row-major order, n_in / group]; NULL: geometry only */
    double *bias;    /* [n_out] */
} pithi_affine;

int64_t pithi_affine_taps(const pithi_affine *map);
int64_t pithi_affine_weights(const pithi_affine *map); /* how many */
/* Weights and bias, all zero. */
pith_status pithi_affine_new_weights(pithi_arena *arena, pithi_affine *map);

/* Geometry of y = x. */
pithi_affine pithi_affine_identity(int n_axes, int64_t n_channels);
/* Sets the weights of a map with group == n_in == n_out and one tap to `factor`. */
void pithi_affine_set_factor(pithi_affine *map, double factor);

/* What a node does to its input `operand`: conv, average_pool, batch_normalization, and mul, div, add, sub with
 * constants per channel, neg. The node's activation and its residual are not looked at. False: another operator, or
 * one that isn't affine, or whose parameters or shapes aren't known. */
bool pithi_affine_of_node(const pith_node *node, int *operand_out, pithi_affine *map_out);
pith_status pithi_affine_fill(pithi_arena *arena, const pith_node *node, int operand, pithi_affine *map);

/* outer(inner(x)). False where the border forbids it: what `outer` pads with zeros must be what `inner` has there, so
 * either `outer` pads nothing, or `inner` has no bias and would see nothing of the image there (one tap). */
bool pithi_affine_compose(const pithi_affine *outer, const pithi_affine *inner, pithi_affine *map_out);
pith_status pithi_affine_fill_composed(pithi_arena *arena, const pithi_affine *outer, const pithi_affine *inner,
                                       pithi_affine *map);

/* Widens `map` so that `other` can be added to it; false if strides, sizes or channels differ. With `stacked`, the
 * channels of `other` come behind those of `map`. */
bool pithi_affine_unite(pithi_affine *map, const pithi_affine *other, bool stacked);
/* Adds sign * other, whose channels begin at channel `first` of `map`. */
void pithi_affine_accumulate(pithi_affine *map, const pithi_affine *other, double sign, int64_t first);

#endif
