# SPDX-License-Identifier: Apache-2.0
"""Cases for old opsets, for make_onnx_suite.py, which imports this where onnx and numpy are installed.

Two kinds: the wheel's node cases under every earlier version of their operator that has the same meaning (told by the
schemas of both versions and the list DIFFERENT), and the forms that newer versions gave up (attributes that became
inputs, `broadcast`, spatial=0, ...), with outputs from the formula of the old specification, computed here. Besides,
models with functions, captured values and sparse weights, which the backend suite has few of.
"""

import copy

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, checker, defs, helper, numpy_helper

# operator: first version whose meaning with the same attributes is today's
DIFFERENT = {
    "Softmax": 13, "LogSoftmax": 13, "Hardmax": 13, "PRelu": 7, "Gemm": 7, "Dropout": 12, "DFT": 20, "Selu": 6,
    "GroupNormalization": 21, "Scan": 9, "Clip": 6, "Resize": 18, "DequantizeLinear": 13, "QuantizeLinear": 13,
    "BatchNormalization": 14, "TopK": 11,
}
# operators that broadcast since this version; before, only cases with equal shapes are taken
BROADCASTS = dict.fromkeys(["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"], 7)
BROADCASTS.update(dict.fromkeys(["Sum", "Mean", "Max", "Min"], 8))


# ---- lowered -------------------------------------------------------------------------------------------------


def type_text(info):
    """'tensor(float)' of a tensor; '' for other types."""
    if not info.type.HasField("tensor_type"):
        return ""
    name = TensorProto.DataType.Name(info.type.tensor_type.elem_type).lower()
    return f"tensor({name})"


def fits(schema, node, types):
    """True if the node with operands of these types is one of the schema."""
    if len(node.input) > schema.max_input or len(node.input) < schema.min_input or len(node.output) > schema.max_output:
        return False
    for attribute in node.attribute:
        known = schema.attributes.get(attribute.name)
        if known is None or int(known.type) != attribute.type:
            return False
    if any(known.required and name not in [a.name for a in node.attribute] for name, known in schema.attributes.items()):
        return False
    for names, operands in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for i, name in enumerate(names):
            operand = operands[min(i, len(operands) - 1)]
            if name and name in types and types[name] not in operand.types:
                return False
    return True


def lowered_cases(cases):
    """(name, model, data sets) of node cases at earlier versions."""
    versions = {}
    for schema in defs.get_all_schemas_with_history():
        if not schema.deprecated:
            versions.setdefault((schema.domain, schema.name), []).append(schema)
    for case in cases:
        model = case.model
        if len(model.graph.node) != 1 or len(model.opset_import) != 1 or "_expanded" in case.name:
            continue
        node, opset = model.graph.node[0], model.opset_import[0].version
        if any(a.type == AttributeProto.GRAPH for a in node.attribute):
            continue  # its nodes would have to be lowered as well
        known = [s for s in versions.get((node.domain, node.op_type), []) if s.since_version <= opset]
        if not known:
            continue
        current = max(s.since_version for s in known)
        types = {info.name: type_text(info) for info in [*model.graph.input, *model.graph.output]}
        shapes = [tuple(x.dims) if isinstance(x, TensorProto) else getattr(x, "shape", ()) for x in case.data_sets[0][0]]
        for schema in known:
            version = schema.since_version
            if version >= current or version < DIFFERENT.get(node.op_type, 1) or not fits(schema, node, types):
                continue
            if version < BROADCASTS.get(node.op_type, 1) and len(set(shapes)) > 1:
                continue
            if node.op_type in ("RNN", "GRU", "LSTM") and version < 7:
                continue  # the sequence comes out only with output_sequence
            old = copy.deepcopy(model)
            old.opset_import[0].version = version
            old.ir_version = 3 if version < 9 else min(model.ir_version, 8)
            try:
                checker.check_model(old)
            except checker.ValidationError:
                continue
            yield f"{case.name}_opset{version}", old, case.data_sets


# ---- forms of old versions -----------------------------------------------------------------------------------


