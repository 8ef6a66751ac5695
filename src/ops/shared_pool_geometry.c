/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of pooling: sizes, padding, inference. */
#include "ops/shared_pool.h"

const char *const pithi_auto_pad_names[] = { "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL };

/* ---- geometry ----------------------------------------------------------------------------- */

static int64_t item_or(const pith_ints *ints, int index, int64_t otherwise)
{
    return ints->n_items > 0 ? ints->items[index] : otherwise;
}

/* Output size and padding of one dimension, ONNX AveragePool's formulas. */
static void fit_dimension(const pithi_pool_attrs *attrs, pithi_pool_geometry *g, int i)
{
    const int64_t extent = (g->kernel[i] - 1) * g->dilations[i] + 1, stride = g->strides[i];
    if (attrs->auto_pad == PITHI_PAD_SAME_UPPER || attrs->auto_pad == PITHI_PAD_SAME_LOWER) {
        g->out[i] = pithi_div_up(g->in[i], stride);
        int64_t total = pithi_max_s64(0, (g->out[i] - 1) * stride + extent - g->in[i]);
        int64_t smaller = total / 2, larger = total - smaller;
        g->pad_begin[i] = attrs->auto_pad == PITHI_PAD_SAME_UPPER ? smaller : larger;
        g->pad_end[i] = total - g->pad_begin[i];
        return;
    }
    const bool is_explicit = attrs->auto_pad == PITHI_PAD_NOTSET;
    g->pad_begin[i] = is_explicit ? item_or(&attrs->pads, i, 0) : 0;
    g->pad_end[i] = is_explicit ? item_or(&attrs->pads, g->n_spatial + i, 0) : 0;
    const int64_t room = g->in[i] + g->pad_begin[i] + g->pad_end[i] - extent;
    if (room < 0) { /* rounding up, a window that sticks out by less than a stride counts */
        g->out[i] = attrs->ceil_mode && is_explicit && room > -stride && g->in[i] > 0;
    } else if (attrs->ceil_mode && is_explicit) {
        g->out[i] = pithi_div_up(room, stride) + 1;
        g->out[i] -= (g->out[i] - 1) * stride >= g->in[i] + g->pad_begin[i]; /* would start in the right padding */
    } else {
        g->out[i] = room / stride + 1;
    }
}

void pithi_pool_geometry_of(const pithi_pool_attrs *attrs, const pith_shape *x, pithi_pool_geometry *g)
{
    *g = (pithi_pool_geometry){ .n_spatial = x->rank - 2, .is_last = attrs->channels_last != 0, .n_batch = x->dims[0],
                                .n_in = 1, .n_out = 1, .n_taps = 1 };
    g->n_channels = x->dims[g->is_last ? x->rank - 1 : 1];
    for (int i = 0; i < g->n_spatial; i++) {
        g->in[i] = x->dims[g->is_last ? 1 + i : 2 + i];
        g->kernel[i] = attrs->kernel_shape.items[i];
        g->strides[i] = item_or(&attrs->strides, i, 1);
        g->dilations[i] = item_or(&attrs->dilations, i, 1);
        fit_dimension(attrs, g, i);
        g->n_in *= g->in[i];
        g->n_taps *= g->kernel[i];
        g->n_out = (int64_t)((uint64_t)g->n_out * (uint64_t)g->out[i]); /* absurd pads: refused by the caller */
    }
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status check_list(pith_infer *infer, const char *name, const pith_ints *ints, int wanted, int64_t least)
{
    PITH_CHECK(infer->ctx, ints->n_items == wanted || ints->n_items == 0, PITH_STATUS_SHAPE,
               "attribute '%s' has %d items, the input needs %d", name, ints->n_items, wanted);
    for (int i = 0; i < ints->n_items; i++) {
        PITH_CHECK(infer->ctx, ints->items[i] >= least && ints->items[i] < INT32_MAX, PITH_STATUS_FORMAT,
                   "attribute '%s' has item %lld; it must be at least %lld", name, (long long)ints->items[i],
                   (long long)least);
    }
    return PITH_OK;
}

static pith_status check_attrs(pith_infer *infer, int n_spatial)
{
    const pithi_pool_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->kernel_shape.n_items == n_spatial, PITH_STATUS_SHAPE,
               "attribute 'kernel_shape' has %d items, the input has %d spatial dimensions",
               attrs->kernel_shape.n_items, n_spatial);
    PITH_TRY(check_list(infer, "kernel_shape", &attrs->kernel_shape, n_spatial, 1));
    PITH_TRY(check_list(infer, "strides", &attrs->strides, n_spatial, 1));
    PITH_TRY(check_list(infer, "dilations", &attrs->dilations, n_spatial, 1));
    PITH_TRY(check_list(infer, "pads", &attrs->pads, 2 * n_spatial, 0));
    int64_t n_taps = 1;
    for (int i = 0; i < n_spatial; i++) {
        bool fits = !__builtin_mul_overflow(n_taps, attrs->kernel_shape.items[i], &n_taps) && n_taps < INT32_MAX;
        PITH_CHECK(infer->ctx, fits, PITH_STATUS_LIMIT, "a pooling window of more than 2^31 elements");
    }
    return PITH_OK;
}

pith_status pithi_pool_infer(pith_infer *infer)
{
    const pith_shape *x = &infer->inputs[0].shape;
    pithi_pool_geometry g;
    PITH_CHECK(infer->ctx, x->rank >= 3, PITH_STATUS_SHAPE, "pooling needs an input of rank 3 or more, not %d",
               x->rank);
    PITH_TRY(check_attrs(infer, x->rank - 2));
    pithi_pool_geometry_of(infer->attrs, x, &g);
    for (int i = 0; i < g.n_spatial; i++) {
        PITH_CHECK(infer->ctx, g.out[i] > 0 || g.in[i] == 0, PITH_STATUS_SHAPE,
                   "spatial dimension %d: a window of %lld elements is larger than the padded input, which has %lld", i,
                   (long long)g.kernel[i], (long long)(g.in[i] + g.pad_begin[i] + g.pad_end[i]));
    }
    for (int k = 0; k < infer->n_outputs; k++) {
        pith_tensor *y = &infer->outputs[k];
        y->dtype = k == 0 ? infer->inputs[0].dtype : PITH_DTYPE_S64;
        y->shape = *x;
        for (int i = 0; i < g.n_spatial; i++) {
            y->shape.dims[g.is_last ? 1 + i : 2 + i] = g.out[i];
        }
    }
    return PITH_OK;
}

void pithi_pool_cost(const pith_infer *infer, pith_cost *cost)
{
    pithi_pool_geometry g;
    pithi_pool_geometry_of(infer->attrs, &infer->inputs[0].shape, &g);
    cost->flops = (uint64_t)g.n_batch * (uint64_t)g.n_channels * (uint64_t)g.n_out * (uint64_t)g.n_taps;
}

bool pithi_pool_to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    pithi_pool_attrs *attrs = node->attrs;
    if (node->n_outputs > 1 && node->outputs[1]) {
        return false;
    }
    attrs->channels_last = 1;
    return true;
}
