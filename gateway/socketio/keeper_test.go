// What is kept of sockets that are away, and in which order what they missed is sent again.

package socketio

import (
	"strconv"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

func TestWhatIsKeptForSocketsThatAreAwayIsBounded(t *testing.T) {
	k := newKeeper(Recovery{})
	const sockets = 600
	for i := range sockets {
		id := strconv.Itoa(i)
		k.add(&away{pid: id, id: id, namespace: "/", until: time.Now().Add(time.Hour)})
	}
	for i := range sockets {
		k.deliver(strconv.Itoa(i), "/", &ownEvent{mark: 1, text: make([]byte, maxTrailBytes-1)})
	}
	if k.bytes > maxKeptBytes || k.count() < sockets/4 || k.count() == sockets {
		t.Errorf("%d bytes of %d sockets are kept; the bound is %d", k.bytes, k.count(), maxKeptBytes)
	}
}

func TestWhatIsOutOfDateIsForgotten(t *testing.T) {
	k := newKeeper(Recovery{})
	k.add(&away{pid: "p", id: "i", namespace: "/", until: time.Now().Add(-time.Millisecond)})
	if k.has("i", "/") || k.deliver("i", "/", &ownEvent{}) || k.count() != 0 || k.bytes != 0 {
		t.Error("a socket that cannot come back is still a target")
	}
}

func TestWhatIsSentAgainKeepsTheOrderOfEachChannel(t *testing.T) {
	now := time.Now()
	missed := func(offset uint64, at time.Duration) replay {
		return replay{publication: &hub.Publication{Offset: offset, Time: now.Add(at)}}
	}
	all := merge([][]replay{
		{missed(1, time.Second), missed(2, 0)}, // the wall clock was set back
		{missed(3, 500*time.Millisecond)},
	})
	for i, want := range []uint64{3, 1, 2} {
		if all[i].publication.Offset != want {
			t.Errorf("%d comes at %d instead of %d", all[i].publication.Offset, i, want)
		}
	}
}

func TestWhoNeverGetsAnyFurtherIsGivenUp(t *testing.T) {
	var a tries
	for range maxTries {
		if !a.again("x") {
			t.Fatalf("%+v", a)
		}
	}
	if a.again("x") || !a.again("y") {
		t.Errorf("%+v", a)
	}
}
