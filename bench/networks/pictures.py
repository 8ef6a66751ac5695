# SPDX-License-Identifier: Apache-2.0
"""Networks whose output is an image or a map: detectors, super-resolution, segmentation, pose (papers at the functions)."""
import numpy

from builder import Net
from classify import channel_shuffle, inverted_residual


def csp(net, x, filters, repeats, shortcut, act="silu"):
    """YOLOv5's C3: two 1x1 branches, one of them through bottlenecks, joined by a 1x1."""
    half = filters // 2
    left, right = net.conv(x, half, 1, act=act), net.conv(x, half, 1, act=act)
    for _ in range(repeats):
        y = net.conv(net.conv(left, half, 1, act=act), half, 3, act=act, gain=0.5 if shortcut else 1.0)
        left = net.add(left, y) if shortcut else y
    return net.conv(net.concat([left, right]), filters, 1, act=act)


def yolov5_decode(net, x, stride, anchors):
    """The detection layer of YOLOv5 6.x as its exporter writes it: boxes of the grid, one row per anchor and cell."""
    n, _, height, width = net.shape[x]
    x = net.transpose(net.reshape(x, n, 3, 85, height, width), 0, 1, 3, 4, 2)
    x = net.node("Sigmoid", [x], net.shape[x])
    shapes = [[n, 3, height, width, 2]] * 2 + [[n, 3, height, width, 81]]
    xy, wh, rest = net.nodes_of("Split", [x, net.ints(2, 2, 81)], shapes, axis=4)
    rows, columns = numpy.meshgrid(numpy.arange(height), numpy.arange(width), indexing="ij")
    grid = numpy.broadcast_to(numpy.stack([columns, rows], -1) - 0.5, shapes[0]).astype(numpy.float32)
    sizes = numpy.broadcast_to(numpy.array(anchors, numpy.float32).reshape(1, 3, 1, 1, 2), shapes[0])
    xy = net.mul(net.add(net.mul(xy, net.scalar(2.0)), net.weight(grid)), net.scalar(float(stride)))
    wh = net.mul(net.binary("Pow", net.mul(wh, net.scalar(2.0)), net.scalar(2.0)), net.weight(sizes))
    return net.reshape(net.concat([xy, wh, rest], axis=4), n, 3 * height * width, 85)


def yolov5n():
    """Ultralytics YOLOv5n 6.x at 640x640."""
    net = Net("yolov5n")
    x = net.input("images", [1, 3, 640, 640])
    x = net.conv(net.conv(x, 16, 6, 2, act="silu", pad=2), 32, 3, 2, act="silu")
    x = csp(net, x, 32, 1, True)
    p3 = csp(net, net.conv(x, 64, 3, 2, act="silu"), 64, 2, True)
    p4 = csp(net, net.conv(p3, 128, 3, 2, act="silu"), 128, 3, True)
    x = csp(net, net.conv(p4, 256, 3, 2, act="silu"), 256, 1, True)
    y = [net.conv(x, 128, 1, act="silu")]
    for _ in range(3):
        y.append(net.pool(y[-1], 5, 1, 2))
    p5 = net.conv(net.conv(net.concat(y), 256, 1, act="silu"), 128, 1, act="silu")
    n4 = net.conv(csp(net, net.concat([net.resize(p5), p4]), 128, 1, False), 64, 1, act="silu")
    d3 = csp(net, net.concat([net.resize(n4), p3]), 64, 1, False)
    d4 = csp(net, net.concat([net.conv(d3, 64, 3, 2, act="silu"), n4]), 128, 1, False)
    d5 = csp(net, net.concat([net.conv(d4, 128, 3, 2, act="silu"), p5]), 256, 1, False)
    anchors = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
    rows = [yolov5_decode(net, net.conv(d, 255, 1), 8 << i, anchors[i]) for i, d in enumerate((d3, d4, d5))]
    net.output(net.concat(rows), "output")
    return net


def centerface():
    """Xu et al. 2019: MobileNetV2 backbone, a top-down path of transposed convolutions, four heads; 480x640."""
    net = Net("centerface")
    x = net.conv(net.input("input", [1, 3, 480, 640]), 32, 3, 2, act="relu")
    levels = []
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, filters, repeats, stride in stages:
        for i in range(repeats):
            x = inverted_residual(net, x, filters, 3, stride if i == 0 else 1, net.channels(x) * expansion, "relu")
        levels.append(x)
    x = net.conv(levels[6], 24, 1, act="relu")
    for level in (levels[4], levels[2], levels[1]):
        up = net.deconv(x, 24, 2, 2, act="relu")
        x = net.add(up, net.conv(level, 24, 1, act="relu"))
    x = net.conv(x, 24, 3, act="relu")
    for name, filters, act in (("heatmap", 1, "sigmoid"), ("scale", 2, None), ("offset", 2, None), ("landmarks", 10, None)):
        net.output(net.conv(x, filters, 1, act=act), name)
    return net


