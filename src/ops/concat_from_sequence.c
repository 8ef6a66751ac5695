/* SPDX-License-Identifier: Apache-2.0 */
/* concat_from_sequence: the tensors of a sequence side by side along `axis`, or stacked along a new one. ONNX
 * ConcatFromSequence. */
#include "ops/shared_copy.h"
#include "ops/shared_object.h"

typedef struct concat_from_sequence_attrs {
    int64_t axis, new_axis;
} concat_from_sequence_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_REQUIRED_INT(concat_from_sequence_attrs, axis, "axis"),
    PITH_ATTR_INT(concat_from_sequence_attrs, new_axis, "new_axis", 0),
};

static void ref(const pith_run *run)
{
    const concat_from_sequence_attrs *attrs = run->attrs;
    const pith_object *sequence = pithi_run_object(run, 0, PITH_KIND_SEQUENCE);
    pith_tensor *y = &run->outputs[0];
    int axis = (int)(attrs->axis < 0 ? attrs->axis + y->shape.rank : attrs->axis);
    size_t n_bytes = pith_dtype_bytes(y->dtype), offset = 0;
    size_t n_outer = (size_t)pithi_dims_product(&y->shape, 0, axis);
    size_t to_row = (size_t)pithi_dims_product(&y->shape, axis, y->shape.rank) * n_bytes;
    for (size_t i = 0; sequence && n_outer > 0 && i < sequence->n_items; i++) {
        const pith_tensor *x = &sequence->items[i];
        size_t row = pith_tensor_bytes(x) / n_outer;
        for (size_t k = 0; k < n_outer && row > 0; k++) {
            memcpy((char *)y->data + k * to_row + offset, (const char *)x->data + k * row, row);
        }
        offset += row;
    }
}

static pith_status check_item(pith_infer *infer, const pith_tensor *first, const pith_tensor *item, int but_axis)
{
    char a[PITHI_SHAPE_TEXT_BYTES], b[PITHI_SHAPE_TEXT_BYTES];
    bool fits = first->shape.rank == item->shape.rank && first->dtype == item->dtype;
    for (int i = 0; fits && i < item->shape.rank; i++) {
        fits = i == but_axis || first->shape.dims[i] == item->shape.dims[i];
    }
    PITH_CHECK(infer->ctx, fits, PITH_STATUS_SHAPE, "items of shapes %s and %s can't be concatenated",
               pithi_shape_text(&first->shape, a), pithi_shape_text(&item->shape, b));
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const concat_from_sequence_attrs *attrs = infer->attrs;
    const pith_object *sequence;
    PITH_TRY(pithi_infer_outline(infer, 0, PITH_KIND_SEQUENCE, &sequence));
    PITH_CHECK(infer->ctx, sequence->n_items > 0, PITH_STATUS_ARG, "the sequence is empty: there is nothing to join");
    const pith_tensor *first = &sequence->items[0];
    PITH_CHECK(infer->ctx, PITH_DTYPES_MOVED & PITH_DTYPES(first->dtype), PITH_STATUS_DTYPE,
               "items of dtype %s can't be joined", pith_dtype_name(first->dtype));
    pith_shape *y = &infer->outputs[0].shape;
    bool stacks = attrs->new_axis != 0;
    int axis, rank = first->shape.rank + stacks;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, rank, &axis));
    PITH_CHECK(infer->ctx, rank <= PITH_MAX_RANK, PITH_STATUS_UNSUPPORTED,
               "the result has rank %d, pith handles up to %d", rank, PITH_MAX_RANK);
    int64_t total = 0;
    for (size_t i = 0; i < sequence->n_items; i++) {
        PITH_TRY(check_item(infer, first, &sequence->items[i], stacks ? -1 : axis));
        int64_t size = stacks ? 1 : sequence->items[i].shape.dims[axis];
        PITH_CHECK(infer->ctx, !__builtin_add_overflow(total, size, &total), PITH_STATUS_LIMIT,
                   "the joined axis overflows a size");
    }
    y->rank = rank;
    for (int i = 0; i < rank; i++) {
        y->dims[i] = i == axis ? total : first->shape.dims[stacks && i > axis ? i - 1 : i];
    }
    infer->outputs[0].dtype = first->dtype;
    return PITH_OK;
}

static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "ConcatFromSequence", 11, NULL } };
static const char *const samples[] = {
    "seq:f32{f32[2,1]{1,2} f32[2,2]{3,4,5,6}} | axis=1", "seq:f32{f32[2]{1,2} f32[2]{3,4}} | axis=-1 new_axis=1",
    "seq:string{string[2]{a,b} string[1]{c}} | axis=0", "seq:f32{f32[0,2]{} f32[1,2]{3,4}} | axis=0",
};

const pith_op pith_op_concat_from_sequence = {
    .head = { "concat_from_sequence", 1, PITH_ATTRS(attr_table, concat_from_sequence_attrs) },
    .inputs = pithi_object_input, .n_inputs = 1,
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
