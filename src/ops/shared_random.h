/* SPDX-License-Identifier: Apache-2.0 */
/* Random operators. Their numbers depend on the seed and the element's index alone: without a `seed`, the name of
 * the node's output is the seed. So a model gives the same results in every run, on any number of threads and any
 * machine; what must vary from run to run is an input of the model. */
#ifndef PITH_OPS_SHARED_RANDOM_H
#define PITH_OPS_SHARED_RANDOM_H

#include "ops/op.h"

typedef struct pithi_random_attrs {
    float seed;    /* infinite: none */
    int64_t dtype; /* TensorProto.DataType; 0: that of the input */
    float mean, scale, low, high;
    pith_ints shape;
    int64_t sample_size; /* multinomial */
} pithi_random_attrs;

#define PITHI_RANDOM_ATTRS(default_dtype)                                                          \
    PITH_ATTR_FLOAT(pithi_random_attrs, seed, "seed", INFINITY),                                   \
    PITH_ATTR_INT(pithi_random_attrs, dtype, "dtype", (default_dtype))

/* Number `index` of the node's stream, uniform in [0, 1). */
double pithi_random_uniform(const pith_run *run, int64_t index);
/* The same, standard normal. */
double pithi_random_normal(const pith_run *run, int64_t index);
/* Output 0 gets shape `shape` and the dtype of the attribute, or of input 0. */
pith_status pithi_random_infer(pith_infer *infer, const pith_shape *shape);
/* Shape of the attribute. */
pith_status pithi_random_infer_shape(pith_infer *infer);
/* Shape of input 0. */
pith_status pithi_random_infer_like(pith_infer *infer);
void pithi_random_ref_uniform(const pith_run *run);
void pithi_random_ref_normal(const pith_run *run);

#endif
