// The frame inspector: what passes between the node and one client. It is pulled: a tap is put on the session's connection when somebody asks, and
// taken off soon after nobody does any more.

package console

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Bounds of inspecting.
const (
	maxTapped   = 16               // sessions at a time
	keptFrames  = 256              // of one session
	keptPayload = 4 << 10          // bytes of a frame, and of what is known of its message's earlier ones
	tapIdle     = 15 * time.Second // after the last pull the tap is taken off
	maxPullWait = 30 * time.Second
	maxPulls    = 64 // under way at once
	// afterwards is for how long after a session has ended its last frames may come, and after how long its end is noticed.
	afterwards = time.Second
	noticeEnd  = 250 * time.Millisecond
)

// inspections are the sessions that are watched. The zero value is none.
type inspections struct {
	mu    sync.Mutex
	of    map[string]*inspection // by the session's id
	last  uint64                 // the highest number that any frame has had whose tap was taken off
	pulls int                    // under way
}

// inspection is one session that is watched.
type inspection struct {
	session string

	mu     sync.Mutex
	frames []seen // a ring once it is full
	first  uint64 // number of the first frame that there ever was
	total  uint64 // frames that there ever were
	news   chan struct{}
	joined [2]joined // the present message in fragments, by direction
	gone   time.Time // when the session was found to have ended

	// Guarded by the lock of the inspections.
	stop  func()
	idle  *time.Timer
	pulls int // that wait
}

// seen is a frame as it is kept.
type seen struct {
	hub.Frame
	time   time.Time
	before []byte // what came of the same message before it, whole
	hidden bool   // what came before it is not known whole, so nobody can say what in it is a secret
}

// joined is a message that comes in fragments.
type joined struct {
	text []byte
	lost bool // of which not all is kept
}

// pull returns the inspection of a session, which begins with the first pull. done ends the pull.
func (c *Handler) pull(r *request) (_ *inspection, done func(), err error) {
	all := &c.inspections
	id := r.PathValue("session")
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.pulls >= maxPulls {
		return nil, nil, hub.Errorf(hub.RateLimited, "%d requests for frames are under way, as many as may be; wait for one's answer before the next", maxPulls)
	}
	i := all.of[id]
	if i == nil {
		if i, err = c.inspect(r); err != nil {
			return nil, nil, err
		}
	}
	all.pulls++
	i.pulls++
	i.idle.Stop()
	return i, func() { c.pulled(i) }, nil
}

// inspect begins to watch a session. Called with the lock.
func (c *Handler) inspect(r *request) (*inspection, error) {
	all := &c.inspections
	s, err := c.find(r)
	if err != nil {
		return nil, err
	}
	if len(all.of) >= maxTapped {
		return nil, hub.Errorf(hub.RateLimited, "the frames of %d sessions are watched, as many as may be at a time; stop asking for those of one, and try again %v later", maxTapped, tapIdle)
	}
	i := &inspection{session: s.ID(), first: all.last + 1}
	stop, ok := s.Tap(i.note)
	if !ok {
		return nil, hub.Errorf(hub.Unavailable, "the connection of this session is not open yet; try again in a moment")
	}
	i.stop = stop
	i.idle = time.AfterFunc(tapIdle, func() { c.leave(i) })
	if all.of == nil {
		all.of = make(map[string]*inspection)
	}
	all.of[i.session] = i
	return i, nil
}

// pulled ends a pull.
func (c *Handler) pulled(i *inspection) {
	c.inspections.mu.Lock()
	defer c.inspections.mu.Unlock()
	c.inspections.pulls--
	if i.pulls--; i.pulls == 0 {
		i.idle.Reset(tapIdle)
	}
}

// leave takes the tap off, unless somebody pulls again.
func (c *Handler) leave(i *inspection) {
	c.inspections.mu.Lock()
	defer c.inspections.mu.Unlock()
	if i.pulls > 0 || c.inspections.of[i.session] != i {
		return
	}
	i.stop()
	i.mu.Lock()
	c.inspections.last = max(c.inspections.last, i.first+i.total)
	i.mu.Unlock()
	delete(c.inspections.of, i.session)
}

// leaveAll takes all taps off, when the handler is closed.
func (c *Handler) leaveAll() {
	c.inspections.mu.Lock()
	all := slices.Collect(maps.Values(c.inspections.of))
	c.inspections.mu.Unlock()
	for _, i := range all {
		i.idle.Stop()
		c.leave(i) // who still pulls has it taken off afterwards
	}
}

