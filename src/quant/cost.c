/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes cost in float and in integers: their steps' times in pith's own profile of both networks on this machine,
 * taken in turns, the least of each; or, where results must not depend on a machine, counts of work over fixed rates.
 * Steps are found again by names given to the nodes of the timed clones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pith/profile.h"
#include "platform/platform.h"
#include "quant/mix.h"

#define N_TURNS 3
#define SECONDS_PER_TURN 0.15
#define TIMED_ROUNDS 11
#define LEAST_ROUND_NS 4000000u /* of one network in one round */
#define BORDER_NS 0.3           /* per element, where no border was measured */

/* Passes that make one step of several layers: times are wanted of each. Whole networks are timed with them. */
#define LAYERS_TOGETHER "fuse_separable,fuse_pool,fuse_region"

/* Rates of the estimate: of one core with 8-bit dot products. */
#define FLOAT_MACS_PER_NS 25.0
#define INTEGER_MACS_PER_NS 80.0
#define WIDE_MACS_PER_NS 30.0
#define FLOPS_PER_NS 2.0
#define BYTES_PER_NS 8.0
#define STEP_NS 500.0

/* One way to compute: the network in that form, running. */
typedef struct way {
    pithi_quant_runner runner;
    double *node_ns, *least_ns; /* by node: of this turn, and the least of all turns */
    uint8_t *wide;              /* by node: which of its activations have 16 bits */
    double q_ns, dq_ns, n_q, n_dq, other_ns;
    bool is_integer;
} way;

enum { READS_WIDE = 1, WRITES_WIDE = 2 };

/* WIDE: 16 bits wherever they may be; EVEN and ODD: every second tensor along the network, so that most nodes write 16
 * bits and read 8 in one of them. */
enum { FLOAT_WAY, INTEGER_WAY, WIDE_WAY, EVEN_WAY, ODD_WAY, N_WAYS };

/* ---- names --------------------------------------------------------------------------------- */

pith_status pithi_quant_name_nodes(pith_graph *graph)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        PITH_TRY(pithi_arena_format(&graph->arena, &node->name, "#%d", node->index));
    }
    return PITH_OK;
}

int pithi_quant_number_of(const pithi_quant *quant, const char *name)
{
    long number = name && name[0] == '#' ? strtol(name + 1, NULL, 10) : -1;
    return number >= 0 && number < quant->n_nodes ? (int)number : -1;
}

/* ---- measured ------------------------------------------------------------------------------ */

static void add_step(const pithi_quant *quant, way *w, const char *name, const char *op, double n_elements, double ns)
{
    int number = pithi_quant_number_of(quant, name);
    if (number >= 0) {
        w->node_ns[number] += ns;
    } else if (pithi_same_text(op, "quantize_linear")) {
        w->q_ns += ns;
        w->n_q += n_elements;
    } else if (pithi_same_text(op, "dequantize_linear")) {
        w->dq_ns += ns;
        w->n_dq += n_elements;
    } else {
        w->other_ns += ns;
    }
}

static double output_elements(const pith_profile_step *step)
{
    for (int i = 0; i < step->n_operands; i++) {
        if (step->operands[i].role == PITH_PROFILE_OUTPUT) {
            return (double)pith_shape_elements(&step->operands[i].shape);
        }
    }
    return 0.0;
}

static pith_status take_turn(pithi_quant *quant, way *w, bool is_first)
{
    const pith_profile_options how = { .max_seconds = SECONDS_PER_TURN, .no_counters = 1 };
    pith_profile *profile = NULL;
    PITH_TRY(pithi_quant_read(quant, 0, w->runner.inputs));
    PITH_TRY(pith_session_profile(w->runner.session, w->runner.inputs, pith_model_n_inputs(w->runner.model), &how,
                                  &profile));
    memset(w->node_ns, 0, (size_t)quant->n_nodes * sizeof(double));
    w->other_ns = 0.0;
    for (int i = 0; i < profile->n_steps; i++) {
        const pith_profile_step *step = &profile->steps[i];
        add_step(quant, w, step->name, step->op, output_elements(step), step->min_ns * step->n_calls);
    }
    pith_profile_destroy(profile);
    for (int i = 0; i < quant->n_nodes; i++) {
        w->least_ns[i] = is_first || w->node_ns[i] < w->least_ns[i] ? w->node_ns[i] : w->least_ns[i];
    }
    return PITH_OK;
}

/* ---- estimated ----------------------------------------------------------------------------- */

