package socketio

import (
	"errors"
	"testing"
)

func TestWhatWaitsOfOtherNodesIsBoundedAndHandledInOrder(t *testing.T) {
	for _, c := range []struct {
		proves string
		bytes  int
		fit    int
	}{
		{"so many", 1, maxNotices},
		{"so many bytes", maxNoticeBytes / 4, 4},
		{"one that is larger than all may be", 2 * maxNoticeBytes, 1},
	} {
		var h hands
		var q notices
		turn, begun := make(chan struct{}), make(chan struct{})
		q.add(&h, 1, func() {
			close(begun)
			<-turn
		})
		<-begun // nothing waits any more
		handled := 0
		for i := range c.fit {
			err := q.add(&h, c.bytes, func() {
				if handled != i {
					t.Errorf("%s: %d was handled when %d was due", c.proves, i, handled)
				}
				handled++
			})
			if err != nil {
				t.Fatalf("%s: %d: %v", c.proves, i, err)
			}
		}
		if err := q.add(&h, c.bytes, func() { t.Errorf("%s: too much is handled", c.proves) }); !errors.Is(err, errNotices) {
			t.Errorf("%s: one more: %v", c.proves, err)
		}
		close(turn)
		h.all.Wait()
		if handled != c.fit || q.bytes != 0 {
			t.Errorf("%s: %d were handled, %d bytes are left", c.proves, handled, q.bytes)
		}
		q.end()
		if err := q.add(&h, 1, nil); !errors.Is(err, errNotices) {
			t.Errorf("%s: at the end: %v", c.proves, err)
		}
	}
}
