/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX words that several operators read: element types given as TensorProto.DataType numbers. */
#ifndef PITH_OPS_SHARED_ONNX_H
#define PITH_OPS_SHARED_ONNX_H

#include "ops/op.h"

/* PITH_DTYPE_NONE if pith has no such element type. */
pith_dtype pithi_onnx_dtype(int64_t code);
/* The way back; 0 if ONNX has none. */
int64_t pithi_onnx_code(pith_dtype dtype);
/* As pithi_onnx_dtype(), failing with the name of the attribute that holds `code`. */
pith_status pithi_infer_onnx_dtype(pith_infer *infer, const char *attr, int64_t code, pith_dtype *dtype_out);

#endif
