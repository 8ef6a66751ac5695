/* SPDX-License-Identifier: Apache-2.0 */
/* Second moments of what products read, for the methods of nbits.h. */
#ifndef PITH_QUANT_MOMENTS_H
#define PITH_QUANT_MOMENTS_H

#include "quant/nbits.h"

/* A product as matrices: `groups` of n_rows outputs each, over k inputs. k counts positions of the window, then input
 * channels of the group, so that a group of channels lies together. */
typedef struct pithi_moments {
    pith_node *node;
    pithi_quant_weights weights;
    int64_t groups, n_rows, k, window;
    double *h;          /* [groups][k][k], mean of x x^T; NULL: too large */
    double *magnitudes; /* [groups][k], mean of |x| */
    int64_t n_seen;
} pithi_moments;

/* False if the node isn't a product. */
bool pithi_moments_of(pith_node *node, pithi_moments *moments_out);
/* Element of the weights tensor for an output (of all) and k. */
int64_t pithi_moments_place(const pithi_moments *moments, int64_t output, int64_t k);
/* Group g of its outputs as a matrix; the arrays live in `arena`. */
pith_status pithi_moments_matrix(const pithi_moments *moments, const pithi_weight_format *format, int64_t g,
                                 pithi_arena *arena, pithi_nbits_matrix *m);
/* Runs the float network on samples that don't measure, where there are some, and fills h and magnitudes (memory of
 * `arena`) of `n` products. */
pith_status pithi_moments_collect(pithi_quant *quant, pithi_moments *moments, int n, pithi_arena *arena);
/* awq_edit.c: scales the products' weights, and what they read the other way. The float network stays as it is. */
pith_status pithi_awq_edit(pithi_quant *quant, pithi_moments *moments, int n, const pithi_weight_format *format);

#endif
