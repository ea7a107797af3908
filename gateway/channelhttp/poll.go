// Polls: a list of publications and the cursor for the next request, at once or as soon as there is something.

package channelhttp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
)

// answerTimeout is how long a client may take to read the answer to a poll where the http.Server has no WriteTimeout.
const answerTimeout = 30 * time.Second

// poll gathers the answer to one request. Where history is kept it is read first; only a poll that has to wait, or a channel without
// history, takes a subscription.
type poll struct {
	gateway *Gateway
	request *request
	session *hub.Session
	remote  string
	news    chan struct{} // closed when there is something to answer, or nothing will come
	taps    line.Taps     // those who watch

	mu       sync.Mutex // guards what follows
	told     bool       // news is closed
	full     bool       // nothing more is taken
	messages []*hub.Publication
	bytes    int
	gaps     []notice
	lost     bool // the cursor could not be recovered in some channel
	cursor   map[string]hub.Position
	leaving  bool  // the session has ended with the server
	ended    error // why the session was ended while there was nothing to answer; nil if it may come again
}

func (g *Gateway) servePoll(w http.ResponseWriter, r *http.Request, q *request) error {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{}) // what is not supported need not be changed
	control.SetWriteDeadline(time.Now().Add(q.wait + timeToRead(r)))
	p := &poll{gateway: g, request: q, remote: r.RemoteAddr, news: make(chan struct{}), cursor: make(map[string]hub.Position)}
	var err error
	if p.session, err = g.hub.Open(p, q.who); err != nil {
		return err
	}
	defer p.session.Close()
	if err := p.gather(r.Context()); err != nil {
		return err
	}
	p.session.Close()
	if r.Context().Err() != nil {
		return nil // nobody reads the answer
	}
	retry := p.retry()
	if retry > 0 {
		w.Header().Set("Retry-After", line.WholeSeconds(retry))
	}
	answer := p.answer(retry)
	n := int64(len(answer))
	p.taps.Tell(hub.Frame{Sent: true, Opcode: "poll", Fin: true, Wire: n, Size: n, Payload: answer})
	answerJSON(w, http.StatusOK, answer)
	return nil
}

// timeToRead is how long a client may take to read an answer.
func timeToRead(r *http.Request) time.Duration {
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.WriteTimeout > 0 {
		return s.WriteTimeout
	}
	return answerTimeout
}

// head answers HEAD as GET, without a body and without waiting.
func (g *Gateway) head(w http.ResponseWriter, r *http.Request, q *request) error {
	switch q.transport {
	case webSocket:
		return methodRefused(r)
	case eventStream:
		eventHeader(w.Header())
		w.WriteHeader(http.StatusOK)
		return nil
	}
	q.wait = 0
	return g.servePoll(w, r, q)
}

// gather collects what there is, and waits for something if it may.
func (p *poll) gather(ctx context.Context) error {
	q := p.request
	waits := q.wait > 0
	unread := q.channels
	if q.resume || !waits { // otherwise only what is to come is wanted
		unread = nil
		for _, channel := range q.channels {
			if p.gateway.hub.Rule(channel).History.Count == 0 {
				unread = append(unread, channel)
			} else if err := p.read(ctx, channel); err != nil {
				return err
			}
		}
	}
	if waits && !p.something() {
		unread = q.channels
	}
	for _, channel := range unread {
		after, known := p.known(channel)
		// A client without a name that polls would be somebody else each time, and linger.
		o := hub.SubscribeOptions{Recover: q.resume || known, After: after, Unseen: q.who.User == ""}
		if err := p.session.Subscribe(ctx, channel, o); err != nil {
			return err
		}
	}
	if waits {
		p.await(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// known is where to go on in a channel.
func (p *poll) known(channel string) (after hub.Cursor, read bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.cursor[channel]; ok {
		return hub.Cursor{at}, true
	}
	return p.request.after, false
}

// await waits until there is something, the time is up, or it is no use.
func (p *poll) await(ctx context.Context) {
	timer := time.NewTimer(p.request.wait)
	defer timer.Stop()
	select {
	case <-p.news:
	case <-timer.C:
	case <-ctx.Done():
	case <-p.gateway.lines.Leaving():
		p.wait(ctx, p.gateway.lines.Turn()) // or all who poll would come back at once
	}
}

// wait waits no longer than d, until there is something or it is no use.
func (p *poll) wait(ctx context.Context, d time.Duration) {
	turn := time.NewTimer(d)
	defer turn.Stop()
	select {
	case <-p.news:
	case <-turn.C:
	case <-ctx.Done():
	}
}

// retry is after how long the client is to come back because the server stops; 0 if it does not.
func (p *poll) retry() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.leaving && !p.gateway.lines.Stopping() {
		return 0
	}
	return max(p.gateway.lines.ComeBack(), time.Millisecond)
}

// read takes what history holds of a channel: what comes after the cursor, or the newest if there is none.
func (p *poll) read(ctx context.Context, channel string) error {
	q := p.request
	newest := hub.Query{Newest: true, Limit: 1}
	if !q.resume {
		newest.Limit = q.limit
	}
	history, err := p.session.History(ctx, channel, newest)
	if err != nil {
		return err
	}
	if !q.resume {
		p.takeNewest(channel, history)
		return nil
	}
	top := history.Top
	after, ok := q.after.In(top.Epoch)
	switch {
	case !ok || after > top.Offset:
		p.unrecovered(channel, top)
		return nil
	case after == top.Offset: // most polls find nothing new
		p.at(channel, top)
		return nil
	}
	history, err = p.session.History(ctx, channel, hub.Query{After: after, Limit: q.limit})
	if err != nil {
		return err
	}
	if history.Top.Epoch != top.Epoch {
		p.unrecovered(channel, history.Top)
		return nil
	}
	p.at(channel, hub.Position{Epoch: top.Epoch, Offset: after})
	if history.Lost > 0 {
		p.missing(channel, after+1, hub.Position{Epoch: top.Epoch, Offset: after + history.Lost})
	}
	missed := history.Publications
	if p.gateway.hub.Rule(channel).Slow == hub.Conflate { // who asks seldom reads slowly
		missed = hub.NewestOfEachKey(missed)
	}
	for _, publication := range missed {
		p.take(publication)
	}
	return nil
}

// at notes where the client is in a channel.
func (p *poll) at(channel string, position hub.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cursor[channel] = position
}

// takeNewest takes as many of the newest publications as fit, and leaves the client behind the last one.
func (p *poll) takeNewest(channel string, history hub.History) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := len(history.Publications)
	for first > 0 && !p.full {
		first--
		p.count(history.Publications[first], len(p.messages)+len(history.Publications)-first)
	}
	p.messages = append(p.messages, history.Publications[first:]...)
	p.cursor[channel] = history.Top
	p.tell()
}

// take takes one, if there is room.
func (p *poll) take(publication *hub.Publication) hub.Reception {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		return hub.Late // it is not taken, and the cursor stays before it; but nothing more is to be read for us
	}
	p.messages = append(p.messages, publication)
	p.cursor[publication.Channel] = publication.Position()
	p.count(publication, len(p.messages))
	p.tell()
	return hub.Taken
}

