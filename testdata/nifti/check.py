#!/usr/bin/env python3
"""Compare images that this project wrote with the images it read, by nibabel.

    go test ./nifti -run TestWriteForOthers -write-dir DIR
    python3 check.py DIR [INPUTS]      INPUTS defaults to this folder

Every DIR/NAME must hold the float32 voxels and the header fields of
INPUTS/NAME. Prints one line per difference and exits 1 if there is any.
"""
import os
import sys
import warnings

import nibabel as nib
import numpy as np

MAY_DIFFER = {"datatype", "bitpix", "scl_slope", "scl_inter", "vox_offset", "dim"}


def differences(before, after):
    a, b = nib.load(before), nib.load(after)
    with np.errstate(over="ignore"):
        want = np.asanyarray(a.dataobj).astype(np.float32).ravel(order="F")
    got = np.asanyarray(b.dataobj).ravel(order="F")
    if got.dtype.kind != "f" or got.dtype.itemsize != 4:
        yield f"voxels are {got.dtype}"
    if not np.array_equal(want, got, equal_nan=True):
        yield "voxels differ"
    if type(a) is not type(b):
        yield f"{type(a).__name__} became {type(b).__name__}"
    if b.header.endianness != "<":
        yield "not little-endian"
    for name in a.header.keys():
        if name not in MAY_DIFFER and not np.array_equal(a.header[name], b.header[name], equal_nan=a.header[name].dtype.kind == "f"):
            yield f"{name}: {a.header[name]} became {b.header[name]}"
    ea, eb = a.header.extensions, b.header.extensions
    if [(e.get_code(), e.get_content()) for e in ea] != [(e.get_code(), e.get_content()) for e in eb]:
        yield "extensions differ"


def main():
    written = sys.argv[1]
    inputs = sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.abspath(__file__))
    failed = checked = 0
    for name in sorted(os.listdir(written)):
        if name.endswith((".img", ".img.gz")):
            continue
        checked += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for line in differences(os.path.join(inputs, name), os.path.join(written, name)):
                print(f"{name}: {line}")
                failed += 1
    print(f"{checked} files checked, {failed} differences")
    sys.exit(failed > 0 or checked == 0)


if __name__ == "__main__":
    main()
