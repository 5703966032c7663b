package fieldsync

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// chore is work that nobody's call does. Those that write go through s.write in small steps.
type chore struct {
	name  string
	every time.Duration
	run   func(s *Server) error
}

var chores = []chore{
	{"compact", 10 * time.Minute, (*Server).compact},
	{"resume_waits", time.Minute, (*Server).resumeWaits},
	{"expire_waits", time.Hour, (*Server).expireWaits},
	{"sweep_orphans", 24 * time.Hour, (*Server).sweepOrphans},
	{"expire_log", 24 * time.Hour, (*Server).expireLog},
}

// upkeep remembers when each chore last ran in this life of the process; each is due at its start.
type upkeep struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// maintain runs every chore that is due by the server's clock, once. One that fails keeps none of the others from running, and
// is tried again the next time.
func (s *Server) maintain(ctx context.Context) error {
	s.upkeep.mu.Lock()
	defer s.upkeep.mu.Unlock()
	if s.upkeep.last == nil {
		s.upkeep.last = map[string]time.Time{}
	}
	var failed []error
	for _, c := range chores {
		now := s.now()
		if last, ran := s.upkeep.last[c.name]; ctx.Err() != nil || ran && now.Before(last.Add(c.every)) {
			continue
		}
		if err := c.run(s); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.name, err))
			continue
		}
		s.upkeep.last[c.name] = now
	}
	return errors.Join(failed...)
}

// Maintain runs the background's due chores once, for an app that serves. It returns what failed, joined.
func Maintain(ctx context.Context, app core.App) error { return serverOf(app).maintain(ctx) }

// logStep is how many lines of the access log go in one write.
const logStep = 1000

// expireLog removes the lines of the access log whose time is over, in steps, so that pushes get their turn.
func (s *Server) expireLog() error {
	for gone := logStep; gone == logStep; {
		if err := s.write(1, func(tx core.App) (err error) {
			gone, err = hooks.ExpireLog(tx, s.now(), logStep)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// runMaintenance wakes once a minute of real time until the server stops.
func (s *Server) runMaintenance(ctx context.Context) {
	wake := time.NewTicker(time.Minute)
	defer wake.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake.C:
			if err := s.maintain(ctx); err != nil && !errors.Is(err, errStopped) {
				s.app.Logger().Error("sync maintenance failed", "error", err)
			}
		}
	}
}
