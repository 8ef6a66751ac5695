/* SPDX-License-Identifier: Apache-2.0 */
/* rotary_embedding: turns pairs of a head's elements by angles of the position (Su et al. 2021). ONNX
 * RotaryEmbedding. With halves, element i pairs with i + n/2; interleaved, with its neighbour:
 *   y1 = cos x1 - sin x2,  y2 = sin x1 + cos x2
 * x is [batch, heads, rows, size] or [batch, rows, heads * size]; only the first rotary_embedding_dim elements of a
 * head turn. */
#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct rotary_attrs {
    int64_t interleaved, num_heads, rotary_embedding_dim;
} rotary_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(rotary_attrs, interleaved, "interleaved", 0),
    PITH_ATTR_INT(rotary_attrs, num_heads, "num_heads", 0),
    PITH_ATTR_INT(rotary_attrs, rotary_embedding_dim, "rotary_embedding_dim", 0),
};

enum { X, COS, SIN, POSITIONS };

/* Head vectors in memory order: for each, where its pairs lie and which row of the caches it takes. */
typedef struct layout {
    int64_t n_vectors, size, n_pairs, n_heads, n_rows;
    int64_t first_step, second; /* x1 of pair i lies at i * first_step, x2 `second` further */
    bool is_4d;
} layout;

static layout layout_of(const rotary_attrs *attrs, const pith_tensor *inputs)
{
    const int64_t *d = inputs[X].shape.dims;
    layout l = { .is_4d = inputs[X].shape.rank == 4 };
    int64_t n_cached = inputs[COS].shape.rank > 0 ? inputs[COS].shape.dims[inputs[COS].shape.rank - 1] : 0;
    int64_t n_implied =
        n_cached > 0 && !l.is_4d ? d[2] / (2 * n_cached) : 0; /* com.microsoft: heads as wide as the cache */
    l.n_heads = l.is_4d ? d[1] : attrs->num_heads > 0 ? attrs->num_heads : n_implied;
    l.n_rows = l.is_4d ? d[2] : d[1];
    l.size = l.is_4d ? d[3] : l.n_heads > 0 ? d[2] / l.n_heads : 0;
    l.n_vectors = d[0] * l.n_heads * l.n_rows;
    l.n_pairs = (attrs->rotary_embedding_dim > 0 ? attrs->rotary_embedding_dim : l.size) / 2;
    l.first_step = attrs->interleaved ? 2 : 1;
    l.second = attrs->interleaved ? 1 : l.n_pairs;
    return l;
}

/* First cache element for vector `index`. */
static int64_t cache_at(const pith_run *run, const layout *l, int64_t index)
{
    int64_t batch = index / (l->n_heads * l->n_rows);
    int64_t row = l->is_4d ? index % l->n_rows : index / l->n_heads % l->n_rows;
    int64_t position = batch * l->n_rows + row;
    if (pithi_has_operand(run->inputs, run->n_inputs, POSITIONS)) {
        const bool is_first = run->inputs[POSITIONS].shape.rank == 1; /* that of row 0, in all of the batch */
        const int64_t bound = run->inputs[COS].shape.dims[0] - (is_first ? l->n_rows - 1 : 0);
        position = pithi_run_index(run, &run->inputs[POSITIONS], is_first ? 0 : position, bound) + (is_first ? row : 0);
    }
    return position * run->inputs[COS].shape.dims[run->inputs[COS].shape.rank - 1]; /* may be wider than needed */
}

