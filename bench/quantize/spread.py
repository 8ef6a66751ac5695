# SPDX-License-Identifier: Apache-2.0
"""Networks whose channels have very different ranges, and which compute what they did before.

Channel i of each value between layers is multiplied by exp(sigma N(0, 1)), and the layers that read it divide. That is what
breaks per-tensor int8 in MobileNetV2 (Nagel et al., arXiv 1906.04721), to any strength, in any network. Channels of values that
are added up, or pass ReLU, pools and padding, get one factor together.
"""
import sys

import numpy
import onnx
from onnx import numpy_helper

SAME = {"Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "Identity", "Add", "Pad"}


class Sets:
    """Values that must have the same factors."""

    def __init__(self):
        self.parent, self.fixed = {}, set()

    def find(self, value):
        while self.parent.setdefault(value, value) != value:
            value = self.parent[value]
        return value

    def join(self, values):
        first = self.find(values[0])
        for value in values[1:]:
            self.parent[self.find(value)] = first

    def fix(self, values):
        self.fixed.update(values)

    def is_fixed(self, value):
        return self.find(value) in {self.find(v) for v in self.fixed}


def attribute(node, name, default):
    return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def without_clips(model):
    """Clips between 0 and something become ReLU, as equalisation of MobileNetV2 does: channels of a clip can't be rescaled."""
    for node in model.graph.node:
        if node.op_type == "Clip":
            node.op_type = "Relu"
            del node.input[1:]
    return model


def is_layer(node, weights):
    return (node.op_type == "Conv" or (node.op_type == "Gemm" and attribute(node, "alpha", 1.0) == 1.0)) and node.input[1] in weights


def collect(graph, weights):
    sets = Sets()
    sets.fix([v.name for v in [*graph.input, *graph.output]])
    for node in graph.node:
        values = [v for v in node.input if v and v not in weights]
        if is_layer(node, weights):
            if node.op_type == "Gemm":
                sets.fix(node.output)       # nothing behind the last layer
            continue
        if node.op_type in SAME and len(values) == len([v for v in node.input[:2] if v]) or node.op_type in ("Pad", "Identity"):
            sets.join([*values[:2 if node.op_type == "Add" else 1], node.output[0]])
        elif node.op_type != "Constant":
            sets.fix([*values, *node.output])
    return sets


def spread(path, target, sigma, relu=False, seed=5):
    """Returns how many values got factors."""
    model = without_clips(onnx.load(path)) if relu else onnx.load(path)
    graph = model.graph
    weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    generator, sets, factors = numpy.random.default_rng(seed), collect(graph, weights), {}

    def factor(value, n):
        if sets.is_fixed(value):
            return numpy.ones(n)
        root = sets.find(value)
        if root not in factors:
            factors[root] = numpy.exp(sigma * generator.standard_normal(n))
        return factors[root]

    for k, node in enumerate(n for n in graph.node if is_layer(n, weights)):
        w = weights[node.input[1]].astype(numpy.float64)
        turned = node.op_type == "Gemm" and not attribute(node, "transB", 0)
        w = w.T if turned else w
        group = attribute(node, "group", 1)
        out, into = factor(node.output[0], w.shape[0]), factor(node.input[0], w.shape[1] * group)
        new = w * out.reshape(-1, *[1] * (w.ndim - 1))
        per_output = numpy.repeat(into.reshape(group, -1), w.shape[0] // group, axis=0)     # [outputs, inputs of the group]
        new /= per_output.reshape(*per_output.shape, *[1] * (w.ndim - 2))
        replace(graph, node, 1, new.T if turned else new, k)
        if len(node.input) > 2:
            replace(graph, node, 2, weights[node.input[2]] * out, k)
    used = {name for node in graph.node for name in node.input}
    for w in [w for w in graph.initializer if w.name not in used]:
        graph.initializer.remove(w)
    onnx.save(model, target)
    return len(factors)


def replace(graph, node, index, array, k):
    name = f"{node.input[index]}_spread{k}"
    graph.initializer.append(numpy_helper.from_array(array.astype(numpy.float32), name))
    node.input[index] = name


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit("usage: spread.py FLOAT.onnx TARGET.onnx SIGMA [relu]")
    n = spread(sys.argv[1], sys.argv[2], float(sys.argv[3]), len(sys.argv) == 5)
    print(f"{n} values have channels with factors of their own")


if __name__ == "__main__":
    main()
