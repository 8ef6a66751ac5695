/* SPDX-License-Identifier: Apache-2.0 */
/* Spellings of elementwise operators and normalisations whose maps add nodes or rewrite old opsets, against outputs of
 * ONNX Runtime 1.30 (which lacks opset 6 and 28: their formulas). */
#include "support/golden.h"

#define HEAD "ir 8 ; opset 17 ; opset com.microsoft 1 ; graph { name g ; input x f32[1,2,4]\n"
#define OPSET(version) "ir 8 ; opset " #version " ; graph { name g ; input x f32[1,2,4]\n"

static const pith_test_golden goldens[] = {
    { "SkipLayerNormalization with beta, bias and sum",
      HEAD "input s f32[1,2,4] ; weight g f32[4] raw 0.5 1 1.5 -1 ; weight be f32[4] raw 0.1 -0.2 0.3 0\n"
      "weight bi f32[4] raw 0.25 -0.5 0.75 1\n"
      "node SkipLayerNormalization x,s,g,be,bi -> y,_,_,z in com.microsoft { float epsilon 0.01 }\n"
      "output y f32[1,2,4] ; output z f32[1,2,4] }",
      2,
      { 0.37627f, -0.1043765f, 1.69208f, 1.576216f, -0.5132478f, -0.733574f, 2.441861f, -0.3321626f, 0.7199962f,
        0.5632328f, 0.8488309f, -0.01035845f, -0.3893703f, 0.1682969f, 1.746907f, 0.8650463f } },
    { "SkipSimplifiedLayerNormalization with sum",
      HEAD "input s f32[1,2,4] ; weight g f32[4] raw 0.5 1 1.5 -1\n"
      "node SkipSimplifiedLayerNormalization x,s,g -> y,_,_,z in com.microsoft { float epsilon 0.01 }\n"
      "output y f32[1,2,4] ; output z f32[1,2,4] }",
      2,
      { 0.3020032f, 1.366393f, 0.1905159f, 1.298442f, -0.462941f, 0.967771f, 2.165456f, 0.1954285f, 0.4699962f,
        1.063233f, 0.09883088f, -1.010358f, -0.6393703f, 0.6682969f, 0.9969075f, -0.1349537f } },
    { "FastGelu with bias",
      HEAD "weight b f32[4] raw 0.25 -0.5 0.75 1 ; node FastGelu x,b -> y in com.microsoft ; output y f32[1,2,4] }", 1,
      { 0.1496754f, 0.04150053f, 0.9058136f, 0.4237427f, -0.1091493f, -0.1318133f, 1.229295f, 1.05216f } },
    { "BiasGelu",
      HEAD "weight b f32[4] raw 0.25 -0.5 0.75 1 ; node BiasGelu x,b -> y in com.microsoft ; output y f32[1,2,4] }", 1,
      { 0.1496766f, 0.04150054f, 0.9059867f, 0.4237733f, -0.1091474f, -0.1318076f, 1.229528f, 1.052372f } },
    { "QuickGelu",
      HEAD "node QuickGelu x -> y in com.microsoft { float alpha 1.5 } ; output y f32[1,2,4] }", 1,
      { 0.0f, 0.4071013f, 0.1898956f, -0.1444356f, -0.1648912f, 0.0707639f, 0.4257869f, 0.109382f } },
    { "SwiGLU of opset 28",
      OPSET(28) "input s f32[1,2,4] ; node SwiGLU x,s -> y { float alpha 1.5 } ; output y f32[1,2,4] }", 1,
      { 0.0f, 0.197484f, -0.03996731f, 0.08632895f, 0.01802219f, 0.03815765f, 0.1693702f, -0.03570367f } },
    { "Softmax of opset 11 flattens",
      OPSET(11) "node Softmax x -> y { int axis 1 } ; output y f32[1,2,4] }", 1,
      { 0.1045484f, 0.1863796f, 0.1424443f, 0.06919929f, 0.06153324f, 0.1189523f, 0.1903332f, 0.1266097f } },
    { "Clip of opset 10 has attributes",
      OPSET(10) "node Clip x -> y { float min -0.25 ; float max 0.5 } ; output y f32[1,2,4] }", 1,
      { 0.0f, 0.5f, 0.3093008f, -0.25f, -0.25f, 0.129072f, 0.5f, 0.191459f } },
    { "ReduceSum of opset 11 has axes as an attribute",
      OPSET(11) "node ReduceSum x -> y { ints axes 1 ; int keepdims 0 } ; output y f32[1,4] }", 1,
      { -0.5300728f, 0.7072069f, 0.9084268f, -0.2212007f } },
    { "Add of opset 6 broadcasts at an axis",
      OPSET(6) "weight b f32[2] raw 1 -1 ; node Add x,b -> y { int broadcast 1 ; int axis 1 } ; output y f32[1,2,4] }",
          1,
      { 1.0f, 1.578135f, 1.309301f, 0.5873403f, -1.530073f, -0.870928f, -0.400874f, -0.808541f } },
    { "PRelu of opset 6 has a slope per channel",
      OPSET(6) "weight b f32[2] raw 0.5 -2 ; node PRelu x,b -> y ; output y f32[1,2,4] }", 1,
      { 0.0f, 0.5781349f, 0.3093008f, -0.2063299f, 1.060146f, 0.129072f, 0.599126f, 0.191459f } },
};

void test_spellings(pith_test *test)
{
    pith_test_goldens(test, goldens, PITH_COUNT(goldens));
}
