/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_onnx.h"

#define MAX_CODE 64 /* beyond all TensorProto.DataType */

pith_dtype pithi_onnx_dtype(int64_t code)
{
    static const pith_dtype dtypes[] = {
        [1] = PITH_DTYPE_F32,  [2] = PITH_DTYPE_U8,   [3] = PITH_DTYPE_S8,   [4] = PITH_DTYPE_U16,
        [5] = PITH_DTYPE_S16,  [6] = PITH_DTYPE_S32,  [7] = PITH_DTYPE_S64,  [8] = PITH_DTYPE_STRING,
        [9] = PITH_DTYPE_BOOL,
        [10] = PITH_DTYPE_F16, [11] = PITH_DTYPE_F64, [12] = PITH_DTYPE_U32, [13] = PITH_DTYPE_U64,
        [14] = PITH_DTYPE_C64, [15] = PITH_DTYPE_C128, [16] = PITH_DTYPE_BF16,
        [17] = PITH_DTYPE_F8E4M3FN, [18] = PITH_DTYPE_F8E4M3FNUZ, [19] = PITH_DTYPE_F8E5M2,
        [20] = PITH_DTYPE_F8E5M2FNUZ, [21] = PITH_DTYPE_U4, [22] = PITH_DTYPE_S4, [23] = PITH_DTYPE_F4E2M1,
        [24] = PITH_DTYPE_F8E8M0, [25] = PITH_DTYPE_U2, [26] = PITH_DTYPE_S2, [27] = PITH_DTYPE_F6E2M3,
        [28] = PITH_DTYPE_F6E3M2,
    };
    return code >= 0 && code < PITH_COUNT(dtypes) ? dtypes[code] : PITH_DTYPE_NONE;
}

int64_t pithi_onnx_code(pith_dtype dtype)
{
    int64_t code = MAX_CODE;
    while (code > 0 && pithi_onnx_dtype(code) != dtype) {
        code--;
    }
    return code;
}

pith_status pithi_infer_onnx_dtype(pith_infer *infer, const char *attr, int64_t code, pith_dtype *dtype_out)
{
    *dtype_out = pithi_onnx_dtype(code);
    PITH_CHECK(infer->ctx, *dtype_out != PITH_DTYPE_NONE, PITH_STATUS_UNSUPPORTED,
               "attribute '%s' is %lld, which is no element type (a number of TensorProto.DataType)", attr,
               (long long)code);
    return PITH_OK;
}
