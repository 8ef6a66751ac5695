/* SPDX-License-Identifier: Apache-2.0 */
/* Dtypes, shapes and element access. */
#include <math.h>
#include <stdio.h>

#include "base/ctx.h"
#include "graph/float16.h"
#include "graph/graph.h"
#include "graph/small_float.h"

static const struct {
    const char *name;
    unsigned bits;
} dtypes[PITH_DTYPE_COUNT] = {
    [PITH_DTYPE_NONE] = { "none", 0 },
    [PITH_DTYPE_F32] = { "f32", 32 },
    [PITH_DTYPE_F16] = { "f16", 16 },
    [PITH_DTYPE_BF16] = { "bf16", 16 },
    [PITH_DTYPE_F64] = { "f64", 64 },
    [PITH_DTYPE_F8E4M3FN] = { "f8e4m3fn", 8 },
    [PITH_DTYPE_F8E4M3FNUZ] = { "f8e4m3fnuz", 8 },
    [PITH_DTYPE_F8E5M2] = { "f8e5m2", 8 },
    [PITH_DTYPE_F8E5M2FNUZ] = { "f8e5m2fnuz", 8 },
    [PITH_DTYPE_F8E8M0] = { "f8e8m0", 8 },
    [PITH_DTYPE_F6E2M3] = { "f6e2m3", 6 },
    [PITH_DTYPE_F6E3M2] = { "f6e3m2", 6 },
    [PITH_DTYPE_F4E2M1] = { "f4e2m1", 4 },
    [PITH_DTYPE_S8] = { "s8", 8 },
    [PITH_DTYPE_U8] = { "u8", 8 },
    [PITH_DTYPE_S16] = { "s16", 16 },
    [PITH_DTYPE_U16] = { "u16", 16 },
    [PITH_DTYPE_S32] = { "s32", 32 },
    [PITH_DTYPE_U32] = { "u32", 32 },
    [PITH_DTYPE_S64] = { "s64", 64 },
    [PITH_DTYPE_U64] = { "u64", 64 },
    [PITH_DTYPE_S4] = { "s4", 4 },
    [PITH_DTYPE_U4] = { "u4", 4 },
    [PITH_DTYPE_S2] = { "s2", 2 },
    [PITH_DTYPE_U2] = { "u2", 2 },
    [PITH_DTYPE_BOOL] = { "bool", 8 },
    [PITH_DTYPE_C64] = { "c64", 64 },
    [PITH_DTYPE_C128] = { "c128", 128 },
    [PITH_DTYPE_STRING] = { "string", 8 * sizeof(pith_string) },
    [PITH_DTYPE_OBJECT] = { "object", 8 * sizeof(pith_string) },
};

const char *pith_dtype_name(pith_dtype dtype)
{
    return dtype >= 0 && dtype < PITH_DTYPE_COUNT ? dtypes[dtype].name : "invalid";
}

unsigned pith_dtype_bits(pith_dtype dtype)
{
    return dtype >= 0 && dtype < PITH_DTYPE_COUNT ? dtypes[dtype].bits : 0;
}

size_t pith_dtype_bytes(pith_dtype dtype)
{
    return pith_dtype_bits(dtype) / 8;
}

bool pithi_dtype_is_float(pith_dtype dtype)
{
    return dtype >= PITH_DTYPE_F32 && dtype <= PITH_DTYPE_F4E2M1;
}

bool pithi_dtype_is_integer(pith_dtype dtype)
{
    return dtype >= PITH_DTYPE_S8 && dtype <= PITH_DTYPE_U2;
}

int64_t pith_shape_elements(const pith_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++) {
        count *= shape->dims[i];
    }
    return count;
}

int pith_shape_equal(const pith_shape *a, const pith_shape *b)
{
    if (a->rank != b->rank) {
        return 0;
    }
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i]) {
            return 0;
        }
    }
    return 1;
}

/* Of elements of less than a byte, rounded up; without overflow on the way. */
static size_t packed_bytes(size_t n_elements, unsigned bits)
{
    return n_elements / 8 * bits + (n_elements % 8 * bits + 7) / 8;
}

size_t pith_tensor_bytes(const pith_tensor *tensor)
{
    size_t n_elements = (size_t)pith_shape_elements(&tensor->shape);
    unsigned bits = pith_dtype_bits(tensor->dtype);
    return bits >= 8 ? n_elements * (bits / 8) : packed_bytes(n_elements, bits);
}

