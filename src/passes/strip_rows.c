/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions one behind the other, on images that outgrow the caches, run on strips of rows: all of them on the first
 * strip, then on the next one. What passes between them is then as small as a strip. Rows that two strips see are
 * computed twice, except for those of the first input and the last result, where strips lie within the whole. */
#include <math.h>

#include "ops/shared_conv.h"
#include "passes/rewrite.h"

#define MIN_BYTES ((int64_t)8 << 20)   /* of what passes between; it and what is made of it don't stay in L3 */
#define STRIP_BYTES ((int64_t)6 << 20) /* of the same in a strip, about */
#define TILE_ROWS 12
#define TOO_LONG 0.08                  /* of the time, as much more as a strip is longer than wanted */
#define MAX_EXTRA 0.125                /* of the multiply-adds may be done twice */
#define MAX_LINKS 32
#define FINENESS 256 /* lengths are tried in steps of the wanted one divided by this: few on images of any height */

enum { X, W, BIAS, RESIDUAL };

typedef struct link {
    pith_node *node;
    pithi_conv_geometry g;
} link;

typedef struct chain {
    link links[MAX_LINKS];
    int n_links;
} chain;

typedef struct row_span {
    int64_t begin, end;
} row_span;

static int64_t extent_of(const pithi_conv_geometry *g, int axis)
{
    return (g->kernel[axis] - 1) * g->dilation[axis] + 1;
}

/* Padding behind rows (axis 1) or columns (2). */
static int64_t end_padding(const pithi_conv_geometry *g, int axis)
{
    const int64_t end = (g->out[axis] - 1) * g->stride[axis] - g->pad[axis] + extent_of(g, axis);
    return pithi_max_s64(end - g->in[axis], 0);
}

/* Attributes can say the padding; auto_pad may ask for more. */
static bool can_say_padding(const pithi_conv_geometry *g)
{
    bool fits = true;
    for (int axis = 1; axis <= 2; axis++) {
        fits &= g->pad[axis] <= PITHI_CONV_MAX_FACTOR && end_padding(g, axis) <= PITHI_CONV_MAX_FACTOR;
    }
    return fits;
}

/* A channels-last convolution of one float32 image, or one that makes such an image of planes. */
static bool is_link(const pith_node *node, link *link_out)
{
    const pithi_conv_attrs *attrs = pithi_is(node, "conv") ? node->attrs : NULL;
    const pith_value *y = attrs ? pithi_node_result(node) : NULL, *x = attrs ? node->inputs[X] : NULL;
    const pith_value *slope = attrs ? pithi_node_input(node, PITHI_CONV_SLOPE) : NULL;
    if (!y || !attrs->channels_last || !pithi_value_has_dims(x) || !pithi_value_has_dims(y) ||
        !pithi_constant_input(node, W) || x->dtype != PITH_DTYPE_F32 || x->shape.rank != 4 ||
        (slope && !slope->constant)) {
        return false;
    }
    link_out->node = (pith_node *)(uintptr_t)node;
    return pithi_conv_geometry_of(NULL, attrs, &x->shape, &node->inputs[W]->shape, false, &link_out->g) == PITH_OK &&
           link_out->g.batch == 1 && can_say_padding(&link_out->g);
}

static int64_t bytes_of(const pith_value *value)
{
    return pith_shape_elements(&value->shape) * (int64_t)sizeof(float);
}

/* The convolution that alone reads the result of `node`, if that is large. */
static pith_node *next_link(const pith_graph *graph, const pith_node *node)
{
    const pith_value *y = node->outputs[0];
    pith_node *next = bytes_of(y) >= MIN_BYTES ? pithi_sole_reader(graph, node) : NULL;
    return next && pithi_is(next, "conv") && next->inputs[X] == y &&
                   !((const pithi_conv_attrs *)next->attrs)->reads_planes ? next : NULL;
}

static void find_chain(const pith_graph *graph, pith_node *first, chain *c)
{
    c->n_links = 0;
    for (pith_node *node = first; node && c->n_links < MAX_LINKS && is_link(node, &c->links[c->n_links]);) {
        node = next_link(graph, c->links[c->n_links++].node);
    }
}

