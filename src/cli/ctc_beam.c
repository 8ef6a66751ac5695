/* SPDX-License-Identifier: Apache-2.0 */
/* CTC prefix beam search. Prefixes are nodes of a tree, so that equal texts are one node; a beam is a
 * node with the probability of its paths that end in a blank and of those that end in its label. */
#include "ctc.h"
#include "logsum.h"

typedef struct prefix {
    int parent, label; /* of the root: -1 */
    int first_child, next_sibling;
} prefix;

typedef struct beam {
    int node;
    double blank, label; /* log probabilities */
    double total;
} beam;

/* An extension of the beam `from` by `label`, or its staying (label -1). */
typedef struct candidate {
    int from, label;
    double blank_prob, label_prob, total;
} candidate;

typedef struct search {
    const cli_frames *frames;
    prefix *nodes;
    int n_nodes;
    size_t capacity;
    beam *beams;           /* best first */
    int n_beams, n_max;
    candidate *candidates; /* the n_max best so far, best first */
    int n_candidates;
    bool *is_beam;         /* by class: that extension is such a prefix */
} search;

static pith_status find_child(search *state, int parent, int label, int *node_out)
{
    for (int child = state->nodes[parent].first_child; child >= 0; child = state->nodes[child].next_sibling) {
        if (state->nodes[child].label == label) {
            *node_out = child;
            return PITH_OK;
        }
    }
    CLI_TRY(cli_grow((void **)&state->nodes, &state->capacity, (size_t)state->n_nodes + 1, sizeof *state->nodes));
    int node = state->n_nodes++;
    state->nodes[node] = (prefix){ .parent = parent, .label = label, .first_child = -1,
                                   .next_sibling = state->nodes[parent].first_child };
    state->nodes[parent].first_child = node;
    *node_out = node;
    return PITH_OK;
}

/* Keeps the best n_max, sorted. */
static void offer(search *state, candidate one)
{
    one.total = cli_log_add(one.blank_prob, one.label_prob);
    int at = state->n_candidates;
    if (at == state->n_max) {
        if (one.total <= state->candidates[at - 1].total) {
            return;
        }
        at--;
    } else {
        state->n_candidates++;
    }
    for (; at > 0 && state->candidates[at - 1].total < one.total; at--) {
        state->candidates[at] = state->candidates[at - 1];
    }
    state->candidates[at] = one;
}

/* Log probability of extending a beam by a class: after its own label only from paths that end in a
 * blank, since a repeat would be merged. */
static double extension(const search *state, const beam *from, const double *row, int label)
{
    bool is_repeat = state->nodes[from->node].label == label;
    return row[label] + (is_repeat ? from->blank : from->total);
}

/* The beam whose text is the parent of this node's, or -1. */
static int find_beam(const search *state, int node)
{
    for (int b = 0; b < state->n_beams && node >= 0; b++) {
        if (state->beams[b].node == node) {
            return b;
        }
    }
    return -1;
}

static void offer_stay(search *state, int index, const double *row)
{
    const beam *from = &state->beams[index];
    const prefix *node = &state->nodes[from->node];
    candidate stay = { .from = index, .label = -1, .blank_prob = row[state->frames->blank] + from->total,
                       .label_prob = -INFINITY };
    if (node->label >= 0) {
        stay.label_prob = row[node->label] + from->label;
    }
    int parent = find_beam(state, node->parent);
    if (parent >= 0) { /* the parent's extension by this label is the same text */
        double added = extension(state, &state->beams[parent], row, node->label);
        stay.label_prob = cli_log_add(stay.label_prob, added);
    }
    offer(state, stay);
}

