/* SPDX-License-Identifier: Apache-2.0 */
/* multinomial: classes drawn with probability softmax(x) for every row of x [batch, classes]. ONNX Multinomial. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_random.h"

static const pith_attr_spec table[] = {
    PITHI_RANDOM_ATTRS(6),
    PITH_ATTR_INT(pithi_random_attrs, sample_size, "sample_size", 1),
};

/* The class at which the cumulated probability passes `u`, u in [0, 1). */
static int64_t draw(const pith_tensor *x, int64_t row, double u)
{
    int64_t n = x->shape.dims[1], last = 0;
    double largest = -INFINITY, total = 0.0, sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, pithi_tensor_get_f64(x, row * n + i));
    }
    for (int64_t i = 0; i < n; i++) {
        total += exp(pithi_tensor_get_f64(x, row * n + i) - largest);
    }
    for (int64_t i = 0; i < n; i++) {
        double weight = exp(pithi_tensor_get_f64(x, row * n + i) - largest);
        sum += weight;
        last = weight > 0.0 ? i : last;
        if (sum > u * total) {
            return i;
        }
    }
    return last;
}

static void ref(const pith_run *run)
{
    int64_t n_draws = run->outputs[0].shape.dims[1];
    for (int64_t i = 0; i < pith_shape_elements(&run->outputs[0].shape); i++) {
        pithi_tensor_set_s64(&run->outputs[0], i, draw(&run->inputs[0], i / n_draws, pithi_random_uniform(run, i)));
    }
}

static pith_status infer(pith_infer *infer)
{
    const pithi_random_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    PITH_CHECK(infer->ctx, x->rank == 2 && (x->dims[0] == 0 || x->dims[1] > 0), PITH_STATUS_SHAPE,
               "input must be [batch, classes], with at least one class");
    PITH_CHECK(infer->ctx, attrs->sample_size >= 0, PITH_STATUS_SHAPE, "sample_size is %lld",
               (long long)attrs->sample_size);
    pith_shape shape = { .rank = 2, .dims = { x->dims[0], attrs->sample_size } };
    PITH_TRY(pithi_random_infer(infer, &shape));
    pith_dtype dtype = infer->outputs[0].dtype;
    PITH_CHECK(infer->ctx, dtype == PITH_DTYPE_S32 || dtype == PITH_DTYPE_S64, PITH_STATUS_DTYPE,
               "classes of dtype %s; s32 and s64 are possible", pith_dtype_name(dtype));
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Multinomial", 7, NULL } };
static const char *const samples[] = { "f32[2,5] | sample_size=7", "f64[3,1] | dtype=7 seed=1", "f32[0,5]" };

const pith_op pith_op_multinomial = {
    .head = { "multinomial", 1, PITH_ATTRS(table, pithi_random_attrs) },
    .flags = PITH_OP_RANDOM,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
