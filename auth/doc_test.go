package auth_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/auth"
)

func TestTheDocumentationNamesEveryReason(t *testing.T) {
	page, err := os.ReadFile("../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range auth.Reasons() {
		if !strings.Contains(string(page), "\n| `"+string(reason)+"` |") {
			t.Errorf("docs/authentication.md has no line for %s", string(reason))
		}
	}
}

func Example() {
	key, err := auth.GenerateKey(auth.HS256, "2027-01")
	if err != nil {
		panic(err)
	}
	file, err := os.CreateTemp("", "key")
	if err != nil {
		panic(err)
	}
	defer os.Remove(file.Name())
	content, _ := key.PrivateJWK()
	file.Write(content)
	file.Close()

	v, err := auth.New(auth.Options{Keys: []auth.Key{{File: file.Name()}}, Audience: "realtime"})
	if err != nil {
		panic(err)
	}
	defer v.Close()
	now := time.Now()
	token, _ := auth.Mint(&auth.Claims{
		User: "alice", Audience: []string{"realtime"}, IssuedAt: now, Expires: now.Add(time.Hour),
		Grants: []auth.Grant{{Pattern: "chat:*", Rights: auth.Subscribe | auth.Publish}},
	}, key)
	claims, err := v.Verify(context.Background(), token)
	fmt.Println(claims.User, claims.May(auth.Publish, "chat:lobby"), claims.May(auth.History, "chat:lobby"), err)
	// Output: alice true false <nil>
}

func TestThePageTellsWhatAStarCovers(t *testing.T) {
	page, err := os.ReadFile("../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	claims := auth.Claims{Grants: []auth.Grant{{Pattern: "chat:*", Rights: auth.Publish}}}
	says := strings.Contains(strings.Join(strings.Fields(string(page)), " "), "`*` is any run of characters, `/` and `:` among them")
	if covers := claims.May(auth.Publish, "chat:secret/of:all"); !covers || !says {
		t.Errorf("the grant of chat:* covers chat:secret/of:all: %v; the page says that it does: %v", covers, says)
	}
}
