#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/models/contrib_suite.tar.xz: models of com.microsoft operators with outputs that ONNX Runtime gave.

    make_contrib_suite.py [FOLDER]      (needs onnx, onnxruntime and numpy; default: the archive in tests/models)

The cases lie as in the ONNX backend suite: contrib/test_NAME/{model.onnx,tolerance,test_data_set_0/...}. Operators
without a kernel for CPUs in ONNX Runtime are computed from the formula in its documentation; `expected` says so.
"""

import os
import sys
import tempfile

import case_archive
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"
OPSET = 17
CASES = []
random = np.random.default_rng(7)


def f32(*shape, low=-1.0, high=1.0):
    return random.uniform(low, high, shape).astype(np.float32)


def u8(*shape, low=0, high=256):
    return random.integers(low, high, shape).astype(np.uint8)


def s8(*shape, low=-127, high=128):
    return random.integers(low, high, shape).astype(np.int8)


def scalar(value, dtype=np.float32):
    return np.array(value, dtype)


def case(name, operator, inputs, n_outputs=1, expected=None, rtol=1e-3, atol=1e-6, types=None, constants=(), shown=None,
         **attributes):
    """`inputs`: arrays by position, None where absent; those whose number is in `constants` become initialisers. Of the
    outputs the first `shown` are compared, by default all."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    outputs = [f"y{i}" for i in range(n_outputs)]
    node = helper.make_node(operator, names, outputs, domain=MS, **attributes)
    infos = [helper.make_tensor_value_info(names[i], helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
             for i, x in enumerate(inputs) if x is not None and i not in constants]
    weights = [numpy_helper.from_array(inputs[i], names[i]) for i in constants]
    feeds = {names[i]: x for i, x in enumerate(inputs) if x is not None and i not in constants}
    out_infos = [helper.make_tensor_value_info(y, TensorProto.FLOAT, None) for y in outputs]
    for i, dtype in (types or {}).items():
        out_infos[i] = helper.make_tensor_value_info(outputs[i], dtype, None)
    graph = helper.make_graph([node], name, infos, out_infos, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MS, 1)],
                              ir_version=8)
    if expected is None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        expected = session.run(None, feeds)
    del model.graph.output[shown or n_outputs:]
    CASES.append((f"test_{name}", model, list(feeds.values()), expected[:shown or n_outputs], rtol, atol))


