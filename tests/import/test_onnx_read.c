/* SPDX-License-Identifier: Apache-2.0 */
/* Well-formed models: what the graph looks like, where weights lie, what stays as unsupported. */
#include <stdio.h>
#include <time.h>

#include "graph/attrs.h"
#include "passes/pass.h"
#include "support/onnx_models.h"
#include "support/test.h"

/* Imports the model that `text` describes; the bytes live as long as the test's `proto`. */
static bool import_text(pith_test *test, const char *text, pith_proto *proto, pith_imported *imported)
{
    pith_proto_free(proto);
    TEST_CHECK(test, pith_proto_onnx(proto, text));
    pith_status status = pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", imported);
    TEST_CHECK_MESSAGE(test, status == PITH_OK, "import: %s", pith_ctx_error(test->ctx));
    return status == PITH_OK;
}

static void check_print(pith_test *test, const pith_graph *graph, const char *wanted)
{
    pithi_text text = { .ctx = test->ctx };
    pithi_graph_print(graph, &text);
    TEST_CHECK_MESSAGE(test, text.data && pithi_same_text(text.data, wanted), "the graph is\n%s\nnot\n%s", text.data,
                       wanted);
    pithi_text_deinit(&text);
    TEST_OK(test, pithi_graph_verify(graph));
}

static const pith_value *value_named(const pith_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        if (pithi_same_text(graph->values[i]->name, name)) {
            return graph->values[i];
        }
    }
    return NULL;
}

static void test_base_models(pith_test *test, pith_proto *proto)
{
    pith_imported imported;
    pith_test_case(test, "dense");
    if (import_text(test, pith_onnx_dense, proto, &imported)) {
        TEST_CHECK(test, pithi_same_text(imported.info.producer, "tests"));
        TEST_CHECK(test, imported.info.opset == 13 && imported.info.ir_version == 8);
        TEST_CHECK(test, imported.graph->n_inputs == 1 && imported.graph->n_outputs == 2);
        const pith_value *x = imported.graph->inputs[0];
        TEST_CHECK(test, x->dtype == PITH_DTYPE_F32 && x->shape.rank == 2 && x->shape.dims[0] == -1 &&
                             x->shape.dims[1] == 2);
        TEST_CHECK(test, x->symbols[0] && pithi_same_text(x->symbols[0], "N") && !x->symbols[1]);
        const pith_value *y = value_named(imported.graph, "y");
        TEST_CHECK(test, y && y->has_shape && y->shape.dims[0] == -1 && !y->symbols[0]);
        const pith_value *axis = value_named(imported.graph, "axis");
        TEST_CHECK(test, axis && axis->constant && axis->dtype == PITH_DTYPE_S32);
    }
    pith_imported_deinit(&imported);
    pith_test_case(test, "control");
    if (import_text(test, pith_onnx_control, proto, &imported)) {
        const pith_node *loop = imported.graph->first;
        TEST_CHECK(test, loop->op && loop->n_bodies == 1);
        const pith_graph *body = loop->n_bodies == 1 ? loop->bodies[0] : imported.graph;
        const pith_node *pick = body->first;
        TEST_CHECK(test, body->parent == imported.graph && body->n_inputs == 3 && body->n_outputs == 2);
        TEST_CHECK(test, pick->n_bodies == 2 && pick->bodies[0]->parent == body);
        const pith_node *add = pick->bodies[0]->first;
        TEST_CHECK(test, add->inputs[0] == body->inputs[2] && add->inputs[1] == value_named(imported.graph, "one"));
        TEST_OK(test, pithi_graph_verify(imported.graph));
    }
    pith_imported_deinit(&imported);
}

