package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/loadtest"
	"github.com/ringdown/ringdown/websocket"
)

func TestBenchPrintsATable(t *testing.T) {
	for _, test := range []struct {
		kind, url string
		flags     []string
		rows      []string
	}{
		{"idle", peer(t, echo, nil), []string{"--connections", "5"}, []string{"connections   5 opened in", "each echoed once", "errors        none"}},
		{"echo", peer(t, echo, nil), []string{"-c", "3", "--in-flight", "4", "--size", "300"}, []string{"connections   3 opened", "of 300 B in", "latency       p50", "max", "errors        none"}},
		{"echo", peer(t, echo, nil), []string{"-c", "3", "--rate", "1000"}, []string{"messages", "errors        none"}},
		{"fanout", devNode(t), []string{"-c", "3"}, []string{"connections   3 opened", "publications", "latency       p50", "errors        none"}},
	} {
		t.Run(test.kind+" "+strings.Join(test.flags, " "), func(t *testing.T) {
			args := append([]string{"bench", test.kind, "--duration", "50ms", test.url}, test.flags...)
			if runtime.GOOS == "linux" {
				args = append(args, "--pid", fmt.Sprint(os.Getpid()))
				test.rows = append(test.rows, "server CPU", "server memory")
			}
			r := runCommand(t, nil, args...)
			if r.status != 0 || !strings.HasPrefix(r.out, test.kind+" "+test.url+"\n") {
				t.Errorf("status %d", r.status)
			}
			for _, row := range test.rows {
				if !strings.Contains(r.out, row) {
					t.Errorf("the table lacks %q", row)
				}
			}
			if !strings.HasPrefix(r.errs, "connecting: 0 of ") {
				t.Error("no progress was shown")
			}
			if t.Failed() {
				t.Logf("output:\n%s\nerror output:\n%s", r.out, r.errs)
			}
		})
	}
}

func TestBenchCountsErrorsAndExitsWithOne(t *testing.T) {
	url := peer(t, func(c *websocket.Conn) {
		n := 0
		for m, err := range c.Messages(context.Background()) {
			if n++; err != nil || n == 3 {
				c.Close(websocket.StatusTryAgainLater, "busy \x1b[2J")
				return
			}
			c.Write(context.Background(), m.Type, m.Data)
		}
	}, nil)
	r := runCommand(t, nil, "bench", "echo", url, "-c", "2", "-d", "1s")
	if r.status != 1 || !strings.Contains(r.errs, "the table has the errors") {
		t.Errorf("status %d:\n%s", r.status, r.errs)
	}
	for _, want := range []string{"errors        2 × ", "1013", `busy \x1b[2J`, "2 lost"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("the table lacks %q:\n%s", want, r.out)
		}
	}
}

func TestBenchOfTheWrongKindIsRefused(t *testing.T) {
	runCommand(t, nil, "bench", "echo", devNode(t)).check(t, 1, "", "use fanout")
	runCommand(t, nil, "bench", "fanout", "--timeout", "1s", peer(t, echo, nil)).check(t, 1, "", "subscribers heard nothing")
	runCommand(t, nil, "bench", "idle", "ws://127.0.0.1:1/").check(t, 1, "", "refused")
}

func TestInterruptedBenchPrintsTheTableSoFar(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := peer(t, func(c *websocket.Conn) {
		n := 0
		for m, err := range c.Messages(context.Background()) {
			if n++; n == 100 {
				cancel()
			}
			if err != nil || c.Write(context.Background(), m.Type, m.Data) != nil {
				return
			}
		}
	}, nil)
	var out, errs lockedBuffer
	status := run(ctx, []string{"bench", "echo", url, "-c", "2", "-d", "1h"}, nil, &out, &errs)
	if status != 0 || !strings.Contains(out.String(), "(interrupted)") || !strings.Contains(out.String(), "latency ") {
		t.Errorf("status %d:\n%s%s", status, out.String(), errs.String())
	}
}

func TestWrongBenchCommandLinesAreExplained(t *testing.T) {
	for _, c := range []struct {
		args     []string
		sentence string
	}{
		{[]string{"idle"}, "idle takes one URL"},
		{[]string{"echo", "localhost:8000"}, "write it as ws://"},
		{[]string{"fanout", "ws://localhost", "--header", "nonsense"}, "'Name: value'"},
		{[]string{"echo", "ws://localhost", "--compression", "full"}, "off, no-takeover or takeover"},
		{[]string{"echo", "ws://localhost", "--rate", "-1"}, "negative"},
		{[]string{"idle", "ws://localhost", "--connections", "1000000000"}, "ulimit -n"},
		{[]string{"idle", "ws://localhost", "--rate", "1"}, "ringdown bench idle --help"},
		{[]string{"flood", "ws://localhost"}, "flood"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			runCommand(t, nil, append([]string{"bench"}, c.args...)...).check(t, 1, "", "ringdown: ", c.sentence)
		})
	}
}

func TestProgressForALogHasALineAPhase(t *testing.T) {
	var out strings.Builder
	b := newBenchProgress(&out)
	for _, p := range []loadtest.Progress{
		{Phase: "connecting", Wanted: 2000, Connections: 1},
		{Phase: "connecting", Wanted: 2000, Connections: 500},
		{Phase: "running", Wanted: 2000, Connections: 1999, Messages: 1234, Failures: 1, Elapsed: 3 * time.Second, Duration: 10 * time.Second},
	} {
		b.show(p)
	}
	b.end()
	const want = "connecting: 1 of 2,000 connections\n" +
		"running: 1,999 of 2,000 connections, 3 of 10 s, 1,234 messages, 1 errors\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestFiguresAreShort(t *testing.T) {
	for want, got := range map[string]string{
		"950 ns":     short(950),
		"1.50 µs":    short(1500),
		"12.3 ms":    short(12_345_678),
		"100 ms":     short(99_960 * time.Microsecond),
		"61.0 s":     short(61 * time.Second),
		"0":          grouped(0),
		"-1,234":     grouped(-1234),
		"12,345,678": grouped(12_345_678),
		"512 B":      bytesText(512),
		"1.50 KiB":   bytesText(1536),
		"25.0 MiB":   bytesText(25 << 20),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
