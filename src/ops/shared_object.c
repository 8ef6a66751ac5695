/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_object.h"

const pith_operand_spec pithi_object_input[1] = { { "sequence", PITH_DTYPES_OBJECT, PITH_ONE } };
const pith_operand_spec pithi_object_output[1] = { { "sequence", PITH_DTYPES_OBJECT, PITH_ONE } };

static const char *const kind_names[] = { "a tensor", "a sequence", "an optional", "a map" };

pith_status pithi_infer_object(pith_infer *infer)
{
    infer->outputs[0] = (pith_tensor){ .dtype = PITH_DTYPE_OBJECT };
    return PITH_OK;
}

pith_status pithi_infer_outline(pith_infer *infer, int index, pith_kind kind, const pith_object **object_out)
{
    const pith_object *object = pith_object_of(&infer->inputs[index]);
    *object_out = object;
    if (!object) {
        return pithi_infer_need_value(infer, index);
    }
    PITH_CHECK(infer->ctx, object->type->kind == kind, PITH_STATUS_DTYPE, "input %d is %s, but must be %s", index,
               kind_names[object->type->kind], kind_names[kind]);
    return PITH_OK;
}

const pith_object *pithi_run_object(const pith_run *run, int index, pith_kind kind)
{
    const pith_object *object = pith_object_of(&run->inputs[index]);
    if (!object || object->type->kind != kind) {
        const char *is = object ? kind_names[object->type->kind] : "nothing";
        pithi_run_fault(run, "input %d is %s, but must be %s", index, is, kind_names[kind]);
        return NULL;
    }
    return object;
}

static const pith_type *kept_type(const pith_run *run, const pith_type *type)
{
    const pith_type *copy = NULL;
    pith_ctx *ctx = run->heap->ctx;
    if (pithi_type_copy(run->heap, type, &copy) != PITH_OK) {
        pithi_run_fault(run, "%s", pith_ctx_error(ctx));
        pith_ctx_clear_error(ctx);
        return NULL;
    }
    return copy;
}

pith_object *pithi_run_new_object(const pith_run *run, const pith_type *type, size_t n_items, pith_tensor **items_out)
{
    pith_handle *handle = run->outputs[0].data;
    pith_object *object = pithi_run_alloc(run, 1, sizeof *object);
    pith_tensor *items = object ? pithi_run_alloc(run, n_items, sizeof *items) : NULL;
    const pith_type *kept = items ? kept_type(run, type) : NULL;
    *handle = (pith_handle){ 0 };
    *items_out = items;
    if (!kept) {
        return NULL;
    }
    *object = (pith_object){ .type = kept, .n_items = n_items, .items = items };
    handle->object = object;
    return object;
}

bool pithi_run_item(const pith_run *run, const pith_tensor *from, pith_tensor *item_out)
{
    size_t n_bytes = pith_tensor_bytes(from);
    *item_out = (pith_tensor){ from->dtype, from->shape, pithi_run_alloc(run, n_bytes, 1) };
    if (item_out->data && n_bytes > 0) {
        memcpy(item_out->data, from->data, n_bytes);
    }
    return item_out->data != NULL;
}

void pithi_run_take_item(const pith_run *run, const pith_tensor *item)
{
    pith_tensor *output = &run->outputs[0];
    if (item->dtype != output->dtype || !pith_shape_equal(&item->shape, &output->shape)) {
        pithi_run_fault(run, "the item isn't what its outline promised");
        return;
    }
    size_t n_bytes = pith_tensor_bytes(item);
    if (n_bytes > 0) {
        memcpy(output->data, item->data, n_bytes);
    }
}

int64_t pithi_run_position(const pith_run *run, int index, int64_t n, int64_t absent)
{
    if (!pithi_has_operand(run->inputs, run->n_inputs, index)) {
        return absent;
    }
    int64_t position = pithi_tensor_get_s64(&run->inputs[index], 0);
    if (position < -n || position >= n) {
        pithi_run_fault(run, "position %lld is outside [-%lld, %lld)", (long long)position, (long long)n,
                        (long long)n);
        return -1;
    }
    return position < 0 ? position + n : position;
}
