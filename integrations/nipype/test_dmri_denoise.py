"""Runs the interface on a phantom: python3 test_dmri_denoise.py FOLDER, where FOLDER holds what `dmri-denoise phantom` wrote."""

import os
import sys

from nipype import Node

from dmri_denoise import DmriDenoise

folder = os.path.abspath(sys.argv[1])
work = os.path.abspath(sys.argv[2])
node = Node(DmriDenoise(), name="denoise", base_dir=work)
node.inputs.in_file = os.path.join(folder, "dwi.nii.gz")
node.inputs.in_bval = os.path.join(folder, "dwi.bval")
node.inputs.in_bvec = os.path.join(folder, "dwi.bvec")
node.inputs.mask = os.path.join(folder, "mask.nii.gz")
node.inputs.extent = (5, 5, 5)
node.inputs.no_qc = True
node.inputs.num_threads = 2
print(node.interface.cmdline)
result = node.run()
for name in ("out_file", "noise_image", "out_bval", "out_bvec", "out_json"):
    path = getattr(result.outputs, name)
    assert os.path.getsize(path) > 0, name
print(result.outputs.out_file)
