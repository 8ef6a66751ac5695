# SPDX-License-Identifier: Apache-2.0
"""Pool of rendered lines, batched by width, with cheap augmentation on the fly."""

import numpy as np
import torch
import torch.nn.functional as F

HEIGHT = 32


class Pool:
    def __init__(self, prefix):
        meta = np.load(prefix + ".npz")
        self.widths = meta["widths"]
        self.sizes = meta["label_sizes"]
        self.labels = meta["labels"].astype(np.int64)
        self.pixels = np.memmap(prefix + ".pix", np.uint8, "r")
        self.pixel_at = np.concatenate([[0], np.cumsum(self.widths.astype(np.int64) * HEIGHT)])
        self.label_at = np.concatenate([[0], np.cumsum(self.sizes)])

    def __len__(self):
        return len(self.widths)

    def image(self, i):
        return self.pixels[self.pixel_at[i]:self.pixel_at[i + 1]].reshape(HEIGHT, -1)

    def label(self, i):
        return self.labels[self.label_at[i]:self.label_at[i + 1]]

    def batches(self, rng, columns):
        """Index lists of similar width, about `columns` pixel columns each."""
        jitter = self.widths * rng.uniform(.9, 1.1, len(self))
        order = np.argsort(jitter)
        out, start = [], 0
        while start < len(order):
            size = int(columns // max(32, self.widths[order[min(start + 32, len(order) - 1)]]))
            size = min(max(size, 4), 160)
            out.append(order[start:start + size])
            start += size
        return [out[i] for i in rng.permutation(len(out))]

    def load(self, index):
        """Grey values scaled to [-1, 1], and a mask that is 0 on the padding."""
        widest = -(-int(self.widths[index].max()) // 8) * 8
        x = np.zeros((len(index), 1, HEIGHT, widest), np.float32)
        mask = np.zeros((len(index), 1, 1, widest), np.float32)
        for row, i in enumerate(index):
            x[row, 0, :, :self.widths[i]] = self.image(i)
            mask[row, :, :, :self.widths[i]] = 1
        targets = np.concatenate([self.label(i) for i in index])
        return (torch.from_numpy((x - 127.5) / 127.5 * mask), torch.from_numpy(mask),
                torch.from_numpy(targets), torch.from_numpy(self.sizes[index].astype(np.int64)))


def augment(x, mask, generator):
    """Make the pool's fixed pictures differ from one epoch to the next."""
    n = x.shape[0]
    uniform = lambda low, high: torch.empty(n, 1, 1, 1).uniform_(low, high, generator=generator)
    coin = lambda p: (torch.rand(n, 1, 1, 1, generator=generator) < p).float()
    one = lambda: float(torch.rand(1, generator=generator))

    if one() < 0.6:  # stretch the batch as a whole; condensed faces are rare
        w = max(8, round(x.shape[3] * (0.66 + 0.5 * one()) / 8) * 8)
        x = F.interpolate(x, (HEIGHT, w), mode="bilinear", align_corners=False)
        mask = F.interpolate(mask, (1, w), mode="nearest")
    if one() < 0.5:  # shift, scale, tilt and slant each line a little
        # Now and then far smaller, as in a loose crop; anchored on the left,
        # so that what the padding covers moves along.
        zoom = 1 + coin(.4) * uniform(0, .55)
        theta = torch.zeros(n, 2, 3)
        ratio = HEIGHT / x.shape[3]
        theta[:, 0, 0] = zoom.flatten()
        theta[:, 0, 1] = (uniform(-.12, .12) * ratio).flatten()
        theta[:, 0, 2] = zoom.flatten() - 1
        theta[:, 1, 0] = uniform(-.04, .04).flatten()
        theta[:, 1, 1] = (zoom * uniform(.93, 1.1)).flatten()
        theta[:, 1, 2] = (uniform(-1, 1) * (.06 + .6 * (zoom - 1))).flatten()
        columns = torch.arange(x.shape[3]).expand(n, 1, 1, -1)
        mask = (columns < mask.sum(3, keepdim=True) / zoom).float()
        grid = F.affine_grid(theta, x.shape, align_corners=False)
        x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    x = x * (1 - 2 * coin(.15))
    x = x * uniform(.6, 1.15) + uniform(-.15, .15)
    if one() < 0.4:
        x = x + torch.randn(x.shape, generator=generator) * (uniform(0, .12) * coin(.6))
    return x.clamp(-1, 1) * mask
