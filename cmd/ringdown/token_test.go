package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/auth"
)

// keyFiles makes a key, and returns the file to mint with and that to inspect with.
func keyFiles(t *testing.T, algorithm string, args ...string) (private, public string) {
	t.Helper()
	private = filepath.Join(t.TempDir(), "key")
	r := runCommand(t, nil, append([]string{"token", "keygen", "--algorithm", algorithm, "--out", private}, args...)...)
	if r.status != 0 {
		t.Fatalf("keygen: %s", r.errs)
	}
	if public = private + ".pub"; algorithm == auth.HS256 {
		public = private
	}
	content, err := os.ReadFile(private)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.out, strings.Split(string(content), "\n")[1]) {
		t.Errorf("keygen prints the key: %s", r.out)
	}
	return private, public
}

func mintToken(t *testing.T, args ...string) string {
	t.Helper()
	r := runCommand(t, nil, append([]string{"token", "mint"}, args...)...)
	if r.status != 0 {
		t.Fatalf("mint: %s", r.errs)
	}
	return strings.TrimSpace(r.out)
}

func TestTokensAreMintedAndInspectedWithEveryAlgorithm(t *testing.T) {
	for _, algorithm := range auth.Algorithms() {
		for _, format := range []string{"pem", "jwk"} {
			if algorithm == auth.HS256 && format == "pem" {
				continue
			}
			t.Run(algorithm+" "+format, func(t *testing.T) {
				private, public := keyFiles(t, algorithm, "--format", format)
				if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("the private key: %v, %v", info.Mode(), err)
				}
				token := mintToken(t, "--key", private, "--user", "alice", "--channel", "chat:*=subscribe,publish", "--info", `{"name":"Alice"}`, "--audience", "realtime")
				r := runCommand(t, strings.NewReader("Bearer "+token+"\n"), "token", "inspect", "--key", public, "--audience", "realtime")
				if r.status != 0 {
					t.Errorf("status %d: %s", r.status, r.errs)
				}
				for _, want := range []string{"algorithm  " + algorithm, "signature  good", "user       alice", "channel    chat:*: subscribe,publish", "audience   realtime", `"name": "Alice"`} {
					if !strings.Contains(r.out, want) {
						t.Errorf("no %q in\n%s", want, r.out)
					}
				}
				for part := range strings.SplitSeq(token, ".") {
					if strings.Contains(r.out+r.errs, part) {
						t.Error("inspect prints a part of the token")
					}
				}
			})
		}
	}
}

func TestInspectSaysWhyATokenWouldBeRefused(t *testing.T) {
	private, _ := keyFiles(t, auth.EdDSA)
	_, other := keyFiles(t, auth.EdDSA)
	_, rsa := keyFiles(t, auth.RS256)
	token := mintToken(t, "--key", private, "--user", "alice", "--expires", "48h", "--issuer", "them")
	for _, test := range []struct {
		args  []string
		wants []string
	}{
		{[]string{token}, []string{"signature  not checked", "the token lives for 48h0m0s"}},
		{[]string{"--key", other, token}, []string{"signature  not good", "no key known here has signed the token", "48h0m0s"}},
		{[]string{"--key", rsa, token}, []string{"signature  not good", "no key for it"}},
		{[]string{"--issuer", "us", token}, []string{`is "them"; this server takes those of "us"`}},
		{[]string{"--audience", "realtime", token}, []string{`must name "realtime"`}},
		{[]string{"--jwks", "http://127.0.0.1:1/", token}, []string{"signature  not good", "cannot be loaded", "refused"}},
		{[]string{"nonsense"}, []string{"1 parts between dots"}},
	} {
		r := runCommand(t, nil, append([]string{"token", "inspect"}, test.args...)...)
		if r.status != 1 || !strings.Contains(r.errs, "would refuse this token") {
			t.Errorf("%q: status %d, %s", test.args[0], r.status, r.errs)
		}
		for _, want := range test.wants {
			if !strings.Contains(r.out, want) {
				t.Errorf("no %q in\n%s", want, r.out)
			}
		}
	}
}

func TestASecretFileMintsAndInspects(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(strings.Repeat("s", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	token := mintToken(t, "--secret-file", name, "--user", "alice")
	r := runCommand(t, strings.NewReader(token), "token", "inspect", "--secret-file", name)
	if r.status != 0 || !strings.Contains(r.out, "signature  good") {
		t.Errorf("status %d:\n%s%s", r.status, r.out, r.errs)
	}
}

func TestWrongTokenCommandsAreExplained(t *testing.T) {
	private, public := keyFiles(t, auth.ES256)
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		sentence string
		args     []string
	}{
		{"--user is missing", []string{"mint", "--key", private}},
		{"give --key or --secret-file", []string{"mint", "--user", "a"}},
		{"private key", []string{"mint", "--user", "a", "--key", public}},
		{"the secret has 7 bytes", []string{"mint", "--user", "a", "--secret-file", short}},
		{"a second or more", []string{"mint", "--user", "a", "--key", private, "--expires", "0s"}},
		{`did you mean "publish"?`, []string{"mint", "--user", "a", "--key", private, "--channel", "x=publsh"}},
		{"--info is not JSON", []string{"mint", "--user", "a", "--key", private, "--info", "{"}},
		{"--out is missing", []string{"keygen"}},
		{"is there already", []string{"keygen", "--out", private}},
		{`did you mean "RS256"?`, []string{"keygen", "--algorithm", "RS255", "--out", short + "1"}},
		{"as PEM", []string{"keygen", "--algorithm", "HS256", "--format", "pem", "--out", short + "2"}},
		{"cannot be kept in PEM", []string{"keygen", "--id", "a", "--out", short + "3"}},
		{"exactly one", []string{"inspect", "--key", public, "--jwks", "https://127.0.0.1/", "x"}},
	} {
		r := runCommand(t, strings.NewReader(""), append([]string{"token"}, test.args...)...)
		if r.status != 1 || !strings.Contains(r.errs, test.sentence) || strings.Contains(r.errs, "hunter2") {
			t.Errorf("%q: status %d, %s", test.args, r.status, r.errs)
		}
	}
}
