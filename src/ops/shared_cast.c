/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_cast.h"

#include "graph/float16.h"
#include "graph/small_float.h"
#include "kernels/convert_f16.h"
#include "ops/shared_unary.h"

const char *const pithi_cast_round_modes[] = { "up", "down", "nearest", NULL }; /* as in pithi_round_mode */

/* One rounding only: 64-bit integers go to floats directly or rounded to odd. */
static double value_of(const pith_tensor *x, int64_t i)
{
    if (pithi_dtype_is_float(x->dtype)) {
        return pithi_tensor_get_f64(x, i);
    }
    const int64_t value = pithi_tensor_get_s64(x, i);
    const bool is_negative = value < 0 && x->dtype != PITH_DTYPE_U64;
    const double magnitude = pithi_u64_to_f64_odd(is_negative ? -(uint64_t)value : (uint64_t)value);
    return is_negative ? -magnitude : magnitude;
}

static void cast_range(const pithi_cast_attrs *attrs, const pith_tensor *x, pith_tensor *y, int64_t begin, int64_t end)
{
    if (x->dtype == y->dtype) {
        pithi_tensor_copy_elements(y, begin, x, begin, end - begin);
        return;
    }
    const bool is_small = pithi_dtype_is_small_float(y->dtype), saturate = attrs->saturate != 0;
    const bool is_u64 = x->dtype == PITH_DTYPE_U64;
    for (int64_t i = begin; i < end; i++) {
        if (y->dtype == PITH_DTYPE_F8E8M0) {
            const pithi_round_mode mode = (pithi_round_mode)attrs->round_mode;
            pithi_tensor_set_code(y, i, pithi_e8m0_encode(value_of(x, i), saturate, mode));
        } else if (is_small) {
            pithi_tensor_set_code(y, i, pithi_small_float_encode(y->dtype, value_of(x, i), saturate));
        } else if (pithi_dtype_is_float(x->dtype)) {
            pithi_tensor_set_f64(y, i, pithi_tensor_get_f64(x, i));
        } else if (is_u64 && y->dtype == PITH_DTYPE_F32) {
            ((float *)y->data)[i] = (float)((const uint64_t *)x->data)[i];
        } else if (is_u64 && y->dtype == PITH_DTYPE_F64) {
            ((double *)y->data)[i] = (double)((const uint64_t *)x->data)[i];
        } else if (is_u64 && pithi_dtype_is_float(y->dtype)) {
            pithi_tensor_set_f64(y, i, value_of(x, i));
        } else {
            pithi_tensor_set_s64(y, i, pithi_tensor_get_s64(x, i));
        }
    }
}

static bool has_text(const pith_tensor *x, const pith_tensor *y)
{
    return x->dtype == PITH_DTYPE_STRING || y->dtype == PITH_DTYPE_STRING;
}

void pithi_cast_ref(const pith_run *run)
{
    if (has_text(&run->inputs[0], &run->outputs[0])) {
        pithi_cast_text(run);
        return;
    }
    cast_range(run->attrs, &run->inputs[0], &run->outputs[0], 0, pith_shape_elements(&run->outputs[0].shape));
}

/* ---- run: loops for the pairs that models use --------------------------------------------- */

/* With halves; other pairs have no state. */
typedef struct cast_state {
    const pith_convert_f16 *halves;
} cast_state;

typedef void cast_fn(const void *x, void *y, int64_t n);

/* As the reference: saturated to 64 bits, NaN is 0; narrower integers then keep the low bits. */
static int64_t truncated(float x)
{
    return x >= 0x1p63f ? INT64_MAX : x < -0x1p63f ? INT64_MIN : x == x ? (int64_t)x : 0;
}

#define CAST(name, from, to, expression)                                                           \
    static void name(const void *x_data, void *y_data, int64_t n)                                  \
    {                                                                                              \
        const from *x_items = x_data;                                                              \
        to *y = y_data;                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const from x = x_items[i];                                                             \
            y[i] = (to)(expression);                                                               \
        }                                                                                          \
    }

