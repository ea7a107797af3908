package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
)

const secret backend.Secret = "a secret that is for tests"

// ask is Ringdown asking the chat, over a real connection.
func ask(t *testing.T, with backend.Secret) *backend.Hooks {
	t.Helper()
	service := httptest.NewServer(newChat(secret))
	t.Cleanup(service.Close)
	o := backend.HooksOptions{URL: service.URL, Secrets: []backend.Secret{with}, ConnectCookies: []string{"chat_session"}, Hooks: map[backend.Hook]backend.HookOptions{}}
	for _, hook := range backend.AllHooks() {
		o.Hooks[hook] = backend.HookOptions{Timeout: 30 * time.Second}
	}
	hooks, err := backend.NewHooks(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hooks.Close(context.Background()) })
	return hooks
}

func cookie(value string) http.Header { return http.Header{"Cookie": {"chat_session=" + value}} }

func text(s string) backend.Payload { return backend.Payload{Bytes: []byte(s)} }

func TestACookieSaysWhoConnects(t *testing.T) {
	hooks := ask(t, secret)
	d, err := hooks.Connect(t.Context(), backend.ConnectRequest{Header: cookie("a-cookie-of-ann")})
	if err != nil || d.User != "ann" || string(d.Info) != `{"name":"Ann"}` || len(d.Channels) != 1 || d.Lifetime != 8*time.Hour {
		t.Errorf("%+v, %v", d, err)
	}
	_, err = hooks.Connect(t.Context(), backend.ConnectRequest{Header: cookie("a-forged-one")})
	if e, ok := errors.AsType[*backend.Error](err); !ok || e.Code != "unauthorized" {
		t.Error(err)
	}
}

func TestClosedRoomsAreForTheirMembers(t *testing.T) {
	hooks := ask(t, secret)
	for user, may := range map[string]bool{"ann": true, "bob": false} {
		client := backend.Client{User: user}
		enters := hooks.Subscribe(t.Context(), backend.SubscribeRequest{Client: client, Channel: "room:board"})
		_, speaks := hooks.Publish(t.Context(), backend.PublishRequest{Client: client, Channel: "room:board", Data: text("hello")})
		if may != (enters == nil) || may != (speaks == nil) || !may && !errors.Is(enters, backend.ErrDenied) {
			t.Errorf("%s: enters %v, speaks %v", user, enters, speaks)
		}
		if err := hooks.Subscribe(t.Context(), backend.SubscribeRequest{Client: client, Channel: "room:open"}); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsNotSaidHereIsRewrittenAndCounted(t *testing.T) {
	hooks, bob := ask(t, secret), backend.Client{User: "bob"}
	d, err := hooks.Publish(t.Context(), backend.PublishRequest{Client: bob, Channel: "room:open", Data: text("Oh heck, what a checkbox")})
	if err != nil || string(d.Data.Bytes) != "Oh ✿✿✿, what a checkbox" {
		t.Errorf("%+v, %v", d, err)
	}
	_, err = hooks.Publish(t.Context(), backend.PublishRequest{Client: bob, Channel: "room:open", Data: backend.Payload{Kind: backend.JSON, Bytes: []byte("1")}})
	if !errors.Is(err, backend.ErrDenied) {
		t.Error(err)
	}
	result, err := hooks.Call(t.Context(), backend.CallRequest{Client: bob, Method: "said", Data: text("")})
	if err != nil || string(result.Bytes) != "1" {
		t.Errorf("%s, %v", result.Bytes, err)
	}
	if _, err := hooks.Call(t.Context(), backend.CallRequest{Client: bob, Method: "fly", Data: text("")}); !errors.Is(err, backend.ErrDenied) {
		t.Error(err)
	}
}

func TestNobodyElseIsAnswered(t *testing.T) {
	err := ask(t, "a secret that is another").Subscribe(t.Context(), backend.SubscribeRequest{Channel: "room:open"})
	if !errors.Is(err, backend.ErrInvalidAnswer) || !strings.Contains(err.Error(), "the same secret") {
		t.Error(err)
	}
}
