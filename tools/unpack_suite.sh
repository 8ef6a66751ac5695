#!/bin/sh
# Unpacks, once, what tests/models/test_onnx_suite.c runs besides the newest wheel's cases: the older ONNX backend suite
# beside the checkout (../shared/data; without it the test counts as skipped) into BUILD/onnx_suite_old, and the
# operators of ONNX Runtime (tools/make_contrib_suite.py) into BUILD/onnx_suite_contrib, and those of ai.onnx.ml
# (tools/make_ml_suite.py) into BUILD/onnx_suite_ml.
set -eu
build=${1:-build}
root=$(cd "$(dirname "$0")/.." && pwd)

# unpack ARCHIVE FOLDER
unpack() {
    [ -f "$1" ] && [ ! "$build/$2/complete" -nt "$1" ] || return 0
    rm -rf "${build:?}/$2"
    mkdir -p "$build/$2"
    tar -xJf "$1" -C "$build/$2"
    touch "$build/$2/complete"
}

unpack "$root/../shared/data/onnx_backend_suite.tar.xz" onnx_suite_old
unpack "$root/tests/models/contrib_suite.tar.xz" onnx_suite_contrib
unpack "$root/tests/models/ml_suite.tar.xz" onnx_suite_ml
