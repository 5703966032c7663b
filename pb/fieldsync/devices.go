package fieldsync

import (
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// callError is an error for a whole call with its HTTP status.
type callError struct {
	status int
	err    *hooks.Error
}

func (e *callError) Error() string { return e.err.Error() }

func refuse(status int, code string) *callError { return &callError{status, hooks.Err(code)} }

// device finds the caller's device; nil when it was never seen. A device belongs to one user for good.
func findDevice(app core.App, user *core.Record, id string) (*core.Record, error) {
	if !hooks.IsDeviceID(id) {
		e := refuse(http.StatusBadRequest, "bad_request")
		e.err.With("field", "device")
		return nil, e
	}
	device, err := app.FindRecordById("devices", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if device.GetString("user") != user.Id {
		return nil, refuse(http.StatusForbidden, "device_foreign")
	}
	return device, nil
}

// registerDevice makes the device known at first sight; it never changes another.
func registerDevice(tx core.App, user *core.Record, info DeviceInfo) (*core.Record, error) {
	info = clipped(info)
	device, err := findDevice(tx, user, info.ID)
	if err != nil {
		return nil, err
	}
	if device == nil {
		collection, err := tx.FindCachedCollectionByNameOrId("devices")
		if err != nil {
			return nil, err
		}
		device = core.NewRecord(collection)
		device.Set("id", info.ID)
		device.Set("user", user.Id)
		device.Set("state", "active")
	} else if info.Name == "" && info.AppVersion == "" && info.Platform == "" {
		return device, nil // a push or pull says nothing about itself
	} else if device.GetString("name") == info.Name && device.GetString("platform") == info.Platform && device.GetString("app_version") == info.AppVersion {
		return device, nil
	}
	device.Set("name", info.Name)
	device.Set("platform", info.Platform)
	device.Set("app_version", info.AppVersion)
	return device, tx.Save(device)
}

// clipped brings what a device says of itself into the length that is stored, so that the same words are no change.
func clipped(info DeviceInfo) DeviceInfo {
	return DeviceInfo{info.ID, clip(info.Name, 80), clip(info.Platform, 80), clip(info.AppVersion, 40)}
}

func clip(s string, max int) string {
	if r := []rune(s); len(r) > max {
		return string(r[:max])
	}
	return s
}

// stateOf is the state that a person set; active while nobody did.
func stateOf(device *core.Record) string {
	if state := device.GetString("state"); state != "" {
		return state
	}
	return "active"
}

// mayCall tells whether a device in its present state may make the call.
func mayCall(device *core.Record, pull bool) error {
	if device == nil {
		return nil
	}
	switch stateOf(device) {
	case "suspended":
		return refuse(http.StatusForbidden, "device_suspended")
	case "wiped":
		return refuse(http.StatusForbidden, "device_wiped")
	case "drain_only":
		if pull {
			return refuse(http.StatusForbidden, "device_drain_only")
		}
	}
	return nil
}

// noteContact keeps last contact, skew and pending count apart from synced records: it takes no seq.
func noteContact(tx core.App, device string, at time.Time, skew time.Duration, pending int, version string) error {
	_, err := tx.DB().NewQuery(`INSERT INTO sync_contacts (device, last_at, skew_ms, pending, app_version)
		VALUES ({:device}, {:at}, {:skew}, {:pending}, {:version})
		ON CONFLICT (device) DO UPDATE SET last_at = excluded.last_at, skew_ms = excluded.skew_ms, pending = excluded.pending,
			app_version = CASE WHEN excluded.app_version = '' THEN app_version ELSE excluded.app_version END`).
		Bind(dbx.Params{"device": device, "at": hooks.Stored(at), "skew": skew.Milliseconds(), "pending": pending, "version": version}).Execute()
	return err
}

// noteWiped notes once when a device that was told to erase its data said that it had.
func noteWiped(tx core.App, device string, at time.Time) error {
	_, err := tx.DB().NewQuery(`UPDATE sync_contacts SET wiped_at = {:at} WHERE device = {:device} AND wiped_at = ''`).
		Bind(dbx.Params{"device": device, "at": hooks.Stored(at)}).Execute()
	return err
}

// pullContactEvery bounds how often a pull writes that the device was heard of: a download of many pages writes once.
const pullContactEvery = time.Minute

// heardOf tells whether the device's last contact is noted recently enough.
func heardOf(db dbx.Builder, device string, at time.Time) (bool, error) {
	var n int
	err := db.NewQuery(`SELECT EXISTS (SELECT 1 FROM sync_contacts WHERE device = {:device} AND last_at > {:since})`).
		Bind(dbx.Params{"device": device, "since": hooks.Stored(at.Add(-pullContactEvery))}).Row(&n)
	return n != 0, err
}

// notePull notes the contact of a pull, which says nothing of the device's clock and outbox.
func notePull(tx core.App, device string, at time.Time) error {
	_, err := tx.DB().NewQuery(`INSERT INTO sync_contacts (device, last_at, skew_ms, pending, app_version) VALUES ({:device}, {:at}, 0, 0, '')
		ON CONFLICT (device) DO UPDATE SET last_at = excluded.last_at`).Bind(dbx.Params{"device": device, "at": hooks.Stored(at)}).Execute()
	return err
}

// minAppVersion is the oldest app that may download now; "" when none is too old.
func minAppVersion(db dbx.Builder, at time.Time) (string, error) {
	var value string
	err := db.NewQuery(`SELECT value FROM parameters WHERE code = 'sync.min_app_version' AND "from" <= {:at} AND (until = '' OR until > {:at})
		ORDER BY "from" DESC, id LIMIT 1`).Bind(dbx.Params{"at": hooks.Stored(at)}).Row(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return strings.TrimSpace(value), err
}

// mayDownload refuses an app that is too old to understand what it would be sent. A version that cannot be read is never refused.
func mayDownload(db dbx.Builder, device string, at time.Time) error {
	least, err := minAppVersion(db, at)
	if err != nil || least == "" {
		return err
	}
	var version string
	if err := db.NewQuery(`SELECT app_version FROM sync_contacts WHERE device = {:device}`).Bind(dbx.Params{"device": device}).Row(&version); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if older(version, least) {
		e := refuse(http.StatusUpgradeRequired, "upgrade_required")
		e.err.With("min_app_version", least)
		return e
	}
	return nil
}

// older compares dotted numbers; a missing part counts as 0. False when either is no such version.
func older(version, least string) bool {
	a, b := dotted(version), dotted(least)
	if a == nil || b == nil {
		return false
	}
	for len(a) < len(b) {
		a = append(a, 0)
	}
	for len(b) < len(a) {
		b = append(b, 0)
	}
	return slices.Compare(a, b) < 0
}

func dotted(version string) []int {
	var out []int
	for _, part := range strings.Split(version, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return nil
		}
		out = append(out, int(n))
	}
	return out
}

// bindDevices keeps a device with its user for good, and what a person does to it in the trail.
func bindDevices(app core.App, now hooks.Clock) {
	app.OnRecordUpdate("devices").BindFunc(func(e *core.RecordEvent) error {
		before := e.Record.Original()
		if before.GetString("user") != e.Record.GetString("user") {
			return hooks.Violation("user", "device_bound")
		}
		if stateOf(before) == stateOf(e.Record) {
			return e.Next()
		}
		outer := e.App
		return outer.RunInTransaction(func(tx core.App) error {
			e.App = tx
			defer func() { e.App = outer }()
			// Wiped again after it was given back: what it said the last time does not count.
			if _, err := tx.DB().NewQuery(`UPDATE sync_contacts SET wiped_at = '' WHERE device = {:device}`).Bind(dbx.Params{"device": e.Record.Id}).Execute(); err != nil {
				return err
			}
			if err := audit(tx, now(), e.Record, "device_state", stateOf(before), stateOf(e.Record)); err != nil {
				return err
			}
			return e.Next()
		})
	})
	// A deleted device would register again as a new one: a lost phone would be let in.
	app.OnRecordDelete("devices").BindFunc(func(*core.RecordEvent) error {
		return apis.NewBadRequestError(hooks.Message("device_kept"), nil)
	})
}

// maxWaiting bounds the pushes that wait for the writer. Their bodies are in memory; a phone told to come again keeps its own.
const maxWaiting = 500

// slowDownSeconds is what a phone is told to wait: the writer is through with a full queue by then.
const slowDownSeconds = 5

// admit counts a push that waits for the writer in, or refuses it; leave counts it out.
func (s *Server) admit() (leave func(), err error) {
	if s.waiting.Add(1) > maxWaiting {
		s.waiting.Add(-1)
		return nil, refuse(http.StatusTooManyRequests, "slow_down")
	}
	return func() { s.waiting.Add(-1) }, nil
}

// skewOf is how far the device's clock is ahead of the server's; 0 when the device did not say.
func skewOf(sentAt string, received time.Time) time.Duration {
	sent, err := hooks.ParseTime(sentAt)
	if err != nil {
		return 0
	}
	return sent.Sub(received)
}
