// Reading many messages of a stream: by a consumer that lives as long as the reading. It is asked for by hand because the client library
// would not tell a server that falls silent from one that has nothing more.

package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// silence is how long nothing comes until a server says that it is still there.
const silence = 500 * time.Millisecond

// consumerConfig is what a consumer is asked for with, as docs.nats.io has it.
type consumerConfig struct {
	DeliverSubject string        `json:"deliver_subject"`
	DeliverPolicy  string        `json:"deliver_policy"`
	FilterSubject  string        `json:"filter_subject"`
	AckPolicy      string        `json:"ack_policy"`
	ReplayPolicy   string        `json:"replay_policy"`
	FlowControl    bool          `json:"flow_control"`
	IdleHeartbeat  time.Duration `json:"idle_heartbeat"`
	MemoryStorage  bool          `json:"mem_storage"`
	Replicas       int           `json:"num_replicas"`
}

// consumerInfo is what is answered.
type consumerInfo struct {
	Name    string `json:"name"`
	Pending uint64 `json:"num_pending"`
	Error   *struct {
		Code        int    `json:"code"`
		Description string `json:"description"`
	} `json:"error"`
}

// stored is a message that was read.
type stored struct {
	subject string
	seq     uint64
	when    time.Time
	body    []byte
}

// scan reads all messages of a subject, which may have wildcards, oldest first, until each returns false. It sees everything that was
// stored when it began, unless that is deleted meanwhile.
func (b *Broker) scan(ctx context.Context, stream, subject string, each func(stored) bool) error {
	inbox := b.conn.NewInbox()
	coming, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer coming.Unsubscribe() // which ends the consumer
	coming.SetPendingLimits(-1, -1)
	info, err := b.consumer(ctx, "CREATE."+stream, map[string]any{"stream_name": stream, "config": consumerConfig{DeliverSubject: inbox, DeliverPolicy: "all",
		FilterSubject: subject, AckPolicy: "none", ReplayPolicy: "instant", FlowControl: true, IdleHeartbeat: silence, MemoryStorage: true, Replicas: 1}})
	if err != nil {
		return err
	}
	expected := uint64(1)
	for left := info.Pending; left > 0; {
		m, err := b.next(ctx, coming)
		if err != nil {
			return err
		}
		if m.Header.Get("Status") != "" {
			again, err := b.status(ctx, m, "INFO."+stream+"."+info.Name)
			if err != nil || !again {
				return err
			}
			continue
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != expected {
			return fmt.Errorf("message %d of the stream %s came where %d was due", meta.Sequence.Consumer, stream, expected)
		}
		expected++
		left = meta.NumPending
		if !each(stored{m.Subject, meta.Sequence.Stream, meta.Timestamp, m.Data}) {
			return nil
		}
	}
	return nil
}

// consumer asks for something about consumers.
func (b *Broker) consumer(ctx context.Context, what string, question any) (info consumerInfo, err error) {
	ctx, cancel := b.timed(ctx)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return info, err
	}
	answer, err := b.conn.RequestWithContext(ctx, "$JS.API.CONSUMER."+what, body)
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(answer.Data, &info); err != nil {
		return info, err
	}
	if info.Error != nil {
		return info, fmt.Errorf("%s (%d)", info.Error.Description, info.Error.Code)
	}
	return info, nil
}

func (b *Broker) next(ctx context.Context, coming *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := b.timed(ctx)
	defer cancel()
	return coming.NextMsgWithContext(ctx)
}

// status answers a server that waits for us, and otherwise asks one that says nothing whether there is more.
func (b *Broker) status(ctx context.Context, m *nats.Msg, question string) (more bool, err error) {
	if stalled := m.Header.Get("Nats-Consumer-Stalled"); stalled != "" {
		return true, b.conn.Publish(stalled, nil)
	}
	if m.Reply != "" {
		return true, m.Respond(nil)
	}
	info, err := b.consumer(ctx, question, struct{}{})
	if errors.Is(err, context.Canceled) {
		return false, err
	}
	return info.Pending > 0, err
}
