#!/bin/sh
# Unpacks the ONNX backend node cases beside the checkout (../shared/data) into BUILD/onnx_suite, once, for
# tests/models/test_onnx_node.c. Without the archive the test counts as skipped.
set -eu
build=${1:-build}
archive=$(cd "$(dirname "$0")/.." && pwd)/../shared/data/onnx_backend_suite.tar.xz
[ -f "$archive" ] && [ ! -f "$build/onnx_suite/complete" ] || exit 0
mkdir -p "$build/onnx_suite"
tar -xJf "$archive" -C "$build/onnx_suite"
touch "$build/onnx_suite/complete"
