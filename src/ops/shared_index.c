/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_index.h"

pith_status pithi_infer_ints(pith_infer *infer, int index, int64_t items[PITH_MAX_RANK], int *n_items_out)
{
    *n_items_out = 0;
    if (!pithi_has_operand(infer->inputs, infer->n_inputs, index)) {
        return PITH_OK;
    }
    const pith_tensor *tensor = &infer->inputs[index];
    int64_t count = pith_shape_elements(&tensor->shape);
    PITH_CHECK(infer->ctx, tensor->shape.rank <= 1 && count <= PITH_MAX_RANK, PITH_STATUS_SHAPE,
               "input %d must be a list of at most %d integers, but has rank %d and %lld elements", index,
               PITH_MAX_RANK, tensor->shape.rank, (long long)count);
    if (!pithi_has_value(tensor)) {
        return pithi_infer_need_value(infer, index);
    }
    for (int i = 0; i < (int)count; i++) {
        items[i] = pithi_tensor_get_s64(tensor, i);
    }
    *n_items_out = (int)count;
    return PITH_OK;
}

pith_status pithi_infer_int(pith_infer *infer, int index, int64_t *item_out)
{
    const pith_tensor *tensor = &infer->inputs[index];
    int64_t count = pith_shape_elements(&tensor->shape);
    PITH_CHECK(infer->ctx, count == 1, PITH_STATUS_SHAPE, "input %d must be one number, but has %lld elements", index,
               (long long)count);
    if (!tensor->data) {
        return pithi_infer_need_value(infer, index);
    }
    *item_out = pithi_tensor_get_s64(tensor, 0);
    return PITH_OK;
}

static pith_status check_axes(pith_infer *infer, const int64_t *items, int n_items, int rank, int axes[PITH_MAX_RANK])
{
    unsigned seen = 0;
    for (int i = 0; i < n_items; i++) {
        PITH_TRY(pithi_infer_axis(infer, items[i], rank, &axes[i]));
        PITH_CHECK(infer->ctx, !(seen & 1u << axes[i]), PITH_STATUS_SHAPE, "axis %d is named twice", axes[i]);
        seen |= 1u << axes[i];
    }
    return PITH_OK;
}

static void first_axes(int n_default, int axes[PITH_MAX_RANK], int *n_axes_out)
{
    for (int i = 0; i < n_default; i++) {
        axes[i] = i;
    }
    *n_axes_out = n_default;
}

pith_status pithi_infer_axes(pith_infer *infer, int index, int rank, int n_default, int axes[PITH_MAX_RANK],
                             int *n_axes_out)
{
    int64_t items[PITH_MAX_RANK];
    if (!pithi_has_operand(infer->inputs, infer->n_inputs, index)) {
        first_axes(n_default, axes, n_axes_out);
        return PITH_OK;
    }
    PITH_TRY(pithi_infer_ints(infer, index, items, n_axes_out));
    return check_axes(infer, items, *n_axes_out, rank, axes);
}

pith_status pithi_infer_axes_attr(pith_infer *infer, const pith_ints *attr, int rank, int n_default,
                                  int axes[PITH_MAX_RANK], int *n_axes_out)
{
    if (attr->n_items == 0) {
        first_axes(n_default, axes, n_axes_out);
        return PITH_OK;
    }
    PITH_CHECK(infer->ctx, attr->n_items <= rank, PITH_STATUS_SHAPE, "%d axes for an input of rank %d", attr->n_items,
               rank);
    *n_axes_out = attr->n_items;
    return check_axes(infer, attr->items, attr->n_items, rank, axes);
}

int64_t pithi_run_index(const pith_run *run, const pith_tensor *indices, int64_t position, int64_t bound)
{
    int64_t index = pithi_tensor_get_s64(indices, position);
    if (index < -bound || index >= bound) {
        pithi_run_fault(run, "index %lld at position %lld is outside [-%lld, %lld)", (long long)index,
                        (long long)position, (long long)bound, (long long)bound);
        return index < 0 ? 0 : bound - 1;
    }
    return index < 0 ? index + bound : index;
}

/* ---- layout ------------------------------------------------------------------------------- */

bool pithi_axis_to_channels_last(pith_graph *graph, pith_node *node)
{
    int64_t *axis = pithi_attr_field(node, "axis", PITH_ATTR_KIND_INT);
    (void)graph;
    *axis = pithi_axis_channels_last(*axis, node->inputs[0]->shape.rank);
    return true;
}

bool pithi_axes_input_channels_last(pith_graph *graph, pith_node *node, int index, int rank, int n_default)
{
    int64_t axes[PITH_MAX_RANK];
    int n_axes = n_default;
    bool is_given = index < node->n_inputs && node->inputs[index];
    const pith_tensor *given = is_given ? node->inputs[index]->constant : NULL;
    if (is_given) {
        if (!given || pith_shape_elements(&given->shape) > rank) {
            return false;
        }
        n_axes = (int)pith_shape_elements(&given->shape);
    }
    for (int i = 0; i < n_axes; i++) {
        axes[i] = pithi_axis_channels_last(given ? pithi_tensor_get_s64(given, i) : i, rank);
    }
    pith_value *value = NULL;
    if (pithi_graph_add_s64s(graph, axes, n_axes, &value) != PITH_OK ||
        (index >= node->n_inputs && pithi_node_resize_inputs(graph, node, index + 1) != PITH_OK)) {
        return false;
    }
    node->inputs[index] = value;
    return true;
}

bool pithi_axes_attr_channels_last(pith_graph *graph, pith_ints *attr, int rank, int n_default)
{
    int n_axes = attr->n_items ? attr->n_items : n_default;
    void *block = NULL;
    if (pithi_arena_array(&graph->arena, (size_t)n_axes, sizeof(int64_t), &block) != PITH_OK) {
        return false;
    }
    int64_t *axes = block;
    for (int i = 0; i < n_axes; i++) {
        axes[i] = pithi_axis_channels_last(attr->n_items ? attr->items[i] : i, rank);
    }
    *attr = (pith_ints){ axes, n_axes };
    return true;
}
