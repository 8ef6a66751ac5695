/* SPDX-License-Identifier: Apache-2.0 */
/* attention: softmax(softcap(scale Q K^T) + bias) V for every head (Vaswani et al. 2017; grouped queries: Ainslie et
 * al. 2023). ONNX Attention. Operands are [batch, heads, rows, size] or [batch, rows, heads * size]; past keys
 * and values stand before K and V. The bias is the mask, and -inf where causality, the window or the number of
 * valid keys forbid a key; a row that may see no key gives zeros (NaN in what pass fuse_attention makes).
 The fast path is shared_attention_f32.c. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_attention.h"
#include "ops/shared_index.h"

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(pithi_attention_attrs, is_causal, "is_causal", 0),
    PITH_ATTR_INT(pithi_attention_attrs, q_num_heads, "q_num_heads", 0),
    PITH_ATTR_INT(pithi_attention_attrs, kv_num_heads, "kv_num_heads", 0),
    PITH_ATTR_INT(pithi_attention_attrs, qk_matmul_output_mode, "qk_matmul_output_mode", 0),
    PITH_ATTR_INT(pithi_attention_attrs, softmax_precision, "softmax_precision", 1),
    PITH_ATTR_INT(pithi_attention_attrs, left_window_size, "left_window_size", -1),
    PITH_ATTR_INT(pithi_attention_attrs, right_window_size, "right_window_size", -1),
    PITH_ATTR_OWN_INT(pithi_attention_attrs, nan_where_blind, "nan_where_blind", 0),
    PITH_ATTR_FLOAT(pithi_attention_attrs, scale, "scale", 0),
    PITH_ATTR_FLOAT(pithi_attention_attrs, softcap, "softcap", 0),
};

/* ---- reference ---------------------------------------------------------------------------- */

static double ref_score(const pith_run *run, const pithi_attention_geometry *g, int64_t batch, int64_t head,
                        int64_t row, int64_t key)
{
    int64_t k_at = 0, q_at = batch * g->q.batch + head * g->q.head + row * g->q.row;
    int k_input = pithi_attention_find_row(g, false, batch, head / (g->n_heads / g->n_key_heads), key, &k_at);
    double sum = 0.0;
    for (int64_t i = 0; i < g->size; i++) {
        sum += pithi_tensor_get_f64(&run->inputs[Q], q_at + i) * pithi_tensor_get_f64(&run->inputs[k_input], k_at + i);
    }
    return sum * (double)pithi_attention_scale(run->attrs, g);
}

static void ref_softmax(double *scores, int64_t n, bool nan_where_blind)
{
    double largest = -INFINITY, sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        largest = scores[i] > largest || isnan(scores[i]) ? scores[i] : largest;
    }
    for (int64_t i = 0; i < n; i++) {
        scores[i] = scores[i] == -INFINITY ? 0.0 : exp(scores[i] - largest);
        sum += scores[i];
    }
    for (int64_t i = 0; i < n && (sum != 0.0 || nan_where_blind); i++) {
        scores[i] /= sum;
    }
}

static void ref_keep(const pith_run *run, int mode, int64_t at, const double *scores, int64_t n)
{
    bool is_wanted = run->n_outputs > SCORES && run->outputs[SCORES].data &&
                     ((const pithi_attention_attrs *)run->attrs)->qk_matmul_output_mode == mode;
    for (int64_t i = 0; i < n && is_wanted; i++) {
        pithi_tensor_set_f64(&run->outputs[SCORES], at + i, scores[i]);
    }
}

