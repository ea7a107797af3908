// What the protocol of Engine.IO asks of a server, checked at /engine.io/.

package main

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// quick are the heartbeats of the field's own suites.
var quick = settings{pingInterval: 300 * time.Millisecond, pingTimeout: 200 * time.Millisecond, maxPayload: 1_000_000}

// calm is for tests that are not about heartbeats.
var calm = settings{maxPayload: 1_000_000}

func TestHandshakeSaysHowToGoOn(t *testing.T) {
	for _, way := range []func(target) string{
		func(g target) string { return g.do("GET", "EIO=4&transport=polling", "").body },
		func(g target) string { return g.socket("").next() },
	} {
		engine, events := start(t, quick)
		for _, g := range []target{engine, events} {
			o := g.opening(way(g))
			if o.PingInterval != 300 || o.PingTimeout != 200 || o.MaxPayload != 1_000_000 || len(o.SID) < 20 {
				t.Errorf("%+v", o)
			}
			if len(o.Upgrades) > 0 && !slices.Equal(o.Upgrades, []string{"websocket"}) {
				t.Errorf("the upgrades are %q", o.Upgrades)
			}
		}
	}
}

func TestHandshakeRefusals(t *testing.T) {
	engine, _ := start(t, calm)
	for name, c := range map[string]struct {
		method, query, code string
		upgrade             bool
	}{
		"no version":                     {"GET", "transport=polling", `"code":5`, false},
		"an old version":                 {"GET", "EIO=3&transport=polling", `"code":5`, false},
		"a version that is none":         {"GET", "EIO=abc&transport=polling", `"code":5`, false},
		"an old version, WebSocket":      {"GET", "EIO=3&transport=websocket", `"code":5`, true},
		"no transport":                   {"GET", "EIO=4", `"code":0`, false},
		"a transport that is none":       {"GET", "EIO=4&transport=abc", `"code":0`, false},
		"POST":                           {"POST", "EIO=4&transport=polling", `"code":2`, false},
		"an id that nobody has":          {"GET", "EIO=4&transport=polling&sid=abc", `"code":1`, false},
		"a WebSocket without an upgrade": {"GET", "EIO=4&transport=websocket", `"code":3`, false},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if c.upgrade {
				header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
			}
			a, err := engine.try(t.Context(), c.method, c.query, strings.NewReader(""), header)
			if err != nil || a.status != 400 || !strings.Contains(a.body, c.code) {
				t.Errorf("%d %q %v, want 400 with %s", a.status, a.body, err, c.code)
			}
		})
	}
}

