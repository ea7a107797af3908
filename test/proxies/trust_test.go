//go:build unix

package proxies

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// client is where clients come from here, who are not the proxy: an address of this machine that no proxy has.
const client = "127.0.0.2"

// checked is the line of haproxy.cfg that says how it checks and speaks to nodes.
const checked = "default-server check inter 2s fall 1 rise 2"

func of(name string) *kind {
	return &kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

func TestTheClientsAddressPassesByThePROXYProtocol(t *testing.T) {
	for version, option := range map[string]string{"1": "send-proxy", "2": "send-proxy-v2"} {
		t.Run("version "+version, func(t *testing.T) {
			k := of("haproxy")
			path, set := k.prepare(t)
			node := startNodeAs(t, func(c *config.Config) {
				c.Origins = []string{"https://127.0.0.1:" + set.port}
				c.Listen.ProxyProtocol, c.Listen.TrustedProxies, c.Listen.Private = true, []string{"127.0.0.1"}, "127.0.0.1:0"
			})
			set.node = node.Addr().String()
			s := k.inFront(t, path, set, change{checked, checked + " " + option + " check-send-proxy"})
			t.Run("WebSocket", s.passesWebSockets)
			t.Run("event stream", s.passesEventStreams)
			t.Run("long poll", s.passesLongPolls)
			s.dialFrom(t, client)
			if remote := remoteOf(t, node, "ann"); remote != client {
				t.Errorf("the node takes %q for the client, who is %s", remote, client)
			}
		})
	}
}

// The node's own pages need not be listed where the proxy says that it ends TLS, and its client is known.
func TestWhatTheDeployedProxiesSayOfTheClientIsBelieved(t *testing.T) {
	for _, name := range []string{"nginx", "haproxy", "caddy"} {
		t.Run(name, func(t *testing.T) {
			k := of(name)
			path, set := k.prepare(t)
			node := startNodeAs(t, func(c *config.Config) {
				c.Listen.TrustedProxies, c.Listen.Private = []string{"127.0.0.1"}, "127.0.0.1:0"
			})
			set.node = node.Addr().String()
			s := k.inFront(t, path, set)
			s.dialFrom(t, client)
			if remote := remoteOf(t, node, "ann"); remote != client {
				t.Errorf("the node takes %q for the client, who is %s", remote, client)
			}
		})
	}
}

// dialFrom opens a WebSocket for ann as a page of the site does, from an address of this machine. It is closed with the test.
func (s *site) dialFrom(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	c, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(s.url, "https")+"/connect?user=ann", &websocket.DialOptions{
		TLSConfig: &tls.Config{RootCAs: s.roots}, Header: http.Header{"Origin": {s.url}}, DialContext: dialer.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
}

// remoteOf asks a node for the address of the first session of a user.
func remoteOf(t *testing.T, node *server.Server, user string) string {
	t.Helper()
	response, err := http.Get(fmt.Sprintf("http://%s/api/v1/users/%s/sessions", node.PrivateAddr(), user))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var all struct {
		Sessions []struct{ Remote string }
	}
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil || len(all.Sessions) != 1 {
		t.Fatalf("%s: %+v, %v", response.Status, all, err)
	}
	host, _, err := net.SplitHostPort(all.Sessions[0].Remote)
	if err != nil {
		return all.Sessions[0].Remote
	}
	return host
}

func TestHAProxyLeavesOutWhatIsNotReady(t *testing.T) {
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusNotFound} { // a node that drains, and what is none
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			k := of("haproxy")
			path, set := k.prepare(t)
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/readyz" {
					w.WriteHeader(status)
				}
			}))
			defer other.Close()
			set.node = other.Listener.Addr().String()
			s := k.inFront(t, path, set, change{checked, strings.Replace(checked, "2s", "100ms", 1)})
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}}
			defer transport.CloseIdleConnections()
			for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
				response, err := (&http.Client{Transport: transport}).Get(s.url + "/channels/a")
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode == http.StatusServiceUnavailable {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("it still passes requests on: %s", response.Status)
				}
			}
		})
	}
}
