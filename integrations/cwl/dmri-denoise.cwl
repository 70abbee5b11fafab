#!/usr/bin/env cwl-runner
cwlVersion: v1.2
class: CommandLineTool
label: Remove thermal noise from diffusion MRI
baseCommand: [dmri-denoise, run]
requirements:
  ResourceRequirement:
    coresMin: $(inputs.threads)
inputs:
  dwi:
    type: File
    doc: Diffusion series, raw (before interpolation)
    inputBinding: {position: 1}
  output_name:
    type: string
    default: denoised.nii.gz
    inputBinding: {position: 2}
  bval:
    type: File
    inputBinding: {position: 3, prefix: --bval}
  bvec:
    type: File
    inputBinding: {position: 3, prefix: --bvec}
  mask:
    type: File?
    inputBinding: {position: 3, prefix: --mask}
  noise_in:
    type: File?
    doc: Noise map to use instead of measuring it
    inputBinding: {position: 3, prefix: --noise-in}
  noise_name:
    type: string
    default: noise.nii.gz
    inputBinding: {position: 3, prefix: --noise-out}
  rician:
    type:
      - "null"
      - type: enum
        symbols: [auto, "on", "off"]
    inputBinding: {position: 3, prefix: --rician}
  seed:
    type: long?
    inputBinding: {position: 3, prefix: --seed}
  threads:
    type: int
    default: 1
    inputBinding: {position: 3, prefix: --nthreads}
arguments:
  - {position: 4, valueFrom: --qc-dir}
  - {position: 5, valueFrom: qc}
outputs:
  image:
    type: File
    outputBinding: {glob: $(inputs.output_name)}
  tables_and_sidecar:
    type: File[]
    doc: .bval, .bvec and .json of the denoised series
    outputBinding: {glob: ["*.bval", "*.bvec", "*.json"]}
  noise:
    type: File
    outputBinding: {glob: $(inputs.noise_name)}
  pictures:
    type: Directory
    outputBinding: {glob: qc}
successCodes: [0]
permanentFailCodes: [1, 2, 3]
temporaryFailCodes: [5]
