/* SPDX-License-Identifier: Apache-2.0 */
/* pith info --svg and --dot: the graph as a drawing. Boxes are coloured by what a node does, weights stand in them with
 * their shapes, edges carry types; bodies of control flow are drawn inside of their node. */
#include <errno.h>
#include <stdlib.h>

#include "diagram.h"
#include "info.h"
#include "pith/view.h"

#define LINE_BYTES 64
#define MAX_LINES 12
#define CHAR_WIDTH 6.3
#define LINE_HEIGHT 14.0
#define BODY_GAP 16.0

/* What a node does, by how its operator's name begins. */
static const struct {
    const char *begins, *colour;
} colours[] = {
    { "conv", "#cfe2ff" },      { "qlinear_conv", "#cfe2ff" }, { "matmul", "#cfe2ff" },     { "gemm", "#cfe2ff" },
    { "qlinear_", "#cfe2ff" },  { "attention", "#cfe2ff" },    { "lstm", "#cfe2ff" },       { "gru", "#cfe2ff" },
    { "relu", "#ffe0b3" },      { "clip", "#ffe0b3" },         { "sigmoid", "#ffe0b3" },    { "tanh", "#ffe0b3" },
    { "hard_", "#ffe0b3" },     { "gelu", "#ffe0b3" },         { "softmax", "#ffe0b3" },    { "leaky_relu", "#ffe0b3" },
    { "add", "#fff3c4" },       { "mul", "#fff3c4" },          { "sub", "#fff3c4" },        { "div", "#fff3c4" },
    { "max_pool", "#d3f0d3" },  { "average_pool", "#d3f0d3" }, { "global_", "#d3f0d3" },    { "reduce_", "#d3f0d3" },
    { "reshape", "#e8e8e8" },   { "transpose", "#e8e8e8" },    { "concat", "#e8e8e8" },     { "slice", "#e8e8e8" },
    { "squeeze", "#e8e8e8" },   { "unsqueeze", "#e8e8e8" },    { "flatten", "#e8e8e8" },    { "gather", "#e8e8e8" },
    { "split", "#e8e8e8" },     { "pad", "#e8e8e8" },          { "resize", "#e8e8e8" },     { "shape", "#e8e8e8" },
    { "batch_norm", "#e6d5f5" }, { "layer_norm", "#e6d5f5" },  { "instance_norm", "#e6d5f5" },
    { "quantize", "#cdeeee" },  { "dequantize", "#cdeeee" },   { "if", "#f8d0d8" },         { "loop", "#f8d0d8" },
    { "scan", "#f8d0d8" },
};

typedef struct box {
    char lines[MAX_LINES][LINE_BYTES];
    int n_lines;
    const char *colour;
    double text_height;
} box;

typedef struct drawing {
    const pith_view *view;
    FILE *file;
    cli_diagram *diagrams; /* by graph */
    box *boxes;            /* by node */
    double *body_x;        /* by graph: where it stands in its owner's box */
    bool *is_labelled;     /* by value */
    int *vertex_of;        /* by node: in its graph's diagram */
} drawing;

/* ---- words -------------------------------------------------------------------------------- */

static void type_text(const pith_view_value *value, char *text, size_t n_bytes)
{
    const char *dtype = value->dtype == PITH_DTYPE_NONE ? "?" : pith_dtype_name(value->dtype);
    size_t used = (size_t)snprintf(text, n_bytes, "%s", dtype);
    for (int i = 0; i < value->shape.rank && used + 1 < n_bytes; i++) {
        const char *comma = i ? "," : "[";
        int added = value->shape.dims[i] >= 0
                        ? snprintf(text + used, n_bytes - used, "%s%lld", comma, (long long)value->shape.dims[i])
                        : snprintf(text + used, n_bytes - used, "%s%.16s", comma,
                                   value->symbols[i] ? value->symbols[i] : "?");
        used += (size_t)added;
    }
    if (used + 2 < n_bytes && value->shape.rank >= 0) {
        snprintf(text + used, n_bytes - used, value->shape.rank ? "]" : "[]");
    }
}

