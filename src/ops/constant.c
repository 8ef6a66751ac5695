/* SPDX-License-Identifier: Apache-2.0 */
/* constant: y = value. ONNX Constant, whose value_int, value_floats, ... are brought to one tensor. */
#include "ops/sample.h"
#include "ops/op.h"

typedef struct constant_attrs {
    const pith_tensor *value;
} constant_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_TENSOR(constant_attrs, value, "value") };

static void ref(const pith_run *run)
{
    const constant_attrs *attrs = run->attrs;
    size_t n_bytes = pith_tensor_bytes(attrs->value);
    if (n_bytes > 0) {
        memcpy(run->outputs[0].data, attrs->value->data, n_bytes);
    }
}

static pith_status infer(pith_infer *infer)
{
    const constant_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->value, PITH_STATUS_FORMAT, "attribute 'value' is missing");
    infer->outputs[0].dtype = attrs->value->dtype;
    infer->outputs[0].shape = attrs->value->shape;
    return PITH_OK;
}

/* A tensor of the lists or single numbers that opset 12 allows. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    static const char *const names[] = { "value_int",    "value_ints",   "value_float",
                                         "value_floats", "value_string", "value_strings" };
    const pith_source_attr *attr = NULL;
    for (int i = 0; i < PITH_COUNT(names) && !attr; i++) {
        attr = pithi_source_attr(source, names[i]);
    }
    if (!attr) {
        return PITH_OK;
    }
    bool is_string = attr->kind == PITH_SOURCE_STRING || attr->kind == PITH_SOURCE_STRINGS;
    bool is_list = attr->kind == PITH_SOURCE_INTS || attr->kind == PITH_SOURCE_FLOATS ||
                   attr->kind == PITH_SOURCE_STRINGS;
    bool is_int = attr->kind == PITH_SOURCE_INT || attr->kind == PITH_SOURCE_INTS;
    PITH_CHECK(ctx, is_list || is_string || attr->kind == PITH_SOURCE_INT || attr->kind == PITH_SOURCE_FLOAT,
               PITH_STATUS_FORMAT, "attribute '%s' must hold ints, floats or strings", attr->name);
    void *block = NULL, *data = NULL;
    int n_items = is_list ? attr->n_items : 1;
    PITH_TRY(pithi_arena_alloc(&source->graph->arena, sizeof(pith_tensor), &block));
    PITH_TRY(pithi_arena_array(&source->graph->arena, (size_t)n_items, sizeof(pith_string), &data));
    pith_tensor *tensor = block;
    pith_dtype dtype = is_string ? PITH_DTYPE_STRING : is_int ? PITH_DTYPE_S64 : PITH_DTYPE_F32;
    *tensor = (pith_tensor){ dtype, { is_list, { n_items } }, data };
    for (int i = 0; i < n_items; i++) {
        if (is_int) {
            ((int64_t *)data)[i] = is_list ? attr->ints[i] : attr->i;
        } else if (is_string) {
            const char *text = is_list ? attr->strings[i] : attr->s;
            ((pith_string *)data)[i] = (pith_string){ text, strlen(text) };
        } else {
            ((float *)data)[i] = is_list ? attr->floats[i] : attr->f;
        }
    }
    ((constant_attrs *)attrs)->value = tensor;
    return PITH_OK;
}

static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Constant", 1, map_1 } };
static const char *const samples[] = { "| value=f32[2,2]{1,2,-3,4}", "| value=s64[]{5}", "| value=bool[0]{}",
    "| value=string[2]{ab,c}",
};

const pith_op pith_op_constant = {
    .head = { "constant", 1, PITH_ATTRS(attr_table, constant_attrs) },
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
