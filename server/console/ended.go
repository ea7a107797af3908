// Why did it drop: the last sessions that ended, and clients that were refused, each with what to do about it.

package console

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// ending is the end of a session, or that a client was not let in.
type ending struct {
	Time       stamp    `json:"time"`
	ID         string   `json:"id"` // of the session; "" for a client that was refused
	User       string   `json:"user"`
	Address    string   `json:"address"`
	Transport  string   `json:"transport"`
	Protocol   string   `json:"protocol"`
	Refused    bool     `json:"refused"`    // it was not let in
	ClosedBy   string   `json:"closed_by"`  // client, server or network
	Code       hub.Code `json:"code"`       // of docs/errors.md; "" if the server had no reason
	CloseCode  int      `json:"close_code"` // of the Close frame; 0 where there was none
	Cause      string   `json:"cause"`
	Advice     string   `json:"advice"`
	AgeSeconds float64  `json:"age_seconds"`
	QueueBytes int      `json:"queue_bytes"` // that still waited for it
	Number     uint64   `json:"number"`      // its place among all
}

type endedPage struct {
	Ended []ending `json:"ended"` // newest first
	Total int      `json:"total"` // that match, of those that are remembered
	Next  string   `json:"next"`  // after of the next page, with older ones; "" on the last
}

// ended lists endings, or those that a text finds.
func (c *Handler) ended(r *request) (any, error) {
	asked, err := r.parameters("find", "after", "limit")
	if err != nil {
		return nil, err
	}
	limit, err := asked.limit()
	if err != nil {
		return nil, err
	}
	after, further, err := asked.number("after")
	if err != nil {
		return nil, err
	}
	find := asked["find"]
	page := endedPage{Ended: []ending{}}
	for _, one := range c.options.Memory.endings() {
		if find != "" && !one.found(find) {
			continue
		}
		page.Total++
		if further && one.Number >= after {
			continue
		}
		if len(page.Ended) < limit {
			page.Ended = append(page.Ended, one)
		} else if page.Next == "" {
			page.Next = strconv.FormatUint(page.Ended[limit-1].Number, 10)
		}
	}
	return page, nil
}

// endings are all that are remembered, newest first.
func (m *Memory) endings() []ending {
	ended, _, _ := m.ended.from(0)
	refused, _, _ := m.refused.from(0)
	all := append(ended, refused...)
	slices.SortFunc(all, func(x, y ending) int { return cmp.Compare(y.Number, x.Number) })
	return all
}

// found tells whether a text finds an ending: it is its user, code or transport, or begins its id or address.
func (e *ending) found(find string) bool {
	return e.User == find || string(e.Code) == find || e.Transport == find || e.ClosedBy == find ||
		e.ID != "" && strings.HasPrefix(e.ID, find) || strings.HasPrefix(e.Address, find)
}
