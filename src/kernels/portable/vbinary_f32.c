/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/vbinary_f32.h"

static inline float op_add(float a, float b) { return a + b; }
static inline float op_sub(float a, float b) { return a - b; }
static inline float op_mul(float a, float b) { return a * b; }
static inline float op_div(float a, float b) { return a / b; }
static inline float op_min(float a, float b) { return a < b || a != a ? a : b; }
static inline float op_max(float a, float b) { return a > b || a != a ? a : b; }
static inline float op_prelu(float a, float b) { return a < 0.0f ? a * b : a; }

/* The three forms of one operation. */
#define FORMS(name)                                                                                \
    static void name##_vv(const float *a, const float *b, float *y, size_t n)                      \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            y[i] = op_##name(a[i], b[i]);                                                          \
        }                                                                                          \
    }                                                                                              \
    static void name##_vs(const float *a, const float *b, float *y, size_t n)                      \
    {                                                                                              \
        const float scalar = n ? *b : 0.0f; /* read before y, which may be b, is written */        \
        for (size_t i = 0; i < n; i++) {                                                           \
            y[i] = op_##name(a[i], scalar);                                                        \
        }                                                                                          \
    }                                                                                              \
    static void name##_sv(const float *a, const float *b, float *y, size_t n)                      \
    {                                                                                              \
        const float scalar = n ? *a : 0.0f;                                                        \
        for (size_t i = 0; i < n; i++) {                                                           \
            y[i] = op_##name(scalar, b[i]);                                                        \
        }                                                                                          \
    }

FORMS(add)
FORMS(sub)
FORMS(mul)
FORMS(div)
FORMS(min)
FORMS(max)
FORMS(prelu)

#define ENTRY(name) { name##_vv, name##_vs, name##_sv }

static const pith_vbinary_f32 records[] = {
    { .head = { "vbinary_f32__portable", PITH_EXACT },
      .functions = { [PITH_VBINARY_ADD] = ENTRY(add), [PITH_VBINARY_SUB] = ENTRY(sub), [PITH_VBINARY_MUL] = ENTRY(mul),
                     [PITH_VBINARY_DIV] = ENTRY(div), [PITH_VBINARY_MIN] = ENTRY(min), [PITH_VBINARY_MAX] = ENTRY(max),
                     [PITH_VBINARY_PRELU] = ENTRY(prelu) } }
};

PITH_EXPORT_KERNEL(vbinary_f32, portable, records);
