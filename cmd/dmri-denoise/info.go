package main

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

type infoOptions struct {
	image  string
	tables tableFlags
	json   bool
}

func newInfoCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "info",
		Usage:     "show a scan's header, orientation, shells and the memory that run needs",
		ArgsUsage: "FILE",
		Description: `Reads the header of a NIfTI image and the gradient table beside it, and prints what run would see: matrix, voxel size, orientation, data type and scaling, shells with their volumes, warnings, and the estimated peak memory. The voxel values are not read, so it is quick on any size.

EXAMPLES
   dmri-denoise info dwi.nii.gz
   dmri-denoise info dwi.nii.gz --json | jq .shells
`,
		Flags: append(tableFlagSet("Input"), jsonFlag("the same facts"), quietFlag(), verboseFlag()),
		Action: func(c *cli.Context) error {
			o := infoOptions{json: c.Bool("json"), tables: tableFlagsFrom(c)}
			if c.NArg() != 1 {
				return usageHint("dmri-denoise info dwi.nii.gz", "info takes one image, %d given", c.NArg())
			}
			o.image = c.Args().First()
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(u)
		},
	}
}

func (o infoOptions) validate() error {
	if err := o.tables.validate(); err != nil {
		return err
	}
	if err := checkInput(o.image); err != nil {
		return err
	}
	return o.tables.checkFiles()
}

// scanInfo is what info prints; the JSON form is its public shape.
type scanInfo struct {
	File        string      `json:"file"`
	Format      string      `json:"format"`
	Datatype    string      `json:"datatype"`
	Shape       [4]int      `json:"shape"`
	VoxelSize   [3]float64  `json:"voxel_size_mm"`
	Slope       float64     `json:"scl_slope"`
	Intercept   float64     `json:"scl_inter"`
	Orientation string      `json:"orientation"`
	Axes        string      `json:"axes"`
	QformCode   int32       `json:"qform_code"`
	SformCode   int32       `json:"sform_code"`
	Affine      [][]float64 `json:"affine"`
	Description string      `json:"descrip"`
	BVal        string      `json:"bval,omitempty"`
	BVec        string      `json:"bvec,omitempty"`
	Grad        string      `json:"grad,omitempty"`
	Shells      []shellInfo `json:"shells,omitempty"`
	Gridded     bool        `json:"gridded,omitempty"`
	MemoryBytes int64       `json:"estimated_memory_bytes"`
	Warnings    []string    `json:"warnings"`
}

// shellInfo describes one shell in JSON outputs and sidecars.
type shellInfo struct {
	B       float64 `json:"b"`
	SD      float64 `json:"sd"`
	IsB0    bool    `json:"b0"`
	Count   int     `json:"count"`
	Volumes []int   `json:"volumes"`
}

func (o infoOptions) run(u *ui) error {
	info, err := o.collect()
	if err != nil {
		return err
	}
	if o.json {
		return u.printJSON(info)
	}
	u.print("%s", info.text())
	return nil
}

func (o infoOptions) collect() (*scanInfo, error) {
	reader, err := nifti.Open(o.image)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	header := reader.Header()
	info := describeHeader(o.image, header)
	info.Warnings = append(info.Warnings, reader.Warnings()...)
	nx, ny, nz, nt := header.Shape()
	info.MemoryBytes = estimateMemory(scanSize{voxels: nx * ny * nz, rows: nx * ny * nz, volumes: nt, threads: runtime.GOMAXPROCS(0), pages: true})
	table, err := o.tables.read(o.image)
	if err != nil {
		if o.tables.given() {
			return nil, err
		}
		info.Warnings = append(info.Warnings, err.Error())
		return info, nil
	}
	info.BVal, info.BVec, info.Grad = table.Files.BVal, table.Files.BVec, table.Files.Grad
	info.Warnings = append(info.Warnings, table.Warnings...)
	if err := table.Check(nt); err != nil {
		info.Warnings = append(info.Warnings, err.Error())
		return info, nil
	}
	shells := table.Shells(o.tables.b0Threshold)
	info.Shells, info.Gridded = describeShells(shells), shells.Gridded
	return info, nil
}

