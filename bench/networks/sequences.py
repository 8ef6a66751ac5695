# SPDX-License-Identifier: Apache-2.0
"""Transformers and recurrent networks (papers at the functions)."""
import math

import numpy
from onnx import TensorProto

from builder import Net


def attention(net, x, heads):
    """Self-attention of Vaswani et al. 2017 in the nodes that an exporter writes for it."""
    n, length, width = net.shape[x]
    size = width // heads

    def split_heads(y, *order):
        return net.transpose(net.reshape(y, n, length, heads, size), *order)

    q = split_heads(net.linear(x, width), 0, 2, 1, 3)
    k = split_heads(net.linear(x, width), 0, 2, 3, 1)
    v = split_heads(net.linear(x, width), 0, 2, 1, 3)
    scores = net.node("MatMul", [q, k], [n, heads, length, length])
    scores = net.binary("Div", scores, net.scalar(math.sqrt(size)))
    weights = net.node("Softmax", [scores], net.shape[scores], axis=-1)
    y = net.node("MatMul", [weights, v], [n, heads, length, size])
    return net.linear(net.reshape(net.transpose(y, 0, 2, 1, 3), n, length, width), width)


def vit_tiny():
    """Dosovitskiy et al. 2020 with the widths of DeiT-Ti: 12 blocks of 192, 3 heads, patches of 16, 224x224; pre-norm."""
    net = Net("vit_tiny_224")
    x = net.conv(net.input("input", [1, 3, 224, 224]), 192, 16, 16, pad=0)
    x = net.transpose(net.reshape(x, 1, 192, 196), 0, 2, 1)
    x = net.concat([net.weight(net.normal((1, 1, 192), 1.0)), x], axis=1)
    x = net.add(x, net.weight(net.normal((1, 197, 192), 0.1)))
    for _ in range(12):
        x = net.add(attention(net, net.layer_norm(x), 3), x)
        x = net.add(x, net.linear(net.linear(net.layer_norm(x), 768, "gelu"), 192, gain=0.5))
    first = net.node("Gather", [net.layer_norm(x), net.weight(numpy.array(0, numpy.int64), "i")], [1, 192], axis=1)
    net.output(net.dense(first, 1000), "output")
    return net


def bert_mini():
    """Devlin et al. 2018 in the size "mini" of Turc et al. 2019: 4 layers of 256, 4 heads, 128 tokens; post-norm."""
    net, width, length = Net("bert_mini_128"), 256, 128
    ids = net.input("input_ids", [1, length], TensorProto.INT64)
    x = net.node("Gather", [net.weight(net.normal((30522, width), 1.0)), ids], [1, length, width], axis=0)
    x = net.layer_norm(net.add(x, net.weight(net.normal((1, length, width), 0.1))), 1e-12)
    for _ in range(4):
        x = net.layer_norm(net.add(attention(net, x, 4), x), 1e-12)
        x = net.layer_norm(net.add(net.linear(net.linear(x, 4 * width, "gelu"), width), x), 1e-12)
    net.output(x, "last_hidden_state")
    first = net.node("Gather", [x, net.weight(numpy.array(0, numpy.int64), "i")], [1, width], axis=1)
    net.output(net.dense(first, width, "tanh"), "pooled")
    return net


def recurrent(kind, features, hidden, layers, steps=100, n_classes=40):
    """Stacked LSTM or GRU over `steps` frames of `features`, as torch exports it, and a linear layer on every frame."""
    net = Net(f"{kind.lower()}_{features}_{hidden}x{layers}_t{steps}")
    gates = {"LSTM": 4, "GRU": 3}[kind]
    x = net.transpose(net.input("input", [1, steps, features]), 1, 0, 2)
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    for _ in range(layers):
        k = net.shape[x][2]
        scale = 1 / math.sqrt(hidden)
        inputs = [x, net.weight(net.normal((1, gates * hidden, k), scale)), net.weight(net.normal((1, gates * hidden, hidden), scale)),
                  net.weight(net.normal((1, 2 * gates * hidden), scale))]
        y = net.node(kind, inputs, [steps, 1, 1, hidden], hidden_size=hidden, **extra)
        x = net.node("Squeeze", [y, net.ints(1)], [steps, 1, hidden])
    net.output(net.linear(net.transpose(x, 1, 0, 2), n_classes), "output")
    return net


def lstm_small():
    return recurrent("LSTM", 64, 128, 1)


def lstm_large():
    return recurrent("LSTM", 80, 256, 2)


def gru_small():
    return recurrent("GRU", 64, 128, 1)


def gru_large():
    return recurrent("GRU", 80, 256, 2)


NETWORKS = [vit_tiny, bert_mini, lstm_small, lstm_large, gru_small, gru_large]
