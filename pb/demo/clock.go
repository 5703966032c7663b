package demo

import (
	"sync"
	"time"
)

// Clock is the server's injected clock. As made it shows the real time; Set stops it at a moment, so that a story can move
// it day by day; Run lets it go on from there. PocketBase's autodates, tokens and SQLite know nothing of it.
type Clock struct {
	mu      sync.RWMutex
	stopped bool
	at      time.Time     // while stopped
	ahead   time.Duration // while running
}

// NewClock makes a clock that shows the real time.
func NewClock() *Clock { return &Clock{} }

// Now is the time shown; it is a hooks.Clock.
func (c *Clock) Now() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.stopped {
		return c.at
	}
	return time.Now().Add(c.ahead)
}

// Set stops the clock at t.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.at = true, t
}

// Run starts the clock again: from the real time, or from t where the real time has not come that far. A demo looked at
// next year shows next year's date; one made before its own last day does not run backwards.
func (c *Clock) Run(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.ahead = false, max(0, time.Until(t))
}
