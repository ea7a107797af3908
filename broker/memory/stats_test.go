package memory_test

import (
	"testing"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

func TestTheCountersTellWhatIsKeptAndWhatHadToGo(t *testing.T) {
	b := memory.New(memory.Options{MaxBytes: 8 << 10})
	h, err := hub.New(hub.Options{Broker: b, Rules: []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 1000}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Shutdown(t.Context())
	for range 100 {
		if _, err := h.Publish(t.Context(), &hub.Publication{Channel: "a", Payload: make([]byte, 100)}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := h.History(t.Context(), "a", hub.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	n := b.Stats()
	if n.Channels != 1 || n.Bytes <= 0 || n.Bytes > n.MaxBytes || n.MaxBytes != 8<<10 || n.Evicted != uint64(100-len(kept.Publications)) || n.Evicted == 0 {
		t.Errorf("%+v with %d kept", n, len(kept.Publications))
	}
}
