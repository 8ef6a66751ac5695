/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors from files, for tests with reference data. */
#ifndef PITH_TEST_TENSOR_FILE_H
#define PITH_TEST_TENSOR_FILE_H

#include "graph/graph.h"

/* A TensorProto in a file of its own (test_data_set_N/input_K.pb). Memory comes from graph->arena. Fails with
 * UNSUPPORTED for element types that pith lacks. */
pith_status pith_tensor_file_read_pb(pith_graph *graph, const char *path, pith_tensor *tensor_out);
/* The same for any value; `type` NULL: a tensor. */
pith_status pith_value_file_read_pb(pith_graph *graph, const char *path, const pith_type *type,
                                    pith_tensor *value_out);

/* The rule of the ONNX backend tests: |a - b| <= atol + rtol * |b|, NaN equals NaN; integers are equal. Writes what
 * differs into `message`. */
bool pith_tensor_close(const pith_tensor *a, const pith_tensor *b, double rtol, double atol, char *message,
                       size_t message_bytes);

#endif
