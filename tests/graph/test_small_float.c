/* SPDX-License-Identifier: Apache-2.0 */
/* Floats of 8 bits and less: every code and 130,000 roundings against hashes of what ml_dtypes 0.6 gives, rounding
 * against a search of the nearest code, packing. */
#include <math.h>

#include "graph/float16.h"
#include "graph/small_float.h"
#include "support/test.h"

/* FNV-1a over the values of all codes (as little-endian f32, NaN as 12345), and over the codes of all floats of
 * float_at() but NaN, with saturation (onnx.numpy_helper.saturate_cast) and without (astype). */
static const struct {
    pith_dtype dtype;
    uint64_t values, saturated, plain;
} wanted[] = {
    { PITH_DTYPE_F8E4M3FN, 0x82516049f122965, 0x7fc1853016bca801, 0xc3154cd394098821 },
    { PITH_DTYPE_F8E4M3FNUZ, 0xbdb08fe00cc706df, 0xffd20a7717f53421, 0xe5693b1141171b75 },
    { PITH_DTYPE_F8E5M2, 0x9027893a07a578c5, 0x3d70eec0feba6a99, 0x996b38cc33ae7425 },
    { PITH_DTYPE_F8E5M2FNUZ, 0x1e9a84d729e713df, 0xd4686724af7d6871, 0xf4434ab4470f6bf5 },
    { PITH_DTYPE_F6E2M3, 0x7ffacb24ad8b0aa5, 0xec7c12102c0ea661, 0xec7c12102c0ea661 },
    { PITH_DTYPE_F6E3M2, 0x25da13434201d785, 0xe9dae27167215671, 0xe9dae27167215671 },
    { PITH_DTYPE_F4E2M1, 0x2403bb76b85dfea5, 0x60abb108bc8e09d1, 0x60abb108bc8e09d1 },
    { PITH_DTYPE_F8E8M0, 0xf6590644e5ac588e, 0, 0 },
};

/* All f16, then all bf16. */
static float float_at(uint32_t i)
{
    return i < 65536 ? pithi_f16_to_f32((uint16_t)i) : pithi_bf16_to_f32((uint16_t)(i - 65536));
}

static uint64_t hash_codes(pith_dtype dtype, bool saturate)
{
    uint64_t hash = PITHI_HASH_START;
    for (uint32_t i = 0; i < 2 * 65536; i++) {
        const float value = float_at(i);
        const uint8_t code = isnan(value) ? 0 : (uint8_t)pithi_small_float_encode(dtype, (double)value, saturate);
        hash = isnan(value) ? hash : pithi_hash(hash, &code, 1);
    }
    return hash;
}

static uint64_t hash_values(pith_dtype dtype)
{
    uint64_t hash = PITHI_HASH_START;
    for (unsigned code = 0; code < 1u << pith_dtype_bits(dtype); code++) {
        const double decoded = pithi_small_float_decode(dtype, code);
        const float value = isnan(decoded) ? 12345.0f : (float)decoded;
        hash = pithi_hash(hash, &value, sizeof value);
    }
    return hash;
}

/* No code is nearer, and of two equally near ones the even one was taken. */
static bool is_nearest(pith_dtype dtype, double value, unsigned code)
{
    const double gap = fabs(pithi_small_float_decode(dtype, code) - value);
    bool is_best = true;
    for (unsigned other = 0; other < 1u << pith_dtype_bits(dtype); other++) {
        const double element = pithi_small_float_decode(dtype, other), other_gap = fabs(element - value);
        const bool is_same = element == pithi_small_float_decode(dtype, code);
        is_best = is_best && !(other_gap < gap) && (is_same || other_gap != gap || code % 2 == 0);
    }
    return is_best;
}

static void test_roundings(pith_test *test, pith_dtype dtype)
{
    uint64_t state = 1;
    for (int i = 0; i < 2000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double value = ldexp((double)(int64_t)state, -63 + (int)(state >> 13 & 31) - 20);
        const unsigned code = pithi_small_float_encode(dtype, value, true);
        TEST_CHECK_MESSAGE(test, is_nearest(dtype, value, code), "%.17g became %u", value, code);
    }
}