static void add_line(box *b, const char *format, const char *text, int limit)
{
    if (b->n_lines < MAX_LINES && *text) {
        char part[LINE_BYTES];
        size_t length = strlen(text);
        bool is_long = length > (size_t)limit;
        snprintf(part, sizeof part, "%s%.*s", is_long ? ".." : "", limit,
                 is_long ? text + length - (size_t)limit : text);
        snprintf(b->lines[b->n_lines++], LINE_BYTES, format, part);
    }
}

static void fill_box(const drawing *d, const pith_view_node *node, box *b)
{
    *b = (box){ .colour = node->runs ? "#ffffff" : "#ff8080" };
    for (int i = 0; i < CLI_COUNT(colours) && node->runs; i++) {
        if (strncmp(node->op, colours[i].begins, strlen(colours[i].begins)) == 0) {
            b->colour = colours[i].colour;
            break;
        }
    }
    add_line(b, "%s", node->op, 40);
    add_line(b, "%s", node->name, 34);
    char word[LINE_BYTES];
    for (const char *at = node->attrs; *at && b->n_lines < 7;) {
        size_t length = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", length > 44 ? 44 : (int)length, at);
        add_line(b, "%s", word, 44);
        at += length + (at[length] == ' ');
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_view_value *value = node->inputs[i] >= 0 ? &d->view->values[node->inputs[i]] : NULL;
        if (value && value->is_constant) {
            type_text(value, word, sizeof word);
            add_line(b, "weight %s", word, 36);
        }
    }
    b->text_height = 8.0 + b->n_lines * LINE_HEIGHT;
}

/* Text of a file for XML: markup is escaped, what is not printable becomes a dot. */
static void escaped(FILE *file, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        switch (c) {
        case '<': fputs("&lt;", file); break;
        case '>': fputs("&gt;", file); break;
        case '&': fputs("&amp;", file); break;
        case '"': fputs("&quot;", file); break;
        case '\\': fputs("&#92;", file); break;
        default: fputc(c < 0x20 || c >= 0x7f ? '.' : c, file);
        }
    }
}

/* ---- layout ------------------------------------------------------------------------------- */

static pith_status lay_out_graph(drawing *d, int number);

static pith_status size_node(drawing *d, int number, double *width, double *height)
{
    const pith_view_node *node = &d->view->nodes[number];
    box *b = &d->boxes[number];
    double bodies_width = BODY_GAP, bodies_height = 0.0;
    fill_box(d, node, b);
    *width = 70.0;
    for (int i = 0; i < b->n_lines; i++) {
        double length = (double)strlen(b->lines[i]) * CHAR_WIDTH + 16.0;
        *width = length > *width ? length : *width;
    }
    for (int i = 0; i < node->n_bodies; i++) {
        CLI_TRY(lay_out_graph(d, node->bodies[i]));
        const cli_diagram *body = &d->diagrams[node->bodies[i]];
        d->body_x[node->bodies[i]] = bodies_width;
        bodies_width += body->width + BODY_GAP;
        bodies_height = body->height + 2 * BODY_GAP > bodies_height ? body->height + 2 * BODY_GAP : bodies_height;
    }
    *width = node->n_bodies && bodies_width > *width ? bodies_width : *width;
    *height = b->text_height + bodies_height;
    return PITH_OK;
}

static pith_status add_terminals(drawing *d, cli_diagram *diagram, const int *values, int count)
{
    for (int i = 0; i < count; i++) {
        char text[LINE_BYTES];
        type_text(&d->view->values[values[i]], text, sizeof text);
        size_t name = strlen(d->view->values[values[i]].name);
        double width = (double)(name > 30 ? 30 : name) * CHAR_WIDTH, type = (double)strlen(text) * CHAR_WIDTH;
        CLI_TRY(cli_diagram_add_vertex(diagram, 24.0 + (width > type ? width : type), 36.0));
    }
    return PITH_OK;
}

/* The vertex of this graph that makes a value: a node, an input, or -1. */
static int maker(const drawing *d, int graph, int value)
{
    const pith_view_graph *g = &d->view->graphs[graph];
    const pith_view_value *v = &d->view->values[value];
    if (v->graph != graph || v->is_constant) {
        return -1;
    }
    if (v->producer >= 0) {
        return d->vertex_of[v->producer];
    }
    for (int i = 0; i < g->n_inputs; i++) {
        if (g->inputs[i] == value) {
            return i;
        }
    }
    return -1;
}

