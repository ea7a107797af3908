package wsjson_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wsjson"
)

func Example() {
	type move struct {
		From, To string
	}
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		var m move
		if err := wsjson.Read(context.Background(), c, &m); err != nil {
			c.Close(websocket.StatusUnsupportedData, "send moves")
			return
		}
		m.From, m.To = m.To, m.From
		wsjson.Write(context.Background(), c, m)
	}, nil))
	defer server.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	if err := wsjson.Write(ctx, c, move{From: "e2", To: "e4"}); err != nil {
		log.Fatal(err)
	}
	var back move
	if err := wsjson.Read(ctx, c, &back); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", back)
	// Output: {From:e4 To:e2}
}

// pair is a client and the server at its other end.
func pair(t *testing.T) (client, server *websocket.Conn) {
	t.Helper()
	accepted := make(chan *websocket.Conn, 1)
	s := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) {
		accepted <- c
		<-c.Done()
	}, nil))
	t.Cleanup(s.Close)
	client, _, err := websocket.Dial(t.Context(), s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	t.Cleanup(func() { client.CloseNow(); server.CloseNow() })
	return client, server
}

func TestValuesComeBackAsTheyWent(t *testing.T) {
	client, server := pair(t)
	for _, want := range []any{
		nil, true, 1.5, "", "line\nbreak <&> \u2028 é 😀",
		[]any{}, map[string]any{"a": []any{1.0, nil}, "b": map[string]any{}},
		strings.Repeat("long ", 20_000),
	} {
		if err := wsjson.Write(t.Context(), client, want); err != nil {
			t.Fatal(err)
		}
		var got any
		if err := wsjson.Read(t.Context(), server, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("sent %.40v, got %.40v, %v", want, got, err)
		}
	}
}

func TestAMessageIsOneTextOfJSON(t *testing.T) {
	client, server := pair(t)
	message, err := wsjson.Prepare(map[string]int{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := wsjson.Write(t.Context(), client, map[string]int{"n": 1}); err != nil {
		t.Fatal(err)
	}
	if err := client.WritePrepared(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if typ, data, err := server.Read(t.Context()); typ != websocket.Text || string(data) != `{"n":1}` {
			t.Errorf("%v %q, %v", typ, data, err)
		}
	}
}

func TestABadMessageLeavesTheConnectionUsable(t *testing.T) {
	client, server := pair(t)
	for _, bad := range []string{"", "{", "nonsense", `"text"`, "1 2", `{"n":"no number"}`} {
		client.Write(t.Context(), websocket.Text, []byte(bad))
		var v struct{ N int }
		err := wsjson.Read(t.Context(), server, &v)
		if want := fmt.Sprintf("wsjson: message of %d bytes: ", len(bad)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", bad, err)
		}
		_, syntax := errors.AsType[*json.SyntaxError](err)
		_, fit := errors.AsType[*json.UnmarshalTypeError](err)
		if !syntax && !fit {
			t.Errorf("%q: the error does not wrap that of encoding/json: %v", bad, err)
		}
		wsjson.Write(t.Context(), client, map[string]int{"n": 7})
		if err := wsjson.Read(t.Context(), server, &v); err != nil || v.N != 7 {
			t.Errorf("after %q: %+v, %v", bad, v, err)
		}
	}
}

func TestAValueThatIsNoJSONIsNotSent(t *testing.T) {
	client, server := pair(t)
	for _, bad := range []any{math.NaN(), make(chan int), map[string]any{"f": func() {}}} {
		err := wsjson.Write(t.Context(), client, bad)
		if want := fmt.Sprintf("wsjson: encoding %T: ", bad); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Write(%T): %v", bad, err)
		}
		if m, err := wsjson.Prepare(bad); m != nil || err == nil {
			t.Errorf("Prepare(%T): %v, %v", bad, m, err)
		}
	}
	wsjson.Write(t.Context(), client, "next")
	var got string
	if err := wsjson.Read(t.Context(), server, &got); err != nil || got != "next" {
		t.Errorf("then came %q, %v", got, err)
	}
}

func TestErrorsOfTheConnectionAreItsOwn(t *testing.T) {
	client, server := pair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var v any
	if err := wsjson.Read(ctx, server, &v); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("interrupted: %v", err)
	}
	go client.Close(4001, "enough")
	if err := wsjson.Read(t.Context(), server, &v); websocket.CloseStatus(err) != 4001 {
		t.Errorf("closed: %v", err)
	}
	if err := wsjson.Write(t.Context(), server, 1); err == nil {
		t.Error("a write after the end succeeded")
	}
}