class Forms:
    def __init__(self):
        self.cases = []
        self.random = np.random.default_rng(11)

    def f32(self, *shape, low=-2.0, high=2.0):
        return self.random.uniform(low, high, shape).astype(np.float32)

    def add(self, operator, opset, inputs, outputs, constants=(), label="", **attributes):
        names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
        out_names = ["" if y is None else f"y{i}" for i, y in enumerate(outputs)]
        node = helper.make_node(operator, names, out_names, **attributes)
        present = [(names[i], x, i in constants) for i, x in enumerate(inputs) if x is not None]
        infos = [info(name, x) for name, x, _ in present]  # IR 3: weights are inputs, too
        weights = [numpy_helper.from_array(x, name) for name, x, is_constant in present if is_constant]
        results = [(name, y) for name, y in zip(out_names, outputs) if y is not None]
        graph = helper.make_graph([node], "g", infos, [info(*result) for result in results], weights)
        # weights come last among the inputs, so that input_0.pb, ... are those that are fed
        graph.ClearField("input")
        graph.input.extend(i for (_, _, c), i in zip(present, infos) if not c)
        graph.input.extend(i for (_, _, c), i in zip(present, infos) if c)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
        name = f"test_{operator.lower()}_{opset}" + (f"_{label}" if label else "")
        fed = [x for _, x, is_constant in present if not is_constant]
        self.cases.append((name, model, [(fed, [y for _, y in results])]))


