// Command conformance-client is the client that the fuzzing server of the field's conformance suites drives: it asks how
// many cases there are, echoes what each case sends until the server closes, and has the report written.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// caseTimeout bounds one case, so that a server that hangs does not hang us.
const caseTimeout = 2 * time.Minute

func main() {
	server := flag.String("url", "ws://127.0.0.1:9001", "the fuzzing server")
	agent := flag.String("agent", "ringdown", "the `name` under which results are reported")
	flag.Parse()
	log.SetFlags(0)
	if err := run(strings.TrimSuffix(*server, "/"), *agent); err != nil {
		log.Fatal(err)
	}
}

func run(server, agent string) error {
	count, err := caseCount(server)
	if err != nil {
		return fmt.Errorf("asking for the number of cases: %w", err)
	}
	log.Printf("%d cases", count)
	name := url.QueryEscape(agent)
	for n := 1; n <= count; n++ {
		if err := echo(fmt.Sprintf("%s/runCase?case=%d&agent=%s", server, n, name)); err != nil {
			log.Printf("case %d: %v", n, err) // most cases end in an error on purpose
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	c, err := dial(ctx, server+"/updateReports?agent="+name)
	if err != nil {
		return fmt.Errorf("updating the reports: %w", err)
	}
	return ignoreClose(drain(ctx, c))
}

func caseCount(server string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	c, err := dial(ctx, server+"/getCaseCount")
	if err != nil {
		return 0, err
	}
	defer c.Close(websocket.StatusNormalClosure, "")
	_, text, err := c.Read(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// echo runs one case: whatever comes goes back, until the server closes.
func echo(caseURL string) error {
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	c, err := dial(ctx, caseURL)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Type, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// drain reads until the server closes.
func drain(ctx context.Context, c *websocket.Conn) error {
	defer c.CloseNow()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return err
		}
	}
}

func ignoreClose(err error) error {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.StatusInternalError {
		return nil
	}
	return err
}

func dial(ctx context.Context, url string) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Compression: websocket.Compression{Mode: websocket.CompressionTakeover},
		Limits:      websocket.Limits{Message: 64 << 20},
	})
	return c, err
}
