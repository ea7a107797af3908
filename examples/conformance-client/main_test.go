package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/websocket"
)

// fuzzer is a fuzzing server of a few cases. It follows the convention of the real ones: it answers /getCaseCount with a
// number, drives the client through /runCase?case=N&agent=…, and writes its reports at /updateReports?agent=….
type fuzzer struct {
	cases   []fuzzCase
	running sync.WaitGroup // requests: a server does not wait for those whose connections it has given away

	mu      sync.Mutex
	asked   []string // the requests, in order
	verdict []error  // of the cases that were run
}

// fuzzCase plays one case and judges the client.
type fuzzCase func(w http.ResponseWriter, r *http.Request) error

func (f *fuzzer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.running.Add(1)
	defer f.running.Done()
	f.mu.Lock()
	f.asked = append(f.asked, r.RequestURI)
	f.mu.Unlock()
	switch r.URL.Path {
	case "/getCaseCount":
		f.say(w, r, strconv.Itoa(len(f.cases)))
	case "/updateReports":
		f.say(w, r, "")
	case "/runCase":
		n, _ := strconv.Atoi(r.URL.Query().Get("case"))
		err := f.cases[n-1](w, r)
		f.mu.Lock()
		f.verdict = append(f.verdict, err)
		f.mu.Unlock()
	}
}

// say sends one message, if it is not empty, and closes.
func (f *fuzzer) say(w http.ResponseWriter, r *http.Request, text string) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	if text != "" {
		c.Write(context.Background(), websocket.Text, []byte(text))
	}
	c.Close(websocket.StatusNormalClosure, "")
}

// echoed is a case of messages that are to come back.
func echoed(mode websocket.CompressionMode, messages ...websocket.Message) fuzzCase {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Compression: websocket.Compression{Mode: mode, Threshold: 1},
			Limits:      websocket.Limits{Message: 32 << 20},
		})
		if err != nil {
			return err
		}
		defer c.CloseNow()
		if c.Compressed() != (mode != websocket.CompressionOff) {
			return fmt.Errorf("compressed: %v", c.Compressed())
		}
		for _, m := range messages {
			if err := c.Write(context.Background(), m.Type, m.Data); err != nil {
				return err
			}
			typ, data, err := c.Read(context.Background())
			if err != nil || typ != m.Type || !bytes.Equal(data, m.Data) {
				return fmt.Errorf("%v of %d bytes came back as %v of %d bytes, %w", m.Type, len(m.Data), typ, len(data), err)
			}
		}
		return c.Close(websocket.StatusNormalClosure, "")
	}
}

// violated is a case of bytes that a client must refuse by closing with the code.
func violated(sent string, code uint16) fuzzCase {
	return func(w http.ResponseWriter, r *http.Request) error {
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		defer nc.Close()
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
			base64.StdEncoding.EncodeToString(sum[:]), sent)
		frame := make([]byte, 8) // header, masking key, code
		if _, err := io.ReadFull(rw, frame); err != nil {
			return err
		}
		if got := uint16(frame[6]^frame[2])<<8 | uint16(frame[7]^frame[3]); frame[0] != 0x88 || got != code {
			return fmt.Errorf("frame %#x with code %d, want a Close frame with %d", frame[0], got, code)
		}
		return nil
	}
}

func TestTheClientFollowsTheFuzzingServer(t *testing.T) {
	text := websocket.Message{Type: websocket.Text, Data: []byte("καλημέρα")}
	binary := websocket.Message{Type: websocket.Binary, Data: []byte{0, 255, 1}}
	large := websocket.Message{Type: websocket.Binary, Data: make([]byte, 16<<20)} // as large as the suites send
	f := &fuzzer{cases: []fuzzCase{
		echoed(websocket.CompressionOff, text, binary, websocket.Message{Type: websocket.Text}),
		violated("\x83\x00", 1002),              // a reserved opcode
		violated("\x81\x02\xc3\x28", 1007),      // text that is no UTF-8
		violated("\x81\x81\x00\x00\x00a", 1002), // a masked frame from a server
		echoed(websocket.CompressionTakeover, text, text, binary),
		func(w http.ResponseWriter, _ *http.Request) error { // no handshake at all: the client goes on to the next case
			http.Error(w, "not today", http.StatusServiceUnavailable)
			return nil
		},
		echoed(websocket.CompressionOff, large),
	}}
	s := httptest.NewServer(f)
	defer s.Close()
	var said strings.Builder
	defer log.SetOutput(log.Writer())
	log.SetOutput(&said)
	if err := run("ws"+strings.TrimPrefix(s.URL, "http"), "a client/1"); err != nil {
		t.Fatal(err)
	}
	f.running.Wait()
	if err := errors.Join(f.verdict...); err != nil || len(f.verdict) != len(f.cases) {
		t.Errorf("%d of %d cases were run: %v", len(f.verdict), len(f.cases), err)
	}
	want := []string{"/getCaseCount"}
	for n := range f.cases {
		want = append(want, fmt.Sprintf("/runCase?case=%d&agent=a+client%%2F1", n+1))
	}
	want = append(want, "/updateReports?agent=a+client%2F1")
	if !slices.Equal(f.asked, want) {
		t.Errorf("asked for %q", f.asked)
	}
	for _, words := range []string{"7 cases\n", "case 2: ", "case 6: websocket: handshake: 503 Service Unavailable: not today\n"} {
		if !strings.Contains(said.String(), words) {
			t.Errorf("the log does not say %q:\n%s", words, said.String())
		}
	}
	if strings.Contains(said.String(), "case 1:") {
		t.Errorf("the log complains of a case that went well:\n%s", said.String())
	}
}

func TestTheClientTellsThatThereIsNoFuzzingServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	if err := run("ws"+strings.TrimPrefix(s.URL, "http"), "x"); err == nil || !strings.HasPrefix(err.Error(), "asking for the number of cases: ") {
		t.Errorf("%v", err)
	}
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { new(fuzzer).say(w, r, "many") }))
	defer f.Close()
	if err := run("ws"+strings.TrimPrefix(f.URL, "http"), "x"); err == nil || !strings.Contains(err.Error(), `"many"`) {
		t.Errorf("%v", err)
	}
}