// count counts a publication of an answer that has so many. Called with the lock.
func (p *poll) count(publication *hub.Publication, messages int) {
	p.bytes += len(publication.Payload) + perPiece
	p.full = p.full || messages >= p.request.limit || p.bytes >= p.gateway.options.OutboxBytes
}

// missing notes that publications are lost, from an offset on up to a position. An answer ends where a numbering does, as it has only
// offsets to say where in it a gap is; the next one says that the cursor cannot be recovered.
func (p *poll) missing(channel string, from uint64, to hub.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full = p.full || from == 0 && p.holds(channel)
	if p.full { // they will be missed next time
		return
	}
	gap := notice{From: &from, To: &to.Offset}
	if p.request.several() {
		gap.Channel = channel
	}
	p.gaps = append(p.gaps, gap)
	p.cursor[channel] = to
	p.tell()
}

// holds tells whether the answer says something of a channel by offsets. Called with the lock.
func (p *poll) holds(channel string) bool {
	return slices.ContainsFunc(p.messages, func(m *hub.Publication) bool { return m.Channel == channel }) ||
		slices.ContainsFunc(p.gaps, func(gap notice) bool { return gap.Channel == channel || !p.request.several() })
}

// unrecovered notes that the cursor names no place in a channel that can be gone on from.
func (p *poll) unrecovered(channel string, top hub.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = true
	p.cursor[channel] = top
	p.tell()
}

// tell ends the waiting. Called with the lock.
func (p *poll) tell() {
	if !p.told && (len(p.messages) > 0 || len(p.gaps) > 0 || p.lost) {
		p.told = true
		close(p.news)
	}
}

func (p *poll) something() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told
}

// Describe implements [hub.Describer].
func (p *poll) Describe() hub.Description {
	return hub.Description{Transport: "poll", Protocol: "json", Passing: true, Fixed: true, Remote: p.remote}
}

// Tap implements [hub.Tapper].
func (p *poll) Tap(f func(hub.Frame)) (stop func(), ok bool) { return p.taps.Add(f), true }

// Receive implements [hub.Receiver].
func (p *poll) Receive(publication *hub.Publication) hub.Reception { return p.take(publication) }

// Notify implements [hub.Receiver].
func (p *poll) Notify(n *hub.Notice) {
	switch {
	case n.Type == hub.Subscribed && n.Asked && !n.Recovered:
		p.unrecovered(n.Channel, n.Position)
	case n.Type == hub.Subscribed:
		p.at(n.Channel, n.Position)
	case n.Type == hub.Gap:
		p.missing(n.Channel, n.From, n.Position)
	}
}

// End implements [hub.Receiver]: the client gets what there is, and is told when it comes again; but if there is nothing, and it
// should not come again as it is, it is told now.
func (p *poll) End(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = p.leaving || errors.Is(cause, hub.ErrShutdown)
	if !p.told {
		if r, _ := hub.RefusalOf(cause); r.Status < http.StatusInternalServerError {
			p.ended = cause
		}
		p.told = true
		close(p.news)
	}
}

// answer is the list, and where to go on, and when, if retry is not 0.
func (p *poll) answer(retry time.Duration) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	form := p.gateway.forms.objects
	if p.request.several() {
		form = p.gateway.forms.named
	}
	b := append(make([]byte, 0, p.bytes+160*len(p.messages)+256), `{"messages":[`...)
	for i, publication := range p.messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, form.Of(publication)...)
	}
	b = append(append(append(b, `],"cursor":"`...), p.text()...), '"')
	if p.lost {
		b = append(b, `,"recovered":false`...)
	}
	if retry > 0 {
		b = strconv.AppendFloat(append(b, `,"retry_after":`...), retry.Seconds(), 'f', 3, 64)
	}
	if len(p.gaps) > 0 {
		gaps, _ := json.Marshal(p.gaps)
		b = append(append(b, `,"gaps":`...), gaps...)
	}
	return append(b, "}\n"...)
}

// text is the cursor, in the order in which the channels were named. Called with the lock.
func (p *poll) text() string {
	cursor := make(hub.Cursor, 0, len(p.cursor))
	for _, channel := range p.request.channels {
		if at, ok := p.cursor[channel]; ok {
			cursor = append(cursor, at)
		}
	}
	return cursor.String()
}