const char *pithi_shape_text(const pith_shape *shape, char *buffer)
{
    size_t used = 1;
    buffer[0] = '[';
    buffer[1] = '\0';
    for (int i = 0; i < shape->rank && used < PITHI_SHAPE_TEXT_BYTES - 24; i++) {
        const char *comma = i ? "," : "";
        int added = shape->dims[i] < 0 ? snprintf(buffer + used, 24, "%s?", comma)
                                       : snprintf(buffer + used, 24, "%s%lld", comma, (long long)shape->dims[i]);
        used += (size_t)added;
    }
    snprintf(buffer + used, 2, "]");
    return buffer;
}

pith_status pithi_shape_check(pith_ctx *ctx, const pith_shape *shape, pith_dtype dtype, size_t *n_bytes_out)
{
    PITH_CHECK(ctx, shape->rank >= 0 && shape->rank <= PITH_MAX_RANK, PITH_STATUS_SHAPE,
               "rank %d; pith handles ranks 0 to %d", shape->rank, PITH_MAX_RANK);
    unsigned bits = pith_dtype_bits(dtype);
    size_t n_units = bits < 8 ? 1 : bits / 8; /* bytes, or elements where those are smaller */
    size_t without_zeros = n_units; /* zero-size tensors must not hide an overflow of partial products */
    char text[PITHI_SHAPE_TEXT_BYTES];
    for (int i = 0; i < shape->rank; i++) {
        PITH_CHECK(ctx, shape->dims[i] >= 0, PITH_STATUS_SHAPE, "shape %s has a negative dimension",
                   pithi_shape_text(shape, text));
        size_t dim = (size_t)shape->dims[i];
        bool fits = pithi_mul_size(without_zeros, dim ? dim : 1, &without_zeros);
        size_t least_bytes = bits < 8 ? packed_bytes(without_zeros, bits) : without_zeros;
        fits = fits && (uint64_t)least_bytes <= ctx->limits.max_tensor_bytes;
        PITH_CHECK(
            ctx, fits, PITH_STATUS_LIMIT, "a tensor %s of %s exceeds the ceiling of %llu bytes; "
            "pith_limits.max_tensor_bytes raises it",
            pithi_shape_text(shape, text), pith_dtype_name(dtype), (unsigned long long)ctx->limits.max_tensor_bytes);
        n_units *= dim;
    }
    if (n_bytes_out) {
        *n_bytes_out = bits < 8 ? packed_bytes(n_units, bits) : n_units;
    }
    return PITH_OK;
}

/* ---- elements ----------------------------------------------------------------------------- */

unsigned pithi_tensor_get_code(const pith_tensor *tensor, int64_t index)
{
    const unsigned bits = pith_dtype_bits(tensor->dtype);
    const uint8_t *data = tensor->data;
    if (bits == 8) {
        return data[index];
    }
    const size_t at = (size_t)index * bits;
    const unsigned shift = (unsigned)(at % 8);
    unsigned code = (unsigned)data[at / 8] >> shift;
    if (shift + bits > 8) {
        code |= (unsigned)data[at / 8 + 1] << (8 - shift);
    }
    return code & ((1u << bits) - 1);
}

void pithi_tensor_set_code(pith_tensor *tensor, int64_t index, unsigned code)
{
    const unsigned bits = pith_dtype_bits(tensor->dtype);
    uint8_t *data = tensor->data;
    if (bits == 8) {
        data[index] = (uint8_t)code;
        return;
    }
    const size_t at = (size_t)index * bits;
    const unsigned shift = (unsigned)(at % 8), mask = ((1u << bits) - 1) << shift;
    code = code << shift & mask;
    data[at / 8] = (uint8_t)((data[at / 8] & ~mask) | code);
    if (shift + bits > 8) {
        data[at / 8 + 1] = (uint8_t)((data[at / 8 + 1] & ~(mask >> 8)) | code >> 8);
    }
}

void pithi_tensor_copy_elements(pith_tensor *to, int64_t to_index, const pith_tensor *from, int64_t from_index,
                                int64_t count)
{
    const ptrdiff_t n_bytes = (ptrdiff_t)pith_dtype_bytes(to->dtype); /* signed: a view may begin behind an element */
    if (n_bytes == 0) {
        for (int64_t i = 0; i < count; i++) {
            pithi_tensor_set_code(to, to_index + i, pithi_tensor_get_code(from, from_index + i));
        }
    } else if (count > 0) {
        memmove((char *)to->data + to_index * n_bytes, (const char *)from->data + from_index * n_bytes,
                (size_t)(count * n_bytes));
    }
}