static void test_functions(pith_test *test, pith_proto *proto)
{
    pith_imported imported;
    pith_test_case(test, "functions are expanded");
    if (import_text(test, pith_onnx_function, proto, &imported)) {
        check_print(test, imported.graph,
                    "inputs %x:f32[2,?]\n"
                    "%a = leaky_relu(%x) alpha=0.25\n"
                    "%b = add(%a, %a)\n"
                    "%Pair#3/lo = leaky_relu(%b) alpha=0.5\n"
                    "%c = add(%Pair#3/lo, %Pair#3/lo)\n"
                    "%y:f32[2,?] = mul(%a, %c)\n"
                    "outputs %y:f32[2,?]\n");
        const pith_value *sparse = value_named(imported.graph, "s");
        const float *data = sparse && sparse->constant ? sparse->constant->data : NULL;
        TEST_CHECK(test, data && data[0] == 5 && data[1] == 0 && data[2] == 0 && data[3] == 6);
    }
    pith_imported_deinit(&imported);
    pith_test_case(test, "a function that returns its argument, twice");
    if (import_text(
            test,
            "ir 9 ; opset 13 ; opset my 1 ; graph { input x f32[1] ; node Same x -> a,b in my\noutput a f32[1]\n"
            "output b f32[1] } ; function my Same overload _ (u) -> u,u { opset 13 }",
            proto, &imported)) {
        check_print(
            test, imported.graph,
            "inputs %x:f32[1]\n%a:f32[1] = identity(%x)\n%b:f32[1] = identity(%x)\noutputs %a:f32[1], %b:f32[1]\n");
    }
    pith_imported_deinit(&imported);
    pith_test_case(test, "a graph passed to a function sees the caller's values");
    if (import_text(test,
                    "ir 9 ; opset 16 ; opset my 1\n"
                    "graph { input x f32[1] ; input c bool[] ; node Pick c -> y in my {\n"
                    "  graph how { node Neg x -> n ; output n } }\n output y f32[1] }\n"
                    "function my Pick (d) -> r : how { opset 16\n"
                    "  node If d -> r { ref then_branch how\n ref else_branch how } }", proto, &imported)) {
        const pith_node *node = imported.graph->first;
        TEST_CHECK(test, node->n_bodies == 2 && node->bodies[1]->first->inputs[0] == imported.graph->inputs[0]);
        TEST_CHECK(test, pithi_same_text(node->outputs[0]->name, "y"));
    }
    pith_imported_deinit(&imported);
    pith_test_case(test, "attributes that the call leaves out stay out; absent arguments too");
    if (import_text(test,
                    "ir 9 ; opset 13 ; opset my 1 ; graph { input x f32[1] ; node F x -> y in my\noutput y f32[1] }\n"
                    "function my F (u,low) -> v : axis { opset 13 ; node Clip u,low -> t\n"
                    "node Softmax t -> v { ref axis axis } }", proto, &imported)) {
        check_print(test, imported.graph,
                    "inputs %x:f32[1]\n%F#1/t = clip(%x)\n%y:f32[1] = softmax(%F#1/t)\noutputs %y:f32[1]\n");
    }
    pith_imported_deinit(&imported);
}

/* What an operator always writes needs a place; what it may leave out has none. */
static void test_outputs_without_name(pith_test *test, pith_proto *proto)
{
    pith_imported imported;
    pith_test_case(test, "outputs without a name");
    if (import_text(test,
                    "ir 11 ; opset 24 ; graph { input q f32[1,2,2,8] ; input k f32[1,2,2,8] ; input v f32[1,2,2,8]\n"
                    "node Attention q,k,v -> _,_,_,s\noutput s f32[1,2,2,2] }", proto, &imported)) {
        const pith_node *node = imported.graph->first;
        TEST_CHECK(test, node->n_outputs == 4 && node->outputs[0] && node->outputs[0]->producer == node);
        TEST_CHECK(test, node->n_outputs == 4 && !node->outputs[1] && !node->outputs[2] && node->outputs[3]);
        TEST_OK(test, pithi_graph_verify(imported.graph));
    }
    pith_imported_deinit(&imported);
}

