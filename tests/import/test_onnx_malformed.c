/* SPDX-License-Identifier: Apache-2.0 */
/* Malformed models: each is refused with the right status and a message that names the fault. */
#include <stdio.h>

#include "base/ctx.h"
#include "support/onnx_models.h"
#include "support/test.h"

typedef struct bad_model {
    const char *text; /* completed by "ir 8 ; opset 13 ;" in front unless it begins with "!" */
    pith_status status;
    const char *part;
} bad_model;

#define FORMAT PITH_STATUS_FORMAT
#define UNSUPPORTED PITH_STATUS_UNSUPPORTED
#define LIMIT PITH_STATUS_LIMIT
#define X "input x f32[1] ; "
#define Y "output y f32[1] "

static const bad_model models[] = {
    /* header */
    { "!", FORMAT, "no ir_version" },
    { "! ir 99 ; opset 1 ; graph { }", UNSUPPORTED, "IR version 99, pith reads versions 1 to 14" },
    { "! ir 8 ; opset 13", FORMAT, "no graph" },
    { "! ir 8 ; graph { }", FORMAT, "imports no operator set" },
    { "! ir 8 ; opset 0 ; graph { }", FORMAT, "version 0; versions begin with 1" },
    { "! ir 8 ; opset 99 ; graph { }", UNSUPPORTED, "opset 99, this version of pith knows opsets up to 28" },
    { "! ir 8 ; opset 13 ; opset ai.onnx 14 ; graph { }", FORMAT, "imported with versions 13 and 14" },
    { "graph { } ; graph { }", FORMAT, "two graphs" },
    { "graph { node Relu x -> y in other }", FORMAT, "domain 'other' is not in opset_import" },
    { "! ir 8 ; opset other 1 ; graph { " X "node Relu x -> y\n" Y "}", FORMAT,
      "domain '' is not in opset_import" },
    /* wire format */
    { "bytes 0b 0c ; graph { }", FORMAT, "field 1 has wire type 3" },
    { "bytes 07 ; graph { }", FORMAT, "field number 0" },
    { "bytes 80 80 80 80 80 80 80 80 80 02 ; graph { }", FORMAT, "cut off or longer than 64 bits" },
    { "bytes f8 ff ff ff ff ff 01 00 ; graph { }", FORMAT, "is outside 1..536870911" },
    { "graph { } ; bytes 12 7f 41", FORMAT, "field 2 has 127 bytes, but its message ends after 1" },
    { "graph { } ; bytes 12 ff ff ff ff ff ff ff ff ff 01", FORMAT, "but its message ends after 0" },
    { "graph { } ; bytes 0d 00 00", FORMAT, "field 1 has 4 bytes" },
    { "graph { } ; field 1 text abc", FORMAT, "'ir_version' (field 1) has wire type 2 instead of 0" },
    { "field 7 varint 5", FORMAT, "'graph' (field 7) has wire type 0 instead of 2" },
    { "graph { field 1 varint 5 }", FORMAT, "'node' (field 1)" },
    { "graph { field 5 text \xff }", FORMAT, "cut off" },
    /* names and order */
    { "graph { " X "node Relu t -> y as first\nnode Relu x -> t as second\n" Y "}", FORMAT,
      "node 'first' (Relu, opset 13): input 0 is 't', which is made by node 'second' (Relu) that comes later" },
    { "graph { " X "node Add x,b -> a as one\nnode Relu a -> b as two\noutput b }", FORMAT, "without cycles" },
    { "graph { " X "node Add x,y -> y as self\n" Y "}", FORMAT,
      "node 'self' (Add) that comes later or is the same" },
    { "graph { " X "node Relu z -> y as r\n" Y "}", FORMAT,
      "input 0 is 'z', which no input, weight or node defines" },
    { "graph { " X "node Relu x -> y as r\nnode Abs x -> y as s\n" Y "}", FORMAT,
      "node 's' (Abs, opset 13): value 'y' is defined twice" },
    { "graph { " X "node Relu x -> x\noutput x }", FORMAT, "value 'x' is defined twice" },
    { "graph { " X X Y "}", FORMAT, "graph input #1: value 'x' is defined twice" },
    { "graph { weight w f32[1] raw 1\nweight w f32[1] raw 1 }", FORMAT, "initializer: value 'w' is defined twice" },
    { "graph { weight _ f32[1] raw 1\n}", FORMAT, "a value has no name" },
    { "graph { input _ f32[1] }", FORMAT, "a value has no name" },
    { "graph { " Y "}", FORMAT, "graph output #0: a graph output is 'y', which no input" },
    { "graph { " X "output x ; output x }", FORMAT, "graph output 'x' is listed twice" },
    { "graph { input x }", FORMAT, "there is no type" },
    { "graph { " X "node _ x -> y\n" Y "}", FORMAT, "there is no op_type" },
    { "graph { weight w f32[1] raw 1\ninput w s64[1] }", FORMAT, "value 'w' is declared as s64, but is f32" },
    { "graph { " X "node Relu x -> y\ninfo y f32[1]\noutput y s8[1] }", FORMAT,
      "'y' is declared as s8, but is f32" },
    { "graph { input x t99[1] }", FORMAT, "element type 99, which ONNX doesn't have" },
    /* attributes */
    { "graph { " X "node Softmax x -> y as s { int axis 1\nint axis 1 }\n" Y "}", FORMAT,
      "attribute 'axis' is given twice" },
    { "graph { " X "node Softmax x -> y as s { float axis 1 }\n" Y "}", FORMAT,
      "attribute 'axis' must be an int, but is a float" },
    { "graph { " X "node Softmax x -> y as s { int _ 1 }\n" Y "}", FORMAT, "an attribute has no name" },
    { "graph { " X "node Softmax x -> y { ref axis a }\n" Y "}", FORMAT, "stands in no function" },
    { "graph { " X "node Softmax x -> y { field 5 text \x12 }\n" Y "}", FORMAT, "cut off" },
    { "graph { node Constant - -> y\n" Y "}", FORMAT, "a Constant has one attribute" },
    { "graph { node Constant - -> y { tensor value f32[2] raw 1 }\n" Y "}", FORMAT,
      "attribute 'value': tensor '': raw_data has 4 bytes, dtype and shape want 8" },
    /* tensors */
    { "graph { weight w f32[2] raw 1\n}", FORMAT, "tensor 'w': raw_data has 4 bytes, dtype and shape want 8" },
    { "graph { weight w f32[2]\n}", FORMAT, "raw_data has 0 bytes" },
    { "graph { weight w f32[2] packed 1 2 3\n}", FORMAT, "the data has 3 elements, the shape wants 2" },
    { "graph { weight w f32[-2] raw 1\n}", FORMAT, "dimension 0 is -2; sizes can't be negative" },
    { "graph { weight w none[1] raw 1\n}", FORMAT, "data_type is 0" },
    { "graph { weight w t99[1] raw 1\n}", FORMAT, "data_type is 99" },
    { "graph { weight w bool[2] raw 1 2\n}", FORMAT, "element 1 of a bool tensor is 2, not 0 or 1" },
    { "graph { weight w bool[2] packed 1 2\n}", FORMAT, "element 1 is 2, which bool can't hold" },
    { "graph { weight w s8[2] packed 1 300\n}", FORMAT, "element 1 is 300, which s8 can't hold" },
    { "graph { weight w u8[1] packed -1\n}", FORMAT, "element 0 is -1, which u8 can't hold" },
    { "graph { weight w f32[2305843009213693952,8]\n}", LIMIT, "max_tensor_bytes" },
    { "graph { weight w f32[1] external -\n}", UNSUPPORTED, "came from memory" },
    { "graph { sparse s f32[4] values 5 6 at s64[2] raw 0 4\n}", FORMAT,
      "sparse index 4 of value 1 is outside [0, 4)" },
    { "graph { sparse s f32[4] values 5 6 at s64[2] raw 3 0\n}", FORMAT, "sparse indices must ascend" },
    { "graph { sparse s f32[4] values 5 6 at s32[2] raw 0 3\n}", FORMAT, "int64 indices" },
    { "graph { sparse s f32[4,2] values 5 6 at s64[2,3] raw 0 1 2 3 4 5\n}", FORMAT,
      "int64 indices [n] or [n, 2]" },
    /* functions */
    { "opset f 1 ; graph { " X "node F x -> y in f\n" Y
      "} ; function f F (u) -> v { opset f 1 ; node F u -> v in f }",
      FORMAT, "function 'F' calls itself" },
    { "opset f 1 ; graph { " X "node F x -> y in f\n" Y
      "} ; function f F (u) -> v { opset f 1 ; node G u -> v in f }\n"
      "function f G (u) -> v { opset f 1 ; node F u -> v in f }",
      FORMAT, "function 'F' calls itself" },
    { "graph { } ; function f F (u) -> u { } ; function f F (v) -> v { }", FORMAT,
      "function 'F' of domain 'f' is defined twice" },
    { "graph { } ; function f _ (u) -> u { }", FORMAT, "function #1: the function has no name" },
    { "opset f 1 ; graph { " X "node F x,x -> y in f\n" Y "} ; function f F (u) -> u { }", FORMAT,
      "the call has 2 inputs, the function 1" },
    { "opset f 1 ; graph { " X "node F x -> y,z in f\n" Y "} ; function f F (u) -> u { }", FORMAT,
      "the call has 2 outputs, the function 1" },
    { "opset f 1 ; graph { " X "node F x -> y in f { int k 1 }\n" Y "} ; function f F (u) -> u { }", FORMAT,
      "the call has 1 attributes" },
    { "opset f 1 ; graph { " X "node F x -> y in f\n" Y "} ; function f F (u) -> w { }", FORMAT,
      "the function's output is 'w', which no input" },
    { "opset f 1 ; graph { " X "node F x -> y in f\n" Y "} ; function f F (u,u) -> u { }", FORMAT,
      "input 'u' is listed twice" },
    { "opset f 1 ; graph { " X "node F x -> y as call in f\n" Y
      "} ; function f F (u) -> v { opset 13 ; node Relu q -> v as r }",
      FORMAT, "node 'call' (F, opset 1): function 'F': node 'r' (Relu, opset 13): input 0 is 'q'" },
    { "opset f 1 ; graph { " X "node F x -> y in f\n" Y "} ; function f F (u,o) -> o { }", FORMAT,
      "which the call leaves out" },
    /* bodies */
    { "graph { input c bool[] ; node If c -> y as i { graph then_branch { node Relu q -> a as r\noutput a } }\n" Y
      "}",
      FORMAT, "node 'i' (If, opset 13): attribute 'then_branch': node 'r' (Relu, opset 13): input 0 is 'q'" },
    { "graph { input c bool[] ; node If c -> y { graph then_branch { node Relu y -> a\noutput a } }\n" Y "}",
      FORMAT, "comes later or is the same" },
    { "graph { " X "input c bool[] ; node If c -> y as i { graph then_branch { node Relu t -> a\noutput a } }\n"
      "node Abs s -> t\nnode Neg y -> s as n\n" Y "}",
      FORMAT, "node 'n' (Neg, opset 13): input 0 is 'y', which is made by node 'i' (If) that comes later" },
};

