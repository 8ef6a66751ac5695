/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed precision: limits are kept in the file that is written, or refused with what can be reached; the list of mixes
 * begins with float and int8 and has true figures; without timing the file is the same every time; the fastest
 * choice is a true minimum (all choices tried); an isolated quantiser that is float makes no noise. */
#include <math.h>
#include <stdlib.h>

#include "quant/mix.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/mix_test.onnx"

enum { N_SAMPLES = 32, N_IN = 3 * 10 * 10, N_CLASSES = 6 };

static const char network[] =
    "input x f32[1,3,10,10]\n"
    "const w1 f32[8,3,3,3]{-0.4:0.4}\nconst b1 f32[8]{-0.2:0.2}\n"
    "a = conv x w1 b1 | pads=[1,1,1,1] strides=[2,2]\n"
    "ar = relu a\n"
    "const w2 f32[24,8,3,3]{-0.3:0.3}\n"
    "d = conv ar w2 | pads=[1,1,1,1]\n"
    "dr = relu d\n"
    "const w3 f32[8,24,1,1]{-0.5:0.5}\n"
    "e = conv dr w3\n"
    "s = add e ar\n"
    "t = softmax s | axis=1\n"
    "const w5 f32[8,8,3,3]{-0.5:0.5}\n"
    "v = conv t w5\n"
    "f = flatten v\n"
    "const w4 f32[72,6]{-0.6:0.6}\nconst b4 f32[6]{-0.3:0.3}\n"
    "y = gemm f w4 b4\n"
    "output y\n";

/* The logarithm of squares, as in spectra: in 8 bits all small ones are the same. */
static const char spectrum[] = "input x f32[1,3,10,10]\n"
                               "const w1 f32[8,3,3,3]{-0.4:0.4}\n"
                               "a = conv x w1 | strides=[3,3]\n"
                               "p = mul a a\n"
                               "q = mul p p\n"
                               "const least f32[]{1e-5}\n"
                               "r = add q least\n"
                               "l = log r\n"
                               "f = flatten l\n"
                               "const w2 f32[72,6]{-0.6:0.6}\nconst b2 f32[6]{-0.3:0.3}\n"
                               "y = gemm f w2 b2\n"
                               "output y\n";

/* Without biases; the second convolution reads what isn't zero on average. */
static const char unbiased[] = "input x f32[1,3,10,10]\n"
                               "const w1 f32[8,3,3,3]{-0.4:0.4}\n"
                               "a = conv x w1 | strides=[3,3]\n"
                               "r = abs a\n"
                               "const w2 f32[16,8,1,1]\n"
                               "b = conv r w2\n"
                               "f = flatten b\n"
                               "const w3 f32[144,6]{-0.6:0.6}\n"
                               "y = gemm f w3\n"
                               "output y\n";

typedef struct source {
    float samples[N_SAMPLES][N_IN];
    int64_t labels[N_SAMPLES];
} source;

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    source *s = user;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 10, 10 } }, s->samples[index] };
    return PITH_OK;
}

static bool setup(pith_test *test, const char *text, source *s)
{
    pith_graph *graph = pith_test_graph(test, text);
    for (int i = 0; i < N_SAMPLES * N_IN; i++) {
        s->samples[i / N_IN][i % N_IN] = (float)pith_test_uniform(test, -1.0, 1.0);
    }
    bool ok = graph && pith_test_save_onnx(test, graph, PATH);
    pithi_graph_destroy(graph);
    return ok;
}

typedef struct result {
    void *bytes;
    size_t n_bytes;
    pith_quantize_report *report;
    double db;
    int n_agree;
} result;

static pith_status quantize(pith_test *test, source *s, pith_quantize_options options, result *r)
{
    const pith_samples samples = { read_sample, s, N_SAMPLES };
    *r = (result){ 0 };
    options.n_threads = 1;
    options.verify = &samples;
    pith_status status = pith_quantize(test->ctx, PATH, &options, &samples, &r->bytes, &r->n_bytes, &r->report);
    if (status == PITH_OK) {
        pith_test_nearness nearness = pith_test_compare_models(test, PATH, r->bytes, r->n_bytes, &samples);
        r->db = nearness.sqnr_db;
        r->n_agree = nearness.n_agree;
        TEST_CHECK(test, r->report->n_choices >= 2 && r->report->choices[0].drop == 0.0);
        TEST_CHECK(test, r->report->choices[0].sqnr_db > 100.0); /* all float is float */
        TEST_CHECK(test, fabs(r->report->drop - 100.0 + 100.0 * r->n_agree / N_SAMPLES) < 1e-6);
    }
    return status;
}

