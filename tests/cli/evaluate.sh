#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Metrics of pith evaluate on small data: texts by file and by name, masks, boxes, pictures made larger; errors that name
# the way out.
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
    # Lines that are hard: greedy and beam search read them nearly the same.
    run 0 evaluate "$model" --data "$root/models/text_line/lines" --beam 4 --json
    for key in character_accuracy beam_character_accuracy; do
        has out "\"$key\": 0.97"
    done
    has out '"beam": 4'
    run 0 evaluate "$model" --data "$samples" --beam 4
    has out 'beam: characters      100.00 %'
    run 2 evaluate "$model" --data "$samples" --metric top1 --beam 4
    has err "--beam is for texts, this is metric 'top1'"
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

    # The picture itself as the probability of the second class, its pixels as the mask.
    cat > same.txt <<'END'
pith-graph 1
graph "same"
input %x:f32[1,1,?,?]
%y:f32[1,1,?,?] = identity(%x)
output %y
END
    mkdir -p scene/images scene/masks
    for name in a b; do cp "$samples/inverted.png" scene/images/$name.png; done
    cp scene/images/* scene/masks
    run 0 evaluate same.txt --data scene --metric segments --set size=47x718 --json
    has out '"miou": 1,'
    has out '"pixel_accuracy": 1,'
    has out '"iou": ['
    cp "$samples/sans_title.png" scene/masks/b.png
    run 0 evaluate same.txt --data scene --metric segments --set size=47x718
    has out 'IoU '
    rm scene/masks/a.png
    run 2 evaluate same.txt --data scene --metric segments --set size=47x718
    has err "no mask: neither"
    run 0 evaluate same.txt --data few --metric picture --json
    has out '"psnr": 100,'
    has out '"ssim": 1,'
    has out '"scale": 1'
    run 2 evaluate same.txt --data few --metric picture --scale 2
    has err "the network makes 1 channels"

    # Two boxes whatever the picture shows, of which one is right in the first picture, none in the second.
    cat > boxes.txt <<'END'
pith-graph 1
graph "boxes"
input %x:f32[1,1,32,64]
const %zero:f32[] = {0}
const %s:f32[1,2,2] = {0.1,0.9,0.4,0.6}
const %c:f32[1,2,4] = {0.25,0.25,0.5,0.75,0.5,0.5,0.75,1}
%m:f32[1,1,1,1] = reduce_max(%x) keepdims=1
%z:f32[1,1,1,1] = mul(%m, %zero)
%r:f32[] = reduce_sum(%z) keepdims=0
%scores:f32[1,2,2] = add(%r, %s)
%corners:f32[1,2,4] = add(%r, %c)
output %scores
output %corners
END
    mkdir -p found/images found/labels
    cp "$samples/sans_title.png" found/images/a.png
    cp "$samples/inverted.png" found/images/b.png
    echo "1 0.375 0.5 0.25 0.5" > found/labels/a.txt
    echo "1 0.5 0.5 0.1 0.1" > found/labels/b.txt
    run 0 evaluate boxes.txt --data found --set task=detect --set decoder=ssd --json
    has out '"map": 0.504950495,'
    has out '"map50": 0.504950495,'
    has out '"voc_map50": 0.5,'
    has out '"true_boxes": 2,'
    has out '"found_boxes": 4'
    echo "1 0.5 0.5" > found/labels/b.txt
    run 2 evaluate boxes.txt --data found --set task=detect --set decoder=ssd
    has err "line 1 isn't 'class x y width height'"
    if "$pith" version | grep -q 'jansson  *built in'; then
        cat > coco.json <<'END'
{"images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "val/b.png"}],
 "categories": [{"id": 3, "name": "none"}, {"id": 9, "name": "thing"}],
 "annotations": [{"image_id": 7, "category_id": 9, "bbox": [0, 0, 1, 1], "iscrowd": 1}]}
END
        run 0 evaluate boxes.txt --data found --labels coco.json --set task=detect --set decoder=ssd --json
        has out '"map": 0,'
        echo '{"images": []}' > coco.json
        run 2 evaluate boxes.txt --data found --labels coco.json --set task=detect --set decoder=ssd
        has err "no COCO file"
    else
        skip "COCO files: jansson is not built in"
    fi

    # Published: bicubic on Set5, 3 times larger, 30.39 dB and 0.8682.
    if [ -d "$root/../shared/data/super_resolution" ]; then
        run 0 evaluate "$root/../shared/models/superres10/model.onnx" --metric picture --json \
            --data "$root/../shared/data/super_resolution/CSet5"
        has out '"bicubic_psnr": 30.39'
        has out '"bicubic_ssim": 0.868'
    else
        skip "Set5 isn't there"
    fi
else
    skip "pictures: libpng is not built in"
fi
finish
