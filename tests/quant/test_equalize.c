/* SPDX-License-Identifier: Apache-2.0 */
/* Edits that rescale channels leave the float function as it is: outputs before and after are equal to rounding, though
 * the weights are others. Equalised ranges are what the paper wants of them. */
#include <math.h>
#include <stdlib.h>

#include "quant/chains.h"
#include "support/graph_text.h"

enum { N_SAMPLES = 4, N_IN = 3 * 9 * 9 };

/* Layers with relu, leaky_relu, a clip and pools in between, depthwise and grouped ones, a value with two readers. */
static const char convolutions[] = "input x f32[1,3,9,9]\n"
                                   "const w1 f32[8,3,3,3]{-0.5:0.5}\nconst b1 f32[8]{-0.2:0.2}\n"
                                   "a = conv x w1 b1 | pads=[1,1,1,1]\n"
                                   "ar = relu a\n"
                                   "const w2 f32[8,1,3,3]{-0.5:0.5}\nconst b2 f32[8]{-0.2:0.2}\n"
                                   "d = conv ar w2 b2 | group=8\n"
                                   "dr = leaky_relu d | alpha=0.1\n"
                                   "const w3 f32[12,4,1,1]{-0.6:0.6}\nconst b3 f32[12]{-0.4:0.4}\n"
                                   "e = conv dr w3 b3 | group=2\n"
                                   "er = clip e | min=0 max=0.5\n"
                                   "ep = max_pool er | kernel_shape=[2,2]\n"
                                   "const w4 f32[8,12,1,1]{-0.5:0.5}\n"
                                   "f = conv ep w4\n"
                                   "fr = relu f\n"
                                   "const w5 f32[6,8,3,3]{-0.5:0.5}\nconst b5 f32[6]{-0.2:0.2}\n"
                                   "g = conv fr w5 b5\n"
                                   "const w6 f32[6,8,1,1]{-0.5:0.5}\n"
                                   "h = conv fr w6\n"
                                   "p = global_average_pool g\nq = flatten p\n"
                                   "const w7 f32[6,5]{-0.6:0.6}\nconst b7 f32[5]{-0.3:0.3}\n"
                                   "y = gemm q w7 b7\n"
                                   "output y\noutput h\n";

/* Channels below a clip, of one part in the values that come in. */
static const char clipped[] = "input x f32[1,3,9,9]\n"
                              "const w1 f32[16,3,1,1]{-2:2}\n"
                              "a = conv x w1\n"
                              "ar = clip a | min=0 max=6\n"
                              "const w2 f32[16,1,3,3]{-0.5:0.5}\n"
                              "b = conv ar w2 | group=16\n"
                              "br = clip b | min=0 max=6\n"
                              "const w3 f32[4,16,1,1]{-0.5:0.5}\n"
                              "y = conv br w3\n"
                              "z = relu y\n"
                              "output y\noutput z\n";

/* Products of matrices behind normalisations, which take the factors. */
static const char products[] = "input x f32[1,3,9,9]\n"
                               "const shape s64[2]{27,9}\n"
                               "r = reshape x shape\n"
                               "const s1 f32[9]{0.1:2}\nconst c1 f32[9]{-0.5:0.5}\n"
                               "n = layer_normalization r s1 c1\n"
                               "const w1 f32[9,16]{-0.5:0.5}\nconst b1 f32[16]{-0.2:0.2}\n"
                               "a = matmul n w1\nab = add a b1\n"
                               "ar = relu ab\n"
                               "const w2 f32[16,9]{-0.5:0.5}\n"
                               "b = matmul ar w2\n"
                               "s2 = add b r\n"
                               "const s3 f32[9]{0.1:2}\n"
                               "m = rms_normalization s2 s3\n"
                               "const w3 f32[9,7]{-0.5:0.5}\nconst w4 f32[9,4]{-0.5:0.5}\n"
                               "y = matmul m w3\nz = matmul m w4\n"
                               "output y\noutput z\n";

typedef struct samples {
    float x[N_SAMPLES][N_IN];
} samples;

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    samples *s = user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 9, 9 } }, s->x[index] };
    return PITH_OK;
}