static void ref(const pith_run *run)
{
    layout l = layout_of(run->attrs, run->inputs);
    const pith_tensor *x = &run->inputs[X];
    pith_tensor *y = &run->outputs[0];
    for (int64_t v = 0; v < l.n_vectors; v++) {
        int64_t at = v * l.size, cache = cache_at(run, &l, v);
        for (int64_t i = 0; i < l.n_pairs; i++) {
            int64_t first = at + i * l.first_step, second = first + l.second;
            double a = pithi_tensor_get_f64(x, first), b = pithi_tensor_get_f64(x, second);
            double c = pithi_tensor_get_f64(&run->inputs[COS], cache + i),
                   s = pithi_tensor_get_f64(&run->inputs[SIN], cache + i);
            pithi_tensor_set_f64(y, first, c * a - s * b);
            pithi_tensor_set_f64(y, second, s * a + c * b);
        }
        for (int64_t i = 2 * l.n_pairs; i < l.size; i++) {
            pithi_tensor_set_f64(y, at + i, pithi_tensor_get_f64(x, at + i));
        }
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    if (prepare->inputs[X].dtype == PITH_DTYPE_F32) {
        prepare->use_run = true;
        prepare->max_parts =
            (int)pithi_max_s64(1, pithi_min_s64(layout_of(prepare->attrs, prepare->inputs).n_vectors, 1 << 16));
        prepare->kernel = "rotary";
    }
    return PITH_OK;
}

static void turn(const layout *l, const float *restrict x, const float *restrict cosines, const float *restrict sines,
                 float *restrict y)
{
    for (int64_t i = 0; i < l->n_pairs; i++) {
        float a = x[i * l->first_step], b = x[i * l->first_step + l->second];
        y[i * l->first_step] = cosines[i] * a - sines[i] * b;
        y[i * l->first_step + l->second] = sines[i] * a + cosines[i] * b;
    }
    memcpy(y + 2 * l->n_pairs, x + 2 * l->n_pairs, (size_t)(l->size - 2 * l->n_pairs) * sizeof *y);
}

static void run(const pith_run *run, const pith_part *part)
{
    layout l = layout_of(run->attrs, run->inputs);
    int64_t begin, end;
    pithi_part_range(part, l.n_vectors, &begin, &end);
    for (int64_t v = begin; v < end; v++) {
        int64_t cache = cache_at(run, &l, v);
        turn(&l, (const float *)run->inputs[X].data + v * l.size, (const float *)run->inputs[COS].data + cache,
             (const float *)run->inputs[SIN].data + cache, (float *)run->outputs[0].data + v * l.size);
    }
}

static pith_status check_caches(const pith_infer *infer, const layout *l)
{
    const pith_shape *x = &infer->inputs[X].shape, *c = &infer->inputs[COS].shape;
    bool has_positions = pithi_has_operand(infer->inputs, infer->n_inputs, POSITIONS);
    char text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, c->rank == (has_positions ? 2 : 3) && c->dims[c->rank - 1] >= l->n_pairs &&
               (has_positions || (c->dims[0] == x->dims[0] && c->dims[1] == l->n_rows)),
               PITH_STATUS_SHAPE, "cos_cache is %s, but must be %s with at least %lld in the last dimension",
               pithi_shape_text(c, text), has_positions ? "[positions, n]" : "[batch, rows, n]", (long long)l->n_pairs);
    PITH_CHECK(infer->ctx,
               pith_shape_equal(c, &infer->inputs[SIN].shape) && infer->inputs[COS].dtype == infer->inputs[X].dtype &&
                   infer->inputs[SIN].dtype == infer->inputs[X].dtype,
               PITH_STATUS_SHAPE, "cos_cache and sin_cache must have one shape, and the input's dtype");
    if (has_positions) {
        const pith_shape *p = &infer->inputs[POSITIONS].shape;
        bool is_first = p->rank == 1 && p->dims[0] == 1 && c->dims[0] >= l->n_rows; /* as com.microsoft may have it */
        PITH_CHECK(infer->ctx,
                   is_first || (p->rank == 2 && p->dims[0] == x->dims[0] && p->dims[1] == l->n_rows && c->dims[0] > 0),
                   PITH_STATUS_SHAPE, "position_ids are %s, but must be [%lld,%lld]", pithi_shape_text(p, text),
                   (long long)x->dims[0], (long long)l->n_rows);
    }
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const rotary_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[X].shape;
    PITH_CHECK(infer->ctx, x->rank == 3 || x->rank == 4, PITH_STATUS_SHAPE, "input has rank %d, but must have 3 or 4",
               x->rank);
    layout l = layout_of(attrs, infer->inputs);
    PITH_CHECK(infer->ctx, l.n_heads > 0 || x->rank == 4, PITH_STATUS_SHAPE,
               "num_heads is needed for an input of rank 3");
    PITH_CHECK(infer->ctx, (x->rank == 4 || x->dims[2] == l.n_heads * l.size) && 2 * l.n_pairs <= l.size &&
               (attrs->rotary_embedding_dim > 0 ? attrs->rotary_embedding_dim : l.size) % 2 == 0, PITH_STATUS_SHAPE,
               "heads of size %lld can't be turned over %lld elements", (long long)l.size,
               (long long)(attrs->rotary_embedding_dim ? attrs->rotary_embedding_dim : l.size));
    PITH_TRY(check_caches(infer, &l));
    return pithi_infer_same(infer);
}

/* com.microsoft: x, position_ids, cos_cache, sin_cache; its further attributes must say nothing. */
static pith_status map_microsoft(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    const pith_source_attr *is_packed = pithi_source_attr(source, "is_packed_batching");
    const pith_source_attr *scale = pithi_source_attr(source, "scale");
    PITH_CHECK(ctx, (!is_packed || is_packed->i == 0) && (!scale || scale->f == 1.0f), PITH_STATUS_UNSUPPORTED,
               "RotaryEmbedding with packed batches or a scale is not implemented");
    PITH_CHECK(ctx, source->n_inputs == 4, PITH_STATUS_FORMAT, "RotaryEmbedding has %d inputs, not 4",
               source->n_inputs);
    pith_value *positions = source->inputs[1];
    source->inputs[COS] = source->inputs[2];
    source->inputs[SIN] = source->inputs[3];
    source->inputs[POSITIONS] = positions;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "cos_cache", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "sin_cache", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "position_ids", PITH_DTYPES_INDEX, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "RotaryEmbedding", 23, NULL },
                                           { "onnx", "com.microsoft", "RotaryEmbedding", 1, map_microsoft } };
static const char *const samples[] = {
    "f32[2,3,5,8] f32[10,4] f32[10,4] s64[2,5]{0:10}",
    "f32[2,5,24] f32[2,5,4] f32[2,5,4] | num_heads=3 interleaved=1",
    "f32[1,3,5,7] f32[1,5,2] f32[1,5,2] | rotary_embedding_dim=4",
    "f32[1,3,5,8] f32[9,4] f32[9,4] s64[1,5]{0:9} | rotary_embedding_dim=4 interleaved=1",
    "f16[1,2,3,4] f16[1,3,2] f16[1,3,2]",
    "f32[0,3,5,8] f32[10,4] f32[10,4] s64[0,5]",
};

const pith_op pith_op_rotary_embedding = {
    .head = { "rotary_embedding", 1, PITH_ATTRS(table, rotary_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
