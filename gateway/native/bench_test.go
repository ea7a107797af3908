package native_test

import (
	"testing"

	"github.com/ringdown/ringdown/gateway/native"
)

// BenchmarkPublishAndHear is a publication over one connection, its receipt, and its way to a subscriber.
func BenchmarkPublishAndHear(b *testing.B) {
	n := start(b, native.Options{})
	c := n.greeted("")
	c.say(`{"type":"subscribe","channel":"many"}`)
	c.hear()
	b.ReportAllocs()
	for b.Loop() {
		c.conn.Write(b.Context(), 1, []byte(`{"type":"publish","channel":"many","data":{"bid":231.5},"id":1}`))
		for range 2 {
			if _, _, err := c.conn.Read(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}
