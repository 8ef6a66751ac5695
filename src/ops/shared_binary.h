/* SPDX-License-Identifier: Apache-2.0 */
/* What binary and variadic elementwise operators with numpy broadcasting share. */
#ifndef PITH_OPS_SHARED_BINARY_H
#define PITH_OPS_SHARED_BINARY_H

#include "kernels/vbinary_f32.h"
#include "ops/shared_broadcast.h"
#include "ops/shared_unary.h"

/* Element functions; the one for the dtype's class is called. Integers wrap on return. */
typedef struct pithi_binary_fns {
    double (*f64)(double a, double b);
    int64_t (*s64)(int64_t a, int64_t b);    /* signed integers, and bool */
    uint64_t (*u64)(uint64_t a, uint64_t b); /* unsigned integers; NULL: s64 on the same bits */
    bool is_mean;                            /* floats: the result is divided by the number of operands */
} pithi_binary_fns;

/* Attributes of operators whose result may pass an activation. */
typedef struct pithi_binary_attrs {
    pith_activation activation;
} pithi_binary_attrs;

extern const pith_attr_spec pithi_binary_attrs_table[3];
extern const pith_operand_spec pithi_ab_number[2], pithi_ab_float[2], pithi_ab_bool[2], pithi_ab_integer[2],
    pithi_ab_any[2];

/* All inputs have one dtype, output 0 has it too and the broadcast shape. */
pith_status pithi_infer_binary(pith_infer *infer);
/* The same with a bool output. */
pith_status pithi_infer_compare(pith_infer *infer);

/* outputs[0] = (inputs[0] op inputs[1]) op inputs[2] ..., then the activation if the operator has one. */
void pithi_binary_ref(const pith_run *run, const pithi_binary_fns *fns);

/* Reports a zero among integer divisors (input 1). */
void pithi_fault_zero_divisor(const pith_run *run);

/* f32: kernel `kind` by rows, then the activation. At most two inputs; other cases: the reference. */
pith_status pithi_binary_prepare(pith_prepare *prepare, pith_vbinary kind);
/* f32, two or more inputs: one after the other on top of output 0, a phase each; the last times `scale`. */
pith_status pithi_variadic_prepare(pith_prepare *prepare, pith_vbinary kind, float scale);
void pithi_variadic_run(const pith_run *run, const pith_part *part);

/* Defines a row function: y = expression of a and b, elements of type in. */
#define PITHI_ROW_FN(name, in, out, expression)                                                    \
    static out name##_element(in a, in b) { return (out)(expression); }                            \
    static void name(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)      \
    {                                                                                              \
        const in *a = operands[0], *b = operands[1];                                               \
        out *to = y;                                                                               \
        if (rows->inner_strides[0] && rows->inner_strides[1]) {                                    \
            for (int64_t i = 0; i < n; i++) {                                                      \
                to[i] = name##_element(a[i], b[i]);                                                \
            }                                                                                      \
        } else if (rows->inner_strides[0]) {                                                       \
            const in single = *b; /* b may be y */                                                 \
            for (int64_t i = 0; i < n; i++) {                                                      \
                to[i] = name##_element(a[i], single);                                              \
            }                                                                                      \
        } else {                                                                                   \
            const in single = *a;                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                      \
                to[i] = name##_element(single, b[i * rows->inner_strides[1]]);                     \
            }                                                                                      \
        }                                                                                          \
    }

/* For operators with a row function of their own: any dtypes, rows in parts. */
pith_status pithi_row_prepare(pith_prepare *prepare, pithi_row_fn *row);

