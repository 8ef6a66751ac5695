/* SPDX-License-Identifier: Apache-2.0 */
/* What corresponds in the two networks: by name where names can be trusted; weights by their signs, which survive
 * rounding, balancing and wrong scales; the rest along the edges. */
#include <stdlib.h>

#include "diagnose/diagnose.h"

#define N_COMPARED  8192 /* weights of a layer, at most */
#define SIMILAR     0.8  /* signs that agree; of unrelated weights half do */
#define MOST_ROUNDS 50

typedef struct named {
    const char *name;
    size_t n_bytes; /* without the quantiser's endings */
    int value;
} named;

typedef struct matcher {
    pithi_diagnosis *job;
    pith_graph *f, *t;
    pith_node **f_nodes, **t_nodes;
    int n_f, n_t;
    int *partner;         /* twin's value by float value; -1 */
    int *back;            /* the other way */
    bool *by_name;        /* by float value */
    int *node_of;         /* twin's node by float node; -1 */
    bool *taken, *varies; /* twin's nodes, values */
    pith_tensor *weights; /* by twin's node; data NULL: none */
    named *names;
    int n_names, n_changes;
} matcher;

/* ---- weights ------------------------------------------------------------------------------- */

double pithi_diag_sign_agreement(const float *a, const float *b, int64_t n)
{
    int64_t step = n > N_COMPARED ? n / N_COMPARED : 1, n_seen = 0, n_same = 0;
    for (int64_t i = 0; i < n; i += step) {
        n_seen += b[i] != 0.0f && a[i] != 0.0f;
        n_same += (a[i] > 0.0f && b[i] > 0.0f) || (a[i] < 0.0f && b[i] < 0.0f);
    }
    return n_seen > 0 ? (double)n_same / (double)n_seen : 1.0;
}

static bool is_product(const pith_node *node)
{
    return pithi_is(node, "conv") || pithi_is(node, "gemm") || pithi_is(node, "matmul") ||
           pithi_is(node, "conv_transpose");
}

static const pith_tensor *float_weights(const pith_node *node)
{
    const pith_tensor *w = is_product(node) ? pithi_constant_input(node, 1) : NULL;
    return w && w->dtype == PITH_DTYPE_F32 ? w : NULL;
}

/* -1: can't be compared; both have no weights: 1. */
static double similarity(const matcher *m, const pith_node *f, const pith_node *t)
{
    const pith_tensor *a = float_weights(f), *b = &m->weights[t->index];
    if (f->op != t->op || !a != !b->data || (a && !pith_shape_equal(&a->shape, &b->shape))) {
        return -1.0;
    }
    return a ? pithi_diag_sign_agreement(a->data, b->data, pith_shape_elements(&a->shape)) : 1.0;
}

/* ---- names --------------------------------------------------------------------------------- */

size_t pithi_diag_stem(const char *name)
{
    static const char *const endings[] = {
        "_QuantizeLinear_Input", "_QuantizeLinear_Output", "_DequantizeLinear_Output",
        "_QuantizeLinear",       "_DequantizeLinear",      "_quantized",
        "_dequantized"
    };
    size_t n = strlen(name);
    for (int i = 0; i < PITH_COUNT(endings); i++) {
        size_t n_ending = strlen(endings[i]);
        if (n > n_ending && memcmp(name + n - n_ending, endings[i], n_ending) == 0) {
            n -= n_ending;
            i = -1;
        }
    }
    return n;
}

static int compare_names(const void *a, const void *b)
{
    const named *x = a, *y = b;
    size_t n = x->n_bytes < y->n_bytes ? x->n_bytes : y->n_bytes;
    int order = memcmp(x->name, y->name, n);
    return order ? order : x->n_bytes != y->n_bytes ? (x->n_bytes < y->n_bytes ? -1 : 1) : 0;
}

