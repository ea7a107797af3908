package console_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ringdown/ringdown/hub"
)

type channelPage struct {
	Channels []struct {
		Channel     string
		Subscribers int
	}
	Total int
	Next  string
}

func TestChannelsAreListedByNameAndBySubscribers(t *testing.T) {
	n := start(t)
	for channel, subscribers := range map[string]int{"chat:a": 1, "chat:b": 3, "chat:c": 2, "news": 3, "a:b:c": 2} {
		for range subscribers {
			n.open(hub.Identity{}, overWebSocket, channel)
		}
	}
	for _, c := range []struct {
		query string
		want  string
	}{
		{"", "a:b:c=2 chat:a=1 chat:b=3 chat:c=2 news=3"},
		{"&sort=subscribers", "chat:b=3 news=3 a:b:c=2 chat:c=2 chat:a=1"},
		{"&pattern=chat:*", "chat:a=1 chat:b=3 chat:c=2"},
		{"&pattern=chat:*&sort=subscribers", "chat:b=3 chat:c=2 chat:a=1"},
		{"&pattern=none", ""},
	} {
		for _, limit := range []int{1, 2, 100} {
			var got []string
			after := ""
			for {
				page := channelPage{}
				n.ask(200, &page, "GET", fmt.Sprintf("/channels?limit=%d%s&after=%s", limit, c.query, after), "")
				for _, one := range page.Channels {
					got = append(got, fmt.Sprintf("%s=%d", one.Channel, one.Subscribers))
				}
				if want := len(strings.Fields(c.want)); page.Total != want {
					t.Errorf("%s: %d in all, want %d", c.query, page.Total, want)
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s by %d: %q, want %q", c.query, limit, got, c.want)
			}
		}
	}
}

type history struct {
	Epoch    string
	Offset   uint64
	Messages []struct {
		Offset   uint64
		Cursor   string
		Event    string
		Key      string
		Encoding string
		Data     json.RawMessage
		Bytes    int
	}
	Before uint64
	After  string
	Lost   bool
}

func (h *history) offsets() string {
	var all []string
	for _, m := range h.Messages {
		all = append(all, fmt.Sprint(m.Offset))
	}
	return strings.Join(all, " ")
}

func TestWhatIsKeptIsScrubbedThroughInBothDirections(t *testing.T) {
	n := start(t)
	for i := range 105 { // of which 100 are kept
		var done struct{ Offset uint64 }
		n.ask(200, &done, "POST", "/channels/news/publish", fmt.Sprintf(`{"data":{"n":%d},"event":"e","key":"k"}`, i))
		if done.Offset != uint64(i+1) {
			t.Fatalf("the offset is %d", done.Offset)
		}
	}
	var about struct {
		Epoch               string
		Offset, First, Kept uint64
		Presence            *struct{ Sessions, Users int }
		Policy              map[string]any
	}
	n.ask(200, &about, "GET", "/channels/news", "")
	if about.Offset != 105 || about.First != 6 || about.Kept != 100 || about.Presence == nil || about.Policy["slow"] != "disconnect" || about.Policy["history_count"] != 100.0 {
		t.Errorf("%+v", about)
	}
	for _, c := range []struct {
		query   string
		offsets string
		before  uint64
		further bool
		lost    bool
	}{
		{"limit=3", "103 104 105", 103, false, false},
		{"limit=3&before=103", "100 101 102", 100, true, false},
		{"limit=3&before=8", "6 7", 6, true, true},
		{"limit=3&before=6", "", 0, false, true},
		{"limit=3&before=1", "", 0, false, false},
		{"limit=3&before=0", "", 0, false, false},
		{"limit=3&before=9999", "103 104 105", 103, false, false},
		{"limit=2&after=" + about.Epoch + "-100", "101 102", 101, true, false},
		{"limit=9&after=" + about.Epoch + "-103", "104 105", 104, false, false},
		{"limit=2&after=" + about.Epoch + "-1", "6 7", 6, true, true},
		{"limit=2&after=" + about.Epoch + "-999", "6 7", 6, true, true},
	} {
		got := history{}
		n.ask(200, &got, "GET", "/channels/news/history?"+c.query, "")
		if got.offsets() != c.offsets || got.Before != c.before || (got.After != "") != c.further || got.Lost != c.lost {
			t.Errorf("%s: %q, before %d, after %q, lost %v", c.query, got.offsets(), got.Before, got.After, got.Lost)
		}
	}
	var other struct {
		Epoch    string
		Presence *struct{}
	}
	if n.ask(200, &other, "GET", "/channels/plain:x", ""); other.Epoch != "" || other.Presence != nil {
		t.Errorf("a channel that keeps nothing: %+v", other)
	}
}

func TestPayloadsAreShownAsWhatTheyAre(t *testing.T) {
	n := start(t)
	var done map[string]any
	n.ask(200, &done, "POST", "/channels/a%2Fb/publish", `{"data":"he said <hi>"}`)
	n.ask(200, &done, "POST", "/channels/a%2Fb/publish", `{"data":[1, null]}`)
	if _, err := n.hub.Publish(t.Context(), &hub.Publication{Channel: "a/b", Kind: hub.Binary, Payload: []byte{0, 255}}, hub.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	var got history
	n.ask(200, &got, "GET", "/channels/a%2Fb/history", "")
	var shown []string
	for _, m := range got.Messages {
		shown = append(shown, fmt.Sprintf("%s %s %d", m.Data, m.Encoding, m.Bytes))
	}
	if diff := cmp.Diff(shown, []string{`"he said \u003chi\u003e"  12`, `[1,null]  9`, `"AP8=" base64 2`}); diff != "" {
		t.Error(diff)
	}
}

// Long payloads make short pages, and none is skipped.
func TestAPageOfHistoryHasABound(t *testing.T) {
	n := start(t)
	if err := n.hub.SetRules([]hub.Rule{{Pattern: "*", History: hub.Retention{Count: 100}, MaxPayload: 1 << 20}}); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		p := &hub.Publication{Channel: "large", Kind: hub.Text, Payload: bytes.Repeat([]byte("x"), 400<<10)}
		if _, err := n.hub.Publish(t.Context(), p, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var back, forth []string
	page := history{}
	for query := "limit=10"; ; query = fmt.Sprintf("limit=10&before=%d", page.Before) {
		page = history{}
		n.ask(200, &page, "GET", "/channels/large/history?"+query, "")
		back = append(back, page.offsets())
		if page.Before == 0 {
			break
		}
	}
	if strings.Join(back, ",") != "5 6,3 4,1 2" {
		t.Errorf("backwards: %q", back)
	}
	for after := page.Epoch + "-0"; after != ""; after = page.After {
		page = history{}
		n.ask(200, &page, "GET", "/channels/large/history?limit=10&after="+after, "")
		forth = append(forth, page.offsets())
	}
	if strings.Join(forth, ",") != "1 2,3 4,5 6" {
		t.Errorf("forwards: %q", forth)
	}
}

func TestHistoryBeforeAnOffsetBeyondTheEndIsTheNewest(t *testing.T) {
	n := start(t)
	if err := n.hub.SetRules([]hub.Rule{{Pattern: "*", History: hub.Retention{Count: 100}, MaxPayload: 1 << 10}}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := n.hub.Publish(t.Context(), &hub.Publication{Channel: "news", Kind: hub.Text, Payload: []byte("x")}, hub.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for before, want := range map[string]string{"6": "4 5", "7": "4 5", "1000": "4 5", "18446744073709551615": "4 5", "5": "3 4", "2": "1", "1": "", "0": ""} {
		page := history{}
		n.ask(200, &page, "GET", "/channels/news/history?limit=2&before="+before, "")
		if got := page.offsets(); got != want {
			t.Errorf("before %s: %q, want %q", before, got, want)
		}
	}
}
