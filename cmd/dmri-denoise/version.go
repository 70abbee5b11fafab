package main

import (
	"runtime/debug"
	"strings"
)

// version is set by the Makefile: -ldflags "-X main.version=1.2.3".
var version = ""

// programVersion returns the version without a leading v: the one set at link time, else the module version that
// `go install module@version` records, else the commit of a plain `go build`.
func programVersion() string {
	if version != "" {
		return strings.TrimPrefix(version, "v")
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "0.1.0-dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return strings.TrimPrefix(v, "v")
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 10 {
			return "0.1.0-dev+" + setting.Value[:10]
		}
	}
	return "0.1.0-dev"
}
