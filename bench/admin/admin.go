// Package admin is the line between the runner and a server process: one word a line on the server's standard input,
// one JSON object a line on its standard output.
//
// The server measures itself, because only it can see its allocations and because getrusage has microseconds where
// /proc has hundredths of a second. It does so when asked, outside the measured window: nothing of this package runs
// while messages do.
package admin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"golang.org/x/sys/unix"
)

// Commands that the runner sends. The end of the input ends the server.
const (
	Begin = "begin" // a measured window begins: answer with Stats
	End   = "end"   // it has ended: answer with Stats
	Idle  = "idle"  // collect all garbage, give memory back, then answer with Stats
)

// Hello is the first line of a server: where it listens.
type Hello struct {
	Address    string
	GOMAXPROCS int
}

// Stats is what a server process says about itself.
type Stats struct {
	CPU         time.Duration // user and system, exact (CLOCK_PROCESS_CPUTIME_ID)
	User        time.Duration // getrusage; how CPU divides into user and system is sampled by the kernel's tick
	System      time.Duration
	Mallocs     uint64 // heap objects ever allocated
	Collections uint32 // garbage collections ever done
	HeapBytes   uint64 // bytes of live heap objects
	HeapObjects uint64
	StackBytes  uint64 // stacks of goroutines
	RSS         uint64 // resident memory of the process
	Goroutines  int
}

// Serve answers commands from in until its end. A profile path that is not empty names the file for a CPU profile of
// the measured windows.
func Serve(in io.Reader, out io.Writer, hello Hello, profile string) error {
	answer := json.NewEncoder(out)
	if err := answer.Encode(hello); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		stats, err := obey(lines.Text(), profile)
		if err != nil {
			return err
		}
		if err := answer.Encode(stats); err != nil {
			return err
		}
	}
	return lines.Err()
}

// obey keeps the processor clock innermost: reading it is the last thing before a window and the first one after.
func obey(command, profile string) (stats Stats, err error) {
	switch command {
	case Begin:
		if err := startProfile(profile); err != nil {
			return stats, err
		}
		stats.readMemory()
		err = stats.readCPU()
	case End:
		err = stats.readCPU()
		pprof.StopCPUProfile()
		stats.readMemory()
	case Idle:
		// Stacks shrink and pools empty over more than one collection.
		for range 3 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
		debug.FreeOSMemory()
		stats.readMemory()
		err = stats.readRSS()
	default:
		err = fmt.Errorf("unknown command %q", command)
	}
	return stats, err
}

func (s *Stats) readCPU() error {
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &clock); err != nil {
		return fmt.Errorf("reading the processor clock: %w", err)
	}
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return fmt.Errorf("reading the resource usage: %w", err)
	}
	s.CPU = time.Duration(clock.Nano())
	s.User = time.Duration(usage.Utime.Nano())
	s.System = time.Duration(usage.Stime.Nano())
	return nil
}

func (s *Stats) readMemory() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.Mallocs, s.Collections = m.Mallocs, m.NumGC
	s.HeapBytes, s.HeapObjects, s.StackBytes = m.HeapAlloc, m.HeapObjects, m.StackInuse
	s.Goroutines = runtime.NumGoroutine()
}

func (s *Stats) readRSS() error {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	var total, resident uint64
	if _, err := fmt.Sscan(string(text), &total, &resident); err != nil {
		return fmt.Errorf("parsing /proc/self/statm: %w", err)
	}
	s.RSS = resident * uint64(os.Getpagesize())
	return nil
}

func startProfile(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(file)
}
