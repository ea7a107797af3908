package feeds_test

import (
	"encoding/json"
	"testing"
	"time"
)

// standing is what the feed says of a match.
type standing struct {
	Match  int
	Home   string
	Goals  [2]int
	Minute int
	State  string
	Side   int
}

func TestWhoeverFoldsTheEventsKnowsHowTheMatchesStand(t *testing.T) {
	feed := feedOf(t, "demo:scores")
	now := time.Now()
	know := map[int]standing{}
	count := map[string]int{}
	for second := range 1000 { // several match days
		items := feed.Next(now)
		now = now.Add(feed.Interval)
		for i, item := range items {
			data, err := json.Marshal(item.Data)
			if err != nil {
				t.Fatal(err)
			}
			count[item.Event]++
			if item.Event == "table" {
				var all []standing
				if err := json.Unmarshal(data, &all); err != nil || len(all) != 6 {
					t.Fatalf("a table %s", data)
				}
				for _, m := range all {
					if before, known := know[m.Match]; known && m.Home == before.Home && m.State != "to come" && m.Goals != before.Goals {
						t.Errorf("after %d s the table says %+v, and the events said %+v", second, m, before)
					}
					know[m.Match] = m
				}
				continue
			}
			var m standing
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if _, known := know[m.Match]; !known && second > 0 {
				t.Fatalf("event %d after %d s is of match %d, of which no table told", i, second, m.Match)
			}
			if want := know[m.Match].Goals; item.Event == "goal" {
				want[m.Side]++
				if m.Home == know[m.Match].Home && m.Goals != want {
					t.Errorf("a goal that makes it %v, and %v was due", m.Goals, want)
				}
			}
			know[m.Match] = m
		}
	}
	for _, event := range []string{"table", "begin", "goal", "card", "break", "end"} {
		if count[event] < 6 {
			t.Errorf("in 1000 seconds there were %d events %q", count[event], event)
		}
	}
	later := feed.Next(now.Add(time.Hour))
	if len(later) == 0 || later[len(later)-1].Event != "table" {
		t.Errorf("after an hour in which nobody listened it says %+v, and no table", later)
	}
}
