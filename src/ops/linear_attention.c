/* SPDX-License-Identifier: Apache-2.0 */
/* linear_attention: attention whose memory is a matrix S [key size][value size] per key head (Yang et al., Gated
 * DeltaNet, 2024). ONNX LinearAttention. Token by token, with decay g and rate beta:
 *   S = exp(g) S (gated rules),  S += beta k (v - S^T k)^T (delta rules) or k v^T,  o = scale S^T q
 * Operands are [batch, tokens, heads * size]; several query heads may share a key head. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct linear_attention_attrs {
    int64_t update_rule, q_num_heads, kv_num_heads;
    int64_t chunk_size; /* a hint to others */
    float scale;        /* 0: 1 / sqrt(key size) */
} linear_attention_attrs;

enum { RULE_LINEAR, RULE_GATED, RULE_DELTA, RULE_GATED_DELTA };
static const char *const rules[] = { "linear", "gated", "delta", "gated_delta", NULL };

static const pith_attr_spec table[] = {
    PITH_ATTR_CHOICE(linear_attention_attrs, update_rule, "update_rule", RULE_GATED_DELTA, rules),
    PITH_ATTR_REQUIRED_INT(linear_attention_attrs, q_num_heads, "q_num_heads"),
    PITH_ATTR_REQUIRED_INT(linear_attention_attrs, kv_num_heads, "kv_num_heads"),
    PITH_ATTR_INT(linear_attention_attrs, chunk_size, "chunk_size", 64),
    PITH_ATTR_FLOAT(linear_attention_attrs, scale, "scale", 0),
};

enum { Q, K, V, PAST, DECAY, BETA };

typedef struct geometry {
    int64_t n_batches, n_tokens, n_heads, n_key_heads, size, value_size;
    int64_t decay_size, n_betas; /* decays per key head (1 or size), rates per token (1 or n_key_heads) */
    bool is_gated, is_delta;
    double scale;
} geometry;

static geometry geometry_of(const linear_attention_attrs *attrs, const pith_tensor *inputs, int n_inputs)
{
    const int64_t *q = inputs[Q].shape.dims;
    geometry g = { .n_batches = q[0],
                   .n_tokens = q[1],
                   .n_heads = attrs->q_num_heads,
                   .n_key_heads = attrs->kv_num_heads,
                   .size = q[2] / attrs->q_num_heads,
                   .value_size = inputs[V].shape.dims[2] / attrs->kv_num_heads };
    g.is_gated = attrs->update_rule == RULE_GATED || attrs->update_rule == RULE_GATED_DELTA;
    g.is_delta = attrs->update_rule == RULE_DELTA || attrs->update_rule == RULE_GATED_DELTA;
    g.decay_size = pithi_has_operand(inputs, n_inputs, DECAY) ? inputs[DECAY].shape.dims[2] / g.n_key_heads : 1;
    g.n_betas = pithi_has_operand(inputs, n_inputs, BETA) ? inputs[BETA].shape.dims[2] : 1;
    g.scale = attrs->scale != 0.0f ? (double)attrs->scale : 1.0 / sqrt((double)g.size);
    return g;
}

/* ---- one token ---------------------------------------------------------------------------- */

/* state and error are double, so that the float32 path has the reference's accuracy over many tokens. */
typedef struct token {
    const pith_run *run;
    const geometry *g;
    int64_t batch, head, row; /* row: of [batch, tokens] */
    double *state, *error;    /* [size][value_size], [value_size] */
} token;

static double key_at(const token *t, int64_t i)
{
    return pithi_tensor_get_f64(&t->run->inputs[K], (t->row * t->g->n_key_heads + t->head) * t->g->size + i);
}

static void decay_state(const token *t)
{
    const geometry *g = t->g;
    for (int64_t i = 0; i < g->size; i++) {
        int64_t at = (t->row * g->n_key_heads + t->head) * g->decay_size + (g->decay_size > 1 ? i : 0);
        double factor = exp(pithi_tensor_get_f64(&t->run->inputs[DECAY], at));
        for (int64_t j = 0; j < g->value_size; j++) {
            t->state[i * g->value_size + j] *= factor;
        }
    }
}

static void update_state(const token *t)
{
    const geometry *g = t->g;
    double rate = 1.0;
    for (int64_t j = 0; j < g->value_size; j++) {
        t->error[j] = pithi_tensor_get_f64(&t->run->inputs[V], (t->row * g->n_key_heads + t->head) * g->value_size + j);
    }
    if (g->is_delta) {
        rate = pithi_tensor_get_f64(&t->run->inputs[BETA], t->row * g->n_betas + (g->n_betas > 1 ? t->head : 0));
        for (int64_t i = 0; i < g->size; i++) {
            double k = key_at(t, i);
            for (int64_t j = 0; j < g->value_size; j++) {
                t->error[j] -= t->state[i * g->value_size + j] * k;
            }
        }
    }
    for (int64_t i = 0; i < g->size; i++) {
        double k = rate * key_at(t, i);
        for (int64_t j = 0; j < g->value_size; j++) {
            t->state[i * g->value_size + j] += k * t->error[j];
        }
    }
}

