package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/api"
)

// others are nodes that are asked within the process; some do not answer.
type others struct {
	handlers []*api.Handler
	missing  []string
}

func (o *others) Ask(ctx context.Context, question []byte) (answers [][]byte, missing []string) {
	for _, h := range o.handlers {
		if answer, err := h.Answer(ctx, question); err == nil {
			answers = append(answers, answer)
		}
	}
	return answers, o.missing
}

// pair is two nodes that ask each other.
func pair(t *testing.T) (a, b *node, ofA *others) {
	t.Helper()
	ofA, ofB := new(others), new(others)
	a = start(t, func(o *api.Options) { o.Peers = ofA; o.Node = func() api.Node { return api.Node{Name: "a"} } })
	b = start(t, func(o *api.Options) { o.Peers = ofB; o.Node = func() api.Node { return api.Node{Name: "b"} } })
	ofA.handlers, ofB.handlers = []*api.Handler{b.handler}, []*api.Handler{a.handler}
	return a, b, ofA
}

// listing is a page of either list.
type listing struct {
	Channels []struct {
		Channel     string
		Subscribers int
	}
	Sessions   []struct{ Session, Node string }
	Total      int
	Next       string
	Incomplete []string
}

func TestChannelsOfAllNodesAreCountedOnce(t *testing.T) {
	a, b, ofA := pair(t)
	for i := range 10 {
		a.open("ann", fmt.Sprint("chat:", i))
		b.open("bob", fmt.Sprint("chat:", i+5), "news")
	}
	for _, n := range []*node{a, b} {
		var found []string
		for after := ""; ; {
			var p listing
			n.ask(200, &p, "GET", "/channels?pattern=chat:*&limit=4&after="+after, "")
			if p.Total != 15 || p.Incomplete != nil {
				t.Errorf("%+v", p)
			}
			for _, c := range p.Channels {
				found = append(found, fmt.Sprint(c.Channel, "=", c.Subscribers))
			}
			if after = p.Next; after == "" {
				break
			}
		}
		if got := strings.Join(found, " "); got != "chat:0=1 chat:1=1 chat:10=1 chat:11=1 chat:12=1 chat:13=1 chat:14=1 chat:2=1 chat:3=1 chat:4=1 chat:5=2 chat:6=2 chat:7=2 chat:8=2 chat:9=2" {
			t.Error(got)
		}
	}
	ofA.missing = []string{"c"}
	var p listing
	a.ask(200, &p, "GET", "/channels?pattern=news", "")
	if p.Total != 1 || p.Channels[0].Subscribers != 10 || !slices.Equal(p.Incomplete, []string{"c"}) {
		t.Errorf("%+v", p)
	}
}

func TestSessionsAreFoundAndManagedOnEveryNode(t *testing.T) {
	a, b, ofA := pair(t)
	here, there, more := a.open("ann", "news"), b.open("ann", "news"), b.open("ann")
	var found []string
	for after := ""; ; {
		var p listing
		a.ask(200, &p, "GET", "/users/ann/sessions?limit=2&after="+after, "")
		for _, s := range p.Sessions {
			found = append(found, s.Session+s.Node)
		}
		if p.Total != 3 {
			t.Errorf("%+v", p)
		}
		if after = p.Next; after == "" {
			break
		}
	}
	want := []string{here.session.ID() + "a", there.session.ID() + "b", more.session.ID() + "b"}
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
	var one struct{ Session, Node string }
	a.ask(200, &one, "GET", "/sessions/"+there.session.ID(), "")
	if one.Node != "b" {
		t.Errorf("%+v", one)
	}
	type touched struct {
		Sessions, Changed int
		Incomplete        []string
	}
	for _, step := range []struct {
		path, body string
		want       touched
	}{
		{"/subscribe", `{"user":"ann","channels":["offers"]}`, touched{3, 3, nil}},
		{"/unsubscribe", `{"user":"ann","channels":["news"]}`, touched{3, 2, nil}},
		{"/disconnect", `{"session":"` + there.session.ID() + `"}`, touched{1, 1, nil}},
		{"/disconnect", `{"user":"ann"}`, touched{2, 2, nil}},
	} {
		var done touched
		a.ask(200, &done, "POST", step.path, step.body)
		if fmt.Sprint(done) != fmt.Sprint(step.want) {
			t.Errorf("%s %s: %+v", step.path, step.body, done)
		}
	}
	if here.ended == nil || there.ended == nil || more.ended == nil {
		t.Error("a session has not ended")
	}
	var problem struct{ Detail string }
	a.ask(404, &problem, "GET", "/sessions/nobody", "")
	ofA.missing = []string{"c"}
	a.ask(503, &problem, "GET", "/sessions/nobody", "")
	if !strings.Contains(problem.Detail, "c have not") {
		t.Error(problem.Detail)
	}
	a.ask(503, &problem, "POST", "/disconnect", `{"session":"nobody"}`)
	var nodes struct {
		Nodes      []struct{ Name string }
		Incomplete []string
	}
	b.ask(200, &nodes, "GET", "/nodes", "")
	if fmt.Sprint(nodes) != "{[{a} {b}] []}" {
		t.Errorf("%v", nodes)
	}
}

func TestAQuestionOfAnotherVersionIsRefused(t *testing.T) {
	a, _, _ := pair(t)
	for _, text := range []string{`{"op":"later"}`, `{`, ``} {
		if answer, err := a.handler.Answer(t.Context(), []byte(text)); err == nil {
			t.Errorf("%s is answered %s", text, answer)
		}
	}
}
