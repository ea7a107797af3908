package handshake

import (
	"encoding/base64"
	"strings"
	"testing"
)

// sampleKey and sampleAccept are the example of RFC 6455 §1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

func TestAcceptKeyAnswersTheRFCsExample(t *testing.T) {
	if got := AcceptKey(sampleKey); got != sampleAccept {
		t.Errorf("AcceptKey(%q) = %q, want %q", sampleKey, got, sampleAccept)
	}
}

func TestAcceptKeyAllocatesItsResultOnly(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { AcceptKey(sampleKey) }); n > 1 {
		t.Errorf("AcceptKey allocates %v times, want once", n)
	}
}

func TestNewKeyIsSixteenFreshBytes(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		key := NewKey()
		nonce, err := base64.StdEncoding.Strict().DecodeString(key)
		if err != nil || len(nonce) != 16 || !isKey(key) {
			t.Fatalf("NewKey() = %q, which decodes to %d bytes, %v", key, len(nonce), err)
		}
		if seen[key] {
			t.Fatalf("NewKey() = %q for the second time", key)
		}
		seen[key] = true
	}
}

func TestIsKey(t *testing.T) {
	for _, tc := range []struct {
		name, key string
		want      bool
	}{
		{"the RFC's example", sampleKey, true},
		{"every digit of base64", "+/09AZazAAAAAAAAAAAAAA==", true},
		{"stray bits in the last digit", "dGhlIHNhbXBsZSBub25jZR==", true},
		{"empty", "", false},
		{"15 bytes", "dGhlIHNhbXBsZSBub25j", false},
		{"17 bytes", "dGhlIHNhbXBsZSBub25jZQA=", false},
		{"18 bytes, the same length as 16", "dGhlIHNhbXBsZSBub25jZQAA", false},
		{"no padding", "dGhlIHNhbXBsZSBub25jZQ", false},
		{"the URL alphabet", "dGhlIHNhbXBsZSBub25-_Q==", false},
		{"a newline, which encoding/base64 ignores", "dGhlIHNhbXBsZSBub25jZ\n==", false},
		{"padding inside", "dGhlIHNhbXBsZSBub2==ZQ==", false},
		{"two keys in one line", sampleKey + ", " + sampleKey, false},
		{"a flood", strings.Repeat("A", 1<<16) + "==", false},
	} {
		if got := isKey(tc.key); got != tc.want {
			t.Errorf("%s: isKey(%.40q) = %v", tc.name, tc.key, got)
		}
	}
}
