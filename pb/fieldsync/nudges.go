package fieldsync

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/routine"
	"github.com/pocketbase/pocketbase/tools/subscriptions"

	"gangwan/hooks"
)

// nudgeTopic is what a client subscribes to in PocketBase's realtime.
const nudgeTopic = "sync"

// nudges tells clients that listen that something their user may see has changed. They are never needed: whoever misses one
// pulls later. A pass looks at the feed rows since the last one, and at the listeners' own scopes among them alone: what
// happens elsewhere is not even to be guessed from a seq.
type nudges struct {
	mu        sync.Mutex
	listening chan struct{} // holds one token from the first listener on
	active    bool
	joining   int                             // subscriptions being made: their clients are not to be seen yet
	read      int64                           // every feed row up to here was dealt with
	scopes    map[string][]string             // of listening users
	owed      map[subscriptions.Client]*nudge // what a client is still to be told
}

// nudge is at most one message on its way to a client; one that reads slowly is told the latest when it is done.
type nudge struct {
	seq     int64
	sending bool
}

// bindNudges lets clients subscribe. Whoever is not signed in as a user may, as to any topic, and hears nothing.
func (s *Server) bindNudges(app core.App) {
	s.nudges.listening = make(chan struct{}, 1)
	app.OnRealtimeSubscribeRequest().BindFunc(func(e *core.RealtimeSubscribeRequestEvent) error {
		if !slices.Contains(e.Subscriptions, nudgeTopic) {
			return e.Next()
		}
		if err := s.listen(); err != nil {
			return err
		}
		defer func() {
			s.nudges.mu.Lock()
			s.nudges.joining--
			s.nudges.mu.Unlock()
		}()
		return e.Next()
	})
}

// listen notes where the feed stands before the first listener is told that it listens: no change after that is missed.
func (s *Server) listen() error {
	n := &s.nudges
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.active {
		n.joining++
		return nil
	}
	if err := s.app.DB().NewQuery(`SELECT COALESCE(max(seq), 0) FROM sync_feed`).Row(&n.read); err != nil {
		return err
	}
	n.joining++
	n.active, n.scopes, n.owed = true, map[string][]string{}, map[subscriptions.Client]*nudge{}
	n.listening <- struct{}{}
	return nil
}

// runNudges wakes once a second while somebody listens, and costs nothing while nobody does.
func (s *Server) runNudges(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.nudges.listening:
		}
		wake := time.NewTicker(time.Second)
		for more := true; more; {
			select {
			case <-ctx.Done():
				more = false
			case <-wake.C:
				var err error
				if more, err = s.nudge(); err != nil && !errors.Is(err, errStopped) {
					s.app.Logger().Warn("nudges failed", "error", err)
				}
			}
		}
		wake.Stop()
	}
}

// nudge is one pass over all listeners; more tells whether anybody still listens.
func (s *Server) nudge() (more bool, err error) {
	// A membership that ends or begins by the clock alone is written by the next call; a listener must not wait for one.
	var last string
	if err := s.app.DB().NewQuery(`SELECT now FROM sync_clock`).Row(&last); err != nil {
		return true, err
	}
	if crossed, err := boundaries(s.app.DB(), last, hooks.Stored(s.now())); err != nil {
		return true, err
	} else if crossed {
		if err := s.note(func(core.App) error { return nil }); err != nil {
			return true, err
		}
	}
	n := &s.nudges
	n.mu.Lock()
	defer n.mu.Unlock()
	byUser := map[string][]subscriptions.Client{}
	connected := map[subscriptions.Client]bool{}
	for _, c := range s.app.SubscriptionsBroker().Clients() {
		if !c.HasSubscription(nudgeTopic) {
			continue
		}
		connected[c] = true
		if user, _ := c.Get(apis.RealtimeClientAuthKey).(*core.Record); user != nil && user.Collection().Name == "users" {
			byUser[user.Id] = append(byUser[user.Id], c)
		}
	}
	for c := range n.owed {
		if !connected[c] {
			delete(n.owed, c)
		}
	}
	if n.active = len(connected)+n.joining > 0; !n.active {
		return false, nil
	}
	changed, top, err := s.changedSince(n.read)
	if err != nil {
		return true, err
	}
	for user, clients := range byUser {
		seq, err := s.concerns(user, changed)
		if err != nil {
			return true, err
		}
		for _, c := range clients {
			if n.owed[c] == nil {
				n.owed[c] = &nudge{}
			}
			n.owed[c].seq = max(n.owed[c].seq, seq)
		}
	}
	for user := range n.scopes {
		if byUser[user] == nil {
			delete(n.scopes, user)
		}
	}
	n.read = top
	for c, owed := range n.owed {
		if owed.seq > 0 && !owed.sending {
			s.send(c, owed)
		}
	}
	return true, nil
}

// changes are the feed rows of one pass: the latest seq of each scope, and of each account.
type changes struct{ scopes, users map[string]int64 }

func (s *Server) changedSince(read int64) (changes, int64, error) {
	out, top := changes{map[string]int64{}, map[string]int64{}}, read
	var rows []struct {
		Scope string `db:"scope"`
		User  string `db:"user"`
		Seq   int64  `db:"seq"`
	}
	err := s.app.ConcurrentDB().NewQuery(`SELECT scope, iif(collection = 'users', record, '') AS user, max(seq) AS seq FROM sync_feed WHERE seq > {:read} GROUP BY 1, 2`).
		Bind(dbx.Params{"read": read}).All(&rows)
	for _, r := range rows {
		if r.Scope == hooks.ScopeNobody {
			out.users[r.User] = r.Seq
		} else {
			out.scopes[r.Scope] = r.Seq
		}
		top = max(top, r.Seq)
	}
	return out, top, err
}

// concerns is the seq of the latest change in the user's scopes; 0: nothing there changed.
func (s *Server) concerns(user string, changed changes) (seq int64, err error) {
	n := &s.nudges
	had, known := n.scopes[user]
	if changed.users[user] > 0 || !known {
		account, err := s.app.FindRecordById("users", user)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
		n.scopes[user] = []string{} // who is gone, or must change the password first, may not pull
		if err == nil && !account.GetBool("must_change_password") {
			// The role decides which fields are seen.
			n.scopes[user] = append(hooks.UserScopes(account), "role "+account.GetString("role"))
		}
		if known && len(n.scopes[user]) > 0 && !slices.Equal(had, n.scopes[user]) {
			seq = changed.users[user]
		}
	}
	for _, scope := range n.scopes[user] {
		seq = max(seq, changed.scopes[scope])
	}
	return seq, nil
}

// send hands a message over apart, for a client that reads slowly must not keep the others waiting.
func (s *Server) send(c subscriptions.Client, owed *nudge) {
	data, _ := json.Marshal(map[string]int64{"seq": owed.seq})
	owed.seq, owed.sending = 0, true
	routine.FireAndForget(func() {
		c.Send(subscriptions.Message{Name: nudgeTopic, Data: data})
		s.nudges.mu.Lock()
		owed.sending = false
		s.nudges.mu.Unlock()
	})
}
