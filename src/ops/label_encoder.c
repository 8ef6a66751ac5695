/* SPDX-License-Identifier: Apache-2.0 */
/* label_encoder: y = values[i] where x = keys[i] (the last such i; NaN equals NaN), else default_value. ai.onnx.ml
 * LabelEncoder (all versions) and CategoryMapper, which with reverse_default can also go from values to keys. */
#include <math.h>
#include <stdlib.h>

#include "graph/object.h"
#include "ops/sample.h"
#include "ops/shared_ml.h"
#include "ops/shared_source.h"

typedef struct encoder_attrs {
    const pith_tensor *keys, *values, *default_value; /* [K], [K], one element of the values' dtype */
    const pith_tensor *reverse_default;               /* one element of the keys' dtype, or NULL */
} encoder_attrs;

#define OWN_TENSOR(field) { #field, PITH_ATTR_KIND_TENSOR, offsetof(encoder_attrs, field), 0, NULL, false, true, false }
static const pith_attr_spec table[] = { OWN_TENSOR(keys), OWN_TENSOR(values), OWN_TENSOR(default_value),
                                        OWN_TENSOR(reverse_default) };

typedef struct direction {
    const pith_tensor *from, *to, *otherwise;
} direction;

static direction direction_of(const encoder_attrs *a, pith_dtype dtype)
{
    return dtype != a->keys->dtype && a->reverse_default && dtype == a->values->dtype
               ? (direction){ a->values, a->keys, a->reverse_default }
               : (direction){ a->keys, a->values, a->default_value };
}

static int order(const pith_tensor *a, int64_t i, const pith_tensor *b, int64_t k)
{
    if (a->dtype == PITH_DTYPE_STRING) {
        return pithi_string_order((const pith_string *)a->data + i, (const pith_string *)b->data + k);
    }
    if (pithi_dtype_is_integer(a->dtype)) {
        const int64_t x = pithi_tensor_get_s64(a, i), y = pithi_tensor_get_s64(b, k);
        return (x > y) - (x < y);
    }
    const double x = pithi_tensor_get_f64(a, i), y = pithi_tensor_get_f64(b, k);
    return isnan(x) || isnan(y) ? !!isnan(x) - !!isnan(y) : (x > y) - (x < y);
}

static void set(const pith_run *run, int64_t i, const pith_tensor *from, int64_t k)
{
    const size_t n_bytes = pith_dtype_bytes(from->dtype);
    memcpy((char *)run->outputs[0].data + (size_t)i * n_bytes, (const char *)from->data + (size_t)k * n_bytes, n_bytes);
}

static void ref(const pith_run *run)
{
    const direction d = direction_of(run->attrs, run->inputs[0].dtype);
    const int64_t count = pith_shape_elements(&run->inputs[0].shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t k = d.from->shape.dims[0] - 1;
        while (k >= 0 && order(&run->inputs[0], i, d.from, k) != 0) {
            k--;
        }
        set(run, i, k >= 0 ? d.to : d.otherwise, k >= 0 ? k : 0);
    }
}

/* ---- run: binary search --------------------------------------------------------------------- */

typedef struct sorted_key {
    const pith_tensor *keys;
    int64_t index;
} sorted_key;

/* Of equal keys the last one comes first. */
static int by_key(const void *a, const void *b)
{
    const sorted_key *x = a, *y = b;
    const int by_value = order(x->keys, x->index, y->keys, y->index);
    return by_value ? by_value : (x->index < y->index) - (x->index > y->index);
}

static pith_status prepare(pith_prepare *prepare)
{
    const direction d = direction_of(prepare->attrs, prepare->inputs[0].dtype);
    const int64_t n_keys = d.from->shape.dims[0];
    void *block = NULL;
    PITH_TRY(pithi_arena_array(prepare->arena, (size_t)n_keys, sizeof(sorted_key), &block));
    sorted_key *keys = block;
    for (int64_t k = 0; k < n_keys; k++) {
        keys[k] = (sorted_key){ d.from, k };
    }
    qsort(keys, (size_t)n_keys, sizeof *keys, by_key);
    prepare->state = keys;
    const int64_t n_parts = pith_shape_elements(&prepare->inputs[0].shape) / 512;
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(n_parts, 256));
    prepare->use_run = true;
    return PITH_OK;
}

