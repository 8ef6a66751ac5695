/* SPDX-License-Identifier: Apache-2.0 */
/* Second moments of the inputs of products, over rows of matrices and windows of convolutions: a sample of them, evenly
 * spread. */
#include "quant/moments.h"

#include <math.h>

#define MOST_BYTES ((size_t)96 << 20) /* of one product's h */
#define N_ROWS 4096                   /* that are looked at, about */
#define N_TOGETHER 8

bool pithi_moments_of(pith_node *node, pithi_moments *moments_out)
{
    pithi_moments m = { .node = node, .window = 1 };
    if (!pithi_quant_weights_of(node, &m.weights)) {
        return false;
    }
    const pith_shape *shape = &m.weights.tensor->shape;
    for (int i = 2; i < shape->rank; i++) {
        m.window *= shape->dims[i];
    }
    m.groups = m.weights.groups;
    m.n_rows = m.weights.n_out / m.groups;
    m.k = shape->dims[m.weights.in_axis] * m.window;
    *moments_out = m;
    return m.k > 0 && m.n_rows > 0;
}

int64_t pithi_moments_place(const pithi_moments *m, int64_t output, int64_t k)
{
    if (m->window > 1) {
        const int64_t channels = m->k / m->window, c = k % channels;
        const int64_t row = m->weights.out_axis == 0 ? output * channels + c : c * m->weights.n_out + output;
        return row * m->window + k / channels;
    }
    return m->weights.out_axis == 0 ? output * m->k + k : k * m->weights.n_out + output;
}

/* ---- windows ------------------------------------------------------------------------------- */

typedef struct window {
    int64_t x[2], y[2], kernel[2], strides[2], dilations[2], pads[2]; /* height, width */
    int64_t n_images, channels, per_group;
} window;

static int64_t item_or(pith_ints list, int index, int64_t otherwise)
{
    return list.n_items > index ? list.items[index] : otherwise;
}

/* The padding in front follows from the sizes, where the file leaves it to them. */
static window window_of(const pithi_moments *m, const pith_tensor *x, const pith_shape *y)
{
    const pith_node *node = m->node;
    const pith_shape *w = &m->weights.tensor->shape;
    const char *mode = pithi_attr_choice(node, "auto_pad");
    window win = { .n_images = x->shape.dims[0], .channels = x->shape.dims[1], .per_group = w->dims[1] };
    for (int i = 0; i < 2; i++) {
        win.x[i] = x->shape.dims[2 + i];
        win.y[i] = y->dims[2 + i];
        win.kernel[i] = w->dims[2 + i];
        win.strides[i] = item_or(pithi_attr_ints(node, "strides"), i, 1);
        win.dilations[i] = item_or(pithi_attr_ints(node, "dilations"), i, 1);
        win.pads[i] = item_or(pithi_attr_ints(node, "pads"), i, 0);
        const int64_t needed = (win.y[i] - 1) * win.strides[i] + (win.kernel[i] - 1) * win.dilations[i] + 1;
        const int64_t lacking = pithi_max_s64(needed - win.x[i], 0);
        if (pithi_same_text(mode, "SAME_UPPER") || pithi_same_text(mode, "SAME_LOWER")) {
            win.pads[i] = pithi_same_text(mode, "SAME_UPPER") ? lacking / 2 : lacking - lacking / 2;
        }
    }
    return win;
}

static void read_window(const window *win, const float *x, int64_t pixel, int64_t group, double *to)
{
    const int64_t column = pixel % win->y[1], row = pixel / win->y[1] % win->y[0],
                  image = pixel / win->y[1] / win->y[0];
    const float *from = x + (image * win->channels + group * win->per_group) * win->x[0] * win->x[1];
    for (int64_t tap = 0; tap < win->kernel[0] * win->kernel[1]; tap++) {
        const int64_t i = row * win->strides[0] - win->pads[0] + tap / win->kernel[1] * win->dilations[0];
        const int64_t j = column * win->strides[1] - win->pads[1] + tap % win->kernel[1] * win->dilations[1];
        const bool is_inside = i >= 0 && i < win->x[0] && j >= 0 && j < win->x[1];
        for (int64_t c = 0; c < win->per_group; c++) {
            *to++ = is_inside ? (double)from[(c * win->x[0] + i) * win->x[1] + j] : 0.0;
        }
    }
}

/* ---- sums ---------------------------------------------------------------------------------- */

/* h += sum of x x^T over N_TOGETHER rows, below the diagonal. */
static void add_rows(double *h, double *magnitudes, const double *x, int64_t k)
{
    for (int64_t i = 0; i < k; i++) {
        double *row = h + i * k;
        for (int r = 0; r < N_TOGETHER; r++) {
            magnitudes[i] += fabs(x[r * k + i]);
        }
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0.0;
            for (int r = 0; r < N_TOGETHER; r++) {
                sum += x[r * k + i] * x[r * k + j];
            }
            row[j] += sum;
        }
    }
}

