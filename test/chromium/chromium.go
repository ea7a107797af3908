// The browser of a package's tests.

package chromium

import (
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/test/node"
)

// folder is where browser.js is: the folder of this file.
var folder = sync.OnceValue(func() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
})

// driver is the driver of the browser, which is started when the first tab is opened. It fails the test if there is none.
func driver(t testing.TB) *node.Peer {
	t.Helper()
	return node.Shared(t, filepath.Join(folder(), "browser.js"), node.Chromium(t))
}
