package turn

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnlyOneHoldsTheTurn(t *testing.T) {
	var turn Turn
	var wg sync.WaitGroup
	count := 0 // the race detector watches it
	for i := range 20 {
		wg.Go(func() {
			for range 500 {
				if err := turn.Take(t.Context(), Kind(i%2)); err != nil {
					t.Error(err)
					return
				}
				count++
				turn.Give(Same)
			}
		})
	}
	wg.Wait()
	if count != 20*500 {
		t.Errorf("%d turns", count)
	}
}

func TestStreamedMessageKeepsMessagesOutAndLetsControlThrough(t *testing.T) {
	var turn Turn
	if !turn.Try(Message) {
		t.Fatal("a free turn was refused")
	}
	turn.Give(Streamed)
	if turn.Try(Message) {
		t.Error("a second message began within a streamed one")
	}
	if !turn.Try(Inner) {
		t.Fatal("a control frame was kept out")
	}
	turn.Give(Same)
	if turn.Try(Message) {
		t.Error("a control frame ended the streamed message")
	}
	if !turn.Try(Inner) {
		t.Fatal("the last fragment was kept out")
	}
	turn.Give(Ended)
	if !turn.Try(Message) {
		t.Error("a message was kept out after the streamed one had ended")
	}
}

func TestWaitersComeInOrderButNobodyWaitsBehindABlockedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn Turn
		turn.Try(Message)
		turn.Give(Streamed)
		turn.Try(Inner)
		var got []string
		var mu sync.Mutex
		wait := func(name string, kind Kind, after After) {
			go func() {
				if err := turn.Take(t.Context(), kind); err != nil {
					t.Error(err)
				}
				mu.Lock()
				got = append(got, name)
				mu.Unlock()
				turn.Give(after)
			}()
			synctest.Wait()
		}
		wait("message", Message, Same)
		wait("ping", Inner, Same)
		wait("last fragment", Inner, Ended)
		turn.Give(Same)
		synctest.Wait()
		want := []string{"ping", "last fragment", "message"}
		for i := range want {
			if len(got) != len(want) || got[i] != want[i] {
				t.Fatalf("order %v, want %v", got, want)
			}
		}
	})
}

func TestWaitingEndsWithTheContextAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn Turn
		turn.Try(Message)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := turn.Take(ctx, Message); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		turn.Give(Same)
		if !turn.Try(Message) {
			t.Error("the turn was lost with the one who gave up")
		}
	})
}

func TestTurnHandedToOneWhoGivesUpIsPassedOn(t *testing.T) {
	for range 200 {
		var turn Turn
		turn.Try(Message)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if turn.Take(ctx, Message) == nil {
				turn.Give(Same)
			}
		})
		wg.Go(cancel)
		wg.Go(func() { turn.Give(Same) })
		wg.Wait()
		if !turn.Try(Message) {
			t.Fatal("the turn was lost")
		}
	}
}
