/* SPDX-License-Identifier: Apache-2.0 */
/* Mixes: from a choice for each node to formats of tensors and weights, predicted figures, and the fastest choice. */
#include "passes/min_cut.h"
#include "quant/mix.h"

#define FLOAT_GROUP 32 /* input channels that share a scale of weights that are only stored as integers of few bits */

/* ---- what belongs together ----------------------------------------------------------------- */

/* The tensor whose scale a value has; -1. Constants may be younger than the table. */
int pithi_quant_tensor_of(const pithi_quant *quant, const pith_value *value)
{
    int number = value && !value->constant ? quant->tensor_of[value->index] : -1;
    return number < 0 ? -1 : quant->tensors[number].source;
}

/* relu or clip that is part of what makes its input. */
static bool is_absorbed(const pithi_quant *quant, const pith_node *node)
{
    return quant->roles[node->index] == PITHI_QUANT_FUNCTION && pithi_quant_tensor_of(quant, node->inputs[0]) < 0;
}

/* Nodes that have a choice of their own. */
bool pithi_quant_chooses(const pithi_quant *quant, const pith_node *node)
{
    const pithi_quant_role role = quant->roles[node->index];
    return role != PITHI_QUANT_FLOAT && role != PITHI_QUANT_MOVE && !is_absorbed(quant, node);
}

int pithi_quant_result_tensor(const pithi_quant *quant, const pith_node *node) { return quant->result_of[node->index]; }

/* The tensor that a node's result ends in. */
int pithi_quant_find_result(const pithi_quant *quant, const pith_node *node)
{
    const pith_value *value = pithi_node_result(node);
    while (value && pithi_quant_tensor_of(quant, value) < 0) {
        const pith_node *user = pithi_graph_only_consumer(quant->graph, value);
        value = user && is_absorbed(quant, user) ? pithi_node_result(user) : NULL;
    }
    return pithi_quant_tensor_of(quant, value);
}

int pithi_quant_n_operands(const pithi_quant *quant, const pith_node *node)
{
    const pithi_quant_role role = quant->roles[node->index];
    return role == PITHI_QUANT_BINARY || role == PITHI_QUANT_CONCAT ? node->n_inputs : 1;
}

/* ---- mixes --------------------------------------------------------------------------------- */

pith_status pithi_quant_mix_create(pithi_quant *quant, pithi_quant_mix *mix)
{
    void *compute = NULL, *bits = NULL, *why = NULL, *wide = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, 1, &compute));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, 1, &bits));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(char *), &why));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_tensors, 1, &wide));
    *mix = (pithi_quant_mix){ compute, bits, why, wide };
    memset(bits, 8, (size_t)quant->n_nodes);
    return PITH_OK;
}

void pithi_quant_mix_copy(const pithi_quant *quant, const pithi_quant_mix *from, pithi_quant_mix *to)
{
    memcpy(to->compute, from->compute, (size_t)quant->n_nodes);
    memcpy(to->bits, from->bits, (size_t)quant->n_nodes);
    memcpy(to->why, from->why, (size_t)quant->n_nodes * sizeof(char *));
    memcpy(to->wide, from->wide, (size_t)quant->n_tensors);
}

void pithi_quant_mix_follow(const pithi_quant *quant, pithi_quant_mix *mix)
{
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        if (quant->roles[node->index] != PITHI_QUANT_FLOAT && is_absorbed(quant, node)) {
            mix->compute[node->index] = mix->compute[node->inputs[0]->producer->index];
        }
    }
}

void pithi_quant_mix_fill(const pithi_quant *quant, pithi_compute compute, int bits, pithi_quant_mix *mix)
{
    memset(mix->compute, (int)compute, (size_t)quant->n_nodes);
    memset(mix->bits, bits, (size_t)quant->n_nodes);
    memset(mix->why, 0, (size_t)quant->n_nodes * sizeof(char *));
    memset(mix->wide, 0, (size_t)quant->n_tensors);
}