def info(name, array):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def elementwise(forms):
    x, b, s = forms.f32(2, 3, 4), forms.f32(3), forms.f32(3, 4)
    for opset in (1, 6):
        for operator, function in (("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide)):
            forms.add(operator, opset, [x, b], [function(x, b[:, None])], broadcast=1, axis=1, label="axis")
            forms.add(operator, opset, [x, s], [function(x, s)], broadcast=1, label="suffix")
    p = np.abs(x) + 0.5
    forms.add("Pow", 1, [p, b], [np.power(p, b[:, None])], broadcast=1, axis=1, label="axis")
    for operator, function in (("And", np.logical_and), ("Or", np.logical_or), ("Xor", np.logical_xor)):
        forms.add(operator, 1, [x > 0, b > 0], [function(x > 0, b[:, None] > 0)], broadcast=1, axis=1, label="axis")
    for operator, function in (("Greater", np.greater), ("Less", np.less)):
        forms.add(operator, 1, [x, b], [function(x, b[:, None])], broadcast=1, axis=1, label="axis")
    i, k = np.round(x).astype(np.int64), np.round(b).astype(np.int64)
    forms.add("Equal", 1, [i, k], [i == k[:, None]], broadcast=1, axis=1, label="axis")
    for operator, function in (("Relu", lambda v: np.maximum(v, 0)), ("Tanh", np.tanh), ("Exp", np.exp), ("Neg", np.negative),
                               ("Sigmoid", lambda v: 1 / (1 + np.exp(-v))), ("Abs", np.abs), ("Floor", np.floor)):
        forms.add(operator, 1, [x], [function(x)], consumed_inputs=[0])
    for operator, function in (("Sum", sum), ("Max", lambda v: np.maximum(*v)), ("Min", lambda v: np.minimum(*v)),
                               ("Mean", lambda v: (v[0] + v[1]) / 2)):
        forms.add(operator, 1, [x, -x + 1], [function([x, -x + 1])], consumed_inputs=[0, 0])
    forms.add("Clip", 1, [x], [np.clip(x, -0.5, 1)], min=-0.5, max=1.0, consumed_inputs=[0])
    forms.add("Clip", 1, [x], [np.minimum(x, 1)], max=1.0, label="max")
    forms.add("Clip", 6, [x], [np.maximum(x, -0.25)], min=-0.25)
    forms.add("Cast", 1, [x], [x.astype(np.int32)], to="INT32")
    forms.add("Cast", 1, [x], [x.astype(np.float64)], to="DOUBLE", label="double")
    selu = np.where(x > 0, x, 1.6732 * (np.exp(x) - 1)) * 1.0507
    forms.add("Selu", 1, [x], [selu.astype(np.float32)], consumed_inputs=[0])
    forms.add("PRelu", 1, [x, b], [np.where(x < 0, x * b[:, None], x)])
    forms.add("PRelu", 6, [x, b[:1]], [np.where(x < 0, x * b[0], x)])
    forms.add("LeakyRelu", 1, [x], [np.where(x < 0, x * np.float32(0.1), x)], alpha=0.1, consumed_inputs=[0])
    forms.add("Dropout", 1, [x], [x, np.ones_like(x)], is_test=1, ratio=0.3, consumed_inputs=[0])
    forms.add("Dropout", 6, [x], [x], is_test=1)
    forms.add("Dropout", 7, [x], [x, np.ones_like(x)], ratio=0.3)
    forms.add("Dropout", 10, [x], [x, np.ones(x.shape, bool)], ratio=0.3)
    for opset in (1, 11):
        flat = x.reshape(2, 12)
        e = np.exp(flat - flat.max(1, keepdims=True))
        y = (e / e.sum(1, keepdims=True)).reshape(x.shape)
        forms.add("Softmax", opset, [x], [y])
        forms.add("LogSoftmax", opset, [x], [np.log(y)], axis=1)
        hard = np.zeros_like(flat)
        hard[np.arange(2), flat.argmax(1)] = 1
        forms.add("Hardmax", opset, [x], [hard.reshape(x.shape)])


def shapes(forms):
    x = forms.f32(2, 3, 4)
    forms.add("Reshape", 1, [x], [x.reshape(2, 12)], shape=[0, -1], consumed_inputs=[0])
    forms.add("Pad", 1, [x], [np.pad(x, ((0, 1), (1, 0), (2, 1)), constant_values=0.5)], paddings=[0, 1, 2, 1, 0, 1],
              value=0.5)
    forms.add("Pad", 2, [x], [np.pad(x, ((0, 1), (1, 0), (2, 1)), mode="edge")], pads=[0, 1, 2, 1, 0, 1], mode="edge")
    forms.add("Tile", 1, [x, np.array([2], np.float32), np.array([1], np.float32)], [np.tile(x, (1, 2, 1))])
    forms.add("Split", 1, [x, np.array([1, 3], np.float32)], [x[..., :1], x[..., 1:]], constants=(1,), axis=2)
    forms.add("Split", 1, [x], [x[:, :1], x[:, 1:]], axis=1, split=[1, 2], label="attribute")
    forms.add("Split", 2, [x], [x[:1], x[1:]])
    forms.add("Split", 11, [x], [x[..., :1], x[..., 1:]], axis=-1, split=[1, 3])
    forms.add("Concat", 1, [x, x], [np.concatenate([x, x], 1)])
    forms.add("Squeeze", 1, [x[:, :1]], [x[:, 0]], axes=[1])
    forms.add("Squeeze", 11, [x[:, :1]], [x[:, 0]], axes=[-2])
    forms.add("Unsqueeze", 1, [x], [x[:, None, :, None]], axes=[1, 3])
    forms.add("Slice", 1, [x], [x[:, 1:3, 0:3]], axes=[1, 2], starts=[1, 0], ends=[10, -1])
    forms.add("Slice", 1, [x], [x[:1, 1:]], starts=[0, 1], ends=[1, 3], label="no_axes")
    order = np.argsort(-x, axis=2)[..., :2]
    forms.add("TopK", 1, [x], [np.take_along_axis(x, order, 2), order], k=2)
    forms.add("TopK", 10, [x, np.array([2], np.int64)], [np.take_along_axis(x, order, 2), order], constants=(1,))
    image = forms.f32(1, 2, 3, 3)
    doubled = image.repeat(2, 2).repeat(3, 3)
    forms.add("Upsample", 1, [image], [doubled], height_scale=2.0, width_scale=3.0, mode="nearest")
    forms.add("Upsample", 7, [image], [doubled], scales=[1.0, 1.0, 2.0, 3.0])
    scales = np.array([1, 1, 2, 3], np.float32)
    forms.add("Upsample", 9, [image, scales], [doubled], constants=(1,))
    forms.add("Resize", 10, [image, scales], [doubled], constants=(1,))
    for operator, function in (("ReduceSum", np.sum), ("ReduceMax", np.max), ("ReduceMean", np.mean)):
        forms.add(operator, 1, [x], [function(x, (1, 2), keepdims=True)], axes=[1, 2])
        forms.add(operator, 11, [x], [function(x, 1)], axes=[-2], keepdims=0)


def networks(forms):
    a, b, c = forms.f32(4, 3), forms.f32(4, 5), forms.f32(5)
    for opset in (1, 6):
        forms.add("Gemm", opset, [a, b, c], [0.5 * a.T @ b + 2 * c], transA=1, alpha=0.5, beta=2.0, broadcast=1)
    x, scale, bias = forms.f32(2, 3, 4, 2), forms.f32(3), forms.f32(3)
    mean, var = forms.f32(3), forms.f32(3, low=0.5)

    def channel(v):
        return v[:, None, None]

    normal = (x - channel(mean)) / np.sqrt(channel(var) + 1e-5) * channel(scale) + channel(bias)
    forms.add("BatchNormalization", 1, [x, scale, bias, mean, var], [normal], is_test=1, consumed_inputs=[0, 0, 0, 1, 1])
    forms.add("BatchNormalization", 6, [x, scale, bias, mean, var], [normal], is_test=1)
    now_mean, now_var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    trained = (x - channel(now_mean)) / np.sqrt(channel(now_var) + 1e-5) * channel(scale) + channel(bias)
    outputs = [trained, mean * np.float32(0.8) + now_mean * np.float32(0.2),
               var * np.float32(0.8) + now_var * np.float32(0.2), now_mean, now_var]
    for opset in (6, 7, 9):
        forms.add("BatchNormalization", opset, [x, scale, bias, mean, var], outputs, momentum=0.8, label="train")
    each = [forms.f32(3, 4, 2), forms.f32(3, 4, 2), forms.f32(3, 4, 2), forms.f32(3, 4, 2, low=0.5)]
    forms.add("BatchNormalization", 7, [x, *each], [(x - each[2]) / np.sqrt(each[3] + 1e-5) * each[0] + each[1]], spatial=0)
    flat = x.reshape(2, 3, -1)
    instance = (flat - flat.mean(2, keepdims=True)) / np.sqrt(flat.var(2, keepdims=True) + 1e-5)
    forms.add("InstanceNormalization", 1, [x, scale, bias],
              [(instance * scale[:, None] + bias[:, None]).reshape(x.shape)], consumed_inputs=[0, 0, 0])
    pooled = np.cbrt((np.abs(x) ** 3).sum((2, 3), keepdims=True))
    forms.add("GlobalLpPool", 1, [x], [pooled], p=3.0)
    windows = np.stack([x[:, :, i:i + 3] for i in (0, 1)], 0)
    forms.add("LpPool", 1, [x], [np.cbrt((np.abs(np.stack([windows[..., :1], windows[..., 1:]], 0)) ** 3).sum((0, 4)))
                                 .transpose(1, 2, 0, 3)], p=3.0, kernel_shape=[3, 2])
    rnn(forms)
    y = x.reshape(2, 3, 8)
    centred = y - y.mean(2, keepdims=True)
    forms.add("MeanVarianceNormalization", 1, [x], [(centred / np.sqrt((centred**2).mean(2, keepdims=True))).reshape(x.shape)])
    forms.add("MeanVarianceNormalization", 1, [x], [x - x.mean((1, 2, 3), keepdims=True)], across_channels=1,
              normalize_variance=0, label="across")


def rnn(forms):
    """One direction, tanh: H_t = tanh(X_t W^T + H_t-1 R^T)."""
    x, w, r = forms.f32(3, 2, 4), forms.f32(1, 5, 4, low=-0.5, high=0.5), forms.f32(1, 5, 5, low=-0.5, high=0.5)
    state, sequence = np.zeros((2, 5), np.float32), []
    for step in x:
        state = np.tanh(step @ w[0].T + state @ r[0].T)
        sequence.append(state[None])
    forms.add("RNN", 1, [x, w, r], [np.stack(sequence), state[None]], hidden_size=5, output_sequence=1)
    forms.add("RNN", 1, [x, w, r], [None, state[None]], hidden_size=5, label="last")


def given_up(forms):
    x, image = forms.f32(2, 3), forms.f32(1, 3, 6, 5)
    forms.add("Affine", 1, [x], [x * 2 + 0.5], alpha=2.0, beta=0.5)
    forms.add("ParametricSoftplus", 1, [x], [2 * np.log(np.exp(x * 3) + 1)], alpha=2.0, beta=3.0)
    forms.add("ScaledTanh", 1, [x], [2 * np.tanh(x * 3)], alpha=2.0, beta=3.0)
    forms.add("Scale", 1, [x], [x * 3], scale=3.0)
    forms.add("ThresholdedRelu", 1, [x], [np.where(x > 0.5, x, 0)], alpha=0.5)
    forms.add("ImageScaler", 1, [image], [image * 2 + np.array([0.1, 0.2, 0.3], np.float32)[:, None, None]], scale=2.0,
              bias=[0.1, 0.2, 0.3])
    forms.add("Crop", 1, [image], [image[:, :, 2:5, 1:4]], border=[1, 2, 1, 1])
    forms.add("Crop", 1, [image], [image[:, :, 2:4, 1:5]], border=[1, 2, 0, 0], scale=[2, 4], label="scale")
    forms.add("DynamicSlice", 1, [x, np.array([0, 1], np.int64), np.array([1, 3], np.int64)], [x[:1, 1:3]])
    forms.add("ConstantFill", 1, [], [np.full((2, 3), 1.5, np.float32)], shape=[2, 3], value=1.5)
    forms.add("ConstantFill", 1, [x], [np.full((2, 3, 4), 7, np.int32)], value=7.0, dtype=TensorProto.INT32,
              extra_shape=[4], label="like")
    forms.add("ConstantFill", 1, [np.array([3, 2], np.int64)], [np.full((3, 2), 1.5, np.float32)], input_as_shape=1,
              value=1.5, label="input")
    forms.add("GivenTensorFill", 1, [], [np.array([[1, 2], [3, 4]], np.float32)], values=[1.0, 2.0, 3.0, 4.0], shape=[2, 2])


def scan(forms):
    """Running sums over sequences of two lengths: Scan-8."""
    x, start, lengths = forms.f32(2, 3, 2), forms.f32(2, 2), np.array([2, 3], np.int64)
    one = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "x"], ["t"]), helper.make_node("Identity", ["t"], ["y"])], "body",
        [one("s", TensorProto.FLOAT, [2]), one("x", TensorProto.FLOAT, [2])],
        [one("t", TensorProto.FLOAT, [2]), one("y", TensorProto.FLOAT, [2])])
    for direction in (0, 1):
        sums, final = np.zeros_like(x), start.copy()
        for item, length in enumerate(lengths):
            steps = range(length)[::-1] if direction else range(length)
            for place, step in enumerate(steps):
                final[item] += x[item, step]
                sums[item, place] = final[item]
        forms.add("Scan", 8, [lengths, start, x], [final, sums], body=body, num_scan_inputs=1, directions=[direction],
                  label=f"lengths_{direction}")


