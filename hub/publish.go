// Publishing, and what may be published.

package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PublishOptions say how to publish. The zero value will do.
type PublishOptions struct {
	// IdempotencyKey makes repeating safe: a second publication with the key of one published in the same channel within
	// Options.IdempotencyWindow is not published, and gets the receipt of the first. At most MaxIdempotencyKey bytes. Keys of the
	// server, of each user, and of those who are no user are not the same. The last share theirs, so it is best chosen at random.
	IdempotencyKey string
}

// Publish publishes on behalf of the server: p is numbered and handed to every session subscribed to its channel, on every node.
// It waits for the broker, but for no receiver. Neither p nor its payload may change from now on, and p may be published only
// once.
//
// The error is an [*Error] with [BadChannel], [BadPayload], [TooLarge], [BadRequest] or [Unavailable].
func (h *Hub) Publish(ctx context.Context, p *Publication, o PublishOptions) (Receipt, error) {
	if err := CheckChannel(p.Channel); err != nil {
		return Receipt{}, err
	}
	return h.publish(ctx, p, h.Rule(p.Channel), o, o.IdempotencyKey)
}

// Publish publishes on behalf of the session's client, as [Hub.Publish] does, if the channel's rule lets it; otherwise the error
// is an [*Error] with [NotAllowed]. The session need not be subscribed. Guards that wait are not asked again about what was published
// with the same idempotency key.
func (s *Session) Publish(ctx context.Context, p *Publication, o PublishOptions) (Receipt, error) {
	if err := CheckChannel(p.Channel); err != nil {
		return Receipt{}, err
	}
	rule := s.hub.Rule(p.Channel)
	if err := s.may(ToPublish, p.Channel, rule); err != nil {
		return Receipt{}, err
	}
	if err := check(p, rule, o); err != nil { // what guards are asked about is sound
		return Receipt{}, err
	}
	user := s.User()
	key := ownKey(user, o.IdempotencyKey)
	if earlier, err := s.hub.earlier(ctx, p.Channel, key); err != nil || earlier.Duplicate {
		return s.hub.receipt(p, earlier, err)
	}
	if err := s.hub.guardPublish(ctx, s, p); err != nil {
		return Receipt{}, err
	}
	p.Session, p.User = s.id, user
	return s.hub.publish(ctx, p, rule, o, key)
}

// ownKey is a client's idempotency key as it is remembered: with its user before it, so that nobody takes the keys of another, and
// whoever is no user none of the server's, which stay as they are. A zero byte is in no key that somebody chooses.
func ownKey(user, key string) string {
	if key == "" {
		return ""
	}
	return user + "\x00" + key
}

// earlier is the publication that has the key, if there is one and guards would be asked about it again.
func (h *Hub) earlier(ctx context.Context, channel, key string) (Published, error) {
	if key == "" || !slices.ContainsFunc(h.options.Guards, Guard.Waits) {
		return Published{}, nil
	}
	return h.broker.Earlier(ctx, channel, key)
}

// publish publishes p, which is remembered by the key.
func (h *Hub) publish(ctx context.Context, p *Publication, rule *Rule, o PublishOptions, key string) (Receipt, error) {
	if err := check(p, rule, o); err != nil {
		return Receipt{}, err
	}
	if p.Offset != 0 {
		return Receipt{}, publishedBefore(p)
	}
	done, err := h.broker.Publish(ctx, p, Storing{rule.History, key, h.options.IdempotencyWindow})
	return h.receipt(p, done, err)
}

func publishedBefore(p *Publication) error {
	return Errorf(BadRequest, "the publication was published before, as %d of %q; make another one", p.Offset, p.Channel)
}

// receipt is what became of p, as the broker tells.
func (h *Hub) receipt(p *Publication, done Published, err error) (Receipt, error) {
	if err != nil {
		return Receipt{}, h.failed(err, Unavailable, "cannot publish in %q now; try again", p.Channel)
	}
	h.shard(p.Channel).tally.published(len(p.Payload), done.Duplicate)
	subscribers, lags := h.audience(p.Channel)
	if done.Duplicate { // nobody was handed anything now
		lags.lagging, lags.late = 0, 0
	}
	return Receipt{done, subscribers, lags.lagging, lags.late}, nil
}

