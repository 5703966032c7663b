package hooks

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// Guesses slows down guessing of passwords: after a few failures every further try under the same key must wait, longer each
// time. It lives in memory: a restart forgives, which is cheaper than a table that anyone on the net can fill.
type Guesses struct {
	mu    sync.Mutex
	now   Clock
	tries map[string]*try
}

type try struct {
	failures int
	last     time.Time
}

// How many failures in a row cost nothing.
const (
	FreeForAccount = 5
	FreeForAddress = 30 // an office may share one address
)

const (
	firstWait   = 30 * time.Second
	longestWait = 15 * time.Minute
	forgotten   = time.Hour
	mostKeys    = 20000
)

// begin counts a try as failed before it is made, so that many at once do not slip through, and says how long to wait instead of trying.
func (l *Guesses) begin(key string, free int) time.Duration {
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
func (l *Guesses) succeeded(account, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, account)
	if t := l.tries[address]; t != nil && t.failures > 0 {
		t.failures--
	}
}

func (l *Guesses) sweep(now time.Time) {
	for k, t := range l.tries {
		if now.Sub(t.last) > longestWait {
			delete(l.tries, k)
		}
	}
	if len(l.tries) >= mostKeys { // under attack: forget rather than grow
		clear(l.tries)
	}
}

// GuessesOf is the one count of an app: a guess at the portal and a guess at the API are the same.
func GuessesOf(app core.App, now Clock) *Guesses {
	return app.Store().GetOrSet("gangwan.guesses", func() any { return &Guesses{now: now, tries: map[string]*try{}} }).(*Guesses)
}

// accountKey counts guesses at one account together: it has up to three identities. record is nil where there is none of that identity.
func accountKey(record *core.Record, identity string) string {
	if record == nil {
		return "unknown " + strings.ToLower(identity)
	}
	return "account " + record.Collection().Id + record.Id
}

// Try counts one try at an account from an address before it is made; wait tells to refuse it, else done is called when it was
// right. The address alone never keeps out an account without failures: behind one proxy stands a whole office, or a whole town.
func (l *Guesses) Try(record *core.Record, identity, address string) (wait time.Duration, done func()) {
	account, address := accountKey(record, identity), "address "+address
	fresh := record != nil && l.fresh(account)
	if wait = l.begin(account, FreeForAccount); wait == 0 {
		if wait = l.begin(address, FreeForAddress); fresh {
			wait = 0
		}
	}
	return wait, func() { l.succeeded(account, address) }
}

func (l *Guesses) fresh(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tries[key]
	return t == nil || t.failures == 0 || l.now().Sub(t.last) > forgotten
}

// BindGuesses slows down guessing at PocketBase's own sign-in, for users and superusers alike.
func BindGuesses(app core.App, now Clock) {
	guesses := GuessesOf(app, now)
	app.OnRecordAuthWithPasswordRequest().BindFunc(func(e *core.RecordAuthWithPasswordRequestEvent) error {
		wait, done := guesses.Try(e.Record, e.Identity, e.RealIP())
		if wait > 0 {
			e.Response.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			return e.JSON(http.StatusTooManyRequests, TooManyGuesses(wait))
		}
		if err := e.Next(); err != nil {
			return err
		}
		done()
		return nil
	})
}

// TooManyGuesses is what somebody is told who must wait.
func TooManyGuesses(wait time.Duration) *Error {
	return &Error{Code: "slow_down", Message: "密码输错次数较多，请在" + WaitWords(wait) + "后再试"}
}

// WaitWords says how long to wait.
func WaitWords(d time.Duration) string {
	if d <= time.Minute {
		return fmt.Sprintf("%d秒", int(d.Seconds())+1)
	}
	return fmt.Sprintf("%d分钟", int((d+time.Minute-1)/time.Minute))
}
