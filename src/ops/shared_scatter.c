/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_scatter.h"

#include <math.h>

#include "ops/shared_copy.h"

const char *const pithi_scatter_reductions[] = { "none", "add", "mul", "max", "min", NULL };

static double reduce_floats(double a, double b, int64_t reduction)
{
    switch (reduction) {
    case PITHI_SCATTER_ADD: return a + b;
    case PITHI_SCATTER_MUL: return a * b;
    case PITHI_SCATTER_MAX: return isnan(a) || a > b ? a : b;
    default: return isnan(a) || a < b ? a : b;
    }
}

static int64_t reduce_ints(int64_t a, int64_t b, int64_t reduction, bool is_unsigned)
{
    bool is_less = is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
    switch (reduction) {
    case PITHI_SCATTER_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
    case PITHI_SCATTER_MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
    case PITHI_SCATTER_MAX: return is_less ? b : a;
    default: return is_less ? a : b;
    }
}

pith_status pithi_scatter_prepare(pith_prepare *prepare)
{
    prepare->n_phases = 2;
    return pithi_copy_prepare_parts(prepare);
}

pith_status pithi_scatter_check(pith_infer *infer, int64_t reduction)
{
    PITH_CHECK(infer->ctx, reduction == PITHI_SCATTER_NONE || infer->inputs[0].dtype != PITH_DTYPE_STRING,
               PITH_STATUS_DTYPE, "strings can't be reduced (attribute 'reduction' is '%s')",
               pithi_scatter_reductions[reduction]);
    return PITH_OK;
}

/* Sums and products of two floats are rounded once, in double as in float. */
static void scatter_f32(float *y, const float *updates, int64_t count, int64_t reduction)
{
    for (int64_t i = 0; i < count; i++) {
        y[i] = reduction == PITHI_SCATTER_ADD   ? y[i] + updates[i]
               : reduction == PITHI_SCATTER_MUL ? y[i] * updates[i]
                                                : (float)reduce_floats((double)y[i], (double)updates[i], reduction);
    }
}

void pithi_scatter(pith_tensor *y, int64_t to, const pith_tensor *updates, int64_t from, int64_t count,
                   int64_t reduction)
{
    size_t n_bytes = pith_dtype_bytes(y->dtype);
    if (reduction == PITHI_SCATTER_NONE) {
        pithi_copy_item((char *)y->data + (size_t)to * n_bytes, (const char *)updates->data + (size_t)from * n_bytes,
                        (size_t)count * n_bytes);
        return;
    }
    if (y->dtype == PITH_DTYPE_F32) {
        scatter_f32((float *)y->data + to, (const float *)updates->data + from, count, reduction);
        return;
    }
    bool is_float = pithi_dtype_is_float(y->dtype);
    for (int64_t i = 0; i < count; i++) {
        if (is_float) {
            double a = pithi_tensor_get_f64(y, to + i), b = pithi_tensor_get_f64(updates, from + i);
            pithi_tensor_set_f64(y, to + i, reduce_floats(a, b, reduction));
        } else {
            int64_t a = pithi_tensor_get_s64(y, to + i), b = pithi_tensor_get_s64(updates, from + i);
            pithi_tensor_set_s64(y, to + i, reduce_ints(a, b, reduction, y->dtype == PITH_DTYPE_U64));
        }
    }
}