static pith_status add_edge(const drawing *d, int graph, int value, int to)
{
    int from = value >= 0 ? maker(d, graph, value) : -1;
    return from >= 0 && from < to ? cli_diagram_add_edge(&d->diagrams[graph], from, to, value) : PITH_OK;
}

/* Also what bodies inside read of this graph. */
static pith_status add_uses(const drawing *d, int graph, const pith_view_node *node, int to)
{
    for (int i = 0; i < node->n_inputs; i++) {
        CLI_TRY(add_edge(d, graph, node->inputs[i], to));
    }
    for (int b = 0; b < node->n_bodies; b++) {
        const pith_view_graph *body = &d->view->graphs[node->bodies[b]];
        for (int i = 0; i < body->n_nodes; i++) {
            CLI_TRY(add_uses(d, graph, &d->view->nodes[body->first_node + i], to));
        }
        for (int i = 0; i < body->n_outputs; i++) {
            CLI_TRY(add_edge(d, graph, body->outputs[i], to));
        }
    }
    return PITH_OK;
}

static pith_status lay_out_graph(drawing *d, int number)
{
    const pith_view_graph *graph = &d->view->graphs[number];
    cli_diagram *diagram = &d->diagrams[number];
    CLI_TRY(add_terminals(d, diagram, graph->inputs, graph->n_inputs));
    for (int i = 0; i < graph->n_nodes; i++) {
        double width = 0.0, height = 0.0;
        CLI_TRY(size_node(d, graph->first_node + i, &width, &height));
        d->vertex_of[graph->first_node + i] = diagram->n_vertices;
        CLI_TRY(cli_diagram_add_vertex(diagram, width, height));
        CLI_TRY(add_uses(d, number, &d->view->nodes[graph->first_node + i], diagram->n_vertices - 1));
    }
    CLI_TRY(add_terminals(d, diagram, graph->outputs, graph->n_outputs));
    for (int i = 0; i < graph->n_outputs; i++) {
        CLI_TRY(add_edge(d, number, graph->outputs[i], graph->n_inputs + graph->n_nodes + i));
    }
    return cli_diagram_lay_out(diagram);
}

/* ---- SVG ---------------------------------------------------------------------------------- */

static void draw_graph(drawing *d, int number, double x, double y);

static void draw_edges(drawing *d, int number)
{
    const cli_diagram *diagram = &d->diagrams[number];
    for (int i = 0; i < diagram->n_edges; i++) {
        const cli_edge *edge = &diagram->edges[i];
        const cli_vertex *from = &diagram->vertices[edge->from], *to = &diagram->vertices[edge->to];
        double x = from->x + from->width / 2, y = from->y + from->height;
        fprintf(d->file, "<path class=\"e\" d=\"M%.1f %.1f", x, y);
        for (int k = 0; k <= edge->n_dummies; k++) {
            const cli_vertex *next = k < edge->n_dummies ? &diagram->vertices[edge->first_dummy + k] : to;
            double next_x = next->x + next->width / 2, middle = (y + next->y) / 2;
            fprintf(d->file, " C%.1f %.1f %.1f %.1f %.1f %.1f", x, middle, next_x, middle, next_x, next->y);
            x = next_x;
            y = next->y;
        }
        fprintf(d->file, "\"/>\n");
    }
    for (int i = 0; i < diagram->n_edges; i++) {
        const cli_edge *edge = &diagram->edges[i];
        const cli_vertex *from = &diagram->vertices[edge->from];
        char text[LINE_BYTES];
        if (!d->is_labelled[edge->value]) {
            d->is_labelled[edge->value] = true;
            type_text(&d->view->values[edge->value], text, sizeof text);
            fprintf(d->file, "<text class=\"t\" x=\"%.1f\" y=\"%.1f\">", from->x + from->width / 2 + 5,
                    from->y + from->height + 12);
            escaped(d->file, text);
            fprintf(d->file, "</text>\n");
        }
    }
}

