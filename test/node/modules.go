// The npm packages, installed once.

package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Folder is where package.json and node_modules are.
func Folder() string { return folder() }

// folder is that of this file.
var folder = sync.OnceValue(func() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
})

var install = sync.OnceValues(installModules)

// Modules makes sure that the npm packages of the lock file are installed, and fails the test if they cannot be.
func Modules(t testing.TB) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is needed and not installed; on Debian: apt-get install -y nodejs npm (Node 20 or newer)", program)
		}
	}
	if output, err := install(); err != nil {
		t.Fatalf("%v; by hand: npm ci --prefix %s\n%s", err, Folder(), output)
	}
}

// installModules runs npm ci unless its work is done already. Test binaries run side by side, so it holds a lock.
func installModules() (output []byte, err error) {
	unlock, err := lock(filepath.Join(os.TempDir(), "ringdown-test-npm.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if installed() {
		return nil, nil
	}
	npm := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	npm.Dir = Folder()
	return npm.CombinedOutput()
}

// installed reports whether the packages are those of the lock file: npm notes at their side what it installed, and when.
func installed() bool {
	wanted, err := os.Stat(filepath.Join(Folder(), "package-lock.json"))
	if err != nil {
		return false
	}
	there, err := os.Stat(filepath.Join(Folder(), "node_modules", ".package-lock.json"))
	return err == nil && !there.ModTime().Before(wanted.ModTime())
}
