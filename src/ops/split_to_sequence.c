/* SPDX-License-Identifier: Apache-2.0 */
/* split_to_sequence: x cut along `axis` into a sequence: pieces of the size `split` (the last one may be smaller), or
 * of the sizes in the list `split`; without it slices, of which keepdims 0 drops the axis. ONNX SplitToSequence. */
#include "ops/shared_copy.h"
#include "ops/shared_object.h"

typedef struct split_to_sequence_attrs {
    int64_t axis, keepdims;
} split_to_sequence_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(split_to_sequence_attrs, axis, "axis", 0),
    PITH_ATTR_INT(split_to_sequence_attrs, keepdims, "keepdims", 1),
};

typedef struct cutting {
    int64_t dim;              /* of the axis */
    int64_t n_pieces, size;   /* of all but the last piece, where there is no list */
    const pith_tensor *sizes; /* the list, or NULL */
} cutting;

static int64_t size_of(const cutting *cut, int64_t piece)
{
    return cut->sizes ? pithi_tensor_get_s64(cut->sizes, piece)
                      : pithi_min_s64(cut->size, cut->dim - piece * cut->size);
}

/* False: a fault. */
static bool read_sizes(const pith_run *run, int64_t dim, cutting *cut)
{
    const pith_tensor *split = pithi_has_operand(run->inputs, run->n_inputs, 1) ? &run->inputs[1] : NULL;
    *cut = (cutting){ .dim = dim, .size = 1, .n_pieces = dim };
    if (split && split->shape.rank == 0) {
        cut->size = pithi_tensor_get_s64(split, 0);
        if (cut->size <= 0) {
            pithi_run_fault(run, "split is %lld, but must be positive", (long long)cut->size);
            return false;
        }
        cut->n_pieces = dim / cut->size + (dim % cut->size != 0);
    } else if (split) {
        int64_t rest = dim;
        cut->sizes = split;
        cut->n_pieces = split->shape.dims[0];
        for (int64_t i = 0; i < cut->n_pieces; i++) {
            int64_t size = size_of(cut, i);
            if (size < 0 || size > rest) {
                pithi_run_fault(run, "split: size %lld of piece %lld doesn't fit, %lld are left of %lld",
                                (long long)size, (long long)i, (long long)rest, (long long)dim);
                return false;
            }
            rest -= size;
        }
        if (rest != 0) {
            pithi_run_fault(run, "split: the sizes leave %lld of %lld", (long long)rest, (long long)dim);
            return false;
        }
    }
    return true;
}

static void copy_piece(const pith_tensor *x, int axis, int64_t from, int64_t size, pith_tensor *piece)
{
    size_t n_outer = (size_t)pithi_dims_product(&x->shape, 0, axis);
    size_t inner = (size_t)pithi_dims_product(&x->shape, axis + 1, x->shape.rank) * pith_dtype_bytes(x->dtype);
    size_t row = inner * (size_t)size;
    for (size_t i = 0; i < n_outer && row > 0; i++) {
        memcpy((char *)piece->data + i * row,
               (const char *)x->data + (i * (size_t)x->shape.dims[axis] + (size_t)from) * inner, row);
    }
}

static void ref(const pith_run *run)
{
    const split_to_sequence_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->shape.rank : attrs->axis);
    bool drops = attrs->keepdims == 0 && !pithi_has_operand(run->inputs, run->n_inputs, 1);
    cutting cut;
    pith_tensor *items;
    if (!read_sizes(run, x->shape.dims[axis], &cut) ||
        !pithi_run_new_object(run, pith_type_sequence(x->dtype), (size_t)cut.n_pieces, &items)) {
        return;
    }
    for (int64_t i = 0, from = 0; i < cut.n_pieces; i++) {
        pith_tensor *piece = &items[i];
        int64_t size = size_of(&cut, i);
        *piece = (pith_tensor){ .dtype = x->dtype, .shape = x->shape };
        piece->shape.dims[axis] = size;
        piece->data = pithi_run_alloc(run, pith_tensor_bytes(piece), 1);
        if (!piece->data) {
            return;
        }
        copy_piece(x, axis, from, size, piece);
        from += size;
        for (int k = axis; drops && k + 1 < x->shape.rank; k++) {
            piece->shape.dims[k] = piece->shape.dims[k + 1];
        }
        piece->shape.rank -= drops;
    }
}

static pith_status infer(pith_infer *infer)
{
    const split_to_sequence_attrs *attrs = infer->attrs;
    int axis;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, infer->inputs[0].shape.rank, &axis));
    PITH_CHECK(infer->ctx, infer->n_inputs < 2 || infer->inputs[1].shape.rank <= 1, PITH_STATUS_SHAPE,
               "split has rank %d, but must be one number or a list", infer->inputs[1].shape.rank);
    return pithi_infer_object(infer);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE },
                                            { "split", PITH_DTYPES_INDEX, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "SplitToSequence", 11, NULL } };
static const char *const samples[] = { "f32[3,4]", "f32[3,4] | axis=1 keepdims=0", "f32[2,5] s64[]{2} | axis=-1",
                                       "string[5] s32[2]{3,2}", "f32[0,2] s64[]{2}" };

const pith_op pith_op_split_to_sequence = {
    .head = { "split_to_sequence", 1, PITH_ATTRS(attr_table, split_to_sequence_attrs) },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_object_output, .n_outputs = 1,
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
