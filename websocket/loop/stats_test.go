package loop_test

import (
	"net/http/httptest"
	"testing"

	"github.com/ringdown/ringdown/websocket/loop"
)

func TestRefusedHandshakesAreCounted(t *testing.T) {
	s, err := loop.New(loop.Handler{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if n := s.Stats(); n.Refused != 1 || n.Opened != 0 || w.Code < 400 {
		t.Errorf("%+v after an answer with %d", n, w.Code)
	}
	w = httptest.NewRecorder()
	if err := s.Check(w, httptest.NewRequest("GET", "/", nil)); err == nil || s.Stats().Refused != 2 || w.Code < 400 {
		t.Errorf("%v, %+v after a check that has answered with %d", err, s.Stats(), w.Code)
	}
}
