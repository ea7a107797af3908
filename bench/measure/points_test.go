package measure

import "testing"

func TestPointsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Points() {
		if p.Name == "" || seen[p.Name] {
			t.Errorf("the name %q of %q is empty or taken", p.Name, p.Title())
		}
		seen[p.Name] = true
	}
}
