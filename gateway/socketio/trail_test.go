// What a trail remembers, and what follows from it.

package socketio

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/hub"
)

// step is written as "a5" for publication 5 of channel a, and "~7" for an event with mark 7.
func walk(t *trail, steps string, seq uint64) uint64 {
	for _, step := range strings.Fields(steps) {
		seq++
		var n uint64
		fmt.Sscan(step[1:], &n)
		if step[0] == '~' {
			t.sent(&ownEvent{mark: n, text: []byte("event")}, true, seq)
			continue
		}
		t.published(&hub.Publication{Channel: step[:1], Epoch: epochOf(step[:1]), Offset: n}, seq)
	}
	return seq
}

func epochOf(channel string) string { return strings.Repeat(channel, 8) }

// offset is a step as a client knows it.
func offset(step string) string {
	if step == "" || step[0] == '~' {
		return step
	}
	return epochOf(step[:1]) + "-" + step[1:]
}

func describe(missed []run) string {
	var all []string
	for _, r := range missed {
		if r.channel == "" {
			all = append(all, markText(r.last))
		} else {
			all = append(all, fmt.Sprintf("%s%d-%d", r.channel, r.first, r.last))
		}
	}
	return strings.Join(all, " ")
}

func TestWhereAClientWasFollowsFromItsOffset(t *testing.T) {
	const steps = "a5 a6 b1 a7 ~1 b2 b3 c9 c10 a8 ~2"
	for _, c := range []struct{ offset, want string }{
		{"", "a5-6 b1-1 a7-7 ~1 b2-3 c9-10 a8-8 ~2"},
		{"a5", "a6-6 b1-1 a7-7 ~1 b2-3 c9-10 a8-8 ~2"},
		{"a6", "b1-1 a7-7 ~1 b2-3 c9-10 a8-8 ~2"},
		{"b1", "a7-7 ~1 b2-3 c9-10 a8-8 ~2"},
		{"~1", "b2-3 c9-10 a8-8 ~2"},
		{"b2", "b3-3 c9-10 a8-8 ~2"},
		{"c9", "c10-10 a8-8 ~2"},
		{"a8", "~2"},
		{"~2", ""},
		{"a9", "unknown"},
		{"a4", "unknown"},
		{"~3", "unknown"},
		{"d1", "unknown"},
		{"x", "unknown"},
	} {
		tr := trail{answer: never}
		for channel, at := range map[string]uint64{"a": 4, "b": 0, "c": 8} {
			tr.enter(channel, hub.Position{Epoch: epochOf(channel), Offset: at}, byProgram)
		}
		tr.leave("c")
		walk(&tr, steps, 0)
		missed, ok := tr.rewind(offset(c.offset))
		got := describe(missed)
		if !ok {
			got = "unknown"
		}
		if got != c.want {
			t.Errorf("%q: %s instead of %s", c.offset, got, c.want)
		}
		if c.want == "unknown" {
			continue
		}
		if again, ok := tr.rewind(offset(c.offset)); !ok || len(again) > 0 {
			t.Errorf("%q: the place is not known any more", c.offset)
		}
		for _, p := range tr.rooms {
			if want := map[string]uint64{"a": 8, "b": 3}[p.channel]; p.Offset != want {
				t.Errorf("%q: channel %s goes on after %d instead of %d", c.offset, p.channel, p.Offset, want)
			}
		}
	}
}

func TestWhatIsConfirmedIsForgotten(t *testing.T) {
	var tr trail
	tr.enter("a", hub.Position{Epoch: epochOf("a")}, byProgram)
	tr.enter("b", hub.Position{Epoch: epochOf("b")}, byProgram)
	walk(&tr, "a1 b1 a2 ~1 a3 b2", 10)
	tr.answer = 12
	tr.trim(11)
	if tr.at != "" || len(tr.runs) != 6 {
		t.Errorf("before the answer to CONNECT is confirmed: %+v", tr)
	}
	tr.trim(14)
	if want := (trail{at: "~1", rooms: []place{{"a", hub.Position{Epoch: epochOf("a"), Offset: 2}, byProgram}, {"b", hub.Position{Epoch: epochOf("b"), Offset: 1}, byProgram}}}); tr.at != want.at || !reflect.DeepEqual(tr.rooms, want.rooms) || tr.bytes != 0 {
		t.Errorf("%+v", tr)
	}
	tr.trim(100)
	if _, ok := tr.rewind(offset("b2")); !ok {
		t.Error("the last offset is not known")
	}
}

func TestATrailIsBounded(t *testing.T) {
	tr := trail{answer: never}
	for i := range 10 * maxRuns {
		seq := walk(&tr, fmt.Sprintf("a%d b%d", i+1, i+1), uint64(2*i))
		tr.trim(0)
		if len(tr.runs) > maxRuns {
			t.Fatalf("%d runs after %d messages", len(tr.runs), seq)
		}
	}
	if _, ok := tr.rewind(offset(fmt.Sprintf("b%d", 10*maxRuns))); !ok {
		t.Error("the last offset is not known")
	}
	large := &ownEvent{mark: 1, text: make([]byte, maxTrailBytes/4)}
	for range 10 {
		tr.sent(large, true, never)
		tr.trim(0)
	}
	if tr.bytes > maxTrailBytes {
		t.Errorf("%d bytes", tr.bytes)
	}
}
