#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Metrics of pith evaluate on small data: texts by file and by name, intervals, errors that name the way out.
. "$(dirname "$0")/support.inc"

model=$root/models/text_line/text_line.onnx
samples=$root/models/text_line/samples
if "$pith" version | grep -q 'libpng  *built in'; then
    run 0 evaluate "$model" --data "$samples" --json
    has out '"metric": "text",'
    has out '"n": 8,'
    has out '"character_accuracy": 1,'
    has out '"cer": 0,'
    has out '"line_accuracy": 1,'
    has out '"interval": [0.98'
    has out '"line_accuracy": [0.6755'
    # Errors among 37 characters: a substitution, an insertion, a deletion.
    mkdir few
    cp "$samples/condensed_tilted.png" "$samples/mono_address.png" few
    printf 'condensed_tilted.png\tASPERSIONS whosoeveR\nmono_address.png 21.45.60.46:85003\n' > texts
    run 0 evaluate "$model" --data few --labels texts --json
    has out '"cer": 0.027027027,'
    has out '"line_accuracy": 0.5,'
    printf 'condensed_tilted.png\tASPERSIONS whosover\nmono_address.png 21.45.60.46:850033\n' > few/gt.txt
    run 0 evaluate "$model" --data few --against "$model" --json
    has out '"cer": 0.0540540541,'
    has out '"against_result": {'
    rm few/gt.txt
    mv few/condensed_tilted.png "few/7_ASPERSIONS whosoever_12.png"
    mv few/mono_address.png few/21.45.60.46:85003.png
    run 0 evaluate "$model" --data few
    has out 'lines right           100.00 %'
    has out 'memory'
    printf 'other.png\tx\n' > texts
    run 2 evaluate "$model" --data few --labels texts
    has err "has no line for"
    run 2 evaluate "$model" --data few --metric best
    has err "it is auto or one of top1"
    run 2 evaluate tiny.onnx --data few
    has err "tells no metric"
else
    skip "pictures: libpng is not built in"
fi
finish
