package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// post publishes in a channel and returns the status.
func post(t *testing.T, node *server.Server, channel, origin string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("http://%s/channels/%s", node.Addr(), channel), strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// told makes an answer short: the keys that changed, those that take a restart in parentheses.
func told(changes []config.Change) string {
	var keys []string
	for _, c := range changes {
		if c.Live {
			keys = append(keys, c.Key)
		} else {
			keys = append(keys, "("+c.Key+")")
		}
	}
	return strings.Join(keys, " ")
}

func TestReloadTakesWhatARunningNodeCanTake(t *testing.T) {
	const page = "https://app.example.com"
	level := new(slog.LevelVar)
	first := config.Default()
	first.Listen.Address = "127.0.0.1:0"
	node, err := server.New(first, server.Options{Log: slog.New(slog.DiscardHandler), Level: level})
	if err != nil {
		t.Fatal(err)
	}
	go node.Serve()
	t.Cleanup(func() { // after the clients have gone
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		node.Shutdown(ctx)
	})
	open := dial(t, node, "/connect")
	if err := open.Write(t.Context(), websocket.Text, []byte(`{"type":"subscribe","channel":"chat"}`)); err != nil {
		t.Fatal(err)
	}
	until := func(words string) { // the open connection reads them
		t.Helper()
		for {
			_, message, err := open.Read(t.Context())
			if err != nil {
				t.Fatalf("waiting for %s: %v", words, err)
			}
			if strings.Contains(string(message), words) {
				return
			}
		}
	}
	until(`"subscribed"`)
	if status := post(t, node, "chat", ""); status != http.StatusForbidden {
		t.Errorf("publishing before: %d", status)
	}

	next := node.Config()
	next.Rules = []config.Rule{{Pattern: "chat", Subscribe: "everyone", Publish: "everyone", Slow: "disconnect", Backlog: 1 << 10}}
	next.Origins = []string{page}
	next.Log.Level = "debug"
	next.Limits.Connections = 2 // one that is open, and one for whoever publishes
	next.Limits.HeaderSize = 16 << 10
	changes, err := node.Reload(next)
	if want := "origins (limits.header_size) limits.connections rules log.level"; err != nil || told(changes) != want {
		t.Fatalf("reloaded %s, %v; want %s", told(changes), err, want)
	}
	if status := post(t, node, "chat", page); status/100 != 2 {
		t.Fatalf("publishing after, from a page that is listed now: %d", status)
	}
	until("hello")
	if level.Level() != slog.LevelDebug {
		t.Errorf("the level is %v", level)
	}
	dial(t, node, "/channels/chat")
	if _, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/channels/chat", node.Addr()), nil); err == nil {
		t.Error("a third connection is taken where two are allowed now")
	}
	if got := node.Config(); got.Limits.HeaderSize != first.Limits.HeaderSize {
		t.Errorf("what takes a restart holds already: header_size %v", got.Limits.HeaderSize)
	}
	again, err := node.Reload(next)
	if err != nil || told(again) != "(limits.header_size)" {
		t.Errorf("reloaded again: %s, %v", told(again), err)
	}
}

func TestReloadWithMistakesChangesNothing(t *testing.T) {
	node := start(t, config.Default())
	for _, c := range []struct {
		sentence string
		change   func(*config.Config)
	}{
		{"list the origins", func(c *config.Config) { c.Origins = []string{"https://a.example", "*"} }},
		{"rules[1] comes after rules[0]", func(c *config.Config) { c.Rules = []config.Rule{{Pattern: "*"}, {Pattern: "a"}} }},
		{"contradicts what stays", func(c *config.Config) {
			c.Limits.MessageSize, c.Limits.OutboxBytes = 128<<10, 4<<20
			c.Rules = []config.Rule{{Pattern: "a", Subscribe: "everyone", Publish: "everyone", Slow: "disconnect", Backlog: 1, MaxPayload: 2 << 20}}
		}},
	} {
		next := node.Config()
		c.change(&next)
		if changes, err := node.Reload(next); err == nil || !strings.Contains(err.Error(), c.sentence) {
			t.Errorf("reloaded %s, %v; want a sentence with %q", told(changes), err, c.sentence)
		}
		if changes := config.Diff(config.Default(), node.Config()); told(changes) != "(listen.address)" {
			t.Errorf("changed all the same: %s", told(changes))
		}
	}
}

func TestRulesOfTheConfigurationHold(t *testing.T) {
	var log bytes.Buffer
	c := changed(func(c *config.Config) {
		c.Rules = []config.Rule{{Pattern: "open:*", Subscribe: "everyone", Publish: "everyone", Slow: "conflate", Backlog: 1 << 10, MaxPayload: 4}}
	})
	t.Run("node", func(t *testing.T) {
		node := start(t, c, slog.New(slog.NewTextHandler(&log, nil)))
		for channel, want := range map[string]int{"open:1": http.StatusRequestEntityTooLarge, "other": http.StatusForbidden} {
			if status := post(t, node, channel, ""); status != want {
				t.Errorf("publishing hello in %s: %d, want %d", channel, status, want)
			}
		}
	})
	if strings.Contains(log.String(), "listen but not publish") {
		t.Errorf("the log says that nobody may publish:\n%s", &log)
	}
}

func TestAnotherSecretOfTheBackendIsSaidToTakeARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(secret string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Repeat(secret, 32)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	log := new(lines)
	node := start(t, changed(func(c *config.Config) {
		c.Backend.Call, c.Backend.SecretFile = "http://127.0.0.1:1/call", file
	}), slog.New(slog.NewTextHandler(log, nil)))
	reload := func() bool {
		t.Helper()
		if _, err := node.Reload(node.Config()); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(log.String(), "backend.secret_file holds another secret")
	}
	if reload() {
		t.Error("nothing has changed, and the log says that it has")
	}
	write("b")
	if !reload() {
		t.Errorf("the log says\n%s", log)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if reload(); !strings.Contains(log.String(), "cannot be read again") {
		t.Errorf("without the file the log says\n%s", log)
	}
}