func TestMethodsThatThereAreNot(t *testing.T) {
	engine, _ := start(t, calm)
	p := engine.poll()
	for _, method := range []string{"PUT", "DELETE", "PATCH"} {
		if a := p.do(method, p.query(), "4x"); a.status/100 != 4 {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	p.script([2]string{"POST 4still here", "ok"}, [2]string{"GET", "4still here"})
}

func TestMessagesComeBack(t *testing.T) {
	engine, _ := start(t, calm)
	engine.poll().script(
		[2]string{"POST 4hello", "ok"}, [2]string{"GET", "4hello"},
		[2]string{"POST 4test1\x1e4test2\x1e4test3", "ok"}, [2]string{"GET", "4test1\x1e4test2\x1e4test3"},
		[2]string{"POST bAQIDBA==", "ok"}, [2]string{"GET", "bAQIDBA=="},
		[2]string{"POST 4€ ❤\x1ebAQ==\x1e4", "ok"}, [2]string{"GET", "4€ ❤\x1ebAQ==\x1e4"},
	)
	engine.session().script("> 4hello", "< 4hello", ">b \x01\x02\x03\x04", "<b \x01\x02\x03\x04", "> 4€ ❤", "< 4€ ❤", "> 4", "< 4", ">b ", "<b ")
}

func TestEveryPathMayLackItsSlash(t *testing.T) {
	engine, events := start(t, calm)
	for _, g := range []target{engine, events} {
		g.url = strings.TrimSuffix(g.url, "/")
		g.poll()
	}
}

func TestWhatIsNoPacketEndsTheSession(t *testing.T) {
	for _, packet := range []string{"abc", "", "4ok\x1e", "4ok\x1e\x1e4ok", "b%%%", "bAQ", "7x", "0{}", "2", "2probe", "5", "6"} {
		t.Run(packet, func(t *testing.T) {
			engine, _ := start(t, calm)
			p := engine.poll()
			p.want("POST "+packet, p.post(packet), 400)
			p.gone()
		})
	}
	for _, packet := range []string{"abc", "", "7x", "0{}", "2", "2probe", "5", "6", "bAQ=="} {
		t.Run("WebSocket "+packet, func(t *testing.T) {
			engine, _ := start(t, calm)
			engine.session().script("> "+packet, "closed")
		})
	}
}

func TestOnePollAtATime(t *testing.T) {
	engine, _ := start(t, calm)
	p := engine.poll()
	answers := make(chan answer, 2)
	for range 2 {
		go func() {
			a, _ := p.try(t.Context(), "GET", p.query(), nil, nil)
			answers <- a
		}()
	}
	a, b := <-answers, <-answers
	if a.status > b.status {
		a, b = b, a
	}
	if a.status != 200 || a.body != "1" || b.status != 400 {
		t.Errorf("%d %q and %d %q, want 200 1 and 400", a.status, a.body, b.status, b.body)
	}
	p.gone()
}

func TestOnePostAtATime(t *testing.T) {
	engine, _ := start(t, calm)
	p := engine.poll()
	slow, writer := io.Pipe()
	first := make(chan answer, 1)
	go func() {
		a, _ := p.try(t.Context(), "POST", p.query(), slow, nil)
		first <- a
	}()
	writer.Write([]byte("4a")) // the request is under way; the server has it once it has refused another
	for deadline := time.Now().Add(patience); ; {
		a := p.post("4b")
		if a.status == 400 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a second POST beside the first: %d %q", a.status, a.body)
		}
	}
	writer.Close()
	if a := <-first; a.status == 200 {
		t.Errorf("the first POST: %d %q", a.status, a.body)
	}
	p.gone()
}

func TestAPollThatIsCancelledEndsTheSession(t *testing.T) {
	engine, _ := start(t, calm)
	p := engine.poll()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel) // sooner than the GET was sent, it would be no poll at all
	p.try(ctx, "GET", p.query(), nil, nil)
	p.gone()
}

func TestTooMuchIsRefused(t *testing.T) {
	engine, _ := start(t, settings{maxPayload: 1000})
	body := "4" + strings.Repeat("x", 2000)
	for name, reader := range map[string]io.Reader{"with its length": strings.NewReader(body), "in chunks": io.MultiReader(strings.NewReader(body))} {
		t.Run(name, func(t *testing.T) {
			p := engine.poll()
			if a, err := p.try(t.Context(), "POST", p.query(), reader, nil); err != nil || a.status != 413 {
				t.Errorf("%d %q %v, want 413", a.status, a.body, err)
			}
		})
	}
	t.Run("over a WebSocket", func(t *testing.T) {
		engine.session().script("> "+body, "closed")
	})
	t.Run("and as much as may be is not", func(t *testing.T) {
		p, most := engine.poll(), "4"+strings.Repeat("x", 999)
		p.script([2]string{"POST " + most, "ok"}, [2]string{"GET", most})
	})
}

func TestOctetsAreOfAnotherProtocol(t *testing.T) {
	engine, _ := start(t, calm)
	p := engine.poll()
	a, err := p.try(t.Context(), "POST", p.query(), strings.NewReader("4x"), http.Header{"Content-Type": {"application/octet-stream"}})
	if err != nil || a.status != 400 {
		t.Errorf("%d %q %v", a.status, a.body, err)
	}
	p.gone()
}

