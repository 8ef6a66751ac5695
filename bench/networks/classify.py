# SPDX-License-Identifier: Apache-2.0
"""Image classifiers at 224x224, as published (the paper of each stands at its function)."""
from builder import Net


def image(name, size=224, **options):
    net = Net(name, **options)
    return net, net.input("input", [1, 3, size, size])


def done(net, x):
    net.output(x, "output")
    return net


def divisible(value, by=8):
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded


def inverted_residual(net, x, filters, size, stride, hidden, act, se=None, bn=False):
    """Sandler et al. 2018 figure 4, with Howard et al. 2019's squeeze-and-excite: se = (width, activation, gate)."""
    y = net.conv(x, hidden, 1, act=act, bn=bn) if hidden != net.channels(x) else x
    y = net.conv(y, hidden, size, stride, groups=hidden, act=act, bn=bn)
    if se:
        y = net.squeeze_excite(y, *se)
    residual = stride == 1 and net.channels(x) == filters
    y = net.conv(y, filters, 1, bn=bn, gain=0.1 if residual else 0.5 if se else 1.0)
    return net.add(x, y) if residual else y


def mobilenet_v1():
    """Howard et al. 2017, table 1; batch norms folded, ReLU6 as the TensorFlow original."""
    net, x = image("mobilenet_v1")
    x = net.conv(x, 32, 3, 2, act="relu6")
    for filters, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]:
        x = net.conv(x, net.channels(x), 3, stride, groups=net.channels(x), act="relu6")
        x = net.conv(x, filters, 1, act="relu6")
    return done(net, net.classifier(x))


def inverted_net(name, stages, stem, head, first_without_expansion, act="relu6", bn=False):
    """A stack of inverted residuals; stages of (expansion, filters, repeats, stride, size)."""
    net, x = image(name)
    x = net.conv(x, stem, 3, 2, act=act, bn=bn)
    x = net.conv(x, stem, 3, groups=stem, act=act, bn=bn)
    x = net.conv(x, first_without_expansion, 1, bn=bn)
    for expansion, filters, repeats, stride, size in stages:
        for i in range(repeats):
            x = inverted_residual(net, x, filters, size, stride if i == 0 else 1, net.channels(x) * expansion, act, bn=bn)
    return done(net, net.classifier(net.conv(x, head, 1, act=act, bn=bn)))


def mobilenet_v2():
    """Sandler et al. 2018, table 2."""
    stages = [(6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3), (6, 160, 3, 2, 3), (6, 320, 1, 1, 3)]
    return inverted_net("mobilenet_v2", stages, 32, 1280, 16)


def mnasnet():
    """Tan et al. 2019, MnasNet-B1 1.0 (batch norms left as nodes, as some exporters do)."""
    stages = [(3, 24, 3, 2, 3), (3, 40, 3, 2, 5), (6, 80, 3, 2, 5), (6, 96, 2, 1, 3), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]
    return inverted_net("mnasnet1_0", stages, 32, 1280, 16, act="relu", bn=True)


def mobilenet_v3(name, rows, head, wide):
    """Howard et al. 2019, tables 1 and 2: rows of (size, hidden, filters, squeeze-and-excite, activation, stride)."""
    net, x = image(name)
    x = net.conv(x, 16, 3, 2, act="hswish")
    for size, hidden, filters, se, act, stride in rows:
        x = inverted_residual(net, x, filters, size, stride, hidden, act, (divisible(hidden / 4),) if se else None)
    x = net.flatten(net.global_pool(net.conv(x, head, 1, act="hswish")))
    return done(net, net.dense(net.dense(x, wide, "hswish"), 1000))


def mobilenet_v3_small():
    rows = [(3, 16, 16, 1, "relu", 2), (3, 72, 24, 0, "relu", 2), (3, 88, 24, 0, "relu", 1), (5, 96, 40, 1, "hswish", 2),
            (5, 240, 40, 1, "hswish", 1), (5, 240, 40, 1, "hswish", 1), (5, 120, 48, 1, "hswish", 1),
            (5, 144, 48, 1, "hswish", 1), (5, 288, 96, 1, "hswish", 2), (5, 576, 96, 1, "hswish", 1), (5, 576, 96, 1, "hswish", 1)]
    return mobilenet_v3("mobilenet_v3_small", rows, 576, 1024)


