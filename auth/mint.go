// Minting: keys that sign, and tokens made with them. A server needs neither; its tools and tests do.

package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// SigningKey signs tokens. It prints as its id and algorithm.
type SigningKey struct {
	key
	private any // []byte, *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey
}

// ID is the key id that its tokens carry, or "".
func (k *SigningKey) ID() string { return k.id }

// Algorithm is what it signs with.
func (k *SigningKey) Algorithm() string { return k.algorithm }

// Format implements [fmt.Formatter], so that no verb shows the key.
func (k *SigningKey) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s key %q", k.algorithm, k.id) }

// NewSigningKey takes a secret ([]byte), an *rsa.PrivateKey, an *ecdsa.PrivateKey on P-256 or an ed25519.PrivateKey.
func NewSigningKey(id string, private any) (*SigningKey, error) {
	switch private.(type) {
	case []byte, *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
	default:
		return nil, errors.New("auth: the key cannot sign; give a private key or a secret")
	}
	k, err := newKey(id, private)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return &SigningKey{k, private}, nil
}

// GenerateKey makes a key for an algorithm: 32 bytes of secret, RSA of 3072 bits, P-256 or Ed25519.
func GenerateKey(algorithm, id string) (*SigningKey, error) {
	var private any
	var err error
	switch algorithm {
	case HS256:
		secret := make([]byte, minSecret)
		rand.Read(secret) // never fails
		private = secret
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, 3072)
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("auth: there is no algorithm %.20q; did you mean %q? They are %s", algorithm,
			nearest(algorithm, Algorithms()), strings.Join(Algorithms(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return NewSigningKey(id, private)
}

// ParseSigningKey reads a private key in PEM, or a JWK with a private key or secret. The id is for keys that have none.
func ParseSigningKey(content []byte, id string) (*SigningKey, error) {
	var private any
	var err error
	if strings.HasPrefix(strings.TrimSpace(string(content)), "{") {
		var j *jwk
		if j, err = readJWK(content); err == nil {
			private, err = j.signing()
			if j.kid != "" {
				id = j.kid
			}
		}
	} else {
		private, err = firstPrivate(content)
	}
	if err != nil {
		return nil, fmt.Errorf("auth: the key %w", err)
	}
	return NewSigningKey(id, private)
}

func firstPrivate(content []byte) (any, error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return parseBlock(block)
		}
	}
	return nil, errors.New("is no PEM private key and no JWK; make one with \"ringdown token keygen\"")
}

// signing is the private key of a JWK.
func (j *jwk) signing() (any, error) {
	public, err := j.public()
	if err != nil || j.kty == "oct" {
		return public, err
	}
	d, err := decode("d", j.d)
	if err != nil {
		return nil, errors.New(`has no private part, "d"; give the one that has`)
	}
	switch public := public.(type) {
	case ed25519.PublicKey:
		if len(d) != ed25519.SeedSize || !public.Equal(ed25519.NewKeyFromSeed(d).Public()) {
			return nil, errors.New("has halves that do not belong together")
		}
		return ed25519.NewKeyFromSeed(d), nil
	case *ecdsa.PublicKey:
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
		if err != nil || !public.Equal(private.Public()) {
			return nil, errors.New("has halves that do not belong together")
		}
		return private, nil
	case *rsa.PublicKey:
		return j.signingRSA(public, d)
	}
	return nil, errUnsupported
}

func (j *jwk) signingRSA(public *rsa.PublicKey, d []byte) (any, error) {
	p, err := decode("p", j.p)
	if err != nil {
		return nil, err
	}
	q, err := decode("q", j.q)
	if err != nil || j.hasOtherPrimes {
		return nil, errors.New(`needs exactly the primes "p" and "q"`)
	}
	private := &rsa.PrivateKey{PublicKey: *public, D: new(big.Int).SetBytes(d),
		Primes: []*big.Int{new(big.Int).SetBytes(p), new(big.Int).SetBytes(q)}}
	if private.Validate() != nil {
		return nil, errors.New("has parts that do not belong together")
	}
	private.Precompute()
	return private, nil
}

// Mint makes a token that says what the claims say. They are written as they are: whether a server takes the token is for its
// [Verifier] to say, so that tests and tools can make bad ones. Times are cut to seconds.
func Mint(c *Claims, k *SigningKey) (string, error) {
	header := map[string]string{"typ": "JWT", "alg": k.algorithm}
	if k.id != "" {
		header["kid"] = k.id
	}
	head, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("auth: %w", err)
	}
	payload, err := c.payload()
	if err != nil {
		return "", errors.New("auth: the info is not JSON; write it as a JSON value")
	}
	return k.sign(head, payload)
}

// sign makes a token of any header and payload.
func (k *SigningKey) sign(header, payload []byte) (string, error) {
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := jwt.GetSigningMethod(k.algorithm).Sign(signed, k.private)
	if err != nil {
		return "", fmt.Errorf("auth: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// PrivatePEM is the private key as PKCS #8 (RFC 5958). A secret has no such form.
func (k *SigningKey) PrivatePEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, errors.New("auth: a secret cannot be written as PEM; write it as a JWK")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// PublicPEM is the public key, which a secret has not.
func (k *SigningKey) PublicPEM() ([]byte, error) {
	pair, ok := k.private.(crypto.Signer)
	if !ok {
		return nil, errors.New("auth: a secret has no public half")
	}
	der, err := x509.MarshalPKIXPublicKey(pair.Public())
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// PrivateJWK is the private key, or the secret, as a JWK.
func (k *SigningKey) PrivateJWK() ([]byte, error) { return k.jwk(true) }

// PublicJWK is the public key as a JWK. A secret has none.
func (k *SigningKey) PublicJWK() ([]byte, error) { return k.jwk(false) }

func (k *SigningKey) jwk(private bool) ([]byte, error) {
	j := &jwk{kid: k.id, alg: k.algorithm, use: "sig"}
	switch m := k.private.(type) {
	case []byte:
		if !private {
			return nil, errors.New("auth: a secret has no public half")
		}
		j.kty, j.k = "oct", encode(m)
	case ed25519.PrivateKey:
		j.kty, j.crv = "OKP", "Ed25519"
		j.x, j.d = encode(m.Public().(ed25519.PublicKey)), encode(m.Seed())
	case *ecdsa.PrivateKey:
		point, err := m.PublicKey.Bytes()
		if err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
		d, err := m.Bytes()
		if err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
		j.kty, j.crv = "EC", "P-256"
		j.x, j.y, j.d = encode(point[1:1+coordinate]), encode(point[1+coordinate:]), encode(d)
	case *rsa.PrivateKey:
		m.Precompute()
		j.kty, j.n, j.e = "RSA", encode(m.N.Bytes()), encode(big.NewInt(int64(m.E)).Bytes())
		j.d, j.p, j.q = encode(m.D.Bytes()), encode(m.Primes[0].Bytes()), encode(m.Primes[1].Bytes())
		j.dp, j.dq, j.qi = encode(m.Precomputed.Dp.Bytes()), encode(m.Precomputed.Dq.Bytes()), encode(m.Precomputed.Qinv.Bytes())
	}
	if !private {
		j.d, j.p, j.q, j.dp, j.dq, j.qi = "", "", "", "", "", ""
	}
	fields := map[string]string{}
	for name, value := range j.fields() {
		if *value != "" {
			fields[name] = *value
		}
	}
	return json.MarshalIndent(fields, "", "  ")
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