static pith_status estimate(pithi_quant *quant, way *w)
{
    const pith_layer *layers = NULL;
    pith_shape shapes[64];
    int n_layers = 0, n_inputs = pith_model_n_inputs(w->runner.model);
    PITH_CHECK(quant->ctx, n_inputs <= PITH_COUNT(shapes), PITH_STATUS_LIMIT,
               "choosing without timing: the network has more than %d inputs", PITH_COUNT(shapes));
    PITH_TRY(pithi_quant_read(quant, 0, w->runner.inputs));
    for (int i = 0; i < n_inputs; i++) {
        shapes[i] = w->runner.inputs[i].shape;
    }
    PITH_TRY(pith_model_layers(w->runner.model, shapes, 1, &layers, &n_layers));
    for (int i = 0; i < n_layers; i++) {
        const pith_layer *layer = &layers[i];
        const int number = pithi_quant_number_of(quant, layer->name);
        const bool is_wide = number >= 0 && w->wide[number] & READS_WIDE;
        double bytes = (double)(2 * layer->output_bytes + layer->weight_bytes);
        double ns = STEP_NS + bytes / BYTES_PER_NS +
                    (double)layer->macs / (is_wide         ? WIDE_MACS_PER_NS
                                            : w->is_integer ? INTEGER_MACS_PER_NS
                                                            : FLOAT_MACS_PER_NS) +
                    (w->is_integer || layer->macs > 0 ? 0.0 : (double)layer->flops / FLOPS_PER_NS);
        add_step(quant, w, layer->name, layer->op, (double)pith_shape_elements(&layer->output.shape), ns);
    }
    memcpy(w->least_ns, w->node_ns, (size_t)quant->n_nodes * sizeof(double));
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* 1: a tensor is an odd number of nodes away from the inputs, along first operands. */
static pith_status find_parities(const pithi_quant *quant, pithi_arena *arena, uint8_t **odd_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(arena, (size_t)quant->n_tensors + 1, &block));
    uint8_t *odd = block;
    memset(odd, 0, (size_t)quant->n_tensors + 1);
    pithi_quant_number(quant->graph);
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const int result = pithi_quant_result_tensor(quant, node);
        for (int i = 0; i < node->n_inputs && result >= 0; i++) {
            const int operand = pithi_quant_tensor_of(quant, node->inputs[i]);
            if (operand >= 0 && operand != result) {
                odd[result] = !odd[operand];
                break;
            }
        }
    }
    *odd_out = odd;
    return PITH_OK;
}

/* All in 8 bits, or some of those that may in 16. */
static void set_formats(pithi_quant *quant, int number, const uint8_t *odd)
{
    for (int i = 0; i < quant->n_tensors; i++) {
        const bool is_meant = number == WIDE_WAY || number == (odd[i] ? ODD_WAY : EVEN_WAY);
        const bool is_widened = is_meant && pithi_quant_may_widen(quant, i);
        quant->tensors[i].format = is_widened ? PITHI_ACTIVATION_U16 : PITHI_ACTIVATION_U8;
    }
}

static void note_widths(const pithi_quant *quant, way *w)
{
    pithi_quant_number(quant->graph);
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const int n = quant->roles[node->index] == PITHI_QUANT_FLOAT ? 0 : pithi_quant_n_operands(quant, node);
        const bool writes = pithi_quant_result_format(quant, node) == PITHI_ACTIVATION_U16;
        uint8_t *wide = &w->wide[node->index];
        *wide = writes ? WRITES_WIDE : 0;
        for (int i = 0; i < n; i++) {
            *wide |= pithi_quant_format_of(quant, node->inputs[i]) == PITHI_ACTIVATION_U16 ? READS_WIDE : 0;
        }
    }
}

static pith_status start_way(pithi_quant *quant, pithi_arena *arena, int number, const uint8_t *odd, way *w)
{
    pith_graph *graph = NULL;
    void *node_ns = NULL, *least_ns = NULL, *wide = NULL;
    *w = (way){ .is_integer = number != FLOAT_WAY };
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->n_nodes, 1, &wide));
    w->wide = wide;
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->n_nodes, sizeof(double), &node_ns));
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->n_nodes, sizeof(double), &least_ns));
    w->node_ns = node_ns;
    w->least_ns = least_ns;
    PITH_TRY(pithi_graph_clone(quant->graph, &graph));
    pithi_quant_number(graph);
    pith_status status = pithi_quant_name_nodes(graph);
    if (status == PITH_OK && w->is_integer) {
        set_formats(quant, number, odd);
        note_widths(quant, w);
        status = pithi_quant_insert(quant, graph);
        set_formats(quant, INTEGER_WAY, odd);
    }
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    return pithi_quant_start_without(quant, graph, LAYERS_TOGETHER, &w->runner);
}

/* What nodes take that write 16 bits from 8; where that wasn't measured, half of what 16 bits cost them more. */
static void summarise_wide(const pithi_quant *quant, const way *ways, pithi_quant_facts *facts)
{
    for (int i = 0; i < quant->n_nodes; i++) {
        const double narrow = facts->ms[PITHI_COMPUTE_INT8][i];
        const double all = fmax(1e-6 * ways[WIDE_WAY].least_ns[i], narrow);
        facts->ms[PITHI_COMPUTE_INT16][i] = all;
        facts->write_ms[i] = 0.5 * (narrow + all);
        for (int k = EVEN_WAY; k <= ODD_WAY; k++) {
            if (ways[k].wide[i] == WRITES_WIDE) {
                facts->write_ms[i] = fmax(1e-6 * ways[k].least_ns[i], narrow);
            }
        }
    }
}

