package auth

import "testing"

func FuzzVerify(f *testing.F) {
	v := secretVerifier(f, Options{Audience: "realtime"})
	c := good()
	c.Audience, c.Grants = []string{"realtime"}, []Grant{{"chat:*", Publish}}
	token, _ := Mint(c, signers()[HS256])
	f.Add(token, []byte(`{"sub":"alice","channels":{"chat:*":["publish"]}}`))
	f.Add("a.b.c", []byte(`{"sub":"a","exp":1e9,"aud":["x"],"info":[[[]]]}`))
	f.Add(encode([]byte(`{"alg":"none"}`))+".e30.", []byte(`{"sub":{"sub":1},"sub":2}`))
	f.Fuzz(func(t *testing.T, token string, payload []byte) {
		if _, err := v.Verify(t.Context(), token); err != nil && ReasonOf(err) == "" {
			t.Errorf("%v has no reason", err)
		}
		signed, err := signers()[HS256].sign([]byte(`{"alg":"HS256"}`), payload)
		if err != nil {
			t.Fatal(err)
		}
		Inspect(signed, Options{})
		if _, err := v.Verify(t.Context(), signed); err != nil && ReasonOf(err) == "" {
			t.Errorf("%v has no reason", err)
		}
		claims, err := parseClaims(payload)
		if err != nil {
			return
		}
		claims.May(Publish, "chat:lobby")
		again, err := claims.payload()
		if err != nil {
			t.Fatal(err)
		}
		if second, err := parseClaims(again); err != nil || second.User != claims.User || len(second.Grants) != len(claims.Grants) {
			t.Errorf("claims changed on their way: %+v, %+v, %v", claims, second, err)
		}
	})
}