pith_tensor pithi_tensor_parts(const pith_tensor *tensor)
{
    if (tensor->dtype != PITH_DTYPE_C64 && tensor->dtype != PITH_DTYPE_C128) {
        return *tensor;
    }
    const pith_dtype dtype = tensor->dtype == PITH_DTYPE_C64 ? PITH_DTYPE_F32 : PITH_DTYPE_F64;
    return (pith_tensor){ dtype, { 1, { 2 * pith_shape_elements(&tensor->shape) } }, tensor->data };
}

void pithi_tensor_clear_rest(pith_tensor *tensor)
{
    const size_t n_bits = (size_t)pith_shape_elements(&tensor->shape) * pith_dtype_bits(tensor->dtype);
    if (n_bits % 8) {
        ((uint8_t *)tensor->data)[n_bits / 8] &= (uint8_t)((1u << n_bits % 8) - 1);
    }
}

pith_status pithi_tensor_align(pithi_arena *arena, pith_tensor *tensor)
{
    const size_t n_bytes = pith_tensor_bytes(tensor);
    void *copy = NULL;
    PITH_TRY(pithi_arena_alloc_raw(arena, n_bytes ? n_bytes : 1, &copy));
    memcpy(copy, tensor->data, n_bytes);
    tensor->data = copy;
    return PITH_OK;
}

double pithi_tensor_get_f64(const pith_tensor *tensor, int64_t index)
{
    const void *data = tensor->data;
    switch (tensor->dtype) {
    case PITH_DTYPE_F32: return (double)pithi_load_f32((const char *)data + index * (int64_t)sizeof(float));
    case PITH_DTYPE_F64: return ((const double *)data)[index];
    case PITH_DTYPE_F16: return (double)pithi_f16_to_f32(((const uint16_t *)data)[index]);
    case PITH_DTYPE_BF16: return (double)pithi_bf16_to_f32(((const uint16_t *)data)[index]);
    case PITH_DTYPE_U64: return (double)((const uint64_t *)data)[index];
    case PITH_DTYPE_NONE: /* an operand that is absent */
    case PITH_DTYPE_C64:
    case PITH_DTYPE_C128:
    case PITH_DTYPE_STRING:
    case PITH_DTYPE_OBJECT: return 0.0;
    default:
        if (pithi_dtype_is_small_float(tensor->dtype)) {
            return pithi_small_float_decode(tensor->dtype, pithi_tensor_get_code(tensor, index));
        }
        return (double)pithi_tensor_get_s64(tensor, index);
    }
}

int64_t pithi_f64_to_s64(double value)
{
    if (isnan(value)) {
        return 0;
    }
    return value >= 9223372036854775808.0 ? INT64_MAX : value < -9223372036854775808.0 ? INT64_MIN : (int64_t)value;
}

/* Two's complement of `bits` bits. */
static int64_t sign_extended(unsigned code, unsigned bits)
{
    return (int64_t)code - (code >> (bits - 1) ? INT64_C(1) << bits : 0);
}

int64_t pithi_tensor_get_s64(const pith_tensor *tensor, int64_t index)
{
    const void *data = tensor->data;
    switch (tensor->dtype) {
    case PITH_DTYPE_S8: return ((const int8_t *)data)[index];
    case PITH_DTYPE_U8: return ((const uint8_t *)data)[index];
    case PITH_DTYPE_BOOL: return ((const uint8_t *)data)[index] != 0;
    case PITH_DTYPE_S16: return ((const int16_t *)data)[index];
    case PITH_DTYPE_U16: return ((const uint16_t *)data)[index];
    case PITH_DTYPE_S32: return ((const int32_t *)data)[index];
    case PITH_DTYPE_U32: return ((const uint32_t *)data)[index];
    case PITH_DTYPE_S64: return ((const int64_t *)data)[index];
    case PITH_DTYPE_U64: return (int64_t)((const uint64_t *)data)[index];
    case PITH_DTYPE_S4:
    case PITH_DTYPE_S2: return sign_extended(pithi_tensor_get_code(tensor, index), pith_dtype_bits(tensor->dtype));
    case PITH_DTYPE_U4:
    case PITH_DTYPE_U2: return pithi_tensor_get_code(tensor, index);
    default: return pithi_f64_to_s64(pithi_tensor_get_f64(tensor, index));
    }
}

