// Keys for checking signatures, and the files that they come in: PEM, JWK, JWKS.

package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms, one for each kind of key (RFC 7518, section 3.1, and RFC 8037).
const (
	HS256 = "HS256" // a secret
	RS256 = "RS256" // RSA
	ES256 = "ES256" // an elliptic key on P-256
	EdDSA = "EdDSA" // an Ed25519 key
)

// Algorithms lists the algorithms that are supported.
func Algorithms() []string { return []string{HS256, RS256, ES256, EdDSA} }

const (
	minSecret = 32        // bytes: as many as the hash has (RFC 7518, section 3.2)
	minRSA    = 2048      // bits (RFC 7518, section 3.3)
	maxRSA    = 8192      // bits; checking a signature takes longer with the square of it
	maxKeys   = 64        // of one file or key server
	maxFile   = 256 << 10 // bytes of a file of keys or of a key server's answer
)

// key checks signatures. Its algorithm follows from what it is, so that no token can have it used in another way.
type key struct {
	id        string // "" answers to every id
	algorithm string
	public    any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// verify reports whether the key made the signature.
func (k *key) verify(signed string, signature []byte) bool {
	return jwt.GetSigningMethod(k.algorithm).Verify(signed, signature, k.public) == nil
}

// errUnsupported marks keys of a set that are passed over: there may be others, and others may need them.
var errUnsupported = errors.New("not a key for HS256, RS256, ES256 or EdDSA")

// newKey takes a secret, or the public half of a key pair, and refuses what is too weak or of no use.
func newKey(id string, material any) (key, error) {
	if len(id) > maxName {
		return key{}, fmt.Errorf("the key's id has %d bytes; shorten it to at most %d", len(id), maxName)
	}
	if pair, ok := material.(interface{ Public() crypto.PublicKey }); ok {
		material = pair.Public()
	}
	k := key{id: id, public: material}
	switch m := material.(type) {
	case []byte:
		k.algorithm = HS256
		return k, checkSecret(m)
	case *rsa.PublicKey:
		k.algorithm = RS256
		if bits := m.N.BitLen(); bits < minRSA || bits > maxRSA {
			return key{}, fmt.Errorf("the RSA key has %d bits, so it is %w; make one of %d to %d bits", bits, errUnsupported, minRSA, maxRSA)
		}
		if m.E < 3 || m.E&1 == 0 {
			return key{}, fmt.Errorf("the RSA key's exponent is %d; it must be odd and at least 3", m.E)
		}
	case *ecdsa.PublicKey:
		k.algorithm = ES256
		if m.Curve != elliptic.P256() {
			return key{}, fmt.Errorf("the elliptic key is on %s, %w; make one on P-256", m.Curve.Params().Name, errUnsupported)
		}
	case ed25519.PublicKey:
		k.algorithm = EdDSA
	default:
		return key{}, fmt.Errorf("the key is %w", errUnsupported)
	}
	return k, nil
}

// checkSecret refuses what can be guessed, and key files taken for secrets: a public key that is used as a secret is a secret
// that everybody knows.
func checkSecret(secret []byte) error {
	if strings.Contains(string(secret), "-----BEGIN ") {
		return errors.New("the secret is a PEM file; name the file as a key file instead")
	}
	if len(secret) < minSecret {
		return fmt.Errorf("the secret has %d bytes; take %d or more at random, as \"ringdown token keygen --algorithm HS256\" does", len(secret), minSecret)
	}
	return nil
}

// parseKeys reads the content of a key file: PEM (one or several public keys, certificates or private keys), a JWK or a JWKS.
// The id is for keys that have none of their own. What is passed over is as with [parseJWKs].
func parseKeys(content []byte, id string) (keys []key, passed []error, err error) {
	trimmed := strings.TrimSpace(string(content))
	switch {
	case trimmed == "":
		return nil, nil, errors.New("is empty; write a PEM key, a JWK or a JWKS into it")
	case trimmed[0] == '{':
		return parseJWKs([]byte(trimmed), id, true)
	case strings.Contains(trimmed, "-----BEGIN "):
		keys, err = parsePEM(content, id)
		return keys, nil, err
	}
	return nil, nil, errors.New("holds neither PEM nor JSON; a plain secret belongs into a secret file")
}

func parsePEM(content []byte, id string) ([]key, error) {
	var keys []key
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "EC PARAMETERS" { // openssl writes them before the key
			continue
		}
		material, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		k, err := newKey(id, material)
		if err != nil {
			return nil, fmt.Errorf("has a block %.40q: %w", block.Type, err)
		}
		keys = append(keys, k)
		if len(keys) > maxKeys {
			return nil, fmt.Errorf("has more than %d keys; remove the old ones", maxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("has no whole PEM block; was it cut off?")
	}
	return keys, nil
}

// parseBlock reads one PEM block. The errors of x509 may quote what they read, so they are left out.
func parseBlock(block *pem.Block) (material any, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		material, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		material, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			material = certificate.PublicKey
		}
	case "PRIVATE KEY":
		material, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		material, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		material, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("is encrypted with a password; write it out without, or give its public half")
	default:
		return nil, fmt.Errorf("has a PEM block %.40q, which is no key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("has a PEM block %q that cannot be read as one", block.Type)
	}
	return material, nil
}
