/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of separable_conv, which passes fuse_separable and fuse_pool fill. */
#ifndef PITH_OPS_SEPARABLE_CONV_H
#define PITH_OPS_SEPARABLE_CONV_H

#include "ops/shared_conv.h"

#define PITHI_SEPARABLE_MAX_POOL 4

typedef struct pithi_separable_attrs {
    pithi_conv_attrs conv;               /* of the depthwise convolution; its activation is the last one of all */
    pith_activation expand, depthwise;   /* of the inner convolutions; depthwise: if a 1x1 one follows */
    int64_t pool;                        /* above 1: the largest of each pool x pool results, side by side, is y */
} pithi_separable_attrs;

#endif