static void summarise(const pithi_quant *quant, const way *ways, pithi_quant_facts *facts)
{
    for (int i = 0; i < quant->n_nodes; i++) {
        facts->ms[PITHI_COMPUTE_FLOAT][i] = 1e-6 * ways[FLOAT_WAY].least_ns[i];
        facts->ms[PITHI_COMPUTE_INT8][i] = 1e-6 * ways[INTEGER_WAY].least_ns[i];
    }
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const bool is_other = quant->roles[node->index] == PITHI_QUANT_FLOAT && !pithi_quant_is_recurrent(quant, node);
        facts->other_ms += is_other ? facts->ms[PITHI_COMPUTE_FLOAT][node->index] : 0.0;
    }
    facts->other_ms += 1e-6 * ways[FLOAT_WAY].other_ns;
    facts->quantize_ns = ways[INTEGER_WAY].n_q > 0.0 ? ways[INTEGER_WAY].q_ns / ways[INTEGER_WAY].n_q : BORDER_NS;
    facts->dequantize_ns = ways[INTEGER_WAY].n_dq > 0.0 ? ways[INTEGER_WAY].dq_ns / ways[INTEGER_WAY].n_dq : BORDER_NS;
}

pith_status pithi_quant_learn_costs(pithi_quant *quant, pithi_quant_facts *facts)
{
    pithi_arena arena = { .ctx = quant->ctx };
    pith_status status = PITH_OK;
    way ways[N_WAYS];
    uint8_t *odd = NULL;
    const int n_ways = facts->write_ms ? N_WAYS : WIDE_WAY;
    memset(ways, 0, sizeof ways);
    PITH_TRY_GOTO(find_parities(quant, &arena, &odd), done);
    facts->is_measured = !quant->options->no_timing;
    for (int k = 0; k < n_ways; k++) {
        PITH_TRY_GOTO(start_way(quant, &arena, k, odd, &ways[k]), done);
    }
    for (int turn = 0; turn < N_TURNS; turn++) {
        for (int k = 0; k < n_ways && facts->is_measured; k++) {
            PITH_TRY_GOTO(take_turn(quant, &ways[k], turn == 0), done);
        }
        if (quant->options->progress) {
            quant->options->progress(quant->options->progress_user, "timing layers", turn + 1, N_TURNS);
        }
    }
    for (int k = 0; k < n_ways && !facts->is_measured; k++) {
        PITH_TRY_GOTO(estimate(quant, &ways[k]), done);
    }
    summarise(quant, ways, facts);
    if (facts->write_ms) {
        summarise_wide(quant, ways, facts);
    }
done:
    for (int k = 0; k < n_ways; k++) {
        pithi_quant_stop(quant, &ways[k].runner);
    }
    pithi_arena_deinit(&arena);
    return status;
}

/* ---- whole networks ------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The least time of one run within a round; the sample is read before. */
static pith_status time_round(const pithi_quant *quant, pithi_quant_runner *runner, double *ms_out)
{
    PITH_TRY(pithi_quant_read(quant, 0, runner->inputs));
    uint64_t begin = pithi_clock_ns(), now = begin, least = UINT64_MAX;
    while (least == UINT64_MAX || now - begin < LEAST_ROUND_NS) {
        uint64_t start = pithi_clock_ns();
        PITH_TRY(pith_session_run(runner->session, runner->inputs, pith_model_n_inputs(runner->model)));
        now = pithi_clock_ns();
        least = now - start < least ? now - start : least;
    }
    *ms_out = 1e-6 * (double)least;
    return PITH_OK;
}

pith_status pithi_quant_time(const pithi_quant *quant, pith_graph *const *graphs, int n_graphs, double *ms_out)
{
    pithi_quant timed = *quant; /* how many runs it takes depends on the clock: they are no work */
    pithi_quant_runner runners[PITHI_QUANT_MAX_TIMED];
    double ms[PITHI_QUANT_MAX_TIMED][TIMED_ROUNDS];
    pith_status status = PITH_OK;
    timed.work = NULL;
    memset(runners, 0, sizeof runners);
    for (int k = 0; k < n_graphs; k++) {
        pith_status started = status == PITH_OK ? pithi_quant_start(quant, graphs[k], &runners[k]) : status;
        if (status != PITH_OK) {
            pithi_graph_destroy(graphs[k]);
        }
        status = started;
    }
    for (int k = 0; k < n_graphs && status == PITH_OK; k++) {
        status = pithi_quant_run(&timed, &runners[k], 0);
    }
    for (int round = 0; round < TIMED_ROUNDS; round++) {
        for (int k = 0; k < n_graphs && status == PITH_OK; k++) {
            status = time_round(&timed, &runners[k], &ms[k][round]);
        }
    }
    for (int k = 0; k < n_graphs; k++) {
        if (status == PITH_OK) {
            qsort(ms[k], TIMED_ROUNDS, sizeof(double), by_size);
            ms_out[k] = ms[k][TIMED_ROUNDS / 4];
        }
        pithi_quant_stop(quant, &runners[k]);
    }
    return status;
}
