/* SPDX-License-Identifier: Apache-2.0 */
/* Batched products of 8-bit matrices. */
#include "ops/shared_index.h"
#include "ops/shared_int_product.h"

#define PART_MACS 20000

static pithi_int_product operands_of(const pith_run *run, bool is_qlinear)
{
    pithi_int_product product = pithi_int_operands(run->inputs, run->n_inputs, run->outputs, is_qlinear);
    if (is_qlinear) {
        product.limits = ((const pithi_int_matmul_attrs *)run->attrs)->limits;
    }
    return product;
}

static pith_status geometry_of(pith_ctx *ctx, const pithi_int_product *product, pithi_product_geometry *geometry)
{
    const pithi_product_attrs attrs = { .alpha = 1.0f, .beta = 1.0f };
    return pithi_product_geometry_of(ctx, &attrs, &product->a->shape, &product->b->shape, geometry);
}

/* Numbers of the matrices of a and b that batch `batch` multiplies. */
static void find_matrices(const pithi_product_geometry *g, int64_t batch, int64_t *a_out, int64_t *b_out)
{
    *a_out = *b_out = 0;
    for (int i = g->batch.rank - 1; i >= 0; i--) {
        *a_out += batch % g->batch.dims[i] * g->a_steps[i];
        *b_out += batch % g->batch.dims[i] * g->b_steps[i];
        batch /= g->batch.dims[i];
    }
}

pith_status pithi_int_matmul_infer(pith_infer *infer, bool is_qlinear)
{
    pithi_int_product product = pithi_int_operands(infer->inputs, infer->n_inputs, infer->outputs, is_qlinear);
    pithi_product_geometry g;
    PITH_TRY(geometry_of(infer->ctx, &product, &g));
    pith_shape shape = g.batch;
    if (!g.a_is_vector) {
        shape.dims[shape.rank++] = g.m;
    }
    if (!g.b_is_vector) {
        shape.dims[shape.rank++] = g.n;
    }
    infer->outputs[0].shape = shape;
    return pithi_int_check(infer, &product, g.m, g.n);
}

void pithi_int_matmul_ref(const pith_run *run, bool is_qlinear)
{
    pithi_int_product product = operands_of(run, is_qlinear);
    pithi_product_geometry g;
    if (geometry_of(NULL, &product, &g) != PITH_OK) {
        return; /* infer has checked it */
    }
    for (int64_t i = 0; i < g.n_batches * g.m * g.n; i++) {
        int64_t row = i / g.n % g.m, column = i % g.n, a, b;
        find_matrices(&g, i / g.n / g.m, &a, &b);
        int64_t sum = 0;
        for (int64_t k = 0; k < g.k; k++) {
            int64_t left = pithi_tensor_get_s64(product.a, (a * g.m + row) * g.k + k);
            int64_t right = pithi_tensor_get_s64(product.b, (b * g.k + k) * g.n + column);
            sum += (left - pithi_int_zero(product.a_zero, a * g.m + row)) *
                   (right - pithi_int_zero(product.b_zero, b * g.n + column));
        }
        pithi_int_finish(&product, i, a * g.m + row, b * g.n + column, (int32_t)(uint32_t)(uint64_t)sum);
    }
}

/* sums[j] += left * row[j] */
static void add_row(int32_t *sums, int32_t left, const void *row, bool is_signed, int64_t n)
{
    if (is_signed) {
        for (int64_t j = 0; j < n; j++) {
            sums[j] += left * ((const int8_t *)row)[j];
        }
    } else {
        for (int64_t j = 0; j < n; j++) {
            sums[j] += left * ((const uint8_t *)row)[j];
        }
    }
}

/* One row of y: the zero point of b is taken off at the end, once for the sum of the row of a. */
static void run_row(const pithi_int_product *product, const pithi_product_geometry *g, int64_t index, int32_t *sums)
{
    int64_t row = index % g->m, a, b;
    find_matrices(g, index / g->m, &a, &b);
    int32_t zero = pithi_int_zero(product->a_zero, a * g->m + row), total = 0;
    bool b_is_signed = product->b->dtype == PITH_DTYPE_S8;
    memset(sums, 0, (size_t)g->n * sizeof *sums);
    for (int64_t k = 0; k < g->k; k++) {
        int32_t left = (int32_t)pithi_tensor_get_s64(product->a, (a * g->m + row) * g->k + k) - zero;
        total += left;
        add_row(sums, left, (const char *)product->b->data + (b * g->k + k) * g->n, b_is_signed, g->n);
    }
    for (int64_t j = 0; j < g->n; j++) {
        int32_t sum = sums[j] - total * pithi_int_zero(product->b_zero, b * g->n + j);
        pithi_int_finish(product, index * g->n + j, a * g->m + row, b * g->n + j, sum);
    }
}

void pithi_int_matmul_run(const pith_run *run, const pith_part *part, bool is_qlinear)
{
    pithi_int_product product = operands_of(run, is_qlinear);
    pithi_product_geometry g;
    int64_t begin, end;
    if (geometry_of(NULL, &product, &g) != PITH_OK) {
        return; /* infer has checked it */
    }
    pithi_part_range(part, g.n_batches * g.m, &begin, &end);
    for (int64_t index = begin; index < end; index++) {
        run_row(&product, &g, index, part->scratch);
    }
}

pith_status pithi_int_matmul_prepare(pith_prepare *prepare, bool is_qlinear)
{
    pith_tensor y = prepare->outputs[0];
    pithi_int_product product = pithi_int_operands(prepare->inputs, prepare->n_inputs, &y, is_qlinear);
    pithi_product_geometry g;
    PITH_TRY(geometry_of(prepare->ctx, &product, &g));
    int64_t n_rows = g.n_batches * g.m, n_parts = n_rows * g.n * g.k / PART_MACS + 1;
    prepare->use_run = true;
    prepare->scratch_bytes = (size_t)g.n * sizeof(int32_t);
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(pithi_min_s64(n_parts, n_rows), 1024), 1);
    prepare->kernel = "int_rows";
    return PITH_OK;
}
