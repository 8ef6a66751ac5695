/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "graph/float16.h"
#include "graph/graph.h"
#include "support/test.h"

void test_tensor(pith_test *test)
{
    pith_test_case(test, "every half survives the way to double and back");
    for (uint32_t half = 0; half < 65536; half++) {
        float value = pithi_f16_to_f32((uint16_t)half);
        TEST_CHECK(test, isnan(value) ? (half & 0x7fffu) > 0x7c00u : pithi_f64_to_f16((double)value) == half);
    }
    pith_test_case(test, "half rounds to nearest even");
    TEST_CHECK(test, pithi_f64_to_f16(1.0 + 0x1p-11) == 0x3c00);
    TEST_CHECK(test, pithi_f64_to_f16(1.0 + 3 * 0x1p-11) == 0x3c02);
    TEST_CHECK(test, pithi_f64_to_f16(65519.99) == 0x7bff);
    TEST_CHECK(test, pithi_f64_to_f16(-65520.0) == 0xfc00);

    pith_test_case(test, "double to bfloat16 rounds once");
    TEST_CHECK(test, pithi_f64_to_bf16(1.0 + 0x1p-8 + 0x1p-40) == 0x3f81);
    TEST_CHECK(test, pithi_f64_to_bf16(1.0 + 0x1p-8) == 0x3f80);
    TEST_CHECK(test, pithi_f64_to_bf16(-1.0 - 3 * 0x1p-8 + 0x1p-40) == 0xbf81);
    TEST_CHECK(test, pithi_f64_to_bf16(1e300) == 0x7f80);

    pith_test_case(test, "stored numbers are rounded and saturate");
    static const struct {
        pith_dtype dtype;
        double value, stored;
    } rows[] = {
        { PITH_DTYPE_S4, 7.6, 7 },      { PITH_DTYPE_S4, -1e9, -8 },   { PITH_DTYPE_U2, 2.5, 2 },
        { PITH_DTYPE_U8, 300, 255 },    { PITH_DTYPE_S8, -1.5, -2 },   { PITH_DTYPE_U16, NAN, 0 },
        { PITH_DTYPE_S32, 3e9, INT32_MAX }, { PITH_DTYPE_S64, 1e30, 9223372036854774784.0 },
        { PITH_DTYPE_U64, 1e30, 18446744073709549568.0 }, { PITH_DTYPE_F8E4M3FN, 1e6, 448 },
        { PITH_DTYPE_F16, 1e6, INFINITY }, { PITH_DTYPE_C128, -2.5, -2.5 }, { PITH_DTYPE_BOOL, 3, 1 },
    };
    for (int i = 0; i < PITH_COUNT(rows); i++) {
        uint64_t bits[4] = { 0 };
        pith_tensor tensor = { rows[i].dtype, { 1, { 2 } }, bits };
        pith_tensor_set(&tensor, 1, rows[i].value);
        TEST_CHECK(test, pith_tensor_get(&tensor, 1) == rows[i].stored && pith_tensor_get(&tensor, 0) == 0.0);
    }

    pith_test_case(test, "sizes that overflow are refused");
    pith_shape huge = { 3, { 1 << 30, 1 << 30, 1 << 30 } };
    TEST_STATUS(test, pithi_shape_check(test->ctx, &huge, PITH_DTYPE_F32, NULL), PITH_STATUS_LIMIT, "max_tensor_bytes");
    pith_shape hidden = { 3, { 0, INT64_MAX, 2 } };
    TEST_STATUS(test, pithi_shape_check(test->ctx, &hidden, PITH_DTYPE_F32, NULL), PITH_STATUS_LIMIT,
                "max_tensor_bytes");
}
