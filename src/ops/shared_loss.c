/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_loss.h"

#include "ops/shared_index.h"

enum { X, TARGET, WEIGHT };

const char *const pithi_loss_reductions[] = { "none", "sum", "mean", NULL };

int64_t pithi_loss_inner(const pith_tensor *x)
{
    int64_t inner = 1;
    for (int i = 2; i < x->shape.rank; i++) {
        inner *= x->shape.dims[i];
    }
    return inner;
}

int64_t pithi_loss_at(const pith_tensor *x, int64_t n, int64_t c, int64_t d)
{
    return (n * x->shape.dims[1] + c) * pithi_loss_inner(x) + d;
}

pith_status pithi_loss_infer(pith_infer *infer)
{
    const pithi_loss_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[X].shape;
    PITH_CHECK(infer->ctx, x->rank >= 2, PITH_STATUS_SHAPE, "input has rank %d, but must be [N, C, ...]", x->rank);
    pith_shape target = { .rank = x->rank - 1, .dims = { x->dims[0] } };
    memcpy(target.dims + 1, x->dims + 2, (size_t)(x->rank - 2) * sizeof *x->dims);
    char is[PITHI_SHAPE_TEXT_BYTES], must[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, pith_shape_equal(&target, &infer->inputs[TARGET].shape), PITH_STATUS_SHAPE,
               "targets are %s, but must be %s", pithi_shape_text(&infer->inputs[TARGET].shape, is),
               pithi_shape_text(&target, must));
    if (pithi_has_operand(infer->inputs, infer->n_inputs, WEIGHT)) {
        const pith_tensor *weight = &infer->inputs[WEIGHT];
        PITH_CHECK(infer->ctx, weight->shape.rank == 1 && weight->shape.dims[0] == x->dims[1] &&
                   weight->dtype == infer->inputs[X].dtype, PITH_STATUS_SHAPE,
                   "weights must be [%lld], of the input's dtype", (long long)x->dims[1]);
    }
    infer->outputs[0].dtype = infer->inputs[X].dtype;
    infer->outputs[0].shape = attrs->reduction == PITHI_LOSS_NONE ? target : (pith_shape){ 0 };
    return PITH_OK;
}

/* Target class of sample `i`, or -1 if it counts nothing. */
static int64_t class_of(const pith_run *run, int64_t i)
{
    int64_t target = pithi_tensor_get_s64(&run->inputs[TARGET], i), n_classes = run->inputs[X].shape.dims[1];
    if (target == ((const pithi_loss_attrs *)run->attrs)->ignore_index) {
        return -1;
    }
    if (target < 0 || target >= n_classes) {
        pithi_run_fault(run, "target %lld is class %lld, but must lie in 0..%lld or be ignore_index", (long long)i,
                        (long long)target, (long long)n_classes - 1);
        return -1;
    }
    return target;
}

void pithi_loss_ref(const pith_run *run,
                    double (*log_probability)(const pith_run *run, int64_t n, int64_t c, int64_t d))
{
    const pithi_loss_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[X];
    int64_t inner = pithi_loss_inner(x), count = x->shape.dims[0] * inner;
    bool has_weight = pithi_has_operand(run->inputs, run->n_inputs, WEIGHT);
    double sum = 0.0, weights = 0.0;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = class_of(run, i);
        double weight = c < 0 ? 0.0 : has_weight ? pithi_tensor_get_f64(&run->inputs[WEIGHT], c) : 1.0;
        double loss = c < 0 ? 0.0 : -weight * log_probability(run, i / inner, c, i % inner);
        if (attrs->reduction == PITHI_LOSS_NONE) {
            pithi_tensor_set_f64(&run->outputs[0], i, loss);
        }
        sum += loss;
        weights += weight;
    }
    if (attrs->reduction != PITHI_LOSS_NONE) {
        pithi_tensor_set_f64(&run->outputs[0], 0, attrs->reduction == PITHI_LOSS_MEAN ? sum / weights : sum);
    }
}
