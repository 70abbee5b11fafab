process DENOISING_DMRIDENOISE {
    tag "$meta.id"
    label 'process_medium'

    // docker.io and friends: build it from integrations/container, then name it here or in your configuration
    container "dmri-denoise:latest"

    input:
    tuple val(meta), path(dwi), path(bval), path(bvec), path(mask)

    output:
    tuple val(meta), path("*_dwi_denoised.nii.gz")      , emit: image
    tuple val(meta), path("*_dwi_denoised.bval")        , emit: bval
    tuple val(meta), path("*_dwi_denoised.bvec")        , emit: bvec
    tuple val(meta), path("*_dwi_denoised.json")        , emit: sidecar
    tuple val(meta), path("*_noise.nii.gz")             , emit: noise
    tuple val(meta), path("*_qc"), optional: true       , emit: qc
    path "versions.yml"                                 , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def prefix = task.ext.prefix ?: "${meta.id}"
    def args = task.ext.args ?: ""
    def use_mask = mask ? "--mask $mask" : ""
    def memory = task.memory ? "--mem ${task.memory.toMega()}M" : ""
    """
    dmri-denoise run $dwi ${prefix}_dwi_denoised.nii.gz \\
        --bval $bval --bvec $bvec $use_mask \\
        --noise-out ${prefix}_noise.nii.gz --qc-dir ${prefix}_qc \\
        --nthreads $task.cpus $memory $args

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        dmri-denoise: \$(dmri-denoise --version | sed 's/^dmri-denoise //')
    END_VERSIONS
    """

    stub:
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    dmri-denoise help run

    touch ${prefix}_dwi_denoised.nii.gz ${prefix}_dwi_denoised.bval ${prefix}_dwi_denoised.bvec
    touch ${prefix}_dwi_denoised.json ${prefix}_noise.nii.gz
    mkdir -p ${prefix}_qc/figures && touch ${prefix}_qc/report.html ${prefix}_qc/figures/noise_map.png

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        dmri-denoise: \$(dmri-denoise --version | sed 's/^dmri-denoise //')
    END_VERSIONS
    """
}