static void ref_row(const pith_run *run, const pithi_attention_geometry *g, int64_t batch, int64_t head, int64_t row)
{
    const pithi_attention_attrs *attrs = run->attrs;
    double *scores = run->shared, cap = (double)attrs->softcap;
    int64_t at = ((batch * g->n_heads + head) * g->n_rows + row) * g->n_keys, begin, end;
    pithi_attention_mask mask = pithi_attention_find_mask(run, g, batch, head, row);
    pithi_attention_find_limits(run, g, batch, row, &begin, &end);
    for (int64_t i = 0; i < g->n_keys; i++) {
        scores[i] = ref_score(run, g, batch, head, row, i);
    }
    ref_keep(run, RAW_SCORES, at, scores, g->n_keys);
    for (int64_t i = 0; i < g->n_keys && cap > 0.0; i++) {
        scores[i] = cap * tanh(scores[i] / cap);
    }
    ref_keep(run, CAPPED_SCORES, at, scores, g->n_keys);
    for (int64_t i = 0; i < g->n_keys; i++) {
        scores[i] = i < begin || i >= end ? -INFINITY : scores[i] + pithi_attention_bias(&mask, i);
    }
    ref_keep(run, BIASED_SCORES, at, scores, g->n_keys);
    ref_softmax(scores, g->n_keys, attrs->nan_where_blind);
    ref_keep(run, PROBABILITIES, at, scores, g->n_keys);
    for (int64_t k = 0; k < g->value_size; k++) {
        double sum = 0.0;
        for (int64_t i = 0; i < g->n_keys; i++) {
            int64_t v_at = 0;
            int v_input = pithi_attention_find_row(g, true, batch, head / (g->n_heads / g->n_key_heads), i, &v_at);
            sum += scores[i] * pithi_tensor_get_f64(&run->inputs[v_input], v_at + k);
        }
        pithi_tensor_set_f64(&run->outputs[Y], batch * g->y.batch + head * g->y.head + row * g->y.row + k, sum);
    }
}

static void ref(const pith_run *run)
{
    pithi_attention_geometry g = pithi_attention_geometry_of(run->attrs, run->inputs, run->n_inputs);
    for (int64_t batch = 0; batch < g.n_batches; batch++) {
        for (int64_t head = 0; head < g.n_heads; head++) {
            for (int64_t row = 0; row < g.n_rows; row++) {
                ref_row(run, &g, batch, head, row);
            }
        }
        for (int64_t head = 0; head < g.n_key_heads; head++) {
            pithi_attention_store_present(run, &g, false, batch, head);
            pithi_attention_store_present(run, &g, true, batch, head);
        }
    }
}

static size_t ref_bytes(const pith_run *run)
{
    return (size_t)pithi_attention_geometry_of(run->attrs, run->inputs, run->n_inputs).n_keys * sizeof(double);
}

/* ---- shape -------------------------------------------------------------------------------- */

/* Keys and values may be split into heads where queries aren't (com.microsoft). */
static pith_status check_ranks(const pith_infer *infer)
{
    const pithi_attention_attrs *attrs = infer->attrs;
    int rank = infer->inputs[Q].shape.rank, key_rank = infer->inputs[K].shape.rank;
    PITH_CHECK(infer->ctx, (rank == 3 || rank == 4) && (key_rank == rank || key_rank == 4) &&
                   infer->inputs[V].shape.rank == key_rank,
               PITH_STATUS_SHAPE, "Q, K and V have ranks %d, %d and %d, but must all have 3 or 4", rank, key_rank,
               infer->inputs[V].shape.rank);
    PITH_CHECK(infer->ctx, rank == 4 || (attrs->q_num_heads > 0 && attrs->kv_num_heads > 0), PITH_STATUS_FORMAT,
               "q_num_heads and kv_num_heads are needed for operands of rank 3");
    PITH_CHECK(infer->ctx, attrs->qk_matmul_output_mode >= 0 && attrs->qk_matmul_output_mode <= 3, PITH_STATUS_FORMAT,
               "qk_matmul_output_mode is %lld, not 0..3", (long long)attrs->qk_matmul_output_mode);
    return PITH_OK;
}

/* An operand of rank 3 must be a whole number of heads. */
static bool is_whole(const pith_shape *shape, int64_t n_heads)
{
    return shape->rank == 4 || (n_heads > 0 && shape->dims[2] % n_heads == 0);
}

