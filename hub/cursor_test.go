package hub_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ringdown/ringdown/hub"
)

func TestCursorsComeBackAsTheyWent(t *testing.T) {
	for text, want := range map[string]hub.Cursor{
		"":                              nil,
		"k3vq8w2m-0":                    {{"k3vq8w2m", 0}},
		"k3vq8w2m-7.aaaaaaaa-123456789": {{"k3vq8w2m", 7}, {"aaaaaaaa", 123456789}},
		"aaaaaaaa-9223372036854775807":  {{"aaaaaaaa", math.MaxInt64}},
	} {
		got, err := hub.ParseCursor(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
		if got.String() != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestForgedCursorsAreRefused(t *testing.T) {
	for _, text := range []string{
		"x", "-", ".", "k3vq8w2m", "k3vq8w2m-", "k3vq8w2m-x", "k3vq8w2m--1", "k3vq8w2m-+1", "k3vq8w2m-01", "K3VQ8W2M-1", "k3vq8w2-1",
		"k3vq8w2mm-1", "k3vq8w2m-9223372036854775808", "k3vq8w2m-1.", ".k3vq8w2m-1", "k3vq8w2m-1,k3vq8w2m-2", "k3vq8w2m-1 ", "k3vq8w2\x00-1",
		strings.Repeat("k3vq8w2m-1.", 800) + "k3vq8w2m-1",
	} {
		_, err := hub.ParseCursor(text)
		if e, ok := errors.AsType[*hub.Error](err); !ok || e.Code != hub.BadCursor {
			t.Errorf("%.40q: %v, want a refusal with %s", text, err, hub.BadCursor)
		}
	}
}

func TestNewEpochsAreParsedAndDiffer(t *testing.T) {
	a, b := hub.NewEpoch(), hub.NewEpoch()
	if a == b {
		t.Error("two epochs are the same")
	}
	c, err := hub.ParseCursor(hub.Position{Epoch: a, Offset: 3}.Cursor())
	if err != nil {
		t.Fatal(err)
	}
	if offset, ok := c.In(a); !ok || offset != 3 {
		t.Errorf("offset %d, %v", offset, ok)
	}
	if _, ok := c.In(b); ok {
		t.Error("it holds a position in another numbering")
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add("k3vq8w2m-7.aaaaaaaa-1")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := hub.ParseCursor(text); err == nil && c.String() != text {
			t.Errorf("%q became %q", text, c)
		}
	})
}
