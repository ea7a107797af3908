package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket"
)

func TestTheLoopEchoesAsBlockingDoes(t *testing.T) {
	for _, test := range []struct {
		flags  string
		scheme string
	}{
		{"-mode blocking", "ws"},
		{"-mode loop", "ws"},
		{"-mode loop -compression takeover", "ws"},
		{"-mode loop -tls", "wss"},
		{"-mode loop -tls -compression no-takeover", "wss"},
	} {
		t.Run(test.flags, func(t *testing.T) {
			url := test.scheme + "://" + start(t, strings.Fields(test.flags)...)
			for range 3 {
				c, ctx := dial(t, url, websocket.CompressionTakeover)
				for _, typ := range []websocket.MessageType{websocket.Text, websocket.Binary} {
					for _, size := range []int{0, 1, 126, 4000, 300_000} {
						want := bytes.Repeat([]byte("loop "), size/5+1)[:size]
						if err := c.Write(ctx, typ, want); err != nil {
							t.Fatal(err)
						}
						if got, data, err := c.Read(ctx); err != nil || got != typ || !bytes.Equal(data, want) {
							t.Fatalf("%v of %d bytes: %v of %d bytes, %v", typ, size, got, len(data), err)
						}
					}
				}
				if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAnUnknownModeIsTold(t *testing.T) {
	out, err := exec.Command(program, "-mode", "threads").CombinedOutput()
	if err == nil || !strings.Contains(string(out), `-mode "threads": use blocking or loop`) {
		t.Errorf("%v, %q", err, out)
	}
}
