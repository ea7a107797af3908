//go:build unix

package faults

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/ringdown/ringdown/hub"
)

// A node that is killed has used offsets since it was started, which must not be given again in the same numbering.
func TestAStateIsNotUsedAgainAfterANodeWasKilled(t *testing.T) {
	t.Parallel()
	flags := []string{"--set", "state.file=" + filepath.Join(t.TempDir(), "state")}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	first := serve(t, "127.0.0.1:0", flags...)
	saved := publishAt(ctx, t, first, "saved")
	first.stop(t)
	second := serve(t, "127.0.0.1:0", flags...)
	lost := publishAt(ctx, t, second, "lost")
	if epochOf(t, saved) != epochOf(t, lost) {
		t.Errorf("the second process does not go on with the state of the first: %s, then %s", saved, lost)
	}
	second.kill(t)
	third := serve(t, "127.0.0.1:0", flags...)
	anew := publishAt(ctx, t, third, "anew")
	if epochOf(t, anew) == epochOf(t, lost) {
		t.Errorf("the third process goes on with the numbering of one that was killed: %s, then %s", lost, anew)
	}
	for _, cursor := range []string{saved, lost} {
		if a := ask(ctx, t, third, http.MethodGet, "?after="+cursor, ""); !a.lost() {
			t.Errorf("%s is said to be recovered: %+v", cursor, a)
		}
	}
	third.stop(t)
}

func publishAt(ctx context.Context, t *testing.T, p *process, text string) (cursor string) {
	t.Helper()
	return ask(ctx, t, p, http.MethodPost, "", text).Cursor
}

// ask sends a request for a channel.
func ask(ctx context.Context, t *testing.T, p *process, method, query, body string) (answer message) {
	t.Helper()
	if err := new(writers).exchange(ctx, p.address, method, "lobby"+query, "", body, &answer); err != nil || answer.Cursor == "" {
		t.Fatalf("%s: %+v, %v", method, answer, err)
	}
	return answer
}

func epochOf(t *testing.T, cursor string) string {
	t.Helper()
	at, err := hub.ParseCursor(cursor)
	if err != nil || len(at) != 1 {
		t.Fatalf("%s: %v", cursor, err)
	}
	return string(at[0].Epoch)
}
