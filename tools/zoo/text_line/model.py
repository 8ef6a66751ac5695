# SPDX-License-Identifier: Apache-2.0
"""The line recogniser: a depthwise-separable backbone, a 1-D neck, CTC.

Height goes 32 -> 16 -> 8 -> 4 -> 2 -> 1 while width only shrinks by four. Each
of the W/4 columns then emits TWO frames of class scores (T = W/2), since "ll"
needs three frames under CTC and may be only ten pixels wide.
"""

import torch
from torch import nn

CLASSES = 96  # blank + 95 printable ASCII characters
FRAMES_PER_COLUMN = 2

# kernel, channels in, channels out, stride (rows, columns)
BACKBONE = (
    ((3, 3), 16, 32, (1, 1)),
    ((3, 3), 32, 56, (2, 2)),
    ((3, 3), 56, 56, (1, 1)),
    ((3, 3), 56, 96, (2, 1)),
    ((5, 5), 96, 96, (1, 1)),
    ((5, 5), 96, 144, (2, 1)),
    ((3, 3), 144, 144, (1, 1)),
)
NECK = 112
NECK_KERNEL = 11
NECK_BLOCKS = 3


class ConvNorm(nn.Sequential):
    """Convolution + batch norm; export.py folds the two into one."""

    def __init__(self, cin, cout, kernel, stride=(1, 1), padding=(0, 0), groups=1):
        super().__init__(
            nn.Conv2d(cin, cout, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(cout))


class Separable(nn.Module):
    """Depthwise then pointwise; a shortcut where the shape does not change."""

    def __init__(self, kernel, cin, cout, stride=(1, 1)):
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.depth = ConvNorm(cin, cin, kernel, stride, padding, groups=cin)
        self.point = ConvNorm(cin, cout, (1, 1))
        self.act = nn.Hardswish()
        self.shortcut = cin == cout and stride == (1, 1)

    def forward(self, x):
        y = self.act(self.point(self.act(self.depth(x))))
        return x + y if self.shortcut else y


class TextLine(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvNorm(1, BACKBONE[0][1], (3, 3), (2, 2), (1, 1))
        self.act = nn.Hardswish()
        self.blocks = nn.Sequential(*[Separable(k, i, o, s) for k, i, o, s in BACKBONE])
        # Two rows are left: this convolution folds them into channels.
        self.fold = ConvNorm(BACKBONE[-1][2], NECK, (2, 1))
        self.neck = nn.Sequential(*[Separable((1, NECK_KERNEL), NECK, NECK)
                                    for _ in range(NECK_BLOCKS)])
        self.drop = nn.Dropout(0.1)
        self.head = nn.Conv2d(NECK, CLASSES * FRAMES_PER_COLUMN, 1)

    def forward(self, x):
        """[N, 1, 32, W] in [-1, 1] -> logits [N, W/2, 96]; W a multiple of 4."""
        x = self.blocks(self.act(self.stem(x)))
        x = self.neck(self.act(self.fold(x)))
        x = self.head(self.drop(x)).squeeze(2).transpose(1, 2)
        return x.reshape(x.shape[0], -1, CLASSES)


def count_macs(width=320):
    """Multiply-accumulates of the convolutions for one line."""
    model, total = TextLine().eval(), 0

    def hook(conv, _, out):
        nonlocal total
        total += out.numel() * conv.weight[0].numel()

    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            m.register_forward_hook(hook)
    with torch.no_grad():
        model(torch.zeros(1, 1, 32, width))
    return total


def count_weights():
    """Weights once batch norm is folded: each convolution keeps one bias."""
    return sum(m.weight.numel() + m.weight.shape[0]
               for m in TextLine().modules() if isinstance(m, nn.Conv2d))


if __name__ == "__main__":
    print(f"{count_weights()} weights, {count_macs() / 1e6:.1f} MMAC at width 320")