func TestHeartbeats(t *testing.T) {
	unhurried := quick
	unhurried.pingTimeout = patience // so that no slow machine ends them
	t.Run("polling", func(t *testing.T) {
		engine, _ := start(t, unhurried)
		p := engine.poll()
		for range 3 {
			p.script([2]string{"GET", "2"}, [2]string{"POST 3", "ok"})
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		engine, _ := start(t, unhurried)
		engine.session().script("< 2", "> 3", "< 2", "> 3", "< 2", "> 3", "> 4x", "< 4x")
	})
	t.Run("a silent poller is forgotten", func(t *testing.T) {
		engine, _ := start(t, quick)
		engine.poll().gone()
	})
	t.Run("a silent WebSocket is closed", func(t *testing.T) {
		engine, _ := start(t, quick)
		engine.session().script("< 2", "closed")
	})
}

func TestClosing(t *testing.T) {
	engine, _ := start(t, calm)
	p := engine.poll()
	waiting := make(chan answer, 1)
	go func() {
		a, _ := p.try(t.Context(), "GET", p.query(), nil, nil)
		waiting <- a
	}()
	time.Sleep(100 * time.Millisecond) // let the GET come first; the other order is right, too
	p.want("POST 1", p.post("1"), 200, "ok")
	if a := <-waiting; a.status == 200 && a.body != "6" {
		t.Errorf("the waiting GET: %d %q, want a noop", a.status, a.body)
	}
	p.gone()
	engine.session().script("> 1", "closed")
}

func TestUpgrade(t *testing.T) {
	engine, _ := start(t, calm)
	p := engine.poll()
	s := engine.socket("&sid=" + p.sid)
	s.script("> 2probe", "< 3probe")
	p.script([2]string{"GET", "6"}, [2]string{"POST 4on the way", "ok"})
	s.script("> 5", "< 4on the way", "> 4hello", "< 4hello", ">b \x01", "<b \x01")
	for _, method := range []string{"GET", "POST"} {
		p.want(method, p.do(method, p.query(), "4x"), 400)
	}
	engine.socket("&sid=" + p.sid).script("closed")
	s.script("> 4alive", "< 4alive")
}

func TestWhatWasSentBeforeAnUpgradeComesOnce(t *testing.T) {
	engine, _ := start(t, calm)
	p := engine.poll()
	p.want("POST", p.post("4a\x1e4b"), 200)
	s := engine.socket("&sid=" + p.sid)
	s.script("> 2probe", "< 3probe")
	p.script([2]string{"GET", "4a\x1e4b*"}) // a noop may be among it
	s.script("> 5", "> 4c", "< 4c")
}

func TestUpgradesThatAreNone(t *testing.T) {
	engine, _ := start(t, calm)
	for _, packet := range []string{"4x", "2", "5", "abc", "3probe"} {
		p := engine.poll()
		engine.socket("&sid="+p.sid).script("> "+packet, "closed")
		p.script([2]string{"POST 4x", "ok"}, [2]string{"GET", "4x"})
	}
	t.Run("a second one at once", func(t *testing.T) {
		p := engine.poll()
		first := engine.socket("&sid=" + p.sid)
		first.script("> 2probe", "< 3probe")
		engine.socket("&sid=" + p.sid).script("closed")
		first.script("> 5", "> 4x", "< 4x")
	})
}

func TestPagesOfOtherOrigins(t *testing.T) {
	engine, _ := start(t, calm)
	origin := http.Header{"Origin": {"https://page.example"}}
	a, err := engine.try(t.Context(), "GET", "EIO=4&transport=polling", nil, origin)
	if allowed := a.header.Get("Access-Control-Allow-Origin"); err != nil || a.status != 200 || allowed != "*" && allowed != "https://page.example" {
		t.Errorf("%d %q %v", a.status, allowed, err)
	}
	origin.Set("Access-Control-Request-Method", "POST")
	if a, err := engine.try(t.Context(), "OPTIONS", "EIO=4&transport=polling", nil, origin); err != nil || a.status != 204 {
		t.Errorf("preflight: %d %v", a.status, err)
	}
}
