// The signature of a request: who asks, and when.

package backend

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader is the field that holds the signature: "t=1767366245,v1=5257a8…". t is when it was made, in seconds since 1970;
// each v1 is HMAC-SHA256 in hexadecimal, with one of the sender's secrets as the key, over t, a dot, and the body.
const SignatureHeader = "Ringdown-Signature"

// Bounds of what is signed.
const (
	MinSecret        = 16              // bytes; a shorter secret is refused
	DefaultTolerance = 5 * time.Minute // between the clocks of both sides
	MaxRequest       = 16 << 20        // bytes of a body that Verify reads
	maxSignatures    = 8               // in one header
)

// Secret is a key that both sides share. However it is printed, logged or marshalled, it is "(secret)"; only a conversion to
// string gives it away.
type Secret string

// hidden is what is shown of a secret.
const hidden = "(secret)"

// Format hides the secret from every verb of package fmt.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalText hides the secret from JSON, YAML and the like.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the secret from log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// ErrSignature is what is wrong with a request whose sender is not known; errors of [Verify] wrap it.
var ErrSignature = errors.New("backend: the request's signature is refused")

// Sign returns the signature of a body sent at the time given, for [SignatureHeader]: one v1 for each secret, so that secrets can
// be exchanged one side at a time.
func Sign(body []byte, at time.Time, secrets ...Secret) string {
	t := strconv.FormatInt(at.Unix(), 10)
	var header strings.Builder
	header.WriteString("t=" + t)
	for _, s := range secrets {
		header.WriteString(",v1=" + hex.EncodeToString(digest(body, t, s)))
	}
	return header.String()
}

func digest(body []byte, t string, s Secret) []byte {
	mac := hmac.New(sha256.New, []byte(s))
	io.WriteString(mac, t)
	io.WriteString(mac, ".")
	mac.Write(body)
	return mac.Sum(nil)
}

// Verify reads the body of a request, at most [MaxRequest] bytes, and returns it if one of the secrets has signed it not longer
// than tolerance ago (0 means [DefaultTolerance]), nor further in the future. The request can be read again. The error wraps
// [ErrSignature] unless reading failed; answer it with 401. Nothing is read of a request whose signature cannot be right.
//
// Within the tolerance a request that somebody has seen can be sent again; a service for which that matters remembers ids.
func Verify(r *http.Request, secrets []Secret, tolerance time.Duration) (body []byte, err error) {
	s, err := parseSignature(r.Header.Get(SignatureHeader), time.Now(), tolerance)
	if err != nil {
		return nil, err
	}
	body, err = io.ReadAll(io.LimitReader(r.Body, MaxRequest+1))
	if err != nil {
		return nil, fmt.Errorf("backend: reading the request: %w", err)
	}
	if len(body) > MaxRequest {
		return nil, fmt.Errorf("backend: the request is longer than %d bytes, which Ringdown's are not", MaxRequest)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, s.check(body, secrets)
}

// Check is [Verify] for a header and a body that have been read already.
func Check(header string, body []byte, now time.Time, secrets []Secret, tolerance time.Duration) error {
	s, err := parseSignature(header, now, tolerance)
	if err != nil {
		return err
	}
	return s.check(body, secrets)
}

// signature is a header taken apart.
type signature struct {
	t    string   // when it was made, as it is signed
	each [][]byte // one for each secret of who made it
}

// check tells whether one of the secrets has signed the body.
func (s *signature) check(body []byte, secrets []Secret) error {
	known := false
	for _, secret := range secrets {
		if len(secret) < MinSecret {
			return fmt.Errorf("%w: a secret of this side has %d bytes; give it at least %d", ErrSignature, len(secret), MinSecret)
		}
		right := digest(body, s.t, secret)
		for _, one := range s.each {
			known = hmac.Equal(right, one) || known
		}
	}
	if !known {
		return fmt.Errorf("%w: none of the %d secrets of this side made it; configure the same secret on both, and check the body as it came, byte by byte", ErrSignature, len(secrets))
	}
	return nil
}

// parseSignature takes a header apart, and refuses one that was not made within the tolerance. Parts with other names are left for
// future versions.
func parseSignature(header string, now time.Time, tolerance time.Duration) (*signature, error) {
	if header == "" {
		return nil, fmt.Errorf("%w: there is no %s field; send requests through Ringdown", ErrSignature, SignatureHeader)
	}
	if len(header) > 1<<10 {
		return nil, fmt.Errorf("%w: its field has %d bytes", ErrSignature, len(header))
	}
	s := new(signature)
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			if _, err := strconv.ParseUint(value, 10, 40); err != nil || s.t != "" {
				return nil, fmt.Errorf("%w: t must be there once, in seconds since 1970", ErrSignature)
			}
			s.t = value
		case "v1":
			one, err := hex.DecodeString(value)
			if err != nil || len(one) != sha256.Size || len(s.each) == maxSignatures {
				return nil, fmt.Errorf("%w: each v1 is %d hexadecimal digits, and there are at most %d", ErrSignature, 2*sha256.Size, maxSignatures)
			}
			s.each = append(s.each, one)
		}
	}
	if s.t == "" || len(s.each) == 0 {
		return nil, fmt.Errorf("%w: its field must be t=seconds,v1=signature", ErrSignature)
	}
	return s, s.checkAge(now, cmp.Or(tolerance, DefaultTolerance))
}

func (s *signature) checkAge(now time.Time, tolerance time.Duration) error {
	seconds, _ := strconv.ParseInt(s.t, 10, 64)
	if age := now.Sub(time.Unix(seconds, 0)).Abs(); age > tolerance {
		return fmt.Errorf("%w: it was made %v from now and %v is allowed; set the clocks of both sides, or somebody repeats an old request", ErrSignature, age.Round(time.Second), tolerance)
	}
	return nil
}

// checkSecrets refuses secrets that cannot protect anything.
func checkSecrets(secrets []Secret) error {
	if len(secrets) == 0 {
		return errors.New("backend: there is no secret to sign requests with; give one, and give it to the service, too")
	}
	if len(secrets) > maxSignatures {
		return fmt.Errorf("backend: there are %d secrets; give at most %d", len(secrets), maxSignatures)
	}
	for i, s := range secrets {
		if len(s) < MinSecret {
			return fmt.Errorf("backend: secret %d has %d bytes; give it at least %d, for instance from openssl rand -hex 32", i+1, len(s), MinSecret)
		}
	}
	return nil
}