/* Every encoding of a weight gives the same values. */
static void test_weights(pith_test *test, pith_proto *proto)
{
    static const char *const weights[] = {
        "f32[3] raw 1 0 100",  "f32[3] packed 1 0 100", "f32[3] list 1 0 100",  "f64[3] raw 1 0 100",
        "f64[3] packed 1 0 100", "f64[3] list 1 0 100", "s8[3] raw 1 0 100",    "s8[3] packed 1 0 100",
        "u8[3] list 1 0 100",  "s16[3] raw 1 0 100",    "s16[3] packed 1 0 100", "u16[3] list 1 0 100",
        "s32[3] raw 1 0 100",  "s32[3] packed 1 0 100", "u32[3] raw 1 0 100",   "u32[3] packed 1 0 100",
        "s64[3] raw 1 0 100",  "s64[3] packed 1 0 100", "u64[3] list 1 0 100",  "u64[3] raw 1 0 100",
        "f16[3] packed 0x3c00 0 0x5640", "f16[3] raw 0x3c00 0 0x5640", "bf16[3] packed 0x3f80 0 0x42c8",
    };
    for (int i = 0; i < PITH_COUNT(weights); i++) {
        char text[200];
        pith_imported imported;
        pith_test_case(test, "weight %s", weights[i]);
        snprintf(text, sizeof text, "ir 8 ; opset 13 ; graph { weight w %s\noutput w }", weights[i]);
        if (import_text(test, text, proto, &imported)) {
            const pith_tensor *tensor = imported.graph->outputs[0]->constant;
            TEST_CHECK(test, tensor && tensor->shape.rank == 1 && tensor->shape.dims[0] == 3);
            TEST_CHECK(test, pithi_tensor_get_f64(tensor, 0) == 1 && pithi_tensor_get_f64(tensor, 1) == 0 &&
                                 pithi_tensor_get_f64(tensor, 2) == 100);
            TEST_CHECK(test, (uintptr_t)tensor->data % pith_dtype_bytes(tensor->dtype) == 0);
        }
        pith_imported_deinit(&imported);
    }
    static const struct {
        const char *text;
        int64_t first, last;
    } limits[] = {
        { "s8[2] packed -128 127", -128, 127 }, { "s32[2] packed -2147483648 2147483647", INT32_MIN, INT32_MAX },
        { "u64[2] packed -1 0", -1, 0 },        { "bool[2] packed 1 0", 1, 0 },
        { "u32[2] packed 4294967295 0", UINT32_MAX, 0 },
    };
    for (int i = 0; i < PITH_COUNT(limits); i++) {
        char text[200];
        pith_imported imported;
        pith_test_case(test, "limits %s", limits[i].text);
        snprintf(text, sizeof text, "ir 8 ; opset 13 ; graph { weight w %s\noutput w }", limits[i].text);
        if (import_text(test, text, proto, &imported)) {
            TEST_CHECK(test, pithi_tensor_get_s64(imported.graph->outputs[0]->constant, 0) == limits[i].first);
            TEST_CHECK(test, pithi_tensor_get_s64(imported.graph->outputs[0]->constant, 1) == limits[i].last);
        }
        pith_imported_deinit(&imported);
    }
}

/* Elements that share bytes, and complex numbers: raw and listed. Numbers are those of onnx.numpy_helper. */
static void test_small_weights(pith_test *test, pith_proto *proto)
{
    static const struct {
        const char *text;
        double values[4];
    } cases[] = {
        { "int4[4] raw 0x17 0x8f", { 7, 1, -1, -8 } },        { "int4[4] packed 0x17 0x8f", { 7, 1, -1, -8 } },
        { "u4[4] raw 0x17 0x8f", { 7, 1, 15, 8 } },           { "u4[4] list 0x17 0x8f", { 7, 1, 15, 8 } },
        { "s2[4] raw 0x8d", { 1, -1, 0, -2 } },               { "u2[4] packed 0x8d", { 1, 3, 0, 2 } },
        { "f4e2m1[4] raw 0x17 0xf0", { 6, 0.5, 0, -6 } },     { "f4e2m1[4] packed 0x17 0xf0", { 6, 0.5, 0, -6 } },
        { "f6e2m3[4] raw 0x48 0x07 0x80", { 1, 6.5, 0, -0.0 } },
        { "f6e2m3[4] packed 8 29 0 32", { 1, 6.5, 0, -0.0 } },
        { "f6e3m2[4] packed 12 31 0 0x3f", { 1, 28, 0, -28 } },
        { "f8e8m0[4] raw 127 128 0 254", { 1, 2, 0x1p-127, 0x1p127 } },
        { "f8e4m3fn[4] packed 0x38 0x7e 0 0xc0", { 1, 448, 0, -2 } },
        { "f8e4m3fnuz[4] raw 0x40 0x7f 0 0xc8", { 1, 240, 0, -2 } },
        { "f8e5m2[4] raw 0x3c 0x7b 0 0xc0", { 1, 57344, 0, -2 } },
        { "f8e5m2fnuz[4] packed 0x40 0x7f 0 0xc4", { 1, 57344, 0, -2 } },
        { "c64[2] raw 1 -2 0.5 4", { 1, -2, 0.5, 4 } },       { "c64[2] packed 1 -2 0.5 4", { 1, -2, 0.5, 4 } },
        { "c128[2] raw 1 -2 0.5 4", { 1, -2, 0.5, 4 } },      { "c128[2] list 1 -2 0.5 4", { 1, -2, 0.5, 4 } },
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        char text[200];
        pith_imported imported;
        pith_test_case(test, "weight %s", cases[i].text);
        snprintf(text, sizeof text, "ir 8 ; opset 13 ; graph { weight w %s\noutput w }", cases[i].text);
        if (import_text(test, text, proto, &imported)) {
            const pith_tensor parts = pithi_tensor_parts(imported.graph->outputs[0]->constant);
            TEST_CHECK(test, pith_shape_elements(&parts.shape) == 4);
            for (int k = 0; k < 4; k++) {
                TEST_CHECK(test, pithi_tensor_get_f64(&parts, k) == cases[i].values[k]);
            }
        }
        pith_imported_deinit(&imported);
    }
}