# ---- functions, sparse weights, captures ---------------------------------------------------------------------


MODELS = {
    # a function in a function, attributes handed through, defaults, an input left out
    "function_nested": """<ir_version: 9, opset_import: ["" : 17, "f" : 1]>
        g (float[2,3] x) => (float[2,3] y, float[2,3] z) {
            y = f.Outer <alpha = 0.25> (x)
            z = f.Outer (x)
        }
        <domain: "f", opset_import: ["" : 17, "f" : 1]>
        Outer <alpha: float = 0.5> (a) => (b) {
            c = f.Inner <slope: float = @alpha> (a)
            b = Add (c, a)
        }
        <domain: "f", opset_import: ["" : 17]>
        Inner <slope> (a, bias) => (b) {
            leaky = LeakyRelu <alpha: float = @slope> (a)
            factor = Constant <value_float: float = @slope> ()
            b = Mul (leaky, factor)
        }""",
    # a function in place of an operator of the standard, and functions of two opsets
    "function_overrides": """<ir_version: 9, opset_import: ["" : 17, "old" : 1]>
        g (float[2,3] x) => (float[2,3] y, float[2,3] z) {
            y = Relu (x)
            z = old.Flat (x)
        }
        <domain: "", opset_import: ["" : 17]>
        Relu (a) => (b) {
            two = Constant <value_float = 2.0> ()
            b = Mul (a, two)
        }
        <domain: "old", opset_import: ["" : 11]>
        Flat (a) => (b) {
            b = Softmax (a)
        }""",
    # both outputs of a function, one unused, and one that is its input
    "function_outputs": """<ir_version: 9, opset_import: ["" : 17, "f" : 1]>
        g (float[2,3] x) => (float[2,3] y, float[2,3] z) {
            y, z = f.Two (x)
            unused, w = f.Two (y)
        }
        <domain: "f", opset_import: ["" : 17]>
        Two (a) => (b, a) {
            b = Neg (a)
        }""",
    # bodies that see values of the graph around them, two levels deep
    "captures_nested": """<ir_version: 9, opset_import: ["" : 17]>
        g (float[2,3] x, bool c) => (float[2,3] y) {
            two = Constant <value_float = 2.0> ()
            twice = Mul (x, two)
            n = Constant <value_int = 3> ()
            yes = Constant <value = bool {1}> ()
            y = Loop <body = b (int64 i, bool go, float[2,3] s) => (bool on, float[2,3] t) {
                on = Identity (go)
                step = If (c) <then_branch = p () => (float[2,3] u) { u = Add (twice, x) },
                               else_branch = q () => (float[2,3] v) { v = Sub (twice, s) }>
                t = Add (s, step)
            }> (n, yes, x)
        }""",
    # control flow inside of a function, its body sees the function's input
    "function_captures": """<ir_version: 9, opset_import: ["" : 17, "f" : 1]>
        g (float[2,3] x, bool c) => (float[2,3] y) { y = f.Choose <scale = 3.0> (x, c) }
        <domain: "f", opset_import: ["" : 17]>
        Choose <scale> (a, c) => (b) {
            k = Constant <value_float: float = @scale> ()
            b = If (c) <then_branch = p () => (float[2,3] u) { u = Mul (a, k) },
                        else_branch = q () => (float[2,3] v) { v = Div (a, k) }>
        }""",
}


