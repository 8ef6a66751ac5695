/* SPDX-License-Identifier: Apache-2.0 */
/* ModelProto, GraphProto, TensorProto and types. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
#include <stdio.h>

#include "export/onnx/onnx_write.h"
#include "import/onnx/onnx_schema.h"
#include "ops/shared_onnx.h"

#define FIRST_OPSET 21 /* quantisation in blocks, 16-bit and 4-bit integers */
#define WRITTEN_IR 10  /* the IR version of opset 21 */
#define OPSET_2BIT 25  /* integers of 2 bits, and the IR version that has them */
#define IR_2BIT 13

/* ---- names, types, tensors ----------------------------------------------------------------- */

/* Values of bodies get the number of their graph behind the name: ONNX forbids names that hide outer ones. */
static const char *written_name(const pith_value *value, char *buffer, size_t n_bytes)
{
    int graph = value->index & ~PITHI_WRITE_NEEDED;
    if (graph == 0) {
        return value->name;
    }
    snprintf(buffer, n_bytes, "%s.b%d", value->name, graph);
    return buffer;
}

#define NAME_BYTES 1024

pith_status pithi_onnx_write_reference(pithi_onnx_writer *writer, uint32_t field, pith_value *value)
{
    char buffer[NAME_BYTES];
    if (!value) {
        return pithi_wire_text(writer->bytes, field, "");
    }
    value->index |= value->constant ? PITHI_WRITE_NEEDED : 0;
    return pithi_wire_text(writer->bytes, field, written_name(value, buffer, sizeof buffer));
}

static pith_status onnx_code(pith_ctx *ctx, pith_dtype dtype, int64_t *code_out)
{
    *code_out = pithi_onnx_code(dtype);
    PITH_CHECK(ctx, *code_out > 0, PITH_STATUS_UNSUPPORTED, "writing ONNX: it has no element type for %s",
               pith_dtype_name(dtype));
    return PITH_OK;
}

pith_status pithi_onnx_write_tensor_fields(pithi_onnx_writer *writer, const char *name, const pith_tensor *tensor)
{
    int64_t code = 0;
    PITH_TRY(onnx_code(writer->ctx, tensor->dtype, &code));
    for (int i = 0; i < tensor->shape.rank; i++) {
        PITH_TRY(pithi_wire_int(writer->bytes, TENSOR_DIMS, tensor->shape.dims[i]));
    }
    PITH_TRY(pithi_wire_int(writer->bytes, TENSOR_DATA_TYPE, code));
    PITH_TRY(pithi_wire_text(writer->bytes, TENSOR_NAME, name));
    if (tensor->dtype == PITH_DTYPE_STRING) {
        const pith_string *strings = tensor->data;
        for (int64_t i = 0; i < pith_shape_elements(&tensor->shape); i++) {
            PITH_TRY(pithi_wire_block(writer->bytes, TENSOR_STRING_DATA, strings[i].data, strings[i].n_bytes));
        }
    } else {
        PITH_TRY(pithi_wire_block(writer->bytes, TENSOR_RAW_DATA, tensor->data, pith_tensor_bytes(tensor)));
    }
    return PITH_OK;
}

pith_status pithi_onnx_write_tensor(pithi_onnx_writer *writer, uint32_t field, const char *name,
                                    const pith_tensor *tensor)
{
    size_t mark = 0;
    PITH_TRY(pithi_wire_begin(writer->bytes, field, &mark));
    PITH_TRY(pithi_onnx_write_tensor_fields(writer, name, tensor));
    pithi_wire_end(writer->bytes, mark);
    return PITH_OK;
}

static pith_status write_shape(pithi_onnx_writer *writer, const pith_value *value)
{
    size_t mark = 0, dim = 0;
    PITH_TRY(pithi_wire_begin(writer->bytes, TENSOR_TYPE_SHAPE, &mark));
    for (int i = 0; i < value->shape.rank; i++) {
        PITH_TRY(pithi_wire_begin(writer->bytes, SHAPE_DIM, &dim));
        if (value->shape.dims[i] >= 0) {
            PITH_TRY(pithi_wire_int(writer->bytes, DIM_VALUE, value->shape.dims[i]));
        } else if (value->symbols[i]) {
            PITH_TRY(pithi_wire_text(writer->bytes, DIM_PARAM, value->symbols[i]));
        }
        pithi_wire_end(writer->bytes, dim);
    }
    pithi_wire_end(writer->bytes, mark);
    return PITH_OK;
}

static pith_status write_value_info(pithi_onnx_writer *writer, uint32_t field, pith_value *value)
{
    size_t info = 0, type = 0, tensor = 0;
    int64_t code = 0;
    PITH_TRY(pithi_wire_begin(writer->bytes, field, &info));
    PITH_TRY(pithi_onnx_write_reference(writer, VALUE_INFO_NAME, value));
    if (value->type) {
        PITH_TRY(pithi_onnx_write_type(writer, VALUE_INFO_TYPE, value->type));
    } else if (value->dtype != PITH_DTYPE_NONE) {
        PITH_TRY(onnx_code(writer->ctx, value->dtype, &code));
        PITH_TRY(pithi_wire_begin(writer->bytes, VALUE_INFO_TYPE, &type));
        PITH_TRY(pithi_wire_begin(writer->bytes, TYPE_TENSOR, &tensor));
        PITH_TRY(pithi_wire_int(writer->bytes, TENSOR_TYPE_ELEM, code));
        if (value->has_shape) {
            PITH_TRY(write_shape(writer, value));
        }
        pithi_wire_end(writer->bytes, tensor);
        pithi_wire_end(writer->bytes, type);
    }
    pithi_wire_end(writer->bytes, info);
    return PITH_OK;
}

