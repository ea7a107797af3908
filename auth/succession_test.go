package auth

import (
	"errors"
	"net/http"
	"testing"
)

// succeed makes a verifier in the place of another, which is closed.
func succeed(t *testing.T, previous *Verifier, o Options) *Verifier {
	t.Helper()
	o.Previous = previous
	v := verifier(t, o)
	previous.Close()
	return v
}

func TestWhoTakesAVerifiersPlaceHasItsKeysWhileTheirServerIsAway(t *testing.T) {
	k := edKey(t, "k")
	server := serveKeys(t, k)
	o := Options{Keys: []Key{{URL: server.url}}, Timeout: patience}
	token := must[string](t)(Mint(good(), k))
	first := verifier(t, o)
	must[*Claims](t)(first.Verify(t.Context(), token))
	server.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "away", http.StatusInternalServerError) })
	loaded := first.Keys()[0].Loaded

	second := succeed(t, first, o)
	must[*Claims](t)(second.Verify(t.Context(), token))
	if state := second.Keys()[0]; state.Keys != 1 || !state.Loaded.Equal(loaded) {
		t.Errorf("the keys are as old as they were, but it says %+v", state)
	}
	third := succeed(t, second, o) // and so on
	must[*Claims](t)(third.Verify(t.Context(), token))

	o.Keys[0].ID = "other" // keys without a name of their own would be called otherwise
	refused(t, succeed(t, third, o), token, ErrUnavailable)
}

func TestRevocationsCanOutliveAVerifier(t *testing.T) {
	list := new(Revocations)
	token := must[string](t)(Mint(good(), signers()[HS256]))
	first := secretVerifier(t, Options{Revocations: list})
	if err := first.Revoke(Revocation{Token: good().ID}); err != nil {
		t.Fatal(err)
	}
	first.Close()
	refused(t, secretVerifier(t, Options{Revocations: list}), token, ErrRevoked)
	must[*Claims](t)(secretVerifier(t, Options{}).Verify(t.Context(), token)) // has a list of its own
	if err := list.Check(good()); !errors.Is(err, ErrRevoked) {
		t.Errorf("the list itself says %v", err)
	}
}

func TestAVerifierThatIsClosedStillVerifiesWithTheKeysItHas(t *testing.T) {
	k := edKey(t, "k")
	server := serveKeys(t, k)
	v := verifier(t, Options{Keys: []Key{{URL: server.url}}, Timeout: patience})
	token := must[string](t)(Mint(good(), k))
	must[*Claims](t)(v.Verify(t.Context(), token))
	v.Close()
	must[*Claims](t)(v.Verify(t.Context(), token))
	refused(t, v, must[string](t)(Mint(good(), edKey(t, "another"))), ErrUnknownKey)
}
