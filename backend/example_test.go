package backend_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ringdown/ringdown/backend"
)

// A service that lets nobody into a room, and how it is asked.
func Example() {
	secrets := []backend.Secret{"0123456789abcdef0123456789abcdef"}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := backend.Verify(r, secrets, 0); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"allow": false, "code": "members_only", "reason": "join the club first"}`)
	}))
	defer service.Close()

	hooks, err := backend.NewHooks(backend.HooksOptions{
		URL:     service.URL,
		Secrets: secrets,
		Hooks:   map[backend.Hook]backend.HookOptions{backend.Subscribe: {}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hooks.Close(context.Background())

	err = hooks.Subscribe(context.Background(), backend.SubscribeRequest{
		Client:  backend.Client{Session: "4j6k2h5g7f3d8s9a1p0q", User: "ann"},
		Channel: "room:42",
	})
	var refusal *backend.Error
	if errors.Is(err, backend.ErrDenied) && errors.As(err, &refusal) {
		fmt.Println(refusal.Code, "-", refusal.Reason)
	}
	// Output: members_only - join the club first
}
