#!/bin/sh
# Unpacks the older ONNX backend suite beside the checkout (../shared/data) into BUILD/onnx_suite_old, once, for
# tests/models/test_onnx_suite.c. Without the archive the test counts as skipped.
set -eu
build=${1:-build}
archive=$(cd "$(dirname "$0")/.." && pwd)/../shared/data/onnx_backend_suite.tar.xz
[ -f "$archive" ] && [ ! -f "$build/onnx_suite_old/complete" ] || exit 0
mkdir -p "$build/onnx_suite_old"
tar -xJf "$archive" -C "$build/onnx_suite_old"
touch "$build/onnx_suite_old/complete"
