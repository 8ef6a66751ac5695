/* SPDX-License-Identifier: Apache-2.0 */
/* Geometry, inference and reference of matrix products; shared_gemm_run.c has the float32 path. */
#include "ops/shared_gemm_product.h"

#include "ops/shared_unary.h"

/* Shape of the stack of matrices in front of the last two dimensions. */
static pith_shape batch_of(const pith_shape *shape)
{
    pith_shape batch = *shape;
    batch.rank = shape->rank > 2 ? shape->rank - 2 : 0;
    return batch;
}

static pith_status broadcast_batches(pith_ctx *ctx, const pith_shape *a, const pith_shape *b,
                                     pithi_product_geometry *g)
{
    const pith_shape *longer = a->rank >= b->rank ? a : b, *shorter = longer == a ? b : a;
    g->batch = *longer;
    g->n_batches = 1;
    for (int i = 0; i < longer->rank; i++) {
        int k = i - (longer->rank - shorter->rank);
        int64_t x = longer->dims[i], y = k >= 0 ? shorter->dims[k] : 1;
        PITH_CHECK(ctx, x == y || x == 1 || y == 1, PITH_STATUS_SHAPE,
                   "batch dimensions %lld and %lld differ, and neither is 1", (long long)x, (long long)y);
        g->batch.dims[i] = x == 1 ? y : x;
        g->n_batches *= g->batch.dims[i];
    }
    pithi_broadcast_strides(a, &g->batch, g->a_steps);
    pithi_broadcast_strides(b, &g->batch, g->b_steps);
    return PITH_OK;
}

pith_status pithi_product_geometry_of(pith_ctx *ctx, const pithi_product_attrs *attrs, const pith_shape *a,
                                      const pith_shape *b, pithi_product_geometry *geometry_out)
{
    PITH_CHECK(ctx, a->rank >= 1 && b->rank >= 1, PITH_STATUS_SHAPE,
               "a scalar is no matrix: both inputs need rank 1 or more");
    pithi_product_geometry g = { .a_is_vector = a->rank == 1, .b_is_vector = b->rank == 1 };
    g.trans_a = attrs->trans_a && !g.a_is_vector;
    g.trans_b = attrs->trans_b && !g.b_is_vector;
    int64_t a_rows = g.a_is_vector ? 1 : a->dims[a->rank - 2], a_columns = a->dims[a->rank - 1];
    int64_t b_rows = g.b_is_vector ? b->dims[0] : b->dims[b->rank - 2],
            b_columns = g.b_is_vector ? 1 : b->dims[b->rank - 1];
    g.m = g.trans_a ? a_columns : a_rows;
    g.k = g.trans_a ? a_rows : a_columns;
    g.n = g.trans_b ? b_rows : b_columns;
    int64_t b_k = g.trans_b ? b_columns : b_rows;
    PITH_CHECK(ctx, g.k == b_k, PITH_STATUS_SHAPE, "the inner sizes %lld (a) and %lld (b) differ", (long long)g.k,
               (long long)b_k);
    pith_shape a_batch = batch_of(a), b_batch = batch_of(b);
    PITH_TRY(broadcast_batches(ctx, &a_batch, &b_batch, &g));
    *geometry_out = g;
    return PITH_OK;
}

static bool is_present(const pith_tensor *inputs, int n_inputs, int index)
{
    return n_inputs > index && inputs[index].dtype != PITH_DTYPE_NONE;
}

static pith_status check_added(const pith_infer *infer, int index, const pith_shape *y, bool may_broadcast)
{
    if (!is_present(infer->inputs, infer->n_inputs, index)) {
        return PITH_OK;
    }
    const pith_shape *shape = &infer->inputs[index].shape;
    PITH_CHECK(infer->ctx, infer->inputs[index].dtype == infer->inputs[0].dtype, PITH_STATUS_DTYPE,
               "input %d must have the dtype of a", index);
    bool fits = shape->rank <= y->rank && (may_broadcast || shape->rank == y->rank);
    for (int i = 0; i < shape->rank && fits; i++) {
        int64_t dim = shape->dims[i], to = y->dims[y->rank - shape->rank + i];
        fits = dim == to || (may_broadcast && dim == 1);
    }
    PITH_CHECK(infer->ctx, fits, PITH_STATUS_SHAPE,
               "the shape of input %d can't be broadcast to that of the product", index);
    return PITH_OK;
}

pith_status pithi_product_infer(pith_infer *infer)
{
    pithi_product_geometry g;
    PITH_CHECK(infer->ctx, infer->inputs[0].dtype == infer->inputs[1].dtype, PITH_STATUS_DTYPE,
               "a is %s, but b is %s", pith_dtype_name(infer->inputs[0].dtype),
               pith_dtype_name(infer->inputs[1].dtype));
    PITH_TRY(pithi_product_geometry_of(infer->ctx, infer->attrs, &infer->inputs[0].shape, &infer->inputs[1].shape, &g));
    pith_shape y = g.batch;
    if (!g.a_is_vector) {
        y.dims[y.rank++] = g.m;
    }
    if (!g.b_is_vector) {
        y.dims[y.rank++] = g.n;
    }
    PITH_TRY(check_added(infer, 2, &y, true));
    PITH_TRY(check_added(infer, 3, &y, false));
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = y;
    return PITH_OK;
}

