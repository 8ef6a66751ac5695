#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# .pith files: written by their ending, read by their bytes, sections carried along, packed weights, damage.
. "$(dirname "$0")/support.inc"

# 3-bit weights, settings for pictures, and labels beside the model
cat > net.txt <<'END'
pith-graph 1
graph "net"
input %x:f32[1,8]
const %w:s8[8,9] = {-3,1,2,0,-1,3,2,1,0,1,2,3,-3,-2,-1,0,1,2,3,2,1,0,-1,-2,-3,1,2,3,0,0,1,1,2,2,3,3,-1,-1,-2,-2,-3,-3,0,1,2,3,1,2,3,0,1,2,3,-1,-2,-3,0,1,2,3,-3,-2,-1,1,1,1,2,2,2,3,3,3}
const %s:f32[] = {0.25}
%f:f32[8,9] = dequantize_linear(%w, %s)
%h:f32[1,9] = matmul(%x, %f)
%y:f32[1,9] = relu(%h)
output %y
END
printf 'task = classify\ntop = 2\nlabels = names.txt\n' > net.preprocess
printf 'ant\nbee\ncat\ndog\nelk\nfox\ngnu\nhen\nibis\n' > names.txt
run 0 optimize net.txt -o net.onnx
run 0 optimize net.txt -o net.pith
has out "net.txt -> net.pith"
[ ! -e net.pith.part ] && pass || fail "a temporary file is left"
run 0 compare net.onnx net.pith --exact
has out "1 of 1 outputs within tolerance"
run 0 info net.pith
has out "net.pith: pith 1.0, opset 21, IR 10, written by pith"
has out "  weights                           27 B"
has out "  preprocess                        24 B"
has out "  labels                            37 B"
run 0 info net.pith --json
has out '"format": "pith"'
has out '"package": {'
has out '"kind": "labels"'
run 0 info net.pith --text
has out 'const %w:s8[8,9] = '
# One file is enough elsewhere: settings and labels are in it.
mkdir elsewhere
cp net.pith elsewhere/other.pith
run 0 run net.onnx --random 3 --task classify --labels names.txt --top 2
cp out beside
run 0 run elsewhere/other.pith --random 3
has out "$(grep -o '[a-z]*' beside | grep -x -f names.txt | head -n 1)"
# and come along when it is written again
run 0 optimize elsewhere/other.pith --disable-passes all -o elsewhere/again.pith
cmp -s net.pith elsewhere/again.pith && pass || fail "writing a .pith file again changes it"
run 0 quantize elsewhere/other.pith --weights int8 -o elsewhere/small.pith
run 0 info elsewhere/small.pith
has out "  labels                            37 B"
# packed weights
run 0 optimize net.txt -o packed.pith --pack native
run 0 info packed.pith
has out "  used here"
run 0 compare net.onnx packed.pith --exact
has out "1 of 1 outputs within tolerance"
run 0 info packed.pith --isa portable
grep -q "for another instruction set\|used here" out && pass || fail "nothing is said of packed weights"
run 0 info packed.pith --exact
has out "not used: of another build, or for other options"
run 2 optimize net.txt -o packed.pith --pack z80
has err "unknown instruction set 'z80'; this build has "
run 2 optimize net.txt -o packed.onnx --pack native
has err "--pack is for .pith files; end the name 'packed.onnx' so"
run 2 optimize net.txt -o tuned.onnx --tuning names.txt
has err "only a .pith file can hold packed weights and tuning"
# damage
head -c 500 net.pith > cut.pith
run 2 info cut.pith
has err "it is cut off, or something is appended"
sed 's/gnu/gnX/' net.pith > bent.pith
run 2 run bent.pith --random 1
has err "section 'labels' has the hash"
run 2 run bent.pith --random 1 --skip-hashes
has err "section 'labels' has the hash"
printf 'nothing' > net.tune
run 0 optimize net.txt -o tuned.pith --tuning net.tune
run 0 info tuned.pith
has out "the model's section 'tuning' is ignored: "
finish