void pithi_quant_mix_raise_tensor(const pithi_quant *quant, int tensor, pithi_compute compute, const char *why,
                                  pithi_quant_mix *mix)
{
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        bool touches = pithi_quant_result_tensor(quant, node) == tensor;
        for (int i = 0; i < pithi_quant_n_operands(quant, node) && i < node->n_inputs; i++) {
            touches = touches || pithi_quant_tensor_of(quant, node->inputs[i]) == tensor;
        }
        if (touches && quant->roles[node->index] != PITHI_QUANT_FLOAT && mix->compute[node->index] < compute) {
            mix->compute[node->index] = (uint8_t)compute;
            mix->why[node->index] = why;
        }
    }
    pithi_quant_mix_follow(quant, mix);
}

static void raise_format(pithi_quant *quant, int tensor, pithi_compute compute)
{
    static const pithi_activation_format formats[] = { PITHI_ACTIVATION_U8, PITHI_ACTIVATION_U16,
                                                       PITHI_ACTIVATION_F32 };
    if (tensor >= 0 && compute != PITHI_COMPUTE_FLOAT) {
        pithi_activation_format *format = &quant->tensors[tensor].format;
        *format = *format == PITHI_ACTIVATION_F32 || compute == PITHI_COMPUTE_INT16 ? formats[compute] : *format;
    }
}

static bool reaches_integers(const pithi_quant *quant, const pith_node *node)
{
    int result = pithi_quant_result_tensor(quant, node), operand = pithi_quant_tensor_of(quant, node->inputs[0]);
    return result >= 0 && operand >= 0 && quant->tensors[result].format != PITHI_ACTIVATION_F32 &&
           quant->tensors[operand].format != PITHI_ACTIVATION_F32;
}

/* Weights of products in float are integers that are only stored so; between quantised tensors halves, since integers
 * per channel would be computed with there. */
static pithi_weight_format weight_format(const pithi_quant *quant, const pith_node *node, bool is_float, int bits)
{
    if (!is_float) {
        return (pithi_weight_format){ .bits = bits };
    }
    if (bits > 8) {
        return (pithi_weight_format){ .kind = bits == 16 ? PITHI_WEIGHT_F16 : PITHI_WEIGHT_F32 };
    }
    pithi_weight_format format = { .bits = bits, .group = bits < 8 ? FLOAT_GROUP : 0 };
    pithi_quant_weights weights;
    pithi_quant_weights_of(node, &weights);
    bool is_plain = pithi_quant_scales_of(&weights, &format).block == 0;
    return is_plain && reaches_integers(quant, node) ? (pithi_weight_format){ .kind = PITHI_WEIGHT_F16 } : format;
}

static bool is_same_format(const pithi_weight_format *a, const pithi_weight_format *b)
{
    return a->kind == b->kind && (a->bits ? a->bits : 8) == (b->bits ? b->bits : 8) && a->group == b->group &&
           a->has_zeros == b->has_zeros;
}

void pithi_quant_mix_apply(pithi_quant *quant, const pithi_quant_mix *mix)
{
    pithi_quant_number(quant->graph);
    for (int i = 0; i < quant->n_tensors; i++) {
        quant->tensors[i].format = PITHI_ACTIVATION_F32;
    }
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const pithi_compute compute = (pithi_compute)mix->compute[node->index];
        for (int i = 0; pithi_quant_chooses(quant, node) && i < pithi_quant_n_operands(quant, node); i++) {
            raise_format(quant, pithi_quant_tensor_of(quant, node->inputs[i]), compute);
        }
        raise_format(quant, pithi_quant_chooses(quant, node) ? pithi_quant_result_tensor(quant, node) : -1, compute);
    }
    for (int i = 0; i < quant->n_tensors; i++) {
        bool is_wide = mix->wide[i] && quant->tensors[i].format == PITHI_ACTIVATION_U8;
        quant->tensors[i].format = is_wide ? PITHI_ACTIVATION_U16 : quant->tensors[i].format;
    }
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        pithi_quant_layer *layer = &quant->layers[node->index];
        bool has_int8 = mix->compute[node->index] == PITHI_COMPUTE_INT8; /* what biases were corrected for */
        quant->bias_shifts[node->index] = has_int8 ? quant->plain_shifts[node->index] : NULL;
        if (quant->roles[node->index] != PITHI_QUANT_PRODUCT) { /* recurrent ones: bytes or floats */
            layer->format.kind = mix->bits[node->index] > 8 ? PITHI_WEIGHT_F32 : PITHI_WEIGHT_INT;
            continue;
        }
        bool is_float = mix->compute[node->index] == PITHI_COMPUTE_FLOAT;
        layer->format = weight_format(quant, node, is_float, mix->bits[node->index]);
        /* Integers that an algorithm has rounded hold for their own format only. */
        bool is_plain = is_same_format(&layer->format, &quant->plain[node->index].format);
        layer->rounded = is_plain ? quant->plain[node->index].rounded : (pithi_quant_rounded){ 0 };
    }
}

