/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_window.h"

#include <math.h>

#include "ops/shared_index.h"
#include "ops/shared_onnx.h"

pith_status pithi_window_infer(pith_infer *infer)
{
    const pithi_window_attrs *attrs = infer->attrs;
    int64_t size = 0;
    PITH_TRY(pithi_infer_int(infer, 0, &size));
    PITH_CHECK(infer->ctx, size >= 0, PITH_STATUS_SHAPE, "size is %lld, but must not be negative", (long long)size);
    infer->outputs[0].shape = (pith_shape){ .rank = 1, .dims = { size } };
    return pithi_infer_onnx_dtype(infer, "output_datatype", attrs->output_datatype, &infer->outputs[0].dtype);
}

void pithi_window_ref(const pith_run *run, double a0, double a1, double a2)
{
    const double two_pi = 6.283185307179586476925;
    const pithi_window_attrs *attrs = run->attrs;
    pith_tensor *y = &run->outputs[0];
    int64_t size = y->shape.dims[0], n = attrs->periodic ? size : size - 1;
    for (int64_t i = 0; i < size; i++) {
        double phase = n > 0 ? two_pi * (double)i / (double)n : two_pi / 2; /* a symmetric window of one is its peak */
        double value = a0 - a1 * cos(phase) + a2 * cos(2 * phase);
        if (pithi_dtype_is_float(y->dtype)) {
            pithi_tensor_set_f64(y, i, value);
        } else {
            pithi_tensor_set_s64(y, i, (int64_t)value);
        }
    }
}
