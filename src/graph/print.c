/* SPDX-License-Identifier: Apache-2.0 */
/* The graph as text for people and for pass tests. */
#include "graph/attrs.h"
#include "graph/graph.h"

static void print_value(const pith_value *value, bool with_type, pithi_text *text)
{
    if (!value) {
        pithi_text_add(text, "-");
        return;
    }
    char shape[PITHI_SHAPE_TEXT_BYTES];
    pithi_text_add(text, "%%%s", value->name);
    if (with_type && value->dtype != PITH_DTYPE_NONE) {
        pithi_text_add(text, ":%s%s", pith_dtype_name(value->dtype),
                       value->has_shape ? pithi_shape_text(&value->shape, shape) : "");
    }
}

static void print_values(pith_value *const *values, size_t count, bool with_type, pithi_text *text)
{
    for (size_t i = 0; i < count; i++) {
        pithi_text_add(text, "%s", i ? ", " : "");
        print_value(values[i], with_type, text);
    }
}

static void print_graph(const pith_graph *graph, int depth, pithi_text *text)
{
    pithi_text_add(text, "%*sinputs ", depth * 2, "");
    print_values(graph->inputs, graph->n_inputs, true, text);
    pithi_text_add(text, "\n");
    for (const pith_node *node = graph->first; node; node = node->next) {
        pithi_text_add(text, "%*s", depth * 2, "");
        print_values(node->outputs, (size_t)node->n_outputs, true, text);
        pithi_text_add(text, " = %s(", node->op ? pithi_op_head(node->op)->name : node->source_op);
        print_values(node->inputs, (size_t)node->n_inputs, false, text);
        pithi_text_add(text, ")");
        if (node->op && node->attrs) {
            pithi_attrs_print(pithi_op_head(node->op), node->attrs, text);
        }
        pithi_text_add(text, "\n");
        for (int i = 0; i < node->n_bodies; i++) {
            print_graph(node->bodies[i], depth + 1, text);
        }
    }
    pithi_text_add(text, "%*soutputs ", depth * 2, "");
    print_values(graph->outputs, graph->n_outputs, true, text);
    pithi_text_add(text, "\n");
}

void pithi_graph_print(const pith_graph *graph, pithi_text *text)
{
    print_graph(graph, 0, text);
}