/* A comparison `a op b` as bool: the reference's functions `fns`, row functions, prepare(). */
#define PITHI_COMPARISON_CODE(op)                                                                                    \
    static double fn_f64(double a, double b) { return a op b; }                                                      \
    static int64_t fn_s64(int64_t a, int64_t b) { return a op b; }                                                   \
    static uint64_t fn_u64(uint64_t a, uint64_t b) { return a op b; }                                                \
    static const pithi_binary_fns fns = { .f64 = fn_f64, .s64 = fn_s64, .u64 = fn_u64 };                             \
    PITHI_ROW_FN(row_f32, float, uint8_t, a op b)                                                                    \
    PITHI_ROW_FN(row_s32, int32_t, uint8_t, a op b)                                                                  \
    PITHI_ROW_FN(row_s64, int64_t, uint8_t, a op b)                                                                  \
    static pith_status prepare(pith_prepare *prepare)                                                                \
    {                                                                                                                \
        switch (prepare->inputs[0].dtype) {                                                                          \
        case PITH_DTYPE_F32: return pithi_row_prepare(prepare, row_f32);                                             \
        case PITH_DTYPE_S32: return pithi_row_prepare(prepare, row_s32);                                             \
        case PITH_DTYPE_S64: return pithi_row_prepare(prepare, row_s64);                                             \
        default: return PITH_OK;                                                                                     \
        }                                                                                                            \
    }
/* The bits of two integers: ref() and prepare(). */
#define PITHI_BITWISE_CODE(op)                                                                                       \
    static int64_t fn_s64(int64_t a, int64_t b) { return a op b; }                                                   \
    static void ref(const pith_run *run)                                                                             \
    {                                                                                                                \
        static const pithi_binary_fns fns = { .s64 = fn_s64 };                                                       \
        pithi_binary_ref(run, &fns);                                                                                 \
    }                                                                                                                \
    PITHI_ROW_FN(row_1, uint8_t, uint8_t, a op b)                                                                    \
    PITHI_ROW_FN(row_2, uint16_t, uint16_t, a op b)                                                                  \
    PITHI_ROW_FN(row_4, uint32_t, uint32_t, a op b)                                                                  \
    PITHI_ROW_FN(row_8, uint64_t, uint64_t, a op b)                                                                  \
    static pith_status prepare(pith_prepare *prepare)                                                                \
    {                                                                                                                \
        const size_t n_bytes = pith_dtype_bytes(prepare->inputs[0].dtype);                                           \
        return pithi_row_prepare(prepare, n_bytes == 1 ? row_1 : n_bytes == 2 ? row_2 : n_bytes == 4 ? row_4 : row_8); \
    }
/* The same for numbers only, with ref(); samples; and what stands in the operator's record. */
#define PITHI_ORDER_CODE(op)                                                                                         \
    PITHI_COMPARISON_CODE(op)                                                                                        \
    static void ref(const pith_run *run) { pithi_binary_ref(run, &fns); }                                            \
    static const char *const samples[] = {                                                                           \
        "f32[2,33] f32[2,33]{-1:1}", "f32[3,1,4] f32[2,1]", "s64[5]{1,-2,3,4,9} s64[]{3}",                           \
        "s32[2,3]{0:4} s32[3]{0:4}", "f16[7] f16[]{0.5}", "u64[3]{0:3} u64[3]{0:3}", "u8[2,1]{0:3} u8[1,3]{0:3}",    \
        "f32[0] f32[1]"                                                                                              \
    };
#define PITHI_ORDER_RECORD                                                                                           \
    .inputs = pithi_ab_number, .n_inputs = 2, .outputs = pithi_y_bool, .n_outputs = 1, .infer = pithi_infer_compare, \
    .ref = ref, .prepare = prepare, .run = pithi_rows_run, .layout = PITH_LAYOUT_FREE,                               \
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings), .samples = samples, .n_samples = PITH_COUNT(samples)

/* Binary operators before opset 7: `broadcast` and `axis` said where the second operand's dimensions lie.
 * Numpy's rule is met by trailing ones, which a constant can be given; others are refused. */
pith_status pithi_map_legacy_broadcast(pith_ctx *ctx, pith_source *source, void *attrs);
/* Gives constant input `index` trailing ones so that its dimensions begin at `axis` of input 0. */
pith_status pithi_source_align_input(pith_ctx *ctx, pith_source *source, int index, int64_t axis);

#define PITHI_BINARY_ACTIVATION                                                                    \
    .fused_activation_plus_1 = offsetof(pithi_binary_attrs, activation) + 1
#define PITHI_BINARY_NUMBER                                                                        \
    .inputs = pithi_ab_number, .n_inputs = 2, .outputs = pithi_y_number, .n_outputs = 1,           \
    .infer = pithi_infer_binary, .layout = PITH_LAYOUT_FREE

#endif