def mobilenet_v3_large():
    rows = [(3, 16, 16, 0, "relu", 1), (3, 64, 24, 0, "relu", 2), (3, 72, 24, 0, "relu", 1), (5, 72, 40, 1, "relu", 2),
            (5, 120, 40, 1, "relu", 1), (5, 120, 40, 1, "relu", 1), (3, 240, 80, 0, "hswish", 2), (3, 200, 80, 0, "hswish", 1),
            (3, 184, 80, 0, "hswish", 1), (3, 184, 80, 0, "hswish", 1), (3, 480, 112, 1, "hswish", 1),
            (3, 672, 112, 1, "hswish", 1), (5, 672, 160, 1, "hswish", 2), (5, 960, 160, 1, "hswish", 1), (5, 960, 160, 1, "hswish", 1)]
    return mobilenet_v3("mobilenet_v3_large", rows, 960, 1280)


def channel_shuffle(net, x, groups=2):
    n, channels, height, width = net.shape[x]
    x = net.transpose(net.reshape(x, n, groups, channels // groups, height, width), 0, 2, 1, 3, 4)
    return net.reshape(x, n, channels, height, width)


def shufflenet_v2(name, widths):
    """Ma et al. 2018, figure 3 and table 5."""
    net, x = image(name)
    x = net.pool(net.conv(x, 24, 3, 2, act="relu"), 3, 2, 1)
    for filters, repeats in zip(widths[:3], (4, 8, 4)):
        half = filters // 2
        for i in range(repeats):
            stride = 2 if i == 0 else 1
            if stride == 2:
                left = net.conv(net.conv(x, net.channels(x), 3, 2, groups=net.channels(x)), half, 1, act="relu")
                right = x
            else:
                left, right = net.split(x, 2)
            right = net.conv(right, half, 1, act="relu")
            right = net.conv(net.conv(right, half, 3, stride, groups=half), half, 1, act="relu")
            x = channel_shuffle(net, net.concat([left, right]))
    return done(net, net.classifier(net.conv(x, widths[3], 1, act="relu")))


def shufflenet_v2_x0_5():
    return shufflenet_v2("shufflenet_v2_x0_5", (48, 96, 192, 1024))


def shufflenet_v2_x1_0():
    return shufflenet_v2("shufflenet_v2_x1_0", (116, 232, 464, 1024))


def squeezenet1_1():
    """Iandola et al. 2016, the 1.1 form of its repository."""
    net, x = image("squeezenet1_1")
    x = net.pool(net.conv(x, 64, 3, 2, act="relu", pad=0), 3, 2, ceil=True)
    for i, (squeeze, expand) in enumerate([(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]):
        if i in (2, 4):
            x = net.pool(x, 3, 2, ceil=True)
        x = net.conv(x, squeeze, 1, act="relu")
        x = net.concat([net.conv(x, expand, 1, act="relu"), net.conv(x, expand, 3, act="relu")])
    return done(net, net.flatten(net.global_pool(net.conv(x, 1000, 1, act="relu"))))


def efficientnet(name, act, with_se):
    """Tan and Le 2019, table 1; Lite0 drops squeeze-and-excite and swish (TensorFlow's tpu repository)."""
    net, x = image(name)
    x = net.conv(x, 32, 3, 2, act=act)
    stages = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]
    for expansion, filters, repeats, stride, size in stages:
        for i in range(repeats):
            se = (max(1, net.channels(x) // 4), "silu", "sigmoid") if with_se else None
            x = inverted_residual(net, x, filters, size, stride if i == 0 else 1, net.channels(x) * expansion, act, se)
    return done(net, net.classifier(net.conv(x, 1280, 1, act=act)))


def efficientnet_b0():
    return efficientnet("efficientnet_b0", "silu", True)


def efficientnet_lite0():
    return efficientnet("efficientnet_lite0", "relu6", False)


def pplcnet():
    """Cui et al. 2021, PP-LCNet 1.0 (batch norms left as nodes, as paddle2onnx does)."""
    net, x = image("pplcnet_x1_0")
    x = net.conv(x, 16, 3, 2, act="hswish", bn=True)
    rows = [(3, 32, 1, 0), (3, 64, 2, 0), (3, 64, 1, 0), (3, 128, 2, 0), (3, 128, 1, 0), (3, 256, 2, 0)]
    for size, filters, stride, se in rows + [(5, 256, 1, 0)] * 5 + [(5, 512, 2, 1), (5, 512, 1, 1)]:
        x = net.conv(x, net.channels(x), size, stride, groups=net.channels(x), act="hswish", bn=True)
        x = net.squeeze_excite(x, net.channels(x) // 4) if se else x
        x = net.conv(x, filters, 1, act="hswish", bn=True)
    x = net.conv(net.global_pool(x), 1280, 1, act="hswish", bias=False)
    return done(net, net.dense(net.flatten(x), 1000))


def ghost(net, x, filters, relu):
    """Han et al. 2020: half of the channels from a 1x1, the other half from a cheap depthwise of those."""
    act = "relu" if relu else None
    first = net.conv(x, (filters + 1) // 2, 1, act=act)
    cheap = net.conv(first, net.channels(first), 3, groups=net.channels(first), act=act, gain=0.5)
    return net.concat([first, cheap])


def ghostnet():
    """Han et al. 2020, table 1: rows of (size, hidden, filters, squeeze-and-excite, stride)."""
    net, x = image("ghostnet_1_0")
    x = net.conv(x, 16, 3, 2, act="relu")
    rows = [(3, 16, 16, 0, 1), (3, 48, 24, 0, 2), (3, 72, 24, 0, 1), (5, 72, 40, 1, 2), (5, 120, 40, 1, 1), (3, 240, 80, 0, 2),
            (3, 200, 80, 0, 1), (3, 184, 80, 0, 1), (3, 184, 80, 0, 1), (3, 480, 112, 1, 1), (3, 672, 112, 1, 1),
            (5, 672, 160, 1, 2), (5, 960, 160, 0, 1), (5, 960, 160, 1, 1), (5, 960, 160, 0, 1), (5, 960, 160, 1, 1)]
    for size, hidden, filters, se, stride in rows:
        y = ghost(net, x, hidden, True)
        y = net.conv(y, hidden, size, stride, groups=hidden) if stride > 1 else y
        y = net.squeeze_excite(y, divisible(hidden / 4, 4)) if se else y
        y = ghost(net, y, filters, False)
        if stride > 1 or net.channels(x) != filters:
            shortcut = net.conv(x, net.channels(x), size, stride, groups=net.channels(x))
            x = net.conv(shortcut, filters, 1, gain=0.5)
        x = net.add(y, x)
    x = net.conv(net.global_pool(net.conv(x, 960, 1, act="relu")), 1280, 1, act="relu")
    return done(net, net.dense(net.flatten(x), 1000))


def resnet(name, block, repeats):
    """He et al. 2015, table 1 (torchvision's form: the stride of a bottleneck is in its 3x3)."""
    net, x = image(name)
    x = net.pool(net.conv(x, 64, 7, 2, act="relu"), 3, 2, 1)
    for stage, n in enumerate(repeats):
        for i in range(n):
            x = block(net, x, 64 << stage, 2 if stage and i == 0 else 1)
    return done(net, net.classifier(x))


def basic_block(net, x, width, stride):
    y = net.conv(net.conv(x, width, 3, stride, act="relu"), width, 3, gain=0.3)
    shortcut = net.conv(x, width, 1, stride) if stride > 1 else x
    return net.act(net.add(y, shortcut), "relu")


def bottleneck(net, x, width, stride):
    y = net.conv(net.conv(net.conv(x, width, 1, act="relu"), width, 3, stride, act="relu"), 4 * width, 1, gain=0.3)
    shortcut = net.conv(x, 4 * width, 1, stride) if net.channels(x) != 4 * width else x
    return net.act(net.add(y, shortcut), "relu")


def resnet18():
    return resnet("resnet18", basic_block, (2, 2, 2, 2))


def resnet50():
    return resnet("resnet50", bottleneck, (3, 4, 6, 3))


def vgg16():
    """Simonyan and Zisserman 2014, configuration D."""
    net, x = image("vgg16")
    for filters, n in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(n):
            x = net.conv(x, filters, 3, act="relu")
        x = net.pool(x, 2, 2)
    x = net.dense(net.dense(net.flatten(x), 4096, "relu"), 4096, "relu")
    return done(net, net.dense(x, 1000))


NETWORKS = [mobilenet_v1, mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large, shufflenet_v2_x0_5, shufflenet_v2_x1_0, squeezenet1_1,
            efficientnet_b0, efficientnet_lite0, mnasnet, pplcnet, ghostnet, resnet18, resnet50, vgg16]