/* Channels of other widths, as trained networks have them: 0.1, 1 or 10 by output channel. */
static void unbalance(pith_graph *graph)
{
    static const float factors[] = { 0.1f, 1.0f, 10.0f, 0.5f };
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_tensor *w = graph->values[i]->constant;
        if (w && w->dtype == PITH_DTYPE_F32 && w->shape.rank == 4) {
            int64_t n = pith_shape_elements(&w->shape), per_channel = n / w->shape.dims[0];
            for (int64_t k = 0; k < n; k++) {
                ((float *)w->data)[k] *= factors[k / per_channel % PITH_COUNT(factors)];
            }
        }
    }
}

static void run_all(pith_test *test, pith_graph *graph, samples *s, pith_tensor outputs[N_SAMPLES][2])
{
    for (int i = 0; i < N_SAMPLES; i++) {
        pith_tensor input;
        read_sample(s, i, &input);
        pith_test_interpret(test, graph, &input, outputs[i]);
    }
    pithi_quant_number(graph);
}

static void scale(samples *s, float factor)
{
    for (int i = 0; i < N_SAMPLES * N_IN; i++) {
        s->x[i / N_IN][i % N_IN] *= factor;
    }
}

/* Equation 11 of the paper: the channel's weights are as wide where it leaves as where it enters. */
static void check_ranges(pith_test *test, pithi_quant *quant)
{
    pithi_chains chains;
    double left[16], right[16];
    TEST_OK(test, pithi_quant_chains(quant, &chains));
    for (int i = 0; i < chains.n; i++) {
        const pithi_chain *chain = &chains.items[i];
        memset(left, 0, sizeof left);
        memset(right, 0, sizeof right);
        pithi_chain_ranges(&chain->producers[0], left);
        for (int k = 0; k < chain->n_consumers; k++) {
            pithi_chain_ranges(&chain->consumers[k], right);
        }
        for (int64_t c = 0; c < chain->n_channels && chain->has_weights && chain->high == 0.0; c++) {
            TEST_CHECK_MESSAGE(test, fabs(log(left[c] / right[c])) < 0.02, "channel %lld of chain %d: %g and %g",
                               (long long)c, i, left[c], right[c]);
        }
    }
}

/* Judged by the samples times `width`. */
static void check_wider(pith_test *test, const char *text, int n_least, pithi_quant_edit edit, double strength,
                        float width)
{
    static const pith_quantize_options options = { .n_threads = 1 };
    pith_tensor before[N_SAMPLES][2] = { 0 }, after[N_SAMPLES][2] = { 0 };
    samples *s = calloc(1, sizeof *s);
    pith_graph *graph = pith_test_graph(test, text);
    const pith_samples source = { read_sample, s, N_SAMPLES };
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &source, .graph = graph,
                          .arena = { .ctx = test->ctx } };
    int n_edited = 0;
    for (int i = 0; s && i < N_SAMPLES * N_IN; i++) {
        s->x[i / N_IN][i % N_IN] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    if (s && graph) {
        unbalance(graph);
        TEST_OK(test, pithi_graph_infer(graph));
        pithi_graph_count_uses(graph);
        scale(s, width);
        run_all(test, graph, s, before);
        scale(s, 1.0f / width);
        TEST_OK(test, edit(&quant, strength, &n_edited));
        scale(s, width);
        run_all(test, graph, s, after);
        TEST_CHECK_MESSAGE(test, n_edited >= n_least, "%d chains, not %d", n_edited, n_least);
        if (edit == pithi_quant_equalize) {
            check_ranges(test, &quant);
        }
    }
    for (int i = 0; i < 2 * N_SAMPLES; i++) {
        double difference = pith_test_difference(&after[i / 2][i % 2], &before[i / 2][i % 2]);
        TEST_CHECK_MESSAGE(test, difference < 1e-5, "sample %d, output %d: off by %g", i / 2, i % 2, difference);
        free(before[i / 2][i % 2].data);
        free(after[i / 2][i % 2].data);
    }
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(graph);
    free(s);
}

static void check(pith_test *test, const char *text, int n_least, pithi_quant_edit edit, double strength)
{
    check_wider(test, text, n_least, edit, strength, 1.0f);
}

