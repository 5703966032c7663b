package hooks

import (
	"context"

	"github.com/pocketbase/pocketbase/core"
)

// ChangePassword sets a user's new password and ends the duty to change it; every token given out before ends with it.
// old and fresh are as typed; fresh needs 8 characters and at most 70 bytes (what bcrypt reads). A refusal is an *Error; guesses
// at the old password are counted with those at signing in.
func ChangePassword(ctx context.Context, app core.App, guesses *Guesses, user *core.Record, old, fresh string) error {
	switch {
	case len([]rune(fresh)) < 8 || len(fresh) > 70:
		return Err("password_length")
	case fresh == old:
		return Err("password_same")
	}
	account := accountKey(user, "")
	if wait := guesses.begin(account, FreeForAccount); wait > 0 {
		return TooManyGuesses(wait)
	}
	if len(old) > 255 || !user.ValidatePassword(old) {
		return Err("wrong_password")
	}
	guesses.succeeded(account, "")
	user.SetPassword(fresh)
	user.Set("must_change_password", false)
	line := Entry{At: guesses.now(), Action: "update", Collection: user.Collection().Name}.By(user)
	user.Set(noted, &line)
	return app.SaveWithContext(ctx, user)
}