/* ---- graphs -------------------------------------------------------------------------------- */

/* Nodes come first: what they refer to decides which constants are written. */
pith_status pithi_onnx_write_graph(pithi_onnx_writer *writer, pith_graph *graph)
{
    char buffer[NAME_BYTES];
    size_t mark = 0;
    int number = writer->n_graphs++;
    for (pith_node *node = graph->first; node; node = node->next) {
        size_t n_values = graph->n_values;
        PITH_TRY(pithi_wire_begin(writer->bytes, GRAPH_NODE, &mark));
        PITH_TRY(pithi_onnx_write_node(writer, graph, node));
        pithi_wire_end(writer->bytes, mark);
        for (; n_values < graph->n_values; n_values++) { /* constants that stood for attributes */
            graph->values[n_values]->index |= number;
        }
    }
    PITH_TRY(pithi_wire_text(writer->bytes, GRAPH_NAME, graph->name && graph->name[0] ? graph->name : "graph"));
    for (size_t i = 0; i < graph->n_inputs; i++) {
        PITH_TRY(write_value_info(writer, GRAPH_INPUT, graph->inputs[i]));
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        PITH_TRY(write_value_info(writer, GRAPH_OUTPUT, graph->outputs[i]));
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        if (value->constant && value->index & PITHI_WRITE_NEEDED) {
            const char *name = written_name(value, buffer, sizeof buffer);
            PITH_TRY(pithi_onnx_write_tensor(writer, GRAPH_INITIALIZER, name, value->constant));
        }
    }
    return PITH_OK;
}

/* The version of the domain must reach `since`. */
static pith_status need_domain(pithi_onnx_writer *writer, const char *name, int64_t since)
{
    int i = 0;
    while (i < writer->n_domains && !pithi_same_text(writer->domains[i].name, name)) {
        i++;
    }
    PITH_CHECK(writer->ctx, i < PITH_COUNT(writer->domains), PITH_STATUS_LIMIT,
               "writing ONNX: operators of more than %d domains", PITH_COUNT(writer->domains));
    writer->n_domains += i == writer->n_domains;
    writer->domains[i].name = name;
    writer->domains[i].version = pithi_max_s64(writer->domains[i].version, since);
    return PITH_OK;
}

/* Numbers the graphs, refuses names that don't fit, and finds the opset that has all operators. */
static pith_status survey(pithi_onnx_writer *writer, pith_graph *graph, int *n_graphs)
{
    int number = (*n_graphs)++;
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->index = number;
        PITH_CHECK(writer->ctx, strlen(graph->values[i]->name) < NAME_BYTES - 16, PITH_STATUS_LIMIT,
                   "writing ONNX: a value's name is longer than %d bytes", NAME_BYTES - 16);
        if (pith_dtype_bits(graph->values[i]->dtype) == 2) {
            PITH_TRY(need_domain(writer, "", OPSET_2BIT));
        }
    }
    for (pith_node *node = graph->first; node; node = node->next) {
        const pith_spelling *spelling = NULL;
        writer->n_nodes++;
        PITH_TRY(pithi_onnx_choose_spelling(writer->ctx, node, &spelling));
        PITH_TRY(need_domain(writer, spelling->domain, spelling->since));
        for (int i = 0; i < node->n_bodies; i++) {
            PITH_TRY(survey(writer, node->bodies[i], n_graphs));
        }
    }
    return PITH_OK;
}

static pith_status write_opset(pithi_onnx_writer *writer, const char *domain, int64_t version)
{
    size_t mark = 0;
    PITH_TRY(pithi_wire_begin(writer->bytes, MODEL_OPSET_IMPORT, &mark));
    PITH_TRY(pithi_wire_text(writer->bytes, OPSET_DOMAIN, domain));
    PITH_TRY(pithi_wire_int(writer->bytes, OPSET_VERSION, version));
    pithi_wire_end(writer->bytes, mark);
    return PITH_OK;
}

pith_status pithi_export_onnx(pith_graph *graph, pithi_bytes *bytes)
{
    pithi_onnx_writer writer = { .ctx = graph->ctx, .bytes = bytes };
    int n_graphs = 0;
    size_t mark = 0;
    void *names = NULL;
    PITH_TRY(need_domain(&writer, "", FIRST_OPSET));
    PITH_TRY(survey(&writer, graph, &n_graphs));
    for (writer.n_names = 16; writer.n_names < 2 * writer.n_nodes; writer.n_names *= 2) {
    }
    PITH_TRY(pithi_arena_array(&graph->arena, writer.n_names, sizeof(const char *), &names));
    writer.names = names;
    PITH_TRY(pithi_wire_int(bytes, MODEL_IR_VERSION, writer.domains[0].version < OPSET_2BIT ? WRITTEN_IR : IR_2BIT));
    PITH_TRY(pithi_wire_text(bytes, MODEL_PRODUCER_NAME, "pith"));
    PITH_TRY(pithi_wire_begin(bytes, MODEL_GRAPH, &mark));
    PITH_TRY(pithi_onnx_write_graph(&writer, graph));
    pithi_wire_end(bytes, mark);
    for (int i = 0; i < writer.n_domains; i++) {
        PITH_TRY(write_opset(&writer, writer.domains[i].name, writer.domains[i].version));
    }
    return PITH_OK;
}
