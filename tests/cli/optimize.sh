#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Simplifying: a RepVGG block becomes one convolution that computes the same; shapes, errors.
. "$(dirname "$0")/support.inc"

cat > block.txt <<'END'
pith-graph 1
graph "block"
input %x:f32[?,2,?,?]
const %w:f32[2,2,3,3] = {0.5,-1,2,0.25,1,-0.5,1.5,0.75,-2,1,0.5,-1.5,2,-0.25,1,0.5,-1,0.75,1,-1,0.5,2,-2,0.25,0.75,1.5,-0.5,1,1,-0.75,0.5,-1.5,2,0.25,-1,0.5}
const %u:f32[2,2,1,1] = {1.5,-0.5,0.25,2}
const %b:f32[2] = {0.5,-1}
const %g:f32[2] = {1.5,0.5}
const %v:f32[2] = {0.25,4}
%a:f32[?,2,?,?] = conv(%x, %w, %b) pads=[1,1,1,1]
%c:f32[?,2,?,?] = conv(%x, %u)
%d:f32[?,2,?,?] = batch_normalization(%x, %g, %b, %b, %v)
%e:f32[?,2,?,?] = add(%a, %c)
%f:f32[?,2,?,?] = add(%e, %d)
%y:f32[?,2,?,?] = relu(%f)
output %y
END
run 0 optimize block.txt -o block.onnx
has out "block.txt -> block.onnx"
has out "nodes                 6              2"
run 0 optimize block.txt -o block.onnx --json
for key in model output nodes_before nodes weight_bytes_before weight_bytes macs_before macs file_bytes; do
    has out "\"$key\": "
done
run 0 info block.onnx --ops
run 0 compare block.txt block.onnx --shape x=2x2x5x8 --exact
has out "1 of 1 outputs within tolerance"
run 0 optimize block.txt --shape x=1x2x6x7
run 0 info block.opt.onnx
has out "1x2x6x7"
run 0 optimize block.txt -o kept.onnx --disable-passes reparameterize
has out "nodes                 6              6"
# Stored weights stay bytes, and operators of ONNX Runtime are written as such.
cat > bytes.txt <<'END'
pith-graph 1
graph "bytes"
input %x:f32[2,4]
const %s:f32[] = {0.05}
const %z:u8[] = {128}
const %t:f32[] = {0.00390625}
const %o:u8[] = {0}
const %w:s8[4,3] = {1,-2,3,-4,5,-6,7,-8,9,-10,11,-12}
const %v:f32[] = {0.5}
%q:u8[2,4] = quantize_linear(%x, %s, %z)
%p:u8[2,4] = qlinear_softmax(%q, %s, %z, %t, %o) axis=-1 opset=11
%f:f32[2,4] = dequantize_linear(%p, %t, %o)
%g:f32[4,3] = dequantize_linear(%w, %v)
%y:f32[2,3] = matmul(%f, %g)
output %y
END
run 0 optimize bytes.txt -o bytes.onnx
has out "nodes                 5              5"
run 0 info bytes.onnx
has out "dequantize_linear 2"
run 0 compare bytes.txt bytes.onnx --exact
has out "1 of 1 outputs within tolerance"
cat > squeeze.txt <<'END'
pith-graph 1
graph "squeeze"
input %x:f32[?,3,1]
%a = relu(%x)
%y = squeeze(%a)
output %y
END
run 0 optimize squeeze.txt -o squeeze.onnx
for shape in 1x3x1 2x3x1; do # the rank is not the same
    run 0 compare squeeze.txt squeeze.onnx --shape x=$shape --exact
    has out "1 of 1 outputs within tolerance"
done
run 0 info squeeze.onnx
if grep -q 'y  *f32  *?  ' out; then fail "the file says a rank that depends on sizes"; else pass; fi
run 2 optimize block.txt --shape x=1x3x6x7
has err "can't have shape"
run 2 optimize block.onnx -o ./block.onnx
has err "'./block.onnx' and 'block.onnx' are the same file"
run 2 optimize block.txt --disable-passes magic
has err "there is no pass 'magic'"
run 2 optimize odd.onnx
has err "odd.domain"
run 2 optimize
has err "one model is needed"
finish
