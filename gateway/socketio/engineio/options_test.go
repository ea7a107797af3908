// Which options hold where none are given.

package engineio

import "testing"

func TestAnOutboxHasRoomForSomeOfTheLargestMessages(t *testing.T) {
	for _, c := range []struct {
		given Options
		want  int
	}{
		{Options{}, 4_000_000},
		{Options{MaxPayload: 10_000}, 1 << 20},
		{Options{MaxPayload: 10 << 20}, 40 << 20},
		{Options{OutboxBytes: 1000}, 1000},
	} {
		o, err := c.given.withDefaults()
		if err != nil || o.OutboxBytes != c.want {
			t.Errorf("%+v: %d, %v", c.given, o.OutboxBytes, err)
		}
		if o.MaxSessions == 0 {
			t.Error("sessions are not bounded")
		}
	}
}