// note keeps a frame. It is called by the goroutines that read and write.
func (i *inspection) note(f hub.Frame) {
	payload := f.Payload[:min(len(f.Payload), keptPayload)]
	f.Payload = append(make([]byte, 0, len(payload)), payload...)
	one := seen{Frame: f, time: time.Now()}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.join(&one)
	if len(i.frames) < keptFrames {
		i.frames = append(i.frames, one)
	} else {
		i.frames[i.total%keptFrames] = one
	}
	i.total++
	if i.news != nil {
		close(i.news)
		i.news = nil
	}
}

// join gives a fragment what came before it, of which a secret may be a part. Called with the lock.
func (i *inspection) join(f *seen) {
	j := &i.joined[0]
	if f.Sent {
		j = &i.joined[1]
	}
	switch f.Opcode {
	case "text", "binary":
		*j = joined{}
	case "continuation":
		f.before, f.hidden = j.text, j.lost
	default:
		return
	}
	if f.Fin {
		*j = joined{}
		return
	}
	if j.lost = j.lost || int64(len(f.Payload)) != f.Size || len(j.text)+len(f.Payload) > keptPayload; !j.lost {
		j.text = append(j.text[:len(j.text):len(j.text)], f.Payload...) // the earlier ones are kept by those that follow them
	}
}

// after returns the frames behind a number, how many there were that are not kept, the number of the last one, and what is closed when there
// is more.
func (i *inspection) after(number uint64) (frames []frameAnswer, missed, last uint64, news <-chan struct{}) {
	i.mu.Lock()
	end := i.first + i.total // behind the last one
	kept := end - uint64(len(i.frames))
	from := number + 1
	if number >= end || from < i.first { // of an earlier tap, or made up
		from = i.first
	}
	missed = max(kept, from) - from
	var found []seen
	numbers := max(kept, from)
	for n := numbers; n < end; n++ {
		found = append(found, i.frames[(n-i.first)%keptFrames])
	}
	if i.news == nil {
		i.news = make(chan struct{})
	}
	news = i.news
	i.mu.Unlock()
	for k := range found { // what is to be hidden is looked for here, where it holds up nobody else
		frames = append(frames, found[k].answer(numbers+uint64(k)))
	}
	return frames, missed, end - 1, news
}

// ended tells whether the session has ended, and so long ago that no frame comes any more.
func (i *inspection) ended(live bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if live {
		return false
	}
	if i.gone.IsZero() {
		i.gone = time.Now()
	}
	return time.Since(i.gone) >= afterwards
}

type framesAnswer struct {
	Frames []frameAnswer `json:"frames"` // oldest first
	Next   uint64        `json:"next"`   // after of the next pull
	Missed uint64        `json:"missed"` // frames behind after that are not kept any more
	Ended  bool          `json:"ended"`  // the session has, and no frame follows
}

// frames answers a pull: with the frames behind after, as soon as there are any, or once wait is over.
func (c *Handler) frames(w http.ResponseWriter, r *request) error {
	asked, err := r.parameters("after", "wait")
	if err != nil {
		return err
	}
	after, _, err := asked.number("after")
	if err != nil {
		return err
	}
	wait, err := asked.wait()
	if err != nil {
		return err
	}
	i, done, err := c.pull(r)
	if err != nil {
		return err
	}
	defer done()
	to := http.NewResponseController(w) // an error means that there are no deadlines
	to.SetReadDeadline(time.Time{})
	to.SetWriteDeadline(time.Now().Add(wait + streamWrite))
	return write(w, http.StatusOK, "application/json", c.await(r, i, after, wait))
}

func (c *Handler) await(r *request, i *inspection, after uint64, wait time.Duration) framesAnswer {
	over := time.NewTimer(wait)
	defer over.Stop()
	look := time.NewTicker(noticeEnd)
	defer look.Stop()
	for {
		ended := i.ended(c.hub.Session(i.session) != nil)
		frames, missed, last, news := i.after(after)
		answer := framesAnswer{append([]frameAnswer{}, frames...), last, missed, ended}
		if len(frames) > 0 || ended {
			return answer
		}
		select {
		case <-news:
		case <-look.C:
		case <-over.C:
			return answer
		case <-r.Context().Done():
			return answer // nobody reads it
		case <-c.ctx.Done():
			return answer
		}
	}
}

// wait is how long an answer may wait for something to tell.
func (p parameters) wait() (time.Duration, error) {
	text, given := p["wait"]
	if !given {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxPullWait {
		return 0, hub.Errorf(hub.BadRequest, "wait is %.40q; it is a time from 0s to %v", text, maxPullWait)
	}
	return d, nil
}