/* Input rows that output rows see; those outside of the image are padding. */
static row_span seen_rows(const pithi_conv_geometry *g, row_span out)
{
    const int64_t first = out.begin * g->stride[1] - g->pad[1], end = (out.end - 1) * g->stride[1] - g->pad[1];
    return (row_span){ pithi_max_s64(first, 0), pithi_min_s64(end + extent_of(g, 1), g->in[1]) };
}

/* Multiply-adds of a link for so many rows. Winograd's tiles are whole: two rows of those of 6, three of those of 4. */
static double cost_of(const pithi_conv_geometry *g, int64_t n_rows)
{
    const bool has_tiles = pithi_conv_is_3x3(g) && g->in_channels >= 8 && g->out_channels >= 8;
    n_rows = has_tiles ? pithi_div_up(n_rows, TILE_ROWS) * TILE_ROWS : n_rows;
    return (double)(n_rows * g->out[2] * g->out_channels) * (double)(g->in_channels / g->group) *
           (double)(g->kernel[1] * g->kernel[2]);
}

/* The same of the whole chain in strips of `length` rows of the last result; infinity where a strip would see padding
 * alone. */
static double cost_in_strips(const chain *c, int64_t length)
{
    const int64_t n_rows = c->links[c->n_links - 1].g.out[1];
    double sum = 0.0;
    for (int64_t begin = 0; begin < n_rows; begin += length) {
        row_span rows = { begin, pithi_min_s64(begin + length, n_rows) };
        for (int i = c->n_links - 1; i >= 0; i--) {
            sum += cost_of(&c->links[i].g, rows.end - rows.begin);
            rows = seen_rows(&c->links[i].g, rows);
            if (rows.begin >= rows.end) {
                return INFINITY;
            }
        }
    }
    return sum;
}

/* Rows of the last result in a strip: of lengths about the one that is wanted that with the least work; all rows where
 * strips aren't worth it. */
static int64_t strip_rows(const chain *c)
{
    const int64_t n_rows = c->links[c->n_links - 1].g.out[1];
    const double whole = cost_in_strips(c, n_rows);
    double least = INFINITY;
    int64_t most = 0, best = n_rows;
    for (int i = 0; i + 1 < c->n_links; i++) {
        most = pithi_max_s64(most, bytes_of(c->links[i].node->outputs[0]));
    }
    const int64_t wanted = pithi_div_up(n_rows, pithi_div_up(most, STRIP_BYTES));
    const int64_t step = pithi_max_s64(wanted / FINENESS, 1);
    for (int64_t length = pithi_max_s64(wanted * 3 / 4, 1); length <= wanted * 3 / 2 && length < n_rows;
         length += step) {
        const double cost = cost_in_strips(c, length), bound = (1.0 + MAX_EXTRA) * whole;
        const double weighed = cost * (1.0 + TOO_LONG * (double)length / (double)wanted);
        best = cost <= bound && weighed < least ? length : best;
        least = cost <= bound && weighed < least ? weighed : least;
    }
    return best;
}

/* ---- building ----------------------------------------------------------------------------- */

/* Rows lie along `axis`. */
static pith_status slice_rows(pith_graph *graph, pith_node *before, pith_value *value, int64_t axis, row_span rows,
                              pith_value **piece_out)
{
    pith_value *operands[4] = { value };
    pith_node *node = NULL;
    *piece_out = value;
    if (rows.begin == 0 && rows.end == value->shape.dims[axis]) {
        return PITH_OK;
    }
    PITH_TRY(pithi_graph_add_s64s(graph, &rows.begin, 1, &operands[1]));
    PITH_TRY(pithi_graph_add_s64s(graph, &rows.end, 1, &operands[2]));
    PITH_TRY(pithi_graph_add_s64s(graph, &axis, 1, &operands[3]));
    PITH_TRY(pithi_insert(graph, before, "slice", operands, PITH_COUNT(operands), &node));
    *piece_out = node->outputs[0];
    (*piece_out)->has_shape = true;
    (*piece_out)->shape = value->shape;
    (*piece_out)->shape.dims[axis] = rows.end - rows.begin;
    return PITH_OK;
}

