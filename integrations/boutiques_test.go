package integrations

import (
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// descriptor is what the tests read of a Boutiques descriptor.
type descriptor struct {
	CommandLine string             `json:"command-line"`
	Inputs      []descriptorInput  `json:"inputs"`
	Outputs     []descriptorOutput `json:"output-files"`
}

type descriptorInput struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	ValueKey string `json:"value-key"`
	Flag     string `json:"command-line-flag"`
}

type descriptorOutput struct {
	ID       string   `json:"id"`
	Template string   `json:"path-template"`
	Stripped []string `json:"path-template-stripped-extensions"`
	Optional bool     `json:"optional"`
}

// fill replaces the value keys of a template; on the command line, with the inputs' flags before the values.
func (d descriptor) fill(template string, values map[string]string, commandLine bool) string {
	for _, in := range d.Inputs {
		value := values[in.ID]
		switch {
		case !commandLine:
		case value == "":
		case in.Type == "Flag":
			value = in.Flag
		case in.Flag != "":
			value = in.Flag + " " + value
		}
		template = strings.ReplaceAll(template, in.ValueKey, value)
	}
	return template
}

// path gives the name of an output, the extensions to strip taken off the values first.
func (d descriptor) path(o descriptorOutput, values map[string]string) string {
	stripped := map[string]string{}
	for id, value := range values {
		for _, ext := range o.Stripped {
			value = strings.TrimSuffix(value, ext)
		}
		stripped[id] = value
	}
	return d.fill(o.Template, stripped, false)
}

// validate holds a JSON file to a JSON Schema.
func validate(t *testing.T, schemaFile, file string) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	value, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
}
