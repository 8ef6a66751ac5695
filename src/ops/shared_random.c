/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_random.h"

#include <math.h>

#include "ops/shared_onnx.h"

static uint64_t key_of(const pith_run *run)
{
    const pithi_random_attrs *attrs = run->attrs;
    if (!isinf(attrs->seed)) {
        return pithi_hash(PITHI_HASH_START, &attrs->seed, sizeof attrs->seed);
    }
    const pith_value *output = run->node->outputs[0];
    const char *name = output ? output->name : run->node->name;
    return pithi_hash(PITHI_HASH_START, name, strlen(name));
}

/* SplitMix64 (Steele, Lea, Flood 2014): the state after `index` steps is a product, so that any element can be
 * had by itself. */
double pithi_random_uniform(const pith_run *run, int64_t index)
{
    uint64_t z = key_of(run) + ((uint64_t)index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* Box and Muller 1958: two uniform numbers make one of a pair. */
double pithi_random_normal(const pith_run *run, int64_t index)
{
    double u = 1.0 - pithi_random_uniform(run, 2 * index), v = pithi_random_uniform(run, 2 * index + 1);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

pith_status pithi_random_infer(pith_infer *infer, const pith_shape *shape)
{
    const pithi_random_attrs *attrs = infer->attrs;
    infer->outputs[0].shape = *shape;
    if (attrs->dtype == 0) {
        infer->outputs[0].dtype = infer->inputs[0].dtype;
        return PITH_OK;
    }
    return pithi_infer_onnx_dtype(infer, "dtype", attrs->dtype, &infer->outputs[0].dtype);
}

static pith_status check_float(pith_infer *infer)
{
    PITH_CHECK(infer->ctx, pithi_dtype_is_float(infer->outputs[0].dtype), PITH_STATUS_DTYPE,
               "random numbers of dtype %s; only floats are possible", pith_dtype_name(infer->outputs[0].dtype));
    return PITH_OK;
}

pith_status pithi_random_infer_shape(pith_infer *infer)
{
    const pith_ints *dims = &((const pithi_random_attrs *)infer->attrs)->shape;
    pith_shape shape = { .rank = dims->n_items };
    PITH_CHECK(infer->ctx, dims->n_items <= PITH_MAX_RANK, PITH_STATUS_SHAPE,
               "shape has %d dimensions, at most %d are possible", dims->n_items, PITH_MAX_RANK);
    for (int i = 0; i < dims->n_items; i++) {
        shape.dims[i] = dims->items[i];
    }
    PITH_TRY(pithi_random_infer(infer, &shape));
    return check_float(infer);
}

pith_status pithi_random_infer_like(pith_infer *infer)
{
    PITH_TRY(pithi_random_infer(infer, &infer->inputs[0].shape));
    return check_float(infer);
}

void pithi_random_ref_uniform(const pith_run *run)
{
    const pithi_random_attrs *attrs = run->attrs;
    double low = (double)attrs->low, high = (double)attrs->high;
    for (int64_t i = 0; i < pith_shape_elements(&run->outputs[0].shape); i++) {
        pithi_tensor_set_f64(&run->outputs[0], i, low + (high - low) * pithi_random_uniform(run, i));
    }
}

void pithi_random_ref_normal(const pith_run *run)
{
    const pithi_random_attrs *attrs = run->attrs;
    for (int64_t i = 0; i < pith_shape_elements(&run->outputs[0].shape); i++) {
        pithi_tensor_set_f64(&run->outputs[0], i,
                             (double)attrs->mean + (double)attrs->scale * pithi_random_normal(run, i));
    }
}