static void test_borrowing(pith_test *test, pith_proto *proto)
{
    pith_imported imported;
    pith_test_case(test, "aligned weights are borrowed, others copied");
    TEST_CHECK(test, pith_proto_onnx(proto, "ir 8 ; opset 13 ; graph { weight w f32[2] raw 1 2\noutput w }"));
    for (size_t shift = 0; shift < 4; shift++) {
        unsigned char *bytes = NULL;
        void *block = NULL;
        TEST_OK(test, pithi_alloc(test->ctx, proto->n_bytes + 4, &block));
        bytes = (unsigned char *)block + shift;
        memcpy(bytes, proto->data, proto->n_bytes);
        if (pith_import_bytes(test->ctx, bytes, proto->n_bytes, "", &imported) == PITH_OK) {
            const pith_tensor *w = imported.graph->outputs[0]->constant;
            const unsigned char *data = w->data;
            bool is_borrowed = data >= bytes && data < bytes + proto->n_bytes;
            size_t offset = proto->n_bytes - 8; /* raw data in front of the output, found below */
            while (offset > 0 && memcmp(bytes + offset, data, 8) != 0) {
                offset--;
            }
            TEST_CHECK(test, is_borrowed == ((uintptr_t)(bytes + offset) % 4 == 0));
            TEST_CHECK(test, pithi_tensor_get_f64(w, 0) == 1 && pithi_tensor_get_f64(w, 1) == 2);
        }
        pith_imported_deinit(&imported);
        pithi_free(test->ctx, block);
    }
    pith_test_case(test, "empty and scalar weights have data");
    pith_proto_free(proto);
    if (import_text(test, "ir 8 ; opset 13 ; graph { weight e f32[0,2]\nweight s f32 raw 3\noutput e\noutput s }",
                    proto, &imported)) {
        TEST_CHECK(test, imported.graph->outputs[0]->constant->data != NULL);
        TEST_CHECK(test, imported.graph->outputs[1]->constant->shape.rank == 0);
    }
    pith_imported_deinit(&imported);
}

/* Models that load, with a node that can't run: the reason must contain the words. */
static void test_unsupported(pith_test *test, pith_proto *proto)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        { "graph { input x f32[1] ; node Wondrous x -> y\noutput y }",
          "operator Wondrous of domain 'ai.onnx' is not implemented (opset 13)" },
        { "opset a.b 2 ; graph { input x f32[1] ; node Relu x -> y in a.b\noutput y }",
          "operator Relu of domain 'a.b'" },
        { "opset com.microsoft.nchwc 1 ; graph { input x f32[1] ; node ReorderInput x -> y in com.microsoft.nchwc\n"
          "output y }", "save it with GraphOptimizationLevel.ORT_ENABLE_EXTENDED" },
        { "opset com.microsoft 1 ; graph { input x f32[1,2,4]\n"
          "node GroupQueryAttention x,x,x,_,_,x,x -> y in com.microsoft { int num_heads 1 ; int kv_num_heads 1\n"
          "string k_quant_type PER_ROW }\noutput y }", "GroupQueryAttention.k_quant_type" },
        { "opset com.microsoft 1 ; graph { input x f32[1,2,4]\n"
          "node GroupQueryAttention x,x,x,_,_,x,x -> y in com.microsoft { int num_heads 1 ; int kv_num_heads 1\n"
          "int sliding_window_cache 2 }\noutput y }", "GroupQueryAttention.sliding_window_cache" },
        { "opset com.microsoft 1 ; graph { input x f32[1,2,4] ; input c f32[1,1,4,4]\n"
          "node GroupQueryAttention x,x,x,c,c,x,x -> y in com.microsoft { int num_heads 1 ; int kv_num_heads 1\n"
          "int sliding_window_cache 1 }\noutput y }", "GroupQueryAttention.local_window_size" },
        { "graph { input x f32[1] ; node Relu x -> y { int surprise 1 }\noutput y }",
          "attribute 'surprise' is not known" },
        { "graph { input x f32[1] ; node Add x,x -> y { int activation -1 }\noutput y }",
          "attribute 'activation' is not known" },
        { "graph { input x opaque\nnode Identity x -> y\noutput y }", "'x' is an opaque type" },
        { "graph { weight w f32[1,1,1,1,1,1,1,1,1] raw 1\nnode Relu w -> y\noutput y }", "has 9 dimensions" },
        { "graph { input x f32[1] ; node Relu x -> y\noutput y f32[1,1,1,1,1,1,1,1,1] }",
          "more than 8 dimensions" },
        { "graph { input c bool[] ; weight w f32[1,1,1,1,1,1,1,1,1] raw 1\n"
          "node If c -> y { graph then_branch { output w }\n"
          "graph else_branch { output w } }\noutput y }",
          "9 dimensions" },
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        char text[400];
        pith_imported imported;
        pith_test_case(test, "unsupported: %s", cases[i].reason);
        snprintf(text, sizeof text, "ir 8 ; opset 13 ; %s", cases[i].text);
        if (import_text(test, text, proto, &imported)) {
            const pith_node *node = imported.graph->first;
            TEST_CHECK(test, node && !node->op && node->unsupported);
            TEST_CHECK_MESSAGE(test, node && node->unsupported && strstr(node->unsupported, cases[i].reason),
                               "the reason is \"%s\"", node && node->unsupported ? node->unsupported : "(none)");
        }
        pith_imported_deinit(&imported);
    }
}

