/* SPDX-License-Identifier: Apache-2.0 */
/* The report: nodes and outputs that only one network has, nodes that compute in float. */
#include "diagnose/report.h"

static bool is_rounding(const pith_node *node)
{
    return pithi_is(node, "quantize_linear") || pithi_is(node, "dequantize_linear");
}

static pith_status add_unmatched(pithi_diag_report *owned, const pith_node *node, bool is_float_side)
{
    pith_unmatched *row = &owned->unmatched[owned->report.n_unmatched++];
    row->is_float_side = is_float_side;
    PITH_TRY(pithi_diag_copy_text(owned, node->name[0] ? node->name : node->outputs[0]->name, &row->name));
    return pithi_diag_copy_text(owned, node->source_op, &row->op);
}

static bool reads_data(const pith_node *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] && !node->inputs[i]->constant) {
            return true;
        }
    }
    return false;
}

static bool has_partner(const pithi_diagnosis *job, const pith_node *twin)
{
    for (int i = 0; i < job->n_layers; i++) {
        if (job->layers[i].twin == twin->outputs[0]->index) {
            return true;
        }
    }
    return false;
}

static pith_status report_unmatched(const pithi_diagnosis *job, pithi_diag_report *owned)
{
    void *block = NULL;
    size_t n = (size_t)(job->graph->n_nodes + job->twin->n_nodes) + 1;
    PITH_TRY(pithi_arena_array(&owned->arena, n, sizeof(pith_unmatched), &block));
    owned->unmatched = block;
    owned->report.unmatched = owned->unmatched;
    for (const pith_node *node = job->graph->first; node; node = node->next) {
        const pith_value *value = pithi_node_result(node);
        if (value && job->node_of[value->index] < 0 && job->tensor_of[value->index] == -1) {
            PITH_TRY(add_unmatched(owned, node, true));
        }
    }
    for (const pith_node *node = job->twin->first; node; node = node->next) {
        if (pithi_node_result(node) && !is_rounding(node) && reads_data(node) && !has_partner(job, node) &&
            job->tensor_of_twin[node->outputs[0]->index] < 0) {
            PITH_TRY(add_unmatched(owned, node, false));
        }
    }
    return PITH_OK;
}

/* Nodes whose result isn't rounded although what they read was, or the other way round. */
static pith_status report_float_nodes(const pithi_diagnosis *job, pithi_diag_report *owned)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&owned->arena, (size_t)job->n_layers + 1, sizeof(char *), &block));
    const char **names = block;
    bool any = false;
    for (int i = 0; i < job->n_tensors; i++) {
        any = any || job->tensors[i].q >= 0;
    }
    for (int i = 0; i < job->n_layers && any; i++) {
        const pithi_diag_layer *layer = &job->layers[i];
        const pithi_diag_tensor *in = layer->in >= 0 ? &job->tensors[layer->in] : NULL;
        const pithi_diag_tensor *result = layer->out >= 0 ? &job->tensors[layer->out] : NULL;
        const pith_node *made_by = job->graph->values[layer->node]->producer;
        /* An activation in front of the rounding becomes limits of the integer operator before it. */
        bool is_limit = (pithi_is(made_by, "relu") || pithi_is(made_by, "clip")) && result && result->q >= 0;
        bool reads_float = in && in->is_seen && in->q < 0 && !is_limit;
        if (reads_float || (layer->has_weights && layer->bits == 32)) {
            const pith_node *node = job->graph->values[layer->node]->producer;
            PITH_TRY(pithi_arena_format(&owned->arena, &names[owned->report.n_float_nodes++], "%s (%s)",
                                        pithi_diag_layer_name(job, layer), node->source_op));
        }
    }
    owned->report.float_nodes = names;
    return PITH_OK;
}

/* ---- outputs -------------------------------------------------------------------------------- */

static pith_status report_lone_outputs(const pithi_diagnosis *job, pithi_diag_report *owned)
{
    const pith_graph *const graphs[] = { job->given, job->graph };
    const int *const joined[] = { job->output_of, job->output_float };
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&owned->arena, job->given->n_outputs + job->graph->n_outputs + 1,
                               sizeof(pith_unmatched), &block));
    pith_unmatched *rows = block;
    owned->report.lone_outputs = rows;
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < (int)graphs[side]->n_outputs; i++) {
            const pith_value *value = graphs[side]->outputs[i];
            int k = 0;
            while (k < job->n_outputs && joined[side][k] != i) {
                k++;
            }
            if (k == job->n_outputs) {
                pith_unmatched *row = &rows[owned->report.n_lone_outputs++];
                row->is_float_side = side;
                PITH_TRY(pithi_diag_copy_text(owned, value->name, &row->name));
                PITH_TRY(pithi_diag_copy_text(owned, value->producer ? value->producer->source_op : "", &row->op));
            }
        }
    }
    return PITH_OK;
}

pith_status pithi_diag_report_rest(const pithi_diagnosis *job, pithi_diag_report *owned)
{
    PITH_TRY(report_unmatched(job, owned));
    PITH_TRY(report_lone_outputs(job, owned));
    return report_float_nodes(job, owned);
}
