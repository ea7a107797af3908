package server_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
)

// held is what a process holds: goroutines, and open files where the system tells.
func held() (goroutines, files int) {
	all, _ := os.ReadDir("/proc/self/fd")
	return runtime.NumGoroutine(), len(all)
}

// everything is a configuration that has a node open all that it can.
func everything(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := (&house{url: "http://127.0.0.1:1"}).with("connect subscribe publish call disconnect events")
	c.Dev, c.Listen.Address = false, "127.0.0.1:0"
	c.Listen.More = []config.Listener{{Address: "unix:" + filepath.Join(dir, "socket")}}
	c.Listen.Private = "127.0.0.1:0"
	c.Backend.Secret, c.Backend.SecretFile = "", write("backend.secret", hookSecret)
	c.Backend.Events.Dir = filepath.Join(dir, "events")
	c.Auth.Keys = []config.AuthKey{{SecretFile: write("token.secret", secret)}, {URL: "http://127.0.0.1:1/jwks"}}
	c.API.Keys = []config.APIKey{{Name: "all", SecretFile: write("api.key", apiKey), Rights: []string{"all"}}}
	c.Tracing.Endpoint = "http://127.0.0.1:1"
	return c
}

func TestANodeThatDoesNotStartLeavesNothingOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	nowhere := filepath.Join(t.TempDir(), "nowhere", "at", "all")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fails  string
		change func(*config.Config)
		why    string // in the error
	}{
		{"the first listener", func(c *config.Config) { c.Listen.Address = taken.Addr().String() }, "taken"},
		{"a further listener", func(c *config.Config) {
			c.Listen.More = append(c.Listen.More, config.Listener{Address: taken.Addr().String()})
		}, "taken"},
		{"the certificate", func(c *config.Config) { c.Listen.TLS = config.TLS{Cert: nowhere, Key: nowhere} }, "nowhere"},
		{"the folder of ACME", func(c *config.Config) { c.Listen.ACME = config.ACME{Domains: []string{"rt.example.com"}, Cache: file} }, "file"},
		{"the private listener", func(c *config.Config) { c.Listen.Private = taken.Addr().String() }, "listen.private"},
		{"the backend's secret", func(c *config.Config) { c.Backend.SecretFile = nowhere }, "backend.secret_file"},
		{"the folder of events", func(c *config.Config) { c.Backend.Events.Dir = filepath.Join(file, "events") }, "file"},
		{"an API key", func(c *config.Config) { c.API.Keys[0].SecretFile = nowhere }, "nowhere"},
		{"an API key that is too short", func(c *config.Config) { c.API.Keys[0].SecretFile = file }, "file"},
		{"the keys of tokens", func(c *config.Config) {
			c.Auth.Keys = append(c.Auth.Keys, config.AuthKey{SecretFile: file})
		}, ""},
	} {
		t.Run(c.fails, func(t *testing.T) {
			failing := everything(t)
			c.change(&failing)
			goroutines, files := held()
			for range 3 {
				node, err := server.New(failing, server.Options{Log: slog.New(slog.DiscardHandler)})
				if err == nil {
					stop(t, node)
					t.Fatal("it starts all the same")
				}
				if !strings.Contains(err.Error(), c.why) {
					t.Errorf("refused with %v", err)
				}
			}
			settles(t, goroutines, files)
		})
	}
}

func TestANodeThatIsShutDownLeavesNothingOpen(t *testing.T) {
	for name, serve := range map[string]bool{"having served": true, "never having served": false} {
		t.Run(name, func(t *testing.T) {
			c := everything(t)
			goroutines, files := held()
			node, err := server.New(c, server.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			if serve {
				go func() { served <- node.Serve() }()
			} else {
				served <- nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := node.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
			settles(t, goroutines, files)
		})
	}
}

// settles waits until the process holds no more than it did. Connections that were being opened may take a moment to give up.
func settles(t *testing.T, goroutines, files int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		g, f := held()
		if g <= goroutines && f <= files {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines and %d files are open, and were %d and %d:\n%s", g, f, goroutines, files, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
