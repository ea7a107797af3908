package message_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/hub"
)

var at = time.Date(2026, 11, 21, 16, 4, 5, 67_800_000, time.FixedZone("", 3600))

func TestAPublicationIsOneJSONObjectWithItsFieldsInOrder(t *testing.T) {
	for _, c := range []struct {
		proves string
		p      *hub.Publication
		shape  message.Shape
		want   string
	}{
		{"text", &hub.Publication{Payload: []byte("hello <b>\n\"ö\"\u2028")}, message.Shape{},
			`{"data":"hello <b>\n\"ö\"\u2028","offset":7,"cursor":"k3vq8w2m-7","time":"2026-11-21T15:04:05.067Z"}`},
		{"nothing", &hub.Publication{}, message.Shape{},
			`{"data":"","offset":7,"cursor":"k3vq8w2m-7","time":"2026-11-21T15:04:05.067Z"}`},
		{"JSON as it is", &hub.Publication{Kind: hub.JSON, Payload: []byte("{\"a\":\n [1, 2.0]}")}, message.Shape{},
			"{\"data\":{\"a\":\n [1, 2.0]},\"offset\":7,\"cursor\":\"k3vq8w2m-7\",\"time\":\"2026-11-21T15:04:05.067Z\"}"},
		{"everything", &hub.Publication{Channel: "a\"b", Event: "price", Kind: hub.Binary, Payload: []byte{0, 255}, Key: "AAPL", User: "ann"},
			message.Shape{Type: "message", Channel: true, Conflated: true},
			`{"type":"message","channel":"a\"b","event":"price","data":"AP8=","encoding":"base64","key":"AAPL","offset":7,` +
				`"cursor":"k3vq8w2m-7","time":"2026-11-21T15:04:05.067Z","user":"ann","conflated":true}`},
	} {
		t.Run(c.proves, func(t *testing.T) {
			c.p.Epoch, c.p.Offset, c.p.Time = "k3vq8w2m", 7, at
			got := message.Append([]byte("before"), c.p, c.shape)
			if string(got) != "before"+c.want {
				t.Errorf("written as %s,\nwant            before%s", got, c.want)
			}
			if !json.Valid([]byte(c.want)) {
				t.Error("which is not JSON")
			}
		})
	}
}