static pith_status check_sizes(const pith_infer *infer, const pithi_attention_geometry *g)
{
    const pith_shape *q = &infer->inputs[Q].shape, *k = &infer->inputs[K].shape, *v = &infer->inputs[V].shape;
    PITH_CHECK(infer->ctx, g->n_key_heads > 0 && g->n_heads % g->n_key_heads == 0, PITH_STATUS_SHAPE,
               "%lld query heads can't share %lld key heads", (long long)g->n_heads, (long long)g->n_key_heads);
    PITH_CHECK(infer->ctx, is_whole(q, g->n_heads) && is_whole(k, g->n_key_heads) && is_whole(v, g->n_key_heads),
               PITH_STATUS_SHAPE, "hidden sizes of Q, K and V must be multiples of the head counts %lld and %lld",
               (long long)g->n_heads, (long long)g->n_key_heads);
    int64_t q_size = q->rank == 4 ? q->dims[3] : q->dims[2] / g->n_heads, v_rows = v->dims[v->rank - 2];
    PITH_CHECK(infer->ctx,
               q_size == g->size && v_rows == g->n_new && q->dims[0] == k->dims[0] && q->dims[0] == v->dims[0] &&
                   (v->rank == 3 || k->dims[1] == v->dims[1]),
               PITH_STATUS_SHAPE,
               "batch, heads, rows or head size of Q, K and V don't fit together (head size %lld of Q, %lld of K)",
               (long long)q_size, (long long)g->size);
    return PITH_OK;
}

static pith_status check_past(const pith_infer *infer, const pithi_attention_geometry *g)
{
    bool has_k = pithi_has_operand(infer->inputs, infer->n_inputs, PAST_K);
    PITH_CHECK(infer->ctx, has_k == pithi_has_operand(infer->inputs, infer->n_inputs, PAST_V), PITH_STATUS_FORMAT,
               "past_key and past_value come together or not at all");
    for (int i = PAST_K; has_k && i <= PAST_V; i++) {
        pith_shape must = {
            .rank = 4, .dims = { g->n_batches, g->n_key_heads, g->n_past, i == PAST_K ? g->size : g->value_size }
        };
        char is_text[PITHI_SHAPE_TEXT_BYTES], must_text[PITHI_SHAPE_TEXT_BYTES];
        PITH_CHECK(infer->ctx, pith_shape_equal(&infer->inputs[i].shape, &must), PITH_STATUS_SHAPE,
                   "input %d is %s, but must be %s", i, pithi_shape_text(&infer->inputs[i].shape, is_text),
                   pithi_shape_text(&must, must_text));
        PITH_CHECK(infer->ctx, infer->inputs[i].dtype == infer->inputs[i == PAST_K ? K : V].dtype, PITH_STATUS_DTYPE,
                   "past and new %s have different dtypes", i == PAST_K ? "keys" : "values");
    }
    return PITH_OK;
}

static pith_status check_mask(const pith_infer *infer, const pithi_attention_geometry *g)
{
    if (pithi_has_operand(infer->inputs, infer->n_inputs, N_VALID)) {
        const pith_shape *n_valid = &infer->inputs[N_VALID].shape;
        PITH_CHECK(infer->ctx, n_valid->rank == 1 && n_valid->dims[0] == g->n_batches, PITH_STATUS_SHAPE,
                   "nonpad_kv_seqlen must be [%lld]", (long long)g->n_batches);
    }
    if (!pithi_has_operand(infer->inputs, infer->n_inputs, MASK)) {
        return PITH_OK;
    }
    const pith_shape *mask = &infer->inputs[MASK].shape;
    const int64_t full[4] = { g->n_batches, g->n_heads, g->n_rows, g->n_keys };
    bool is_good = mask->rank >= 1 && mask->rank <= 4;
    for (int i = 0; is_good && i < mask->rank; i++) {
        int64_t dim = mask->dims[i], limit = full[4 - mask->rank + i];
        is_good = i == mask->rank - 1 ? dim <= limit : dim == limit || dim == 1;
    }
    char text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, is_good, PITH_STATUS_SHAPE, "mask %s can't be broadcast to [%lld,%lld,%lld,%lld]",
               pithi_shape_text(mask, text), (long long)full[0], (long long)full[1], (long long)full[2],
               (long long)full[3]);
    return PITH_OK;
}

static void set_output(pith_infer *infer, int index, pith_dtype dtype, const int64_t *dims)
{
    if (index < infer->n_outputs && infer->node->outputs[index]) {
        infer->outputs[index].dtype = dtype;
        infer->outputs[index].shape.rank = 4;
        memcpy(infer->outputs[index].shape.dims, dims, 4 * sizeof *dims);
    }
}

