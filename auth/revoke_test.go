package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRevocationsCoverWhatTheyName(t *testing.T) {
	now := time.Now()
	c := func(issued time.Time) *Claims { return &Claims{User: "alice", Session: "s", ID: "t", IssuedAt: issued} }
	for _, test := range []struct {
		name   string
		r      Revocation
		issued time.Time
		want   bool
	}{
		{"a user's earlier token", Revocation{User: "alice", Before: now}, now.Add(-time.Minute), true},
		{"a token of the same second", Revocation{User: "alice", Before: now}, now.Truncate(time.Second), true},
		{"a user's later token", Revocation{User: "alice", Before: now}, now.Add(time.Minute), false},
		{"a token without time of issue", Revocation{User: "alice", Before: now}, time.Time{}, true},
		{"another user", Revocation{User: "bob", Before: now}, now, false},
		{"a session", Revocation{Session: "s"}, now.Add(time.Hour), true},
		{"another session", Revocation{Session: "x"}, now, false},
		{"a token", Revocation{Token: "t"}, now, true},
		{"another token", Revocation{Token: "x"}, now, false},
		{"nothing", Revocation{}, now, false},
	} {
		if got := test.r.Covers(c(test.issued)); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestRevokedTokensAreRefusedAndNewOnesAreNot(t *testing.T) {
	for _, r := range []Revocation{{User: "alice"}, {Session: "login-1"}, {Token: "token-1"}} {
		t.Run(fmt.Sprintf("%+v", r), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []Revocation
				k := signers()[HS256]
				v := must[*Verifier](t)(New(Options{Keys: []Key{{Secret: Secret(k.private.([]byte))}}, OnRevoke: func(r Revocation) { told = append(told, r) }}))
				defer v.Close()
				token := must[string](t)(Mint(good(), k))
				claims := must[*Claims](t)(v.Verify(t.Context(), token))
				if err := errors.Join(v.Check(claims), v.Revoke(r)); err != nil {
					t.Fatal(err)
				}
				refused(t, v, token, ErrRevoked)
				if !errors.Is(v.Check(claims), ErrRevoked) || len(told) != 1 || !told[0].Covers(claims) {
					t.Errorf("who lives was not told: %v", told)
				}
				time.Sleep(DefaultLeeway + 2*time.Second) // the issuer's clock may be ahead
				next := good()
				next.Session, next.ID = "login-2", "token-2"
				must[*Claims](t)(v.Verify(t.Context(), must[string](t)(Mint(next, k))))

				time.Sleep(DefaultMaxTTL + DefaultLeeway - 2*time.Second)
				if len(v.Revocations()) != 1 {
					t.Error("the revocation was forgotten while its tokens may live")
				}
				time.Sleep(2 * time.Second)
				if len(v.Revocations()) != 0 {
					t.Error("the revocation outlives its tokens")
				}
				refused(t, v, token, ErrExpired)
			})
		})
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := signers()[HS256]
		var told []string
		v := must[*Verifier](t)(New(Options{Keys: []Key{{Secret: Secret(k.private.([]byte))}}, MaxRevocations: 2,
			OnRevoke: func(r Revocation) { told = append(told, r.User+r.Token) }}))
		defer v.Close()
		soon := time.Now().Add(time.Minute)
		if err := errors.Join(v.Revoke(Revocation{User: "a", Until: soon}), v.Revoke(Revocation{Token: "a"})); err != nil {
			t.Fatal(err)
		}
		if err := v.Revoke(Revocation{User: "b"}); !errors.Is(err, ErrTooManyRevocations) {
			t.Errorf("a third was taken: %v", err)
		}
		if want := []string{"a", "a", "b"}; !slices.Equal(told, want) {
			t.Errorf("sessions of %q were to be ended, not of %q", told, want)
		}
		if err := v.Revoke(Revocation{User: "a", Until: soon}); err != nil {
			t.Errorf("one that is held was refused: %v", err)
		}
		time.Sleep(time.Minute)
		if err := v.Revoke(Revocation{User: "b"}); err != nil {
			t.Errorf("one was forgotten, and its place is not free: %v", err)
		}
	})
}

func TestAWeakerRevocationDoesNotReplaceAStronger(t *testing.T) {
	v := secretVerifier(t, Options{})
	now := time.Now()
	if err := errors.Join(v.Revoke(Revocation{User: "alice"}), v.Revoke(Revocation{User: "alice", Before: now.Add(-time.Hour), Until: now.Add(time.Minute)})); err != nil {
		t.Fatal(err)
	}
	refused(t, v, must[string](t)(Mint(good(), signers()[HS256])), ErrRevoked)
	if r := v.Revocations(); len(r) != 1 || r[0].Until.Before(now.Add(time.Hour)) {
		t.Errorf("held: %v", r)
	}
}

func TestRevocationsThatMakeNoSenseAreExplained(t *testing.T) {
	v := secretVerifier(t, Options{})
	for _, r := range []Revocation{{}, {User: "a", Token: "b"}, {User: "a\x00"}, {User: strings.Repeat("a", 256)}, {User: "a", Until: time.Unix(1, 0)}} {
		if v.Revoke(r) == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	if secretVerifier(t, Options{MaxTTL: -1}).Revoke(Revocation{User: "a"}) == nil {
		t.Error("a revocation without end was taken")
	}
	if len(v.Revocations()) != 0 {
		t.Error("something was revoked")
	}
}

func TestExpiryIsCheckedOnLiveClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := signers()[HS256]
		v := must[*Verifier](t)(New(Options{Keys: []Key{{Secret: Secret(k.private.([]byte))}}}))
		defer v.Close()
		c := must[*Claims](t)(v.Verify(t.Context(), must[string](t)(Mint(good(), k))))
		time.Sleep(time.Until(v.Ends(c)) - time.Nanosecond)
		if err := v.Check(c); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Nanosecond)
		if err := v.Check(c); !errors.Is(err, ErrExpired) {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestAUsersRevocationCoversTokensOfAClockThatIsAhead(t *testing.T) {
	for _, c := range []struct {
		proves string
		before time.Duration // from now; 0 leaves it out
		ahead  time.Duration // of the token's issue
		reason Reason
	}{
		{"ahead by less than the leeway", 0, DefaultLeeway - time.Second, ErrRevoked},
		{"who says when is taken at his word", time.Nanosecond, 2 * time.Second, ""},
	} {
		t.Run(c.proves, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := signers()[HS256]
				v := must[*Verifier](t)(New(Options{Keys: []Key{{Secret: Secret(k.private.([]byte))}}}))
				defer v.Close()
				claims := good()
				claims.IssuedAt = time.Now().Add(c.ahead)
				token := must[string](t)(Mint(claims, k))
				r := Revocation{User: claims.User}
				if c.before != 0 {
					r.Before = time.Now().Add(c.before)
				}
				if err := v.Revoke(r); err != nil {
					t.Fatal(err)
				}
				if c.reason != "" {
					refused(t, v, token, c.reason)
					return
				}
				must[*Claims](t)(v.Verify(t.Context(), token))
			})
		})
	}
}
