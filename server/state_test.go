package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/server/state"
)

// lives runs a node with a state file; stop shuts it down.
func lives(t *testing.T, file string, log io.Writer, keepers ...state.Keeper) (node *server.Server, stop func()) {
	t.Helper()
	c := inDevMode()
	c.Listen.Address, c.State.File, c.Drain.Window = "127.0.0.1:0", file, time.Second
	node, err := server.New(c, server.Options{Log: slog.New(slog.NewTextHandler(log, nil)), Keepers: keepers})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()
	return node, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := errors.Join(node.Shutdown(ctx), <-serving, node.Shutdown(ctx)); err != nil { // twice, as some do
			t.Error(err)
		}
	}
}

// said is what a poll or POST is answered with.
type said struct {
	Cursor    string
	Duplicate bool
	Recovered *bool
	Messages  []struct{ Data string }
}

func lobby(t *testing.T, node *server.Server, method, query, key, body string) (a said) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://%s/channels/lobby?%s", node.Addr(), query), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil || a.Cursor == "" {
		t.Fatalf("%s: %+v, %v", response.Status, a, err)
	}
	return a
}

// note is a keeper of some other part.
type note struct{ text string }

func (*note) Name() string             { return "note" }
func (n *note) Save(w io.Writer) error { _, err := io.WriteString(w, n.text); return err }
func (n *note) Load(r io.Reader) error {
	text, err := io.ReadAll(r)
	n.text = string(text)
	return err
}

func TestCursorsAndKeysOutliveAGracefulRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	node, stop := lives(t, file, io.Discard, &note{"kept"})
	first := lobby(t, node, "POST", "", "a", "one")
	lobby(t, node, "POST", "", "b", "two")
	stop()
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	other := new(note)
	node, stop = lives(t, file, io.Discard, other)
	defer stop()
	if other.text != "kept" {
		t.Errorf("the other part has %q", other.text)
	}
	if again := lobby(t, node, "POST", "", "a", "one"); !again.Duplicate || again.Cursor != first.Cursor {
		t.Errorf("%+v, first %+v", again, first)
	}
	third := lobby(t, node, "POST", "", "c", "three")
	a := lobby(t, node, "GET", "after="+first.Cursor, "", "")
	if a.Recovered != nil || len(a.Messages) != 2 || a.Messages[0].Data != "two" || a.Messages[1].Data != "three" || a.Cursor != third.Cursor {
		t.Errorf("%+v", a)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is there while the node runs: %v", err)
	}
}

// The state of a broken start is none.
func TestANodeThatDoesNotStartLeavesTheStateToTheNext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	node, stop := lives(t, file, io.Discard)
	first := lobby(t, node, "POST", "", "", "one")
	c := inDevMode()
	c.Listen.Address, c.State.File = "127.0.0.1:0", file
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c.Listen.Private = taken.Addr().String()
	stop()
	if _, err := server.New(c, server.Options{Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Fatal("it starts with an address that is taken")
	}
	node, stop = lives(t, file, io.Discard)
	defer stop()
	second := lobby(t, node, "POST", "", "", "two")
	if a := lobby(t, node, "GET", "after="+first.Cursor, "", ""); len(a.Messages) != 1 || a.Cursor != second.Cursor {
		t.Errorf("after a start that failed: %+v", a)
	}
}

func TestADamagedStateIsAFreshStartWithALineInTheLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, []byte("ringdown state 1\nnot really"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	node, stop := lives(t, file, &log)
	lobby(t, node, "POST", "", "", "one")
	stop()
	if !strings.Contains(log.String(), "level=ERROR msg=\"the saved state is not used") {
		t.Errorf("the log says\n%s", &log)
	}
}

func TestANodeThatCouldNotSaveItsStateDoesNotStart(t *testing.T) {
	c := changed(func(c *config.Config) {
		c.Listen.Address, c.State.File = "127.0.0.1:0", filepath.Join(t.TempDir(), "none", "state")
	})
	if _, err := server.New(c, server.Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "state.file: ") {
		t.Errorf("%v", err)
	}
}
