/* SPDX-License-Identifier: Apache-2.0 */
/* What pooling operators share: attributes, window geometry, reference, run. Operands are [N, C, spatial...],
 * or [N, spatial..., C] where attribute channels_last is set. */
#ifndef PITH_OPS_SHARED_POOL_H
#define PITH_OPS_SHARED_POOL_H

#include "kernels/pool_f32.h"
#include "kernels/pool_u8.h"
#include "kernels/s16.h"
#include "ops/op.h"
#include "ops/sample.h"

#define PITHI_MAX_SPATIAL (PITH_MAX_RANK - 2)

typedef enum pithi_auto_pad {
    PITHI_PAD_NOTSET,
    PITHI_PAD_SAME_UPPER,
    PITHI_PAD_SAME_LOWER,
    PITHI_PAD_VALID
} pithi_auto_pad;
extern const char *const pithi_auto_pad_names[];

/* Every pooling operator has this struct and lists in its table what it knows. */
typedef struct pithi_pool_attrs {
    pith_ints kernel_shape, strides, pads, dilations;
    int64_t auto_pad, ceil_mode, count_include_pad, storage_order, p, channels_last;
} pithi_pool_attrs;

#define PITHI_POOL_ATTRS                                                                           \
    PITH_ATTR_REQUIRED_INTS(pithi_pool_attrs, kernel_shape, "kernel_shape"),                       \
    PITH_ATTR_INTS(pithi_pool_attrs, strides, "strides"),                                          \
    PITH_ATTR_INTS(pithi_pool_attrs, pads, "pads"),                                                \
    PITH_ATTR_INTS(pithi_pool_attrs, dilations, "dilations"),                                      \
    PITH_ATTR_CHOICE(pithi_pool_attrs, auto_pad, "auto_pad", 0, pithi_auto_pad_names),             \
    PITH_ATTR_INT(pithi_pool_attrs, ceil_mode, "ceil_mode", 0),                                    \
    PITH_ATTR_OWN_INT(pithi_pool_attrs, channels_last, "channels_last", 0)

typedef enum pithi_pool_kind { PITHI_POOL_MAX, PITHI_POOL_AVERAGE, PITHI_POOL_LP } pithi_pool_kind;

typedef struct pithi_pool_geometry {
    int n_spatial;
    bool is_last; /* channels last */
    int64_t n_batch, n_channels;
    int64_t in[PITHI_MAX_SPATIAL], out[PITHI_MAX_SPATIAL], kernel[PITHI_MAX_SPATIAL], strides[PITHI_MAX_SPATIAL];
    int64_t dilations[PITHI_MAX_SPATIAL], pad_begin[PITHI_MAX_SPATIAL], pad_end[PITHI_MAX_SPATIAL];
    int64_t n_in, n_out, n_taps; /* products over the spatial dimensions */
} pithi_pool_geometry;

/* Geometry of attributes that pithi_pool_infer() has accepted. */
void pithi_pool_geometry_of(const pithi_pool_attrs *attrs, const pith_shape *x, pithi_pool_geometry *geometry);

pith_status pithi_pool_infer(pith_infer *infer);
void pithi_pool_ref(const pith_run *run, pithi_pool_kind kind);
/* The same on this part's planes, for a kind without a kernel. */
void pithi_pool_ref_part(const pith_run *run, const pith_part *part, pithi_pool_kind kind);
/* f32 max and average, max of channels-last images of 8 and 16 bits; other cases: the reference. */
pith_status pithi_pool_prepare(pith_prepare *prepare, pithi_pool_kind kind);
/* Averages of channels-last images of 8 and 16 bits; `divisor` is set for each window. */
pith_status pithi_pool_prepare_mean(pith_prepare *prepare, const pith_pool_u8_mean *mean);
void pithi_pool_run(const pith_run *run, const pith_part *part);
/* Of max_pool and average_pool. */
bool pithi_pool_takes_window(const pith_node *node, int index);
void pithi_pool_cost(const pith_infer *infer, pith_cost *cost);
/* Sets channels_last, except where indices are wanted: they count in channels-first order. */
bool pithi_pool_to_channels_last(pith_graph *graph, pith_node *node);

#endif