static void release(pith_test *test, result *r)
{
    pith_free_bytes(test->ctx, r->bytes);
    pith_quantize_report_destroy(r->report);
}

static void test_size(pith_test *test, source *s)
{
    result plain, small;
    pith_test_case(test, "the file gets smaller than a limit, with fewer bits in some layers");
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ .no_mix = 1, .no_timing = 1 }, &plain));
    size_t limit = plain.n_bytes - 700;
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ .no_timing = 1, .max_bytes = limit }, &small));
    TEST_CHECK_MESSAGE(test, small.n_bytes > 0 && small.n_bytes <= limit, "%zu bytes, more than %zu", small.n_bytes,
                       limit);
    TEST_CHECK(test, small.report && small.report->n_layers > 0 && small.db < plain.db && small.db > 3.0);
    release(test, &small);
    TEST_STATUS(test, quantize(test, s, (pith_quantize_options){ .no_timing = 1, .max_bytes = 1000 }, &small),
                PITH_STATUS_LIMIT, "relax the limit on the size");
    release(test, &plain);
}

/* Layers get biases by their correction only where there is room for these. Each limit is a byte too small for the
 * file before. */
static void test_biases_fit(pith_test *test, source *s)
{
    size_t limit = 0;
    int n_kept = 0;
    pith_test_case(test, "corrected biases of layers that had none keep to the limit on the size");
    for (int i = 0; i < 6; i++) {
        result r;
        const pith_status status =
            quantize(test, s, (pith_quantize_options){ .no_timing = 1, .max_bytes = limit }, &r);
        if (status != PITH_OK) {
            TEST_CHECK(test, status == PITH_STATUS_LIMIT);
            pith_ctx_clear_error(test->ctx);
            break;
        }
        TEST_CHECK_MESSAGE(test, limit == 0 || r.n_bytes <= limit, "%zu bytes, more than %zu", r.n_bytes, limit);
        limit = i == 0 ? r.n_bytes - 200 : r.n_bytes - 1;
        n_kept += i > 0;
        release(test, &r);
    }
    TEST_CHECK_MESSAGE(test, n_kept >= 2, "%d limits kept", n_kept);
}

static void test_drop(pith_test *test, source *s)
{
    result narrow, wide;
    pith_test_case(test, "a smaller drop is had by raising precision");
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ .no_timing = 1, .max_drop = 100.0 }, &wide));
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ .no_timing = 1, .max_drop = 1e-9 }, &narrow));
    TEST_CHECK(test, narrow.report && narrow.report->drop == 0.0 && narrow.n_agree == N_SAMPLES);
    TEST_CHECK(test, narrow.report && narrow.report->drop_kind == PITH_DROP_AGREEMENT);
    TEST_CHECK_MESSAGE(test, narrow.db >= wide.db - 1.0, "%.1f dB, without a limit %.1f dB", narrow.db, wide.db);
    release(test, &narrow);
    release(test, &wide);
    pith_test_case(test, "drop and size that exclude each other");
    TEST_STATUS(test,
                quantize(test, s,
                         (pith_quantize_options){ .no_timing = 1, .max_drop = 1e-9, .max_bytes = 4200 }, &wide),
                PITH_STATUS_LIMIT, "relax");
    TEST_STATUS(test, quantize(test, s, (pith_quantize_options){ .max_ms = 1e-9 }, &wide), PITH_STATUS_LIMIT,
                "relax the limit on the time");
    TEST_STATUS(test, quantize(test, s, (pith_quantize_options){ .max_ram_bytes = 64 }, &wide), PITH_STATUS_LIMIT,
                "relax the limit on the arena");
    TEST_STATUS(test, quantize(test, s, (pith_quantize_options){ .max_ms = 1.0, .no_timing = 1 }, &wide),
                PITH_STATUS_ARG, "no_timing");
    TEST_STATUS(test, quantize(test, s, (pith_quantize_options){ .max_drop = 1.0, .weights = "int4" }, &wide),
                PITH_STATUS_ARG, "limits with weights alone");
}

