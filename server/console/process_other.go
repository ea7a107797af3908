//go:build !unix

package console

// process tells nothing where the system is another.
func process() (memory uint64, cpu float64) { return 0, 0 }
