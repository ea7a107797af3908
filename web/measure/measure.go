// The handlers: what the node uses now, and a run of simulated clients.

package measure

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/web/feeds"
)

const (
	mostClients = 500
	mostSeconds = 10
	settling    = 2 * time.Second // at most, from the last client's arrival to the first look
	arrival     = 10 * time.Second
)

var errStopping = errors.New("the node stops; measure again when it is back")

// Options are what a Bench is given.
type Options struct {
	Hub *hub.Hub
	// URL of the node, for clients on this machine.
	URL func() string
	// Command makes the command of a process that runs [Clients], with these arguments. nil: there can be no runs.
	Command func(way, url string, clients int) *exec.Cmd
	// Stop is closed when the node stops, which ends a run. nil: it never is.
	Stop <-chan struct{}
}

// Bench measures one way at a time.
type Bench struct {
	o       Options
	running sync.Mutex
}

// New returns a bench.
func New(o Options) *Bench { return &Bench{o: o} }

// usage is the answer of GET /compare/usage.
type usage struct {
	Time         float64 `json:"time"` // Unix time in ms, with microseconds: for the difference between two clocks
	CPUSeconds   float64 `json:"cpu_seconds"`
	RequestBytes int     `json:"request_bytes"` // the head of this very request: a page cannot see how long its requests are
	Runs         bool    `json:"runs"`          // whether clients can be simulated
}

// Usage answers GET /compare/usage.
func (b *Bench) Usage(w http.ResponseWriter, r *http.Request) {
	answer(w, usage{Time: float64(time.Now().UnixMicro()) / 1000, CPUSeconds: cpuTime().Seconds(), RequestBytes: headBytes(r), Runs: b.o.Command != nil})
}

// headBytes is how long a request's line and fields were, but for spaces that nobody sends.
func headBytes(r *http.Request) int {
	const colonSpaceLine = len(": \r\n")
	n := len(r.Method) + len(" ") + len(r.RequestURI) + len(" HTTP/1.1\r\n") + len("Host") + len(r.Host) + colonSpaceLine + len("\r\n")
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value) + colonSpaceLine
		}
	}
	return n
}

// result is the answer of POST /compare/run.
type result struct {
	Way     string  `json:"way"`
	Clients int     `json:"clients"`
	Seconds float64 `json:"seconds"`
	Counts
	CPUSeconds float64 `json:"cpu_seconds"` // of the node
}

// Run answers POST /compare/run?way=sse&clients=100&seconds=4.
func (b *Bench) Run(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "runs are for pages of this node: "+err.Error(), http.StatusForbidden)
		return
	}
	asked, err := b.parse(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !b.running.TryLock() {
		http.Error(w, "another run is under way, and both would be wrong; try again in a few seconds", http.StatusConflict)
		return
	}
	defer b.running.Unlock()
	if err := b.run(r.Context(), asked); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, asked)
}

func (b *Bench) parse(r *http.Request) (*result, error) {
	if b.o.Command == nil {
		return nil, errors.New("this program cannot simulate clients; ringdown serve --dev can")
	}
	query := r.URL.Query()
	clients, err := strconv.Atoi(cmp.Or(query.Get("clients"), "100"))
	if err != nil || clients < 1 || clients > mostClients {
		return nil, fmt.Errorf("clients is %.20q; write a number from 1 to %d", query.Get("clients"), mostClients)
	}
	seconds, err := strconv.Atoi(cmp.Or(query.Get("seconds"), "4"))
	if err != nil || seconds < 1 || seconds > mostSeconds {
		return nil, fmt.Errorf("seconds is %.20q; write a number from 1 to %d", query.Get("seconds"), mostSeconds)
	}
	way := query.Get("way")
	if _, known := listeners[way]; !known && way != Nobody {
		return nil, fmt.Errorf("way is %.20q; write %s, %s, %s, %s or %s", way, Nobody, ShortPoll, LongPoll, SSE, WebSocket)
	}
	return &result{Way: way, Clients: clients, Seconds: float64(seconds)}, nil
}

func (b *Bench) run(ctx context.Context, into *result) error {
	release, err := b.keepFeedAwake(ctx)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, arrival+settling+time.Duration(2*into.Seconds)*time.Second)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case <-b.o.Stop:
			stop(errStopping)
		case <-ctx.Done():
		}
	}()
	look := func() (Counts, error) { return Counts{}, nil }
	if into.Way == Nobody {
		into.Clients = 0
	} else {
		cmd := b.o.Command(into.Way, b.o.URL(), into.Clients)
		ask, end, err := start(ctx, cmd)
		if err != nil {
			return fmt.Errorf("starting the clients: %w", err)
		}
		defer end()
		look = ask
	}
	if _, err := look(); err != nil { // answered when all are there
		return err
	}
	if err := sleep(ctx, min(settling, time.Duration(into.Seconds)*time.Second)); err != nil {
		return err
	}
	return measure(ctx, into, look)
}

// measure looks twice.
func measure(ctx context.Context, into *result, look func() (Counts, error)) error {
	counted, err := look()
	if err != nil {
		return err
	}
	cpu, began := cpuTime(), time.Now()
	if err := sleep(ctx, time.Duration(into.Seconds*float64(time.Second))); err != nil {
		return err
	}
	spent, seconds := cpuTime()-cpu, time.Since(began)
	after, err := look()
	if err != nil {
		return err
	}
	into.Counts, into.CPUSeconds, into.Seconds = after.minus(counted), spent.Seconds(), seconds.Seconds()
	return nil
}

// start starts the clients' process, and returns what asks it for its counts, and what ends it.
func start(ctx context.Context, cmd *exec.Cmd) (look func() (Counts, error), end func(), err error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	cut := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	answers := bufio.NewReader(out)
	look = func() (c Counts, err error) {
		if _, err := io.WriteString(in, "\n"); err != nil {
			return c, fmt.Errorf("the clients have gone: %w", err)
		}
		line, err := answers.ReadBytes('\n')
		if err != nil {
			return c, fmt.Errorf("the clients have gone: %w", err)
		}
		var said struct {
			Counts
			Error string `json:"error"`
		}
		if err := json.Unmarshal(line, &said); err != nil {
			return c, fmt.Errorf("the clients say %.100q: %w", line, err)
		}
		if said.Error != "" {
			return c, errors.New(said.Error)
		}
		return said.Counts, nil
	}
	end = func() {
		in.Close() // tells it to end
		cut()
		cmd.Process.Kill()
		cmd.Wait()
	}
	return look, end, nil
}

// keepFeedAwake listens to the feed within the node, because it rests while nobody does, and between two short polls nobody does.
func (b *Bench) keepFeedAwake(ctx context.Context) (release func(), err error) {
	s, err := b.o.Hub.Open(deaf{}, hub.Identity{})
	if err != nil {
		return nil, err
	}
	if err := s.Subscribe(ctx, feeds.Compare, hub.SubscribeOptions{Unseen: true}); err != nil {
		s.Close()
		return nil, err
	}
	return s.Close, nil
}

// deaf is a receiver that takes everything and does nothing.
type deaf struct{}

func (deaf) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (deaf) Notify(*hub.Notice)                     {}
func (deaf) End(error)                              {}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(what)
}