static void get_weights(const pith_graph *graph, const char *name, float *to, int64_t n)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_value *value = graph->values[i];
        for (const pith_node *node = graph->first; node && value->constant; node = node->next) {
            if (strcmp(node->outputs[0]->name, name) == 0 && node->inputs[1] == value) {
                memcpy(to, value->constant->data, (size_t)n * sizeof(float));
            }
        }
    }
}

/* Balanced layers are balanced: once more changes nothing. */
static void test_twice(pith_test *test)
{
    static const pith_quantize_options options = { .n_threads = 1 };
    float once[8 * 27], twice[8 * 27];
    samples *s = calloc(1, sizeof *s);
    pith_graph *graph = pith_test_graph(test, convolutions);
    const pith_samples source = { read_sample, s, N_SAMPLES };
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &source, .graph = graph,
                          .arena = { .ctx = test->ctx } };
    int n_edited = 0;
    pith_test_case(test, "equalised twice");
    if (s && graph) {
        unbalance(graph);
        TEST_OK(test, pithi_graph_infer(graph));
        pithi_graph_count_uses(graph);
        TEST_OK(test, pithi_quant_equalize(&quant, 1.0, &n_edited));
        get_weights(graph, "a", once, 8 * 27);
        TEST_OK(test, pithi_quant_equalize(&quant, 1.0, &n_edited));
        get_weights(graph, "a", twice, 8 * 27);
        for (int i = 0; i < 8 * 27; i++) {
            TEST_CHECK_MESSAGE(test, fabsf(once[i] - twice[i]) <= 2e-3f * fabsf(once[i]), "weight %d: %g, then %g", i,
                               (double)once[i], (double)twice[i]);
        }
    }
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(graph);
    free(s);
}

/* ---- SmoothQuant --------------------------------------------------------------------------- */

enum { T = 512, M = 256 }; /* rows; inputs and outputs */

typedef struct smooth_case {
    float x[T * M], w[M * M], identity[M * M], smooth[M * M], scaled[T * M];
} smooth_case;

static double draw(pith_test *test) /* Box and Muller */
{
    double z = 9.0;
    while (fabs(z) > 3.3) { /* the largest is what steps follow: that of 1536 numbers, nearly */
        const double u = 1.0 - pith_test_uniform(test, 0.0, 1.0);
        z = sqrt(-2.0 * log(u)) * cos(6.283185307179586 * pith_test_uniform(test, 0.0, 1.0));
    }
    return z;
}

static pith_status read_rows(void *user, int index, pith_tensor *inputs)
{
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 2, { T, M } }, ((smooth_case *)user)->x };
    return index == 0 ? PITH_OK : PITH_STATUS_ARG;
}

static float rounded(float x, float largest) { return nearbyintf(x / largest * 127.0f) * largest / 127.0f; }

static float largest_of(const float *x, int64_t n)
{
    float largest = 0.0f;
    for (int64_t i = 0; i < n; i++) {
        largest = fmaxf(largest, fabsf(x[i]));
    }
    return largest;
}

/* Of x w where both have one scale of 8 bits. */
static double product_sqnr(const smooth_case *c, const float *x, const float *w)
{
    const float largest_x = largest_of(x, T * M), largest_w = largest_of(w, M * M);
    double signal = 0.0, noise = 0.0;
    for (int64_t row = 0; row < T; row += 4) {
        for (int64_t o = 0; o < M; o++) {
            double want = 0.0, got = 0.0;
            for (int64_t k = 0; k < M; k++) {
                want += (double)c->x[row * M + k] * (double)c->w[k * M + o];
                got += (double)rounded(x[row * M + k], largest_x) * (double)rounded(w[k * M + o], largest_w);
            }
            signal += want * want;
            noise += (want - got) * (want - got);
        }
    }
    return pithi_quant_decibel(signal, noise);
}

