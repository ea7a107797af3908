package feeds_test

import (
	"encoding/json"
	"testing"
	"time"
)

func TestSensorsStayOnTheirGaugesAndOneFallsSilent(t *testing.T) {
	feed := feedOf(t, "demo:sensors")
	heard, longest := map[string]int{}, map[string]int{} // the last second of each, and its longest silence
	for second := 1; second <= 600; second++ {
		for _, item := range feed.Next(time.Now()) {
			data, _ := json.Marshal(item.Data)
			var m struct{ Value, Low, High float64 }
			if err := json.Unmarshal(data, &m); err != nil || m.Low >= m.High || m.Value < m.Low || m.Value > m.High {
				t.Fatalf("%s says %s", item.Key, data)
			}
			longest[item.Key] = max(longest[item.Key], second-heard[item.Key])
			heard[item.Key] = second
		}
	}
	if len(heard) != 6 {
		t.Errorf("%d devices have said something", len(heard))
	}
	for key, silence := range longest {
		if falls := key == "parcel"; falls != (silence > 10) {
			t.Errorf("%s was silent for up to %d s", key, silence)
		}
	}
}
