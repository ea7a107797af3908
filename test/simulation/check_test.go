package simulation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Logs are written by hand here. The channel's name says what holds in it; see promises.
func promises(channel string) hub.Rule {
	switch channel {
	case "kept":
		return hub.Rule{History: hub.Retention{Count: 3}}
	case "brief":
		return hub.Rule{History: hub.Retention{Count: 100, Age: time.Second}}
	case "drop":
		return hub.Rule{Slow: hub.DropOldest, History: hub.Retention{Count: 3}}
	case "newest":
		return hub.Rule{Slow: hub.Conflate, History: hub.Retention{Count: 100}}
	}
	return hub.Rule{}
}

// story makes entries of one channel; each takes a tenth of a second.
type story struct {
	channel string
	entries []Entry
}

func (s *story) add(e Entry) {
	e.At = time.Duration(len(s.entries)) * time.Second / 10
	e.Channel = s.channel
	s.entries = append(s.entries, e)
}

func content(id string) Content {
	key, _, _ := strings.Cut(id, ".")
	return Content{ID: id, Key: key, Payload: []byte("this is " + id)}
}

func (s *story) mark() Mark {
	return Mark{len(s.entries), time.Duration(len(s.entries)) * time.Second / 10}
}

func (s *story) tries(id string) { s.add(Entry{What: Attempted, Who: "ann", Content: content(id)}) }
func (s *story) takes(id, cursor string) {
	s.add(Entry{What: Numbered, Content: content(id), Cursor: cursor, Began: s.mark()})
}
func (s *story) receipt(id, cursor string) {
	_, offset, _ := split(cursor)
	s.add(Entry{What: Receipted, Who: "ann", Content: Content{ID: id}, Cursor: cursor, Offset: offset})
}

// publishes is all three at once, for each.
func (s *story) publishes(epoch string, from int, ids ...string) {
	for i, id := range ids {
		at := fmt.Sprintf("%s-%d", epoch, from+i)
		s.tries(id)
		s.takes(id, at)
		s.receipt(id, at)
	}
}
func (s *story) opens(leg int, t Transport, cursor string) {
	s.add(Entry{What: Opened, Who: "bob", Leg: leg, Transport: t, Cursor: cursor})
}
func (s *story) told(leg int, recovered bool, cursor string) {
	s.add(Entry{What: Told, Who: "bob", Leg: leg, Recovered: recovered, Cursor: cursor})
}
func (s *story) sees(leg int, id, cursor string) {
	_, offset, _ := split(cursor)
	s.add(Entry{What: Saw, Who: "bob", Leg: leg, Content: content(id), Cursor: cursor, Offset: offset})
}
func (s *story) misses(leg int, from, to uint64, cursor string) {
	s.add(Entry{What: Missed, Who: "bob", Leg: leg, From: from, To: to, Cursor: cursor})
}
func (s *story) ends(leg int, cursor string) {
	s.add(Entry{What: Ended, Who: "bob", Leg: leg, Cursor: cursor})
}
func (s *story) settles(leg int) { s.add(Entry{What: Settled, Who: "bob", Leg: leg}) }
func (s *story) starts()         { s.add(Entry{What: NodeStarted}) }
func (s *story) waits(d int) { // seconds
	for range 10 * d {
		s.add(Entry{What: Renumbered, Cursor: "e1-0", Began: s.mark()})
	}
}