/* Output of one query head, summed in `error`, which is free by then. */
static void read_state(const token *t, int64_t q_head)
{
    const geometry *g = t->g;
    double *sum = t->error;
    memset(sum, 0, (size_t)g->value_size * sizeof *sum);
    for (int64_t i = 0; i < g->size; i++) {
        double q = g->scale * pithi_tensor_get_f64(&t->run->inputs[Q], (t->row * g->n_heads + q_head) * g->size + i);
        for (int64_t j = 0; j < g->value_size; j++) {
            sum[j] += q * t->state[i * g->value_size + j];
        }
    }
    for (int64_t j = 0; j < g->value_size; j++) {
        pithi_tensor_set_f64(&t->run->outputs[0], (t->row * g->n_heads + q_head) * g->value_size + j, sum[j]);
    }
}

/* All tokens of one batch item and key head; `memory` holds state and error. */
static void run_head(const pith_run *run, const geometry *g, int64_t index, double *memory)
{
    int64_t n_state = g->size * g->value_size, n_shared = g->n_heads / g->n_key_heads;
    bool has_past = pithi_has_operand(run->inputs, run->n_inputs, PAST);
    token t = { .run = run, .g = g, .batch = index / g->n_key_heads, .head = index % g->n_key_heads, .state = memory,
                .error = memory + n_state };
    for (int64_t i = 0; i < n_state; i++) {
        t.state[i] = has_past ? pithi_tensor_get_f64(&run->inputs[PAST], index * n_state + i) : 0.0;
    }
    for (int64_t i = 0; i < g->n_tokens; i++) {
        t.row = t.batch * g->n_tokens + i;
        if (g->is_gated) {
            decay_state(&t);
        }
        update_state(&t);
        for (int64_t k = 0; k < n_shared && run->outputs[0].data; k++) {
            read_state(&t, t.head * n_shared + k);
        }
    }
    for (int64_t i = 0; i < n_state && run->n_outputs > 1 && run->outputs[1].data; i++) {
        pithi_tensor_set_f64(&run->outputs[1], index * n_state + i, t.state[i]);
    }
}

static void ref(const pith_run *run)
{
    geometry g = geometry_of(run->attrs, run->inputs, run->n_inputs);
    for (int64_t i = 0; i < g.n_batches * g.n_key_heads; i++) {
        run_head(run, &g, i, run->shared);
    }
}

static size_t memory_bytes(const linear_attention_attrs *attrs, const pith_tensor *inputs, int n_inputs)
{
    geometry g = geometry_of(attrs, inputs, n_inputs);
    return (size_t)((g.size + 1) * g.value_size) * sizeof(double);
}

static size_t ref_bytes(const pith_run *run)
{
    return memory_bytes(run->attrs, run->inputs, run->n_inputs);
}

/* Heads and batch items are the parts. */
static pith_status prepare(pith_prepare *prepare)
{
    geometry g = geometry_of(prepare->attrs, prepare->inputs, prepare->n_inputs);
    prepare->use_run = true;
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(g.n_batches * g.n_key_heads, 1 << 20));
    prepare->scratch_bytes = memory_bytes(prepare->attrs, prepare->inputs, prepare->n_inputs);
    prepare->kernel = "linear_attention";
    return PITH_OK;
}

static void run(const pith_run *run, const pith_part *part)
{
    geometry g = geometry_of(run->attrs, run->inputs, run->n_inputs);
    int64_t begin, end;
    pithi_part_range(part, g.n_batches * g.n_key_heads, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        run_head(run, &g, i, part->scratch);
    }
}

/* ---- shape -------------------------------------------------------------------------------- */

static pith_status check_operand(const pith_infer *infer, int index, const pith_shape *must)
{
    char is_text[PITHI_SHAPE_TEXT_BYTES], must_text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, pith_shape_equal(&infer->inputs[index].shape, must), PITH_STATUS_SHAPE,
               "input %d is %s, but must be %s", index, pithi_shape_text(&infer->inputs[index].shape, is_text),
               pithi_shape_text(must, must_text));
    return PITH_OK;
}

