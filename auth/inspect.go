// Looking into a token without believing it.

package auth

import (
	"encoding/json"
	"errors"
	"time"
)

// Inspection is what a token says, which anybody may have written.
type Inspection struct {
	Algorithm string
	KeyID     string
	Header    json.RawMessage // nil if it could not be read
	Payload   json.RawMessage // nil if it could not be read
	Claims    *Claims         // nil if there is a problem with their form
	Problems  []error         // why a server with these options would refuse it, each an [*Error]; its signature is not checked
}

// Inspect takes a token apart and lists why a server with these options would refuse it, apart from its signature and
// revocations. Options.Keys are not used.
func Inspect(token string, o Options) (*Inspection, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	i := &Inspection{}
	t, err := parse(token, o.MaxToken)
	if t != nil {
		i.Algorithm, i.KeyID = t.algorithm, t.keyID
		i.Header, i.Payload = jsonOnly(t.header), jsonOnly(t.payload)
	}
	if err != nil {
		i.Problems = append(i.Problems, err)
	}
	if t == nil {
		return i, nil
	}
	claims, err := parseClaims(t.payload)
	if err != nil {
		i.Problems = append(i.Problems, err)
		return i, nil
	}
	i.Claims = claims
	i.Problems = append(i.Problems, o.problems(claims, time.Now())...)
	return i, nil
}

func jsonOnly(b []byte) json.RawMessage {
	if !json.Valid(b) {
		return nil
	}
	return b
}

// ReasonOf is why a token was refused, or "" if the error has another cause.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
