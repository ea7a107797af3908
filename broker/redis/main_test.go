//go:build linux

package redis_test

import (
	"flag"
	"os"
	"testing"
)

// The tests wait far more than they work, so more of them run at once than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "8")
	os.Exit(m.Run())
}
