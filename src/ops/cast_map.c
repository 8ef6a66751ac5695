/* SPDX-License-Identifier: Apache-2.0 */
/* cast_map: the values of a map with integer keys as [1, n]: DENSE in order of their keys, SPARSE at the place that the
 * key says, among max_map zeros. ai.onnx.ml CastMap. */
#include <stdio.h>
#include <stdlib.h>

#include "ops/shared_object.h"

typedef struct cast_map_attrs {
    int64_t max_map, map_form, cast_to;
} cast_map_attrs;

enum { FORM_DENSE, FORM_SPARSE };
enum { TO_FLOAT, TO_STRING, TO_INT64 };
static const char *const forms[] = { "DENSE", "SPARSE", NULL };
static const char *const casts[] = { "TO_FLOAT", "TO_STRING", "TO_INT64", NULL };
static const pith_attr_spec table[] = {
    PITH_ATTR_INT(cast_map_attrs, max_map, "max_map", 1),
    PITH_ATTR_CHOICE(cast_map_attrs, map_form, "map_form", FORM_DENSE, forms),
    PITH_ATTR_CHOICE(cast_map_attrs, cast_to, "cast_to", TO_FLOAT, casts),
};

/* Element `at` of the output becomes `value`, a number or a text with one. */
static void set_value(const pith_run *run, int64_t at, const pith_tensor *value)
{
    pith_tensor *y = &run->outputs[0];
    char text[64];
    if (y->dtype == PITH_DTYPE_STRING && value->dtype == PITH_DTYPE_STRING) {
        ((pith_string *)y->data)[at] = *(const pith_string *)value->data;
    } else if (y->dtype == PITH_DTYPE_STRING) {
        const int n_bytes = snprintf(text, sizeof text, "%f", pithi_tensor_get_f64(value, 0));
        (void)pithi_run_string(run, text, (size_t)n_bytes, (pith_string *)y->data + at);
    } else if (value->dtype == PITH_DTYPE_STRING) {
        const pith_string *word = value->data;
        char *end = text;
        if (word->n_bytes < sizeof text) {
            memcpy(text, word->n_bytes ? word->data : "", word->n_bytes);
            text[word->n_bytes] = '\0';
            pithi_tensor_set_f64(y, at, strtod(text, &end));
        }
        if (end == text || *end) {
            pithi_run_fault(run, "'%.*s' is no number", word->n_bytes > 60 ? 60 : (int)word->n_bytes,
                            word->n_bytes ? word->data : "");
        }
    } else {
        pithi_tensor_set_f64(y, at, pithi_tensor_get_f64(value, 0));
    }
}

/* How many keys are below key i. */
static int64_t place_of(const pith_tensor *keys, int64_t i, int64_t n_keys)
{
    int64_t place = 0;
    for (int64_t k = 0; k < n_keys; k++) {
        place += pithi_tensor_get_s64(keys, k) < pithi_tensor_get_s64(keys, i);
    }
    return place;
}

static void ref(const pith_run *run)
{
    const cast_map_attrs *attrs = run->attrs;
    const pith_object *map = pithi_run_object(run, 0, PITH_KIND_MAP);
    const int64_t length = run->outputs[0].shape.dims[1];
    memset(run->outputs[0].data, 0, pith_tensor_bytes(&run->outputs[0]));
    for (int64_t i = 0; map && i < (int64_t)map->n_items; i++) {
        const bool is_sparse = attrs->map_form == FORM_SPARSE;
        const int64_t key = pithi_tensor_get_s64(&map->keys, i);
        const int64_t at = is_sparse ? key : place_of(&map->keys, i, (int64_t)map->n_items);
        if (at < 0 || at >= length) {
            pithi_run_fault(run, "key %lld is outside [0, %lld) (max_map)", (long long)key, (long long)length);
            return;
        }
        set_value(run, at, &map->items[i]);
    }
}

static pith_status infer(pith_infer *infer)
{
    static const pith_dtype dtypes[] = { PITH_DTYPE_F32, PITH_DTYPE_STRING, PITH_DTYPE_S64 };
    const cast_map_attrs *attrs = infer->attrs;
    const pith_object *map = NULL;
    PITH_TRY(pithi_infer_outline(infer, 0, PITH_KIND_MAP, &map));
    const pith_dtype dtype = map->type->element->kind == PITH_KIND_TENSOR ? map->type->element->dtype : PITH_DTYPE_NONE;
    PITH_CHECK(infer->ctx, map->type->dtype == PITH_DTYPE_S64 &&
               (dtype == PITH_DTYPE_STRING || dtype == PITH_DTYPE_F32), PITH_STATUS_DTYPE,
               "the map has keys of %s and values of %s; s64, and string or f32, are needed",
               pith_dtype_name(map->type->dtype), pith_dtype_name(dtype));
    for (size_t i = 0; i < map->n_items; i++) {
        PITH_CHECK(infer->ctx, pith_shape_elements(&map->items[i].shape) == 1, PITH_STATUS_SHAPE,
                   "value %zu of the map isn't one number or string", i);
    }
    PITH_CHECK(infer->ctx, attrs->max_map >= 0, PITH_STATUS_FORMAT, "max_map is %lld", (long long)attrs->max_map);
    const int64_t length = attrs->map_form == FORM_SPARSE ? attrs->max_map : (int64_t)map->n_items;
    infer->outputs[0].dtype = dtypes[attrs->cast_to];
    infer->outputs[0].shape = (pith_shape){ 2, { 1, length } };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_OBJECT, PITH_ONE } };
static const pith_operand_spec outputs[] = {
    { "y", PITH_DTYPES_STRING | PITH_DTYPES(PITH_DTYPE_F32) | PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "CastMap", 1, NULL } };
static const char *const samples[] = {
    "map:f32{s64[3]{3,0,2} f32[3]{4,8,0.5}}",
    "map:f32{s64[3]{3,0,2} f32[3]{4,8,0.5}} | map_form=SPARSE max_map=5 cast_to=TO_STRING",
    "map:f32{s64[2]{3,0} string[2]{12,-7}} | cast_to=TO_INT64",
};

const pith_op pith_op_cast_map = {
    .head = { "cast_map", 1, PITH_ATTRS(table, cast_map_attrs) },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
