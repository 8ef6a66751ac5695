/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of pass reparameterize. Use counts of values must be up to date, and stay so. */
#ifndef PITH_PASSES_REPARAMETERIZE_H
#define PITH_PASSES_REPARAMETERIZE_H

#include "passes/affine.h"

/* Gives values the rank and the number of channels that weights tell, where shapes aren't known. */
void pithi_reparameterize_learn_ranks(const pith_graph *graph);

/* 1x1 convolutions whose result is framed by their bias become convolutions with padding. */
pith_status pithi_reparameterize_frames(pith_graph *graph, int *n_changes);

/* No weight and no bias overflows float32. */
bool pithi_reparameterize_is_finite(const pithi_affine *map);
/* Weights [M, C / group, kernel], and a bias or NULL. */
pith_status pithi_reparameterize_constants(pith_graph *graph, const pithi_affine *map, pith_value *values[2]);
/* Kernel sizes, strides, dilations, padding and groups of a convolution. */
pith_status pithi_reparameterize_set_windows(pith_graph *graph, pith_node *conv, const pithi_affine *map);
/* The node becomes one of another operator but keeps its activation; what only it read goes. */
pith_status pithi_reparameterize_become(pith_graph *graph, pith_node *node, const char *op_name,
                                        pith_value *const *inputs, int n_inputs);
/* The node becomes the convolution of `source`; one that is a convolution keeps its residual and slopes too. */
pith_status pithi_reparameterize_become_conv(pith_graph *graph, pith_node *node, pith_value *source,
                                             const pithi_affine *map);

#endif