def model_outputs(name, x, condition):
    """What the models above mean (ONNX's reference evaluator takes neither absent inputs nor overriding functions)."""
    if name == "function_nested":
        return [np.where(x < 0, x * alpha, x) * alpha + x for alpha in (0.25, 0.5)]
    if name == "function_overrides":
        e = np.exp(x - x.max(1, keepdims=True))
        return [x * 2, e / e.sum(1, keepdims=True)]
    if name == "function_outputs":
        return [-x, x]
    if name == "function_captures":
        return [x * 3 if condition else x / 3]
    state = x
    for _ in range(3):
        state = state + (3 * x if condition else 2 * x - state)
    return [state]


def model_cases():
    from onnx import parser

    x = np.array([[1, -2, 3], [-4, 0.5, 6]], np.float32)
    for name, text in MODELS.items():
        model = parser.parse_model(text)
        for condition in ([True, False] if len(model.graph.input) > 1 else [None]):
            inputs = [x] if condition is None else [x, np.array(condition)]
            label = "" if condition is None else f"_{str(condition).lower()}"
            outputs = [y.astype(np.float32) for y in model_outputs(name, x, condition)]
            yield f"test_{name}{label}", model, [(inputs, outputs)]


def sparse_case():
    """A sparse initialiser and a Constant with sparse_value, indices by element and by row and column."""
    def sparse(name, indices, shape):
        return helper.make_sparse_tensor(numpy_helper.from_array(np.array([1.5, -2.0], np.float32), name),
                                         numpy_helper.from_array(np.array(indices, np.int64), name + "_i"), shape)

    x = np.array([[1, -2, 3], [-4, 0.5, 6]], np.float32)
    nodes = [helper.make_node("Constant", [], ["c"], sparse_value=sparse("v", [[0, 1], [1, 2]], [2, 3])),
             helper.make_node("Add", ["x", "w"], ["t"]), helper.make_node("Mul", ["t", "c"], ["y"])]
    graph = helper.make_graph(nodes, "g", [info("x", x)], [info("y", x)], sparse_initializer=[sparse("w", [2, 3], [2, 3])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    c, w = np.zeros_like(x), np.zeros_like(x)
    c[0, 1], c[1, 2], w[0, 2], w[1, 0] = 1.5, -2, 1.5, -2
    return "test_sparse_weights", model, [([x], [(x + w) * c])]


def without_opset_case():
    """IR version 2 had no opset_import: opset 1."""
    x, b = np.ones((2, 3), np.float32), np.array([1, 2], np.float32)
    node = helper.make_node("Add", ["x", "b"], ["y"], broadcast=1, axis=0)
    graph = helper.make_graph([node], "g", [info("x", x), info("b", b)], [info("y", x)])
    model = helper.make_model(graph, ir_version=2)
    del model.opset_import[:]
    return "test_ir_2", model, [([x, b], [x + b[:, None]])]


def form_cases():
    forms = Forms()
    for group in (elementwise, shapes, networks, given_up, scan):
        group(forms)
    return [*forms.cases, *model_cases(), sparse_case(), without_opset_case()]
