#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that pith takes every version of every ONNX operator: each attribute, each number of inputs and of outputs.

    check_versions.py [BUILD] [--verbose] [--json FILE]

For each schema of the `onnx` wheel (all domains, with history) models of one node are made at exactly that version: with
the least operands and attributes, with each further input, output and attribute; pith must load each without an
unsupported node. Closes with `N passed, N failed`. Needs onnx and numpy: BUILD/onnx-env/bin/python has them.
"""

import argparse
import collections
import ctypes
import json
import os
import sys
import tempfile

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, defs, helper, numpy_helper

# What an attribute may be where its default (or a guess by type) is no valid value.
VALUES = {
    "to": TensorProto.FLOAT,
    "dtype": TensorProto.FLOAT,
    "stash_type": TensorProto.FLOAT,
    "output_dtype": TensorProto.UINT8,
    "output_datatype": TensorProto.FLOAT,
    "softmax_precision": TensorProto.FLOAT,
    "precision": TensorProto.FLOAT,
    "auto_pad": "SAME_UPPER",
    "axis": 0,
    "direction": "LEFT",
    "equation": "i,i->i",
    "mode": None,  # by operator, below
    "kernel_shape": [1, 1],
    "strides": [1, 1],
    "dilations": [1, 1],
    "pads": [0, 0, 0, 0],
    "perm": [0, 1],
    "axes": [0],
    "starts": [0],
    "ends": [1],
    "repeats": [1, 1],
    "body": "graph",
    "then_branch": "graph",
    "else_branch": "graph",
    "num_scan_inputs": 1,
    "blocksize": 2,
    "batch_axis": 1,
    "reduction": "none",
    "pooled_shape": [1, 1],
    "interpolation": "linear",
    "activations": ["Tanh"],
    "hidden_size": 2,
    "tokenexp": "[a-z]+",
    "separators": [" "],
    "case_change_action": "LOWER",
    "ratio": 0.5,
    "seed": 1.0,
    "shape": [1],
    "num_outputs": 1,
    "split": [1],
    "k": 1,
    "size": 1,
    "ngram_counts": [0],
    "ngram_indexes": [0],
    "max_gram_length": 1,
    "min_gram_length": 1,
    "max_skip_count": 0,
    "value": "tensor",
    "q_num_heads": 1,
    "kv_num_heads": 1,
}
# operator, attribute: value; where operators disagree.
SPECIAL = {
    ("Cast", "to", 1): "FLOAT",
    ("BitShift", "direction"): "LEFT",
    ("RNN", "direction"): "forward",
    ("GRU", "direction"): "forward",
    ("LSTM", "direction"): "forward",
    ("GRU", "activations"): ["Sigmoid", "Tanh"],
    ("LSTM", "activations"): ["Sigmoid", "Tanh", "Tanh"],
    ("Constant", "value_float"): 1.0,
    ("Momentum", "mode"): "standard",
    ("TfIdfVectorizer", "mode"): "TF",
    ("TfIdfVectorizer", "pool_int64s"): [1],
    ("TfIdfVectorizer", "pool_strings"): ["a"],
    ("TfIdfVectorizer", "weights"): [1.0],
    ("Gradient", "xs"): ["x0"],
    ("Gradient", "zs"): ["x1"],
    ("Gradient", "y"): "w",
    ("TreeEnsemble", "nodes_hitrates"): numpy_helper.from_array(np.ones(1, np.float32), "t"),
    ("TreeEnsemble", "nodes_missing_value_tracks_true"): [1],
    ("RandomNormalLike", "seed"): 1.0,
}
def floats(*values):
    return numpy_helper.from_array(np.array(values, np.float32), "t")


NODES = {"nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
         "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_values": [0.5, 0.0, 0.0],
         "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0]}
# Operators of ai.onnx.ml whose attributes hold together though none is required: a small valid node.
BASE = {
    "TreeEnsembleRegressor": {**NODES, "n_targets": 1, "target_treeids": [0, 0], "target_nodeids": [1, 2],
                              "target_ids": [0, 0], "target_weights": [1.0, 2.0]},
    "TreeEnsembleClassifier": {**NODES, "classlabels_int64s": [0, 1], "class_treeids": [0, 0], "class_nodeids": [1, 2],
                               "class_ids": [0, 1], "class_weights": [1.0, 1.0]},
    "TreeEnsemble": {"tree_roots": [0], "nodes_featureids": [0], "nodes_splits": floats(0.5), "n_targets": 1,
                     "nodes_modes": numpy_helper.from_array(np.array([0], np.uint8), "t"), "nodes_truenodeids": [0],
                     "nodes_falsenodeids": [1], "nodes_trueleafs": [1], "nodes_falseleafs": [1], "leaf_targetids": [0, 0],
                     "leaf_weights": floats(1, 2)},  # nodes_modes 6, with membership_values: a set
    "LabelEncoder": {"keys_int64s": [1], "values_floats": [0.5]},
    "LinearClassifier": {"classlabels_ints": [0, 1], "coefficients": [1.0, 2.0], "intercepts": [0.0, 1.0]},
    "LinearRegressor": {"coefficients": [1.0]},
    "SVMClassifier": {"classlabels_ints": [0, 1], "coefficients": [1.0, -1.0], "support_vectors": [1.0, 2.0],
                      "vectors_per_class": [1, 1], "rho": [0.5], "kernel_params": [0.5, 0.0, 3.0], "kernel_type": "RBF"},
    "SVMRegressor": {"coefficients": [1.0], "support_vectors": [1.0], "n_supports": 1, "rho": [0.5],
                     "kernel_params": [0.5, 0.0, 3.0], "kernel_type": "RBF"},
    "OneHotEncoder": {"cats_int64s": [0, 1]},
    "CategoryMapper": {"cats_int64s": [0, 1], "cats_strings": ["a", "b"]},
    "ZipMap": {"classlabels_int64s": [0, 1]},
    "DictVectorizer": {"string_vocabulary": ["a", "b"]},
    "Imputer": {"imputed_value_floats": [0.5], "replaced_value_float": 1.0},
    "Scaler": {"scale": [1.0], "offset": [0.0]},
}
# further values of attributes that go with those
WITH_BASE = {
    "nodes_missing_value_tracks_true": [0, 0, 0], "nodes_hitrates": [1.0, 1.0, 1.0],
    "nodes_values_as_tensor": floats(0.5, 0, 0), "nodes_hitrates_as_tensor": floats(1, 1, 1),
    "target_weights_as_tensor": floats(1, 2), "class_weights_as_tensor": floats(1, 1), "base_values": [0.5],
    "base_values_as_tensor": floats(0.5), "classlabels_strings": ["a", "b"], "classlabels_int64s": [0, 1],
    "cats_strings": ["a", "b"], "classes_strings": ["a", "b"], "prob_a": [1.0], "prob_b": [1.0],
    "membership_values": floats(1, np.nan), "keys_strings": ["a"], "keys_floats": [1.0], "values_strings": ["a"],
    "values_int64s": [1], "keys_tensor": floats(1), "values_tensor": floats(2), "default_tensor": floats(3),
}
# attributes of one group say the same in other words
GROUPS = [("classlabels_ints", "classlabels_int64s", "classlabels_strings"), ("int64_vocabulary", "string_vocabulary"),
          ("keys_int64s", "keys_strings", "keys_floats", "keys_tensor"),
          ("values_int64s", "values_strings", "values_floats", "values_tensor"),
          ("imputed_value_floats", "imputed_value_int64s"), ("replaced_value_float", "replaced_value_int64")]
ONE_OF = {  # the attributes exclude each other, and one is required
    "Constant": ["value", "sparse_value", "value_float", "value_floats", "value_int", "value_ints", "value_string",
                 "value_strings"],
}


class Unsupported(ctypes.Structure):
    _fields_ = [("node", ctypes.c_char_p), ("op", ctypes.c_char_p), ("reason", ctypes.c_char_p)]


class Library:
    """Loads models and says what pith has against them."""

    def __init__(self, build):
        self.lib = ctypes.CDLL(os.path.join(build, "libpith.so"))
        self.lib.pith_ctx_error.restype = ctypes.c_char_p
        self.lib.pith_model_unsupported.restype = ctypes.POINTER(Unsupported)
        self.folder = tempfile.TemporaryDirectory()

    def problem(self, model):
        path = os.path.join(self.folder.name, "model.onnx")
        with open(path, "wb") as file:
            file.write(model.SerializeToString())
        ctx, loaded, message = ctypes.c_void_p(), ctypes.c_void_p(), ""
        self.lib.pith_ctx_create(None, ctypes.byref(ctx))
        if self.lib.pith_model_load(ctx, path.encode(), None, ctypes.byref(loaded)) != 0:
            message = self.lib.pith_ctx_error(ctx).decode()
        elif self.lib.pith_model_n_unsupported(loaded) > 0:
            message = self.lib.pith_model_unsupported(loaded, 0)[0].reason.decode()
        self.lib.pith_model_destroy(loaded)
        self.lib.pith_ctx_destroy(ctx)
        return message


# ---- one node -----------------------------------------------------------------------------------------------


def type_proto(text):
    """'seq(tensor(float))' -> TypeProto without shape."""
    kind, _, rest = text.partition("(")
    inner = rest[:-1]
    if kind == "tensor":
        names = {"float": "FLOAT", "double": "DOUBLE"}
        return helper.make_tensor_type_proto(TensorProto.DataType.Value(names.get(inner, inner.upper())), None)
    if kind == "seq":
        return helper.make_sequence_type_proto(type_proto(inner))
    if kind == "optional":
        return helper.make_optional_type_proto(type_proto(inner))
    if kind == "sparse_tensor":
        return helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, None)
    key, _, value = inner.partition(",")
    return helper.make_map_type_proto(TensorProto.DataType.Value(key.strip().upper()), type_proto(value.strip()))


def choose_type(schema, operand):
    """The first of float, int64, ... that the operand allows."""
    types = sorted(operand.types)
    wishes = ["tensor(float)", "tensor(int64)", "tensor(bool)", "seq(tensor(float))", "optional(tensor(float))"]
    for wish in wishes:
        if wish in types:
            return wish
    return types[0]


def body_graph(schema, node_inputs):
    """Bodies: If none -> one; Loop (iteration, condition, state) -> (condition, state); Scan (state) -> (state)."""
    make = helper.make_tensor_value_info
    if schema.name == "If":
        one = numpy_helper.from_array(np.float32(1), "one")
        return helper.make_graph([helper.make_node("Constant", [], ["inner"], value=one)], "body", [],
                                 [make("inner", TensorProto.FLOAT, [])])
    if schema.name == "Loop":
        states = node_inputs[2:]
        nodes = [helper.make_node("Identity", ["c"], ["c_out"])]
        nodes += [helper.make_node("Identity", [f"s{i}"], [f"o{i}"]) for i in range(len(states))]
        return helper.make_graph(
            nodes, "body",
            [make("i", TensorProto.INT64, []), make("c", TensorProto.BOOL, [])]
            + [make(f"s{i}", TensorProto.FLOAT, None) for i in range(len(states))],
            [make("c_out", TensorProto.BOOL, [])]
            + [make(f"o{i}", TensorProto.FLOAT, None) for i in range(len(states))])
    return helper.make_graph([helper.make_node("Identity", ["s"], ["t"])], "body", [make("s", TensorProto.FLOAT, None)],
                             [make("t", TensorProto.FLOAT, None)])


def value_of(schema, name, node_inputs):
    attribute = schema.attributes[name]
    for key in ((schema.name, name, schema.since_version), (schema.name, name)):
        if key in SPECIAL:
            return SPECIAL[key]
    for table in (BASE.get(schema.name, {}), WITH_BASE if schema.name in BASE else {}):
        if name in table:
            return table[name]
    default = attribute.default_value
    if default.type != AttributeProto.UNDEFINED:
        return helper.get_attribute_value(default)
    kind = attribute.type
    value = VALUES.get(name)
    kinds = defs.OpSchema.AttrType
    if kind == kinds.GRAPH:
        return body_graph(schema, node_inputs)
    if kind == kinds.TENSOR:
        return numpy_helper.from_array(np.array([1.0], np.float32), "t")
    if kind == kinds.SPARSE_TENSOR:
        return helper.make_sparse_tensor(numpy_helper.from_array(np.array([1.0], np.float32), "v"),
                                         numpy_helper.from_array(np.array([1], np.int64), "i"), [3])
    if kind == kinds.TYPE_PROTO:
        return type_proto("tensor(float)" if schema.name != "Optional" else "tensor(float)")
    guesses = {kinds.INT: 1, kinds.FLOAT: 0.5, kinds.STRING: "x", kinds.INTS: [1], kinds.FLOATS: [0.5],
               kinds.STRINGS: ["a"]}
    fits = {kinds.INT: int, kinds.FLOAT: (int, float), kinds.STRING: str}.get(kind, list)
    return value if value is not None and isinstance(value, fits) else guesses[kind]


def make_model(schema, n_inputs, n_outputs, names):
    inputs, infos, typed = [], [], []
    for i in range(n_inputs):
        operand = schema.inputs[min(i, len(schema.inputs) - 1)]
        inputs.append(f"x{i}")
        text = choose_type(schema, operand)
        infos.append(helper.make_value_info(f"x{i}", type_proto(text)))
        if schema.name == "PRelu" and schema.since_version < 7:  # broadcast by rank
            for size in ([2, 3], [3])[i]:
                infos[-1].type.tensor_type.shape.dim.add().dim_value = size
        typed.append((operand.type_str, text))
    outputs, out_infos = [], []
    for i in range(n_outputs):
        operand = schema.outputs[min(i, len(schema.outputs) - 1)]
        text = next((t for s, t in typed if s == operand.type_str), None) or choose_type(schema, operand)
        outputs.append(f"y{i}")
        out_infos.append(helper.make_value_info(f"y{i}", type_proto(text)))
    if schema.name == "Constant":
        text = {"value_int": "int64", "value_ints": "int64", "value_string": "string",
                "value_strings": "string"}.get(names[0], "float")
        out_infos = [helper.make_value_info("y0", type_proto(f"tensor({text})"))]
    attributes = {name: value_of(schema, name, inputs) for name in names}
    if "membership_values" in names:
        attributes["nodes_modes"] = numpy_helper.from_array(np.array([6], np.uint8), "t")
    node = helper.make_node(schema.name, inputs, outputs, domain=schema.domain, **attributes)
    nodes = [node]
    if schema.name == "Gradient":  # of what is in front of it
        nodes.insert(0, helper.make_node("Mul", [inputs[0], inputs[-1]], ["w"]))
    graph = helper.make_graph(nodes, "g", infos, out_infos)
    opsets = [helper.make_opsetid(schema.domain, schema.since_version)]
    if schema.domain:
        opsets.append(helper.make_opsetid("", defs.onnx_opset_version()))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def excludes(name, other):
    """True if a node has only one of the two attributes."""
    pairs = (name + "_as_tensor", name.removesuffix("_as_tensor"))
    return other != name and (other in pairs or any(name in group and other in group for group in GROUPS))


def ml_forms(schema, least_in, least_out):
    base = [name for name in BASE[schema.name] if name in schema.attributes]
    if (schema.name, schema.since_version) == ("LabelEncoder", 1):
        base = ["classes_strings"]
    found = [("least", least_in, least_out, base)]
    for name in schema.attributes:
        kept = [other for other in base if not excludes(name, other)]
        if schema.name == "OneHotEncoder" and name == "cats_strings":
            kept = []
        found.append((name, least_in, least_out, kept + ([] if name in kept else [name])))
    return found


def forms(schema):
    """What to try: (label, inputs, outputs, attributes)."""
    single = defs.OpSchema.FormalParameterOption.Single
    variadic = defs.OpSchema.FormalParameterOption.Variadic
    least_in = max((i + 1 for i, x in enumerate(schema.inputs) if x.option == single), default=0)
    least_in = max(least_in, schema.min_input)
    most_in = len(schema.inputs) + (bool(schema.inputs) and schema.inputs[-1].option == variadic)
    least_out = max(max((i + 1 for i, x in enumerate(schema.outputs) if x.option == single), default=1), 1)
    if schema.name in ("Loop", "If", "Scan"):
        most_in = least_in = {"If": 1, "Loop": 3, "Scan": 1 + (schema.since_version == 8)}[schema.name]
    required = [name for name, a in schema.attributes.items() if a.required]
    if (schema.name, schema.since_version) == ("Reshape", 1):
        required = ["shape"]  # the schema forgets to say so
    one_of = [name for name in ONE_OF.get(schema.name, []) if name in schema.attributes]
    if one_of:
        return [(name, 0, 1, [name]) for name in one_of]
    if schema.name in BASE:
        return ml_forms(schema, least_in, least_out)
    if schema.name == "Gradient":
        return [("least", 1, 1, required), ("zs", 2, 1, [*required, "zs"])]
    if schema.name == "Optional":
        return [("type", 0, 1, ["type"]), ("1 inputs", 1, 1, [])]
    found = [("least", least_in, least_out, required)]
    found += [(f"{n} inputs", n, least_out, required) for n in range(least_in + 1, most_in + 1)]
    found += [(f"{n} outputs", least_in, n, required) for n in range(least_out + 1, len(schema.outputs) + 1)]
    found += [(name, least_in, least_out, required + [name]) for name in schema.attributes if name not in required]
    return found


def main():
    parser = argparse.ArgumentParser(description="Checks that pith takes every version of every ONNX operator.")
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--verbose", action="store_true", help="list what passes, too")
    parser.add_argument("--only", default="", help="only operators with this in their name")
    parser.add_argument("--json", help="write every form with its result")
    options = parser.parse_args()
    library = Library(os.path.abspath(options.build))
    rows, failed = [], collections.Counter()
    schemas = [schema for schema in defs.get_all_schemas_with_history() if not schema.deprecated]
    for schema in sorted(schemas, key=lambda s: (s.domain, s.name, s.since_version)):
        if options.only not in schema.name:
            continue
        for label, n_inputs, n_outputs, names in forms(schema):
            try:
                problem = library.problem(make_model(schema, n_inputs, n_outputs, names))
            except Exception as error:  # noqa: BLE001 the tool's own trouble is a failure, too
                problem = f"(no model: {error!r})"
            name = f"{schema.domain + '.' if schema.domain else ''}{schema.name}-{schema.since_version}"
            rows.append({"operator": name, "form": label, "problem": problem})
            failed[bool(problem)] += 1
            if problem or options.verbose:
                print(f"{'FAILED' if problem else 'handled'} {name}: {label}: {problem}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    print(f"onnx {onnx.__version__}: {len(schemas)} versions of operators, {len(rows)} forms")
    print(f"{failed[False]} passed, {failed[True]} failed")
    return 1 if failed[True] else 0


if __name__ == "__main__":
    sys.exit(main())
