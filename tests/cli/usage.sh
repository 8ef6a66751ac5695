#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Help, unknown words, and exit codes.
. "$(dirname "$0")/support.inc"

run 0 --help
has out "compare a model with stored results or another model"
run 2
has err "usage: pith VERB"
run 2 copmare
has err "unknown verb 'copmare'; did you mean 'compare'?"
for verb in bench compare diagnose evaluate info optimize profile quantize run tune version; do
    run 0 $verb --help
    has out "usage: pith $verb"
    if [ -z "$(tail -c 1 out)" ] && [ -n "$(tail -n 1 out)" ]; then pass; else fail "the last line of the help"; fi
    run 2 $verb --no-such-thing-at-all
    has err "unknown option '--no-such-thing-at-all' ('pith $verb --help' lists all)"
done
run 2 bench --thread 1 tiny.onnx
has err "unknown option '--thread'; did you mean '--threads'?"
run 2 bench tiny.onnx --threads 0
has err "whole numbers from 1 to 1024"
run 2 info
has err "one model file is needed"
run 2 info missing.onnx
has err "missing.onnx"
run 2 info tiny.onnx --isa x86_mmx
has err "x86_mmx"

run 0 version
has out "pith "
has out "libpng"
run 0 version --json
has out '"libraries": {'
run 2 version now
has err "no arguments are taken, but 'now' was given"

# A full device is an error, not silence.
if [ -w /dev/full ]; then
    what="version > /dev/full"
    "$pith" version > /dev/full 2> err
    if [ $? = 2 ]; then pass; else fail "$what passes"; fi
    has err "can't write the output"
fi
finish