static void add_tensor(pithi_moments *m, const pith_tensor *x, const pith_shape *y, int n_samples, double *rows)
{
    const bool is_conv = pithi_is(m->node, "conv");
    const window win = is_conv ? window_of(m, x, y) : (window){ 0 };
    const int64_t total = is_conv ? win.n_images * win.y[0] * win.y[1] : pith_shape_elements(&x->shape) / m->k;
    const int64_t step = pithi_max_s64(total * n_samples / N_ROWS, 1);
    for (int64_t g = 0; g < m->groups; g++) {
        int n = 0;
        for (int64_t row = 0; row < total || n > 0; row += step) {
            double *to = rows + n * m->k;
            if (row >= total) {
                memset(to, 0, (size_t)m->k * sizeof *to);
            } else if (is_conv) {
                read_window(&win, x->data, row, g, to);
            } else {
                for (int64_t i = 0; i < m->k; i++) {
                    to[i] = (double)((const float *)x->data)[row * m->k + i];
                }
            }
            n++;
            m->n_seen += g == 0 && row < total;
            if (n == N_TOGETHER) {
                add_rows(m->h + g * m->k * m->k, m->magnitudes + g * m->k, rows, m->k);
                n = 0;
            }
        }
    }
}

/* Means, and the other half. */
static void finish(pithi_moments *m)
{
    const double share = 1.0 / (double)pithi_max_s64(m->n_seen, 1);
    for (int64_t g = 0; g < m->groups; g++) {
        double *h = m->h + g * m->k * m->k;
        for (int64_t i = 0; i < m->k; i++) {
            m->magnitudes[g * m->k + i] *= share;
            for (int64_t j = 0; j <= i; j++) {
                h[i * m->k + j] *= share;
                h[j * m->k + i] = h[i * m->k + j];
            }
        }
    }
}

/* ---- running ------------------------------------------------------------------------------- */

/* A clone whose outputs are the products' inputs and results, in turns. */
static pith_status clone_for(pithi_quant *quant, const pithi_moments *moments, int n, pith_graph **clone_out)
{
    pith_graph *graph = quant->graph;
    const size_t n_outputs = graph->n_outputs;
    pith_status status = PITH_OK;
    for (int i = 0; i < n && status == PITH_OK; i++) {
        status = pithi_graph_add_output(graph, moments[i].node->inputs[0]);
        if (status == PITH_OK) {
            status = pithi_graph_add_output(graph, moments[i].node->outputs[0]);
        }
    }
    if (status == PITH_OK) {
        status = pithi_graph_clone(graph, clone_out);
    }
    graph->n_outputs = n_outputs;
    pithi_quant_number(graph);
    return status;
}

static pith_status allocate(pithi_moments *m, pithi_arena *arena)
{
    size_t square = 0, bytes = 0;
    void *h = NULL, *magnitudes = NULL;
    const bool fits = pithi_mul_size((size_t)m->k, (size_t)m->k, &square) &&
                      pithi_mul_size(square, (size_t)m->groups * sizeof(double), &bytes) && bytes <= MOST_BYTES;
    if (!fits || pithi_is(m->node, "conv_transpose")) { /* these are rounded to the nearest */
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(arena, square * (size_t)m->groups, sizeof(double), &h));
    PITH_TRY(pithi_arena_array(arena, (size_t)(m->groups * m->k), sizeof(double), &magnitudes));
    m->h = h;
    m->magnitudes = magnitudes;
    return PITH_OK;
}

static pith_status run_samples(pithi_quant *quant, pithi_quant_runner *runner, pithi_moments *moments, int n,
                               int *samples, double *rows)
{
    const int n_samples = pithi_quant_free_samples(quant, quant->samples->n_samples, samples);
    for (int s = 0; s < n_samples; s++) {
        PITH_TRY(pithi_quant_run(quant, runner, samples[s]));
        for (int i = 0; i < n; i++) {
            const pith_tensor *x = pith_session_output(runner->session, quant->n_outputs + 2 * i);
            const pith_tensor *y = pith_session_output(runner->session, quant->n_outputs + 2 * i + 1);
            if (moments[i].h) {
                add_tensor(&moments[i], x, &y->shape, n_samples, rows);
            }
        }
        pithi_quant_tell(quant, "second moments", s + 1, n_samples);
    }
    return PITH_OK;
}

pith_status pithi_moments_collect(pithi_quant *quant, pithi_moments *moments, int n, pithi_arena *arena)
{
    pith_graph *clone = NULL;
    pithi_quant_runner runner = { 0 };
    void *rows = NULL, *samples = NULL;
    int64_t widest = 0;
    pith_status status = PITH_OK;
    for (int i = 0; i < n; i++) {
        PITH_TRY(allocate(&moments[i], arena));
        widest = pithi_max_s64(widest, moments[i].k);
    }
    PITH_TRY(pithi_arena_array(arena, (size_t)(widest * N_TOGETHER), sizeof(double), &rows));
    PITH_TRY(pithi_arena_array(arena, (size_t)quant->samples->n_samples, sizeof(int), &samples));
    PITH_TRY(clone_for(quant, moments, n, &clone));
    PITH_TRY(pithi_quant_start(quant, clone, &runner));
    PITH_TRY_GOTO(run_samples(quant, &runner, moments, n, samples, rows), done);
    for (int i = 0; i < n; i++) {
        if (moments[i].h) {
            finish(&moments[i]);
        }
    }
done:
    pithi_quant_stop(quant, &runner);
    return status;
}
