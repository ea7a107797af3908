package main

import (
	"runtime/debug"
	"testing"
)

func TestVersionOf(t *testing.T) {
	setting := func(pairs ...string) (settings []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			settings = append(settings, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return settings
	}
	for _, c := range []struct {
		proves string
		info   *debug.BuildInfo
		want   string
	}{
		{"no build information", nil, "(unknown)"},
		{"installed by version", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
		{"outside a repository", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "(devel)"},
		{"in a changed checkout", &debug.BuildInfo{
			Main:     debug.Module{Version: "(devel)"},
			Settings: setting("vcs.revision", "0123456789abcdef", "vcs.modified", "true"),
		}, "(devel) 0123456789ab with local changes"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			if got := versionOf(c.info); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
