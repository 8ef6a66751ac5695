/* SPDX-License-Identifier: Apache-2.0 */
/* Scales and zero points: one for all, one for each index of an axis, or one for each block along an axis. */
#ifndef PITH_OPS_SHARED_QUANT_H
#define PITH_OPS_SHARED_QUANT_H

#include "kernels/s16.h"
#include "ops/op.h"

typedef enum pithi_quant_kind { PITHI_QUANT_SINGLE, PITHI_QUANT_PER_AXIS, PITHI_QUANT_BLOCKED } pithi_quant_kind;

/* How x is cut into rows along which the scale is constant (step 0) or moves with the element (step 1). */
typedef struct pithi_quant_rows {
    int64_t count, length, total; /* the last row may be shorter */
    int64_t step;
    int64_t inner, dim, block;    /* elements behind the axis, size of the axis, elements per scale on it */
    pithi_quant_kind kind;
} pithi_quant_rows;

/* Checks shapes and constant values of scale (input `scale_index`) and zero point (the input behind it) against
 * input 0; `divides`: by the scales, so none may be 0. */
pith_status pithi_infer_quant(pith_infer *infer, int scale_index, int64_t axis, int64_t block_size, bool divides);

/* to_channels_last of operators with attributes `axis` and `block_size`. */
bool pithi_quant_to_channels_last(pith_graph *graph, pith_node *node);

/* `axis` as in the attribute; block_size 0: none. */
pithi_quant_rows pithi_quant_rows_make(const pith_shape *x, const pith_shape *scale, int64_t axis, int64_t block_size);
/* Index of the scale of element `position` of x. */
int64_t pithi_quant_scale_at(const pithi_quant_rows *rows, int64_t position);

/* round_half_even(value) + zero_point, saturated to the integer dtype; NaN gives the lowest value. */
int64_t pithi_quantize(double value, int64_t zero_point, pith_dtype dtype);
void pithi_quant_range(pith_dtype dtype, int64_t *low_out, int64_t *high_out);

/* What an integer operator's result is clamped to: an activation between the operator and the quantisation that
 * it took in. Quantising rises with its argument, so clamping numbers and clamping their quantised values is
 * the same. The defaults hold every value of 8 and 16 bits. */
#define PITHI_LIMIT_LOW  (-32768)
#define PITHI_LIMIT_HIGH 65535
typedef struct pithi_limits {
    int64_t low, high;
} pithi_limits;

#define PITHI_LIMITS_ATTRS(type, field)                                                            \
    PITH_ATTR_OWN_INT(type, field.low, "low", PITHI_LIMIT_LOW),                                    \
        PITH_ATTR_OWN_INT(type, field.high, "high", PITHI_LIMIT_HIGH)

static inline int64_t pithi_limit(const pithi_limits *limits, int64_t value)
{
    return pithi_min_s64(pithi_max_s64(value, limits->low), limits->high);
}

/* The limits within the range of a dtype. */
static inline pithi_limits pithi_limits_in(const pithi_limits *limits, pith_dtype dtype)
{
    int64_t low, high;
    pithi_quant_range(dtype, &low, &high);
    return (pithi_limits){ pithi_max_s64(limits->low, low), pithi_min_s64(limits->high, high) };
}

/* Scale and zero point of a whole tensor; an absent zero point is 0. */
typedef struct pithi_quant_pair {
    float scale;
    int32_t zero;
} pithi_quant_pair;

static inline pithi_quant_pair pithi_quant_pair_of(const pith_tensor *scale, const pith_tensor *zero)
{
    return (pithi_quant_pair){ (float)pithi_tensor_get_f64(scale, 0),
                               zero && zero->dtype != PITH_DTYPE_NONE ? (int32_t)pithi_tensor_get_s64(zero, 0) : 0 };
}

/* Inputs `scale` and the one behind it are one element each; the zero point, where present, has `dtype`. */
pith_status pithi_infer_quant_pair(pith_infer *infer, int scale_index, pith_dtype dtype);

/* What quantize_linear makes. */
#define PITHI_QUANT_DTYPES                                                                                           \
    (PITH_DTYPES_8BIT | PITH_DTYPES(PITH_DTYPE_S16) | PITH_DTYPES(PITH_DTYPE_U16) | PITH_DTYPES_F8 | PITH_DTYPES_F6 | \
     PITH_DTYPES(PITH_DTYPE_F4E2M1) | PITH_DTYPES_S4U4 | PITH_DTYPES_S2U2)

#define PITH_DTYPES_8BIT (PITH_DTYPES(PITH_DTYPE_S8) | PITH_DTYPES(PITH_DTYPE_U8))
#define PITH_DTYPES_16BIT (PITH_DTYPES(PITH_DTYPE_S16) | PITH_DTYPES(PITH_DTYPE_U16))
#define PITH_DTYPES_8OR16 (PITH_DTYPES_8BIT | PITH_DTYPES_16BIT)

static inline bool pithi_is_8bit(pith_dtype dtype) { return dtype == PITH_DTYPE_S8 || dtype == PITH_DTYPE_U8; }
static inline bool pithi_is_16bit(pith_dtype dtype) { return (PITH_DTYPES(dtype) & PITH_DTYPES_16BIT) != 0; }

/* One of the four dtypes. */
static inline pith_s16_type pithi_s16_type(pith_dtype dtype)
{
    const pith_s16_type bytes = dtype == PITH_DTYPE_S8 ? PITH_S16_S8 : PITH_S16_U8;
    return dtype == PITH_DTYPE_S16 ? PITH_S16_S16 : dtype == PITH_DTYPE_U16 ? PITH_S16_U16 : bytes;
}

#endif