#define CAST_INTEGER(name, from)                                                                   \
    CAST(name##_f32, from, float, x)                                                               \
    CAST(name##_s32, from, int32_t, x)                                                             \
    CAST(name##_s64, from, int64_t, x)                                                             \
    CAST(name##_bool, from, uint8_t, x != 0)
#define ENTRIES(from, name)                                                                        \
    { from, PITH_DTYPE_F32, name##_f32 }, { from, PITH_DTYPE_S32, name##_s32 },                    \
    { from, PITH_DTYPE_S64, name##_s64 }, { from, PITH_DTYPE_BOOL, name##_bool }

CAST(f32_s32, float, int32_t, truncated(x))
CAST(f32_s64, float, int64_t, truncated(x))
CAST(f32_s8, float, int8_t, truncated(x))
CAST(f32_u8, float, uint8_t, truncated(x))
CAST(f32_bool, float, uint8_t, x != 0.0f)
CAST(f32_bf16, float, uint16_t, pithi_f32_to_bf16(x))
CAST(bf16_f32, uint16_t, float, pithi_bf16_to_f32(x))
CAST(f32_f64, float, double, x)
CAST(f64_f32, double, float, x)
CAST_INTEGER(s8, int8_t)
CAST_INTEGER(u8, uint8_t) /* also bool, which holds 0 or 1 */
CAST_INTEGER(s32, int32_t)
CAST_INTEGER(s64, int64_t)

static const struct {
    uint8_t from, to;
    cast_fn *fn;
} loops[] = {
    { PITH_DTYPE_F32, PITH_DTYPE_S32, f32_s32 },   { PITH_DTYPE_F32, PITH_DTYPE_S64, f32_s64 },
    { PITH_DTYPE_F32, PITH_DTYPE_S8, f32_s8 },     { PITH_DTYPE_F32, PITH_DTYPE_U8, f32_u8 },
    { PITH_DTYPE_F32, PITH_DTYPE_BOOL, f32_bool }, { PITH_DTYPE_F32, PITH_DTYPE_F64, f32_f64 },
    { PITH_DTYPE_F64, PITH_DTYPE_F32, f64_f32 },   { PITH_DTYPE_BF16, PITH_DTYPE_F32, bf16_f32 },
    { PITH_DTYPE_F32, PITH_DTYPE_BF16, f32_bf16 }, ENTRIES(PITH_DTYPE_S8, s8),
    ENTRIES(PITH_DTYPE_U8, u8),                    ENTRIES(PITH_DTYPE_BOOL, u8),
    ENTRIES(PITH_DTYPE_S32, s32),                  ENTRIES(PITH_DTYPE_S64, s64),
};

static cast_fn *loop_of(pith_dtype from, pith_dtype to)
{
    cast_fn *found = NULL;
    for (int i = 0; i < PITH_COUNT(loops) && from != to; i++) {
        found = loops[i].from == from && loops[i].to == to ? loops[i].fn : found;
    }
    return found;
}

static bool is_pair(const pith_tensor *x, const pith_tensor *y, pith_dtype from, pith_dtype to)
{
    return x->dtype == from && y->dtype == to;
}

pith_status pithi_cast_prepare(pith_prepare *prepare)
{
    const pith_tensor *x = &prepare->inputs[0], *y = &prepare->outputs[0];
    void *block = NULL;
    if (has_text(x, y) || pith_dtype_bytes(x->dtype) == 0 || pith_dtype_bytes(y->dtype) == 0) {
        return PITH_OK; /* parts would share bytes */
    }
    if (is_pair(x, y, PITH_DTYPE_F16, PITH_DTYPE_F32) || is_pair(x, y, PITH_DTYPE_F32, PITH_DTYPE_F16)) {
        PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(cast_state), &block));
        ((cast_state *)block)->halves = pithi_convert_f16(prepare->isa_limit);
        prepare->state = block;
        prepare->kernel = pithi_convert_f16(prepare->isa_limit)->head.name;
    }
    return pithi_unary_prepare_parts(prepare);
}

void pithi_cast_run(const pith_run *run, const pith_part *part)
{
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    cast_fn *const loop = loop_of(x->dtype, y->dtype);
    int64_t begin, end;
    pithi_part_elements(part, pith_shape_elements(&y->shape), &begin, &end);
    const cast_state *state = run->state;
    if (state && y->dtype == PITH_DTYPE_F32) {
        state->halves->to_f32((const uint16_t *)x->data + begin, (float *)y->data + begin, (size_t)(end - begin));
    } else if (state) {
        state->halves->to_f16((const float *)x->data + begin, (uint16_t *)y->data + begin, (size_t)(end - begin));
    } else if (loop) {
        loop((const char *)x->data + (size_t)begin * pith_dtype_bytes(x->dtype),
             (char *)y->data + (size_t)begin * pith_dtype_bytes(y->dtype), end - begin);
    } else {
        cast_range(run->attrs, x, y, begin, end);
    }
}
