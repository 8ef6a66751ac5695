#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Minimax polynomials of src/kernels/vmath_f32.h, printed as C. Needs numpy.

Each fit minimises max |weight(x) (f(x) - p(x))| over a dense grid by Lawson's iteration (weighted least
squares, weights multiplied by the errors), coefficients from low to high degree.
"""
import math

import numpy as np

erf = np.vectorize(math.erf)
erfc = np.vectorize(math.erfc)


def fit(f, weight, low, high, degree):
    k = np.arange(1000)
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (k + 0.5) / k.size)
    basis = np.vander(x, degree + 1, increasing=True)
    y, w, lawson = f(x), weight(x), np.full(x.size, 1 / x.size)
    for _ in range(300):
        s = w * np.sqrt(lawson)
        c = np.linalg.lstsq(basis * s[:, None], y * s, rcond=None)[0]
        error = np.abs(w * (basis @ c - y))
        lawson *= error
        lawson /= lawson.sum()
    rounded = c.astype(np.float32).astype(np.float64)
    return c, np.abs(w * (basis @ rounded - y)).max()


def show(name, f, weight, low, high, degree):
    c, error = fit(f, weight, low, high, degree)
    print(f"/* {name}: degree {degree}, largest weighted error {error:.2g} */")
    print("    " + ", ".join(f"{np.float32(v):.9g}f" for v in c))


def main():
    r = 0.3466
    series = lambda x, first: sum(x**k / math.factorial(k + first) for k in range(18))
    show("(e^r - 1 - r) / r^2", lambda x: series(x, 2), np.abs, -r, r, 4)
    show("2^f", lambda f: 2.0**f, lambda f: 2.0**-f, -0.5, 0.5, 5)
    # In u = x^2 for odd functions.
    root = lambda u: np.sqrt(np.maximum(u, 1e-12))
    show("(tanh(x) / x - 1) / x^2", lambda u: (np.tanh(root(u)) / root(u) - 1) / np.maximum(u, 1e-12), lambda u: u,
         1e-6, 0.625**2, 4)
    show("(ln(1 + f) - f + f^2 / 2) / f^3",
         lambda f: np.where(abs(f) < 1e-2, sum((-1)**k * f**k / (k + 3) for k in range(12)),
                            (np.log1p(f) - f + f * f / 2) / np.where(abs(f) < 1e-2, 1, f)**3),
         lambda f: f * f, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 7)
    show("erf(x) / x - 1", lambda u: erf(root(u)) / root(u) - 1, lambda u: np.ones_like(u), 1e-8, 0.95**2, 6)
    show("-ln(e^(t^2) erfc(t))", lambda t: -(t * t + np.log(erfc(t))), lambda t: np.minimum(1, 4 * erfc(t)) + 1e-2, 0.9, 4.0, 7)
    show("(-ln(erfc(t)) - t^2) / t", lambda t: -(t * t + np.log(erfc(t))) / np.maximum(t, 1e-9),
         lambda t: t * (np.minimum(1, 4 * erfc(t)) + 1e-2), 0.0, 4.0, 8)
    show("(sin(x) / x - 1) / x^2", lambda u: (np.sin(root(u)) / root(u) - 1) / np.maximum(u, 1e-12), lambda u: u,
         1e-5, (math.pi / 4)**2 * 1.01, 3)
    show("(cos(x) - 1 + x^2 / 2) / x^4",
         lambda u: sum((-1)**k * u**k / math.factorial(2 * k + 4) for k in range(10)), lambda u: u * u, 0,
         (math.pi / 4)**2 * 1.01, 3)


if __name__ == "__main__":
    main()
