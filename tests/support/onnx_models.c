/* SPDX-License-Identifier: Apache-2.0 */
#include "support/onnx_models.h"

const char pith_onnx_dense[] =
    "ir 8 ; opset 13 ; producer tests\n"
    "graph {\n"
    "  name dense ; input x f32[N,2]\n"
    "  weight w f32[2,3] raw 1 2 3 4 5 6\n"
    "  weight b f32[3] packed 0.5 -0.5 2\n"
    "  weight scale f16[1] list 0x3c00\n"
    "  weight shape s64[2] packed -1 3\n"
    "  node MatMul x,w -> product as first\n"
    "  node Add product,b -> sum\n"
    "  node Relu sum -> positive as act\n"
    "  node Constant - -> axis { tensor value s32[1] raw 1 }\n"
    "  node Reshape positive,shape -> y { int allowzero 0 }\n"
    "  node Softmax y -> z as last { int axis -1 }\n"
    "  info product f32[N,3] ; output y f32[?,3] ; output z f32[N,3]\n"
    "}\n";

const char pith_onnx_control[] =
    "ir 8 ; opset 16\n"
    "graph {\n"
    "  name control ; input x f32[2] ; input go bool[] ; weight one f32[1] raw 1\n"
    "  weight n s64[] raw 3\n"
    "  node Loop n,go,x -> y as loop {\n"
    "    graph body {\n"
    "      name body ; input i s64[] ; input c bool[] ; input v f32[2]\n"
    "      node If c -> t as pick {\n"
    "        graph then_branch { node Add v,one -> a ; output a f32[2] }\n"
    "        graph else_branch { weight k f32[1] raw 2 ; node Mul v,k -> m ; output m f32[2] }\n"
    "      }\n"
    "      node Identity c -> d\n"
    "      output d bool[] ; output t f32[2]\n"
    "    }\n"
    "  }\n"
    "  output y f32[2]\n"
    "}\n";

const char pith_onnx_function[] =
    "ir 10 ; opset 18 ; opset my 1\n"
    "graph {\n"
    "  name main ; input x f32[2,N]\n"
    "  sparse s f32[4] values 5 6 at s64[2] raw 0 3\n"
    "  node Pair x -> a,b as p in my { float alpha 0.25 }\n"
    "  node Pair b -> _,c in my\n"
    "  node Mul a,c -> y\n"
    "  output y f32[2,N]\n"
    "}\n"
    "function my Pair (u) -> lo,hi : beta {\n"
    "  opset 18 ; opset my 1 ; default float alpha 0.5\n"
    "  node LeakyRelu u -> lo { ref alpha alpha }\n"
    "  node Twice lo -> hi in my\n"
    "}\n"
    "function my Twice (v) -> w { opset 13 ; node Add v,v -> w }\n";

const char *const pith_onnx_all[] = { pith_onnx_dense, pith_onnx_control, pith_onnx_function };
const int pith_onnx_n_all = PITH_COUNT(pith_onnx_all);

pith_status pith_import_bytes(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder,
                              pith_imported *imported)
{
    *imported = (pith_imported){ .ctx = ctx };
    return pithi_import_onnx(ctx, data, n_bytes, folder, &imported->info, &imported->graph);
}

void pith_imported_deinit(pith_imported *imported)
{
    pithi_graph_destroy(imported->graph);
    pithi_import_info_deinit(imported->ctx, &imported->info);
    *imported = (pith_imported){ .ctx = imported->ctx };
}