static void test_e8m0(pith_test *test)
{
    static const struct {
        double value;
        unsigned up, down, nearest; /* saturated */
    } rows[] = {
        { 1.0, 127, 127, 127 },  { 1.25, 128, 127, 127 },      { 1.5, 128, 127, 128 },
        { 0.124, 124, 123, 124 }, { 0x1p-127, 0, 0, 0 },        { 0x1.2p-127, 1, 0, 0 },
        { 0x1p-140, 0, 0, 0 },   { 0x1.fp127, 254, 254, 254 }, { INFINITY, 254, 254, 254 },
        { 0.0, 0, 0, 0 },        { NAN, 255, 255, 255 },
    };
    pith_test_case(test, "e8m0 rounds as it is told");
    for (int i = 0; i < PITH_COUNT(rows); i++) {
        TEST_CHECK(test, pithi_e8m0_encode(rows[i].value, true, PITHI_ROUND_UP) == rows[i].up);
        TEST_CHECK(test, pithi_e8m0_encode(rows[i].value, true, PITHI_ROUND_DOWN) == rows[i].down);
        TEST_CHECK(test, pithi_e8m0_encode(rows[i].value, true, PITHI_ROUND_NEAREST) == rows[i].nearest);
    }
    TEST_CHECK(test, pithi_e8m0_encode(0.0, false, PITHI_ROUND_NEAREST) == 255);
    TEST_CHECK(test, pithi_e8m0_encode(INFINITY, false, PITHI_ROUND_UP) == 255);
    TEST_CHECK(test, pithi_e8m0_encode(0x1p127, false, PITHI_ROUND_UP) == 254);
}

static void test_packing(pith_test *test)
{
    static const pith_dtype dtypes[] = { PITH_DTYPE_S4, PITH_DTYPE_U4, PITH_DTYPE_S2, PITH_DTYPE_U2,
                                         PITH_DTYPE_F4E2M1, PITH_DTYPE_F6E2M3, PITH_DTYPE_F8E5M2 };
    for (int k = 0; k < PITH_COUNT(dtypes); k++) {
        uint8_t bytes[16], other[16];
        memset(bytes, 0xff, sizeof bytes);
        const unsigned bits = pith_dtype_bits(dtypes[k]);
        pith_tensor tensor = { dtypes[k], { 1, { 11 } }, bytes }, copy = { dtypes[k], { 1, { 11 } }, other };
        pith_test_case(test, "%s is packed from the lowest bits up", pith_dtype_name(dtypes[k]));
        TEST_CHECK(test, pith_tensor_bytes(&tensor) == (11 * bits + 7) / 8);
        for (int i = 10; i >= 0; i--) {
            pithi_tensor_set_code(&tensor, i, (unsigned)i * 7);
        }
        for (unsigned bit = 0; bit < 11 * bits; bit++) {
            const unsigned stored = (unsigned)bytes[bit / 8] >> bit % 8 & 1u;
            TEST_CHECK(test, stored == (bit / bits * 7 >> bit % bits & 1u));
        }
        pithi_tensor_clear_rest(&tensor);
        TEST_CHECK(test, 11 * bits % 8 == 0 || bytes[11 * bits / 8] >> 11 * bits % 8 == 0);
        pithi_tensor_copy_elements(&copy, 0, &tensor, 4, 7);
        pithi_tensor_copy_elements(&copy, 7, &tensor, 0, 4);
        for (int i = 0; i < 11; i++) {
            TEST_CHECK(test, pithi_tensor_get_code(&copy, i) == pithi_tensor_get_code(&tensor, (i + 4) % 11));
        }
    }
    uint8_t byte = 0;
    pith_tensor one = { PITH_DTYPE_S4, { 0 }, &byte };
    pith_test_case(test, "integers of 4 bits keep the low bits");
    pithi_tensor_set_s64(&one, 0, 200);
    TEST_CHECK(test, pithi_tensor_get_s64(&one, 0) == -8);
    pithi_tensor_set_f64(&one, 0, -9.7);
    TEST_CHECK(test, pithi_tensor_get_s64(&one, 0) == 7);
}

void test_small_float(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(wanted); i++) {
        const pith_dtype dtype = wanted[i].dtype;
        pith_test_case(test, "every code of %s", pith_dtype_name(dtype));
        TEST_CHECK(test, hash_values(dtype) == wanted[i].values);
        if (wanted[i].plain) {
            pith_test_case(test, "rounding to %s", pith_dtype_name(dtype));
            TEST_CHECK(test, hash_codes(dtype, true) == wanted[i].saturated);
            TEST_CHECK(test, hash_codes(dtype, false) == wanted[i].plain);
            test_roundings(test, dtype);
        }
    }
    test_e8m0(test);
    test_packing(test);
}
