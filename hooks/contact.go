package hooks

import (
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindContact runs the rules of the 对口联系名册 (附件三, 八).
func BindContact(app core.App, now Clock) {
	onSave(app, "contacts", now, checkContact)
}

func checkContact(app core.App, r, _ *core.Record, _ time.Time) error {
	if err := inOrder(r, "ends_before_start", "from", "until"); err != nil {
		return err
	}
	// Grid workers and street officials have accounts and no harbour; a colleague of another harbour is not this one's contact.
	if id, harbour := r.GetString("user"), r.GetString("harbour"); id != "" && harbour != "" && (changed(r, "user") || changed(r, "harbour")) {
		user, err := app.FindRecordById("users", id)
		if err != nil {
			return Violation("user", "unknown_reference")
		}
		if of := user.GetString("harbour"); of != "" && of != harbour {
			return Violation("user", "not_of_harbour")
		}
	}
	return nil
}