static void run(const pith_run *run, const pith_part *part)
{
    const direction d = direction_of(run->attrs, run->inputs[0].dtype);
    const sorted_key *keys = run->state;
    int64_t begin, end;
    pithi_part_range(part, pith_shape_elements(&run->inputs[0].shape), &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t low = 0, high = d.from->shape.dims[0];
        while (low < high) { /* the first key that isn't below x */
            const int64_t middle = (low + high) / 2;
            if (order(d.from, keys[middle].index, &run->inputs[0], i) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        const bool is_there = low < d.from->shape.dims[0] && order(d.from, keys[low].index, &run->inputs[0], i) == 0;
        set(run, i, is_there ? d.to : d.otherwise, is_there ? keys[low].index : 0);
    }
}

static pith_status infer(pith_infer *infer)
{
    const encoder_attrs *a = infer->attrs;
    PITH_CHECK(infer->ctx, a->keys && a->values && a->default_value && a->keys->shape.rank == 1 &&
               pith_shape_equal(&a->keys->shape, &a->values->shape), PITH_STATUS_FORMAT,
               "keys and values aren't lists of one length");
    const direction d = direction_of(a, infer->inputs[0].dtype);
    PITH_CHECK(infer->ctx, infer->inputs[0].dtype == d.from->dtype, PITH_STATUS_DTYPE,
               "the input has dtype %s, but the keys have %s", pith_dtype_name(infer->inputs[0].dtype),
               pith_dtype_name(d.from->dtype));
    PITH_CHECK(infer->ctx, d.otherwise->dtype == d.to->dtype && pith_shape_elements(&d.otherwise->shape) == 1,
               PITH_STATUS_DTYPE, "the default is %lld times %s, but must be one %s",
               (long long)pith_shape_elements(&d.otherwise->shape), pith_dtype_name(d.otherwise->dtype),
               pith_dtype_name(d.to->dtype));
    infer->outputs[0].dtype = d.to->dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

/* ---- import ------------------------------------------------------------------------------- */

/* The default of a dtype: attribute `default_<type>`, or what the standard says. */
static pith_status read_default(pith_ctx *ctx, pith_source *source, pith_dtype dtype, const pith_tensor **default_out)
{
    static const char *const names[] = { "default_string", "default_int64", "default_float", "default_tensor" };
    const pith_tensor *lists[PITH_COUNT(names)], *found = NULL;
    void *data = NULL;
    for (int i = 0; i < PITH_COUNT(names); i++) {
        PITH_TRY(pithi_source_list(ctx, source, names[i], &lists[i]));
        found = lists[i] && lists[i]->dtype == dtype ? lists[i] : found;
    }
    PITH_CHECK(ctx, found || !lists[3], PITH_STATUS_DTYPE, "default_tensor has dtype %s, but the values have %s",
               lists[3] ? pith_dtype_name(lists[3]->dtype) : "none", pith_dtype_name(dtype));
    *default_out = found;
    if (found) {
        return PITH_OK;
    }
    PITH_TRY(pithi_source_new_list(source, dtype, 1, default_out, &data));
    pith_tensor fresh = { .dtype = dtype, .shape = { 1, { 1 } }, .data = data };
    if (dtype == PITH_DTYPE_STRING) {
        *(pith_string *)data = (pith_string){ "_Unused", 7 };
    } else if (pithi_dtype_is_float(dtype)) {
        pithi_tensor_set_f64(&fresh, 0, -0.0);
    } else {
        pithi_tensor_set_s64(&fresh, 0, -1);
    }
    return PITH_OK;
}

/* The one of several attributes that is given. */
static pith_status read_one(pith_ctx *ctx, pith_source *source, const char *kind, const pith_tensor **list_out)
{
    static const char *const types[] = { "strings", "int64s", "floats", "tensor" };
    *list_out = NULL;
    for (int i = 0; i < PITH_COUNT(types); i++) {
        char name[32];
        const pith_tensor *list = NULL;
        memcpy(name, kind, strlen(kind));
        memcpy(name + strlen(kind), types[i], strlen(types[i]) + 1);
        PITH_TRY(pithi_source_list(ctx, source, name, &list));
        PITH_CHECK(ctx, !list || !*list_out, PITH_STATUS_FORMAT, "more than one of the attributes %s* is given", kind);
        *list_out = list ? list : *list_out;
    }
    PITH_CHECK(ctx, *list_out, PITH_STATUS_FORMAT, "none of the attributes %s* is given", kind);
    return PITH_OK;
}

static pith_status map_2(pith_ctx *ctx, pith_source *source, void *attrs)
{
    encoder_attrs *a = attrs;
    PITH_TRY(read_one(ctx, source, "keys_", &a->keys));
    PITH_TRY(read_one(ctx, source, "values_", &a->values));
    return read_default(ctx, source, a->values->dtype, &a->default_value);
}

static pith_status read_both_ways(pith_ctx *ctx, pith_source *source, const char *strings, encoder_attrs *a)
{
    PITH_TRY(pithi_source_list(ctx, source, strings, &a->keys));
    PITH_CHECK(ctx, a->keys && a->keys->dtype == PITH_DTYPE_STRING, PITH_STATUS_FORMAT,
               "'%s' is missing, or no list of strings", strings);
    PITH_TRY(read_default(ctx, source, PITH_DTYPE_STRING, &a->reverse_default));
    return read_default(ctx, source, PITH_DTYPE_S64, &a->default_value);
}

static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    encoder_attrs *a = attrs;
    int64_t *numbers = NULL;
    PITH_TRY(read_both_ways(ctx, source, "classes_strings", a));
    PITH_TRY(pithi_source_new_list(source, PITH_DTYPE_S64, a->keys->shape.dims[0], &a->values, &numbers));
    for (int64_t i = 0; i < a->keys->shape.dims[0]; i++) {
        numbers[i] = i;
    }
    return PITH_OK;
}

static pith_status map_categories(pith_ctx *ctx, pith_source *source, void *attrs)
{
    encoder_attrs *a = attrs;
    PITH_TRY(read_both_ways(ctx, source, "cats_strings", a));
    PITH_TRY(pithi_source_list(ctx, source, "cats_int64s", &a->values));
    PITH_CHECK(ctx, a->values && a->values->dtype == PITH_DTYPE_S64, PITH_STATUS_FORMAT,
               "'cats_int64s' is missing, or no list of ints");
    return PITH_OK;
}

#define DTYPES (PITHI_ML_DTYPES | PITH_DTYPES(PITH_DTYPE_S16) | PITH_DTYPES_STRING)
static const pith_operand_spec inputs[] = { { "x", DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", DTYPES, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "LabelEncoder", 1, map_1 },
                                           { "onnx", "ai.onnx.ml", "LabelEncoder", 2, map_2 },
                                           { "onnx", "ai.onnx.ml", "CategoryMapper", 1, map_categories } };
static const char *const samples[] = {
    "s64[3,4]{0:5} | keys=s64[4]{3,1,2,1} values=f32[4]{0.5,1.5,2.5,3.5} default_value=f32[1]{-1}",
    "f64[5]{1,nan,-0,2.5,7} | keys=f64[3]{nan,2.5,0} values=s16[3]{1,2,3} default_value=s16[1]{-1}",
    "string[4]{b,x,,a} | keys=string[3]{,a,b} values=s64[3]{7,8,9} default_value=s64[1]{-1}",
    "s64[2,2]{8,7,1,9} | keys=string[3]{a,b,c} values=s64[3]{7,8,9} default_value=s64[1]{-1} "
    "reverse_default=string[1]{none}",
    "s64[0] | keys=s64[1]{3} values=s64[1]{4} default_value=s64[1]{5}",
};

const pith_op pith_op_label_encoder = {
    .head = { "label_encoder", 1, PITH_ATTRS(table, encoder_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
