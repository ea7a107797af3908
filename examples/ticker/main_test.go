package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// TestWhoeverComesIsToldEveryPrice waits until each symbol has had a price, and then looks at what somebody new is told.
func TestWhoeverComesIsToldEveryPrice(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	channels, err := ticker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/channels/{channel}", channels)
	server := httptest.NewServer(mux)
	defer server.Close()

	for range 2 {
		client, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/channels/prices", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer client.CloseNow()
		seen := map[string]bool{}
		for len(seen) < 3 {
			_, data, err := client.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var price struct {
				Symbol string
				Price  float64
			}
			if err := json.Unmarshal(data, &price); err != nil || price.Symbol == "" || price.Price <= 0 {
				t.Fatalf("%s: %v", data, err)
			}
			seen[price.Symbol] = true
		}
	}
}
