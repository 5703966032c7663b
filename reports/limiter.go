package reports

import (
	"sync"
	"time"
)

// limiter slows down guessing: after a few failures every further try under the same key must wait, longer each time.
// It lives in memory: a restart forgives, which is cheaper than a table that anyone on the net can fill.
type limiter struct {
	mu    sync.Mutex
	now   func() time.Time
	tries map[string]*try
}

type try struct {
	failures int
	last     time.Time
}

const (
	freeForAccount = 5
	freeForAddress = 30 // an office may share one address
	firstWait      = 30 * time.Second
	longestWait    = 15 * time.Minute
	forgotten      = time.Hour
	mostKeys       = 20000
)

// begin counts a try as failed before it is made, so that many at once do not slip through, and says how long to wait instead of trying.
func (l *limiter) begin(key string, free int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	t := l.tries[key]
	if t != nil && now.Sub(t.last) > forgotten {
		t = nil
	}
	if t == nil {
		if len(l.tries) >= mostKeys {
			l.sweep(now)
		}
		t = &try{}
		l.tries[key] = t
	}
	if t.failures >= free {
		wait := longestWait
		if n := t.failures - free; n < 5 {
			wait = firstWait << n
		}
		if left := t.last.Add(wait).Sub(now); left > 0 {
			return left
		}
	}
	t.failures++
	t.last = now
	return 0
}

// succeeded takes back what begin counted; an account's earlier failures are forgiven too.
func (l *limiter) succeeded(account, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, account)
	if t := l.tries[address]; t != nil && t.failures > 0 {
		t.failures--
	}
}

func (l *limiter) sweep(now time.Time) {
	for k, t := range l.tries {
		if now.Sub(t.last) > longestWait {
			delete(l.tries, k)
		}
	}
	if len(l.tries) >= mostKeys { // under attack: forget rather than grow
		clear(l.tries)
	}
}
