package client_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/hub"
)

// token is one that the tests' servers believe, as long as it has not ended.
func token(user string, life time.Duration) string {
	claims := fmt.Sprintf(`{"sub":%q,"exp":%d.%03d}`, user, time.Now().Add(life).Unix(), time.Now().Add(life).UnixMilli()%1000)
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
}

// identify is for the servers: by a token or, without one, by ?user.
func identify(r *http.Request) (hub.Identity, error) {
	header := r.Header.Get("Authorization")
	if header == "expired" {
		return hub.Identity{}, hub.Errorf(hub.NotAllowed, "the token has expired")
	}
	if text, ok := strings.CutPrefix(header, "Bearer "); ok {
		return authenticate(r.Context(), nil, text)
	}
	return hub.Identity{User: r.URL.Query().Get("user")}, nil
}

func authenticate(_ context.Context, _ *hub.Session, text string) (hub.Identity, error) {
	var claims struct {
		Sub string
		Exp float64
	}
	parts := strings.Split(text, ".")
	bytes, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	if err != nil || json.Unmarshal(bytes, &claims) != nil {
		return hub.Identity{}, hub.Errorf(hub.Unauthorized, "%q is no token", text)
	}
	expires := time.UnixMilli(int64(claims.Exp * 1000))
	if time.Now().After(expires) {
		return hub.Identity{}, hub.Errorf(hub.TokenExpired, "the token has expired")
	}
	return hub.Identity{User: claims.Sub, Expires: expires}, nil
}

func TestATokenIsRenewedBeforeItEndsOrWhenItIsRefused(t *testing.T) {
	t.Parallel() // most of it is waiting
	n := startNode(t)
	for _, transport := range transports {
		t.Run(string(transport), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			var mu sync.Mutex
			var renewals []bool
			var states stateLog
			options := over(transport)
			options.Observe = states.note
			options.Token = func(_ context.Context, renew bool) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				renewals = append(renewals, renew)
				return []string{"no good", token("ann", 3*time.Second), token("ann", time.Hour)}[min(len(renewals)-1, 2)], nil
			}
			c := dial(t, "http://"+n.address, options)
			channel := "kept " + string(transport)
			s := subscribe(t, c, channel, client.SubscribeOptions{})
			publish(t, c, channel, "1")
			if m := nextText(t, s, "1"); m.User != "ann" {
				t.Errorf("published by %q", m.User)
			}
			until(t, "the token is renewed", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(renewals) >= 3
			})
			publish(t, c, channel, "2")
			nextText(t, s, "2")
			mu.Lock()
			defer mu.Unlock()
			// A slow machine may ask more often: tokens have ended before they are used.
			if renewals[0] || slices.Contains(renewals[1:], false) {
				t.Errorf("tokens were asked for with renew %v", renewals)
			}
			want := []client.State{client.Waiting, client.Connecting, client.Open}
			if got := states.all(); !slices.Equal(got[:3], want) {
				t.Errorf("states %v, want %v", got, want)
			}
		})
	}
}

func TestATokenThatIsRefusedForGoodIsTheEnd(t *testing.T) {
	n := startNode(t)
	for _, transport := range transports {
		asked := 0
		options := over(transport)
		options.Token = func(context.Context, bool) (string, error) {
			asked++
			return "no good", nil
		}
		_, err := client.Dial(within(t), "http://"+n.address, options)
		if err == nil || !strings.Contains(err.Error(), "no token") && !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", transport, err)
		}
		if asked != 3 {
			t.Errorf("%s: asked for %d tokens, want 3", transport, asked)
		}
	}
}
