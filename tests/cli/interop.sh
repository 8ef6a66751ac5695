#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What pith writes, run by ONNX Runtime: the files that quant/formats has left in the build folder (every format of
# weights and activations), and a trained network in the formats of the command line. Needs the package onnxruntime, of
# python3 or of BUILD/onnx-env, and counts as skipped without.
. "$(dirname "$0")/support.inc"

build=$(dirname "$pith")
library=$build/libpith.so
python=
for one in "${PITH_PYTHON:-}" "$build/onnx-env/bin/python" python3; do
    if [ -n "$one" ] && [ -z "$python" ] && "$one" -c 'import numpy, onnxruntime' 2>/dev/null; then
        python=$one
    fi
done
network=$root/../shared/models/converted_onnx/mlperf_kws_int8.float.onnx

if [ -z "$python" ]; then
    skip "no onnxruntime"
elif [ ! -f "$library" ] || grep -q __asan_init "$library"; then
    skip "no shared library that Python can load"
else
    mkdir written
    cp "$build"/format_*.onnx written/ 2>/dev/null
    if [ -f "$network" ]; then
        for weights in int8 int4 int4:group=16 int4:group=16,asym palette4 palette8 float16 bfloat16 float8e4m3; do
            run 0 quantize "$network" --weights $weights -o "written/kws_$weights.onnx"
        done
        for method in gptq awq adaround; do
            run 0 quantize "$network" --weights int4 --method $method -o written/kws_$method.onnx
        done
        run 0 quantize "$network" --int8 --no-timing -o written/kws_qdq.onnx
    else
        skip "no trained network"
    fi
    PITH_LIBRARY=$library PYTHONPATH=$root/bindings/python PYTHONDONTWRITEBYTECODE=1 "$python" - > lines 2> err <<'END'
import pathlib

import numpy
import onnxruntime
import pith

# Weights alone: both engines compute in floats, in another order. Integer activations: pith computes in integers,
# ONNX Runtime (nothing fused) in floats, so a value on the border between two codes may get either.
LEAST_DB = {"floats": 90.0, "integers": 35.0}
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 4
generator = numpy.random.default_rng(1)
for path in sorted(pathlib.Path("written").iterdir()):
    try:
        other = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        print("refused", path.name, str(error).replace("\n", " ")[:150])
        continue
    given = other.get_inputs()[0]
    model = pith.Model(str(path))
    worst = 1e9
    for _ in range(4):
        x = generator.uniform(-1, 1, [d if isinstance(d, int) else 1 for d in given.shape]).astype("float32")
        if "kws" in path.name:
            x = 10 * x
        want = other.run(None, {given.name: x})[0].astype("float64")
        got = model.run({given.name: x})[other.get_outputs()[0].name].astype("float64")
        noise = ((want - got) ** 2).sum()
        worst = min(worst, 10 * numpy.log10((want ** 2).sum() / noise) if noise > 0 else 200.0)
    quantised = b"QuantizeLinear" in path.read_bytes().replace(b"DequantizeLinear", b"")
    least = LEAST_DB["integers" if quantised else "floats"]
    print("same" if worst >= least else "differs", path.name, f"{worst:.1f} dB")
END
    if [ -s err ]; then
        fail "ONNX Runtime: an error"
    fi
    while read -r verdict name rest; do
        what="ONNX Runtime, $name"
        case $verdict in
        same) pass ;;
        refused) skip "$name: $rest" ;;
        *) fail "$what: $rest" ;;
        esac
    done < lines
fi
finish
