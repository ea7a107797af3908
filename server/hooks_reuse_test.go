package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
)

// postAs publishes with the cookie of a login, and returns the status.
func postAs(t *testing.T, node *server.Server, login, payload string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("http://%s/channels/lobby", node.Addr()), strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	if login != "" {
		r.Header.Set("Cookie", "login="+login)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestTheBackendIsAskedOnceForRequestsOfAMoment(t *testing.T) {
	for _, c := range []struct {
		proves string
		reuse  time.Duration
		logins []string
		want   int32
	}{
		{"one client", time.Hour, []string{"ann", "ann", "ann", "ann"}, 1},
		{"two clients", time.Hour, []string{"ann", "bob", "ann", "bob"}, 2},
		{"who is denied", time.Hour, []string{"forged", "forged", "ann", "forged"}, 4},
		{"who shows nothing", time.Hour, []string{"", "", ""}, 3},
		{"switched off", 0, []string{"ann", "ann", "ann"}, 3},
	} {
		t.Run(c.proves, func(t *testing.T) {
			h := newHouse(t)
			config := h.with("connect")
			config.Backend.ConnectReuse = c.reuse
			node := start(t, config)
			for _, login := range c.logins {
				want := http.StatusCreated
				if login == "forged" {
					want = http.StatusUnauthorized
				}
				if status := postAs(t, node, login, "hello"); status != want {
					t.Errorf("%q: %d, want %d", login, status, want)
				}
			}
			if asked := h.connects.Load(); asked != c.want {
				t.Errorf("asked %d times, want %d", asked, c.want)
			}
		})
	}
}

func TestWebSocketsAreAskedAboutEachTime(t *testing.T) {
	h := newHouse(t)
	config := h.with("connect")
	config.Backend.ConnectReuse = time.Hour
	node := start(t, config)
	postAs(t, node, "ann", "hello")
	for range 2 {
		if _, _, err := enter(t, node, "/channels/lobby", "ann"); err != nil {
			t.Fatal(err)
		}
	}
	if asked := h.connects.Load(); asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}