/* Names of the twin's values, of their rounded and of their read forms lead to the value before rounding. */
static pith_status gather_names(matcher *m)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&m->job->arena, m->t->n_values, sizeof(named), &block));
    m->names = block;
    for (size_t i = 0; i < m->t->n_values; i++) {
        pith_value *value = m->t->values[i], *raw = pithi_diag_strip(value, NULL);
        raw = pithi_is(value->producer, "quantize_linear") ? value->producer->inputs[0] : raw;
        if (!value->constant && m->varies[raw->index]) {
            m->names[m->n_names++] = (named){ value->name, pithi_diag_stem(value->name), raw->index };
        }
    }
    qsort(m->names, (size_t)m->n_names, sizeof(named), compare_names);
    return PITH_OK;
}

static pith_value *twin_of_name(const matcher *m, const char *name)
{
    const named key = { name, strlen(name), 0 };
    const named *found = bsearch(&key, m->names, (size_t)m->n_names, sizeof(named), compare_names);
    return found ? m->t->values[found->value] : NULL;
}

/* ---- pairs --------------------------------------------------------------------------------- */

static void join_values(matcher *m, const pith_value *f, const pith_value *t, bool by_name)
{
    if (f && t && m->partner[f->index] < 0 && m->back[t->index] < 0) {
        m->partner[f->index] = t->index;
        m->back[t->index] = f->index;
        m->by_name[f->index] = by_name;
        m->n_changes++;
    }
}

static void join_nodes(matcher *m, const pith_node *f, const pith_node *t, bool by_name)
{
    m->node_of[f->index] = t->index;
    m->taken[t->index] = true;
    for (int i = 0; i < f->n_outputs && i < t->n_outputs; i++) {
        join_values(m, f->outputs[i], t->outputs[i], by_name);
    }
    m->n_changes++;
}

static bool can_join(const matcher *m, const pith_node *f, const pith_node *t)
{
    return m->node_of[f->index] < 0 && !m->taken[t->index] && similarity(m, f, t) >= 0.0;
}

static bool is_limit(const pith_node *node) { return pithi_is(node, "relu") || pithi_is(node, "clip"); }

/* The twin does without the activation `f`, since its range cuts off the same: its input's partner is the partner of
 * its result. */
static bool join_absorbed(matcher *m, const pith_node *f, const pith_value *t, bool by_name)
{
    const pith_value *input = f->inputs[0], *result = f->outputs[0];
    if (!is_limit(f) || !t || m->partner[input->index] != t->index || m->back[t->index] != input->index) {
        return false;
    }
    bool is_rounded = false;
    for (const pith_node *node = m->t->first; node; node = node->next) {
        is_rounded = is_rounded || (pithi_is(node, "quantize_linear") && node->inputs[0] == t);
        if (is_limit(node) && pithi_diag_strip(node->inputs[0], NULL) == t) {
            return false;
        }
    }
    if (!is_rounded) {
        return false;
    }
    m->partner[result->index] = t->index;
    m->back[t->index] = result->index;
    m->by_name[result->index] = by_name;
    m->n_changes++;
    return true;
}

static void join_by_name(matcher *m, const pith_node *f)
{
    const pith_value *t = f->outputs[0] ? twin_of_name(m, f->outputs[0]->name) : NULL;
    const pith_node *producer = t ? t->producer : NULL;
    if (!producer) {
        return;
    }
    if (can_join(m, f, producer)) {
        join_nodes(m, f, producer, true);
    } else if (is_limit(f) && f->inputs[0]->producer) {
        const pith_node *before = f->inputs[0]->producer;
        if (can_join(m, before, producer)) {
            join_nodes(m, before, producer, true);
        }
        join_absorbed(m, f, t, true);
    }
}

/* Names that are there by chance lead to other operators and weights. */
static bool names_can_be_trusted(const matcher *m)
{
    int n_products = 0, n_others = 0, n_named = 0, n_similar = 0;
    for (int i = 0; i < m->n_f; i++) {
        const pith_node *f = m->f_nodes[i], *t = NULL;
        const pith_value *value = f->outputs[0] ? twin_of_name(m, f->outputs[0]->name) : NULL;
        const pith_node *user = f->outputs[0] ? pithi_graph_only_consumer(m->f, f->outputs[0]) : NULL;
        if (!value && is_limit(user)) {
            value = twin_of_name(m, user->outputs[0]->name);
        }
        t = value ? value->producer : NULL;
        double like = t ? similarity(m, f, t) : -1.0;
        if (float_weights(f)) {
            n_products++;
            n_named += like >= 0.0;
            n_similar += like > SIMILAR;
        } else {
            n_others += like >= 0.0;
        }
    }
    return n_products > 0 ? 2 * n_named >= n_products && 2 * n_similar >= n_named : 2 * n_others >= m->n_f;
}

