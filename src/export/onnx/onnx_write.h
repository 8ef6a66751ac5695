/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the ONNX writer share. */
#ifndef PITH_EXPORT_ONNX_WRITE_H
#define PITH_EXPORT_ONNX_WRITE_H

#include "export/onnx/wire.h"
#include "graph/source.h"
#include "ops/op.h"

typedef struct pithi_onnx_writer {
    pith_ctx *ctx;
    pithi_bytes *bytes;
    struct {
        const char *name;
        int64_t version;
    } domains[8];      /* that the operators are in; the first is the default one */
    int n_domains;
    int n_graphs;      /* begun so far, in the order of the file */
    const char **names; /* of nodes written so far, by hash; n_names is a power of two */
    size_t n_names, n_nodes;
} pithi_onnx_writer;

/* While a graph is written, value->index holds the number of its graph (0: the outermost) and this flag. */
#define PITHI_WRITE_NEEDED (1 << 30) /* a constant that something refers to */

/* The spelling that says in ONNX what `node` does: the newest form of the default domain, else of com.microsoft. */
pith_status pithi_onnx_choose_spelling(pith_ctx *ctx, const pith_node *node, const pith_spelling **spelling_out);
/* Fills `source` with type, attributes and operands; memory comes from graph->arena. */
pith_status pithi_onnx_source_of_node(pith_graph *graph, const pith_node *node, const pith_spelling *spelling,
                                      pith_source *source);

pith_status pithi_onnx_write_tensor(pithi_onnx_writer *writer, uint32_t field, const char *name,
                                    const pith_tensor *tensor);
/* The fields of a TensorProto. */
pith_status pithi_onnx_write_tensor_fields(pithi_onnx_writer *writer, const char *name, const pith_tensor *tensor);
pith_status pithi_onnx_write_type(pithi_onnx_writer *writer, uint32_t field, const pith_type *type);
pith_status pithi_onnx_write_node(pithi_onnx_writer *writer, pith_graph *graph, pith_node *node);
/* The fields of a GraphProto. */
pith_status pithi_onnx_write_graph(pithi_onnx_writer *writer, pith_graph *graph);
/* A reference to a value, unique over all nested graphs; NULL (absent) is the empty name. */
pith_status pithi_onnx_write_reference(pithi_onnx_writer *writer, uint32_t field, pith_value *value);

#endif