/* A clone with formats as they are now. */
static pith_status insert_clone(const pithi_quant *quant, pith_graph **graph_out)
{
    pith_graph *graph = NULL;
    PITH_TRY(pithi_graph_clone(quant->graph, &graph));
    pith_status status = pithi_quant_insert(quant, graph);
    if (status != PITH_OK) {
        pithi_graph_destroy(graph);
        return status;
    }
    *graph_out = graph;
    return PITH_OK;
}

pith_status pithi_quant_mix_graph(pithi_quant *quant, const pithi_quant_mix *mix, pith_graph **graph_out)
{
    pithi_quant_mix_apply(quant, mix);
    return insert_clone(quant, graph_out);
}

pith_status pithi_quant_point_graph(const pithi_quant_search *search, int point, pith_graph **graph_out)
{
    pithi_quant_apply_point(search, point);
    return insert_clone(search->quant, graph_out);
}

/* ---- figures ------------------------------------------------------------------------------- */

int pithi_quant_bits_index(int bits) { return bits >= 8 ? 0 : bits >= 4 ? 1 : bits >= 3 ? 2 : 3; }

static size_t weight_bytes(const pithi_quant_layer *layer, const pithi_quant_weights *weights)
{
    const size_t n_out = (size_t)weights->n_out, codes = pithi_quant_code_bytes(layer, weights->tensor);
    if (layer->format.kind != PITHI_WEIGHT_INT) {
        return codes + 4 * n_out;
    }
    const pithi_quant_scales scales = pithi_quant_scales_of(weights, &layer->format);
    return codes + 5 * (size_t)pith_shape_elements(&scales.shape) + 12 * n_out;
}

static double border_ms(const pithi_quant *quant, const pithi_quant_facts *facts, int tensor, bool is_quantised,
                        bool is_dequantised)
{
    double n = (double)quant->tensors[tensor].histogram.n_elements / quant->samples->n_samples;
    return 1e-6 * n * ((is_quantised ? facts->quantize_ns : 0.0) + (is_dequantised ? facts->dequantize_ns : 0.0));
}

/* Who makes and who reads each tensor, as bits. */
enum { MADE_BY_INTEGERS = 1, READ_BY_FLOAT = 2 };

static void find_borders(const pithi_quant *quant, const pithi_quant_mix *mix, uint8_t *borders)
{
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        bool has_choice = pithi_quant_chooses(quant, node);
        bool is_float = has_choice ? mix->compute[node->index] == PITHI_COMPUTE_FLOAT
                                   : quant->roles[node->index] == PITHI_QUANT_FLOAT;
        int result = has_choice && !is_float ? pithi_quant_result_tensor(quant, node) : -1;
        if (result >= 0) {
            borders[result] |= MADE_BY_INTEGERS;
        }
        for (int i = 0; is_float && i < node->n_inputs; i++) {
            int tensor = pithi_quant_tensor_of(quant, node->inputs[i]);
            borders[tensor >= 0 ? tensor : quant->n_tensors] |= READ_BY_FLOAT;
        }
    }
    for (size_t i = 0; i < quant->graph->n_outputs; i++) {
        int tensor = pithi_quant_tensor_of(quant, quant->graph->outputs[i]);
        borders[tensor >= 0 ? tensor : quant->n_tensors] |= READ_BY_FLOAT;
    }
}

