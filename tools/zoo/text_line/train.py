# SPDX-License-Identifier: Apache-2.0
"""Train the line recogniser on a rendered pool; resumable.

    python train.py --data /tmp/zoo/train --val /tmp/zoo/val --out /tmp/zoo/run --minutes 60

The learning rate follows the time spent, not the steps done, so that a run on
a busy machine still ends with the small rates that give the last percent.
Interrupt it at will: the same command goes on from OUT/last.pt.
"""

import argparse
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from data import Pool, augment
from evaluate import edit_distance, greedy
from model import TextLine, count_macs, count_weights


def rate(done, peak, warmup=0.03, floor=0.004):
    """Cosine from peak to nearly nothing; `done` runs from 0 to 1."""
    if done < warmup:
        return peak * (0.05 + 0.95 * done / warmup)
    return peak * (floor + (1 - floor) * (1 + math.cos(math.pi * min(1, (done - warmup) / (1 - warmup)))) / 2)


@torch.no_grad()
def accuracy(model, pool, limit):
    """Character accuracy over the first `limit` lines of a pool."""
    model.eval()
    wrong = total = 0
    index = np.argsort(pool.widths[:limit], kind="stable")
    for start in range(0, len(index), 50):
        part = index[start:start + 50]
        x, _, _, _ = pool.load(part)
        best = model(x.to(memory_format=torch.channels_last)).argmax(2).numpy()
        for row, i in enumerate(part):
            truth = list(pool.label(i))
            wrong += edit_distance(greedy(best[row]), truth)
            total += len(truth)
    model.train()
    return 1 - wrong / total


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--val", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--columns", type=int, default=16384, help="pixel columns per batch")
    ap.add_argument("--peak", type=float, default=3e-3)
    ap.add_argument("--val-lines", type=int, default=1000)
    ap.add_argument("--threads", type=int, default=2)
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)

    pool, val = Pool(args.data), Pool(args.val)
    model = TextLine().to(memory_format=torch.channels_last)
    # A running mean of the weights is what gets validated and exported.
    mean = TextLine().to(memory_format=torch.channels_last)
    mean.load_state_dict(model.state_dict())
    decay, plain = [], []
    for p in model.parameters():
        (decay if p.ndim > 1 else plain).append(p)
    optim = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02},
                               {"params": plain, "weight_decay": 0.0}], lr=args.peak)
    step, spent, seen, best = 0, 0.0, 0, 0.0
    last = os.path.join(args.out, "last.pt")
    if os.path.exists(last):
        state = torch.load(last, weights_only=False)
        model.load_state_dict(state["model"])
        mean.load_state_dict(state["mean"])
        optim.load_state_dict(state["optim"])
        step, spent, seen, best = state["step"], state["spent"], state["seen"], state["best"]
    print(f"{count_weights()} weights, {count_macs() / 1e6:.1f} MMAC at width 320, "
          f"{len(pool)} lines, from step {step}", flush=True)

    rng = np.random.default_rng(1000 + step)
    generator = torch.Generator().manual_seed(1000 + step)
    budget = args.minutes * 60
    tick, loss_sum, loss_n, saved = time.time(), 0.0, 0, time.time()
    while spent < budget:
        for index in pool.batches(rng, args.columns):
            x, mask, targets, sizes = pool.load(index)
            x = augment(x, mask, generator).to(memory_format=torch.channels_last)
            logp = F.log_softmax(model(x), 2).transpose(0, 1)
            frames = torch.full((len(index),), logp.shape[0])
            loss = F.ctc_loss(logp, targets, frames, sizes, zero_infinity=True)
            for group in optim.param_groups:
                group["lr"] = rate(spent / budget, args.peak)
            optim.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optim.step()
            step += 1
            seen += len(index)
            with torch.no_grad():
                keep = min(0.998, 1 - 10 / (step + 10))
                for a, b in zip(mean.state_dict().values(), model.state_dict().values()):
                    if a.is_floating_point():
                        a.lerp_(b, 1 - keep)
                    else:
                        a.copy_(b)
            loss_sum += loss.item()
            loss_n += 1
            now = time.time()
            spent += now - tick
            tick = now
            if step % 100 == 0:
                print(f"step {step} seen {seen} min {spent / 60:.1f} loss {loss_sum / loss_n:.4f} "
                      f"lr {optim.param_groups[0]['lr']:.2e}", flush=True)
                loss_sum, loss_n = 0.0, 0
            if now - saved > 180 or spent >= budget:
                saved = now
                score = accuracy(mean, val, args.val_lines)
                print(f"step {step} min {spent / 60:.1f} held-out characters {100 * score:.2f} %", flush=True)
                if score >= best:
                    best = score
                    torch.save(mean.state_dict(), os.path.join(args.out, "best.pt"))
                torch.save({"model": model.state_dict(), "mean": mean.state_dict(),
                            "optim": optim.state_dict(), "step": step, "spent": spent,
                            "seen": seen, "best": best}, last + ".tmp")
                os.replace(last + ".tmp", last)
                tick = time.time()
            if spent >= budget:
                break


if __name__ == "__main__":
    main()
