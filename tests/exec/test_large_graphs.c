/* SPDX-License-Identifier: Apache-2.0 */
/* Loading, optimising and planning take time in proportion to the graph: four times the nodes take less than ten times
 * the processor time, for chains, for many nodes that meet in one, and for many outputs. Quadratic work would take
 * sixteen times. */
#include <stdlib.h>
#include <time.h>

#include "base/base.h"
#include "pith/pith.h"
#include "support/test.h"

#define N_SMALL 10000

typedef void family(pithi_text *text, int n);

static void chain(pithi_text *text, int n)
{
    pithi_text_add(text, "%%v0 = neg(%%x)\n");
    for (int i = 1; i < n; i++) {
        pithi_text_add(text, i % 2 ? "%%v%d = add(%%v%d, %%x)\n" : "%%v%d = neg(%%v%d)\n", i, i - 1);
    }
    pithi_text_add(text, "output %%v%d\n", n - 1);
}

static void concat_all(pithi_text *text, int n)
{
    pithi_text_add(text, "%%y = concat(%%v0");
    for (int i = 1; i < n; i++) {
        pithi_text_add(text, ", %%v%d", i);
    }
    pithi_text_add(text, ") axis=0\noutput %%y\n");
}

static void wide(pithi_text *text, int n)
{
    for (int i = 0; i < n; i++) {
        pithi_text_add(text, "const %%c%d:f32[1] = {%d}\n%%v%d = mul(%%x, %%c%d)\n", i, i, i, i);
    }
    concat_all(text, n);
}

/* Nodes that only an attribute tells apart. */
static void attributes(pithi_text *text, int n)
{
    for (int i = 0; i < n; i++) {
        pithi_text_add(text, "%%v%d = leaky_relu(%%x) alpha=%d\n", i, i + 2);
    }
    concat_all(text, n);
}

static void same_outputs(pithi_text *text, int n)
{
    for (int i = 0; i < n; i++) {
        pithi_text_add(text, "%%v%d = neg(%%x)\noutput %%v%d\n", i, i);
    }
}

static void reshapes(pithi_text *text, int n)
{
    pithi_text_add(text, "const %%s:s64[2] = {1,4}\nconst %%t:s64[2] = {4,1}\n%%v0 = neg(%%x)\n");
    for (int i = 1; i < n; i++) {
        pithi_text_add(text, "%%v%d = reshape(%%v%d, %%%c)\n", i, i - 1, i % 2 ? 't' : 's');
    }
    pithi_text_add(text, "output %%v%d\n", n - 1);
}

static void convolutions(pithi_text *text, int n)
{
    pithi_text_add(text, "const %%k:s64[4] = {1,1,2,2}\nconst %%w:f32[1,1,1,1] = {0.5}\n%%v0 = reshape(%%x, %%k)\n");
    for (int i = 1; i < n; i++) {
        pithi_text_add(text, i % 2 ? "%%v%d = conv(%%v%d, %%w) kernel_shape=[1,1]\n" : "%%v%d = relu(%%v%d)\n", i,
                       i - 1);
    }
    pithi_text_add(text, "output %%v%d\n", n - 1);
}

/* Functions behind a quantised tensor. */
static void functions(pithi_text *text, int n)
{
    pithi_text_add(text, "const %%s:f32[] = {0.5}\n%%q = quantize_linear(%%x, %%s)\n"
                         "%%v0 = dequantize_linear(%%q, %%s)\n");
    for (int i = 1; i < n; i++) {
        pithi_text_add(text, "%%v%d = %s(%%v%d)\n", i, i % 2 ? "tanh" : "neg", i - 1);
    }
    pithi_text_add(text, "output %%v%d\n", n - 1);
}

static double seconds_of(pith_test *test, family *write, int n)
{
    static const pith_shape shape = { 2, { 1, 4 } };
    pithi_text text = { .ctx = test->ctx };
    pith_model *model = NULL;
    pith_cost_report report;
    pithi_text_add(&text, "pith-graph 1\ngraph \"g\"\ninput %%x:f32[1,4]\n");
    write(&text, n);
    clock_t start = clock();
    TEST_OK(test, pith_model_load_memory(test->ctx, text.data, text.n_bytes, NULL, &model));
    TEST_OK(test, pith_model_cost(model, &shape, 1, &report));
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    pith_model_destroy(model);
    pithi_text_deinit(&text);
    return seconds;
}

void test_large_graphs(pith_test *test)
{
    static const struct {
        const char *name;
        family *write;
    } families[] = { { "chain", chain }, { "wide", wide }, { "attributes", attributes },
                     { "outputs alike", same_outputs }, { "reshapes", reshapes }, { "convolutions", convolutions },
                     { "functions", functions } };
    for (int i = 0; i < PITH_COUNT(families); i++) {
        pith_test_case(test, "%s", families[i].name);
        double once = seconds_of(test, families[i].write, N_SMALL);
        double four_times = seconds_of(test, families[i].write, 4 * N_SMALL);
        TEST_CHECK_MESSAGE(test, four_times < 10.0 * once + 0.2, "%d nodes: %.3f s, %d nodes: %.3f s", N_SMALL, once,
                           4 * N_SMALL, four_times);
    }
}
