/* SPDX-License-Identifier: Apache-2.0 */
/* softmax_cross_entropy_loss: -w[t] log softmax(x)[t] over dimension 1; output 1, if wanted, is the log softmax
 * of everything. ONNX SoftmaxCrossEntropyLoss. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_loss.h"

static const pith_attr_spec table[] = { PITHI_LOSS_ATTRS };

/* x_c - m - log sum e^(x_i - m), m being the largest x_i. */
static double log_softmax(const pith_run *run, int64_t n, int64_t c, int64_t d)
{
    const pith_tensor *x = &run->inputs[0];
    double largest = -INFINITY, sum = 0.0;
    for (int64_t i = 0; i < x->shape.dims[1]; i++) {
        largest = fmax(largest, pithi_tensor_get_f64(x, pithi_loss_at(x, n, i, d)));
    }
    for (int64_t i = 0; i < x->shape.dims[1]; i++) {
        sum += exp(pithi_tensor_get_f64(x, pithi_loss_at(x, n, i, d)) - largest);
    }
    return pithi_tensor_get_f64(x, pithi_loss_at(x, n, c, d)) - largest - log(sum);
}

static void ref(const pith_run *run)
{
    pithi_loss_ref(run, log_softmax);
    if (run->n_outputs < 2 || !run->outputs[1].data) {
        return;
    }
    int64_t inner = pithi_loss_inner(&run->inputs[0]), n_classes = run->inputs[0].shape.dims[1];
    for (int64_t i = 0; i < pith_shape_elements(&run->outputs[1].shape); i++) {
        pithi_tensor_set_f64(&run->outputs[1], i,
                             log_softmax(run, i / inner / n_classes, i / inner % n_classes, i % inner));
    }
}

static pith_status infer(pith_infer *infer)
{
    PITH_TRY(pithi_loss_infer(infer));
    if (infer->n_outputs > 1 && infer->node->outputs[1]) {
        infer->outputs[1].dtype = infer->inputs[0].dtype;
        infer->outputs[1].shape = infer->inputs[0].shape;
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "target", PITH_DTYPES_INDEX, PITH_ONE },
                                            { "weight", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "loss", PITH_DTYPES_FLOAT, PITH_ONE },
                                             { "log_prob", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "SoftmaxCrossEntropyLoss", 12, NULL } };
static const char *const samples[] = {
    "f32[3,5] s64[3]{0:5}",
    "f32[3,5,2] s32[3,2]{0:5} f32[5] | reduction=sum | 2",
    "f32[2,3,2,2] s64[2,2,2]{0,1,2,-7,1,1,0,2} f32[3]{0:1} | reduction=none ignore_index=-7 | 2",
    "f64[4,3] s64[4]{2,2,1,0} f64[3]{0:1} | ignore_index=2",
    "f32[0,3] s64[0] | reduction=none",
};

const pith_op pith_op_softmax_cross_entropy_loss = {
    .head = { "softmax_cross_entropy_loss", 1, PITH_ATTRS(table, pithi_loss_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