func TestCheckerAcceptsWhatIsPromisedAndRejectsEverythingElse(t *testing.T) {
	for _, c := range []struct {
		proves  string
		channel string
		tell    func(s *story)
		fault   string // "" if there is none
	}{
		{"everything in order", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.told(1, false, "e1-0")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "a", "e1-1")
			s.sees(1, "b", "e1-2")
			s.settles(1)
		}, ""},
		{"a publication left out", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.told(1, false, "e1-0")
			s.publishes("e1", 1, "a", "b", "c")
			s.sees(1, "a", "e1-1")
			s.sees(1, "c", "e1-3")
		}, "offsets 2 to 2 never came"},
		{"the first publication left out", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.told(1, false, "e1-0")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "b", "e1-2")
		}, "offsets 1 to 1 never came"},
		{"a publication twice", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a")
			s.sees(1, "a", "e1-1")
			s.sees(1, "a", "e1-1")
		}, "a duplicate, or out of order"},
		{"the wrong order", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b", "c")
			s.sees(1, "b", "e1-2")
			s.sees(1, "a", "e1-1")
		}, "a duplicate, or out of order"},
		{"the wrong order where only the payload tells", "", func(s *story) {
			s.opens(1, Raw, "")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "b", "")
			s.sees(1, "a", "")
		}, "a duplicate, or out of order"},
		{"a hole where only the payload tells", "", func(s *story) {
			s.opens(1, Raw, "")
			s.publishes("e1", 1, "a", "b", "c")
			s.sees(1, "a", "")
			s.sees(1, "c", "")
		}, "offsets 2 to 2 never came"},
		{"another payload", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a")
			wrong := content("a")
			wrong.Payload = []byte("this is A")
			s.add(Entry{What: Saw, Who: "bob", Leg: 1, Content: wrong, Cursor: "e1-1", Offset: 1})
		}, "its payload is"},
		{"another kind", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a")
			wrong := content("a")
			wrong.Kind = hub.Binary
			s.add(Entry{What: Saw, Who: "bob", Leg: 1, Content: wrong, Cursor: "e1-1", Offset: 1})
		}, "its kind is"},
		{"what nobody published", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.sees(1, "ghost", "e1-1")
		}, "which nobody published"},
		{"another's offset", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "a", "e1-2")
		}, "the broker has it at"},
		{"an offset that is not the cursor's", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a")
			s.add(Entry{What: Saw, Who: "bob", Leg: 1, Content: content("a"), Cursor: "e1-1", Offset: 2})
		}, "its offset is 2"},
		{"conflated in a channel that keeps everything", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a")
			s.add(Entry{What: Saw, Who: "bob", Leg: 1, Content: content("a"), Cursor: "e1-1", Offset: 1, Conflated: true})
		}, "marked as conflated"},
		{"recovered over another transport", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b", "c")
			s.sees(1, "a", "e1-1")
			s.ends(1, "")
			s.opens(2, SSE, "e1-1")
			s.sees(2, "b", "e1-2")
			s.sees(2, "c", "e1-3")
			s.settles(2)
		}, ""},
		{"recovered with a hole", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b", "c")
			s.sees(1, "a", "e1-1")
			s.ends(1, "")
			s.opens(2, Native, "e1-1")
			s.told(2, true, "e1-1")
			s.sees(2, "c", "e1-3")
		}, "offsets 2 to 2 never came"},
		{"recovered with a duplicate", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "a", "e1-1")
			s.ends(1, "")
			s.opens(2, SSE, "e1-1")
			s.sees(2, "a", "e1-1")
		}, "a duplicate, or out of order"},
		{"recovered from elsewhere", "kept", func(s *story) {
			s.publishes("e1", 1, "a", "b", "c")
			s.opens(1, Native, "e1-1")
			s.told(1, true, "e1-2")
		}, "recovered, but from e1-2"},
		{"not recovered though it was there", "kept", func(s *story) {
			s.publishes("e1", 1, "a", "b", "c", "d")
			s.opens(1, Native, "e1-1")
			s.told(1, false, "e1-4")
		}, "offset 2 was within the history of 3"},
		{"not recovered as it was too long ago", "kept", func(s *story) {
			s.publishes("e1", 1, "a", "b", "c", "d", "e")
			s.opens(1, Native, "e1-1")
			s.told(1, false, "e1-5")
			s.settles(1)
		}, ""},
		{"not recovered though nothing was missed", "", func(s *story) {
			s.publishes("e1", 1, "a")
			s.opens(1, Native, "e1-1")
			s.told(1, false, "e1-1")
		}, "nothing had been published since"},
		{"not recovered though it was young", "brief", func(s *story) {
			s.publishes("e1", 1, "a", "b")
			s.opens(1, Native, "e1-1")
			s.told(1, false, "e1-2")
		}, "within the history"},
		{"not recovered as it was old", "brief", func(s *story) {
			s.publishes("e1", 1, "a", "b")
			s.waits(1)
			s.opens(1, Native, "e1-1")
			s.told(1, false, "e1-2")
		}, ""},
		{"not recovered as the node was restarted", "kept", func(s *story) {
			s.publishes("e1", 1, "a", "b")
			s.starts()
			s.opens(1, Native, "e1-1")
			s.told(1, false, "e2-0")
			s.publishes("e2", 1, "c")
			s.sees(1, "c", "e2-1")
			s.settles(1)
		}, ""},
		{"a new numbering that nobody told of", "kept", func(s *story) {
			s.publishes("e1", 1, "a", "b")
			s.starts()
			s.opens(1, SSE, "e1-2")
			s.publishes("e2", 1, "c")
			s.sees(1, "c", "e2-1")
		}, "the client was not told"},
		{"a new numbering while history was promised", "kept", func(s *story) {
			s.publishes("e1", 1, "a")
			s.publishes("e2", 1, "b")
		}, "began anew while its history was to be kept"},
		{"a gap told for exactly the hole", "drop", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b", "c", "d")
			s.sees(1, "a", "e1-1")
			s.misses(1, 2, 3, "e1-3")
			s.sees(1, "d", "e1-4")
			s.settles(1)
		}, ""},
		{"a gap smaller than the hole", "drop", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b", "c", "d")
			s.sees(1, "a", "e1-1")
			s.misses(1, 2, 2, "e1-2")
			s.sees(1, "d", "e1-4")
		}, "offsets 3 to 3 never came"},
		{"a gap larger than the hole", "drop", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b", "c", "d")
			s.sees(1, "a", "e1-1")
			s.misses(1, 2, 3, "e1-3")
			s.sees(1, "c", "e1-3")
		}, "a duplicate, or out of order"},
		{"a gap where none is", "drop", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "a", "e1-1")
			s.sees(1, "b", "e1-2")
			s.misses(1, 2, 2, "e1-2")
		}, "told of a gap from 2 to 2"},
		{"a gap of what was never published", "drop", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a")
			s.sees(1, "a", "e1-1")
			s.misses(1, 2, 9, "e1-9")
		}, "told of a gap from 2 to 9"},
		{"a gap where the rule drops nothing", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b", "c")
			s.sees(1, "a", "e1-1")
			s.misses(1, 2, 2, "e1-2")
		}, "told of a gap up to 2, but"},
		{"everything lost, told without need", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "a", "e1-1")
			s.misses(1, 0, 2, "e1-2")
		}, "although e1-1 still counted"},
		{"a cursor that runs ahead of what was seen", "kept", func(s *story) {
			s.opens(1, SSEMany, "")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "a", "e1-1")
			s.ends(1, "")
			s.opens(2, SSEMany, "e1-2.zz-3")
		}, "the cursor that the client was given says e1-2"},
		{"a cursor that lacks the channel", "kept", func(s *story) {
			s.opens(1, SSEMany, "")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "a", "e1-1")
			s.ends(1, "")
			s.opens(2, SSEMany, "zz-3")
		}, "says nowhere"},
		{"polls that go on where the last ended", "kept", func(s *story) {
			s.publishes("e1", 1, "a", "b", "c")
			s.opens(1, ShortPoll, "")
			s.sees(1, "b", "e1-2")
			s.ends(1, "e1-2")
			s.opens(2, LongPoll, "e1-2")
			s.sees(2, "c", "e1-3")
			s.ends(2, "e1-3")
			s.settles(2)
		}, ""},
		{"a poll whose cursor skips something", "kept", func(s *story) {
			s.publishes("e1", 1, "a", "b", "c")
			s.opens(1, ShortPoll, "e1-1")
			s.sees(1, "b", "e1-2")
			s.ends(1, "e1-3")
		}, "the cursor says e1-3; the client has got to e1-2"},
		{"values left out where newer ones came", "newest", func(s *story) {
			s.opens(1, Native, "")
			s.told(1, false, "e1-0")
			s.publishes("e1", 1, "x.1", "y.1", "x.2", "y.2")
			s.sees(1, "x.2", "e1-3")
			s.sees(1, "y.2", "e1-4")
			s.settles(1)
		}, ""},
		{"the newest value left out", "newest", func(s *story) {
			s.opens(1, Native, "")
			s.told(1, false, "e1-0")
			s.publishes("e1", 1, "x.1", "y.1", "x.2")
			s.sees(1, "x.2", "e1-3")
		}, `it is the newest with the key "y"`},
		{"a value that goes backwards", "newest", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "x.1", "x.2")
			s.sees(1, "x.2", "e1-2")
			s.sees(1, "x.1", "e1-1")
		}, "a duplicate, or out of order"},
		{"an end before the end", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.publishes("e1", 1, "a", "b")
			s.sees(1, "a", "e1-1")
			s.settles(1)
		}, "in the end the client is at e1-1; the channel is at e1-2"},
		{"one publication numbered twice", "kept", func(s *story) {
			s.tries("a")
			s.takes("a", "e1-1")
			s.tries("a")
			s.takes("a", "e1-2")
		}, "it was published before"},
		{"one publication again after a restart", "kept", func(s *story) {
			s.tries("a")
			s.takes("a", "e1-1")
			s.starts()
			s.tries("a")
			s.takes("a", "e2-1")
		}, ""},
		{"one offset given twice", "kept", func(s *story) {
			s.publishes("e1", 1, "a")
			s.publishes("e1", 1, "b")
		}, "offset 1 belongs to a"},
		{"an offset left out", "kept", func(s *story) {
			s.publishes("e1", 1, "a")
			s.publishes("e1", 3, "b")
		}, "offset 2 was left out"},
		{"a receipt for another offset", "kept", func(s *story) {
			s.publishes("e1", 1, "a", "b")
			s.receipt("b", "e1-1")
		}, "the receipt says e1-1"},
		{"two receipts that both claim to be the first", "kept", func(s *story) {
			s.publishes("e1", 1, "a")
			s.tries("a")
			s.receipt("a", "e1-1")
		}, "neither receipt says that it is a duplicate"},
		{"a duplicate of nothing", "kept", func(s *story) {
			s.tries("a")
			s.takes("a", "e1-1")
			s.add(Entry{What: Receipted, Who: "ann", Content: Content{ID: "a"}, Cursor: "e1-1", Offset: 1, Duplicate: true})
		}, "it was published only once"},
		{"the later publication before the earlier", "kept", func(s *story) {
			s.tries("a")
			s.takes("a", "e1-2")
			s.receipt("a", "e1-2")
			s.tries("b")
			s.takes("b", "e1-1")
		}, "it was published after the receipt of offset 2"},
		{"one connection's publications out of order", "kept", func(s *story) {
			for _, id := range []string{"a", "b"} {
				s.add(Entry{What: Attempted, Who: "ann", Leg: 1, Content: content(id)})
			}
			s.takes("b", "e1-1")
			s.takes("a", "e1-2")
		}, "it was sent after a over the same connection"},
		{"a refusal without reason", "kept", func(s *story) {
			s.tries("a")
			s.add(Entry{What: Refused, Who: "ann", Content: Content{ID: "a"}, Text: "too_large"})
		}, "in order was refused"},
		{"another payload at the broker", "kept", func(s *story) {
			s.tries("a")
			wrong := content("a")
			wrong.Payload = nil
			s.add(Entry{What: Numbered, Content: wrong, Cursor: "e1-1", Began: s.mark()})
		}, "something else than was published"},
		{"somebody missing from the presence", "kept", func(s *story) {
			s.opens(1, Native, "")
			s.add(Entry{What: Present, Users: []string{"eve"}})
		}, "missing are [bob], and not there are [eve]"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			s := &story{channel: c.channel}
			s.starts()
			c.tell(s)
			faults := Check(promises, s.entries)
			switch {
			case c.fault == "" && len(faults) > 0:
				t.Errorf("refused: %v\n%s", faults[0], Excerpt(s.entries, faults[0], 20))
			case c.fault != "" && len(faults) == 0:
				t.Errorf("accepted; want %q", c.fault)
			case c.fault != "" && !strings.Contains(faults[0].Text, c.fault):
				t.Errorf("refused with %q, want %q", faults[0].Text, c.fault)
			}
		})
	}
}