/* ---- by weights ---------------------------------------------------------------------------- */

static void join_by_weights(matcher *m)
{
    for (int i = 0; i < m->n_f; i++) {
        const pith_node *f = m->f_nodes[i], *best = NULL;
        double most = SIMILAR;
        if (!float_weights(f) || m->node_of[f->index] >= 0) {
            continue;
        }
        for (int k = 0; k < m->n_t; k++) {
            double like = m->taken[m->t_nodes[k]->index] ? -1.0 : similarity(m, f, m->t_nodes[k]);
            if (like > most + 0.02) { /* equal ones: the first */
                most = like;
                best = m->t_nodes[k];
            }
        }
        if (best) {
            join_nodes(m, f, best, false);
        }
    }
}

/* ---- along edges --------------------------------------------------------------------------- */

/* The next operand from *at on that isn't constant; NULL: none. */
static pith_value *next_operand(const pith_node *node, const bool *varies, int *at)
{
    while (*at < node->n_inputs) {
        pith_value *value = node->inputs[(*at)++];
        if (value && !value->constant && (!varies || varies[value->index])) {
            return value;
        }
    }
    return NULL;
}

/* Behind nodes that only the twin has and that leave the elements in order. */
static const pith_value *peel(const matcher *m, pith_value *value)
{
    static const char *const orderly[] = { "reshape", "flatten", "squeeze", "unsqueeze" };
    value = pithi_diag_strip(value, NULL);
    for (int i = 0; i < PITH_COUNT(orderly) && m->back[value->index] < 0;) {
        bool is_orderly = pithi_is(value->producer, orderly[i]) && !m->taken[value->producer->index];
        i = is_orderly ? 0 : i + 1;
        value = is_orderly ? pithi_diag_strip(value->producer->inputs[0], NULL) : value;
    }
    return value;
}

static bool reads_partners(const matcher *m, const pith_node *f, const pith_node *t, bool crossed)
{
    int f_at = 0, t_at = 0, n = 0;
    pith_value *twins[2] = { NULL, NULL };
    if (crossed) {
        twins[1] = next_operand(t, m->varies, &t_at);
        twins[0] = next_operand(t, m->varies, &t_at);
    }
    for (;; n++) {
        pith_value *a = next_operand(f, NULL, &f_at);
        pith_value *b = crossed && n < 2 ? twins[n] : next_operand(t, m->varies, &t_at);
        if (!a || !b) {
            return n > 0 && !a && !b;
        }
        if (m->partner[a->index] != peel(m, b)->index) {
            return false;
        }
    }
}

static void join_forward(matcher *m)
{
    for (int i = 0; i < m->n_f; i++) {
        const pith_node *f = m->f_nodes[i], *best = NULL;
        double most = -1.0;
        for (int k = 0; k < m->n_t && m->node_of[f->index] < 0; k++) {
            const pith_node *t = m->t_nodes[k];
            bool fits = f->op == t->op && !m->taken[t->index] &&
                        (reads_partners(m, f, t, false) ||
                         (f->op->flags & PITH_OP_COMMUTATIVE && reads_partners(m, f, t, true)));
            double like = fits ? similarity(m, f, t) : -1.0;
            if (like > most) {
                most = like;
                best = t;
            }
        }
        if (best) {
            join_nodes(m, f, best, false);
        } else if (m->node_of[f->index] < 0 && is_limit(f) && m->partner[f->inputs[0]->index] >= 0) {
            join_absorbed(m, f, m->t->values[m->partner[f->inputs[0]->index]], false);
        }
    }
}

