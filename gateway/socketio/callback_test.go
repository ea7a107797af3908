// Emit with a function for the answer.

package socketio_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
)

func TestAFunctionTakesTheAnswer(t *testing.T) {
	n, hurried := start(t, socketio.Options{}), start(t, socketio.Options{AckTimeout: time.Millisecond})
	m, unheard := n.members(t, nil)[0], hurried.members(t, nil)[0]
	got := make(chan string, 1)
	say := func(args ...any) { got <- fmt.Sprint(args...) }
	for name, c := range map[string]struct {
		fn     any
		answer string // "" is none
		want   string // "" is that it is not called
	}{
		"nothing":                   {func() { say("called") }, `[]`, "called"},
		"a value":                   {func(s string) { say(s) }, `["x"]`, "x"},
		"values and no error":       {func(s string, i int, err error) { say(s, i, err) }, `["x",2]`, "x2 <nil>"},
		"more than it takes":        {func(s string, err error) { say(s, err) }, `["x",2]`, "x<nil>"},
		"any number":                {func(all ...int) { say(all) }, `[1,2]`, "[1 2]"},
		"all":                       {func(a socketio.Args, err error) { say(a.Len(), err) }, `[1,2]`, "2 <nil>"},
		"another type":              {func(int) { say("called") }, `["x"]`, ""},
		"another type, with error":  {func(i int, err error) { say(i, strings.Contains(err.Error(), "number")) }, `["x"]`, "0 true"},
		"no answer":                 {func(int) { say("called") }, "", ""},
		"no answer, with its error": {func(i int, err error) { say(i, errors.Is(err, socketio.ErrTimeout)) }, "", "0 true"},
	} {
		m := m
		if c.answer == "" {
			m = unheard
		}
		if err := m.Emit("q", 1, c.fn); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		head := m.question()
		if c.answer != "" {
			m.send(head + c.answer)
		}
		if c.want != "" {
			if got := await(t, got); got != c.want {
				t.Errorf("%s: %q instead of %q", name, got, c.want)
			}
		}
		m.alive() // also after a function that is not called
	}
	for name, fn := range map[string]any{"a result": func() int { return 0 }, "a channel": func(chan int) {}, "an Ack": func(socketio.Ack) {}, "no function": (func())(nil)} {
		if err := m.Emit("q", fn); err == nil {
			t.Errorf("%s: it was sent", name)
		}
	}
	if err := n.To("room").Emit("q", func() {}); err == nil || !strings.Contains(err.Error(), "EmitWithAck") {
		t.Errorf("to many: %v", err)
	}
	m.close()
	for deadline := time.Now().Add(patience); m.Connected() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if err := m.Emit("q", func() {}); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("to one that has gone: %v", err)
	}
}