/* What the edit divides channel j by: the rows of the weights that make it were those of the identity. */
static void smooth(pith_test *test, smooth_case *c, double strength)
{
    static const char text[] = "input x f32[512,256]\nconst e f32[256,256]{0:1}\nh = matmul x e\n"
                               "const w f32[256,256]{0:1}\ny = matmul h w\noutput y\n";
    static const pith_quantize_options options = { .n_threads = 1 };
    pith_graph *graph = pith_test_graph(test, text);
    const pith_samples source = { read_rows, c, 1 };
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &source, .graph = graph,
                          .arena = { .ctx = test->ctx } };
    int n_edited = 0;
    TEST_OK(test, pithi_graph_infer(graph));
    pithi_graph_count_uses(graph);
    memcpy(graph->first->inputs[1]->constant->data, c->identity, sizeof c->identity);
    memcpy(graph->first->next->inputs[1]->constant->data, c->w, sizeof c->w);
    TEST_OK(test, pithi_quant_smooth(&quant, strength, &n_edited));
    TEST_CHECK(test, n_edited == 1);
    get_weights(graph, "h", c->scaled, M * M);
    get_weights(graph, "y", c->smooth, M * M);
    float factors[M];
    for (int j = 0; j < M; j++) {
        factors[j] = c->scaled[j * M + j];
    }
    for (int i = 0; i < T * M; i++) {
        c->scaled[i] = c->x[i] * factors[i % M];
    }
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(graph);
}

/* Normal numbers, three columns of x 60 times as large. With the exponent 1/2 every column of x is as wide as its row
 * of w, up to the one factor that leaves the widest column's scale alone. */
static void test_smooth(pith_test *test)
{
    static const double strengths[] = { 0.25, 0.5, 0.75 }, wanted[] = { 31.0, 35.8, 31.5 };
    smooth_case *c = calloc(1, sizeof *c);
    pith_test_case(test, "SmoothQuant, three columns of outliers");
    for (int i = 0; c && i < T * M; i++) {
        c->x[i] = (float)draw(test) * (i % M % 100 == 17 ? 60.0f : 1.0f);
    }
    for (int i = 0; c && i < M * M; i++) {
        c->w[i] = (float)draw(test);
        c->identity[i] = i / M == i % M ? 1.0f : 0.0f;
    }
    if (c) {
        const double plain = product_sqnr(c, c->x, c->w);
        TEST_CHECK_MESSAGE(test, fabs(plain - 23.6) < 1.0, "%.2f dB, not 23.6", plain);
    }
    for (int i = 0; c && i < 3; i++) {
        pith_test_case(test, "SmoothQuant, exponent %.2f", strengths[i]);
        smooth(test, c, strengths[i]);
        const double db = product_sqnr(c, c->scaled, c->smooth);
        TEST_CHECK_MESSAGE(test, fabs(db - wanted[i]) < 1.0, "%.2f dB, not %.1f", db, wanted[i]);
        double low = INFINITY, high = 0.0;
        for (int j = 0; j < M && i == 1; j++) {
            float widest = 0.0f;
            for (int row = 0; row < T; row++) {
                widest = fmaxf(widest, fabsf(c->scaled[row * M + j]));
            }
            const double ratio = (double)widest / (double)largest_of(c->smooth + j * M, M);
            low = fmin(low, ratio);
            high = fmax(high, ratio);
        }
        TEST_CHECK_MESSAGE(test, i != 1 || high / low - 1.0 < 1e-5, "ratios of ranges from %g to %g", low, high);
    }
    free(c);
}

void test_equalize(pith_test *test)
{
    test_twice(test);
    test_smooth(test);
    pith_test_case(test, "clips leave room for what samples did not show");
    check_wider(test, clipped, 1, pithi_quant_equalize, 1.0, 1.4f);
    check_wider(test, clipped, 1, pithi_quant_smooth, 0.5, 1.4f);
    pith_test_case(test, "cross-layer equalisation of convolutions");
    check(test, convolutions, 5, pithi_quant_equalize, 1.0);
    pith_test_case(test, "cross-layer equalisation of products");
    check(test, products, 1, pithi_quant_equalize, 1.0);
    for (int i = 1; i <= 3; i++) {
        pith_test_case(test, "SmoothQuant of convolutions, exponent %.2f", 0.25 * i);
        check(test, convolutions, 5, pithi_quant_smooth, 0.25 * i);
        pith_test_case(test, "SmoothQuant of products, exponent %.2f", 0.25 * i);
        check(test, products, 3, pithi_quant_smooth, 0.25 * i);
    }
}
