#!/usr/bin/env python3
"""Writes oracle.json: what MRtrix 3.0.3 makes of gradient tables, for the tests of package gradients.

Needs MRtrix (mrinfo on PATH), nibabel and numpy (Debian: mrtrix3 python3-nibabel). Run from the repository root:

    /usr/bin/python3 testdata/gradients/make_oracle.py [DATA] > testdata/gradients/oracle.json

"frames" are tables made here, read by mrinfo -fslgrad over images with various affines: "scanner" is its -dwgrad, "fsl" the
-export_grad_fsl of that. "scaling" are its b-values for -bvalue_scaling yes, no and auto with directions that are not unit
vectors. "scans", only if the folder DATA of development scans is given, are counts and single rows for tables there; the
tables themselves stay where they are.
"""
import json, subprocess, sys, tempfile
from pathlib import Path
import nibabel as nib
import numpy as np


def mrinfo(*args):
    return subprocess.run(["mrinfo", "-quiet", *map(str, args)], check=True, capture_output=True, text=True).stdout


def numbers(text):
    return [[float(x) for x in line.split()] for line in text.splitlines() if line.strip() and line[0] != "#"]


def rotation(ax, ay, az):
    cx, sx, cy, sy, cz, sz = np.cos(ax), np.sin(ax), np.cos(ay), np.sin(ay), np.cos(az), np.sin(az)
    return (np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
            @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]))


def affine(columns, sizes):
    a = np.eye(4)
    a[:3, :3] = columns * np.array(sizes)
    a[:3, 3] = [-11, 7, 23]
    return a


def frames(folder):
    rng = np.random.default_rng(2)
    g = rng.normal(size=(9, 3))
    g /= np.linalg.norm(g, axis=1, keepdims=True)
    g[0] = 0
    b = np.array([0, 700, 700, 700, 2000, 2000, 2000, 2000, 2000.0])
    np.savetxt(folder / "bval", b[None], "%g")
    np.savetxt(folder / "bvec", g.T, "%.17g")
    oblique = rotation(0.3, -0.2, 0.5)
    cyclic = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0.0]])
    affines = {
        "RAS": affine(np.eye(3), (2, 2, 2)),
        "LAS": affine(np.diag([-1, 1, 1]), (2, 2, 2.5)),
        "LPS": affine(np.diag([-1, -1, 1]), (1.5, 1.5, 3)),
        "oblique, right-handed": affine(oblique, (2, 2, 2)),
        "oblique, left-handed": affine(oblique @ np.diag([-1, 1, 1]), (1.8, 2.2, 3)),
        "sagittal": affine(cyclic, (1, 2, 3)),
        "sagittal, left-handed, oblique": affine(rotation(0.1, 0.2, -0.1) @ cyclic @ np.diag([1, 1, -1]), (1, 2, 3)),
    }
    cases = []
    for name, a in affines.items():
        nib.save(nib.Nifti1Image(np.zeros((4, 5, 6, len(b)), np.float32), a), folder / "x.nii")
        grad = ["-fslgrad", folder / "bvec", folder / "bval"]
        scanner = numbers(mrinfo(*grad, "-dwgrad", folder / "x.nii"))
        mrinfo(*grad, "-export_grad_fsl", folder / "out.bvec", folder / "out.bval", "-force", folder / "x.nii")
        out = np.array(numbers((folder / "out.bvec").read_text())).T.tolist()
        # The affine as the NIfTI file has it: float32.
        cases.append({"name": name, "affine": nib.load(folder / "x.nii").affine.tolist(), "scanner": scanner, "fsl": out})
    return {"bvals": b.tolist(), "bvecs": g.tolist(), "cases": cases}


def scaling(folder):
    b = np.array([0, 1000, 1000, 1000, 2000.0])
    g = np.array([[0, 0, 0], [1, 0, 0], [0, np.sqrt(0.5), 0], [0, 0, 1.2], [0.6, 0.8, 0]])
    np.savetxt(folder / "bval", b[None], "%g")
    np.savetxt(folder / "bvec", g.T, "%.17g")
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, len(b)), np.float32), affine(np.diag([-1, 1, 1]), (2, 2, 2))), folder / "x.nii")
    result = {"bvals": b.tolist(), "bvecs": g.tolist()}
    for mode in ("auto", "yes", "no"):
        options = [] if mode == "auto" else ["-bvalue_scaling", mode]
        result[mode] = [row[3] for row in numbers(mrinfo("-fslgrad", folder / "bvec", folder / "bval", *options, "-dwgrad", folder / "x.nii"))]
    return result


def scans(data):
    cases = []
    for image in ("head-raw/10_DWI_dir80_PA.nii.gz", "uint16/dti_tra_dir16_AP_9_134431.nii.gz", "interpolated/Galan_8006_DTI_AX_30d.nii.gz",
                  "small-64dir/small_64D.nii", "tissue-tiny/dwi.nii.gz", "tissue-msmt/dwi.nii.gz", "noise-phantom/dwi.nii.gz"):
        path = data / image
        stem = str(path).removesuffix(".gz").removesuffix(".nii")
        grad = ["-fslgrad", stem + ".bvec", stem + ".bval"]
        table = np.array(numbers(mrinfo(*grad, "-dwgrad", path)))
        weighted = np.flatnonzero(table[:, 3] > 50)
        rows = [int(i) for i in weighted[[0, len(weighted) // 2, -1]]]
        cases.append({
            "image": image, "affine": nib.load(path).affine.tolist(),
            "volumes": len(table), "shell_b": numbers(mrinfo(*grad, "-shell_bvalues", path))[0],
            "shell_sizes": [int(x) for x in numbers(mrinfo(*grad, "-shell_sizes", path))[0]],
            "rows": {str(i): table[i].tolist() for i in rows},
        })
    return cases


with tempfile.TemporaryDirectory() as folder:
    oracle = {"mrtrix": subprocess.run(["mrinfo", "-version"], capture_output=True, text=True).stdout.split()[2],
              "frames": frames(Path(folder)), "scaling": scaling(Path(folder))}
if len(sys.argv) > 1:
    oracle["scans"] = scans(Path(sys.argv[1]))
print(json.dumps(oracle, indent=1))
