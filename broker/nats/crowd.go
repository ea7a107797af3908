// Who is in a channel, as a node knows it that is subscribed: the stream of members in its order, so that all nodes tell the same.

package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// crowd are the members of a channel. It is guarded by its subscription.
type crowd struct {
	upTo     uint64                // what came of the stream up to here was in a snapshot
	newest   uint64                // the sequence of the newest message that is in it
	sessions map[string]hub.Member // by the token of the session
	users    map[string]int        // how many sessions; without those that have none
	unnamed  int                   // sessions without user
}

// snapshot is what a stream holds of a channel.
type snapshot struct {
	upTo     uint64
	sessions map[string]hub.Member
}

// A stored member begins with whether it is one, then the run of its node after a length, then the member.
const joinMark, leaveMark = 'J', 'L'

func encodeMember(mark byte, run string, m hub.Member) []byte {
	return wire.AppendMember(append([]byte{mark, byte(len(run))}, run...), m)
}

func decodeMember(b []byte) (here bool, run string, m hub.Member, err error) {
	if len(b) < 2 || b[0] != joinMark && b[0] != leaveMark || len(b) < 2+int(b[1]) {
		return false, "", m, fmt.Errorf("a stored member cannot be read: %w", errNotOurs)
	}
	end := 2 + int(b[1])
	m, err = wire.DecodeMember(b[end:])
	return b[0] == joinMark, string(b[2:end]), m, err
}

// members reads who is in a channel.
func (b *Broker) members(ctx context.Context, channel string) (*snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.options.Timeout)
	defer cancel()
	for {
		all, err := b.membersNow(ctx, channel)
		if !errors.Is(err, errLags) || !jitter(ctx, firstRetry) {
			return all, err
		}
	}
}

var errLags = errors.New("a replica lags behind")

func (b *Broker) membersNow(ctx context.Context, channel string) (*snapshot, error) {
	all := &snapshot{sessions: make(map[string]hub.Member)}
	subject := b.names.memberOf(channel) + "*"
	seq, err := b.newestOf(ctx, b.streams.Load().members, subject)
	if err != nil || seq == 0 {
		return all, err
	}
	var broken error
	err = b.scan(ctx, b.names.members, subject, func(one stored) bool {
		here, _, m, err := decodeMember(one.body)
		if err != nil {
			broken = err
			return false
		}
		session := one.subject[strings.LastIndexByte(one.subject, '.')+1:]
		if delete(all.sessions, session); here {
			all.sessions[session] = m
		}
		all.upTo = one.seq
		return true
	})
	if err == nil && all.upTo < seq && broken == nil {
		err = errLags
	}
	return all, cmp.Or(err, broken)
}

// newestOf is the sequence of the newest message of a subject with wildcards; 0 if there is none.
func (b *Broker) newestOf(ctx context.Context, s jetstream.Stream, subject string) (seq uint64, err error) {
	err = b.again(ctx, func(ctx context.Context) (err error) {
		seq, err = b.newestOnce(ctx, s, subject)
		return err
	})
	return seq, err
}

func (b *Broker) newestOnce(ctx context.Context, s jetstream.Stream, subject string) (uint64, error) {
	body, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return 0, err
	}
	config := s.CachedInfo().Config
	if config.AllowDirect {
		m, err := b.conn.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+config.Name, body)
		if err != nil || m.Header.Get("Status") == "404" {
			return 0, err
		}
		var seq uint64
		if _, err := fmt.Sscan(m.Header.Get("Nats-Sequence"), &seq); err != nil {
			return 0, fmt.Errorf("the server answers %q, %q", m.Header.Get("Status"), m.Header.Get("Description"))
		}
		return seq, nil
	}
	m, err := b.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+config.Name, body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, err
	}
	if answer.Error != nil && answer.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound {
		return 0, answer.Error
	}
	return answer.Message.Seq, nil
}

// present takes what came of a member. Called with the lock of the subscription, like what follows.
func (s *subscription) present(seq uint64, session string, body []byte) error {
	here, _, m, err := decodeMember(body)
	if err != nil || seq <= s.crowd.upTo {
		return err
	}
	s.crowd.newest = max(seq, s.crowd.newest)
	before, was := s.crowd.sessions[session]
	switch {
	case here && was && before.User == m.User:
		s.crowd.sessions[session] = m
	case here:
		if was {
			s.gone(session, false)
		}
		s.come(session, m, false)
	case was:
		s.gone(session, false)
	}
	return nil
}

func (s *subscription) come(session string, m hub.Member, quietly bool) {
	c := &s.crowd
	c.sessions[session] = m
	if m.User == "" {
		c.unnamed++
	} else if c.users[m.User]++; c.users[m.User] > 1 {
		return
	}
	s.tell(true, m, quietly)
}

func (s *subscription) gone(session string, quietly bool) {
	c := &s.crowd
	m := c.sessions[session]
	delete(c.sessions, session)
	if m.User == "" {
		c.unnamed--
	} else if c.users[m.User]--; c.users[m.User] > 0 {
		return
	}
	delete(c.users, m.User)
	s.tell(false, m, quietly)
}

func (s *subscription) tell(joined bool, m hub.Member, quietly bool) {
	if !quietly {
		c := &s.crowd
		s.broker.sink.Present(hub.PresenceEvent{Channel: s.channel, Joined: joined, Member: m, Sessions: len(c.sessions), Users: len(c.users) + c.unnamed})
	}
}

// replace makes the crowd what a stream holds. Who has come or gone meanwhile is told, unless it is to be quiet.
func (s *subscription) replace(now *snapshot, quietly bool) {
	if s.crowd.sessions == nil {
		s.crowd.sessions, s.crowd.users = make(map[string]hub.Member), make(map[string]int)
	}
	for session, before := range s.crowd.sessions {
		if m, still := now.sessions[session]; !still || m.User != before.User {
			s.gone(session, quietly)
		}
	}
	for session, m := range now.sessions {
		if _, was := s.crowd.sessions[session]; !was {
			s.come(session, m, quietly)
		} else {
			s.crowd.sessions[session] = m
		}
	}
	s.crowd.upTo, s.crowd.newest = now.upTo, now.upTo
}

// presence is the answer to who is there.
func presence(sessions map[string]hub.Member, limit int) (all hub.Presence) {
	users := make(map[string]bool)
	members := make([]hub.Member, 0, len(sessions))
	for _, m := range sessions {
		members = append(members, m)
		if m.User == "" {
			all.Users++
		} else if !users[m.User] {
			users[m.User] = true
			all.Users++
		}
	}
	all.Sessions = len(members)
	slices.SortFunc(members, func(a, b hub.Member) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Session, b.Session))
	})
	all.Members = slices.Clip(members[:min(max(0, limit), len(members))])
	return all
}
