/* SPDX-License-Identifier: Apache-2.0 */
/* cast: converts elements to dtype `to`. ONNX Cast: floats round to nearest even, float to integer truncates,
 * integers keep their low bits, bool is "not zero"; floats of 8 bits saturate or not, f8e8m0 rounds as it is told. */
#include "ops/shared_cast.h"
#include "ops/shared_onnx.h"
#include "ops/shared_unary.h"

static const char *const dtype_names[] = {
    "none", "f32", "f16", "bf16", "f64", "f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "f8e8m0",
    "f6e2m3", "f6e3m2", "f4e2m1", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "s4",
    "u4", "s2", "u2", "bool", "c64", "c128", "string", "object", NULL,
};
_Static_assert(PITH_COUNT(dtype_names) == PITH_DTYPE_COUNT + 1, "one name per dtype");

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_CHOICE(pithi_cast_attrs, to, "to", PITH_DTYPE_NONE, dtype_names),
    PITHI_CAST_ROUNDING_ATTRS,
};

static pith_status infer(pith_infer *infer)
{
    const pithi_cast_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->to != PITH_DTYPE_NONE, PITH_STATUS_FORMAT, "attribute 'to' is missing");
    infer->outputs[0].dtype = (pith_dtype)attrs->to;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

/* ---- spellings ---------------------------------------------------------------------------- */

/* Opset 1 wrote the names of TensorProto.DataType, later ones its numbers. */
static int64_t code_of_name(const char *name)
{
    static const char *const names[] = { "UNDEFINED", "FLOAT", "UINT8", "INT8",    "UINT16", "INT16",  "INT32",
                                         "INT64",     "STRING", "BOOL", "FLOAT16", "DOUBLE", "UINT32", "UINT64" };
    for (int i = 0; i < PITH_COUNT(names); i++) {
        if (pithi_same_text(names[i], name)) {
            return i;
        }
    }
    return 0;
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_source_attr *to = pithi_source_attr(source, "to");
    PITH_CHECK(ctx, to && (to->kind == PITH_SOURCE_INT || to->kind == PITH_SOURCE_STRING), PITH_STATUS_FORMAT,
               "attribute 'to' is missing, or neither an int nor a string");
    const int64_t code = to->kind == PITH_SOURCE_STRING ? code_of_name(to->s) : to->i;
    const pith_dtype dtype = pithi_onnx_dtype(code);
    PITH_CHECK(ctx, PITHI_CAST_DTYPES & PITH_DTYPES(dtype) & ~1u, PITH_STATUS_UNSUPPORTED,
               "casting to ONNX type number %lld: the standard casts to strings and all numbers but complex ones",
               (long long)code);
    ((pithi_cast_attrs *)attrs)->to = dtype;
    return PITH_OK;
}

/* The number of the element type, instead of pith's name. */
static pith_status to_source(pith_ctx *ctx, const pith_node *node, pith_source *source)
{
    (void)ctx;
    pith_source_attr *to = pithi_source_attr(source, "to");
    to->kind = PITH_SOURCE_INT;
    to->i = pithi_onnx_code((pith_dtype)((const pithi_cast_attrs *)node->attrs)->to);
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_CAST_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_CAST_DTYPES, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Cast", 1, map } };
static const char *const samples[] = {
    "f32[7]{-2.5,2.5,-0.5,0.5,1.5,0,-3.75} | to=s32", "f32[2,3]{0:250} | to=u8", "s64[3]{300,-1,5} | to=u8",
    "f32[4]{0,0.25,-1,3} | to=bool",
    "bool[5] | to=f32", "f32[33] | to=f16", "f32[21] | to=bf16", "bf16[21] | to=f32", "f16[21] | to=f32",
    "f16[9] | to=f64", "s64[2]{16777217,-9007199254740993} | to=f32",
    "u8[0,2] | to=s64",
    "f64[3]{1.5,-2.5,1e300} | to=f32", "f32[6]{nan,inf,-inf,1e20,-1e20,255.9} | to=s64",
    "f32[4]{300.5,-1.5,nan,3e9} | to=u8", "f32[4]{300.5,-1.5,nan,3e9} | to=s32", "s8[4]{-128,0,5,127} | to=bool",
    "f32[3] | to=f64",
    "f32[] | to=f32", "s32[5] | to=s64",
    "f32[7]{0.1,500,-1e9,nan,inf,-0,0.002} | to=f8e4m3fn", "f16[4]{1,70000,-inf,nan} | to=f8e5m2 saturate=0",
    "f8e4m3fnuz[9] | to=f16", "f32[4]{1.1,3e38,1e-40,6} | to=f8e8m0 round_mode=nearest", "f8e8m0[3]{1,2,0.5} | to=f32",
    "f32[7]{-9:9} | to=s4", "s64[5]{300,-1,5,8,7} | to=u4", "u4[3,3]{0:15} | to=u8", "s2[7]{-2:1} | to=f32",
    "f64[5]{-9:9} | to=f4e2m1", "f32[5]{-9:9} | to=f6e2m3", "f6e3m2[5] | to=s4",
    "u64[2]{18446744073709551615,3} | to=bf16",
    "f32[5]{0.1,-2,1e20,nan,-inf} | to=string", "string[4]{1.5,-INF,1e2,nan} | to=f32", "string[2]{300,-7} | to=s64",
    "string[2]{True,0} | to=bool", "string[3] | to=string"
};

const pith_op pith_op_cast = {
    .head = { "cast", 1, PITH_ATTRS(attrs_table, pithi_cast_attrs) },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_cast_ref, .prepare = pithi_cast_prepare, .run = pithi_cast_run,
    .layout = PITH_LAYOUT_FREE,
    .to_source = to_source,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