def pixel_shuffle(net, x, scale):
    n, channels, height, width = net.shape[x]
    return net.node("DepthToSpace", [x], [n, channels // scale ** 2, height * scale, width * scale], blocksize=scale, mode="CRD")


def espcn():
    """Shi et al. 2016, factor 2 on the luma of a 540p frame."""
    net = Net("espcn_x2_540p")
    x = net.conv(net.input("input", [1, 1, 540, 960]), 64, 5, act="tanh")
    net.output(pixel_shuffle(net, net.conv(net.conv(x, 32, 3, act="tanh"), 4, 3), 2), "output")
    return net


def ecbsr():
    """Zhang, Zeng and Zhang 2021, ECBSR-M4C16 after its branches are folded, factor 2 on a 540p RGB frame."""
    net = Net("ecbsr_m4c16_x2_540p")
    frame = net.input("input", [1, 3, 540, 960])
    x = frame
    for _ in range(5):
        x = net.conv(x, 16, 3, act="prelu")
    x = net.add(net.conv(x, 12, 3), net.concat([net.slice(frame, c, c + 1, 1) for c in range(3) for _ in range(4)]))
    net.output(pixel_shuffle(net, x, 2), "output")
    return net


def unet():
    """Ronneberger et al. 2015 with 16 first filters at 256x256, transposed convolutions on the way up."""
    net = Net("unet16_256")
    x = net.input("input", [1, 3, 256, 256])
    skips = []
    for depth in range(5):
        x = net.conv(net.conv(x, 16 << depth, 3, act="relu"), 16 << depth, 3, act="relu")
        if depth < 4:
            skips.append(x)
            x = net.pool(x, 2, 2)
    for depth in range(3, -1, -1):
        x = net.concat([skips[depth], net.deconv(x, 16 << depth, 2, 2)])
        x = net.conv(net.conv(x, 16 << depth, 3, act="relu"), 16 << depth, 3, act="relu")
    net.output(net.conv(x, 2, 1), "output")
    return net


def split_shuffle(net, x, dilation):
    """LEDNet's SS-nbt unit: halves through factorised 3x1 and 1x3 convolutions in opposite order, then a channel shuffle."""
    halves = []
    for half, sizes in zip(net.split(x, 2), ([(3, 1), (1, 3)], [(1, 3), (3, 1)])):
        width = net.channels(half)
        for i, size in enumerate(sizes * 2):
            d = (dilation if size[0] > 1 else 1, dilation if size[1] > 1 else 1) if i >= 2 else 1
            half = net.conv(half, width, size, act="relu" if i < 3 else None, dilation=d, gain=0.5 if i == 3 else 1.0)
        halves.append(half)
    return channel_shuffle(net, net.act(net.add(x, net.concat(halves)), "relu"))


def lednet():
    """Wang et al. 2019 at 512x256: split-shuffle encoder and the attention pyramid decoder."""
    net = Net("lednet_512x256")

    def down(x, filters):
        return net.act(net.concat([net.conv(x, filters - net.channels(x), 3, 2), net.pool(x, 2, 2)]), "relu")

    x = down(net.input("input", [1, 3, 256, 512]), 32)
    for _ in range(3):
        x = split_shuffle(net, x, 1)
    x = down(x, 64)
    for _ in range(2):
        x = split_shuffle(net, x, 1)
    x = down(x, 128)
    for dilation in (1, 2, 5, 9, 2, 5, 9, 17):
        x = split_shuffle(net, x, dilation)
    n_classes, size = 20, net.shape[x][2:]
    d1 = net.conv(x, 1, 7, 2, act="relu")
    d2 = net.conv(d1, 1, 5, 2, act="relu")
    d3 = net.conv(net.conv(d2, 1, 3, 2, act="relu"), 1, 3, act="relu")
    y = net.add(net.resize(d3, mode="linear", size=net.shape[d2][2:]), net.conv(d2, 1, 5, act="relu"))
    y = net.add(net.resize(y, mode="linear", size=net.shape[d1][2:]), net.conv(d1, 1, 7, act="relu"))
    y = net.mul(net.resize(y, mode="linear", size=size), net.conv(x, n_classes, 1))
    y = net.add(y, net.resize(net.conv(net.global_pool(x), n_classes, 1, act="relu"), mode="linear", size=size))
    net.output(net.resize(y, mode="linear", size=(256, 512)), "output")
    return net


def human_pose():
    """After Choi et al. 2021 (MobileHumanPose): MobileNetV2 with PReLU and skip concatenations, volumes of 18 joints x 32 depths at 32x32."""
    net = Net("human_pose_3d_256")
    x = net.conv(net.input("input", [1, 3, 256, 256]), 48, 3, 2, act="prelu")
    x = inverted_residual(net, x, 64, 3, 1, 48, "prelu")
    levels = []
    for expansion, filters, repeats, stride in [(6, 48, 2, 2), (6, 48, 3, 2), (6, 64, 4, 2), (6, 96, 3, 2), (6, 160, 3, 1), (6, 320, 1, 1)]:
        for i in range(repeats):
            x = inverted_residual(net, x, filters, 3, stride if i == 0 else 1, net.channels(x) * expansion, "prelu")
        levels.append(x)
    x = net.conv(x, 256, 1, act="prelu")
    for level in (levels[2], levels[1]):
        x = net.resize(x, 2, "linear")
        x = net.conv(net.concat([x, level]), 256, 1, act="prelu")
        x = net.conv(net.conv(x, 256, 3, groups=256, act="prelu"), 256, 1, act="prelu")
    x = net.conv(x, 18 * 32, 1)
    x = net.reshape(x, 1, 18, 32 * 32 * 32)
    volume = net.reshape(net.node("Softmax", [x], net.shape[x], axis=2), 1, 18, 32, 32, 32)
    axes = []
    for axis, others in ((4, (2, 3)), (3, (2, 4)), (2, (3, 4))):  # the expectation over each axis of the volume
        line = net.node("ReduceSum", [volume, net.ints(*others)], [1, 18, 32], keepdims=0)
        place = net.mul(line, net.weight(numpy.arange(32, dtype=numpy.float32)))
        axes.append(net.node("ReduceSum", [place, net.ints(2)], [1, 18, 1], keepdims=1))
    net.output(net.concat(axes, axis=2), "joints")
    return net


NETWORKS = [yolov5n, centerface, espcn, ecbsr, unet, lednet, human_pose]