// check refuses what cannot be published.
func check(p *Publication, rule *Rule, o PublishOptions) error {
	if len(p.Payload) > rule.MaxPayload {
		return Errorf(TooLarge, "the payload has %d bytes; in %q at most %d are taken", len(p.Payload), p.Channel, rule.MaxPayload)
	}
	switch {
	case p.Kind == Text && !utf8.Valid(p.Payload):
		return Errorf(BadPayload, "the payload is said to be text but is not UTF-8; send it as binary")
	case p.Kind == JSON && !(utf8.Valid(p.Payload) && json.Valid(p.Payload)): // json.Valid lets bytes that are no UTF-8 pass
		return Errorf(BadPayload, "the payload is said to be JSON but is not one JSON value in UTF-8; correct it, or send it as text")
	case p.Kind > Binary:
		return Errorf(BadRequest, "there is no kind of payload %d", p.Kind)
	}
	if err := checkForm(p); err != nil {
		return err
	}
	for _, field := range []struct {
		name, value string
		limit       int
	}{{"event name", p.Event, MaxEventName}, {"key", p.Key, MaxKey}, {"idempotency key", o.IdempotencyKey, MaxIdempotencyKey}} {
		if len(field.value) > field.limit {
			return Errorf(TooLarge, "the %s has %d bytes; at most %d are taken", field.name, len(field.value), field.limit)
		}
		if !printable(field.value) {
			return Errorf(BadRequest, "the %s %.60q holds what cannot be printed; use printable characters", field.name, field.value)
		}
	}
	return nil
}

// checkForm refuses what a payload cannot be, and exceptions that are too many.
func checkForm(p *Publication) error {
	switch {
	case p.Form&(Spread|Embedded) != 0 && p.Kind != JSON:
		return Errorf(BadRequest, "the payload is %s, and said to be spread or to embed bytes, which only JSON can; say that it is JSON, or leave the form out", p.Kind)
	case p.Form&Spread != 0 && !bytes.HasPrefix(bytes.TrimLeft(p.Payload, " \t\r\n"), []byte{'['}):
		return Errorf(BadPayload, "the payload is said to be spread but is no array; make it one, or leave the form out")
	case len(p.Except) > MaxExcept:
		return Errorf(TooLarge, "the publication excepts %d channels and sessions; at most %d are taken", len(p.Except), MaxExcept)
	}
	for _, name := range p.Except {
		if err := CheckChannel(name); err != nil {
			return err
		}
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// History reads what is kept of a channel. The error is an [*Error] with [BadChannel], [BadRequest] for a
// limit below 1, [NoHistory] or [Unavailable].
func (h *Hub) History(ctx context.Context, channel string, q Query) (History, error) {
	if err := CheckChannel(channel); err != nil {
		return History{}, err
	}
	if q.Retention = h.Rule(channel).History; q.Count == 0 {
		return History{}, Errorf(NoHistory, "the channel %q keeps no history; give its rule one", channel)
	}
	history, err := h.broker.History(ctx, channel, q)
	if err != nil {
		return History{}, h.failed(err, Unavailable, "cannot read the history of %q now; try again", channel)
	}
	return history, nil
}

// History is [Hub.History] on behalf of the client: it may read what it may subscribe to.
func (s *Session) History(ctx context.Context, channel string, q Query) (History, error) {
	if err := CheckChannel(channel); err != nil {
		return History{}, err
	}
	if err := s.may(ToReadHistory, channel, s.hub.Rule(channel)); err != nil {
		return History{}, err
	}
	return s.hub.History(ctx, channel, q)
}

// newestOfEachKey keeps of a part of a history the newest publication of each key, in order.
func newestOfEachKey(all []*Publication) []*Publication {
	newest := make(map[string]uint64)
	for _, p := range all {
		newest[p.Key] = p.Offset
	}
	kept := make([]*Publication, 0, len(newest))
	for _, p := range all {
		if newest[p.Key] == p.Offset {
			kept = append(kept, p)
		}
	}
	return kept
}
