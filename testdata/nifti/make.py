#!/usr/bin/env python3
"""Make the NIfTI fixtures of this folder and the values nibabel reads from them.

    python3 make.py            fixtures and fixtures.json
    python3 make.py ZOO        also zoo.json, what nibabel reads from the files in folder ZOO

"voxels" in the JSON files are the scaled values as little-endian float32 in
hexadecimal, every "every"-th voxel in file order (x fastest). Needs nibabel and
numpy (made with nibabel 5.0, numpy 1.24 on Python 3.11).
"""
import glob
import gzip
import json
import os
import struct
import sys
import warnings

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Extension

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPE = (3, 4, 2, 5)
TYPES = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64".split()
AFFINE = np.array([[-2.0, 0.1, 0.0, 90.5], [0.1, 2.0, 0.2, -126.25], [0.0, -0.2, 2.2, -72.0], [0, 0, 0, 1]])


def ramp(dtype, shape=SHAPE):
    """Values over the whole range of the type, its ends included."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape))
    if dtype.kind == "f":
        values = np.linspace(-1234.5678, 98765.4321, n)
        values[:4] = [np.nan, np.inf, -np.inf, -0.0]
    else:
        info = np.iinfo(dtype)
        values = [int(info.min) + (int(info.max) - int(info.min)) * i // (n - 1) for i in range(n)]
    return np.array(values, dtype=dtype).reshape(shape, order="F")


def image(data, kind=nib.Nifti1Image, endian="<", affine=AFFINE, **fields):
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(data.dtype)
    im = kind(data, affine, header)
    im.header.set_xyzt_units("mm", "sec")
    im.header["descrip"] = b"made by make.py"
    im.header["pixdim"][4] = 3.5
    for name, value in fields.items():
        im.header[name] = value
    return im


def save(im, name):
    path = os.path.join(HERE, name)
    nib.save(im, path)
    return path


def patch(path, endian="<", **values):
    """Set float fields of a NIfTI-1 header after nibabel has written it."""
    where = {"scl_slope": 112, "scl_inter": 116}
    with open(path, "r+b") as f:
        for field, value in values.items():
            f.seek(where[field])
            f.write(struct.pack(endian + "f", value))


def make_types():
    for name in TYPES:
        data = ramp(name)
        save(image(data), f"{name}-le1.nii.gz")
        save(image(data, endian=">"), f"{name}-be1.nii.gz")
        save(image(data, nib.Nifti2Image), f"{name}-le2.nii.gz")
        save(image(data, nib.Nifti2Image, endian=">"), f"{name}-be2.nii.gz")


def make_refused():
    grid = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    for name in ("complex64", "complex128"):
        save(image((grid * (1 + 2j)).astype(name)), f"refused-{name}.nii.gz")
    rgb = np.zeros((2, 3, 4), dtype=[(c, "u1") for c in "RGB"])
    save(image(rgb), "refused-rgb24.nii.gz")
    rgba = np.zeros((2, 3, 4), dtype=[(c, "u1") for c in "RGBA"])
    save(image(rgba), "refused-rgba32.nii.gz")


def make_scaling():
    cases = {
        "int16": ("int16", 0.075406969, 3100.7617), "negative": ("uint16", -0.5, 10), "float32": ("float32", 2.5, -1),
        "tiny": ("int16", 1e-30, 0), "inter": ("uint8", 1, 1000), "zero": ("int16", 0, 50),
    }
    for name, (dtype, slope, inter) in cases.items():
        patch(save(image(ramp(dtype)), f"scaled-{name}.nii"), scl_slope=slope, scl_inter=inter)
    patch(save(image(ramp("int16"), endian=">"), "scaled-big-endian.nii"), ">", scl_slope=0.25, scl_inter=-7)


def make_containers():
    data = ramp("int16")
    save(image(data, nib.Nifti1Pair), "pair1.hdr")
    save(image(data, nib.Nifti2Pair, endian=">"), "pair2.hdr")
    image(data, nib.Nifti1Pair).to_filename(os.path.join(HERE, "pairgz.hdr"))
    for name in ("pairgz.hdr", "pairgz.img"):
        path = os.path.join(HERE, name)
        with open(path, "rb") as f, open(path + ".gz", "wb") as out:
            with gzip.GzipFile("", "wb", mtime=0, fileobj=out) as z:
                z.write(f.read())
        os.remove(path)
    for name, endian in (("extensions.nii.gz", "<"), ("extensions-big-endian.nii.gz", ">")):
        im = image(data, endian=endian)
        im.header.extensions.append(Nifti1Extension("comment", b"first comment"))
        im.header.extensions.append(Nifti1Extension("afni", b"<AFNI_attributes/>" + bytes(range(40))))
        save(im, name)
    save(image(data.reshape(3, 4, 2, 1, 5)), "five-d.nii.gz")
    save(image(data.reshape(3, 4, 2, 5, 1)), "five-d-trailing.nii.gz")
    save(image(data[..., 0]), "three-d.nii.gz")
    save(image(data[:, :, 0, 0]), "two-d.nii.gz")


def make_orientation():
    data = ramp("uint8", (3, 4, 2))
    rotation = nib.eulerangles.euler2mat(0.3, -0.5, 1.1)
    for name, flip in (("right", 1), ("left", -1)):
        affine = np.eye(4)
        affine[:3, :3] = rotation @ np.diag([1.5 * flip, 2, 2.5])
        affine[:3, 3] = [10.5, -20.25, 30]
        im = image(data, affine=affine)
        im.set_sform(None, 0)
        im.set_qform(affine, 1)
        save(im, f"qform-{name}.nii.gz")
        im.set_sform(affine, 2)
        im.set_qform(None, 0)
        save(im, f"sform-{name}.nii.gz")
        im.set_sform(affine, 4)
        im.set_qform(AFFINE, 1)
        save(im, f"both-{name}.nii.gz")


def oracle(path):
    """What nibabel reads, or the name of the error it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            im = nib.load(path)
            header = im.header
            data = np.asanyarray(im.dataobj)
    except Exception as error:  # noqa: BLE001: the point is to record any
        return {"error": type(error).__name__}
    if "nifti" not in type(im).__module__ or data.dtype.kind not in "iuf" or data.dtype.itemsize > 8:
        return {"error": f"{type(im).__name__} {data.dtype}"}
    with np.errstate(over="ignore"):
        voxels = data.astype(np.float32).ravel(order="F")
    total = voxels[np.isfinite(voxels)].astype(np.float64)
    q, s = int(header["qform_code"]), int(header["sform_code"])
    return {
        "version": 2 if header.sizeof_hdr == 540 else 1,
        "big_endian": header.endianness == ">",
        "pair": type(im).__name__.endswith("Pair"),
        "shape": list(data.shape),
        "datatype": int(header["datatype"]),
        "zooms": [float(z) for z in header.get_zooms()[:3]],
        "orientation": "sform" if s > 0 else "qform" if q > 0 else "none",
        "affine": im.affine.tolist(),
        "descrip": header["descrip"].tobytes().split(b"\0")[0].decode("latin-1"),
        "extensions": [[e.get_code(), e.get_sizeondisk()] for e in header.extensions],
        "sum": float(total.sum()),
        "sum_squares": float((total * total).sum()) if np.abs(total).max() < 1e15 else None,
        "not_finite": int(voxels.size - total.size),
        "every": (every := 1 if voxels.size <= 200 else voxels.size // 31),
        "voxels": voxels[::every].astype("<f4").tobytes().hex(),
    }


def describe(paths, name):
    result = {os.path.basename(p): oracle(p) for p in sorted(paths)}
    with open(os.path.join(HERE, name), "w") as f:
        f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in result.items()) + "\n}\n")


def main():
    for make in (make_types, make_refused, make_scaling, make_containers, make_orientation):
        make()
    describe(glob.glob(os.path.join(HERE, "*.nii*")) + glob.glob(os.path.join(HERE, "*.hdr")) + glob.glob(os.path.join(HERE, "*.hdr.gz")), "fixtures.json")
    if len(sys.argv) > 1:
        describe(glob.glob(os.path.join(sys.argv[1], "*")), "zoo.json")


if __name__ == "__main__":
    main()
