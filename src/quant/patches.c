/* SPDX-License-Identifier: Apache-2.0 */
/* What products see: rows of their inputs (patches of convolutions) at places spread over the samples, from the network
 * as it is quantised now. */
#include "ops/shared_conv.h"
#include "quant/quant.h"

#define MAX_ROWS 4096
#define MAX_FLOATS ((int64_t)2 << 20) /* of one layer */
#define MOST_SAMPLES 48

pith_status pithi_quant_patches_open(pithi_quant *quant, pith_node *node, pithi_patches *patches_out)
{
    pithi_quant_weights weights;
    void *block = NULL;
    pithi_quant_weights_of(node, &weights);
    pithi_patches p = { .node = node, .n_groups = weights.groups };
    p.k = pith_shape_elements(&weights.tensor->shape) / weights.n_out;
    p.capacity = pithi_min_s64(pithi_max_s64(MAX_FLOATS / (p.k * p.n_groups), 16), MAX_ROWS);
    PITH_TRY(pithi_alloc_array(quant->ctx, (size_t)(p.capacity * p.k * p.n_groups), sizeof(float), &block));
    p.x = block;
    *patches_out = p;
    return PITH_OK;
}

void pithi_quant_patches_close(pithi_quant *quant, pithi_patches *patches)
{
    pithi_free(quant->ctx, patches->x);
    patches->x = NULL;
}

/* ---- one row ------------------------------------------------------------------------------- */

/* In the order of the weights: input channel of the group, then the window. Padding is zero, as are taps of a
 * transposed convolution that fall between two pixels. */
static void take_patch(const pithi_conv_geometry *g, const float *image, int64_t group, int64_t place, float *row)
{
    const int64_t n_channels = g->in_channels / g->group;
    int64_t origin[3], in_size = g->in[0] * g->in[1] * g->in[2];
    for (int d = 2; d >= 0; d--) {
        const int64_t output = place % g->out[d];
        origin[d] = g->is_transposed ? output + g->pad[d] : output * g->stride[d] - g->pad[d];
        place /= g->out[d];
    }
    for (int64_t c = 0; c < n_channels; c++) {
        const float *plane = image + (group * n_channels + c) * in_size;
        for (int64_t tap = 0; tap < g->kernel[0] * g->kernel[1] * g->kernel[2]; tap++) {
            const int64_t at[3] = { tap / (g->kernel[1] * g->kernel[2]), tap / g->kernel[2] % g->kernel[1],
                                    tap % g->kernel[2] };
            int64_t index = 0;
            bool inside = true;
            for (int d = 0; d < 3; d++) {
                const int64_t tapped = at[d] * g->dilation[d], step = g->is_transposed ? g->stride[d] : 1;
                const int64_t far = origin[d] + (g->is_transposed ? -tapped : tapped), i = far / step;
                inside = inside && far >= 0 && far % step == 0 && i < g->in[d];
                index = index * g->in[d] + i;
            }
            *row++ = inside ? plane[index] : 0.0f;
        }
    }
}

/* A generator of places: the high bits of a linear congruence (Knuth's constants). */
static int64_t next_place(uint64_t *state, int64_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((*state >> 33) % (uint64_t)n);
}

static pith_status take_convolution(pithi_quant *quant, pithi_patches *p, const pith_tensor *x, int64_t n_wanted)
{
    pithi_conv_geometry g;
    const pithi_conv_attrs *attrs = p->node->attrs;
    PITH_TRY(pithi_conv_geometry_of(quant->ctx, attrs, &x->shape, &p->node->inputs[1]->constant->shape,
                                    pithi_is(p->node, "conv_transpose"), &g));
    const int64_t n_places = g.out[0] * g.out[1] * g.out[2], image_size = pith_shape_elements(&x->shape) / g.batch;
    for (int64_t r = 0; n_places > 0 && r < n_wanted && p->n_rows < p->capacity; r++, p->n_rows++) {
        int64_t place = next_place(&p->state, g.batch * n_places);
        const float *image = (const float *)x->data + place / n_places * image_size;
        for (int64_t group = 0; group < p->n_groups; group++) {
            take_patch(&g, image, group, place % n_places, p->x + (group * p->capacity + p->n_rows) * p->k);
        }
    }
    return PITH_OK;
}