/* What makes the operands of partners. */
static void join_backward(matcher *m)
{
    for (int i = m->n_f - 1; i >= 0; i--) {
        const pith_node *f = m->f_nodes[i];
        int f_at = 0, t_at = 0;
        if (m->node_of[f->index] < 0) {
            continue;
        }
        const pith_node *t = m->t_nodes[m->node_of[f->index]];
        for (;;) {
            pith_value *a = next_operand(f, NULL, &f_at), *b = next_operand(t, m->varies, &t_at);
            b = b ? pithi_diag_strip(b, NULL) : NULL;
            if (!a || !b) {
                break;
            }
            bool swaps = f->op->flags & PITH_OP_COMMUTATIVE;
            if (!swaps && a->producer && b->producer && m->partner[a->index] < 0 &&
                can_join(m, a->producer, b->producer)) {
                join_nodes(m, a->producer, b->producer, false);
            }
        }
    }
}

static void join_ends(matcher *m)
{
    for (size_t i = 0; i < m->f->n_inputs; i++) {
        const pith_value *f = m->f->inputs[i], *t = m->t->inputs[i];
        join_values(m, f, t, pithi_same_text(t->name, f->name));
    }
    for (int i = 0; i < m->job->n_outputs; i++) {
        const pith_node *f = m->f->outputs[m->job->output_float[i]]->producer;
        const pith_node *t = pithi_diag_strip(m->t->outputs[m->job->output_of[i]], NULL)->producer;
        if (f && t && can_join(m, f, t)) {
            join_nodes(m, f, t, false);
        }
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

static pith_status list_nodes(pithi_arena *arena, pith_graph *graph, bool skips_rounding, pith_node ***nodes_out,
                              int *n_out)
{
    void *block = NULL;
    int n = 0;
    PITH_TRY(pithi_arena_array(arena, (size_t)graph->n_nodes + 1, sizeof(pith_node *), &block));
    pith_node **nodes = block;
    for (pith_node *node = graph->first; node; node = node->next) {
        bool rounds = pithi_is(node, "quantize_linear") || pithi_is(node, "dequantize_linear");
        if (!(skips_rounding && rounds) && node->n_outputs > 0 && node->outputs[0]) {
            node->index = n;
            nodes[n++] = node;
        }
    }
    *nodes_out = nodes;
    *n_out = n;
    return PITH_OK;
}

static pith_status new_ints(pithi_arena *arena, size_t n, int **items_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, n + 1, sizeof(int), &block));
    *items_out = block;
    for (size_t i = 0; i <= n; i++) {
        (*items_out)[i] = -1;
    }
    return PITH_OK;
}

/* Which of the twin's values depend on its inputs. */
static void mark_varying(matcher *m)
{
    for (size_t i = 0; i < m->t->n_inputs; i++) {
        m->varies[m->t->inputs[i]->index] = true;
    }
    for (const pith_node *node = m->t->first; node; node = node->next) {
        bool varies = node->n_bodies > 0 || !node->op || (node->op->flags & PITH_OP_RANDOM);
        for (int i = 0; i < node->n_inputs; i++) {
            varies = varies || (node->inputs[i] && m->varies[node->inputs[i]->index]);
        }
        for (int i = 0; i < node->n_outputs; i++) {
            if (node->outputs[i]) {
                m->varies[node->outputs[i]->index] = varies;
            }
        }
    }
}