/* By what it computes with, and how wide its activations are now. */
static double node_ms(const pithi_quant *quant, const pithi_quant_facts *facts, const pithi_quant_mix *mix,
                      const pith_node *node)
{
    const int i = node->index;
    bool reads = false;
    if (mix->compute[i] != PITHI_COMPUTE_INT8 || !facts->write_ms) {
        return facts->ms[mix->compute[i]][i];
    }
    for (int k = 0; k < pithi_quant_n_operands(quant, node); k++) {
        reads = reads || pithi_quant_format_of(quant, node->inputs[k]) == PITHI_ACTIVATION_U16;
    }
    const bool writes = pithi_quant_result_format(quant, node) == PITHI_ACTIVATION_U16;
    return reads ? facts->ms[PITHI_COMPUTE_INT16][i] : writes ? facts->write_ms[i] : facts->ms[PITHI_COMPUTE_INT8][i];
}

pithi_quant_figures pithi_quant_mix_figures(pithi_quant *quant, const pithi_quant_mix *mix,
                                            const pithi_quant_facts *facts)
{
    pithi_quant_figures sum = { facts->other_ms, 0.0, facts->fixed_bytes };
    pithi_quant_mix_apply(quant, mix);
    memset(facts->borders, 0, (size_t)quant->n_tensors + 1);
    find_borders(quant, mix, facts->borders);
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const int i = node->index;
        const pithi_weight_format *format = &quant->layers[i].format;
        const bool is_int = format->kind == PITHI_WEIGHT_INT;
        pithi_quant_weights weights[2];
        const int n_weights = pithi_quant_all_weights(quant, node, weights);
        if (quant->roles[i] != PITHI_QUANT_FLOAT) {
            sum.ms += node_ms(quant, facts, mix, node);
        } else if (n_weights > 0) {
            sum.ms += facts->ms[is_int ? PITHI_COMPUTE_INT8 : PITHI_COMPUTE_FLOAT][i];
        }
        for (int k = 0; k < n_weights; k++) {
            sum.n_bytes += weight_bytes(&quant->layers[i], &weights[k]);
        }
        if (n_weights > 0 && is_int && facts->weight_noise[0]) {
            sum.noise += facts->weight_noise[pithi_quant_bits_index(format->bits ? format->bits : 8)][i];
        }
    }
    for (int t = 0; t < quant->n_tensors; t++) {
        const pithi_quant_tensor *tensor = &quant->tensors[t];
        if (tensor->source != t || tensor->format == PITHI_ACTIVATION_F32) {
            continue;
        }
        const uint8_t border = facts->borders[t];
        sum.ms += border_ms(quant, facts, t, !(border & MADE_BY_INTEGERS), border & READ_BY_FLOAT);
        sum.noise += facts->tensor_noise && tensor->format == PITHI_ACTIVATION_U8 ? facts->tensor_noise[t] : 0.0;
    }
    return sum;
}

/* ---- the fastest --------------------------------------------------------------------------- */

/* Source side: integers; sink side: float. */
typedef struct cutter {
    pithi_cut cut;
    int *vertex_of; /* by node */
    int *form_of;   /* by tensor: vertices of its quantised and of its float form */
} cutter;

static int64_t ns_of(double ms) { return (int64_t)(ms * 1e6); }

static int vertex_at(const cutter *c, const pithi_quant *quant, const pith_node *node)
{
    return quant->roles[node->index] == PITHI_QUANT_FLOAT ? PITHI_CUT_SINK : c->vertex_of[node->index];
}

static pith_status add_node(cutter *c, const pithi_quant *quant, const pithi_quant_facts *facts, const pith_node *node,
                            pithi_compute compute)
{
    int vertex = 0;
    if (is_absorbed(quant, node)) { /* shares the choice of what makes its input */
        vertex = c->vertex_of[node->inputs[0]->producer->index];
    } else {
        PITH_TRY(pithi_cut_add_vertex(&c->cut, &vertex));
    }
    c->vertex_of[node->index] = vertex;
    PITH_TRY(pithi_cut_add_edge(&c->cut, vertex, PITHI_CUT_SINK, ns_of(facts->ms[compute][node->index]), 0));
    return pithi_cut_add_edge(&c->cut, PITHI_CUT_SOURCE, vertex, ns_of(facts->ms[PITHI_COMPUTE_FLOAT][node->index]), 0);
}

