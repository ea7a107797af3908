// The browser of a package's tests.

package chromium

import (
	"log"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/test/node"
)

// shared is the browser's driver, started when the first tab is opened.
var shared struct {
	once sync.Once
	peer *node.Peer
	err  error
}

// folder is where browser.js is: the folder of this file.
var folder = sync.OnceValue(func() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
})

// Main runs the tests of a package, ends the browser that they have used, and returns the code to exit with.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.peer == nil {
		return code
	}
	if err := shared.peer.Stop(); err != nil {
		log.Printf("ending Chromium: %v", err)
		return max(code, 1)
	}
	return code
}

// driver is the driver of the browser. It fails the test if there is none.
func driver(t testing.TB) *node.Peer {
	t.Helper()
	node.Modules(t)
	node.DependOn(t, folder(), node.Folder())
	path := node.Chromium(t)
	shared.once.Do(func() { shared.peer, shared.err = node.Launch(filepath.Join(folder(), "browser.js"), path) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.peer
}
