package backend

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A conversation with a breaker: "ok", "fail" and "leave" are requests that pass and end so, "no" is one that does not pass, "begin
// N" passes and stays, "end N ok" ends it, and a duration is waited for.
func TestABreakerGoesThroughItsStates(t *testing.T) {
	repeat := func(what string, n int) []any { return slices.Repeat([]any{what}, n) }
	open := repeat("fail", minAsked)
	conversations := map[string]struct {
		say  []any
		want State
	}{
		"as long as it works":                     {repeat("ok", 100), Closed},
		"too few to judge":                        {repeat("fail", minAsked-1), Closed},
		"too many failures":                       {open, Open},
		"half are enough":                         {append(repeat("ok", 20), repeat("fail", 20)...), Open},
		"less than half are not":                  {append(repeat("ok", 20), repeat("fail", 19)...), Closed},
		"those that gave up say nothing":          {append(repeat("leave", 100), repeat("fail", minAsked-1)...), Closed},
		"old failures are forgotten":              {slices.Concat(repeat("fail", minAsked-1), []any{window + 1}, repeat("fail", minAsked-1)), Closed},
		"open, nothing passes":                    {slices.Concat(open, repeat("no", 5), []any{4 * time.Second, "no"}), Open},
		"after a rest one is tried":               {slices.Concat(open, []any{5 * time.Second, "begin a", "no", "no"}), HalfOpen},
		"and closes it":                           {slices.Concat(open, []any{5 * time.Second, "begin a", "no", "end a ok", "ok"}), Closed},
		"or opens it again":                       {slices.Concat(open, []any{5 * time.Second, "fail", "no", 4 * time.Second, "no"}), Open},
		"and again after another rest":            {slices.Concat(open, []any{5 * time.Second, "fail", 5 * time.Second, "ok"}), Closed},
		"one that gives up lets the next try":     {slices.Concat(open, []any{5 * time.Second, "leave", "begin a", "no"}), HalfOpen},
		"what began before it opened counts no":   {slices.Concat([]any{"begin a"}, open, []any{"end a ok", "no"}), Open},
		"nor for the one that is tried":           {slices.Concat([]any{"begin a"}, open, []any{5 * time.Second, "begin b", "end a ok", "no"}), HalfOpen},
		"after closing, it counts anew":           {slices.Concat(open, []any{5 * time.Second, "ok"}, repeat("fail", minAsked-1)), Closed},
		"failures of before do not open it again": {slices.Concat([]any{"begin a"}, open, []any{5 * time.Second, "ok", "end a fail"}, repeat("fail", minAsked-1)), Closed},
	}
	outcomes := map[string]outcome{"ok": answered, "fail": failed, "leave": abandoned}
	for name, c := range conversations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(5*time.Second, nil)
				begun := make(map[string]ticket)
				for i, step := range c.say {
					if d, ok := step.(time.Duration); ok {
						time.Sleep(d)
						continue
					}
					var verb, who, how string
					fmt.Sscan(step.(string), &verb, &who, &how)
					if verb == "end" {
						b.leave(begun[who], outcomes[how])
						continue
					}
					ticket, err := b.enter()
					if (verb == "no") != (err != nil) {
						t.Fatalf("step %d, %v: %v", i, step, err)
					}
					if verb == "begin" {
						begun[who] = ticket
					} else if err == nil {
						b.leave(ticket, outcomes[verb])
					}
				}
				if b.current() != c.want {
					t.Errorf("it is %v, want %v", b.current(), c.want)
				}
			})
		})
	}
}