/* The convolution of a link for output rows `out`; x begins at input row `in.begin`. */
static pith_status add_conv(pith_graph *graph, pith_node *before, const link *from, row_span out, pith_value **x)
{
    const pithi_conv_geometry *g = &from->g;
    const row_span in = seen_rows(g, out);
    const int64_t first = out.begin * g->stride[1] - g->pad[1], end = (out.end - 1) * g->stride[1] - g->pad[1];
    const int64_t pads[4] = { in.begin - first, g->pad[2], end + extent_of(g, 1) - in.end, end_padding(g, 2) };
    pith_value *operands[PITHI_CONV_SLOPE + 1] = { NULL };
    pith_node *node = NULL;
    void *block = NULL;
    for (int i = 0; i < from->node->n_inputs; i++) {
        operands[i] = from->node->inputs[i];
    }
    operands[X] = *x;
    if (operands[RESIDUAL]) {
        PITH_TRY(slice_rows(graph, before, operands[RESIDUAL], 1, out, &operands[RESIDUAL]));
    }
    PITH_TRY(pithi_insert(graph, before, "conv", operands, from->node->n_inputs, &node));
    PITH_TRY(pithi_arena_array(&graph->arena, 4, sizeof(int64_t), &block));
    memcpy(block, pads, sizeof pads);
    pithi_conv_attrs *attrs = node->attrs;
    *attrs = *(const pithi_conv_attrs *)from->node->attrs;
    attrs->auto_pad = PITHI_AUTO_PAD_NOTSET;
    attrs->pads = (pith_ints){ block, 4 };
    *x = node->outputs[0];
    (*x)->has_shape = true;
    (*x)->shape = from->node->outputs[0]->shape;
    (*x)->shape.dims[1] = out.end - out.begin;
    return PITH_OK;
}

static pith_status add_strip(pith_graph *graph, const chain *c, row_span out, pith_value **result_out)
{
    pith_node *last = c->links[c->n_links - 1].node;
    row_span rows[MAX_LINKS + 1];
    rows[c->n_links] = out;
    for (int i = c->n_links - 1; i >= 0; i--) {
        rows[i] = seen_rows(&c->links[i].g, rows[i + 1]);
    }
    const link *first = &c->links[0];
    PITH_TRY(slice_rows(graph, last, first->node->inputs[X], first->g.reads_planes ? 2 : 1, rows[0], result_out));
    for (int i = 0; i < c->n_links; i++) {
        PITH_TRY(add_conv(graph, last, &c->links[i], rows[i + 1], result_out));
    }
    return PITH_OK;
}

static pith_status cut(pith_graph *graph, const chain *c, int64_t length)
{
    pith_node *last = c->links[c->n_links - 1].node;
    const int64_t n_rows = last->outputs[0]->shape.dims[1], n_strips = pithi_div_up(n_rows, length);
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)n_strips, sizeof(pith_value *), &block));
    pith_value **pieces = block;
    for (int64_t i = 0; i < n_strips; i++) {
        const row_span rows = { i * length, pithi_min_s64((i + 1) * length, n_rows) };
        PITH_TRY(add_strip(graph, c, rows, &pieces[i]));
    }
    PITH_TRY(pithi_become(graph, last, "concat", pieces, (int)n_strips));
    PITH_TRY(pithi_attr_set_int(graph->ctx, last, "axis", 1));
    for (int i = c->n_links - 2; i >= 0; i--) {
        pithi_graph_remove_node(graph, c->links[i].node);
    }
    return PITH_OK;
}

/* Shortens the chain to the first links that are worth strips: rows of the last one's result in a strip, or 0. */
static int64_t shorten(chain *c)
{
    const int n_links = c->n_links;
    int64_t length = 0;
    for (c->n_links = 2; c->n_links <= n_links; c->n_links++) {
        const int64_t longer = strip_rows(c);
        if (longer == c->links[c->n_links - 1].g.out[1]) {
            break;
        }
        length = longer;
    }
    c->n_links--;
    return length;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    chain c;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        find_chain(graph, node, &c);
        const int64_t length = shorten(&c);
        if (length > 0) {
            node = c.links[c.n_links - 1].node; /* uses of values in front are counted below */
            PITH_TRY(cut(graph, &c, length));
            ++*n_changes;
        }
    }
    pithi_graph_count_uses(graph);
    return PITH_OK;
}

const pith_pass pithi_pass_strip_rows = {
    .name = "strip_rows",
    .stages = PITH_STAGE_SHAPE,
    .help = "runs convolutions on images that outgrow the caches in strips of rows",
    .run = run,
};
