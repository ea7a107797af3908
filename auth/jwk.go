// JSON Web Keys: RFC 7517, with the parameters of RFC 7518, section 6, and RFC 8037, section 2.

package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// parseJWKs reads one key, or a set of them. Keys of a set that are for something else, or of a size that is not taken, are passed over,
// and why is returned; one that is broken spoils the set, for nobody could tell which was meant. Secrets are taken only from files.
func parseJWKs(content []byte, id string, secrets bool) (keys []key, passed []error, err error) {
	documents, isSet, err := splitJWKs(content)
	if err != nil {
		return nil, nil, err
	}
	for i, document := range documents {
		k, err := parseJWK(document, id, secrets)
		if isSet && errors.Is(err, errUnsupported) {
			passed = append(passed, fmt.Errorf("number %d: %w", i+1, err))
			continue
		}
		if err != nil && isSet {
			return nil, nil, fmt.Errorf("has a key, number %d, that cannot be taken: %w", i+1, err)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("has a key that cannot be taken: %w", err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("has no key for %s, %s or %s, of %d that there are; passed over: %v", RS256, ES256, EdDSA, len(documents), passed)
	}
	return keys, passed, nil
}

// splitJWKs returns the keys of a set, or the one key.
func splitJWKs(content []byte) (documents []json.RawMessage, isSet bool, err error) {
	fields, err := object(content)
	if err != nil {
		return nil, false, err
	}
	raw, isSet := fields["keys"]
	if !isSet {
		return []json.RawMessage{content}, false, nil
	}
	if json.Unmarshal(raw, &documents) != nil {
		return nil, true, errors.New(`has "keys" that are not a list`)
	}
	if len(documents) > maxKeys {
		return nil, true, fmt.Errorf("has %d keys; at most %d are taken", len(documents), maxKeys)
	}
	return documents, true, nil
}

// jwk is a JSON Web Key as it is read and written. Its names are matched exactly, by fill.
type jwk struct {
	kty, kid, alg, use, crv string
	n, e, x, y, k, d        string
	p, q, dp, dq, qi        string
	operations              []string
	hasOtherPrimes          bool
}

func (j *jwk) fields() map[string]*string {
	return map[string]*string{"kty": &j.kty, "kid": &j.kid, "alg": &j.alg, "use": &j.use, "crv": &j.crv, "n": &j.n, "e": &j.e,
		"x": &j.x, "y": &j.y, "k": &j.k, "d": &j.d, "p": &j.p, "q": &j.q, "dp": &j.dp, "dq": &j.dq, "qi": &j.qi}
}

func readJWK(document []byte) (*jwk, error) {
	fields, err := object(document)
	if err != nil {
		return nil, err
	}
	j := &jwk{}
	for name, into := range j.fields() {
		if *into, err = text(fields, name); err != nil {
			return nil, err
		}
	}
	if raw, ok := fields["key_ops"]; ok && json.Unmarshal(raw, &j.operations) != nil {
		return nil, errors.New(`has "key_ops" that are not a list of strings`)
	}
	_, j.hasOtherPrimes = fields["oth"]
	return j, nil
}

// parseJWK reads a key for checking signatures.
func parseJWK(document []byte, id string, secrets bool) (key, error) {
	j, err := readJWK(document)
	if err != nil {
		return key{}, err
	}
	if j.use != "" && j.use != "sig" || len(j.operations) > 0 && !slices.Contains(j.operations, "verify") && !slices.Contains(j.operations, "sign") {
		return key{}, fmt.Errorf("it is meant for something else than signatures: %w", errUnsupported)
	}
	if j.kty == "oct" && !secrets {
		return key{}, fmt.Errorf("it is a secret, which nobody should publish: %w", errUnsupported)
	}
	material, err := j.public()
	if err != nil {
		return key{}, err
	}
	if j.kid != "" {
		id = j.kid
	}
	k, err := newKey(id, material)
	if err != nil {
		return key{}, err
	}
	if j.alg != "" && j.alg != k.algorithm {
		return key{}, fmt.Errorf("its \"alg\" is %.20q, but such a key is used with %s here: %w", j.alg, k.algorithm, errUnsupported)
	}
	return k, nil
}

// public is the secret or public key that a JWK holds.
func (j *jwk) public() (any, error) {
	switch {
	case j.kty == "oct":
		return decode("k", j.k)
	case j.kty == "RSA":
		n, err := decode("n", j.n)
		if err != nil {
			return nil, err
		}
		e, err := decode("e", j.e)
		if err != nil {
			return nil, err
		}
		if len(e) > 4 || len(n) > maxRSA/8+1 {
			return nil, fmt.Errorf("its modulus or exponent is too long: %w", errUnsupported)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Uint64())}, nil
	case j.kty == "EC" && j.crv == "P-256":
		return j.point()
	case j.kty == "OKP" && j.crv == "Ed25519":
		x, err := decode("x", j.x)
		if err == nil && len(x) != ed25519.PublicKeySize {
			err = fmt.Errorf("its \"x\" has %d bytes instead of %d", len(x), ed25519.PublicKeySize)
		}
		return ed25519.PublicKey(x), err
	}
	return nil, fmt.Errorf("it is of the type %.20q %.20q: %w", j.kty, j.crv, errUnsupported)
}

const coordinate = 32 // bytes, on P-256

// point is the public key on P-256, if it is on it: a point beside the curve gives secrets away or takes any signature.
func (j *jwk) point() (any, error) {
	uncompressed := []byte{4} // SEC 1, section 2.3.3
	for name, value := range map[string]string{"x": j.x, "y": j.y} {
		if b, err := decode(name, value); err != nil {
			return nil, err
		} else if len(b) != coordinate {
			return nil, fmt.Errorf("its %q has %d bytes instead of %d", name, len(b), coordinate)
		}
	}
	x, _ := decode("x", j.x)
	y, _ := decode("y", j.y)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append(uncompressed, x...), y...))
	if err != nil {
		return nil, errors.New("its point is not on the curve P-256")
	}
	return public, nil
}

// decode reads unpadded base64url. Its errors do not quote what may be a secret.
func decode(name, value string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("its %q is missing or is not unpadded base64url", name)
	}
	return b, nil
}
