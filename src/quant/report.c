/* SPDX-License-Identifier: Apache-2.0 */
/* What was done, in the words of the public report. */
#include "quant/quant.h"

static pith_status report_tensors(const pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->n_tensors, sizeof(pith_quantized_tensor), &block));
    pith_quantized_tensor *rows = block;
    int n = 0;
    for (int i = 0; i < quant->n_tensors; i++) {
        const pithi_quant_tensor *tensor = &quant->tensors[i], *source = &quant->tensors[tensor->source];
        const char *name = quant->graph->values[tensor->value]->name;
        const pithi_range range = pithi_quant_range_of(quant, tensor);
        double signal, noise;
        if (source->format == PITHI_ACTIVATION_F32) {
            continue;
        }
        pith_quantized_tensor *row = &rows[n++];
        pithi_quant_histogram_error_as(source->format, &source->histogram, range, &signal, &noise, &row->clipped);
        pithi_quant_parameters_as(source->format, range, &row->scale, &row->zero_point);
        row->low = (float)source->histogram.low;
        row->high = (float)source->histogram.high;
        row->sqnr_db = pithi_quant_decibel(signal, noise);
        row->bits = source->format == PITHI_ACTIVATION_U16 ? 16 : 8;
        PITH_TRY(pithi_arena_text(arena, name, strlen(name), &row->name));
    }
    report->tensors = rows;
    report->n_tensors = n;
    return PITH_OK;
}

static pith_status report_nodes(const pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->n_nodes, sizeof(char *), &block));
    const char **names = block;
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const pith_value *result = pithi_node_result(node);
        const bool is_recurrent = quant->layers[node->index].format.kind == PITHI_WEIGHT_INT &&
                                  pithi_quant_is_recurrent(quant, node);
        const bool is_integer = pithi_quant_is_integer(quant, node);
        pithi_quant_weights weights[2];
        report->n_nodes++;
        report->n_integer_nodes += is_integer;
        report->n_mixed_nodes += is_recurrent;
        if (!is_integer && !is_recurrent && result && pithi_dtype_is_float(result->dtype)) {
            PITH_TRY(pithi_arena_format(arena, &names[report->n_float_nodes++], "%s (%s)", node->name,
                                        node->source_op));
        }
        const int n_weights = pithi_quant_all_weights(quant, node, weights);
        for (int i = 0; i < n_weights; i++) {
            report->quantized_bytes += pithi_quant_code_bytes(&quant->layers[node->index], weights[i].tensor);
            report->float_bytes += pith_tensor_bytes(weights[i].tensor);
        }
    }
    report->float_nodes = names;
    return PITH_OK;
}

static pith_status report_stages(const pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->n_stages + 1, sizeof(pith_quantize_stage), &block));
    memcpy(block, quant->stages, (size_t)quant->n_stages * sizeof(pith_quantize_stage));
    report->stages = block;
    report->n_stages = quant->n_stages;
    return PITH_OK;
}

pith_status pithi_quant_report(const pithi_quant *quant, pithi_arena *arena, pith_quantize_report *report)
{
    PITH_TRY(report_stages(quant, arena, report));
    PITH_TRY(report_tensors(quant, arena, report));
    return report_nodes(quant, arena, report);
}
