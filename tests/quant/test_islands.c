/* SPDX-License-Identifier: Apache-2.0 */
/* What really runs in float: reports follow the plan, and say so where it isn't what was meant. */
#include "pith/profile.h"
#include "quant/quant.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define PATH PITH_BINARY_DIR "/islands.onnx"
#define PAIR(from, to) \
    "const " to "_s f32[]{0.03}\nconst " to "_z u8[]{128}\n" \
    to "_q = quantize_linear " from " " to "_s " to "_z\n" to " = dequantize_linear " to "_q " to "_s " to "_z\n"
#define WEIGHTS(name, shape) \
    "const " name "_c s8[" shape "]\nconst " name "_s f32[]{0.01}\nconst " name "_z s8[]{0}\n" \
    name " = dequantize_linear " name "_c " name "_s " name "_z\n"
#define HEAD \
    "input x f32[1,4,8,8]\nconst g f32[4]{1}\nconst b f32[4]{0}\n" PAIR("x", "xd") \
    WEIGHTS("v", "4,4,1,1") WEIGHTS("w", "4,4,1,1")
#define TAIL "y = conv cd w\n" PAIR("y", "yd") "output yd\n"

/* The list of a network's steps; the first float one in *found. */
static int count_float(pith_test *test, const char *text, pith_layer *found)
{
    const pith_shape shape = { 4, { 1, 4, 8, 8 } };
    const pith_layer *layers = NULL;
    pith_model *model = NULL;
    int n_layers = 0, n = 0;
    pith_graph *graph = pith_test_graph(test, text);
    *found = (pith_layer){ .why_float = "" };
    if (graph) {
        pith_test_save_onnx(test, graph, PATH);
        TEST_OK(test, pith_model_load(test->ctx, PATH, NULL, &model));
        TEST_OK(test, pith_model_layers(model, &shape, 1, &layers, &n_layers));
    }
    for (int i = n_layers - 1; i >= 0; i--) {
        const bool is_float = layers[i].arithmetic == PITH_ARITHMETIC_FLOAT;
        TEST_CHECK(test, is_float == (layers[i].island >= 0) && is_float == (layers[i].why_float != NULL));
        n += is_float;
        *found = is_float ? layers[i] : *found;
    }
    pith_model_destroy(model);
    pithi_graph_destroy(graph);
    return n;
}

static void test_reasons(pith_test *test)
{
    static const struct {
        const char *name, *text;
        int n_float;
        const char *why;
    } cases[] = {
        { "all between quantised tensors", HEAD "c = conv xd v\n" PAIR("c", "cd") TAIL, 0, "" },
        { "a result that isn't quantised", HEAD "c = conv xd v\ncd = relu c\n" TAIL, 2, "its result isn't quantised" },
        { "a float operand", HEAD "c = conv x v\n" PAIR("c", "cd") TAIL, 1, "none of its operands is quantised" },
        { "float weights", HEAD "const f f32[4,4,1,1]{-1:1}\nc = conv xd f\n" PAIR("c", "cd") TAIL, 1,
          "its weights are float32" },
        { "an operator without an integer form", HEAD "c = instance_normalization xd g b\n" PAIR("c", "cd") TAIL, 1,
          "no integer form" },
        { "a float result that others read as well",
          HEAD "c = conv xd v\n" PAIR("c", "cd") "y = conv cd w\n" PAIR("y", "yd") "output yd\noutput c\n",
          2, /* a transpose of the output as well */
          "read by others" },
        { "branches that meet late",
          HEAD "const h f32[4]{2}\na = instance_normalization x g b\nd = instance_normalization x h b\n"
               "c = matmul a d\n" PAIR("c", "cd") TAIL, 3, "" },
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        pith_layer found;
        pith_test_case(test, "%s", cases[i].name);
        const int n = count_float(test, cases[i].text, &found);
        TEST_CHECK_MESSAGE(test, n == cases[i].n_float, "%d float steps, not %d", n, cases[i].n_float);
        TEST_CHECK_MESSAGE(test, strstr(found.why_float, cases[i].why) != NULL, "why: %s", found.why_float);
    }
}

/* ---- the quantiser's plan against the network's ----------------------------------------------- */

static float elements[4 * 8 * 8];

static pith_status read_sample(void *user, int index, pith_tensor *inputs)
{
    (void)user, (void)index;
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 4, 8, 8 } }, elements };
    return PITH_OK;
}

