package hub_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/ringdown/ringdown/hub"
)

func TestWhoeverWatchesHearsOfEachThatComesAndGoesInOrder(t *testing.T) {
	var told []string // under the lock of the one channel
	names := [...]string{"joined", "left", "occupied", "vacated"}
	h := start(t, hub.Options{Watch: func(e hub.Event) { told = append(told, fmt.Sprint(names[e.Type], " ", e.Channel, " ", e.Member.User)) }})
	open := func(user string, about hub.Description, o hub.SubscribeOptions) *hub.Session {
		s, err := h.Open(&sortOf{about: about}, hub.Identity{User: user})
		if err == nil {
			err = s.Subscribe(t.Context(), "room", o)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	poll := open("poll", hub.Description{Passing: true}, hub.SubscribeOptions{})
	unseen := open("unseen", hub.Description{}, hub.SubscribeOptions{Unseen: true})
	ann := open("ann", hub.Description{}, hub.SubscribeOptions{})
	poll.Close()
	bob := open("bob", hub.Description{}, hub.SubscribeOptions{Forced: true})
	ann.End(hub.Errorf(hub.Disconnected, "go"))
	ann.Close()
	if err := bob.Expel("room", "why not"); err != nil {
		t.Fatal(err)
	}
	unseen.Close()
	want := []string{"occupied room ", "joined room ann", "joined room bob", "left room ann", "left room bob", "vacated room "}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if cause := ann.Cause(); cause != hub.Disconnected {
		t.Errorf("ended for %q", cause)
	}
	if cause := bob.Cause(); cause != "" {
		t.Errorf("open, and ended for %q", cause)
	}
}

func TestACodeThatIsNotInTheTableIsLikeNotAllowed(t *testing.T) {
	h := start(t, hub.Options{})
	r, sentence := hub.RefusalOf(hub.Errorf("members_only", "join the club"))
	if r.Code != "members_only" || r.Status != http.StatusForbidden || r.Close != 1008 || sentence != "join the club" {
		t.Errorf("%+v, %q", r, sentence)
	}
	h.Refused("members_only")
	if n := h.Stats().Refusals; n[hub.NotAllowed] != 1 || n[hub.Internal] != 0 {
		t.Errorf("counted as %v", n)
	}
}

func TestASessionHasTheIDThatItsIdentityBrings(t *testing.T) {
	h, id := start(t, hub.Options{}), hub.NewSessionID()
	s, err := h.Open(newClient(), hub.Identity{Session: id})
	if err != nil || s.ID() != id || h.Session(id) != s {
		t.Errorf("%v, %v", s, err)
	}
}