static pith_status infer(pith_infer *infer)
{
    PITH_TRY(check_ranks(infer));
    pithi_attention_geometry g = pithi_attention_geometry_of(infer->attrs, infer->inputs, infer->n_inputs);
    PITH_TRY(check_sizes(infer, &g));
    PITH_TRY(check_past(infer, &g));
    PITH_TRY(check_mask(infer, &g));
    pith_dtype dtype = infer->inputs[Q].dtype;
    set_output(infer, Y, dtype, (const int64_t[]){ g.n_batches, g.n_heads, g.n_rows, g.value_size });
    if (infer->inputs[Q].shape.rank == 3) {
        infer->outputs[Y].shape =
            (pith_shape){ .rank = 3, .dims = { g.n_batches, g.n_rows, g.n_heads * g.value_size } };
    }
    set_output(infer, PRESENT_K, infer->inputs[K].dtype,
               (const int64_t[]){ g.n_batches, g.n_key_heads, g.n_keys, g.size });
    set_output(infer, PRESENT_V, infer->inputs[V].dtype,
               (const int64_t[]){ g.n_batches, g.n_key_heads, g.n_keys, g.value_size });
    set_output(infer, SCORES, dtype, (const int64_t[]){ g.n_batches, g.n_heads, g.n_rows, g.n_keys });
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    pithi_attention_geometry g = pithi_attention_geometry_of(infer->attrs, infer->inputs, infer->n_inputs);
    uint64_t scores = (uint64_t)(g.n_batches * g.n_heads * g.n_rows * g.n_keys);
    cost->macs = scores * (uint64_t)(g.size + g.value_size);
    cost->flops = 4 * scores;
}

static const pith_operand_spec inputs[] = {
    { "q", PITH_DTYPES_FLOAT, PITH_ONE },
    { "k", PITH_DTYPES_FLOAT, PITH_ONE },
    { "v", PITH_DTYPES_FLOAT, PITH_ONE },
    { "attn_mask", PITH_DTYPES_ANY, PITH_OPTIONAL },
    { "past_key", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "past_value", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "nonpad_kv_seqlen", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = {
    { "y", PITH_DTYPES_FLOAT, PITH_ONE },
    { "present_key", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "present_value", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "qk_matmul_output", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
};
static const pith_spelling spellings[] = {
    { "onnx", "", "Attention", 23, NULL },
};
static const char *const samples[] = {
    "f32[2,3,5,8] f32[2,3,7,8] f32[2,3,7,6]",
    "f32[2,35,12] f32[2,9,6] f32[2,9,10] f32[35,9] | q_num_heads=4 kv_num_heads=2",
    "f32[1,4,3,5] f32[1,2,3,5] f32[1,2,3,5] bool[1,4,3,7] f32[1,2,4,5] f32[1,2,4,5] | is_causal=1 softcap=2.5 "
    "qk_matmul_output_mode=2 | 4",
    "f32[2,2,3,4] f32[2,2,19,4] f32[2,2,19,4] - - - s64[2]{17,2} | is_causal=1 scale=0.3",
    "f32[1,1,6,4] f32[1,1,6,4] f32[1,1,6,4] f32[6,4] | left_window_size=2 right_window_size=0 qk_matmul_output_mode=3 "
    "| 4",
    "f32[2,1,24] f32[2,1,12] f32[2,1,10] - f32[2,2,70,6] f32[2,2,70,5] | q_num_heads=4 kv_num_heads=2 is_causal=1 | 3",
    "f32[1,2,1,4] f32[1,2,9,4] f32[1,2,9,17] f32[1,7]",
    "f32[1,1,2,4] f32[1,1,3,4] f32[1,1,3,4] f32[2,3]{0,-inf,1,-inf,-inf,-inf} | nan_where_blind=1",
    "f16[1,2,2,4] f16[1,2,3,4] f16[1,2,3,4]",
    "f32[1,2,3,4] f32[1,2,0,4] f32[1,2,0,5]",
};

const pith_op pith_op_attention = {
    .head = { "attention", 1, PITH_ATTRS(table, pithi_attention_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .prepare = pithi_attention_prepare, .run = pithi_attention_run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