void pithi_product_cost(const pith_infer *infer, pith_cost *cost)
{
    pithi_product_geometry g;
    if (pithi_product_geometry_of(NULL, infer->attrs, &infer->inputs[0].shape, &infer->inputs[1].shape, &g) ==
        PITH_OK) {
        cost->macs = (uint64_t)g.n_batches * (uint64_t)g.m * (uint64_t)g.n * (uint64_t)g.k;
    }
}

/* ---- reference ---------------------------------------------------------------------------- */

static int64_t matrix_index(const pithi_product_geometry *g, const int64_t *steps, int64_t batch)
{
    int64_t index = 0;
    for (int i = g->batch.rank - 1; i >= 0; i--) {
        index += batch % g->batch.dims[i] * steps[i];
        batch /= g->batch.dims[i];
    }
    return index;
}

/* Element of an input that is broadcast to the output, whose element has index `at`. */
static int64_t broadcast_index(const pith_shape *from, const pith_shape *to, int64_t at)
{
    int64_t strides[PITH_MAX_RANK], index = 0;
    pithi_broadcast_strides(from, to, strides);
    for (int i = to->rank - 1; i >= 0; i--) {
        index += at % to->dims[i] * strides[i];
        at /= to->dims[i];
    }
    return index;
}

/* Integers wrap as the hardware does, so they are summed without sign. */
static void product_element(const pith_run *run, const pithi_product_geometry *g, int64_t batch, int64_t m, int64_t n,
                            double *sum_out, int64_t *whole_out)
{
    bool is_float = pithi_dtype_is_float(run->inputs[0].dtype);
    int64_t a0 = matrix_index(g, g->a_steps, batch) * g->m * g->k,
            b0 = matrix_index(g, g->b_steps, batch) * g->k * g->n;
    double sum = 0.0;
    uint64_t whole = 0;
    for (int64_t k = 0; k < g->k; k++) {
        int64_t a = a0 + (g->trans_a ? k * g->m + m : m * g->k + k),
                b = b0 + (g->trans_b ? n * g->k + k : k * g->n + n);
        if (is_float) {
            sum += pithi_tensor_get_f64(&run->inputs[0], a) * pithi_tensor_get_f64(&run->inputs[1], b);
        } else {
            whole += (uint64_t)pithi_tensor_get_s64(&run->inputs[0], a) *
                     (uint64_t)pithi_tensor_get_s64(&run->inputs[1], b);
        }
    }
    *sum_out = sum;
    *whole_out = (int64_t)whole;
}

static int64_t scaled(int64_t value, float factor)
{
    return factor == 1.0f ? value : pithi_f64_to_s64((double)value * (double)factor);
}

void pithi_product_ref(const pith_run *run)
{
    const pithi_product_attrs *attrs = run->attrs;
    pithi_product_geometry g;
    if (pithi_product_geometry_of(NULL, attrs, &run->inputs[0].shape, &run->inputs[1].shape, &g) != PITH_OK) {
        return; /* infer has checked it */
    }
    pith_tensor *y = &run->outputs[0];
    bool has_c = is_present(run->inputs, run->n_inputs, 2), has_residual = is_present(run->inputs, run->n_inputs, 3);
    for (int64_t i = 0; i < g.n_batches * g.m * g.n; i++) {
        double sum = 0.0;
        int64_t whole = 0, c = has_c ? broadcast_index(&run->inputs[2].shape, &y->shape, i) : 0;
        product_element(run, &g, i / (g.m * g.n), i / g.n % g.m, i % g.n, &sum, &whole);
        if (!pithi_dtype_is_float(y->dtype)) {
            uint64_t added = has_c ? (uint64_t)scaled(pithi_tensor_get_s64(&run->inputs[2], c), attrs->beta) : 0;
            added += has_residual ? (uint64_t)pithi_tensor_get_s64(&run->inputs[3], i) : 0;
            pithi_tensor_set_s64(y, i, (int64_t)((uint64_t)scaled(whole, attrs->alpha) + added));
            continue;
        }
        sum *= (double)attrs->alpha;
        sum += has_c ? (double)attrs->beta * pithi_tensor_get_f64(&run->inputs[2], c) : 0.0;
        const double residual = has_residual ? pithi_tensor_get_f64(&run->inputs[3], i) : 0.0;
        sum = pithi_activation_f64(&attrs->activation, sum + (attrs->residual_behind ? 0.0 : residual));
        pithi_tensor_set_f64(y, i, sum + (attrs->residual_behind ? residual : 0.0));
    }
}