static void check_model(pith_test *test, pith_proto *proto, const bad_model *model)
{
    char text[1000];
    pith_imported imported;
    snprintf(text, sizeof text, "%s%s", *model->text == '!' ? "" : "ir 8 ; opset 13 ; ",
             model->text + (*model->text == '!'));
    pith_proto_free(proto);
    TEST_CHECK(test, pith_proto_onnx(proto, text));
    TEST_STATUS(test, pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", &imported), model->status,
                model->part);
    TEST_CHECK(test, !imported.graph && pith_ctx_memory_bytes(test->ctx) == 0);
    pith_imported_deinit(&imported);
}

/* Ten bodies inside each other: 30 messages, and beyond. */
static void write_nest(pith_proto *proto, int depth)
{
    pith_proto_onnx(proto, "ir 8 ; opset 13");
    pith_proto_begin(proto, 7);
    for (int i = 0; i < depth; i++) {
        pith_proto_begin(proto, 1); /* node */
        pith_proto_text(proto, 4, "Nest");
        pith_proto_begin(proto, 5); /* attribute */
        pith_proto_text(proto, 1, "body");
        pith_proto_varint(proto, 20, 5);
        pith_proto_begin(proto, 6); /* graph */
    }
    for (int i = 0; i < 3 * depth + 1; i++) {
        pith_proto_end(proto);
    }
}

