// What a client that asks for the past of a channel is given.

package message

import (
	"context"

	"github.com/ringdown/ringdown/hub"
)

// ReadHistory reads for a client what comes after a cursor, or the newest if the cursor is empty. A cursor from which not all can be had begins with
// the oldest that is kept; recovered is then false. The error is that of [hub.Session.History].
func ReadHistory(ctx context.Context, s *hub.Session, channel string, cursor hub.Cursor, limit int) (page hub.History, recovered bool, err error) {
	if len(cursor) == 0 {
		page, err = s.History(ctx, channel, hub.Query{Newest: true, Limit: limit})
		return page, false, err
	}
	after := cursor[0].Offset
	page, err = s.History(ctx, channel, hub.Query{After: after, Limit: limit})
	if err != nil || page.Top.Epoch == cursor[0].Epoch && after <= page.Top.Offset {
		return page, err == nil && page.Lost == 0, err
	}
	after, known := cursor.In(page.Top.Epoch)
	if known = known && after <= page.Top.Offset; !known {
		after = 0
	}
	page, err = s.History(ctx, channel, hub.Query{After: after, Limit: limit})
	return page, known && page.Lost == 0, err
}

// AppendAll appends publications as a JSON array, up to so many bytes but for the first one, and tells the offset up to which they go.
func AppendAll(b []byte, page hub.History, shape Shape, most int) (array []byte, last uint64) {
	last = page.Top.Offset
	b = append(b, '[')
	from := len(b)
	for i, p := range page.Publications {
		if i > 0 {
			if len(b)-from > most {
				break
			}
			b = append(b, ',')
		}
		b = Append(b, p, shape)
		last = p.Offset
	}
	return append(b, ']'), last
}