/* Both forms of a tensor with what they cost; `maker` is the vertex that makes it. Where there is a quantised form, who
 * reads floats reads those that come out of it. */
static pith_status add_forms(cutter *c, const pithi_quant *quant, const pithi_quant_facts *facts, int tensor, int maker)
{
    int *form = &c->form_of[2 * tensor];
    PITH_TRY(pithi_cut_add_vertex(&c->cut, &form[0]));
    PITH_TRY(pithi_cut_add_vertex(&c->cut, &form[1]));
    PITH_TRY(pithi_cut_add_edge(&c->cut, form[0], maker, ns_of(border_ms(quant, facts, tensor, true, false)), 0));
    PITH_TRY(pithi_cut_add_edge(&c->cut, maker, form[0], PITHI_CUT_INFINITE, 0));
    return pithi_cut_add_edge(&c->cut, form[0], form[1], ns_of(border_ms(quant, facts, tensor, false, true)), 0);
}

static pith_status add_reader(cutter *c, int tensor, int reader)
{
    PITH_TRY(pithi_cut_add_edge(&c->cut, reader, c->form_of[2 * tensor], PITHI_CUT_INFINITE, 0));
    return pithi_cut_add_edge(&c->cut, c->form_of[2 * tensor + 1], reader, PITHI_CUT_INFINITE, 0);
}

static pith_status build(cutter *c, const pithi_quant *quant, const pithi_quant_facts *facts, pithi_compute compute)
{
    const pith_graph *graph = quant->graph;
    for (const pith_node *node = graph->first; node; node = node->next) {
        bool is_part = quant->roles[node->index] != PITHI_QUANT_FLOAT && is_absorbed(quant, node);
        if (is_part || pithi_quant_chooses(quant, node)) {
            PITH_TRY(add_node(c, quant, facts, node, compute));
        }
    }
    for (int t = 0; t < quant->n_tensors; t++) {
        const pith_node *maker = graph->values[quant->tensors[t].value]->producer;
        if (quant->tensors[t].source == t) {
            PITH_TRY(add_forms(c, quant, facts, t, maker ? vertex_at(c, quant, maker) : PITHI_CUT_SINK));
        }
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        bool is_float = quant->roles[node->index] == PITHI_QUANT_FLOAT;
        int n = is_float ? node->n_inputs : pithi_quant_chooses(quant, node) ? pithi_quant_n_operands(quant, node) : 0;
        for (int i = 0; i < n; i++) {
            int tensor = pithi_quant_tensor_of(quant, node->inputs[i]);
            if (tensor >= 0) {
                PITH_TRY(add_reader(c, tensor, vertex_at(c, quant, node)));
            }
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        int tensor = pithi_quant_tensor_of(quant, graph->outputs[i]);
        if (tensor >= 0) {
            PITH_TRY(add_reader(c, tensor, PITHI_CUT_SINK));
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_mix_fastest(pithi_quant *quant, const pithi_quant_facts *facts, pithi_quant_mix *mix)
{
    const pithi_compute compute = PITHI_COMPUTE_INT8;
    cutter c = { .cut = { .ctx = quant->ctx } };
    pithi_arena arena = { .ctx = quant->ctx };
    void *vertex_of = NULL, *form_of = NULL;
    pith_status status = PITH_OK;
    pithi_quant_number(quant->graph);
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)quant->n_nodes, sizeof(int), &vertex_of), done);
    PITH_TRY_GOTO(pithi_arena_array(&arena, 2 * (size_t)quant->n_tensors, sizeof(int), &form_of), done);
    c.vertex_of = vertex_of;
    c.form_of = form_of;
    PITH_TRY_GOTO(build(&c, quant, facts, compute), done);
    PITH_TRY_GOTO(pithi_cut_solve(&c.cut), done);
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        int vertex = c.vertex_of[node->index];
        if (vertex > PITHI_CUT_SINK) {
            mix->compute[node->index] = (uint8_t)(c.cut.on_sink_side[vertex] ? PITHI_COMPUTE_FLOAT : compute);
        }
    }
done:
    pithi_cut_deinit(&c.cut);
    pithi_arena_deinit(&arena);
    return status;
}
