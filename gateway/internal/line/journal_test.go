package line

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/internal/sparing"
)

func TestAFloodOfRefusalsDoesNotFloodTheLog(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelDebug: 1001, slog.LevelInfo: sparing.PerSecond + 1, slog.LevelWarn: 0} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			j := NewJournal(new(hub.Hub), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})))
			refuse := func() { j.Request(httptest.NewRequest("GET", "/connect", nil), "", hub.Errorf(hub.Unauthorized, "no")) }
			for range 1000 {
				refuse()
			}
			time.Sleep(time.Second)
			refuse()
			if got := strings.Count(log.String(), "msg=refused"); got != want {
				t.Errorf("at %v: %d of 1001 refusals are written, want %d", level, got, want)
			}
			if level == slog.LevelInfo && strings.Count(log.String(), "unlogged=900") != 1 {
				t.Errorf("the log does not tell how many are missing:\n%s", &log)
			}
		})
	}
}

func TestARefusalIsWrittenWithItsCauseForTheOperator(t *testing.T) {
	var log bytes.Buffer
	j := NewJournal(new(hub.Hub), slog.New(slog.NewTextHandler(&log, nil)))
	r := httptest.NewRequest("GET", "/connect?token=secret", nil)
	r.Header.Set("Origin", "https://a.example")
	j.Request(r, "s1", errors.New("the disk is full"))
	for _, part := range []string{
		"remote=192.0.2.1:1234", "path=/connect ", "origin=https://a.example", "session=s1", "code=internal", `cause="the disk is full"`, "cure=",
	} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%s is missing in %s", part, &log)
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the query is there: %s", &log)
	}
}