def quantised():
    a, b = u8(3, 8), u8(8, 5)
    sa, sb = scalar(0.02), scalar(0.03)
    case("matmul_integer_to_float", "MatMulIntegerToFloat", [a, b, sa, sb, scalar(120, np.uint8), scalar(130, np.uint8)])
    case("matmul_integer_to_float_bias", "MatMulIntegerToFloat",
         [a, s8(8, 5), sa, f32(5, low=0.01, high=0.05), None, s8(5), f32(5)])
    case("dynamic_quantize_matmul", "DynamicQuantizeMatMul", [f32(4, 8), u8(8, 5), sb, scalar(128, np.uint8), f32(5)])
    case("dynamic_quantize_matmul_columns", "DynamicQuantizeMatMul", [f32(2, 4, 8), s8(8, 5), f32(5, low=0.01, high=0.05)])
    for dtype, zero in ((np.uint8, 128), (np.int8, 3)):
        x = f32(3, 4, low=-3, high=3)
        kind = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
        case(f"quantize_linear_{dtype.__name__}", "QuantizeLinear", [x, sa, scalar(zero, dtype)], types={0: kind})
        q = random.integers(-100 if dtype == np.int8 else 0, 100, (3, 4)).astype(dtype)
        case(f"dequantize_linear_{dtype.__name__}", "DequantizeLinear", [q, f32(4, low=0.1, high=1), q[0]], axis=1)
    x16 = random.integers(0, 60000, (3, 4)).astype(np.uint16)
    case("dequantize_linear_uint16", "DequantizeLinear", [x16, scalar(0.001), scalar(30000, np.uint16)])
    case("qlinear_where", "QLinearWhere", [random.integers(0, 2, (3, 4)).astype(bool), u8(3, 4), sa, scalar(3, np.uint8),
                                           u8(1, 4), sb, scalar(9, np.uint8), scalar(0.05), scalar(7, np.uint8)],
         types={0: TensorProto.UINT8})
    hidden, heads = 8, 2
    case("qattention", "QAttention",
         [u8(2, 3, hidden), u8(hidden, 3 * hidden), f32(3 * hidden), scalar(0.02), scalar(0.03), None,
          scalar(128, np.uint8), scalar(128, np.uint8)], num_heads=heads, atol=1e-5)
    case("qattention_mask_columns", "QAttention",
         [u8(2, 3, hidden), s8(hidden, 3 * hidden), f32(3 * hidden), scalar(0.02), f32(3 * hidden, low=0.01, high=0.04),
          np.array([[1, 1, 0], [1, 1, 1]], np.int32), scalar(128, np.uint8), s8(3 * hidden, low=-2, high=2)],
         num_heads=heads, unidirectional=1, atol=1e-5, constants=(1, 4, 7))
    case("qembed_layer_normalization", "QEmbedLayerNormalization",
         [np.array([[1, 2, 0]], np.int32), np.array([[0, 1, 1]], np.int32), u8(5, 8), u8(4, 8), u8(2, 8), u8(8), u8(8),
          None, scalar(0.02), scalar(0.02), scalar(0.02), scalar(0.01), scalar(0.01), scalar(128, np.uint8),
          scalar(120, np.uint8), scalar(128, np.uint8), scalar(100, np.uint8), scalar(128, np.uint8)], n_outputs=2,
         types={1: TensorProto.INT32}, atol=1e-5)
    for bits, block in ((4, 16), (4, 32), (8, 32), (2, 16)):
        n, k = 6, 40
        blocks = -(-k // block)
        weights = [u8(n, blocks, block * bits // 8), f32(n, blocks, low=0.01, high=0.1)]
        zeros = u8(n, -(-blocks * bits // 8))
        label = f"matmul_{bits}bits_{block}"
        case(label, "MatMulNBits", [f32(3, k), *weights], K=k, N=n, bits=bits, block_size=block, constants=(1, 2),
             atol=1e-5)
        case(label + "_zeros", "MatMulNBits", [f32(2, 3, k), *weights, zeros], K=k, N=n, bits=bits, block_size=block,
             constants=(1, 2, 3), atol=1e-5)
    case("matmul_4bits_bias", "MatMulNBits", [f32(3, 32), u8(5, 2, 8), f32(5, 2), None, None, f32(5)], K=32, N=5, bits=4,
         block_size=16, constants=(1, 2))
    for quant_type in (0, 1):
        case(f"matmul_bnb4_{quant_type}", "MatMulBnb4", [f32(3, 40), u8(6 * 40 // 2), f32(15, low=0.1, high=1)], K=40,
             N=6, block_size=16, quant_type=quant_type, constants=(1, 2))
    for bits in (4, 8):
        case(f"gather_block_quantized_{bits}", "GatherBlockQuantized",
             [u8(5, 32 * bits // 8), np.array([[1, 4], [0, 2]], np.int64), f32(5, 2), u8(5, 2 * bits // 8)], bits=bits,
             block_size=16, quantize_axis=1, gather_axis=0)
    case("matmul_integer16", "MatMulInteger16", [random.integers(-900, 900, (3, 6)).astype(np.int16),
                                                 random.integers(-900, 900, (6, 4)).astype(np.int16)],
         types={0: TensorProto.INT32})


def fused():
    a, b, c = f32(3, 6), f32(6, 5), f32(5)
    for activation in ("Relu", "Tanh", "Sigmoid", "LeakyRelu"):
        extra = {"activation_alpha": 0.2} if activation == "LeakyRelu" else {}
        case(f"fused_gemm_{activation.lower()}", "FusedGemm", [a, b, c], activation=activation, alpha=0.5, beta=2.0, **extra)
    case("fused_gemm_transposed", "FusedGemm", [f32(6, 3), f32(5, 6)], activation="Relu", transA=1, transB=1)
    case("fused_matmul", "FusedMatMul", [f32(2, 6, 3), f32(2, 5, 6)], transA=1, transB=1, alpha=0.25)
    case("fused_matmul_batch", "FusedMatMul", [f32(3, 2, 6), f32(2, 6, 5)], transBatchA=1)
    case("fused_matmul_batch_both", "FusedMatMul", [f32(3, 2, 6), f32(6, 2, 5)], transBatchA=1, transBatchB=1)
    case("transpose_matmul", "TransposeMatMul", [f32(6, 3), f32(6, 5)], transA=1)
    case("gelu", "Gelu", [f32(3, 5, low=-4, high=4)])
    case("fast_gelu_bias", "FastGelu", [f32(3, 5, low=-4, high=4), f32(5)])
    case("bias_gelu", "BiasGelu", [f32(3, 5, low=-4, high=4), f32(5)])
    case("quick_gelu", "QuickGelu", [f32(3, 5, low=-4, high=4)], alpha=1.25)
    x, skip, gamma, beta = f32(2, 3, 8), f32(2, 3, 8), f32(8), f32(8)
    case("skip_layer_normalization", "SkipLayerNormalization", [x, skip, gamma, beta, f32(8)], epsilon=1e-5)
    case("skip_simplified_layer_normalization", "SkipSimplifiedLayerNormalization", [x, skip, gamma], epsilon=1e-5)
    word, position, segment = f32(7, 8), f32(5, 8), f32(2, 8)
    ids = np.array([[1, 6, 0], [3, 3, 2]], np.int32)
    case("embed_layer_normalization", "EmbedLayerNormalization",
         [ids, np.array([[0, 0, 1], [0, 1, 1]], np.int32), word, position, segment, gamma, beta,
          np.array([[1, 1, 0], [1, 1, 1]], np.int32)], n_outputs=2, types={1: TensorProto.INT32}, epsilon=1e-5)
    case("embed_layer_normalization_positions", "EmbedLayerNormalization",
         [ids, None, word, position, None, gamma, beta, None, np.array([[2, 0, 1], [0, 3, 1]], np.int32)], n_outputs=3,
         types={1: TensorProto.INT32}, epsilon=1e-5)
    t = x + gamma
    case("bias_add", "BiasAdd", [x, gamma, skip], expected=[t + skip])
    from math import erf
    left, right = t[..., :4], t[..., 4:]
    case("bias_split_gelu", "BiasSplitGelu", [x, gamma],
         expected=[(left * right * (1 + np.vectorize(erf)(right / np.sqrt(2))) / 2).astype(np.float32)])
    case("bias_dropout", "BiasDropout", [x, gamma, skip], expected=[t + skip])
    nhwc = f32(2, 3, 4, 6)
    groups = nhwc.reshape(2, 12, 2, 3)
    normal = (groups - groups.mean((1, 3), keepdims=True)) / np.sqrt(groups.var((1, 3), keepdims=True) + 1e-5)
    y = normal.reshape(nhwc.shape) * gamma[:6] + beta[:6]
    case("group_norm", "GroupNorm", [nhwc, gamma[:6], beta[:6]], expected=[y], groups=2, activation=0, epsilon=1e-5)
    case("group_norm_swish", "GroupNorm", [nhwc, gamma[:6], beta[:6]], expected=[y / (1 + np.exp(-y))], groups=2,
         activation=1, epsilon=1e-5)


def convolutions():
    x, w, b = f32(1, 4, 6, 5), f32(6, 4, 3, 3), f32(6)
    case("fused_conv_relu", "FusedConv", [x, w, b], activation="Relu", pads=[1, 1, 1, 1])
    case("fused_conv_sum", "FusedConv", [x, w, b, f32(1, 6, 6, 5)], activation="Relu", pads=[1, 1, 1, 1])
    case("fused_conv_clip", "FusedConv", [x, w, b], activation="Clip", activation_params=[-0.2, 0.5])
    q = u8(1, 6, 5, 4)
    case("nhwc_max_pool", "NhwcMaxPool", [q], kernel_shape=[3, 2], pads=[1, 0, 1, 0], strides=[2, 1],
         types={0: TensorProto.UINT8})
    import torch
    with torch.no_grad():
        y = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), torch.tensor(b), padding=1).numpy()
    case("nhwc_conv", "NhwcConv", [x.transpose(0, 2, 3, 1).copy(), w.transpose(0, 2, 3, 1).copy(), b],
         expected=[y.transpose(0, 2, 3, 1)], pads=[1, 1, 1, 1])
    qw, qs = s8(6, 4, 3, 3), [scalar(0.02), scalar(128, np.uint8)]
    case("qlinear_conv_channels_last", "QLinearConv", [u8(1, 6, 5, 4), *qs, qw, scalar(0.03), scalar(0, np.int8),
                                                       scalar(0.3), scalar(120, np.uint8)],
         channels_last=1, pads=[1, 1, 1, 1], types={0: TensorProto.UINT8}, constants=(1, 2, 3, 4, 5, 6, 7))
    case("conv_transpose_dynamic_pads", "ConvTransposeWithDynamicPads",
         [x, f32(4, 3, 3, 3), np.array([1, 1, 1, 1], np.int64), f32(3)], strides=[2, 2], constants=(2,))


def attention():
    size, heads, groups = 16, 4, 2
    angle = np.arange(16)[:, None] / 10 ** (np.arange(size // 2) / 2)
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)

    def gqa(name, rows, past, lengths, packed=False, batch=1, extra=(), **attributes):
        total = max(lengths)
        q, k, v = f32(batch, rows, heads * size), f32(batch, rows, groups * size), f32(batch, rows, groups * size)
        if packed:
            q, k, v = np.concatenate([q, k, v], 2), None, None
        buffers = [None, None]
        if past:
            buffers = [f32(batch, groups, past, size) for _ in range(2)]
        rotary = attributes.get("do_rotary")
        case(name, "GroupQueryAttention",
             [q, k, v, *buffers, np.array(lengths, np.int32) - 1, scalar(total, np.int32),
              *([cos, sin] if rotary else [None, None] if extra else []), *extra],
             n_outputs=3, num_heads=heads, kv_num_heads=groups, atol=1e-5, **attributes)

    gqa("group_query_attention_prompt", 5, 0, [5])
    gqa("group_query_attention_prompt_rotary", 5, 0, [5], do_rotary=1)
    gqa("group_query_attention_packed", 5, 0, [5], do_rotary=1, packed=True)
    gqa("group_query_attention_step", 1, 6, [7], do_rotary=1, rotary_interleaved=1)
    gqa("group_query_attention_steps", 3, 6, [9], do_rotary=1, scale=0.5)
    # rows of the cache behind the end of a sequence are undefined
    gqa("group_query_attention_batch_step", 1, 6, [7, 5], batch=2, do_rotary=1, shown=1)
    gqa("group_query_attention_window", 5, 0, [5], local_window_size=2, softcap=10.0)
    gqa("group_query_attention_window_step", 1, 6, [7], local_window_size=3, do_rotary=1)
    gqa("group_query_attention_all_keys", 5, 0, [5], causal=0)
    gqa("group_query_attention_positions", 3, 4, [7], do_rotary=1, extra=[np.array([[4, 5, 6]], np.int64)])
    gqa("group_query_attention_bias", 5, 0, [5], extra=[None, f32(1, heads, 5, 5)])
    gqa("group_query_attention_sink", 5, 0, [5], extra=[None, None, f32(heads)])
    gqa("group_query_attention_sink_step", 1, 6, [7, 5], batch=2, shown=1, do_rotary=1, extra=[None, None, f32(heads)])
    gqa("group_query_attention_smooth", 5, 0, [5], smooth_softmax=1, softcap=5.0)
    q, k, v, pasts = f32(2, 3, 16), f32(2, 5, 16), f32(2, 5, 16), [f32(2, 2, 4, 8), f32(2, 2, 4, 8)]
    seen = random.integers(0, 2, (2, 3, 5)).astype(np.int32)
    seen[..., 0] = 1
    case("multi_head_attention_lengths", "MultiHeadAttention", [q, k, v, None, np.array([3, 5], np.int32)], num_heads=2,
         atol=1e-5)
    case("multi_head_attention_rows", "MultiHeadAttention", [q, k, v, None, seen], num_heads=2, atol=1e-5)
    case("multi_head_attention_bias", "MultiHeadAttention", [q, k, v, None, None, f32(1, 2, 3, 5)], num_heads=2,
         atol=1e-5)
    case("multi_head_attention_cross", "MultiHeadAttention", [q, f32(2, 2, 5, 8), f32(2, 2, 5, 8)], num_heads=2,
         atol=1e-5)
    case("multi_head_attention_past", "MultiHeadAttention",
         [q, f32(2, 3, 16), f32(2, 3, 16), f32(48), None, f32(2, 1, 3, 7), *pasts], num_heads=2, n_outputs=3, atol=1e-5)
    case("multi_head_attention_past_causal", "MultiHeadAttention",
         [q, f32(2, 3, 16), f32(2, 3, 16), None, None, None, *pasts], num_heads=2, n_outputs=3, unidirectional=1,
         atol=1e-5)

    def packed(name, last, inputs, **attributes):
        """CPUs lack the packed forms: outputs are those of the unpacked one."""
        case(name, "MultiHeadAttention", [*inputs, *last], num_heads=2, atol=1e-5, **attributes)
        _, model, feeds, expected, rtol, atol = CASES.pop()
        merged = np.stack([x.reshape(*x.shape[:2], 2, 8) for x in last], 3)
        del model.graph.node[0].input[len(inputs) + 1:], model.graph.input[len(inputs) + 1:]
        model.graph.input[len(inputs)].CopyFrom(helper.make_tensor_value_info(
            model.graph.input[len(inputs)].name, TensorProto.FLOAT, merged.shape))
        CASES.append((f"test_{name}", model, [*feeds[:len(inputs)], merged], expected, rtol, atol))

    packed("multi_head_attention_packed", [f32(2, 3, 16), f32(2, 3, 16), f32(2, 3, 16)], [])
    packed("multi_head_attention_packed_keys", [k, v], [q])
    x, w, b = f32(2, 3, 8), f32(8, 24), f32(24)
    for name, mask in (("ends", [2, 3]), ("ends_starts", [2, 3, 0, 1]), ("keys", [[1, 1, 0], [1, 0, 1]]),
                       ("rows", seen[:, :, :3]), ("nothing", [[0, 0, 0], [1, 0, 1]])):
        case("attention_mask_" + name, "Attention", [x, w, b, np.array(mask, np.int32)], num_heads=2, atol=1e-5)
    case("attention_causal", "Attention", [x, w, b], num_heads=2, unidirectional=1, atol=1e-5)
    case("attention_bias", "Attention", [x, w, b, None, None, f32(1, 2, 3, 3)], num_heads=2, atol=1e-5)
    case("attention_past_mask", "Attention", [x, w, b, np.ones((2, 7), np.int32), f32(2, 2, 2, 4, 4)], num_heads=2,
         n_outputs=2, unidirectional=1, atol=1e-5)
    case("attention_sizes", "Attention", [x, f32(8, 20), f32(20)], num_heads=2, qkv_hidden_sizes=[8, 8, 4], atol=1e-5)
    for name, attributes in (("multi_head_attention", {}), ("multi_head_attention_causal", {"unidirectional": 1})):
        case(name, "MultiHeadAttention", [f32(2, 3, 16), f32(2, 5 if not attributes else 3, 16),
                                          f32(2, 5 if not attributes else 3, 16)], num_heads=2, atol=1e-5, **attributes)
    case("multi_head_attention_mask", "MultiHeadAttention",
         [f32(2, 3, 16), f32(2, 5, 16), f32(2, 5, 16), f32(48), np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)],
         num_heads=2, atol=1e-5, constants=(3,))
    case("attention_past", "Attention", [f32(1, 2, 8), f32(8, 24), f32(24), None, f32(2, 1, 2, 3, 4)], n_outputs=2,
         num_heads=2, atol=1e-5)
    case("rotary_embedding", "RotaryEmbedding", [f32(2, 3, 32), np.array([[0, 1, 2], [3, 4, 5]], np.int64), cos, sin])
    case("rotary_embedding_first", "RotaryEmbedding", [f32(2, 3, 32), np.array([3], np.int64), cos, sin],
         interleaved=1)
    case("m_rotary_embedding", "MRotaryEmbedding",
         [f32(2, 3, 32), random.integers(0, 16, (3, 2, 3)).astype(np.int64), cos, sin], mrope_section=[4, 2, 2],
         num_heads=2)
    case("m_rotary_embedding_partial", "MRotaryEmbedding",
         [f32(2, 2, 3, 20), random.integers(0, 16, (3, 2, 3)).astype(np.int64), cos, sin], mrope_section=[3, 0, 5],
         num_heads=2, rotary_embedding_dim=16, interleaved=1)


def linear_attention():
    q, k, v = f32(2, 5, 24), f32(2, 5, 12), f32(2, 5, 10)
    extra = {"linear": [], "gated": [f32(2, 5, 2, low=-1, high=0)], "delta": [None, f32(2, 5, 2, low=0)],
             "gated_delta": [f32(2, 5, 2, low=-1, high=0), f32(2, 5, 2, low=0)]}
    for rule, gates in extra.items():
        case("linear_attention_" + rule, "LinearAttention", [q, k, v, f32(2, 2, 6, 5), *gates], n_outputs=2,
             q_num_heads=4, kv_num_heads=2, update_rule=rule, atol=1e-5)
    for last in (0, 1):
        shape = (lambda n: (2, n, 3)) if last else (lambda n: (2, 3, n))
        case(f"causal_conv_with_state_{'last' if last else 'first'}", "CausalConvWithState",
             [f32(*shape(6)), f32(3, 1, 4), f32(3), f32(*shape(3))], n_outputs=2, activation="silu", channels_last=last)
    case("linear_attention_gate", "LinearAttentionGate", [f32(2, 3, 4), f32(4), f32(4), f32(2, 3, 4)], n_outputs=2)
    for activation in ("silu", "sigmoid"):
        case("gated_rms_norm_" + activation, "GatedRMSNorm", [f32(2, 3, 8), f32(4), f32(2, 3, 8)], epsilon=1e-5,
             activation=activation)
    case("gated_add", "GatedAdd", [f32(2, 3, 8), f32(2, 3, 8), f32(2, 3, 1)])
    case("scaled_silu", "ScaledSiLU", [f32(2, 3, 8)], alpha=1.5)
    case("scaled_silu_input", "ScaledSiLU", [f32(2, 3, 8), scalar(0.75)])


def others():
    case("expand_dims", "ExpandDims", [f32(2, 3), scalar(1, np.int32)])
    case("gather_nd", "GatherND", [f32(3, 4, 2), np.array([[0, 1], [2, 3]], np.int64)])
    case("trilu", "Trilu", [f32(2, 4, 5), np.array(1, np.int64)], upper=0)
    case("unique", "Unique", [np.array([2, 1, 1, 3, 4, 3], np.float32)], n_outputs=3,
         types={1: TensorProto.INT64, 2: TensorProto.INT64})
    case("range", "Range", [scalar(1), scalar(9), scalar(2)])
    case("range_default", "Range", [scalar(3, np.int32), scalar(7, np.int32)], types={0: TensorProto.INT32})
    case("pad", "Pad", [f32(2, 3), np.array([0, 1, 2, 0], np.int64), np.array([0.5], np.float32)])
    case("pad_reflect", "Pad", [f32(4, 3), np.array([[1, 1, 2, 0]], np.int64)], mode="reflect")
    for mode in ("bilinear", "nearest", "bicubic"):
        case(f"grid_sample_{mode}", "GridSample", [f32(1, 2, 4, 5), f32(1, 3, 3, 2)], mode=mode, align_corners=1)
    case("cdist", "CDist", [f32(4, 6), f32(3, 6)], metric="euclidean")
    case("cdist_squared", "CDist", [f32(4, 6), f32(3, 6)])
    case("inverse", "Inverse", [f32(2, 4, 4) + 3 * np.eye(4, dtype=np.float32)])


def experts():
    n, size, inner = 4, 32, 32
    x, router = f32(5, size), f32(5, n)
    for activation in ("relu", "gelu", "silu", "identity"):
        case("moe_" + activation, "MoE", [x, router, f32(n, 6, size), f32(n, 6), f32(n, size, 6), f32(n, size)], k=2,
             activation_type=activation, normalize_routing_weights=1, atol=1e-5)
    case("moe_batches", "MoE", [f32(2, 3, size), f32(6, n), f32(n, 6, size), None, f32(n, size, 6)], k=1, atol=1e-5)
    swiglu = {"activation_type": "swiglu", "swiglu_fusion": 1, "activation_alpha": 1.702, "activation_beta": 1.0}
    case("moe_swiglu", "MoE", [x, router, f32(n, 12, size), f32(n, 12), f32(n, size, 6), f32(n, size)], k=2,
         swiglu_limit=0.5, normalize_routing_weights=1, atol=1e-5, **swiglu)
    # blocks of 8 bits are left out: ONNX Runtime quantises activations there
    for bits, blocks, zeros in ((4, [], False), (4, [], True), (8, [], True), (4, [2], False), (4, [2], True)):
        per = 8 // bits
        scales = [f32(n, rows, *blocks, low=0.001, high=0.01) for rows in (2 * inner, size)]
        per_row = (lambda rows: (rows, 2 // per)) if blocks else (lambda rows: (rows // per,))
        points = [u8(n, *per_row(2 * inner)), u8(n, *per_row(size))]
        name = f"qmoe_{bits}" + ("_blocks" if blocks else "") + ("_zeros" if zeros else "")
        case(name, "QMoE",
             [x, router, u8(n, 2 * inner, size // per), scales[0], f32(n, 2 * inner), u8(n, size, inner // per),
              scales[1], f32(n, size), *([None, None, None, *points] if zeros else [])], k=2, expert_weight_bits=bits,
             constants=(2, 3, 5, 6, *((11, 12) if zeros else ())), normalize_routing_weights=1, atol=1e-4,
             swiglu_limit=7.0, **({"block_size": 16} if blocks else {}), **swiglu)


def blocked(weights, block):
    """Weights in the order of com.microsoft.nchwc: [O / b, I / b, H, W, b of I, b of O], or without blocks of I."""
    rows, inputs, height, width = weights.shape
    if inputs % block:
        return weights.reshape(rows // block, block, inputs, height, width).transpose(0, 2, 3, 4, 1).copy()
    parts = weights.reshape(rows // block, block, inputs // block, block, height, width)
    return parts.transpose(0, 2, 4, 5, 3, 1).copy()


def in_blocks():
    """A network as ONNX Runtime writes it for CPUs with blocks of 8 and of 16 channels; the outputs are those of the
    plain one. Output channels have variances of their own, as trained ones do: they tell the blocks."""
    def spread(*shape):  # numbers of few digits: a small archive
        powers = random.integers(-3, 3, (shape[0], 1, 1, 1))
        return (random.integers(-9, 10, shape) / 8 * 2.0 ** powers).astype(np.float32)

    pad = lambda x, n, axis=0: np.concatenate([x, np.zeros([*x.shape[:axis], n - x.shape[axis], *x.shape[axis + 1:]],
                                                           np.float32)], axis)
    x = f32(2, 3, 12, 10)
    w = [spread(32, 3, 3, 3), spread(32, 1, 3, 3), spread(20, 32, 1, 1), spread(32, 20, 3, 3)]
    b = [f32(32), f32(32), f32(20), f32(32)]
    node = helper.make_node
    plain = [node("Conv", ["x", "w0", "b0"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]), node("Relu", ["a"], ["c"]),
             node("Conv", ["c", "w1", "b1"], ["d"], group=32, pads=[1, 1, 1, 1]), node("Add", ["d", "c"], ["e"]),
             node("Conv", ["e", "w2", "b2"], ["f"]), node("Clip", ["f", "low", "high"], ["g"]),
             node("MaxPool", ["g"], ["h"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
             node("Conv", ["h", "w3", "b3"], ["i"], pads=[1, 1, 1, 1]),
             node("Resize", ["i", "", "by"], ["j"], mode="nearest", coordinate_transformation_mode="asymmetric",
                  nearest_mode="floor"),
             node("AveragePool", ["j"], ["y0"], kernel_shape=[2, 2], strides=[2, 2]),
             node("GlobalAveragePool", ["g"], ["y1"]), node("GlobalMaxPool", ["i"], ["y2"])]

    def model(name, nodes, weights):
        infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
        outputs = [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, None) for i in range(3)]
        graph = helper.make_graph(nodes, name, infos, outputs, [numpy_helper.from_array(v, k) for k, v in weights.items()])
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(MS, 1), helper.make_opsetid(MS + ".nchwc", 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=8)

    weights = {f"w{i}": v for i, v in enumerate(w)} | {f"b{i}": v for i, v in enumerate(b)}
    weights |= {"low": scalar(0), "high": scalar(6), "by": np.array([1, 1, 2, 2], np.float32)}
    bytes_of_plain = model("plain", plain, weights).SerializeToString()
    expected = ort.InferenceSession(bytes_of_plain, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    blocks = lambda operator, inputs, outputs, **attributes: node(operator, inputs, outputs, domain=MS + ".nchwc",
                                                                  **attributes)
    for block in (8, 16):
        n = -(-20 // block) * block
        last = (lambda inputs, outputs: blocks("Conv", inputs, outputs, pads=[1, 1, 1, 1], group=1))
        nodes = [blocks("Conv", ["x", "w0", "b0"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2], activation="Relu"),
                 blocks("Conv", ["c", "w1", "b1", "c"], ["e"], group=32, pads=[1, 1, 1, 1]),
                 blocks("Conv", ["e", "w2", "b2"], ["g"], activation="Clip", activation_params=[0.0, 6.0]),
                 blocks("MaxPool", ["g"], ["h0"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                 blocks("ReorderOutput", ["h0"], ["h1"], channels=20, channels_last=1),
                 blocks("ReorderInput", ["h1"], ["h"], channels_last=1), last(["h", "w3", "b3"], ["i"]),
                 blocks("Upsample", ["i"], ["j"], scales=[1, 1, 2, 2], mode="nearest"),
                 blocks("AveragePool", ["j"], ["k"], kernel_shape=[2, 2], strides=[2, 2]),
                 blocks("ReorderOutput", ["k"], ["y0"], channels=32),
                 blocks("GlobalAveragePool", ["g"], ["l"]), blocks("ReorderOutput", ["l"], ["y1"], channels=20),
                 blocks("GlobalMaxPool", ["i"], ["m"]), blocks("ReorderOutput", ["m"], ["y2"], channels=32)]
        in_order = {"w0": blocked(w[0], block), "w1": blocked(w[1], block), "w2": blocked(pad(w[2], n), block),
                    "w3": blocked(pad(w[3], n, 1), block), "b0": b[0], "b1": b[1], "b2": pad(b[2], n), "b3": b[3]}
        shapes = {"w0": (32, 3, 3, 3), "w1": (32, 1, 3, 3), "w2": (n, 32, 1, 1), "w3": (32, n, 3, 3)}
        in_order = {k: v.reshape(shapes.get(k, v.shape)) for k, v in in_order.items()}
        CASES.append((f"test_nchwc_{block}", model("nchwc", nodes, in_order), [x], expected, 1e-3, 1e-5))
    options = ort.SessionOptions()
    options.optimized_model_filepath = os.path.join(tempfile.mkdtemp(), "all.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(bytes_of_plain, options, providers=["CPUExecutionProvider"])
    CASES.append(("test_nchwc_saved", onnx.load(options.optimized_model_filepath), [x], expected, 1e-3, 1e-5))


def caches():
    """GroupQueryAttention with caches of 8 and 4 bits, in windows, and with its scores."""
    heads, groups, size = 4, 2, 16
    sizes = {"num_heads": heads, "kv_num_heads": groups}
    angle = np.arange(32)[:, None] / 10 ** (np.arange(size // 2) / 2)
    rotary = [np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)]

    def operands(rows, past, totals, dtype=np.float32):
        batch, width = len(totals), size // 2 if dtype == np.uint8 else size
        shape = (batch, groups, past, width)
        cache = f32(*shape) if dtype == np.float32 else (u8 if dtype == np.uint8 else s8)(*shape)
        again = f32(*shape) if dtype == np.float32 else (u8 if dtype == np.uint8 else s8)(*shape)
        return [f32(batch, rows, heads * size), f32(batch, rows, groups * size), f32(batch, rows, groups * size), cache,
                again, np.array(totals, np.int32) - 1, scalar(max(totals), np.int32)]

    op = "GroupQueryAttention"
    for bits, dtype, kind in ((8, np.int8, TensorProto.INT8), (4, np.uint8, TensorProto.UINT8)):
        for mode, shape in (("PER_TENSOR", (1,)), ("PER_CHANNEL", (1, groups, 1, size))):
            scales = [f32(*shape, low=0.005, high=0.01) * np.float32(16 if bits == 4 else 1) for _ in range(2)]
            case(f"group_query_attention_cache_{bits}_{mode.lower()}", op,
                 [*operands(2, 6, [8], dtype), *rotary, None, None, None, *scales], n_outputs=3, do_rotary=1,
                 k_quant_type=mode, v_quant_type=mode, kv_cache_bit_width=bits, types={1: kind, 2: kind}, atol=1e-5, **sizes)
    for output in (1, 2):
        case(f"group_query_attention_scores_{output}", op, operands(3, 5, [8]), n_outputs=4, qk_output=output, atol=1e-5,
             local_window_size=4, **sizes)
        case(f"group_query_attention_scores_sink_{output}", op, [*operands(3, 5, [8]), None, None, None, None, f32(heads)],
             n_outputs=4, qk_output=output, softcap=2.0, atol=1e-5, **sizes)
    case("group_query_attention_bias_buffer", op, [*operands(2, 9, [7]), None, None, None, f32(1, heads, 2, 7)], n_outputs=3,
         shown=1, atol=1e-5, **sizes)
    # rows of the cache behind the resident ones are undefined
    for rows, capacity, window, total, shown in ((1, 5, 3, 9, 1), (3, 4, 4, 9, 3), (9, 4, 4, 12, 3), (2, 6, 3, 13, 1)):
        case(f"group_query_attention_sliding_{rows}_{capacity}_{window}", op,
             [*operands(rows, capacity, [total]), *rotary, None, f32(1, heads, rows, total)], n_outputs=3, shown=shown,
             local_window_size=window, sliding_window_cache=1, do_rotary=1, atol=1e-5, **sizes)
    case("group_query_attention_sliding_batch", op, [*operands(1, 5, [9, 4]), *rotary, None, f32(1, heads, 1, 9), f32(heads)],
         n_outputs=3, shown=1, local_window_size=3, sliding_window_cache=1, do_rotary=1, atol=1e-5, **sizes)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    archive = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "tests", "models", "contrib_suite.tar.xz")
    for group in (quantised, fused, convolutions, attention, linear_attention, others, experts, in_blocks, caches):
        group()
    case_archive.write(archive, "contrib", CASES)
    print(f"{len(CASES)} cases, {os.path.getsize(archive)} bytes (onnxruntime {ort.__version__}, onnx {onnx.__version__})")


if __name__ == "__main__":
    main()