static void offer_extensions(search *state, int index, const double *row)
{
    const beam *from = &state->beams[index];
    int n_classes = state->frames->n_classes;
    memset(state->is_beam, 0, (size_t)n_classes * sizeof *state->is_beam);
    for (int b = 0; b < state->n_beams; b++) {
        const prefix *node = &state->nodes[state->beams[b].node];
        if (node->parent == from->node) {
            state->is_beam[node->label] = true;
        }
    }
    for (int c = 0; c < n_classes; c++) {
        if (c != state->frames->blank && !state->is_beam[c]) {
            candidate longer = { .from = index, .label = c, .blank_prob = -INFINITY,
                                 .label_prob = extension(state, from, row, c) };
            offer(state, longer);
        }
    }
}

static pith_status step(search *state, const double *row, beam *next)
{
    state->n_candidates = 0;
    for (int b = 0; b < state->n_beams; b++) {
        offer_stay(state, b, row);
        offer_extensions(state, b, row);
    }
    for (int i = 0; i < state->n_candidates; i++) {
        const candidate *chosen = &state->candidates[i];
        int node = state->beams[chosen->from].node;
        if (chosen->label >= 0) {
            CLI_TRY(find_child(state, node, chosen->label, &node));
        }
        next[i] = (beam){ .node = node, .blank = chosen->blank_prob, .label = chosen->label_prob,
                          .total = chosen->total };
    }
    memcpy(state->beams, next, (size_t)state->n_candidates * sizeof *next);
    state->n_beams = state->n_candidates;
    return PITH_OK;
}

static pith_status read_best(const search *state, cli_reading *reading_out)
{
    cli_reading reading = { 0 };
    for (int node = state->beams[0].node; state->nodes[node].parent >= 0; node = state->nodes[node].parent) {
        reading.n++;
    }
    CLI_TRY(cli_alloc((size_t)reading.n, sizeof(int), (void **)&reading.classes));
    int at = reading.n;
    for (int node = state->beams[0].node; state->nodes[node].parent >= 0; node = state->nodes[node].parent) {
        reading.classes[--at] = state->nodes[node].label;
    }
    /* The beam may have lost paths of this text on the way: its probability is summed anew. */
    pith_status status = cli_ctc_log_prob(state->frames, reading.classes, reading.n, &reading.log_prob);
    if (status != PITH_OK) {
        cli_ctc_free_reading(&reading);
        return status;
    }
    *reading_out = reading;
    return PITH_OK;
}

pith_status cli_ctc_beam(const cli_frames *frames, int beam_width, cli_reading *reading_out)
{
    search state = { .frames = frames, .n_max = beam_width, .n_nodes = 1, .n_beams = 1 };
    beam *next = NULL;
    size_t n_max = (size_t)beam_width;
    pith_status status = PITH_OK;
    CLI_TRY_GOTO(cli_grow((void **)&state.nodes, &state.capacity, 1, sizeof *state.nodes), done);
    CLI_TRY_GOTO(cli_alloc(n_max, sizeof *state.beams, (void **)&state.beams), done);
    CLI_TRY_GOTO(cli_alloc(n_max, sizeof *next, (void **)&next), done);
    CLI_TRY_GOTO(cli_alloc(n_max, sizeof *state.candidates, (void **)&state.candidates), done);
    CLI_TRY_GOTO(cli_alloc((size_t)frames->n_classes, sizeof(bool), (void **)&state.is_beam), done);
    state.nodes[0] = (prefix){ .parent = -1, .label = -1, .first_child = -1, .next_sibling = -1 };
    state.beams[0] = (beam){ .node = 0, .blank = 0.0, .label = -INFINITY, .total = 0.0 };
    for (int t = 0; t < frames->n_frames; t++) {
        CLI_TRY_GOTO(step(&state, frames->log_probs + (size_t)t * (size_t)frames->n_classes, next), done);
    }
    CLI_TRY_GOTO(read_best(&state, reading_out), done);
done:
    cli_free(state.nodes);
    cli_free(state.beams);
    cli_free(next);
    cli_free(state.candidates);
    cli_free(state.is_beam);
    return status;
}
