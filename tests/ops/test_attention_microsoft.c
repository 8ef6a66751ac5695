/* SPDX-License-Identifier: Apache-2.0 */
/* com.microsoft's attention operators, whose maps add nodes, against outputs of ONNX Runtime 1.30. */
#include "support/golden.h"

static const pith_test_golden goldens[] = {
    { "bias and mask of keys",
      "ir 8 ; opset 17 ; opset com.microsoft 1\n"
      "graph { name g ; input q f32[1,2,4] ; input k f32[1,3,4] ; input v f32[1,3,4]\n"
      "weight b f32[12] raw 0.43 -0.1 -0.59 -0.8 -0.63 -0.17 0.37 0.74 0.76 0.42 -0.12 -0.6\n"
      "weight m s32[1,3] raw 1 0 1\n"
      "node MultiHeadAttention q,k,v,b,m -> y in com.microsoft { int num_heads 2 }\n"
      "output y f32[1,2,4] }",
      1,
      { 1.037688f, 0.6203943f, -0.3935524f, -0.9015886f, 0.9318609f, 0.6809477f, -0.2664084f, -0.8892668f } },
    { "past and present, causal",
      "ir 8 ; opset 17 ; opset com.microsoft 1\n"
      "graph { name g ; input q f32[1,2,4] ; input k f32[1,2,4] ; input v f32[1,2,4]\n"
      "input pk f32[1,2,1,2] ; input pv f32[1,2,1,2]\n"
      "node MultiHeadAttention q,k,v,_,_,_,pk,pv -> y,nk in com.microsoft { int num_heads 2 ; int unidirectional 1 }\n"
      "output y f32[1,2,4] ; output nk f32[1,2,3,2] }",
      2,
      { 0.2399806f,  -0.2240005f, -0.3481971f, 0.0514205f,   0.2505415f,  0.03537178f,  -0.2286078f,
        -0.1738749f, 0.2564279f,  -0.4540815f, 0.4699962f,   0.4850979f,  -0.1092975f,  0.5392249f,
        -0.4993605f, 0.1869248f,  -0.2104699f, -0.5976987f,  0.3977816f,  -0.3264127f } },
    { "projection",
      "ir 8 ; opset 17 ; opset com.microsoft 1\n"
      "graph { name g ; input x f32[1,3,2]\n"
      "weight w f32[2,12] raw 0.7 0.29 -0.26 -0.69 -0.79 -0.52 -0.01 0.51 0.79 0.7 0.28 -0.27 "
      "-0.69 -0.79 -0.51 0.0 0.52 0.79 0.69 0.26 -0.28 -0.7 -0.79 -0.5\n"
      "weight b f32[12] raw 0.43 -0.1 -0.59 -0.8 -0.63 -0.17 0.37 0.74 0.76 0.42 -0.12 -0.6\n"
      "node Attention x,w,b -> y in com.microsoft { int num_heads 2 ; int unidirectional 1 ; float scale 0.9 }\n"
      "output y f32[1,3,4] }",
      1,
      { 0.5981222f, 0.01530558f, -0.5767266f, -0.8890675f, 0.748437f, 0.2774832f, -0.06142491f, -0.6449196f,
        0.7220197f, 0.3677367f, -0.1734127f, -0.6020685f } },
};

void test_attention_microsoft(pith_test *test)
{
    pith_test_goldens(test, goldens, PITH_COUNT(goldens));
}
