// A feed: the last so many things of a kind, and each further one for those who listen. Streams are feeds as newline-delimited JSON.

package console

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// feed keeps the last things of a kind, oldest first. It may be used from any goroutine, and put waits for nobody.
type feed[T any] struct {
	mu    sync.Mutex
	kept  []T // a ring once it is full
	most  int
	total uint64        // that there ever were; the next one's number
	news  chan struct{} // closed when one comes; nil if nobody listens
}

func newFeed[T any](most int) *feed[T] { return &feed[T]{most: most} }

func (f *feed[T]) put(v T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.kept) < f.most {
		f.kept = append(f.kept, v)
	} else {
		f.kept[f.total%uint64(f.most)] = v
	}
	f.total++
	if f.news != nil {
		close(f.news)
		f.news = nil
	}
}

// from returns what is kept from a number on, the number that follows, and what is closed when there is more.
func (f *feed[T]) from(number uint64) (all []T, next uint64, news <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.total - uint64(len(f.kept))
	for n := max(number, first); n < f.total; n++ {
		all = append(all, f.kept[n%uint64(f.most)])
	}
	if f.news == nil {
		f.news = make(chan struct{})
	}
	return all, f.total, f.news
}

// Times of a stream.
const (
	streamWrite = 10 * time.Second // that a listener may take to read what there is
	streamQuiet = 15 * time.Second // after which an empty line shows that the stream lives
)

// stream answers with a feed, one JSON value on each line, until the client goes or the handler is closed. Empty lines mean nothing.
func stream[T any](c *Handler, w http.ResponseWriter, r *request, f *feed[T]) error {
	if _, err := r.parameters(); err != nil {
		return err
	}
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		return hub.Errorf(hub.Unavailable, "%d streams of the console are open, as many as may be; close one", maxStreams)
	}
	to := http.NewResponseController(w)
	to.SetReadDeadline(time.Time{}) // the request is read; the server's time-out is not for this
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold it back
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	quiet := time.NewTicker(streamQuiet)
	defer quiet.Stop()
	all, next, news := f.from(0)
	for {
		if err := writeLines(w, to, all); err != nil {
			return nil // who has gone needs no answer
		}
		all = all[:0]
		select {
		case <-ctx.Done():
			return nil
		case <-quiet.C:
		case <-news:
			all, next, news = f.from(next)
		}
	}
}

// writeLines writes what there is, or an empty line if that is nothing.
func writeLines[T any](w http.ResponseWriter, to *http.ResponseController, all []T) error {
	to.SetWriteDeadline(time.Now().Add(streamWrite))
	if len(all) == 0 {
		if _, err := w.Write([]byte("\n")); err != nil {
			return err
		}
	}
	for _, v := range all {
		line, err := marshal(v)
		if err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return to.Flush()
}