static pith_status check_gates(const pith_infer *infer, const geometry *g)
{
    bool has_decay = pithi_has_operand(infer->inputs, infer->n_inputs, DECAY);
    bool has_beta = pithi_has_operand(infer->inputs, infer->n_inputs, BETA);
    PITH_CHECK(infer->ctx, (has_decay || !g->is_gated) && (has_beta || !g->is_delta), PITH_STATUS_FORMAT,
               "update_rule '%s' needs%s%s", rules[((const linear_attention_attrs *)infer->attrs)->update_rule],
               g->is_gated ? " decay" : "", g->is_delta ? " beta" : "");
    if (has_decay) {
        bool is_each = g->decay_size == g->size;
        PITH_TRY(check_operand(
            infer, DECAY, &(pith_shape){ 3, { g->n_batches, g->n_tokens, g->n_key_heads * (is_each ? g->size : 1) } }));
    }
    if (has_beta) {
        PITH_TRY(check_operand(
            infer, BETA, &(pith_shape){ 3, { g->n_batches, g->n_tokens, g->n_betas == 1 ? 1 : g->n_key_heads } }));
    }
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const linear_attention_attrs *attrs = infer->attrs;
    for (int i = Q; i <= V; i++) {
        PITH_CHECK(infer->ctx, infer->inputs[i].shape.rank == 3, PITH_STATUS_SHAPE,
                   "input %d has rank %d, but must have 3", i, infer->inputs[i].shape.rank);
    }
    PITH_CHECK(infer->ctx,
               attrs->kv_num_heads > 0 && attrs->q_num_heads > 0 && attrs->q_num_heads % attrs->kv_num_heads == 0,
               PITH_STATUS_FORMAT, "%lld query heads can't share %lld key heads", (long long)attrs->q_num_heads,
               (long long)attrs->kv_num_heads);
    geometry g = geometry_of(attrs, infer->inputs, infer->n_inputs);
    pith_shape state = { 4, { g.n_batches, g.n_key_heads, g.size, g.value_size } };
    PITH_TRY(check_operand(infer, Q, &(pith_shape){ 3, { g.n_batches, g.n_tokens, g.n_heads * g.size } }));
    PITH_TRY(check_operand(infer, K, &(pith_shape){ 3, { g.n_batches, g.n_tokens, g.n_key_heads * g.size } }));
    PITH_TRY(check_operand(infer, V, &(pith_shape){ 3, { g.n_batches, g.n_tokens, g.n_key_heads * g.value_size } }));
    bool has_past = pithi_has_operand(infer->inputs, infer->n_inputs, PAST);
    if (has_past) {
        PITH_TRY(check_operand(infer, PAST, &state));
    }
    PITH_TRY(check_gates(infer, &g));
    infer->outputs[0].dtype = infer->inputs[Q].dtype;
    infer->outputs[0].shape = (pith_shape){ 3, { g.n_batches, g.n_tokens, g.n_heads * g.value_size } };
    if (infer->n_outputs > 1 && infer->node->outputs[1]) {
        infer->outputs[1].dtype = infer->inputs[has_past ? PAST : Q].dtype;
        infer->outputs[1].shape = state;
    }
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    geometry g = geometry_of(infer->attrs, infer->inputs, infer->n_inputs);
    uint64_t products = (uint64_t)(g.n_batches * g.n_tokens) * (uint64_t)(g.size * g.value_size);
    cost->macs = products * (uint64_t)(g.n_heads + g.n_key_heads * (g.is_delta ? 2 : 1));
    cost->flops = g.is_gated ? products * (uint64_t)g.n_key_heads : 0;
}

static const pith_operand_spec inputs[] = {
    { "query", PITH_DTYPES_FLOAT, PITH_ONE },          { "key", PITH_DTYPES_FLOAT, PITH_ONE },
    { "value", PITH_DTYPES_FLOAT, PITH_ONE },          { "past_state", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "decay", PITH_DTYPES_FLOAT, PITH_OPTIONAL },     { "beta", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "output", PITH_DTYPES_FLOAT, PITH_ONE },
                                             { "present_state", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "LinearAttention", 27, NULL } };
static const char *const samples[] = {
    "f32[2,5,12] f32[2,5,12] f32[2,5,9] | update_rule=linear q_num_heads=3 kv_num_heads=3 | 2",
    "f32[1,4,16]{-0.5:0.5} f32[1,4,8]{-0.5:0.5} f32[1,4,6] f32[1,2,4,3] f32[1,4,8]{-1:0} | update_rule=gated "
    "q_num_heads=4 kv_num_heads=2 scale=0.7 | 2",
    "f32[1,4,8]{-0.5:0.5} f32[1,4,8]{-0.5:0.5} f32[1,4,6] - - f32[1,4,1]{0:1} | update_rule=delta q_num_heads=2 "
    "kv_num_heads=2 | 2",
    "f32[2,3,8]{-0.5:0.5} f32[2,3,8]{-0.5:0.5} f32[2,3,6] f32[2,2,4,3] f32[2,3,2]{-1:0} f32[2,3,2]{0:1} | "
    "q_num_heads=2 kv_num_heads=2 | 2",
    "f16[1,2,4] f16[1,2,4] f16[1,2,4] | update_rule=linear q_num_heads=1 kv_num_heads=1 | 1",
    "f32[1,0,4] f32[1,0,4] f32[1,0,4] f32[1,1,4,4] | update_rule=linear q_num_heads=1 kv_num_heads=1 | 2",
};

const pith_op pith_op_linear_attention = {
    .head = { "linear_attention", 1, PITH_ATTRS(table, linear_attention_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .prepare = prepare, .run = run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
