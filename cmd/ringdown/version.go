// ringdown version.

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by release builds: go build -ldflags "-X main.version=v1.2.3". Empty means: ask the Go toolchain.
var version string

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what this program was built from",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "ringdown", build())
		},
	}
}

// build says what this program was built from, by what, for what.
func build() string {
	info, _ := debug.ReadBuildInfo()
	return fmt.Sprintf("%s %s %s/%s", versionOf(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// release is the version alone.
func release() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info)
}

// versionOf names the build: by its release, else by what the toolchain knows of the module and its repository.
func versionOf(info *debug.BuildInfo) string {
	if version != "" {
		return version
	}
	if info == nil || info.Main.Version == "" {
		return "(unknown)"
	}
	name := info.Main.Version
	if name != "(devel)" {
		return name
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		name += " " + revision[:min(12, len(revision))]
	}
	if settings["vcs.modified"] == "true" {
		name += " with local changes"
	}
	return name
}
