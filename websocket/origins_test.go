package websocket_test

import (
	"net/http/httptest"
	"testing"

	"github.com/ringdown/ringdown/websocket"
)

func TestOriginListChangesWhileItIsInUse(t *testing.T) {
	var list websocket.OriginList
	a, err := websocket.NewAcceptor(&websocket.AcceptOptions{OriginList: &list, Origins: []string{"https://other.example"}})
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(origin string) bool {
		r := httptest.NewRequest("GET", "http://rt.example/", nil)
		r.Header.Set("Origin", origin)
		return a.CheckOrigin(r) == nil
	}
	if !allowed("http://rt.example") || allowed("https://app.example") || allowed("https://other.example") {
		t.Error("the zero list allows other than the server's own origin")
	}
	if err := list.Set([]string{"https://app.example"}); err != nil {
		t.Fatal(err)
	}
	if !allowed("http://rt.example") || !allowed("https://app.example") {
		t.Error("a listed origin is refused")
	}
	if err := list.Set([]string{"https://b.example", "*"}); err == nil {
		t.Error(`"*" was taken`)
	}
	if !allowed("https://app.example") || allowed("https://b.example") {
		t.Error("a refused list took the place of the one before")
	}
	if err := list.Set(nil); err != nil || allowed("https://app.example") {
		t.Errorf("after %v the origin is still allowed", err)
	}
}
