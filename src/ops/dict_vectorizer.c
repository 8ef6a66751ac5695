/* SPDX-License-Identifier: Apache-2.0 */
/* dict_vectorizer: y[k] = the map's value of vocabulary[k], or 0 or "" where it has none. ai.onnx.ml DictVectorizer. */
#include "ops/shared_object.h"
#include "ops/shared_source.h"

typedef struct dict_attrs {
    const pith_tensor *vocabulary; /* s64 or string */
} dict_attrs;

static const pith_attr_spec table[] = {
    { "vocabulary", PITH_ATTR_KIND_TENSOR, offsetof(dict_attrs, vocabulary), 0, NULL, false, true, false } };

static bool is_key(const pith_tensor *keys, size_t i, const pith_tensor *vocabulary, int64_t k)
{
    return keys->dtype == PITH_DTYPE_STRING
               ? pithi_string_same((const pith_string *)keys->data + i, (const pith_string *)vocabulary->data + k)
               : pithi_tensor_get_s64(keys, (int64_t)i) == ((const int64_t *)vocabulary->data)[k];
}

static void ref(const pith_run *run)
{
    const pith_tensor *vocabulary = ((const dict_attrs *)run->attrs)->vocabulary;
    const pith_object *map = pithi_run_object(run, 0, PITH_KIND_MAP);
    const size_t n_bytes = pith_dtype_bytes(run->outputs[0].dtype);
    if (!map || map->keys.dtype != vocabulary->dtype || map->type->element->dtype != run->outputs[0].dtype) {
        pithi_run_fault(run, "the map isn't of the type that its outline promised");
        return;
    }
    memset(run->outputs[0].data, 0, pith_tensor_bytes(&run->outputs[0]));
    for (int64_t k = 0; k < vocabulary->shape.dims[0]; k++) {
        for (size_t i = 0; i < map->n_items; i++) {
            if (is_key(&map->keys, i, vocabulary, k)) {
                memcpy((char *)run->outputs[0].data + (size_t)k * n_bytes, map->items[i].data, n_bytes);
            }
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const dict_attrs *attrs = infer->attrs;
    const pith_object *map = NULL;
    PITH_CHECK(infer->ctx, attrs->vocabulary && attrs->vocabulary->shape.rank == 1, PITH_STATUS_FORMAT,
               "there is no vocabulary");
    PITH_TRY(pithi_infer_outline(infer, 0, PITH_KIND_MAP, &map));
    PITH_CHECK(infer->ctx, map->type->dtype == attrs->vocabulary->dtype, PITH_STATUS_DTYPE,
               "the map's keys are %s, but the vocabulary is of %s", pith_dtype_name(map->type->dtype),
               pith_dtype_name(attrs->vocabulary->dtype));
    PITH_CHECK(infer->ctx, map->type->element->kind == PITH_KIND_TENSOR, PITH_STATUS_DTYPE,
               "the map's values are no numbers or strings");
    for (size_t i = 0; i < map->n_items; i++) {
        PITH_CHECK(infer->ctx, pith_shape_elements(&map->items[i].shape) == 1, PITH_STATUS_SHAPE,
                   "value %zu of the map isn't one number or string", i);
    }
    infer->outputs[0].dtype = map->type->element->dtype;
    infer->outputs[0].shape = attrs->vocabulary->shape;
    return PITH_OK;
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_tensor *ints = NULL, *strings = NULL;
    PITH_TRY(pithi_source_list(ctx, source, "int64_vocabulary", &ints));
    PITH_TRY(pithi_source_list(ctx, source, "string_vocabulary", &strings));
    PITH_CHECK(ctx, !ints != !strings, PITH_STATUS_FORMAT,
               "%s of 'int64_vocabulary' and 'string_vocabulary' is given; one is needed", ints ? "each" : "none");
    ((dict_attrs *)attrs)->vocabulary = ints ? ints : strings;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_OBJECT, PITH_ONE } };
static const pith_operand_spec outputs[] = {
    { "y", PITH_DTYPES_STRING | PITH_DTYPES(PITH_DTYPE_S64) | PITH_DTYPES(PITH_DTYPE_F32) | PITH_DTYPES(PITH_DTYPE_F64),
      PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "DictVectorizer", 1, map } };
static const char *const samples[] = { "map:f32{string[2]{a,c} f32[2]{4,8}} | vocabulary=string[4]{a,c,b,z}",
                                       "map:s64{s64[3]{3,1,2} string[3]{x,y,z}} | vocabulary=s64[2]{2,7}" };

const pith_op pith_op_dict_vectorizer = {
    .head = { "dict_vectorizer", 1, PITH_ATTRS(table, dict_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
