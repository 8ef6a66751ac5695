# SPDX-License-Identifier: Apache-2.0
"""A small builder of ONNX graphs: layers as calls, shapes tracked, random weights whose variance stays near one."""
import math

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

# E[f(x)^2] for standard normal x: how much of the power of a value an activation leaves.
POWER = {"relu": 0.5, "relu6": 0.5, "hswish": 0.37, "silu": 0.36, "prelu": 0.53, "leaky": 0.5, "hsigmoid": 0.28, "sigmoid": 0.29,
         "tanh": 0.39, "gelu": 0.43}


class Net:
    """Values are names; `shape[name]` has the static shape, `power[name]` an estimate of the mean square.
    Layers append nodes and return the name of their output. The weights of a layer are zero-mean and independent, so their
    scale can be chosen for an output of known power: that of one, times `gain`."""

    def __init__(self, name, opset=17, seed=1):
        self.name, self.opset = name, opset
        self.random = numpy.random.default_rng([seed, *name.encode()])
        self.nodes, self.weights, self.inputs, self.outputs, self.shape, self.power = [], [], [], [], {}, {}

    def input(self, name, shape, dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        self.shape[name], self.power[name] = tuple(shape), 1.0
        return name

    def output(self, value, name=None):
        if name:
            value = self.node("Identity", [value], self.shape[value], name=name)
        self.outputs.append(helper.make_tensor_value_info(value, TensorProto.FLOAT, self.shape[value]))

    def weight(self, array, hint="w"):
        name = f"{hint}{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(numpy.asarray(array, order="C"), name))
        self.shape[name], self.power[name] = array.shape, float(numpy.square(array.astype(float)).mean())
        return name

    def ints(self, *values):
        return self.weight(numpy.array(values, numpy.int64), "i")

    def scalar(self, value):
        return self.weight(numpy.array(value, numpy.float32), "s")

    def normal(self, shape, scale):
        return (self.random.standard_normal(shape) * scale).astype(numpy.float32)

    def node(self, kind, inputs, shape, name=None, **attributes):
        """One node with one output."""
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        self.shape[name], self.power[name] = tuple(shape), self.power[inputs[0]]
        return name

    def nodes_of(self, kind, inputs, shapes, **attributes):
        """One node with several outputs."""
        names = [f"{kind.lower()}_{len(self.nodes)}_{i}" for i in range(len(shapes))]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        self.shape.update(zip(names, map(tuple, shapes)))
        self.power.update({name: self.power[inputs[0]] for name in names})
        return names

    def channels(self, x):
        return self.shape[x][1]

    # Convolutions

    def conv(self, x, filters, size, stride=1, groups=1, act=None, dilation=1, bias=True, bn=False, gain=1.0, pad=None):
        """Convolution over NCHW, padded to keep the size over the stride; `bn` leaves the batch norm as a node of its own."""
        n, channels, height, width = self.shape[x]
        kh, kw = (size, size) if isinstance(size, int) else size
        dh, dw = (dilation, dilation) if isinstance(dilation, int) else dilation
        ph, pw = (dh * (kh - 1) // 2, dw * (kw - 1) // 2) if pad is None else (pad, pad)
        fan_in = channels // groups * kh * kw
        weights = self.normal((filters, channels // groups, kh, kw), math.sqrt(gain / (fan_in * self.power[x])))
        inputs = [x, self.weight(weights)]
        if bias and not bn:
            inputs.append(self.weight(self.normal(filters, 0.05), "b"))
        out = [n, filters, (height + 2 * ph - dh * (kh - 1) - 1) // stride + 1, (width + 2 * pw - dw * (kw - 1) - 1) // stride + 1]
        y = self.node("Conv", inputs, out, kernel_shape=[kh, kw], strides=[stride, stride], pads=[ph, pw, ph, pw],
                      dilations=[dh, dw], group=groups)
        self.power[y] = gain
        return self.act(self.batch_norm(y) if bn else y, act)

    def batch_norm(self, x):
        channels = self.channels(x)
        parameters = [1 + self.normal(channels, 0.1), self.normal(channels, 0.05), self.normal(channels, 0.05),
                      (1 + numpy.abs(self.normal(channels, 0.1))).astype(numpy.float32)]
        return self.node("BatchNormalization", [x] + [self.weight(p, "bn") for p in parameters], self.shape[x], epsilon=1e-5)

    def deconv(self, x, filters, size, stride, act=None, pad=0, output_padding=0):
        n, channels, height, width = self.shape[x]
        weights = self.normal((channels, filters, size, size), math.sqrt(stride * stride / (channels * size * size * self.power[x])))
        out = [n, filters] + [(v - 1) * stride + size - 2 * pad + output_padding for v in (height, width)]
        y = self.node("ConvTranspose", [x, self.weight(weights), self.weight(self.normal(filters, 0.05), "b")], out,
                      kernel_shape=[size, size], strides=[stride, stride], pads=[pad] * 4, output_padding=[output_padding] * 2)
        self.power[y] = 1.0
        return self.act(y, act)

    def act(self, x, kind):
        if kind is None:
            return x
        y = self.activation(x, kind)
        self.power[y] = self.power[x] * POWER[kind]
        return y

    def activation(self, x, kind):
        shape = self.shape[x]
        if kind == "relu6":
            return self.node("Clip", [x, self.scalar(0.0), self.scalar(6.0)], shape)
        if kind == "silu":
            return self.mul(x, self.node("Sigmoid", [x], shape))
        if kind == "gelu":  # as exporters write it below opset 20: 0.5 x (1 + erf(x / sqrt 2))
            erf = self.node("Erf", [self.node("Div", [x, self.scalar(math.sqrt(2.0))], shape)], shape)
            return self.mul(self.mul(x, self.node("Add", [erf, self.scalar(1.0)], shape)), self.scalar(0.5))
        if kind == "prelu":
            slopes = numpy.full((self.channels(x), 1, 1), 0.25, numpy.float32) + self.normal((self.channels(x), 1, 1), 0.02)
            return self.node("PRelu", [x, self.weight(slopes, "slope")], shape)
        if kind == "leaky":
            return self.node("LeakyRelu", [x], shape, alpha=0.1)
        if kind == "hsigmoid":
            return self.node("HardSigmoid", [x], shape, alpha=1 / 6, beta=0.5)
        return self.node({"relu": "Relu", "hswish": "HardSwish", "sigmoid": "Sigmoid", "tanh": "Tanh"}[kind], [x], shape)

    # Elementwise and movement

    def binary(self, kind, a, b):
        y = self.node(kind, [a, b], numpy.broadcast_shapes(self.shape[a], self.shape[b]))
        if kind in ("Add", "Mul"):
            self.power[y] = self.power[a] + self.power[b] if kind == "Add" else self.power[a] * self.power[b]
        return y

    def add(self, a, b):
        return self.binary("Add", a, b)

    def mul(self, a, b):
        return self.binary("Mul", a, b)

    def concat(self, values, axis=1):
        shape = list(self.shape[values[0]])
        shape[axis] = sum(self.shape[value][axis] for value in values)
        y = self.node("Concat", values, shape, axis=axis)
        self.power[y] = sum(self.power[value] * self.shape[value][axis] for value in values) / shape[axis]
        return y

    def split(self, x, n, axis=1):
        shape = list(self.shape[x])
        shape[axis] //= n
        return self.nodes_of("Split", [x, self.ints(*[shape[axis]] * n)], [shape] * n, axis=axis)

    def slice(self, x, start, end, axis):
        shape = list(self.shape[x])
        shape[axis] = min(end, shape[axis]) - start
        return self.node("Slice", [x, self.ints(start), self.ints(end), self.ints(axis)], shape)

    def reshape(self, x, *shape):
        return self.node("Reshape", [x, self.ints(*shape)], numpy.empty(self.shape[x], numpy.int8).reshape(shape).shape)

    def transpose(self, x, *order):
        return self.node("Transpose", [x], [self.shape[x][axis] for axis in order], perm=order)

    def flatten(self, x):
        return self.node("Flatten", [x], [self.shape[x][0], math.prod(self.shape[x][1:])], axis=1)

    def resize(self, x, scale=2, mode="nearest", size=None):
        n, channels, height, width = self.shape[x]
        out = [n, channels, *(size or (height * scale, width * scale))]
        extra = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} if mode == "nearest" else \
                {"coordinate_transformation_mode": "half_pixel"}
        if size is None:
            scales = self.weight(numpy.array([1, 1, scale, scale], numpy.float32), "scales")
            return self.node("Resize", [x, "", scales], out, mode=mode, **extra)
        return self.node("Resize", [x, "", "", self.ints(*out)], out, mode=mode, **extra)

    # Pooling and classifiers

    def pool(self, x, size, stride, pad=0, kind="MaxPool", ceil=False):
        n, channels, height, width = self.shape[x]
        rounding = math.ceil if ceil else math.floor
        out = [n, channels] + [int(rounding((v + 2 * pad - size) / stride)) + 1 for v in (height, width)]
        extra = {"ceil_mode": 1} if ceil else {}
        y = self.node(kind, [x], out, kernel_shape=[size, size], strides=[stride, stride], pads=[pad] * 4, **extra)
        self.power[y] *= 2.0  # the largest of a window of half-normal values
        return y

    def global_pool(self, x):
        y = self.node("GlobalAveragePool", [x], [*self.shape[x][:2], 1, 1])
        self.power[y] *= 0.3  # the mean of half-normal values
        return y

    def dense(self, x, width, act=None, gain=1.0):
        """x [n, k] times weights [width, k], as exporters write a linear layer on matrices."""
        k = self.shape[x][-1]
        weights = self.weight(self.normal((width, k), math.sqrt(gain / (k * self.power[x]))))
        y = self.node("Gemm", [x, weights, self.weight(self.normal(width, 0.05), "b")], [self.shape[x][0], width], transB=1)
        self.power[y] = gain
        return self.act(y, act)

    def linear(self, x, width, act=None, gain=1.0):
        """x [..., k] times weights [k, width] and a bias: MatMul + Add, as exporters write it on more dimensions."""
        k = self.shape[x][-1]
        y = self.node("MatMul", [x, self.weight(self.normal((k, width), math.sqrt(gain / (k * self.power[x]))))],
                      [*self.shape[x][:-1], width])
        self.power[y] = gain
        return self.act(self.add(self.weight(self.normal(width, 0.05), "b"), y), act)

    def classifier(self, x, n_classes=1000, act=None):
        return self.dense(self.flatten(self.global_pool(x)), n_classes, act)

    def squeeze_excite(self, x, width, act="relu", gate="hsigmoid"):
        y = self.conv(self.conv(self.global_pool(x), width, 1, act=act), self.channels(x), 1, act=gate)
        return self.mul(x, y)

    def layer_norm(self, x, epsilon=1e-6):
        width = self.shape[x][-1]
        scale, bias = 1 + self.normal(width, 0.05), self.normal(width, 0.05)
        y = self.node("LayerNormalization", [x, self.weight(scale, "g"), self.weight(bias, "b")], self.shape[x], axis=-1, epsilon=epsilon)
        self.power[y] = 1.0
        return y

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], producer_name="pith bench/networks")
        model.ir_version = 8
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True)
