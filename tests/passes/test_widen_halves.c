/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"
#include "support/onnx_models.h"

/* Files needn't say types of inner values: a half that a cast makes is widened with the operands beside it. */
static void test_unknown_types(pith_test *test)
{
    pith_imported imported = { 0 };
    pith_proto content = { 0 };
    int n_changes = 0;
    pith_test_case(test, "a cast to a half whose type no file says");
    TEST_CHECK(test, pith_proto_onnx(&content, "ir 8 ; opset 13 ; graph { input x f16[2,3] ; node Relu x -> r\n"
                                               "node Cast x -> w { int to 1 } ; node Sigmoid w -> s\n"
                                               "node Cast s -> h { int to 10 } ; node Concat r,h -> y { int axis 0 }\n"
                                               "output y f16[4,3] }"));
    TEST_OK(test, pith_import_bytes(test->ctx, content.data, content.n_bytes, NULL, &imported));
    if (imported.graph) {
        TEST_OK(test, pithi_pass_widen_halves.run(imported.graph, PITH_STAGE_MODEL, &n_changes));
        TEST_OK(test, pithi_graph_infer(imported.graph));
        TEST_CHECK(test, n_changes > 0);
    }
    pith_imported_deinit(&imported);
    pith_test_case(test, "a scale of halves doesn't tell the type beside output_dtype");
    pith_proto_free(&content);
    TEST_CHECK(test, pith_proto_onnx(&content, "ir 11 ; opset 23 ; graph { input x s8[2,3] ; weight s f16 raw 1\n"
                                               "node DequantizeLinear x,s -> d { int output_dtype 1 }\n"
                                               "node Relu d -> y\noutput y f32[2,3] }"));
    n_changes = 0;
    TEST_OK(test, pith_import_bytes(test->ctx, content.data, content.n_bytes, NULL, &imported));
    if (imported.graph) {
        TEST_OK(test, pithi_pass_widen_halves.run(imported.graph, PITH_STAGE_MODEL, &n_changes));
        TEST_OK(test, pithi_graph_infer(imported.graph));
        TEST_CHECK(test, imported.graph->outputs[0]->dtype == PITH_DTYPE_F32);
        for (const pith_node *node = imported.graph->first; node; node = node->next) {
            TEST_CHECK(test, !pithi_same_text(node->op->head.name, "cast"));
        }
    }
    pith_imported_deinit(&imported);
    pith_proto_free(&content);
}

static const pith_pass *const passes[] = { &pithi_pass_widen_halves, &pithi_pass_remove_dead };

static void test_network(pith_test *test)
{
    pith_test_case(test, "a float16 network computes in float32");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_SHAPE, 2e-3,
        "input x f16[2,3]\n"
        "const w f16[3,4]\n"
        "const b bf16[4]\n"
        "a = matmul x w\n"
        "r = relu a\n"
        "t = transpose r\n"
        "s = softmax t\n"
        "output s\n"
        "n = shape t\n"
        "output n\n",
        "inputs %x:f16[2,3]\n"
        "%pith:0:f32[2,3] = cast(%x) to=f32\n"
        "%pith:2:f32[2,4] = matmul(%pith:0, %pith:1)\n"
        "%pith:3:f32[2,4] = relu(%pith:2)\n"
        "%pith:4:f32[4,2] = transpose(%pith:3)\n"
        "%pith:5:f32[4,2] = softmax(%pith:4)\n"
        "%s:f16[4,2] = cast(%pith:5) to=f16\n"
        "outputs %s:f16[4,2], %n:s64[2]\n" });
}

void test_widen_halves(pith_test *test)
{
    test_network(test);
    test_unknown_types(test);
    pith_test_case(test, "tables are read as they are, sequences hold what they held");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_SHAPE, 2e-3,
        "input x f16[3]\n"
        "const table f16[9,3]\n"
        "input at s64[2]{0:9}\n"
        "g = gather table at\n"
        "a = add g x\n"
        "q = sequence_construct a x\n"
        "m = sequence_length q\n"
        "output a\n"
        "output m\n",
        "inputs %x:f16[3], %at:s64[2]\n"
        "%g:f16[2,3] = gather(%table, %at)\n"
        "%pith:0:f32[2,3] = cast(%g) to=f32\n"
        "%pith:1:f32[3] = cast(%x) to=f32\n"
        "%pith:2:f32[2,3] = add(%pith:0, %pith:1)\n"
        "%a:f16[2,3] = cast(%pith:2) to=f16\n"
        "%q:object[] = sequence_construct(%a, %x)\n"
        "%m:s64[] = sequence_length(%q)\n"
        "outputs %a:f16[2,3], %m:s64[]\n" });
    pith_test_case(test, "operators that ask for the element type see halves; other types stay");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_SHAPE, 2e-2,
        "input x bf16[4]\n"
        "input k s64[2]{0:4}\n"
        "const scale bf16[]{0.5}\n"
        "a = neg x\n"
        "i = is_inf a\n"
        "q = quantize_linear a scale -\n"
        "d = dequantize_linear q scale -\n"
        "e = exp d\n"
        "g = gather k k\n"
        "h = gather e k\n"
        "output i\n"
        "output g\n"
        "output h\n",
        NULL });
}
