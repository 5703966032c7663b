package hooks

import (
	"encoding/hex"
	"io"
	"regexp"
	"time"
)

// NewID makes a UUIDv7 (RFC 9562 §5.7) as 32 lower-case hex digits: the form in which devices name records and mutations.
// Time and randomness are the caller's, so that a seeded run repeats its ids.
func NewID(now time.Time, random io.Reader) string {
	var b [16]byte
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		panic("no randomness: " + err.Error())
	}
	ms := uint64(now.UnixMilli())
	for i := 5; i >= 0; i-- {
		b[i] = byte(ms)
		ms >>= 8
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

var deviceID = regexp.MustCompile(`^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$`)

// IsDeviceID tells whether s is an id a device may make (UUIDv7, 32 lower-case hex digits).
func IsDeviceID(s string) bool { return deviceID.MatchString(s) }
