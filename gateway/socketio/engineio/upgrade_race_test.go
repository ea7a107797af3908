// Crowds that upgrade at random moments while both sides talk: nothing may be lost, doubled or out of order.

package engineio_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/websocket"
)

// talker is a client of the race: it behaves as the official one does, and numbers what it says.
type talker struct {
	*client
	messages int
	got      []string
	said     int
}

// take notes what came by polling. It returns false for what is to be no data.
func (k *talker) take(body string) {
	for packet := range strings.SplitSeq(body, "\x1e") {
		switch {
		case packet == "6" || packet == "2":
		case strings.HasPrefix(packet, "b"):
			b, _ := base64.StdEncoding.DecodeString(packet[1:])
			k.got = append(k.got, string(b))
		default:
			k.got = append(k.got, packet[1:])
		}
	}
}

// say posts the next few messages.
func (k *talker) say(n int) error {
	var packets []string
	for ; n > 0 && k.said < k.messages; n-- {
		text := numbered(k.said)
		if k.said%3 == 0 {
			packets = append(packets, "b"+base64.StdEncoding.EncodeToString([]byte(text)))
		} else {
			packets = append(packets, "4"+text)
		}
		k.said++
	}
	if len(packets) == 0 {
		return nil
	}
	a, err := k.try(context.Background(), "POST", k.query(), strings.NewReader(strings.Join(packets, "\x1e")))
	if err == nil && a.body != "ok" {
		err = fmt.Errorf("POST: %d %s", a.status, a.body)
	}
	return err
}

// poll gets until the upgrade has begun and the last GET has returned.
func (k *talker) poll(probed *atomic.Bool) error {
	for {
		a, err := k.try(context.Background(), "GET", k.query(), nil)
		if err != nil || a.status != 200 {
			return fmt.Errorf("GET: %d %s, %v", a.status, a.body, err)
		}
		k.take(a.body)
		if probed.Load() {
			return nil
		}
	}
}

// run talks over polling, upgrades at a random moment and talks on.
func (k *talker) run(r *rand.Rand) error {
	var probed atomic.Bool
	polled := make(chan error, 1)
	go func() { polled <- k.poll(&probed) }()
	for range r.IntN(6) {
		if err := k.say(1 + r.IntN(3)); err != nil {
			return err
		}
	}
	s := k.socket("&sid=" + k.id)
	if err := k.upgrading(s, r, &probed, polled); err != nil {
		return err
	}
	for ; k.said < k.messages; k.said++ {
		typ, text := websocket.Text, "4"+numbered(k.said)
		if k.said%3 == 0 {
			typ, text = websocket.Binary, text[1:]
		}
		s.send(typ, []byte(text))
	}
	for len(k.got) < k.messages {
		text, err := s.next()
		switch {
		case err != nil:
			return err
		case text == "2":
			s.write("3")
		case strings.HasPrefix(text, "b:"):
			k.got = append(k.got, text[2:])
		default:
			k.got = append(k.got, text[1:])
		}
	}
	return nil
}

// upgrading is the probe, with POSTs in the middle of it as far as the protocol lets them be.
func (k *talker) upgrading(s *socket, r *rand.Rand, probed *atomic.Bool, polled chan error) error {
	s.write("2probe")
	if text := s.read(); text != "3probe" {
		return fmt.Errorf("%q for 3probe", text)
	}
	probed.Store(true)
	if err := k.say(r.IntN(3)); err != nil {
		return err
	}
	if err := <-polled; err != nil {
		return err
	}
	s.write("5")
	return nil
}

func TestNothingIsLostDoubledOrReorderedByAnUpgrade(t *testing.T) {
	const talkers, messages = 200, 60
	var mu sync.Mutex
	heard := make(map[string][]string)
	var speaking sync.WaitGroup
	n := start(t, engineio.Handler{
		Open: func(c *engineio.Conn) {
			speaking.Go(func() {
				for i := range messages {
					switch i % 4 {
					case 0:
						c.Send(true, []byte(numbered(i)))
					case 1:
						c.SendPrepared(engineio.Prepare([]byte(numbered(i))))
					default:
						c.Send(false, []byte(numbered(i)))
					}
					time.Sleep(rand.N(2 * time.Millisecond))
				}
			})
		},
		Message: func(c *engineio.Conn, _ bool, p []byte) {
			mu.Lock()
			defer mu.Unlock()
			heard[c.ID()] = append(heard[c.ID()], string(p))
		},
	}, engineio.Options{PingInterval: 200 * time.Millisecond, PingTimeout: time.Minute})
	var crowd sync.WaitGroup
	all := make([]*talker, talkers)
	places := make(chan struct{}, 50) // who talk at once
	for i := range all {
		crowd.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			all[i] = &talker{client: n.dial(), messages: messages}
			if err := all[i].run(rand.New(rand.NewPCG(uint64(i), 1))); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	crowd.Wait()
	speaking.Wait()
	for i, k := range all {
		if t.Failed() {
			return
		}
		var said []string
		eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); said = heard[k.id]; return len(said) >= messages }, "what the client has said")
		for j := range messages {
			if k.got[j] != numbered(j) || said[j] != numbered(j) {
				t.Fatalf("client %d, at %d: got %q, heard %q", i, j, k.got[j], said[j])
			}
		}
		if len(k.got) != messages || len(said) != messages {
			t.Fatalf("client %d: got %d, heard %d", i, len(k.got), len(said))
		}
	}
	if got := n.server.Stats().Upgraded; got != talkers {
		t.Errorf("%d upgrades, want %d", got, talkers)
	}
}
