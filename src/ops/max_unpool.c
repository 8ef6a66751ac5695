/* SPDX-License-Identifier: Apache-2.0 */
/* max_unpool: puts x back to where max_pool's indices say, zeros elsewhere. Indices count in the smallest tensor
 * that the pooling can have come from; output_shape may ask for a larger one. ONNX MaxUnpool. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct max_unpool_attrs {
    pith_ints kernel_shape, pads, strides;
} max_unpool_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_REQUIRED_INTS(max_unpool_attrs, kernel_shape, "kernel_shape"),
    PITH_ATTR_INTS(max_unpool_attrs, pads, "pads"),
    PITH_ATTR_INTS(max_unpool_attrs, strides, "strides"),
};

/* Sizes that keep smallest_shape() in range. */
static bool are_small(const pith_ints *list)
{
    bool are = true;
    for (int i = 0; i < list->n_items; i++) {
        are = are && list->items[i] >= 0 && list->items[i] < (1 << 20);
    }
    return are;
}

static pith_shape smallest_shape(const max_unpool_attrs *attrs, const pith_shape *x)
{
    pith_shape shape = *x;
    int n = x->rank - 2;
    for (int i = 0; i < n; i++) {
        int64_t stride = attrs->strides.n_items ? attrs->strides.items[i] : 1;
        int64_t pads = attrs->pads.n_items ? attrs->pads.items[i] + attrs->pads.items[i + n] : 0;
        shape.dims[i + 2] = (x->dims[i + 2] - 1) * stride - pads + attrs->kernel_shape.items[i];
    }
    return shape;
}

static void ref(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    pith_shape from = smallest_shape(run->attrs, &x->shape);
    int64_t strides[PITH_MAX_RANK], count = pith_shape_elements(&x->shape), bound = pith_shape_elements(&from);
    size_t n_bytes = pith_dtype_bytes(x->dtype);
    pithi_dense_strides(&y->shape, strides);
    if (pith_tensor_bytes(y) > 0) {
        memset(y->data, 0, pith_tensor_bytes(y));
    }
    for (int64_t i = 0; i < count && bound > 0; i++) {
        int64_t rest = pithi_run_index(run, &run->inputs[1], i, bound), to = 0;
        bool is_inside = true;
        for (int k = from.rank - 1; k >= 0; k--) {
            to += rest % from.dims[k] * strides[k];
            is_inside = is_inside && rest % from.dims[k] < y->shape.dims[k];
            rest /= from.dims[k];
        }
        if (is_inside) {
            memcpy((char *)y->data + (size_t)to * n_bytes, (const char *)x->data + (size_t)i * n_bytes, n_bytes);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const max_unpool_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    int n = x->rank - 2, n_given;
    PITH_CHECK(infer->ctx,
               n > 0 && attrs->kernel_shape.n_items == n &&
                   (attrs->pads.n_items == 0 || attrs->pads.n_items == 2 * n) &&
                   (attrs->strides.n_items == 0 || attrs->strides.n_items == n),
               PITH_STATUS_SHAPE, "kernel_shape, strides and pads must be for the %d spatial dimensions of x",
               n);
    PITH_CHECK(infer->ctx, are_small(&attrs->kernel_shape) && are_small(&attrs->pads) && are_small(&attrs->strides),
               PITH_STATUS_ARG, "kernel_shape, strides and pads must lie in [0, %d)", 1 << 20);
    PITH_CHECK(infer->ctx, pith_shape_equal(x, &infer->inputs[1].shape), PITH_STATUS_SHAPE,
               "x and indices differ in shape");
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    infer->outputs[0].shape = smallest_shape(attrs, x);
    if (pithi_has_operand(infer->inputs, infer->n_inputs, 2)) {
        PITH_TRY(pithi_infer_ints(infer, 2, infer->outputs[0].shape.dims, &n_given));
        PITH_CHECK(infer->ctx, n_given == x->rank, PITH_STATUS_SHAPE,
                   "output_shape has %d dimensions, x has %d", n_given, x->rank);
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_FLOAT, PITH_ONE },
    { "indices", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE },
    { "output_shape", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "MaxUnpool", 9, NULL } };
static const char *const samples[] = {
    "f32[1,1,2,2] s64[1,1,2,2]{5,7,13,15} | kernel_shape=[2,2] strides=[2,2]",
    "f32[1,1,2,2] s64[1,1,2,2]{5,7,13,15} s64[4]{1,1,5,5} | kernel_shape=[2,2] strides=[2,2]",
    "f64[1,2,3] s64[1,2,3]{0,2,4,6,8,10} | kernel_shape=[3] strides=[2] pads=[1,0]"
};

const pith_op pith_op_max_unpool = {
    .head = { "max_unpool", 1, PITH_ATTRS(attr_table, max_unpool_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
