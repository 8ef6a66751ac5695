#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tuning: what it says, and what becomes of files of choices that are for elsewhere or damaged.
. "$(dirname "$0")/support.inc"

run 0 tune tiny.onnx --shape x=2x3 --max-secs 0.2 --threads 1
has out "tiny.onnx: "
run 0 tune tiny.onnx --shape x=2x3 --max-secs 0.2 --threads 2 -o elsewhere.tune --json
for key in steps variants candidates changed turns is_kept passes_off alone_tuned_ms; do
    has out "\"$key\": "
done
printf '\000\000\200\077\000\000\000\100\000\000\100\100' > three.raw
run 0 tune tiny.onnx three.raw --shape x=1x3 --max-secs 0.2 --threads 1 -o there.tune
has out "tiny.onnx: "
run 0 info tiny.onnx
hasnt() { if grep -q -- "$2" "$1"; then fail "'$2' in $1"; else pass; fi; }
hasnt out "tuning "
printf 'pith tune 2\nversion 0\ncpu none\nisa none\nend 0\n' > tiny.onnx.tune
run 0 info tiny.onnx
has out "tuning   tiny.onnx.tune is ignored: it was made for 'version 0'"
has err "is ignored: it was made for"
head -c 4000 /dev/urandom > tiny.onnx.tune
run 0 bench tiny.onnx --shape x=2x3 --runs 3
has err "tiny.onnx.tune is ignored: it is damaged"
run 2 tune missing.onnx
has err "missing.onnx"
finish
