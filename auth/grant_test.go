package auth

import (
	"fmt"
	"strings"
	"testing"
)

func TestGrantsAllowWhatTheySay(t *testing.T) {
	c := must[*Claims](t)(parseClaims([]byte(`{"sub":"a","channels":{"chat:*":["subscribe","publish"],"chat:lobby":["history"],"news":["subscribe"],"none":[]}}`)))
	for _, test := range []struct {
		rights  Rights
		channel string
		want    bool
	}{
		{Subscribe, "chat:lobby", true},
		{Publish, "chat:", true},
		{Subscribe | Publish | History, "chat:lobby", true}, // from two grants
		{Subscribe | History, "chat:other", false},
		{Presence, "chat:lobby", false},
		{Subscribe, "chat:a/b", true},
		{Subscribe, "Chat:lobby", false},
		{Subscribe, "news", true},
		{Publish, "news", false},
		{Subscribe, "newsletter", false},
		{Subscribe, "none", false},
		{Call, "", false},
	} {
		if got := c.May(test.rights, test.channel); got != test.want {
			t.Errorf("%v in %q: %v", test.rights, test.channel, got)
		}
	}
}

func TestAStarAloneMatchesEveryChannel(t *testing.T) {
	c := &Claims{Grants: []Grant{{"*", Call}}}
	for _, channel := range []string{"", "a", "a/b"} {
		if !c.May(Call, channel) {
			t.Errorf("not %q", channel)
		}
	}
}

func TestNoGrantsAndEmptyGrantsDiffer(t *testing.T) {
	without := must[*Claims](t)(parseClaims([]byte(`{"sub":"a"}`)))
	empty := must[*Claims](t)(parseClaims([]byte(`{"sub":"a","channels":{}}`)))
	if without.Grants != nil || empty.Grants == nil || without.May(Subscribe, "x") || empty.May(Subscribe, "x") {
		t.Errorf("%v %v", without.Grants, empty.Grants)
	}
}

func TestUnknownRightsAreRefusedWithTheNearest(t *testing.T) {
	for wrong, near := range map[string]string{"publsh": "publish", "subscribes": "subscribe", "Presence": "presence", "calls": "call", "histroy": "history"} {
		_, err := ParseRight(wrong)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("did you mean %q?", near)) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	for i, name := range rightNames {
		if r := must[Rights](t)(ParseRight(name)); r != 1<<i || r.String() != name {
			t.Errorf("%s is %v", name, r)
		}
	}
}

func TestGrantsAsOneLine(t *testing.T) {
	if g := must[Grant](t)(ParseGrant("a=b:*=subscribe, call")); g != (Grant{"a=b:*", Subscribe | Call}) {
		t.Errorf("%+v", g)
	}
	for _, bad := range []string{"", "chat", "=publish", "x=", "x=all", "[=publish", strings.Repeat("x", 256) + "=publish"} {
		if _, err := ParseGrant(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
