/* SPDX-License-Identifier: Apache-2.0 */
/* zip_map: each row of [N, C] (or [C]) as a map from the C labels to its values; a sequence of N maps. ai.onnx.ml
 * ZipMap. */
#include "ops/shared_ml.h"
#include "ops/shared_object.h"
#include "ops/shared_source.h"

typedef struct zip_attrs {
    const pith_tensor *keys; /* s64 or string [C] */
} zip_attrs;

static const pith_attr_spec table[] = {
    { "keys", PITH_ATTR_KIND_TENSOR, offsetof(zip_attrs, keys), 0, NULL, false, true, false } };

static const pith_type tensor_type = { PITH_KIND_TENSOR, PITH_DTYPE_F32, NULL };
static const pith_type map_types[2] = { { PITH_KIND_MAP, PITH_DTYPE_S64, &tensor_type },
                                        { PITH_KIND_MAP, PITH_DTYPE_STRING, &tensor_type } };
static const pith_type sequence_types[2] = { { PITH_KIND_SEQUENCE, PITH_DTYPE_NONE, &map_types[0] },
                                             { PITH_KIND_SEQUENCE, PITH_DTYPE_NONE, &map_types[1] } };

/* One map; false: no memory. */
static bool make_map(const pith_run *run, const pith_type *type, const float *row, pith_tensor *item)
{
    const pith_tensor *keys = ((const zip_attrs *)run->attrs)->keys;
    const size_t n_keys = (size_t)keys->shape.dims[0];
    pith_object *map = pithi_run_alloc(run, 1, sizeof *map);
    pith_handle *handle = map ? pithi_run_alloc(run, 1, sizeof *handle) : NULL;
    pith_tensor *items = handle ? pithi_run_alloc(run, n_keys, sizeof *items) : NULL;
    float *values = items ? pithi_run_alloc(run, n_keys, sizeof *values) : NULL;
    if (!values) {
        return false;
    }
    memcpy(values, row, n_keys * sizeof *values);
    for (size_t i = 0; i < n_keys; i++) {
        items[i] = (pith_tensor){ .dtype = PITH_DTYPE_F32, .data = &values[i] };
    }
    *map = (pith_object){ .type = type, .n_items = n_keys, .items = items };
    *handle = (pith_handle){ map, 0 };
    *item = pith_object_view(handle);
    return pithi_run_item(run, keys, &map->keys);
}

static void ref(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0];
    const pithi_ml_matrix matrix = pithi_ml_matrix_of(&x->shape);
    const bool is_text = ((const zip_attrs *)run->attrs)->keys->dtype == PITH_DTYPE_STRING;
    pith_tensor *items = NULL;
    const pith_object *sequence =
        pithi_run_new_object(run, &sequence_types[is_text], (size_t)matrix.n_rows, &items);
    for (int64_t row = 0; sequence && row < matrix.n_rows; row++) {
        const float *values = (const float *)x->data + row * matrix.n_columns;
        if (!make_map(run, sequence->type->element, values, &items[row])) {
            return;
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const zip_attrs *attrs = infer->attrs;
    pithi_ml_matrix matrix;
    PITH_TRY(pithi_infer_ml_matrix(infer, &matrix));
    PITH_CHECK(infer->ctx, attrs->keys && attrs->keys->shape.rank == 1 &&
               (attrs->keys->dtype == PITH_DTYPE_S64 || attrs->keys->dtype == PITH_DTYPE_STRING), PITH_STATUS_FORMAT,
               "there are no labels");
    PITH_CHECK(infer->ctx, attrs->keys->shape.dims[0] == matrix.n_columns, PITH_STATUS_SHAPE,
               "there are %lld labels for %lld columns", (long long)attrs->keys->shape.dims[0],
               (long long)matrix.n_columns);
    return pithi_infer_object(infer);
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    const pith_tensor *ints = NULL, *strings = NULL;
    PITH_TRY(pithi_source_list(ctx, source, "classlabels_int64s", &ints));
    PITH_TRY(pithi_source_list(ctx, source, "classlabels_strings", &strings));
    PITH_CHECK(ctx, !ints != !strings, PITH_STATUS_FORMAT,
               "%s of 'classlabels_int64s' and 'classlabels_strings' is given; one is needed", ints ? "each" : "none");
    ((zip_attrs *)attrs)->keys = ints ? ints : strings;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_F32, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "z", PITH_DTYPES_OBJECT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "ZipMap", 1, map } };
static const char *const samples[] = { "f32[3,2] | keys=s64[2]{5,6}", "f32[2] | keys=string[2]{a,b}",
                                       "f32[0,1] | keys=s64[1]{5}" };

const pith_op pith_op_zip_map = {
    .head = { "zip_map", 1, PITH_ATTRS(table, zip_attrs) },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
