"""Nipype interface to dmri-denoise.

>>> from dmri_denoise import DmriDenoise
>>> node = DmriDenoise(in_file="dwi.nii.gz", in_bval="dwi.bval", in_bvec="dwi.bvec")   # doctest: +SKIP
>>> node.cmdline                                                                       # doctest: +SKIP
'dmri-denoise run --nthreads 1 --bval dwi.bval --bvec dwi.bvec --noise-out dwi_noise.nii.gz dwi.nii.gz dwi_denoised.nii.gz'
"""

import os

from nipype.interfaces.base import (
    CommandLine,
    CommandLineInputSpec,
    File,
    TraitedSpec,
    traits,
)


class DmriDenoiseInputSpec(CommandLineInputSpec):
    in_file = File(exists=True, mandatory=True, position=-2, argstr="%s", desc="diffusion series, raw")
    out_file = File(
        position=-1, argstr="%s", name_source="in_file", name_template="%s_denoised", keep_extension=True, desc="denoised series"
    )
    in_bval = File(exists=True, argstr="--bval %s", desc="b-values; found beside in_file if not given")
    in_bvec = File(exists=True, argstr="--bvec %s", desc="directions; found beside in_file if not given")
    grad_file = File(exists=True, argstr="--grad %s", xor=["in_bval", "in_bvec"], desc="MRtrix gradient table")
    mask = File(exists=True, argstr="--mask %s", desc="mask")
    noise_in = traits.Either(File(exists=True), traits.Float(), argstr="--noise-in %s", desc="known noise: map or number")
    noise_image = File(
        argstr="--noise-out %s", name_source="in_file", name_template="%s_noise", keep_extension=True, desc="noise map that is written"
    )
    extent = traits.Tuple(traits.Int, traits.Int, traits.Int, argstr="--extent %d,%d,%d", desc="block size, odd")
    rician = traits.Enum("auto", "on", "off", argstr="--rician %s", desc="remove the bias of magnitude images")
    sampler = traits.Enum("mean", "ddim", "ancestral", "sde", argstr="--sampler %s", desc="what to write")
    seed = traits.Int(argstr="--seed %d", desc="seed of random draws")
    no_qc = traits.Bool(argstr="--no-qc", desc="no pictures")
    num_threads = traits.Int(1, usedefault=True, nohash=True, argstr="--nthreads %d", desc="threads")


class DmriDenoiseOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="denoised series")
    noise_image = File(exists=True, desc="noise map")
    out_bval = File(exists=True, desc="b-values of out_file, as in the input")
    out_bvec = File(exists=True, desc="directions of out_file, as in the input")
    out_json = File(exists=True, desc="parameters and figures of the run")


class DmriDenoise(CommandLine):
    """Remove thermal noise from diffusion MRI with a per-scan diffusion-model prior.

    Takes the place of MRtrix's ``DWIDenoise``: the same ``in_file``, ``mask``, ``extent``, ``noise`` (here ``noise_image``)
    and ``num_threads``, plus the gradient table, which it needs.
    """

    _cmd = "dmri-denoise run"
    input_spec = DmriDenoiseInputSpec
    output_spec = DmriDenoiseOutputSpec

    def _list_outputs(self):
        outputs = super()._list_outputs()
        stem = outputs["out_file"]
        for suffix in (".nii.gz", ".nii"):
            if stem.endswith(suffix):
                stem = stem[: -len(suffix)]
                break
        for name in ("bval", "bvec", "json"):
            outputs["out_" + name] = os.path.abspath(stem + "." + name)
        return outputs