static void draw_terminal(drawing *d, const cli_vertex *v, int value)
{
    char text[LINE_BYTES];
    type_text(&d->view->values[value], text, sizeof text);
    fprintf(d->file, "<rect class=\"i\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"16\"/>\n", v->x,
            v->y, v->width, v->height);
    fprintf(d->file, "<text class=\"o\" x=\"%.1f\" y=\"%.1f\">", v->x + v->width / 2, v->y + 15);
    escaped(d->file, d->view->values[value].name + (strlen(d->view->values[value].name) > 30
                                                        ? strlen(d->view->values[value].name) - 30 : 0));
    fprintf(d->file, "</text>\n<text class=\"m\" x=\"%.1f\" y=\"%.1f\">", v->x + v->width / 2, v->y + 29);
    escaped(d->file, text);
    fprintf(d->file, "</text>\n");
}

static void draw_node(drawing *d, const cli_vertex *v, int number)
{
    const pith_view_node *node = &d->view->nodes[number];
    const box *b = &d->boxes[number];
    fprintf(d->file,
            "<rect class=\"n\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"5\" fill=\"%s\"><title>",
            v->x, v->y, v->width, v->height, b->colour);
    escaped(d->file, node->op);
    fputc(' ', d->file);
    escaped(d->file, node->name);
    fputc(' ', d->file);
    escaped(d->file, node->attrs);
    fprintf(d->file, "</title></rect>\n");
    for (int i = 0; i < b->n_lines; i++) {
        fprintf(d->file, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", i ? "m" : "o", v->x + v->width / 2,
                v->y + 15 + i * LINE_HEIGHT);
        escaped(d->file, b->lines[i]);
        fprintf(d->file, "</text>\n");
    }
    for (int i = 0; i < node->n_bodies; i++) {
        const cli_diagram *body = &d->diagrams[node->bodies[i]];
        double x = v->x + d->body_x[node->bodies[i]], y = v->y + b->text_height + BODY_GAP / 2;
        fprintf(d->file, "<rect class=\"b\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"4\"/>\n", x - 6,
                y - 6, body->width + 12, body->height + 12);
        draw_graph(d, node->bodies[i], x, y);
    }
}

static void draw_graph(drawing *d, int number, double x, double y)
{
    const pith_view_graph *graph = &d->view->graphs[number];
    const cli_vertex *vertices = d->diagrams[number].vertices;
    fprintf(d->file, "<g transform=\"translate(%.1f %.1f)\">\n", x, y);
    draw_edges(d, number);
    for (int i = 0; i < graph->n_inputs; i++) {
        draw_terminal(d, &vertices[i], graph->inputs[i]);
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        draw_node(d, &vertices[graph->n_inputs + i], graph->first_node + i);
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        draw_terminal(d, &vertices[graph->n_inputs + graph->n_nodes + i], graph->outputs[i]);
    }
    fprintf(d->file, "</g>\n");
}