static void test_ruined(pith_test *test, source *s)
{
    result ruined, mended;
    pith_test_case(test, "precision is raised where 8 bits are too few, also without a limit");
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ .no_timing = 1, .no_mix = 1 }, &ruined));
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ .no_timing = 1 }, &mended));
    TEST_CHECK_MESSAGE(test, ruined.db < 10.0, "8 bits are enough: %.1f dB", ruined.db);
    TEST_CHECK_MESSAGE(test, mended.n_agree >= N_SAMPLES - 1 && mended.db > ruined.db + 5.0, "%.1f dB, %d of %d agree",
                       mended.db, mended.n_agree, N_SAMPLES);
    release(test, &ruined);
    release(test, &mended);
}

static void test_same(pith_test *test, source *s)
{
    result a, b;
    pith_test_case(test, "without timing the same file every time; with timing never slower than float by the report");
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ .no_timing = 1 }, &a));
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ .no_timing = 1 }, &b));
    TEST_CHECK(test, a.n_bytes == b.n_bytes && a.n_bytes > 0 && memcmp(a.bytes, b.bytes, a.n_bytes) == 0);
    release(test, &a);
    release(test, &b);
    TEST_OK(test, quantize(test, s, (pith_quantize_options){ 0 }, &a));
    TEST_CHECK(test, a.report && a.report->ms > 0.0 && a.report->float_ms > 0.0);
    if (a.report) { /* what precision may cost */
        const double saved = fmax(a.report->float_ms - a.report->int8_ms, 0.0);
        TEST_CHECK(test, a.report->ms <= 1.04 * (a.report->int8_ms + 0.4 * saved));
    }
    release(test, &a);
}

/* ---- the minimum cut ------------------------------------------------------------------------ */

typedef struct trial {
    pithi_quant quant;
    pithi_quant_facts facts;
    pithi_quant_mix mix, best;
    int chooses[16];
    int n;
} trial;

static bool start_trial(pith_test *test, trial *t, pith_graph *graph)
{
    static const pith_quantize_options options = { 0 };
    static const pith_samples samples = { .n_samples = 1 };
    t->quant = (pithi_quant){ .ctx = test->ctx, .options = &options, .samples = &samples, .graph = graph,
                              .arena = { .ctx = test->ctx } };
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_OK(test, pithi_quant_select(&t->quant));
    t->quant.plain = t->quant.layers;
    void *block = NULL;
    size_t n = (size_t)t->quant.n_nodes;
    TEST_OK(test, pithi_arena_array(&t->quant.arena, n, sizeof(pithi_quant_layer), &block));
    t->quant.plain = block;
    t->quant.plain_shifts = t->quant.bias_shifts;
    for (int k = 0; k < PITHI_COMPUTE_COUNT; k++) {
        TEST_OK(test, pithi_arena_array(&t->quant.arena, n, sizeof(double), &block));
        t->facts.ms[k] = block;
    }
    TEST_OK(test, pithi_arena_alloc(&t->quant.arena, (size_t)t->quant.n_tensors + 1, &block));
    t->facts.borders = block;
    TEST_OK(test, pithi_quant_mix_create(&t->quant, &t->mix));
    TEST_OK(test, pithi_quant_mix_create(&t->quant, &t->best));
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (pithi_quant_chooses(&t->quant, node)) {
            t->chooses[t->n++] = node->index;
        }
    }
    TEST_CHECK(test, t->n >= 5 && t->n <= 12);
    return t->n <= 12;
}