/* As ONNX Runtime's quantiser leaves graphs: sorted by inputs, without a look into bodies. */
static void test_order(pith_test *test, pith_proto *proto)
{
    pith_imported imported;
    pith_test_case(test, "a body reads what a later node makes");
    if (import_text(test,
                    "ir 8 ; opset 13 ; graph { input x f32[1] ; input c bool[]\nnode Abs x -> z\n"
                    "node If c -> y { graph then_branch {\n"
                    "  node If c -> i { graph then_branch { node Neg t -> n ; output n }\n"
                    "    graph else_branch { node Exp e -> k ; output k } }\n"
                    "  output i }\ngraph else_branch { output x } }\n"
                    "node Sqrt z -> s\nnode Relu s -> t\nnode If c -> e { graph then_branch { output z }\n"
                    "graph else_branch { node Sin f -> g ; output g } }\nnode Cos x -> f\noutput y f32[1] }",
                    proto, &imported)) {
        static const char *const wanted[] = { "z", "s", "t", "f", "e", "y" };
        const pith_node *node = imported.graph->first;
        for (int i = 0; i < PITH_COUNT(wanted); i++, node = node ? node->next : NULL) {
            TEST_CHECK_MESSAGE(test, node && pithi_same_text(node->outputs[0]->name, wanted[i]),
                               "node %d makes '%s', not '%s'", i, node ? node->outputs[0]->name : "", wanted[i]);
        }
        TEST_CHECK(test, !node);
        TEST_OK(test, pithi_graph_verify(imported.graph));
    }
    pith_imported_deinit(&imported);
}

