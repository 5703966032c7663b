package hooks

import (
	"context"

	"github.com/pocketbase/pocketbase/core"
)

// ChangePassword sets a user's new password and ends the duty to change it; every token given out before ends with it.
// old and fresh are as typed; fresh needs 8 characters and at most 70 bytes (what bcrypt reads). A refusal is an *Error.
func ChangePassword(ctx context.Context, app core.App, user *core.Record, old, fresh string) error {
	switch {
	case len([]rune(fresh)) < 8 || len(fresh) > 70:
		return Err("password_length")
	case len(old) > 255 || !user.ValidatePassword(old):
		return Err("wrong_password")
	case fresh == old:
		return Err("password_same")
	}
	user.SetPassword(fresh)
	user.Set("must_change_password", false)
	return app.SaveWithContext(ctx, user)
}