static void test_cut(pith_test *test)
{
    pith_graph *graph = pith_test_graph(test, network);
    trial t = { .n = 0 };
    pith_test_case(test, "the fastest mix: no other choice is predicted to be faster");
    bool ok = start_trial(test, &t, graph);
    for (int round = 0; round < 20 && ok; round++) {
        for (int i = 0; i < t.quant.n_nodes; i++) {
            t.facts.ms[PITHI_COMPUTE_INT8][i] = pith_test_uniform(test, 0.001, 0.01);
            t.facts.ms[PITHI_COMPUTE_FLOAT][i] = pith_test_uniform(test, 0.001, 0.01);
        }
        for (int i = 0; i < t.quant.n_tensors; i++) {
            t.quant.tensors[i].histogram.n_elements = (uint64_t)pith_test_uniform(test, 1.0, 9000.0);
        }
        t.facts.quantize_ns = pith_test_uniform(test, 0.0, 2.0);
        t.facts.dequantize_ns = pith_test_uniform(test, 0.0, 2.0);
        pithi_quant_mix_fill(&t.quant, PITHI_COMPUTE_INT8, 8, &t.best);
        TEST_OK(test, pithi_quant_mix_fastest(&t.quant, &t.facts, &t.best));
        double found = pithi_quant_mix_figures(&t.quant, &t.best, &t.facts).ms, least = INFINITY;
        for (int choice = 0; choice < 1 << t.n; choice++) {
            pithi_quant_mix_copy(&t.quant, &t.best, &t.mix); /* parts of other nodes follow those */
            for (int k = 0; k < t.n; k++) {
                t.mix.compute[t.chooses[k]] =
                    (uint8_t)((choice >> k) & 1 ? PITHI_COMPUTE_FLOAT : PITHI_COMPUTE_INT8);
            }
            pithi_quant_mix_follow(&t.quant, &t.mix);
            least = fmin(least, pithi_quant_mix_figures(&t.quant, &t.mix, &t.facts).ms);
        }
        TEST_CHECK_MESSAGE(test, found <= least * (1.0 + 1e-3), "%.6f ms, %.6f ms is possible", found, least);
    }
    pithi_arena_deinit(&t.quant.arena);
    pithi_graph_destroy(graph);
}

/* Milliseconds more than all int8, with 16 bits in the results of some nodes. */
static double extra_ms(trial *t, const pith_node *const *wide, int n_wide)
{
    pithi_quant_mix_fill(&t->quant, PITHI_COMPUTE_INT8, 8, &t->mix);
    const double plain = pithi_quant_mix_figures(&t->quant, &t->mix, &t->facts).ms;
    for (int i = 0; i < n_wide; i++) {
        t->mix.wide[pithi_quant_result_tensor(&t->quant, wide[i])] = 1;
    }
    return pithi_quant_mix_figures(&t->quant, &t->mix, &t->facts).ms - plain;
}

static void test_widths(pith_test *test)
{
    pith_graph *graph = pith_test_graph(test, network);
    const pith_node *products[3] = { 0 }, *sum = NULL;
    trial t = { .n = 0 };
    void *block = NULL;
    int n = 0;
    pith_test_case(test, "16 bits cost each node once, by what it reads, else by what it writes");
    start_trial(test, &t, graph);
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (pithi_is(node, "conv") && n < 3) {
            products[n++] = node;
        }
        sum = pithi_is(node, "add") ? node : sum;
    }
    TEST_OK(test, pithi_arena_array(&t.quant.arena, (size_t)t.quant.n_nodes, sizeof(double), &block));
    t.facts.write_ms = block;
    for (int k = 0; k < t.n; k++) {
        const int i = t.chooses[k];
        t.facts.ms[PITHI_COMPUTE_INT8][i] = pith_test_uniform(test, 1.0, 2.0);
        t.facts.write_ms[i] = pith_test_uniform(test, 2.0, 3.0);
        t.facts.ms[PITHI_COMPUTE_INT16][i] = pith_test_uniform(test, 3.0, 4.0);
    }
    double reads[3], writes[3];
    const int at[] = { products[1]->index, products[2]->index, sum->index };
    for (int i = 0; i < 3; i++) {
        reads[i] = t.facts.ms[PITHI_COMPUTE_INT16][at[i]] - t.facts.ms[PITHI_COMPUTE_INT8][at[i]];
        writes[i] = t.facts.write_ms[at[i]] - t.facts.ms[PITHI_COMPUTE_INT8][at[i]];
    }
    const double one = extra_ms(&t, &products[1], 1), two = extra_ms(&t, &products[1], 2);
    TEST_CHECK_MESSAGE(test, fabs(one - writes[0] - reads[1]) < 1e-9, "one tensor: %g ms more", one);
    TEST_CHECK_MESSAGE(test, fabs(two - writes[0] - reads[1] - reads[2]) < 1e-9, "two tensors: %g ms more", two);
    pithi_arena_deinit(&t.quant.arena);
    pithi_graph_destroy(graph);
}

void test_mix(pith_test *test)
{
    test_widths(test);
    source *s = calloc(1, sizeof *s);
    if (s && setup(test, network, s)) {
        test_size(test, s);
        test_drop(test, s);
        test_same(test, s);
        test_cut(test);
    }
    if (s && setup(test, spectrum, s)) {
        test_ruined(test, s);
    }
    if (s && setup(test, unbiased, s)) {
        test_biases_fit(test, s);
    }
    free(s);
}