static void take_rows(pithi_patches *p, const pith_tensor *x, int64_t n_wanted)
{
    const int64_t n_places = pith_shape_elements(&x->shape) / p->k;
    for (int64_t r = 0; n_places > 0 && r < n_wanted && p->n_rows < p->capacity; r++, p->n_rows++) {
        int64_t place = n_places <= n_wanted ? r : next_place(&p->state, n_places);
        if (place >= n_places) {
            return;
        }
        memcpy(p->x + p->n_rows * p->k, (const float *)x->data + place * p->k, (size_t)p->k * sizeof(float));
    }
}

/* ---- all of some layers -------------------------------------------------------------------- */

static pith_node *node_at(pith_graph *graph, int index)
{
    pith_node *node = graph->first;
    while (node && index-- > 0) {
        node = node->next;
    }
    return node;
}

/* A clone, quantised or not, with the layers' inputs as further outputs. */
static pith_status clone_with_inputs(pithi_quant *quant, const pithi_patches *layers, int n_layers, bool quantised,
                                     pith_graph **out)
{
    pith_graph *clone = NULL;
    pith_node *nodes[PITHI_PATCHES_AT_ONCE];
    PITH_TRY(pithi_graph_clone(quant->graph, &clone));
    pithi_quant_number(quant->graph);
    for (int i = 0; i < n_layers; i++) {
        nodes[i] = node_at(clone, layers[i].node->index);
    }
    pith_status status = quantised ? pithi_quant_insert(quant, clone) : PITH_OK;
    for (int i = 0; i < n_layers && status == PITH_OK; i++) {
        status = pithi_graph_add_output(clone, nodes[i]->inputs[0]);
    }
    if (status != PITH_OK) {
        pithi_graph_destroy(clone);
        return status;
    }
    *out = clone;
    return PITH_OK;
}

static bool is_held(const pithi_quant *quant, int sample)
{
    for (int k = 0; k < quant->n_held && quant->n_held < quant->samples->n_samples; k++) {
        if (pithi_quant_held_sample(quant, k) == sample) {
            return true;
        }
    }
    return false;
}

int pithi_quant_free_samples(const pithi_quant *quant, int most, int *samples_out)
{
    const int n_all = quant->samples->n_samples, n_free = n_all > quant->n_held ? n_all - quant->n_held : n_all;
    const int n_used = n_free < most ? n_free : most, step = n_free / n_used;
    int n = 0;
    for (int s = 0, n_seen = 0; s < n_all && n < n_used; s++) {
        if (!is_held(quant, s) && n_seen++ % step == 0) {
            samples_out[n++] = s;
        }
    }
    return n;
}

static pith_status take_sample(pithi_quant *quant, pithi_quant_runner *runner, pithi_patches *layers, int n_layers,
                               int n_samples)
{
    for (int i = 0; i < n_layers; i++) {
        const pith_tensor *x = pith_session_output(runner->session, quant->n_outputs + i);
        const int64_t n_wanted = pithi_div_up(layers[i].capacity, n_samples);
        if (pithi_is(layers[i].node, "conv") || pithi_is(layers[i].node, "conv_transpose")) {
            PITH_TRY(take_convolution(quant, &layers[i], x, n_wanted));
        } else {
            take_rows(&layers[i], x, n_wanted);
        }
    }
    return PITH_OK;
}

pith_status pithi_quant_patches_fill(pithi_quant *quant, pithi_patches *layers, int n_layers, bool quantised)
{
    int samples[MOST_SAMPLES];
    const int n_samples = pithi_quant_free_samples(quant, MOST_SAMPLES, samples);
    pith_graph *clone = NULL;
    pithi_quant_runner runner;
    pith_status status = PITH_OK;
    PITH_TRY(clone_with_inputs(quant, layers, n_layers, quantised, &clone));
    PITH_TRY(pithi_quant_start(quant, clone, &runner));
    for (int s = 0; s < n_samples; s++) {
        PITH_TRY_GOTO(pithi_quant_run(quant, &runner, samples[s]), done);
        PITH_TRY_GOTO(take_sample(quant, &runner, layers, n_layers, n_samples), done);
    }
done:
    pithi_quant_stop(quant, &runner);
    return status;
}
