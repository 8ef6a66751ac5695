# SPDX-License-Identifier: Apache-2.0
"""Write a trained checkpoint as ONNX, with its sidecar files.

    python export.py RUN/last.pt ../../../models/text_line

The graph is built by hand: plain nodes only, batch norm folded into the
convolutions, and the same bytes for the same weights whatever exporter a
framework ships this year.
"""

import argparse
import os

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import words
from evaluate import Recogniser
from model import CLASSES, TextLine

OPSET = 17

PREPROCESS = """\
# How a picture of one text line becomes the input of text_line.onnx.
# value = (pixel - mean) * scale; pad_value is a pixel, before that scaling.
layout = nchw
color = gray
size = 32xauto
width_multiple = 8
pad_value = 127.5
mean = 127.5
scale = 0.00784313725
task = ctc
labels = text_line.labels.txt
blank = 0
ctc_output = logprobs
"""


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def tensor(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, inputs, output=None, **attributes):
        self.count += 1
        output = output or f"{op.lower()}_{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output + "_node", **attributes))
        return output

    def conv(self, x, name, conv, norm=None):
        w = conv.weight.detach().double()
        b = conv.bias.detach().double() if conv.bias is not None else torch.zeros(w.shape[0]).double()
        if norm is not None:
            gain = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
            b = norm.bias.detach().double() + (b - norm.running_mean.double()) * gain
            w = w * gain[:, None, None, None]
        pads = list(conv.padding) * 2
        return self.node("Conv", [x, self.tensor(name + ".weight", w.float().numpy()),
                                  self.tensor(name + ".bias", b.float().numpy())],
                         kernel_shape=list(conv.kernel_size), strides=list(conv.stride),
                         pads=pads, group=conv.groups)

    def separable(self, x, name, block):
        y = self.node("HardSwish", [self.conv(x, name + ".depth", *block.depth)])
        y = self.node("HardSwish", [self.conv(y, name + ".point", *block.point)])
        return self.node("Add", [x, y]) if block.shortcut else y


def build(model):
    g = Graph()
    x = g.node("HardSwish", [g.conv("image", "stem", *model.stem)])
    for i, block in enumerate(model.blocks):
        x = g.separable(x, f"block{i + 1}", block)
    x = g.node("HardSwish", [g.conv(x, "fold", *model.fold)])
    for i, block in enumerate(model.neck):
        x = g.separable(x, f"neck{i + 1}", block)
    x = g.conv(x, "head", model.head)                                   # N, 192, 1, W/4
    x = g.node("Squeeze", [x, g.tensor("row_axis", np.array([2], np.int64))])
    x = g.node("Transpose", [x], perm=[0, 2, 1])                        # N, W/4, 192
    x = g.node("Reshape", [x, g.tensor("frames", np.array([0, -1, CLASSES], np.int64))])
    g.node("LogSoftmax", [x], "log_probs", axis=-1)                     # N, W/2, 96
    graph = helper.make_graph(
        g.nodes, "text_line",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 32, "width"])],
        [helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "frames", CLASSES])],
        g.weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                              producer_name="pith text_line", ir_version=8)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("checkpoint", help="last.pt (its running mean is taken) or best.pt")
    ap.add_argument("folder")
    args = ap.parse_args()
    state = torch.load(args.checkpoint, map_location="cpu", weights_only=False)
    model = TextLine().eval()
    model.load_state_dict(state.get("mean", state))

    os.makedirs(args.folder, exist_ok=True)
    path = os.path.join(args.folder, "text_line.onnx")
    onnx.save(build(model), path)
    with open(os.path.join(args.folder, "text_line.labels.txt"), "w") as f:
        f.write("".join(c + "\n" for c in words.CHARSET))
    with open(os.path.join(args.folder, "text_line.preprocess"), "w") as f:
        f.write(PREPROCESS)

    # The file must compute what was trained, at more than one batch and width.
    session = Recogniser(path).session
    for n, w in ((1, 64), (2, 200), (1, 640)):
        x = np.random.default_rng(w).uniform(-1, 1, (n, 1, 32, w)).astype(np.float32)
        (got,) = session.run(None, {"image": x})
        want = torch.log_softmax(model(torch.from_numpy(x)), 2).detach().numpy()
        assert got.shape == (n, w // 2, CLASSES), got.shape
        assert np.abs(got - want).max() < 2e-3, np.abs(got - want).max()
    print(f"{path}: {os.path.getsize(path)} bytes, agrees with the trained network")


if __name__ == "__main__":
    main()
