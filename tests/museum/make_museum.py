#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the museum of bad inputs: make_museum.py writes files/*.onnx beside itself (needs the Python package onnx).

At least three files for every class of bad input that an ONNX file can have. What pith must say of each stands in
expected.tsv, written by hand; tests/museum/test_museum.c compares.
"""
import pathlib
import struct

from onnx import AttributeProto, SparseTensorProto, StringStringEntryProto, TensorProto, helper

OUT = pathlib.Path(__file__).resolve().parent / "files"
F, I, B, U8, S8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.UINT8, TensorProto.INT8
BIG = 1 << 62
written = set()


def value(name, shape, dtype=F):
    return helper.make_tensor_value_info(name, dtype, shape)


X, Y = value("x", [2, 4]), value("y", None)
IMAGE = value("x", [1, 4, 8, 8])


def weight(name, dims, data, dtype=F):
    return helper.make_tensor(name, dtype, dims, data)


def node(op, inputs, outputs=("y",), **attrs):
    return helper.make_node(op, list(inputs), list(outputs), name=attrs.pop("name", "bad"), **attrs)


def model(nodes, inputs=(X,), outputs=(Y,), weights=(), opset=17, **more):
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(weights))
    opsets = [helper.make_opsetid("", opset)] + list(more.pop("opsets", []))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="museum", **more)


def save(name, content):
    data = content if isinstance(content, bytes) else content.SerializeToString()
    assert name not in written, name
    written.add(name)
    (OUT / f"{name}.onnx").write_bytes(data)


def one(name, op, inputs=("x",), outputs=("y",), graph_inputs=(X,), weights=(), opset=17, **attrs):
    save(name, model([node(op, inputs, outputs, **attrs)], graph_inputs, (value(outputs[0], None),), weights, opset))


def raw(name, dims, data, dtype=F):
    return TensorProto(name=name, dims=dims, data_type=dtype, raw_data=data)


def with_weight(name, tensor):
    save(name, model([node("Add", ["x", "w"])], weights=[tensor]))


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def ok():
    return model([node("Relu", ["x"])])


def body(nodes, inputs, outputs):
    return helper.make_graph(nodes, "body", inputs, outputs)


def b01_size_overflow():
    with_weight("b01_weight_dims", raw("w", [BIG, 8], b""))
    with_weight("b01_zero_hides_overflow", raw("w", [BIG, 0, BIG], b""))
    save("b01_graph_input", model([node("Relu", ["x"])], [value("x", [BIG, 8])]))
    one("b01_expand", "Expand", ["x", "s"], weights=[weight("s", [3], [BIG, 2, 4], I)])


def b02_offset_wraps():
    for name, offset, length in (("b02_offset_at_the_end", (1 << 63) - 4, 32), ("b02_length_wraps", 8, (1 << 63) - 1),
                                 ("b02_offset_behind_file", 4096, 32)):
        save(name, external([("location", "weights.bin"), ("offset", str(offset)), ("length", str(length))]))


def external(entries, dims=(2, 4)):
    tensor = TensorProto(name="w", dims=dims, data_type=F, data_location=TensorProto.EXTERNAL)
    tensor.external_data.extend(StringStringEntryProto(key=k, value=v) for k, v in entries)
    return model([node("Add", ["x", "w"])], weights=[tensor])


def b04_count_lies():
    data = ok().SerializeToString()
    save("b04_graph_length", data[: data.index(b"\x3a") + 1] + varint(1 << 40) + data[data.index(b"\x3a") + 2:])
    save("b04_cut_off", data[:-5])
    with_weight("b04_packed_floats", TensorProto(name="w", dims=[1 << 20], data_type=F, float_data=[1.0, 2.0]))


def b05_negative():
    with_weight("b05_weight_dim", raw("w", [-2, 4], b""))
    one("b05_reshape", "Reshape", ["x", "s"], weights=[weight("s", [2], [-3, 4], I)])
    one("b05_tile", "Tile", ["x", "s"], weights=[weight("s", [2], [-1, 1], I)])


def b06_zero_sizes():
    one("b06_kernel_of_nothing", "MaxPool", ["x"], graph_inputs=[IMAGE], kernel_shape=[0, 2])
    one("b06_gather_from_nothing", "Gather", ["e", "i"], graph_inputs=[],
        weights=[weight("e", [0, 3], []), weight("i", [1], [0], I)])
    one("b06_argmax_of_nothing", "ArgMax", ["e"], graph_inputs=[], weights=[weight("e", [0, 3], [])], axis=0)


def b07_rank():
    with_weight("b07_weight_of_rank_12", raw("w", [1] * 12, struct.pack("f", 1)))
    one("b07_matrix_for_an_image", "Conv", ["x", "w"], weights=[weight("w", [1, 4, 3, 3], [0] * 36)])
    one("b07_unsqueeze_beyond_8", "Unsqueeze", ["x", "a"], weights=[weight("a", [9], range(9), I)])


def b08_division_by_zero():
    w = weight("w", [4, 4, 3, 3], [0] * 144)
    one("b08_stride", "Conv", ["x", "w"], graph_inputs=[IMAGE], weights=[w], strides=[0, 1])
    one("b08_group", "Conv", ["x", "w"], graph_inputs=[IMAGE], weights=[w], group=0)
    one("b08_block_size", "DepthToSpace", ["x"], graph_inputs=[IMAGE], blocksize=0)
    one("b08_dilation", "MaxPool", ["x"], graph_inputs=[IMAGE], kernel_shape=[2, 2], dilations=[0, 0])
    save("b08_integer_division", model([node("Div", ["a", "b"])], [value("a", [2], I)], [value("y", None, I)],
                                       [weight("b", [2], [1, 0], I)]))


def b09_attribute_range():
    one("b09_axis", "Softmax", axis=-100000)
    one("b09_perm_twice", "Transpose", perm=[0, 0])
    one("b09_cast_to", "Cast", to=99)
    one("b09_kernel_larger_than_input", "MaxPool", ["x"], graph_inputs=[IMAGE], kernel_shape=[20, 20])


def b10_extreme_integers():
    one("b10_axis", "Gather", ["x", "i"], weights=[weight("i", [1], [0], I)], axis=-(1 << 63))
    one("b10_pads", "Conv", ["x", "w"], graph_inputs=[IMAGE], weights=[weight("w", [1, 4, 1, 1], [0] * 4)],
        pads=[(1 << 63) - 1] * 4)
    one("b10_slice_step", "Slice", ["x", "s", "e", "a", "t"],
        weights=[weight("s", [1], [0], I), weight("e", [1], [4], I), weight("a", [1], [-(1 << 63)], I),
                 weight("t", [1], [-(1 << 63)], I)])


def b11_index_from_data():
    one("b11_gather", "Gather", ["x", "i"], weights=[weight("i", [1], [7], I)])
    one("b11_gather_elements", "GatherElements", ["x", "i"], weights=[weight("i", [1, 1], [-9], I)])
    one("b11_scatter_nd", "ScatterND", ["x", "i", "u"],
        weights=[weight("i", [1, 1], [1 << 40], I), weight("u", [1, 4], [0] * 4)])
    one("b11_top_k", "TopK", ["x", "k"], ("y", "j"), weights=[weight("k", [1], [9], I)])


def b12_size_from_data():
    one("b12_tile", "Tile", ["x", "s"], weights=[weight("s", [2], [1 << 30, 1 << 30], I)])
    one("b12_constant_of_shape", "ConstantOfShape", ["s"], graph_inputs=[], weights=[weight("s", [2], [1 << 32] * 2, I)])
    one("b12_range", "Range", ["a", "b", "c"], graph_inputs=[],
        weights=[weight("a", [], [0], I), weight("b", [], [1 << 61], I), weight("c", [], [1], I)])
    one("b12_pad", "Pad", ["x", "p"], weights=[weight("p", [4], [1 << 40] * 4, I)])


def b13_endless():
    s = value("s", [2, 4])
    grow = body([helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Relu", ["s"], ["t"])],
                [value("i", [], I), value("c", [], B), s], [value("d", [], B), value("t", [2, 4])])
    go = weight("go", [], [True], B)
    save("b13_loop_for_ever", model([node("Loop", ["", "go", "x"], body=grow)], weights=[go]))
    save("b13_loop_of_2_to_62", model([node("Loop", ["n", "go", "x"], body=grow)],
                                      weights=[go, weight("n", [], [BIG], I)]))
    one("b13_range_step_zero", "Range", ["a", "b", "c"], graph_inputs=[],
        weights=[weight("a", [], [0.0]), weight("b", [], [5.0]), weight("c", [], [0.0])])
    one("b13_range_step_nan", "Range", ["a", "b", "c"], graph_inputs=[],
        weights=[weight("a", [], [0.0]), weight("b", [], [5.0]), weight("c", [], [float("nan")])])


def b14_nesting():
    inner = body([helper.make_node("Relu", ["x"], ["r"])], [], [value("r", None)])
    for _ in range(20):
        inner = body([nest(inner)], [], [value("r", None)])
    save("b14_bodies", model([nest(inner, "y")], [X, value("c", [], B)]))
    data = b""
    for _ in range(40):  # GraphProto.node: an If with an attribute that is a graph
        attribute = b"\x0a\x01b\xa0\x01\x05\x32" + varint(len(data)) + data
        made = b"\x22\x02If\x2a" + varint(len(attribute)) + attribute
        data = b"\x0a" + varint(len(made)) + made
    save("b14_messages", b"\x08\x08\x42\x02\x10\x11\x3a" + varint(len(data)) + data)
    save("b14_functions", functions([(f"F{i}", [f"F{i + 1}"]) for i in range(60)] + [("F60", ["Relu"])]))


def nest(inner, out="r"):
    attribute = AttributeProto(name="then_branch", type=AttributeProto.GRAPH, g=inner)
    other = body([helper.make_node("Relu", ["x"], ["q"])], [], [value("q", None)])
    made = helper.make_node("If", ["c"], [out], else_branch=other)
    made.attribute.append(attribute)
    return made


def functions(list_of):
    names = {name for name, _ in list_of}
    made = []
    for name, calls in list_of:
        nodes, last = [], "a"
        for k, call in enumerate(calls):
            out = "b" if k == len(calls) - 1 else f"t{k}"
            nodes.append(helper.make_node(call, [last], [out], domain="f" if call in names else ""))
            last = out
        made.append(helper.make_function("f", name, ["a"], ["b"], nodes,
                                         [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]))
    call = helper.make_node(list_of[0][0], ["x"], ["y"], name="call", domain="f")
    return model([call], opsets=[helper.make_opsetid("f", 1)], functions=made)


def b15_cycles():
    save("b15_two_nodes", model([node("Add", ["x", "b"], ["a"], name="one"), node("Relu", ["a"], ["b"], name="two"),
                                 node("Relu", ["b"], name="three")]))
    save("b15_reads_itself", model([node("Add", ["x", "y"])]))
    save("b15_wrong_order", model([node("Relu", ["t"], name="first"), node("Relu", ["x"], ["t"], name="second")]))


def b16_functions_call_themselves():
    save("b16_direct", functions([("F", ["F"])]))
    save("b16_through_another", functions([("F", ["G"]), ("G", ["F"])]))
    save("b16_through_three", functions([("F", ["G"]), ("G", ["H"]), ("H", ["Relu", "F"])]))


def b17_duplicates():
    save("b17_values", model([node("Relu", ["x"]), node("Abs", ["x"], name="second")]))
    save("b17_initializers", model([node("Add", ["x", "w"])], weights=[weight("w", [1], [1]), weight("w", [1], [2])]))
    twice = node("Softmax", ["x"], axis=1)
    twice.attribute.append(helper.make_attribute("axis", 0))
    save("b17_attributes", model([twice]))
    save("b17_functions", model([node("Relu", ["x"])], functions=[
        helper.make_function("f", "F", ["a"], ["a"], [], [helper.make_opsetid("", 17)])] * 2))


def b18_dangling():
    save("b18_input", model([node("Relu", ["nowhere"])]))
    save("b18_output", model([node("Relu", ["x"], ["z"])]))
    save("b18_body_captures_nothing", model(
        [node("If", ["c"], then_branch=body([helper.make_node("Relu", ["ghost"], ["r"])], [], [value("r", None)]),
              else_branch=body([helper.make_node("Relu", ["x"], ["q"])], [], [value("q", None)]))],
        [X, value("c", [], B)]))
    save("b18_no_operator", model([node("", ["x"])]))


def b20_wire_format():
    data = ok().SerializeToString()
    save("b20_long_varint", b"\x08" + b"\xff" * 10 + b"\x01" + data)
    save("b20_group", b"\x0b\x0c" + data)
    save("b20_wrong_wire_type", b"\x0a\x01\x08" + data)
    save("b20_field_number_zero", b"\x02\x00" + data)


def b21_type_confusion():
    with_weight("b21_raw_and_floats", TensorProto(name="w", dims=[1], data_type=F, raw_data=b"\0\0\0\0", float_data=[1]))
    with_weight("b21_floats_for_integers", TensorProto(name="w", dims=[1], data_type=I, float_data=[1]))
    bad = node("Softmax", ["x"])
    bad.attribute.append(AttributeProto(name="axis", type=AttributeProto.INT, f=1.0))
    save("b21_attribute_value", model([bad]))
    one("b21_attribute_kind", "Softmax", axis=1.0)
    save("b21_declared_shape", model([node("Relu", ["x"])], outputs=[value("y", [4, 2])]))
    save("b21_declared_type", model([node("Relu", ["x"])], outputs=[value("y", [2, 4], I)]))


def b22_element_type():
    with_weight("b22_unknown", raw("w", [1], b"\0", 77))
    with_weight("b22_undefined", raw("w", [1], b"\0", 0))
    save("b22_graph_input", model([node("Relu", ["x"])], [value("x", [2], 55)]))
    with_weight("b22_int4_too_short", raw("w", [5], b"\0\0", TensorProto.INT4))


def b23_buffer_size():
    with_weight("b23_too_small", raw("w", [2, 4], b"\0" * 28))
    with_weight("b23_too_large", raw("w", [2, 4], b"\0" * 36))
    with_weight("b23_list_too_long", TensorProto(name="w", dims=[2], data_type=F, float_data=[1, 2, 3]))


def b25_other_files():
    save("b25_text", b"this is no ONNX file\n")
    save("b25_png", b"\x89PNG\r\n\x1a\n" + b"\0" * 64)
    save("b25_zip_in_front", b"PK\x03\x04" + ok().SerializeToString())
    save("b25_empty", b"")


def b26_quantisation():
    q = value("q", [1, 2, 4], U8)

    def scale(*v):
        return weight("s", [len(v)] if len(v) > 1 else [], list(v))

    one("b26_channel_count", "DequantizeLinear", ["q", "s"], graph_inputs=[q], weights=[scale(1, 2, 3)], axis=1)
    one("b26_zero_point_type", "DequantizeLinear", ["q", "s", "z"], graph_inputs=[q],
        weights=[scale(1), weight("z", [], [0], S8)])
    one("b26_axis", "DequantizeLinear", ["q", "s"], graph_inputs=[q], weights=[scale(1, 2)], axis=7)
    one("b26_scale_nan", "DequantizeLinear", ["q", "s"], graph_inputs=[q], weights=[scale(float("nan"))])
    one("b26_scale_infinite", "QuantizeLinear", graph_inputs=[value("x", [4])], inputs=["x", "s"],
        weights=[scale(float("inf"))], outputs=["q"])
    one("b26_scale_zero", "QuantizeLinear", graph_inputs=[value("x", [2, 2])], inputs=["x", "s"], weights=[scale(1, 0)],
        outputs=["q"], axis=0)


def b27_divisors():
    def norm(name, variances, **attrs):
        ones = [weight(n, [4], [1] * 4) for n in ("g", "b", "m")]
        one(name, "BatchNormalization", ["x", "g", "b", "m", "v"], weights=ones + [weight("v", [4], variances)], **attrs)

    norm("b27_variance_negative", [1, 1, -1, 1])
    norm("b27_variance_nan", [1, float("nan"), 1, 1])
    norm("b27_epsilon_zero", [1, 1, 1, 0], epsilon=0.0)
    norm("b27_epsilon_negative", [1, 1, 1, 1], epsilon=-2.0)


def b28_sparse():
    for name, indices, dims in (("b28_outside", [9], [8]), ("b28_descending", [5, 2], [8]), ("b28_twice", [3, 3], [8])):
        sparse = SparseTensorProto(values=weight("w", [len(indices)], [1.0] * len(indices)),
                                   indices=weight("", [len(indices)], indices, I), dims=dims)
        made = model([node("Relu", ["w"])], [])
        made.graph.sparse_initializer.append(sparse)
        save(name, made)


def b29_strings():
    for name, dims, data in (("b29_too_few", [3], [b"a"]), ("b29_too_many", [1], [b"a", b"b"])):
        save(name, model([node("Identity", ["w"])], [], weights=[
            TensorProto(name="w", dims=dims, data_type=TensorProto.STRING, string_data=data)]))
    save("b29_raw", model([node("Identity", ["w"])], [], weights=[raw("w", [1], b"a", TensorProto.STRING)]))


def b30_paths():
    for name, location in (("b30_parent", "../weights.bin"), ("b30_absolute", "/etc/passwd"),
                           ("b30_hidden_parent", "sub/../../weights.bin"), ("b30_backslash", "..\\weights.bin"),
                           ("b30_zero_byte", "weights\0.bin"), ("b30_empty", "")):
        save(name, external([("location", location)]))


def b31_keys():
    save("b31_unknown_key", external([("location", "weights.bin"), ("mode", "rw")]))
    save("b31_negative_length", external([("location", "weights.bin"), ("length", "-32")]))
    save("b31_petabytes", external([("location", "weights.bin"), ("length", str(1 << 50))]))
    save("b31_no_location", external([("offset", "0")]))


def b32_address_marks():
    for name, location in (("b32_memory_mark", "*/_ORT_MEM_ADDR_/*"), ("b32_memory_mark_2", ":memory:"),
                           ("b32_file_scheme", "file:///etc/passwd")):
        save(name, external([("location", location), ("offset", "140737488355328"), ("length", "32")]))


def b33_special_files():
    save("b33_folder", external([("location", ".")]))
    save("b33_missing", external([("location", "not_here.bin")]))
    save("b33_device", external([("location", "/dev/zero")]))


def b35_small_file_large_memory():
    with_weight("b35_weight_without_data", raw("w", [1 << 20, 1 << 10], b""))
    one("b35_constant_of_shape", "ConstantOfShape", ["s"], graph_inputs=[], weights=[weight("s", [1], [1 << 31], I)])
    sparse = SparseTensorProto(values=weight("w", [1], [1.0]), indices=weight("", [1], [0], I), dims=[1 << 33])
    made = model([node("Relu", ["w"])], [])
    made.graph.sparse_initializer.append(sparse)
    save("b35_sparse", made)


def b37_names():
    long = "n" * 20000
    save("b37_long_value", model([node("Relu", [long])]))
    save("b37_long_operator", model([node("O" * 20000, ["x"])]))
    save("b37_control_characters", model([node("Relu", ["\x1b[31mred\x07\r\n"])]))


def b38_formats():
    save("b38_value", model([node("Relu", ["%s%n%s%n%p"])]))
    save("b38_operator", model([node("%n%n%s", ["x"])]))
    save("b38_attribute", model([node("Relu", ["x"], **{"%s%n": 1})]))


def b41_versions():
    save("b41_opset", model([node("Relu", ["x"])], opset=9999))
    save("b41_operator", model([node("Frobnicate", ["x"])]))
    save("b41_domain", model([helper.make_node("Relu", ["x"], ["y"], name="bad", domain="no.such")]))
    unimported = helper.make_model(helper.make_graph([node("Relu", ["x"])], "g", [X], [Y]), ir_version=8)
    del unimported.opset_import[:]
    save("b41_no_opset", unimported)
    newer = ok()
    newer.ir_version = 4711
    save("b41_ir_version", newer)
    one("b41_attribute", "Relu", colour=3)
    one("b41_too_new_for_opset", "HardSwish", opset=13)


def b42_branches():
    def branch(shape, dtype=F):
        return body([helper.make_node("ConstantOfShape", ["sh"], ["r"], value=weight("v", [1], [0], dtype))], [],
                    [value("r", shape, dtype)])
    common = dict(outputs=[value("y", None)], weights=[weight("sh", [1], [3], I)])
    save("b42_types", model([node("If", ["c"], then_branch=branch([3]), else_branch=branch([3], I)),
                             node("Relu", ["y"], ["z"], name="after")], [value("c", [], B)], [value("z", [3])],
                            [weight("sh", [1], [3], I)]))
    save("b42_counts", model([node("If", ["c"], ["y", "y2"], then_branch=branch([3]), else_branch=branch([3]))],
                             [value("c", [], B)], **common))
    save("b42_no_else", model([node("If", ["c"], then_branch=branch([3]))], [value("c", [], B)], **common))


def trees(**changes):
    attrs = dict(nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
                 nodes_values=[0.5, 0.0, 0.0], nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
                 nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0], n_targets=1, target_treeids=[0, 0],
                 target_nodeids=[1, 2], target_ids=[0, 0], target_weights=[1.0, 2.0])
    attrs.update(changes)
    bad = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], name="bad", domain="ai.onnx.ml", **attrs)
    return model([bad], opsets=[helper.make_opsetid("ai.onnx.ml", 3)])


def b43_trees():
    save("b43_child_outside", trees(nodes_truenodeids=[9, 0, 0]))
    save("b43_cycle", trees(nodes_truenodeids=[0, 0, 0]))
    save("b43_feature", trees(nodes_featureids=[1 << 40, 0, 0]))
    save("b43_lists_differ", trees(nodes_values=[0.5]))


def main():
    OUT.mkdir(exist_ok=True)
    for old in OUT.glob("*.onnx"):
        old.unlink()
    for name, make in sorted(globals().items()):
        if name.startswith("b") and name[1:3].isdigit() and callable(make):
            make()
    (OUT / "weights.bin").write_bytes(b"\0" * 64)
    print(f"{len(written)} files")


main()
