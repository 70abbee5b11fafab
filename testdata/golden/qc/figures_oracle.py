"""Figures of Compare and ResidualStats from numpy and scipy, for qc/oracle_test.go.

    /usr/bin/python3 figures_oracle.py > figures_oracle.json     (Debian 12: numpy 1.24, scipy 1.10)

Inputs are integers or sixteenths, so that Go makes the same float32 values. SSIM is the two-dimensional window applied
directly (scipy.ndimage.correlate), not separably as in the Go code.
"""
import json

import numpy as np
from scipy import ndimage, stats

NX, NY, NZ, NT = 17, 13, 4, 5
SHELLS = [(0.0, [0]), (1000.0, [1, 3]), (3000.0, [2, 4])]


def series():
    truth = np.zeros((NT, NZ, NY, NX), np.float32)
    estimate = np.zeros_like(truth)
    sigma = np.zeros((NZ, NY, NX), np.float32)
    mask = np.zeros((NZ, NY, NX), bool)
    state = 12345
    for v in range(NT):
        for z in range(NZ):
            for y in range(NY):
                for x in range(NX):
                    state = (state * 1664525 + 1013904223) % 2**32
                    noise = ((state >> 16) % 2048 - 1024) / 16
                    signal = 400 // (v + 1) + (x * y + 7 * z) % 60 + (150 if (x - 8) ** 2 + (y - 6) ** 2 < 12 else 0)
                    truth[v, z, y, x] = signal
                    estimate[v, z, y, x] = signal + noise + 3
                    if v == 0:
                        sigma[z, y, x] = 20 + x
                        mask[z, y, x] = z < 3 and 4 * (x - 8) ** 2 + 9 * (y - 6) ** 2 < 240
    return truth, estimate, sigma, mask


def ssim_map(x, y, span):
    r = np.arange(-5, 6)
    k = np.exp(-(r[:, None] ** 2 + r[None, :] ** 2) / (2 * 1.5**2))
    inside = ndimage.correlate(np.ones_like(x), k, mode="constant")

    def blur(m):
        return ndimage.correlate(m, k, mode="constant") / inside

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    return (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def figures(truth, estimate, mask, volumes, sigma):
    t, e = truth[volumes].astype(float), estimate[volumes].astype(float)
    inside = np.broadcast_to(mask, t.shape)
    d = (e - t)[inside]
    span = t[inside].max() - t[inside].min()
    similar = []
    for v in range(len(volumes)):
        for z in range(NZ):
            if mask[z].any():
                y = np.where(mask[z], e[v, z], t[v, z])
                similar.append(ssim_map(t[v, z], y, span)[mask[z]].mean())
    rmse = np.sqrt(np.mean(d**2))
    return {"rmse": rmse, "nrmse": np.linalg.norm(d) / np.linalg.norm(t[inside]), "psnr_db": 20 * np.log10(t[inside].max() / rmse),
            "ssim": np.mean(similar), "bias": d.mean(), "truth_max": t[inside].max(),
            "rmse_over_sigma": rmse / sigma, "bias_over_sigma": d.mean() / sigma}


def residual(before, after, sigma, mask):
    r = before.astype(float) - after.astype(float)
    inside = np.broadcast_to(mask, r.shape)
    scaled = (r / sigma)[inside]
    demeaned = r - np.array([v[mask].mean() for v in r])[:, None, None, None]
    lags = []
    for axis in (3, 2, 1):
        low = [slice(None)] * 4
        high = [slice(None)] * 4
        low[axis], high[axis] = slice(0, -1), slice(1, None)
        both = inside[tuple(low)] & inside[tuple(high)]
        a, b = demeaned[tuple(low)][both], demeaned[tuple(high)][both]
        lags.append((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    return {"mean": r[inside].mean(), "std": r[inside].std(), "std_over_sigma": scaled.std(), "lag1_autocorrelation_xyz": lags,
            "skew": stats.skew(scaled), "excess_kurtosis": stats.kurtosis(scaled)}


truth, estimate, sigma, mask = series()
out = {"compare": {"mask_voxels": int(mask.sum()), "volumes": NT, "all": figures(truth, estimate, mask, list(range(NT)), 40.0),
                   "shells": [{"b_value": b, "volumes": len(v), "figures": figures(truth, estimate, mask, v, 40.0)} for b, v in SHELLS]},
       "residual": residual(estimate, truth, sigma, mask)}
print(json.dumps(out, indent=1))
