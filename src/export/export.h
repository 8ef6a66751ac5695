/* SPDX-License-Identifier: Apache-2.0 */
/* Level 6: graphs -> model files. */
#ifndef PITH_EXPORT_H
#define PITH_EXPORT_H

#include "graph/graph.h"

/* A file being made. `data` belongs to the context's allocator: release it with pithi_free(). */
typedef struct pithi_bytes {
    pith_ctx *ctx;
    unsigned char *data;
    size_t n_bytes, capacity;
} pithi_bytes;

/* Writes `graph` as an ONNX model (IR version 10; the default domain in the lowest opset from 21 on that has all of
 * its operators). Constants that nobody uses stay out. May add constants to the graph, where ONNX has an input for
 * what pith keeps as an attribute. Fails with UNSUPPORTED, naming the node, where ONNX can't say what the node does:
 * after passes that fuse or change layouts. `bytes` has its ctx set and is empty. */
pith_status pithi_export_onnx(pith_graph *graph, pithi_bytes *bytes);
/* A value as TensorProto, SequenceProto, MapProto or OptionalProto, as its type says. */
pith_status pithi_export_onnx_value(const pith_tensor *value, pithi_bytes *bytes);

#endif
