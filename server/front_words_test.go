package server

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

func TestATakenPortIsCuredByOneThatThereIs(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8000": "for instance 127.0.0.1:8001",
		"[::1]:65535":    "for instance [::1]:65534",
	} {
		if err := cure(syscall.EADDRINUSE, address, "listen.more[0].address"); !strings.HasSuffix(err.Error(), "with listen.more[0].address, "+want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestTheLogCallsASocketFileNoPage(t *testing.T) {
	for base, want := range map[string]string{
		"unix:/run/ringdown.sock": "[socket /run/ringdown.sock]",
		"http://127.0.0.1:8000":   "[page http://127.0.0.1:8000/ channels http://127.0.0.1:8000/channels/{channel}]",
	} {
		if got := fmt.Sprint(places(base)); got != want {
			t.Errorf("%s: %s", base, got)
		}
	}
}
