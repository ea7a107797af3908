package measure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/web/measure"
)

const playClients = "RINGDOWN_TEST_CLIENTS" // set: this process is the simulated clients

func TestMain(m *testing.M) {
	if os.Getenv(playClients) == "" {
		os.Exit(m.Run())
	}
	n, _ := strconv.Atoi(os.Args[3])
	if err := measure.Clients(context.Background(), os.Args[1], os.Args[2], n, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func clients(way, url string, n int) *exec.Cmd {
	cmd := exec.Command(os.Args[0], way, url, strconv.Itoa(n))
	cmd.Env = append(os.Environ(), playClients+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// start runs a node in dev mode, and returns its URL.
func start(t *testing.T, dev bool) string {
	t.Helper()
	url, stop := startAndStop(t, dev)
	t.Cleanup(stop)
	return url
}

func startAndStop(t *testing.T, dev bool) (url string, stop func()) {
	t.Helper()
	c := config.Default()
	c.Dev, c.Listen.Address = dev, "127.0.0.1:0"
	node, err := server.New(c, server.Options{Log: slog.New(slog.DiscardHandler), Clients: clients})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()
	return "http://" + node.Addr().String(), func() {
		if err := errors.Join(node.Shutdown(context.Background()), <-serving); err != nil {
			t.Error(err)
		}
	}
}

func post(t *testing.T, url, site string) (status int, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", site)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

func TestEveryWayIsMeasured(t *testing.T) {
	const n = 3
	for _, way := range []string{measure.Nobody, measure.ShortPoll, measure.LongPoll, measure.SSE, measure.WebSocket} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			url := start(t, true) // of its own: one run at a time
			status, body := post(t, fmt.Sprintf("%s/compare/run?way=%s&clients=%d&seconds=2", url, way, n), "same-origin")
			var r struct {
				measure.Counts
				Clients    int     `json:"clients"`
				CPUSeconds float64 `json:"cpu_seconds"`
			}
			if err := json.Unmarshal(body, &r); status != http.StatusOK || err != nil {
				t.Fatalf("%d: %s", status, body)
			}
			if way == measure.Nobody {
				if r.Clients != 0 || r.Messages != 0 {
					t.Errorf("nobody was %d clients with %d messages", r.Clients, r.Messages)
				}
				return
			}
			if r.Clients != n || r.Messages == 0 || r.BytesIn < 100*r.Messages || r.CPUSeconds <= 0 {
				t.Errorf("it measured %s", body)
			}
			if polls := way == measure.ShortPoll || way == measure.LongPoll; polls != (r.Requests > 0) || polls != (r.BytesOut > 0) {
				t.Errorf("there were %d requests with %d bytes", r.Requests, r.BytesOut)
			}
		})
	}
}

func TestRunsAreForPagesOfTheNodeInDevModeOnly(t *testing.T) {
	dev, open := start(t, true), start(t, false)
	for _, c := range []struct {
		proves, url, site string
		status            int
	}{
		{"another site", dev + "/compare/run?way=sse", "cross-site", 403},
		{"a way that is none", dev + "/compare/run?way=pigeon", "same-origin", 400},
		{"too many", dev + "/compare/run?way=sse&clients=501", "same-origin", 400},
		{"too long", dev + "/compare/run?way=sse&seconds=11", "same-origin", 400},
		{"outside dev mode", open + "/compare/run?way=sse", "same-origin", 404},
	} {
		if status, body := post(t, c.url, c.site); status != c.status {
			t.Errorf("%s: %d, %s", c.proves, status, body)
		}
	}
}

func TestANodeThatStopsWaitsForNoRun(t *testing.T) {
	url, stop := startAndStop(t, true)
	answered := make(chan string, 1)
	go func() {
		for {
			answer, err := http.Post(url+"/compare/run?way=nobody&seconds=10", "", nil)
			if err != nil {
				answered <- err.Error()
				return
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode != http.StatusConflict {
				answered <- fmt.Sprint(answer.StatusCode, " ", string(body), err)
				return
			}
		}
	}()
	for status := 0; status != http.StatusConflict; { // until it is under way
		status, _ = post(t, url+"/compare/run?way=nobody&seconds=1", "same-origin")
	}
	stop()
	if got := <-answered; got != "500 the node stops; measure again when it is back\n<nil>" {
		t.Errorf("the run was answered with %q", got)
	}
}