/* The quantiser means both convolutions to be int8; the written network lacks a pair between them in one case. */
static void test_surprise(pith_test *test)
{
    static const char floats[] = "input x f32[1,4,8,8]\nconst v f32[4,4,1,1]{-1:1}\nc = conv x v\nr = relu c\n"
                                 "const w f32[4,4,1,1]{-1:1}\ny = conv r w\noutput y\n";
    static const char *const written[] = { HEAD "c = conv xd v\nr = relu c\n" PAIR("r", "cd") TAIL,
                                           HEAD "c = conv xd v\ncd = relu c\n" TAIL };
    const pith_quantize_options options = { .no_timing = 1, .n_threads = 1 };
    const pith_samples samples = { read_sample, NULL, 1 };
    for (int i = 0; i < 2; i++) {
        pith_graph *graph = pith_test_graph(test, floats), *given = pith_test_graph(test, written[i]);
        pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &samples, .graph = graph,
                              .arena = { .ctx = test->ctx } };
        pith_quantize_report report = { .n_integer_nodes = 2 };
        int n = 0;
        pith_test_case(test, "the written network %s", i == 0 ? "runs as was meant" : "runs in float");
        TEST_OK(test, pithi_graph_infer(graph));
        TEST_OK(test, pithi_quant_select(&quant));
        for (pith_node *node = given->first; node; node = node->next) {
            const bool is_conv = pithi_is(node, "conv");
            node->name = !is_conv ? "" : n++ == 0 ? "#0" : "#2";
        }
        TEST_OK(test, pithi_quant_report_islands(&quant, given, &quant.arena, &report));
        TEST_CHECK_MESSAGE(test, report.n_surprises == (i == 0 ? 0 : 2), "%d surprises", report.n_surprises);
        TEST_CHECK_MESSAGE(test, report.n_integer_nodes == (i == 0 ? 2 : 0), "%d integer nodes",
                           report.n_integer_nodes);
        if (report.n_surprises > 0) {
            TEST_CHECK_MESSAGE(test, strstr(report.surprises[0], "meant to compute in integers") != NULL &&
                                         strstr(report.surprises[0], "(conv)") != NULL,
                               "%s", report.surprises[0]);
        }
        pithi_arena_deinit(&quant.arena);
        pithi_graph_destroy(graph);
    }
}

/* Without timing the order is the network's, however long the second island takes. */
static void test_order(pith_test *test)
{
    static const char text[] =
        "input x f32[1,4,8,8]\nconst g f32[4]{1}\nconst b f32[4]{0}\n" PAIR("x", "xd") WEIGHTS("w", "4,4,1,1")
        "a = instance_normalization xd g b\n" PAIR("a", "ad") "c = conv ad w\n" PAIR("c", "cd")
        "const f f32[4,4,7,7]{-1:1}\nd = conv cd f | pads=[3,3,3,3]\ne = instance_normalization d g b\n"
        "y = conv e f | pads=[3,3,3,3]\noutput y\n";
    const pith_quantize_options options = { .no_timing = 1, .n_threads = 1 };
    const pith_samples samples = { read_sample, NULL, 1 };
    pith_graph *graph = pith_test_graph(test, text), *given = pith_test_graph(test, text);
    pithi_quant quant = { .ctx = test->ctx, .options = &options, .samples = &samples, .graph = graph,
                          .arena = { .ctx = test->ctx } };
    pith_quantize_report report = { 0 };
    pith_test_case(test, "islands without timing");
    TEST_OK(test, pithi_graph_infer(graph));
    TEST_OK(test, pithi_quant_select(&quant));
    TEST_OK(test, pithi_quant_report_islands(&quant, given, &quant.arena, &report));
    TEST_CHECK(test, report.n_islands == 2);
    if (report.n_islands == 2) {
        TEST_CHECK_MESSAGE(test, report.islands[0].n_steps == 1 && strstr(report.islands[0].why, "no integer form"),
                           "%d steps: %s", report.islands[0].n_steps, report.islands[0].why);
        TEST_CHECK_MESSAGE(test, report.islands[1].n_steps > 1 && strstr(report.islands[1].why, "weights are float32"),
                           "%d steps: %s", report.islands[1].n_steps, report.islands[1].why);
    }
    pithi_arena_deinit(&quant.arena);
    pithi_graph_destroy(graph);
}

void test_islands(pith_test *test)
{
    test_reasons(test);
    test_surprise(test);
    test_order(test);
}
