// The browser.

package node

import (
	"os/exec"
	"testing"
)

// Chromium returns the path of an installed Chromium or Chrome, and fails the test if there is none.
func Chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("Chromium is needed and not installed; on Debian: apt-get install -y chromium")
	return ""
}
