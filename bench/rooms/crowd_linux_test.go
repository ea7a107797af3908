package rooms

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/bench/frames"
	"github.com/ringdown/ringdown/bench/servers"
)

// A play is what a server says in a protocol: its greeting, its answers to what a client says, and what it makes of a
// publication. The texts are as each server's documentation shows them.
type play struct {
	greeting  string
	answers   map[string]string
	publisher string // what the message of a publisher begins with
	delivery  string // %s is the payload
}

var plays = map[string]play{
	"ringdown": {delivery: `%s`, publisher: `{"n":`},
	"ringdown-native": {
		answers: map[string]string{
			`{"type":"subscribe","channel":"bench","id":1}`: `{"type":"subscribed","channel":"bench","id":1,"cursor":"x"}`,
		},
		publisher: `{"type":"publish","channel":"bench","data":`,
		delivery:  `{"type":"message","channel":"bench","data":%s,"offset":7,"cursor":"x"}`,
	},
	"centrifugo": {
		answers: map[string]string{
			`{"id":1,"connect":{}}`:                    `{"id":1,"connect":{"client":"0a","version":"6.0.0","ping":25,"pong":true}}`,
			`{"id":2,"subscribe":{"channel":"bench"}}`: `{"id":2,"subscribe":{"recoverable":true,"epoch":"xyz","positioned":true}}`,
		},
		publisher: `{"id":3,"publish":{"channel":"bench","data":`,
		delivery:  `{"push":{"channel":"bench","pub":{"data":%s,"offset":7}}}`,
	},
	"socket.io": {
		greeting: `0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`,
		answers: map[string]string{
			`40`:                  `40{"sid":"oSO0OpakMV_3jnilAAAA"}`,
			`420["join","bench"]`: `430[]`,
		},
		publisher: `42["publish","bench",`,
		delivery:  `42["message",%s]`,
	},
	"ringdown-sse": {delivery: "id: 7\ndata: %s\n\n"},
}

func TestClientsJoinHearPublishAndKeepAliveInEveryProtocol(t *testing.T) {
	const subscribers, inFlight = 5, 16
	for _, peer := range All() {
		if peer == floor || peer == hub || peer == ringdownSocketIO || peer.Does(Cluster) { // real, below; or in the protocol of another
			continue
		}
		t.Run(peer.Name, func(t *testing.T) {
			s := startStage(t, peer)
			c, err := newCrowd(s.address, &peer.Protocol)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			if err := c.join(subscribers); err != nil {
				t.Fatal(err)
			}
			publisher, err := c.publisher()
			if err != nil {
				t.Fatal(err)
			}
			f := &fanout{crowd: c, publisher: publisher, slots: make([]slot, inFlight)}
			c.heard = f.heard
			for range 2 {
				if _, err := f.run(0, 0); err != nil {
					t.Fatal(err)
				}
				if want := inFlight * subscribers; f.deliveries != want {
					t.Errorf("%d deliveries, want %d", f.deliveries, want)
				}
			}
			if peer.Protocol.Pulse != "" {
				s.keepAlive(t, c)
			}
		})
	}
}

func TestRequestsArePostedAndHeard(t *testing.T) {
	for _, peer := range []*Peer{ringdownSSE} {
		s := startStage(t, peer)
		c, err := newCrowd(s.address, &peer.Protocol)
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if err := c.join(1); err != nil {
			t.Fatal(err)
		}
		var posters []*session
		for range 3 {
			poster, err := c.poster()
			if err != nil {
				t.Fatal(err)
			}
			posters = append(posters, poster)
		}
		f := &posting{crowd: c, asked: map[*session]time.Duration{}, published: map[int]bool{}}
		c.unordered, c.heard, c.answered = true, f.hear, f.hearAnswer
		if _, err := f.run(posters, 20*time.Millisecond, 0); err != nil {
			t.Fatal(err)
		}
		if f.answered < len(posters) || f.heard != f.posted {
			t.Errorf("%d answered, %d posted, %d heard", f.answered, f.posted, f.heard)
		}
	}
}

func TestARefusalIsTold(t *testing.T) {
	ln := listen(t)
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such thing", http.StatusNotFound)
	}))
	c, err := newCrowd(netip.MustParseAddrPort(ln.Addr().String()), &ringdownNative.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.join(1); err == nil || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("the error is %v", err)
	}
}

func TestOwnRoomsDeliverToAll(t *testing.T) {
	for peer, serve := range map[*Peer]func(net.Listener) error{
		floor:            func(ln net.Listener) error { return servers.Relay(ln, PayloadSize) },
		hub:              servers.Hub,
		ringdownSocketIO: servers.SocketIO,
	} {
		t.Run(peer.Name, func(t *testing.T) {
			ln := listen(t)
			go serve(ln)
			c, err := newCrowd(netip.MustParseAddrPort(ln.Addr().String()), &peer.Protocol)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			if err := c.join(7); err != nil {
				t.Fatal(err)
			}
			publisher, err := c.publisher()
			if err != nil {
				t.Fatal(err)
			}
			f := &fanout{crowd: c, publisher: publisher, slots: make([]slot, 16)}
			c.heard = f.heard
			if _, err := f.run(20*time.Millisecond, 0); err != nil {
				t.Fatal(err)
			}
			if f.deliveries < 16*7 {
				t.Errorf("%d deliveries", f.deliveries)
			}
		})
	}
}