static void test_limits(pith_test *test, pith_proto *proto)
{
    pith_imported imported;
    pith_limits saved = test->ctx->limits;
    pith_test_case(test, "max_nesting: bodies");
    pith_proto_free(proto);
    write_nest(proto, 9);
    TEST_OK(test, pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", &imported));
    pith_imported_deinit(&imported);
    pith_proto_free(proto);
    write_nest(proto, 11);
    TEST_STATUS(test, pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", &imported), LIMIT, "max_nesting");
    pith_imported_deinit(&imported);

    pith_test_case(test, "max_nodes: nodes of bodies and of expanded functions count");
    for (int i = 1; i < pith_onnx_n_all; i++) {
        pith_proto_free(proto);
        TEST_CHECK(test, pith_proto_onnx(proto, pith_onnx_all[i]));
        test->ctx->limits.max_nodes = 4;
        TEST_STATUS(test, pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", &imported), LIMIT, "max_nodes");
        pith_imported_deinit(&imported);
    }
    test->ctx->limits = saved;

    pith_test_case(test, "max_nodes: functions that double without any node");
    pith_proto_free(proto);
    pith_proto_onnx(proto, "ir 10 ; opset f 1 ; graph { input x f32[1] ; node F20 x -> y in f\noutput y }\n"
                           "function f F0 (u) -> u { opset f 1 }");
    for (int i = 1; i <= 20; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "function f F%d (u) -> u { opset f 1 ; node F%d u -> _ in f\nnode F%d u -> _ in f }", i, i - 1,
                 i - 1);
        pith_proto_onnx(proto, text);
    }
    test->ctx->limits.max_nodes = 1000;
    TEST_STATUS(test, pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", &imported), LIMIT, "max_nodes");
    pith_imported_deinit(&imported);
    test->ctx->limits = saved;

    pith_test_case(test, "max_tensor_bytes");
    pith_proto_free(proto);
    pith_proto_onnx(proto, pith_onnx_dense);
    test->ctx->limits.max_tensor_bytes = 23;
    TEST_STATUS(test, pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", &imported), LIMIT,
                "max_tensor_bytes");
    pith_imported_deinit(&imported);
    pith_proto_free(proto);
    pith_proto_onnx(proto, pith_onnx_function);
    test->ctx->limits.max_tensor_bytes = 15;
    TEST_STATUS(test, pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", &imported), LIMIT,
                "max_tensor_bytes");
    pith_imported_deinit(&imported);
    test->ctx->limits = saved;
}

void test_onnx_malformed(pith_test *test)
{
    pith_proto proto = { 0 };
    for (int i = 0; i < PITH_COUNT(models); i++) {
        pith_test_case(test, "%s", models[i].part);
        check_model(test, &proto, &models[i]);
    }
    test_limits(test, &proto);
    pith_proto_free(&proto);
}
