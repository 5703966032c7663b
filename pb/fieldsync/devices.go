package fieldsync

import (
	"database/sql"
	"errors"
	"net/http"
	"time"

	"github.com/pocketbase/dbx"
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
	device.Set("name", clip(info.Name, 80))
	device.Set("platform", clip(info.Platform, 80))
	device.Set("app_version", clip(info.AppVersion, 40))
	return device, tx.Save(device)
}

func clip(s string, max int) string {
	if r := []rune(s); len(r) > max {
		return string(r[:max])
	}
	return s
}

// mayCall tells whether a device in its present state may make the call.
func mayCall(device *core.Record, pull bool) error {
	if device == nil {
		return nil
	}
	switch device.GetString("state") {
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

// skewOf is how far the device's clock is ahead of the server's; 0 when the device did not say.
func skewOf(sentAt string, received time.Time) time.Duration {
	sent, err := hooks.ParseTime(sentAt)
	if err != nil {
		return 0
	}
	return sent.Sub(received)
}