func describeHeader(path string, h *nifti.Header) *scanInfo {
	affine, orientation := h.Affine()
	nx, ny, nz, nt := h.Shape()
	info := &scanInfo{
		File: path, Format: fmt.Sprintf("NIfTI-%d", h.Version), Datatype: h.Datatype.String(),
		Shape: [4]int{nx, ny, nz, nt}, VoxelSize: h.VoxelSize(),
		Slope: finiteOr(h.SclSlope, 0), Intercept: finiteOr(h.SclInter, 0),
		Orientation: orientation.String(), Axes: axisLetters(affine, orientation),
		QformCode: h.QformCode, SformCode: h.SformCode, Description: h.Descrip, Warnings: []string{},
	}
	if h.BigEndian {
		info.Format += ", big-endian"
	}
	for _, row := range affine {
		info.Affine = append(info.Affine, row[:])
	}
	return info
}

// finiteOr replaces NaN and infinities, which JSON cannot hold.
func finiteOr(v, otherwise float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return otherwise
	}
	return v
}

// axisLetters names the direction in which each voxel axis grows, such as LPS or RAS; "???" without orientation.
func axisLetters(affine [4][4]float64, orientation nifti.Orientation) string {
	if orientation == nifti.NoOrientation {
		return "???"
	}
	letters := [3][2]string{{"R", "L"}, {"A", "P"}, {"S", "I"}}
	var out string
	for axis := range 3 {
		largest := 0
		for row := range 3 {
			if math.Abs(affine[row][axis]) > math.Abs(affine[largest][axis]) {
				largest = row
			}
		}
		if affine[largest][axis] >= 0 {
			out += letters[largest][0]
		} else {
			out += letters[largest][1]
		}
	}
	return out
}

func describeShells(shells gradients.Shells) []shellInfo {
	out := make([]shellInfo, len(shells.All))
	for i, s := range shells.All {
		out[i] = shellInfo{B: roundTo(s.B, 2), SD: roundTo(s.SD, 2), IsB0: s.IsB0, Count: len(s.Volumes), Volumes: s.Volumes}
	}
	return out
}

// roundTo keeps a fixed number of decimals, for figures that people read.
func roundTo(v float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(v*scale) / scale
}

func (s *scanInfo) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "file\t%s\n", s.File)
	fmt.Fprintf(w, "format\t%s, %s, slope %g, intercept %g\n", s.Format, s.Datatype, s.Slope, s.Intercept)
	fmt.Fprintf(w, "matrix\t%d x %d x %d, %d volumes\n", s.Shape[0], s.Shape[1], s.Shape[2], s.Shape[3])
	fmt.Fprintf(w, "voxel size\t%.4g x %.4g x %.4g mm\n", s.VoxelSize[0], s.VoxelSize[1], s.VoxelSize[2])
	fmt.Fprintf(w, "orientation\t%s from %s (qform_code %d, sform_code %d)\n", s.Axes, s.Orientation, s.QformCode, s.SformCode)
	if s.Description != "" {
		fmt.Fprintf(w, "description\t%s\n", s.Description)
	}
	switch {
	case s.Grad != "":
		fmt.Fprintf(w, "gradients\t%s\n", s.Grad)
	case s.BVal != "":
		fmt.Fprintf(w, "gradients\t%s, %s\n", s.BVal, s.BVec)
	}
	if s.Gridded {
		fmt.Fprintf(w, "sampling\tq-space grid, not shells\n")
	}
	w.Flush()
	b.WriteString(shellTable(s.Shells))
	fmt.Fprintf(&b, "memory for run: about %s\n", formatBytes(s.MemoryBytes))
	for _, warning := range s.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	return b.String()
}

// shellTable lists the shells with the volumes in each, one line a shell.
func shellTable(shells []shellInfo) string {
	if len(shells) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "shell\tb (s/mm²)\tvolumes\twhich (counted from 0)\n")
	for i, s := range shells {
		name := fmt.Sprint(i)
		if s.IsB0 {
			name = "b0"
		}
		value := fmt.Sprintf("%.0f", s.B)
		if s.SD >= 0.5 {
			value += fmt.Sprintf(" ± %.0f", s.SD)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", name, value, s.Count, ranges(s.Volumes))
	}
	w.Flush()
	return b.String()
}

// ranges writes ascending numbers shortly: 0, 5-9, 12.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		switch {
		case j == i:
			parts = append(parts, fmt.Sprint(numbers[i]))
		case j == i+1:
			parts = append(parts, fmt.Sprint(numbers[i]), fmt.Sprint(numbers[j]))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	const most = 12
	if len(parts) > most {
		parts = append(parts[:most], "…")
	}
	return strings.Join(parts, ", ")
}
