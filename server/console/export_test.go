package console

// Asked is a route, for the test of the documentation.
type Asked struct {
	Method, Path, Means string
	Stream              bool
}

// Routes are all that there are.
func Routes() []Asked {
	var all []Asked
	for _, r := range routes {
		all = append(all, Asked{r.method, r.path, r.means, r.stream != nil})
	}
	return all
}

// Redacted is redacted.
func Redacted(text string) string { return redacted(text) }

// The parsers, for fuzzing.
var (
	ParseQuery = parseQuery
	PlaceIn    = placeIn
	CursorOf   = cursorOf
)

// Limit is what a query asks for.
func (p parameters) Limit() (int, error) { return p.limit() }

// Placed is where a list goes on.
func (l listed) Placed() (string, int) { return l.Channel, l.Subscribers }

// RedactedPart is redactedPart.
func RedactedPart(before, part []byte) ([]byte, bool) { return redactedPart(before, part) }
