package engineio_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
)

// An echo, and a client that polls.
func Example() {
	server, err := engineio.New(engineio.Handler{
		Open:    func(c *engineio.Conn) { c.Send(false, []byte("welcome")) },
		Message: func(c *engineio.Conn, binary bool, payload []byte) { c.Send(binary, payload) },
		Close:   func(_ *engineio.Conn, reason engineio.Reason, _ error) { fmt.Println("closed:", reason) },
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	web := httptest.NewServer(server)
	defer web.Close()

	resp, err := http.Get(web.URL + "/engine.io/?EIO=4&transport=polling")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	_, greeting, _ := strings.Cut(string(body), "\x1e")
	fmt.Println(greeting)

	server.Shutdown(context.Background())
	// Output:
	// 4welcome
	// closed: server shutting down
}
