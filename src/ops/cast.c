/* SPDX-License-Identifier: Apache-2.0 */
/* cast: converts elements to dtype `to`. ONNX Cast: floats round to nearest even, float to integer truncates,
 * integers keep their low bits, bool is "not zero". */
#include "ops/shared_cast.h"
#include "ops/shared_unary.h"

typedef struct cast_attrs {
    int64_t to; /* a pith_dtype */
} cast_attrs;

static const char *const dtype_names[] = { "none", "f32", "f16", "bf16", "f64", "s8",  "u8",   "s16",
                                           "u16",  "s32", "u32", "s64",  "u64", "bool", NULL };
_Static_assert(PITH_COUNT(dtype_names) == PITH_DTYPE_COUNT + 1, "one name per dtype");

static const pith_attr_spec attrs_table[] = { PITH_ATTR_CHOICE(cast_attrs, to, "to", PITH_DTYPE_NONE, dtype_names) };

static pith_status infer(pith_infer *infer)
{
    const cast_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->to != PITH_DTYPE_NONE, PITH_STATUS_FORMAT, "attribute 'to' is missing");
    infer->outputs[0].dtype = (pith_dtype)attrs->to;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

/* ---- spellings ---------------------------------------------------------------------------- */

static const struct {
    const char *name; /* how opset 1 wrote it */
    pith_dtype dtype; /* NONE: pith has no such type */
} onnx_dtypes[] = { /* by the numbers of TensorProto.DataType */
    { "UNDEFINED", PITH_DTYPE_NONE }, { "FLOAT", PITH_DTYPE_F32 },      { "UINT8", PITH_DTYPE_U8 },
    { "INT8", PITH_DTYPE_S8 },        { "UINT16", PITH_DTYPE_U16 },     { "INT16", PITH_DTYPE_S16 },
    { "INT32", PITH_DTYPE_S32 },      { "INT64", PITH_DTYPE_S64 },      { "STRING", PITH_DTYPE_NONE },
    { "BOOL", PITH_DTYPE_BOOL },      { "FLOAT16", PITH_DTYPE_F16 },    { "DOUBLE", PITH_DTYPE_F64 },
    { "UINT32", PITH_DTYPE_U32 },     { "UINT64", PITH_DTYPE_U64 },     { "COMPLEX64", PITH_DTYPE_NONE },
    { "COMPLEX128", PITH_DTYPE_NONE }, { "BFLOAT16", PITH_DTYPE_BF16 },
};

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_source_attr *to = pithi_source_attr(source, "to");
    PITH_CHECK(ctx, to, PITH_STATUS_FORMAT, "attribute 'to' is missing");
    pith_dtype dtype = PITH_DTYPE_NONE;
    for (int i = 0; i < PITH_COUNT(onnx_dtypes); i++) {
        bool is_it = to->kind == PITH_SOURCE_STRING ? pithi_same_text(to->s, onnx_dtypes[i].name) : to->i == i;
        dtype = is_it ? onnx_dtypes[i].dtype : dtype;
    }
    if (to->kind == PITH_SOURCE_STRING) {
        PITH_CHECK(ctx, dtype != PITH_DTYPE_NONE, PITH_STATUS_UNSUPPORTED, "casting to %s, a type that pith doesn't have", to->s);
    }
    PITH_CHECK(ctx, dtype != PITH_DTYPE_NONE, PITH_STATUS_UNSUPPORTED,
               "casting to ONNX type number %lld, which pith doesn't have (strings, complex, 8-bit floats and 4-bit types)",
               (long long)to->i);
    ((cast_attrs *)attrs)->to = dtype;
    return pithi_map_cast_rounding(ctx, source, attrs);
}

static const pith_spelling spellings[] = { { "onnx", "", "Cast", 1, map } };
static const char *const samples[] = {
    "f32[7]{-2.5,2.5,-0.5,0.5,1.5,0,-3.75} | to=s32", "f32[2,3]{0:250} | to=u8", "s64[3]{300,-1,5} | to=u8", "f32[4]{0,0.25,-1,3} | to=bool",
    "bool[5] | to=f32", "f32[33] | to=f16", "f16[9] | to=f64", "s64[2]{16777217,-9007199254740993} | to=f32", "u8[0,2] | to=s64",
    "f64[3]{1.5,-2.5,1e300} | to=f32", "f32[] | to=f32", "s32[5] | to=s64"
};

const pith_op pith_op_cast = {
    .head = { "cast", 1, PITH_ATTRS(attrs_table, cast_attrs) },
    .inputs = pithi_x_any, .n_inputs = 1,
    .outputs = pithi_y_any, .n_outputs = 1,
    .infer = infer,
    .ref = pithi_cast_ref, .prepare = pithi_cast_prepare, .run = pithi_cast_run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