func TestClientsAskAndAreAnswered(t *testing.T) {
	ln := listen(t)
	go servers.SocketIO(ln)
	c, err := newCrowd(netip.MustParseAddrPort(ln.Addr().String()), &ringdownSocketIO.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.join(7); err != nil {
		t.Fatal(err)
	}
	f := &asking{crowd: c, asked: make([]time.Duration, len(c.sessions))}
	c.heard = f.hear
	if _, err := f.run(20*time.Millisecond, 100); err != nil {
		t.Fatal(err)
	}
	if f.answered < 100 || f.out != 0 {
		t.Errorf("%d answered, %d not", f.answered, f.out)
	}
}

func TestProcessorTimesAreReadBehindTheProgramsName(t *testing.T) {
	const stat = `42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 123 45 6 7 20 0 5 0 100 1000 200 18446744073709551615`
	user, system, err := parseStat(stat)
	if user != 1230*time.Millisecond || system != 450*time.Millisecond || err != nil {
		t.Errorf("read %v and %v, %v", user, system, err)
	}
	for _, malformed := range []string{"", "42", "42 (a) S 1 2", "42 (a) S 1 42 42 0 -1 4194560 1 0 0 0 x 45 6"} {
		if _, _, err := parseStat(malformed); err == nil {
			t.Errorf("%q was accepted", malformed)
		}
	}
}

// stage is a server that plays.
type stage struct {
	peer    *Peer
	play    play
	address netip.AddrPort

	mu      sync.Mutex
	hearers []*player
	beats   chan struct{} // one for each heartbeat that was answered
}

// player is the server's end of a connection.
type player struct {
	mu   sync.Mutex
	conn net.Conn
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func startStage(t *testing.T, peer *Peer) *stage {
	ln := listen(t)
	s := &stage{
		peer: peer, play: plays[peer.Name], address: netip.MustParseAddrPort(ln.Addr().String()), beats: make(chan struct{}, 100),
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go s.serve(&player{conn: conn}) // ends with the connection, which the client closes
		}
	}()
	return s
}

func (s *stage) serve(p *player) {
	defer p.conn.Close()
	in := bufio.NewReader(p.conn)
	for {
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		switch {
		case request.Method == http.MethodPost:
			payload, _ := io.ReadAll(request.Body) // a cut body fails the client's check
			s.deliver(payload)
			p.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		case s.peer.Protocol.Stream == EventStream:
			s.hears(p, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:\n\n\r\n")
		default:
			const accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
			if len(s.peer.Protocol.Join) == 0 {
				s.hears(p, accepted)
			} else {
				p.write(accepted)
			}
			s.talk(p, in)
			return
		}
	}
}

// talk answers as the play says. Whoever has joined hears.
func (s *stage) talk(p *player, in io.Reader) {
	if s.play.greeting != "" {
		p.say(s.play.greeting)
	}
	for {
		text, err := readMasked(in)
		if err != nil {
			return
		}
		answer, known := s.play.answers[text]
		switch {
		case known && text == s.peer.Protocol.Join[len(s.peer.Protocol.Join)-1].Say:
			s.hears(p, frame(answer))
		case known:
			p.say(answer)
		case strings.HasPrefix(text, s.play.publisher):
			at := strings.Index(text, sheetHead)
			s.deliver([]byte(text[at : at+PayloadSize]))
		case text == s.peer.Protocol.Beat:
			s.beats <- struct{}{}
		default:
			p.conn.Close() // which fails the client
			return
		}
	}
}

// hears writes what tells a client that it has joined, after which it misses nothing.
func (s *stage) hears(p *player, joined string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.write(joined)
	s.hearers = append(s.hearers, p)
}

func (s *stage) deliver(payload []byte) {
	text := fmt.Sprintf(s.play.delivery, payload)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.hearers {
		if s.peer.Protocol.Stream == EventStream {
			p.write(fmt.Sprintf("%x\r\n%s\r\n", len(text), text))
		} else {
			p.say(text)
		}
	}
}

// keepAlive lets every hearer's heart beat and waits for the answers.
func (s *stage) keepAlive(t *testing.T, c *crowd) {
	s.mu.Lock()
	hearers := s.hearers
	s.mu.Unlock()
	for _, p := range hearers {
		p.say(s.peer.Protocol.Pulse)
	}
	deadline := time.Now().Add(20 * time.Second)
	for range hearers {
		for answered := false; !answered; {
			if err := c.turn(0); err != nil {
				t.Fatal(err)
			}
			select {
			case <-s.beats:
				answered = true
			default:
			}
			if time.Now().After(deadline) {
				t.Fatal("heartbeats went without an answer")
			}
		}
	}
}

func (p *player) say(text string) { p.write(frame(text)) }

func frame(text string) string {
	return string(frames.Server(nil, frames.Header{Fin: true, Opcode: frames.OpText}, []byte(text)))
}

func (p *player) write(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.conn, text) // a client that has gone has failed already
}

// readMasked reads a client's text message of less than 64 KiB.
func readMasked(in io.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", err
	}
	size := int(head[1] &^ 0x80)
	if size == 126 {
		var long [2]byte
		if _, err := io.ReadFull(in, long[:]); err != nil {
			return "", err
		}
		size = int(long[0])<<8 | int(long[1])
	}
	text := make([]byte, 4+size)
	if _, err := io.ReadFull(in, text); err != nil {
		return "", err
	}
	key, text := text[:4], text[4:]
	for i := range text {
		text[i] ^= key[i%4]
	}
	return string(text), nil
}