static void write_svg(drawing *d)
{
    const cli_diagram *main = &d->diagrams[0];
    fprintf(d->file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
            "font-family=\"sans-serif\">\n"
            "<style>text{font-size:11px;text-anchor:middle}.o{font-weight:bold;font-size:12px}.m{fill:#444}"
            ".t{fill:#777;font-size:10px;text-anchor:start}.e{fill:none;stroke:#888}.n{stroke:#666}"
            ".i{fill:#f4f4f4;stroke:#444}.b{fill:#ffffff;stroke:#b06070;stroke-dasharray:4 3}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            main->width + 80, main->height + 40, main->width + 80, main->height + 40);
    draw_graph(d, 0, 20, 20);
    fprintf(d->file, "</svg>\n");
}

/* ---- DOT ---------------------------------------------------------------------------------- */

static void dot_edge(const drawing *d, int value, const char *to, int number)
{
    const pith_view_value *v = &d->view->values[value];
    char text[LINE_BYTES];
    if (v->is_constant) {
        return;
    }
    type_text(v, text, sizeof text);
    bool is_made = v->producer >= 0;
    fprintf(d->file, "  %s%d -> %s%d [label=\"", is_made ? "n" : "v", is_made ? v->producer : value, to, number);
    escaped(d->file, text);
    fprintf(d->file, "\"];\n");
}

static void dot_graph(const drawing *d, int number)
{
    const pith_view_graph *graph = &d->view->graphs[number];
    for (int i = 0; i < graph->n_inputs; i++) {
        fprintf(d->file, "  v%d [shape=oval,label=\"", graph->inputs[i]);
        escaped(d->file, d->view->values[graph->inputs[i]].name);
        fprintf(d->file, "\"];\n");
    }
    for (int i = graph->first_node; i < graph->first_node + graph->n_nodes; i++) {
        const pith_view_node *node = &d->view->nodes[i];
        box b;
        fill_box(d, node, &b);
        fprintf(d->file, "  n%d [fillcolor=\"%s\",label=\"", i, b.colour);
        for (int k = 0; k < b.n_lines; k++) {
            escaped(d->file, b.lines[k]);
            fprintf(d->file, k + 1 < b.n_lines ? "\\n" : "");
        }
        fprintf(d->file, "\"];\n");
        for (int k = 0; k < node->n_bodies; k++) {
            fprintf(d->file, "  subgraph cluster_%d {\n  style=dashed;\n", node->bodies[k]);
            dot_graph(d, node->bodies[k]);
            fprintf(d->file, "  }\n");
        }
        for (int k = 0; k < node->n_inputs; k++) {
            if (node->inputs[k] >= 0) {
                dot_edge(d, node->inputs[k], "n", i);
            }
        }
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        fprintf(d->file, "  o%d_%d [shape=oval,label=\"", number, i);
        escaped(d->file, d->view->values[graph->outputs[i]].name);
        fprintf(d->file, "\"];\n");
        char to[32];
        snprintf(to, sizeof to, "o%d_", number);
        dot_edge(d, graph->outputs[i], to, i);
    }
}

static void write_dot(const drawing *d)
{
    fprintf(d->file, "digraph g {\n  node [shape=box,style=filled,fontname=\"sans-serif\",fontsize=10];\n"
                     "  edge [fontname=\"sans-serif\",fontsize=8];\n");
    dot_graph(d, 0);
    fprintf(d->file, "}\n");
}

/* ---- entry -------------------------------------------------------------------------------- */

static pith_status draw_svg(drawing *d)
{
    const pith_view *view = d->view;
    CLI_TRY(cli_alloc((size_t)view->n_graphs, sizeof(cli_diagram), (void **)&d->diagrams));
    CLI_TRY(cli_alloc((size_t)view->n_nodes + 1, sizeof(box), (void **)&d->boxes));
    CLI_TRY(cli_alloc((size_t)view->n_graphs, sizeof(double), (void **)&d->body_x));
    CLI_TRY(cli_alloc((size_t)view->n_values + 1, sizeof(bool), (void **)&d->is_labelled));
    CLI_TRY(cli_alloc((size_t)view->n_nodes + 1, sizeof(int), (void **)&d->vertex_of));
    CLI_TRY(lay_out_graph(d, 0));
    write_svg(d);
    return PITH_OK;
}

pith_status cli_info_draw(const cli_net *net, const pith_shape *shapes, int n_threads, const char *svg_path)
{
    const pith_view *view = NULL;
    pith_status status = pith_model_view(net->model, shapes, n_threads, &view);
    if (status != PITH_OK) {
        return cli_net_fail(net, status);
    }
    drawing d = { .view = view, .file = svg_path ? fopen(svg_path, "w") : stdout };
    CLI_CHECK(d.file, PITH_STATUS_IO, "can't write '%s': %s", svg_path, strerror(errno));
    if (svg_path) {
        status = draw_svg(&d);
        bool is_written = fclose(d.file) == 0;
        if (status == PITH_OK && !is_written) {
            status = cli_fail(PITH_STATUS_IO, "can't write '%s': %s", svg_path, strerror(errno));
        }
    } else {
        write_dot(&d);
    }
    for (int i = 0; d.diagrams && i < view->n_graphs; i++) {
        cli_diagram_free(&d.diagrams[i]);
    }
    cli_free(d.diagrams);
    cli_free(d.boxes);
    cli_free(d.body_x);
    cli_free(d.is_labelled);
    cli_free(d.vertex_of);
    return status;
}