static pith_status open_matcher(matcher *m)
{
    pithi_arena *arena = &m->job->arena;
    void *by_name = NULL, *taken = NULL, *varies = NULL, *weights = NULL;
    pithi_quant_number(m->f);
    pithi_quant_number(m->t);
    PITH_TRY(list_nodes(arena, m->f, false, &m->f_nodes, &m->n_f));
    PITH_TRY(list_nodes(arena, m->t, true, &m->t_nodes, &m->n_t));
    PITH_TRY(new_ints(arena, m->f->n_values, &m->partner));
    PITH_TRY(new_ints(arena, m->t->n_values, &m->back));
    PITH_TRY(new_ints(arena, (size_t)m->n_f, &m->node_of));
    PITH_TRY(pithi_arena_array(arena, m->f->n_values, sizeof(bool), &by_name));
    PITH_TRY(pithi_arena_array(arena, (size_t)m->n_t, sizeof(bool), &taken));
    PITH_TRY(pithi_arena_array(arena, m->t->n_values, sizeof(bool), &varies));
    PITH_TRY(pithi_arena_array(arena, (size_t)m->n_t, sizeof(pith_tensor), &weights));
    m->by_name = by_name;
    m->taken = taken;
    m->varies = varies;
    m->weights = weights;
    mark_varying(m);
    for (int i = 0; i < m->n_t; i++) {
        bool is_constant = false;
        pith_tensor tensor = { 0 };
        if (is_product(m->t_nodes[i])) {
            PITH_TRY(pithi_diag_constant(arena, m->t_nodes[i]->inputs[1], &tensor, &is_constant));
        }
        m->weights[i] = is_constant && tensor.dtype == PITH_DTYPE_F32 ? tensor : (pith_tensor){ 0 };
    }
    return gather_names(m);
}

static pith_status keep_results(const matcher *m)
{
    pithi_diagnosis *job = m->job;
    void *tensors = NULL;
    PITH_TRY(new_ints(&job->arena, m->f->n_values, &job->tensor_of));
    PITH_TRY(new_ints(&job->arena, m->f->n_values, &job->node_of));
    PITH_TRY(new_ints(&job->arena, m->t->n_values, &job->tensor_of_twin));
    for (int i = 0; i < m->n_f; i++) {
        const pith_node *f = m->f_nodes[i];
        if (m->node_of[i] >= 0) {
            job->node_of[f->outputs[0]->index] = m->t_nodes[m->node_of[i]]->outputs[0]->index;
        }
    }
    const size_t n_most = m->f->n_values + (size_t)m->n_t;
    PITH_TRY(pithi_arena_array(&job->arena, n_most, sizeof(pithi_diag_tensor), &tensors));
    job->tensors = tensors;
    /* In the order of the float network: inputs, then results. An activation that was absorbed comes last. */
    for (int i = -(int)m->f->n_inputs; i < m->n_f; i++) {
        int n_outputs = i < 0 ? 1 : m->f_nodes[i]->n_outputs;
        for (int k = 0; k < n_outputs; k++) {
            const pith_value *value = i < 0 ? m->f->inputs[i + (int)m->f->n_inputs] : m->f_nodes[i]->outputs[k];
            int twin = value ? m->partner[value->index] : -1;
            if (twin >= 0 && m->back[twin] == value->index) {
                job->tensors[job->n_tensors] = (pithi_diag_tensor){
                    .value = value->index, .twin = twin, .q = -1, .by_name = m->by_name[value->index]
                };
                job->tensor_of_twin[twin] = job->n_tensors;
                job->tensor_of[value->index] = job->n_tensors++;
            } else if (twin >= 0) {
                job->tensor_of[value->index] = -2; /* absorbed */
            }
        }
    }
    for (int k = 0; k < m->n_t; k++) { /* what only the twin has: the same elements, rounded again */
        const pith_value *value = m->t_nodes[k]->outputs[0], *source = peel(m, m->t_nodes[k]->outputs[0]);
        int number = source != value ? job->tensor_of_twin[source->index] : -1;
        if (number >= 0) {
            job->tensors[job->n_tensors] =
                (pithi_diag_tensor){ .value = job->tensors[number].value, .q = -1, .twin = value->index };
            job->tensor_of_twin[value->index] = job->n_tensors++;
        }
    }
    return PITH_OK;
}

pith_status pithi_diag_match(pithi_diagnosis *job)
{
    matcher m = { .job = job, .f = job->graph, .t = job->twin };
    PITH_TRY(open_matcher(&m));
    job->names_are_trusted = names_can_be_trusted(&m);
    for (int i = 0; i < m.n_f && job->names_are_trusted; i++) {
        join_by_name(&m, m.f_nodes[i]);
    }
    join_by_weights(&m);
    for (int round = 0; round < MOST_ROUNDS && (round == 0 || m.n_changes > 0); round++) {
        m.n_changes = 0;
        join_ends(&m);
        join_forward(&m);
        join_backward(&m);
    }
    return keep_results(&m);
}