/* Processor time of an import where the first node's body reads the results of n later nodes. */
static double seconds_in_order(pith_test *test, pith_proto *proto, int n)
{
    pith_imported imported;
    pithi_text text = { .ctx = test->ctx };
    pithi_text_add(&text, "ir 8 ; opset 13 ; graph { input x f32[1] ; input c bool[]\n"
                          "node If c -> y { graph then_branch {\n");
    for (int i = 0; i < n; i++) {
        pithi_text_add(&text, "node Neg t%d -> b%d\n", i, i);
    }
    pithi_text_add(&text, "output b0 }\ngraph else_branch { output x } }\n");
    for (int i = 0; i < n; i++) {
        pithi_text_add(&text, "node Neg x -> t%d\n", i);
    }
    pithi_text_add(&text, "output y f32[1] }");
    TEST_CHECK(test, text.data && pith_proto_onnx(proto, text.data));
    pithi_text_deinit(&text);
    const clock_t start = clock();
    TEST_OK(test, pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", &imported));
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    pith_imported_deinit(&imported);
    pith_proto_free(proto);
    return seconds;
}

static void test_order_of_many(pith_test *test, pith_proto *proto)
{
    pith_test_case(test, "putting nodes in order takes time in proportion to them");
    pith_proto_free(proto);
    const double once = seconds_in_order(test, proto, 5000), four_times = seconds_in_order(test, proto, 20000);
    TEST_CHECK_MESSAGE(test, four_times < 10.0 * once + 0.2, "5000 nodes: %.3f s, 20000 nodes: %.3f s", once,
                       four_times);
}

static void test_details(pith_test *test, pith_proto *proto)
{
    pith_imported imported;
    pith_test_case(test, "weights listed as inputs are constants (IR 3)");
    if (import_text(test, "ir 3 ; opset 7 ; graph { input x f32[1] ; input w f32[1] ; weight w f32[1] raw 2\n"
                          "node Add x,w -> y\noutput y f32[1] }", proto, &imported)) {
        TEST_CHECK(test, imported.graph->n_inputs == 1 && imported.graph->first->inputs[1]->constant != NULL);
    }
    pith_imported_deinit(&imported);
    pith_test_case(test, "absent operands are NULL, trailing ones vanish");
    if (import_text(test, "ir 8 ; opset 13 ; graph { input x f32[1] ; weight h f32 raw 1\nnode Odd x,_,h -> a\n"
                          "node Odd a,_,_ -> y\noutput y }", proto, &imported)) {
        const pith_node *odd = imported.graph->first;
        TEST_CHECK(test, odd->n_inputs == 3 && !odd->inputs[1] && odd->inputs[2]);
        TEST_CHECK(test, odd->next->n_inputs == 1);
    }
    pith_imported_deinit(&imported);
    for (int window = 4; window <= 5; window++) {
        char text[512];
        pith_test_case(test, "a window of %d keys in a cache of 4", window);
        snprintf(text, sizeof text,
                 "ir 8 ; opset 13 ; opset com.microsoft 1 ; graph { input x f32[1,1,4] ; input c f32[1,1,4,4]\n"
                 "input l s32[1] ; input t s32[]\nnode GroupQueryAttention x,x,x,c,c,l,t -> y in com.microsoft {\n"
                 "int num_heads 1 ; int kv_num_heads 1 ; int local_window_size %d ; int sliding_window_cache 1 }\n"
                 "output y f32[1,1,4] }", window);
        if (import_text(test, text, proto, &imported) && window == 4) {
            TEST_OK(test, pithi_graph_infer(imported.graph));
        } else if (imported.graph) {
            TEST_STATUS(test, pithi_graph_infer(imported.graph), PITH_STATUS_SHAPE, "doesn't fit");
        }
        pith_imported_deinit(&imported);
    }
    pith_test_case(test, "types that pith lacks may be declared if nothing reads them");
    if (import_text(test, "ir 8 ; opset 13 ; graph { input s opaque\n"
                          " input x f32[1]\n"
                          "weight w f32[1,1,1,1,1,1,1,1,1] raw 1 ; node Relu x -> y\noutput y }", proto, &imported)) {
        TEST_CHECK(test, imported.graph->n_inputs == 1 && imported.graph->first->op);
    }
    pith_imported_deinit(&imported);
    pith_test_case(test, "ai.onnx is the default domain; unknown and negative sizes are unknown");
    if (import_text(
            test, "ir 8 ; opset ai.onnx 13 ; graph { input x f32[?,-1,3] ; node Relu x -> y in ai.onnx\noutput y }",
            proto, &imported)) {
        const pith_shape *shape = &imported.graph->inputs[0]->shape;
        TEST_CHECK(test, shape->dims[0] == -1 && shape->dims[1] == -1 && shape->dims[2] == 3);
        TEST_CHECK(test, imported.graph->first->op && imported.info.opset == 13);
    }
    pith_imported_deinit(&imported);
    pith_test_case(test, "attributes of 2017 without a type");
    if (import_text(test,
                    "ir 3 ; opset 6 ; graph { input x f32[1] ; node LeakyRelu x -> y { float alpha 0.5 untyped }\n"
                    "output y }",
                    proto, &imported)) {
        TEST_CHECK(test, imported.graph->first->op != NULL);
    }
    pith_imported_deinit(&imported);
}

void test_onnx_read(pith_test *test)
{
    pith_proto proto = { 0 };
    test_base_models(test, &proto);
    test_outputs_without_name(test, &proto);
    test_functions(test, &proto);
    test_weights(test, &proto);
    test_small_weights(test, &proto);
    pith_proto_free(&proto);
    test_borrowing(test, &proto);
    test_unsupported(test, &proto);
    test_order(test, &proto);
    test_order_of_many(test, &proto);
    test_details(test, &proto);
    pith_proto_free(&proto);
    pith_test_case(test, "nothing is left behind");
    TEST_CHECK(test, pith_ctx_memory_bytes(test->ctx) == 0);
}
