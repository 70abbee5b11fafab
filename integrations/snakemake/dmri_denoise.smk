# The rule; BIDS and OUT are set by the file that includes it. More flags: --config denoise_args="--rician on".

import os


def _mem_mb(wildcards, input, attempt):
    """Four and a half times the series as float32 and a little; a compressed image holds at most about four times its size."""
    size = os.path.getsize(input.dwi) if os.path.exists(input.dwi) else 0
    return int(attempt * (512 + 4.5 * 4 * size / 2**20))


rule dmri_denoise:
    input:
        dwi=BIDS + "/{where}/dwi/{stem}_dwi.nii.gz",
        bval=BIDS + "/{where}/dwi/{stem}_dwi.bval",
        bvec=BIDS + "/{where}/dwi/{stem}_dwi.bvec",
    output:
        dwi=OUT + "/{where,sub-[^/]+(/ses-[^/]+)?}/dwi/{stem,[^/]+}_desc-denoised_dwi.nii.gz",
        bval=OUT + "/{where}/dwi/{stem}_desc-denoised_dwi.bval",
        bvec=OUT + "/{where}/dwi/{stem}_desc-denoised_dwi.bvec",
        json=OUT + "/{where}/dwi/{stem}_desc-denoised_dwi.json",
        noise=OUT + "/{where}/dwi/{stem}_stat-sigma_dwimap.nii.gz",
        qc=directory(OUT + "/{where}/figures/{stem}"),
    log:
        OUT + "/logs/{where}/{stem}.log",
    threads: 2
    resources:
        mem_mb=_mem_mb,
        runtime=60,
    params:
        args=config.get("denoise_args", ""),
    shell:
        "dmri-denoise run {input.dwi} {output.dwi} --bval {input.bval} --bvec {input.bvec}"
        " --noise-out {output.noise} --qc-dir {output.qc}"
        " --nthreads {threads} --mem {resources.mem_mb}M {params.args} --force 2> {log}"
