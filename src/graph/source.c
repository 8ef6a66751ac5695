/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/source.h"

pith_source_attr *pithi_source_attr(pith_source *source, const char *name)
{
    for (int i = 0; i < source->n_attrs; i++) {
        if (pithi_same_text(source->attrs[i].name, name)) {
            source->attrs[i].is_used = true;
            return &source->attrs[i];
        }
    }
    return NULL;
}

pith_status pithi_source_attr_to_input(pith_source *source, const char *name, int index)
{
    pith_ctx *ctx = source->graph->ctx;
    const pith_source_attr *attr = pithi_source_attr(source, name);
    if (!attr) {
        return PITH_OK;
    }
    PITH_CHECK(ctx, index >= source->n_inputs || !source->inputs[index], PITH_STATUS_FORMAT,
               "attribute '%s' is also given as input %d", name, index);
    PITH_CHECK(ctx, index < source->n_inputs + PITHI_SOURCE_SPARE, PITH_STATUS_INTERNAL, "input %d out of range",
               index);
    pith_value *value = NULL;
    if (attr->kind == PITH_SOURCE_INTS) {
        PITH_TRY(pithi_graph_add_s64s(source->graph, attr->ints, attr->n_items, &value));
    } else {
        PITH_CHECK(ctx, attr->kind == PITH_SOURCE_INT || attr->kind == PITH_SOURCE_FLOAT, PITH_STATUS_FORMAT,
                   "attribute '%s' must be an int, a float or a list of ints", name);
        bool is_int = attr->kind == PITH_SOURCE_INT;
        pith_shape scalar = { 0 };
        pith_tensor tensor;
        PITH_TRY(pithi_graph_new_constant(source->graph, NULL, is_int ? PITH_DTYPE_S64 : PITH_DTYPE_F32, &scalar,
                                          &tensor, &value));
        if (is_int) {
            *(int64_t *)tensor.data = attr->i;
        } else {
            *(float *)tensor.data = attr->f;
        }
    }
    while (source->n_inputs <= index) {
        source->inputs[source->n_inputs++] = NULL;
    }
    source->inputs[index] = value;
    return PITH_OK;
}
