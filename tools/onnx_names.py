# SPDX-License-Identifier: Apache-2.0
"""What the tools that compare pith with the `onnx` package share."""

import importlib.util
import json
import os
import subprocess

# pith's name of each element type of TypeProto, as onnx.defs writes them
DTYPES = {
    "float": "f32", "float16": "f16", "bfloat16": "bf16", "double": "f64", "int8": "s8", "uint8": "u8",
    "int16": "s16", "uint16": "u16", "int32": "s32", "uint32": "u32", "int64": "s64", "uint64": "u64",
    "bool": "bool", "string": "string", "complex64": "c64", "complex128": "c128", "int4": "s4", "uint4": "u4",
    "int2": "s2", "uint2": "u2", "float8e4m3fn": "f8e4m3fn", "float8e4m3fnuz": "f8e4m3fnuz", "float8e5m2": "f8e5m2",
    "float8e5m2fnuz": "f8e5m2fnuz", "float8e8m0": "f8e8m0", "float4e2m1": "f4e2m1", "float6e2m3": "f6e2m3",
    "float6e3m2": "f6e3m2",
}  # fmt: skip


def dtype_of(type_text):
    """'tensor(float)' -> 'f32'; sequences, optionals and maps are objects."""
    if type_text.startswith("tensor("):
        return DTYPES[type_text[len("tensor(") : -1]]
    return "object"


def operators(build):
    """The operators of a build, as `pith info --operators --json` lists them."""
    text = subprocess.run(
        [os.path.join(build, "pith"), "info", "--operators", "--json"], check=True, capture_output=True, text=True
    ).stdout
    return json.loads(text)


def reexecute_with_onnx(build, arguments):
    """Runs the calling script again with the interpreter of BUILD/onnx-env if this one has no onnx.

    Returns None where onnx can be imported here, else the exit status, or -1 where it is nowhere at hand."""
    if importlib.util.find_spec("onnx"):
        return None
    python = os.path.join(build, "onnx-env", "bin", "python")
    if not os.path.exists(os.path.join(build, "onnx-env", "complete")):
        return -1
    return subprocess.run([python, *arguments], check=False).returncode


def schemas():
    """{(domain, name): [schemas, oldest first]} without what is deprecated or of another project."""
    import onnx.defs  # noqa: PLC0415: only where it is at hand

    found = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        found.setdefault((schema.domain, schema.name), []).append(schema)
    for versions in found.values():
        versions.sort(key=lambda schema: schema.since_version)
    return {key: versions for key, versions in sorted(found.items()) if not versions[-1].deprecated}
