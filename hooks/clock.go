// Package hooks is the domain: what a record means, which values and steps are lawful, who may hold it.
// It imports none of our packages; anyone may import it.
package hooks

import (
	"time"
	_ "time/tzdata" // phones and servers without a zone database still bucket days in Shanghai
)

// Clock tells the time. Every rule that needs it takes one, so a test or the demo can replay any day.
type Clock func() time.Time

// Shanghai is the zone in which days, months and deadlines are counted. Stored times are UTC.
var Shanghai = func() *time.Location {
	loc, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err)
	}
	return loc
}()

// DateTimeLayout is PocketBase's stored form, always UTC, so that stored times compare as text.
const DateTimeLayout = "2006-01-02 15:04:05.000Z"

// Stored renders t as PocketBase stores it.
func Stored(t time.Time) string { return t.UTC().Format(DateTimeLayout) }

// ParseTime reads a time as RFC 3339 or in PocketBase's form; both are accepted on the wire.
func ParseTime(s string) (time.Time, error) {
	layout := time.RFC3339Nano
	if len(s) > len(time.DateOnly) && s[len(time.DateOnly)] == ' ' {
		layout = "2006-01-02 15:04:05.999999999Z07:00"
	}
	t, err := time.Parse(layout, s)
	return t.UTC(), err
}

// Day is the Shanghai calendar day of t, as 2006-01-02.
func Day(t time.Time) string { return t.In(Shanghai).Format(time.DateOnly) }