void pithi_tensor_set_f64(pith_tensor *tensor, int64_t index, double value)
{
    void *data = tensor->data;
    switch (tensor->dtype) {
    case PITH_DTYPE_F32: ((float *)data)[index] = (float)value; break;
    case PITH_DTYPE_F64: ((double *)data)[index] = value; break;
    case PITH_DTYPE_F16: ((uint16_t *)data)[index] = pithi_f64_to_f16(value); break;
    case PITH_DTYPE_BF16: ((uint16_t *)data)[index] = pithi_f64_to_bf16(value); break;
    case PITH_DTYPE_BOOL: ((uint8_t *)data)[index] = value != 0.0; break;
    case PITH_DTYPE_U64:
        ((uint64_t *)data)[index] = value >= 18446744073709551616.0 ? UINT64_MAX : value > 0.0 ? (uint64_t)value : 0;
        break;
    default:
        if (pithi_dtype_is_small_float(tensor->dtype)) {
            pithi_tensor_set_code(tensor, index, pithi_small_float_encode(tensor->dtype, value, true));
        } else {
            pithi_tensor_set_s64(tensor, index, pithi_f64_to_s64(value));
        }
    }
}

double pithi_u64_to_f64_odd(uint64_t value)
{
    return value >> 53 ? (double)(value >> 11 | ((value & 2047) != 0)) * 2048.0 : (double)value;
}

void pithi_tensor_set_s64(pith_tensor *tensor, int64_t index, int64_t value)
{
    void *data = tensor->data;
    switch (tensor->dtype) {
    case PITH_DTYPE_NONE: /* an output that nobody wants */
    case PITH_DTYPE_C64:
    case PITH_DTYPE_C128:
    case PITH_DTYPE_STRING:
    case PITH_DTYPE_OBJECT: break;
    case PITH_DTYPE_S8: ((int8_t *)data)[index] = (int8_t)value; break;
    case PITH_DTYPE_U8: ((uint8_t *)data)[index] = (uint8_t)value; break;
    case PITH_DTYPE_BOOL: ((uint8_t *)data)[index] = value != 0; break;
    case PITH_DTYPE_S16: ((int16_t *)data)[index] = (int16_t)value; break;
    case PITH_DTYPE_U16: ((uint16_t *)data)[index] = (uint16_t)value; break;
    case PITH_DTYPE_S32: ((int32_t *)data)[index] = (int32_t)value; break;
    case PITH_DTYPE_U32: ((uint32_t *)data)[index] = (uint32_t)value; break;
    case PITH_DTYPE_S64: ((int64_t *)data)[index] = value; break;
    case PITH_DTYPE_U64: ((uint64_t *)data)[index] = (uint64_t)value; break;
    case PITH_DTYPE_S4:
    case PITH_DTYPE_U4:
    case PITH_DTYPE_S2:
    case PITH_DTYPE_U2: pithi_tensor_set_code(tensor, index, (unsigned)value); break;
    case PITH_DTYPE_F32: ((float *)data)[index] = (float)value; break;
    case PITH_DTYPE_F64: ((double *)data)[index] = (double)value; break;
    default: {
        const double magnitude = pithi_u64_to_f64_odd(value < 0 ? -(uint64_t)value : (uint64_t)value);
        pithi_tensor_set_f64(tensor, index, value < 0 ? -magnitude : magnitude);
    }
    }
}

/* ---- public access ------------------------------------------------------------------------- */

double pith_tensor_get(const pith_tensor *tensor, int64_t index)
{
    const pith_tensor parts = pithi_tensor_parts(tensor);
    return pithi_tensor_get_f64(&parts, parts.dtype == tensor->dtype ? index : 2 * index);
}

static double saturated(pith_dtype dtype, double value)
{
    const bool is_unsigned = dtype == PITH_DTYPE_U8 || dtype == PITH_DTYPE_U16 || dtype == PITH_DTYPE_U32 ||
                             dtype == PITH_DTYPE_U64 || dtype == PITH_DTYPE_U4 || dtype == PITH_DTYPE_U2;
    const int bits = (int)pith_dtype_bits(dtype);
    const double low = is_unsigned ? 0.0 : -ldexp(1.0, bits - 1);
    const double end = ldexp(1.0, is_unsigned ? bits : bits - 1), high = bits < 64 ? end - 1.0 : nextafter(end, 0.0);
    const double whole = nearbyint(value);
    return isnan(whole) ? 0.0 : whole < low ? low : whole > high ? high : whole;
}

void pith_tensor_set(pith_tensor *tensor, int64_t index, double value)
{
    pith_tensor parts = pithi_tensor_parts(tensor);
    if (parts.dtype != tensor->dtype) {
        pithi_tensor_set_f64(&parts, 2 * index, value);
        pithi_tensor_set_f64(&parts, 2 * index + 1, 0.0);
    } else {
        pithi_tensor_set_f64(tensor, index, pithi_dtype_is_integer(tensor->dtype) ? saturated(tensor->dtype, value)
                                                                                  : value);
    }
}
