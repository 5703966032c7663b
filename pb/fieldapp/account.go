package fieldapp

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// bindAccount adds POST /api/account/password {old, new} → {token, record}: every older token ends with the old password, so
// the answer brings a new one. Errors are {code, message}: wrong_password, password_length, password_same, slow_down.
func bindAccount(se *core.ServeEvent, now hooks.Clock) {
	guesses := hooks.GuessesOf(se.App, now)
	se.Router.POST("/api/account/password", func(e *core.RequestEvent) error {
		if e.Auth == nil || e.Auth.IsSuperuser() {
			return e.JSON(http.StatusUnauthorized, hooks.Err("unauthorized"))
		}
		var body struct{ Old, New string }
		if err := json.NewDecoder(e.Request.Body).Decode(&body); err != nil {
			return e.JSON(http.StatusBadRequest, hooks.Err("bad_request"))
		}
		err := hooks.ChangePassword(e.Request.Context(), e.App, guesses, e.Auth, body.Old, body.New)
		var refused *hooks.Error
		if errors.As(err, &refused) {
			return e.JSON(http.StatusUnprocessableEntity, refused)
		}
		if err != nil {
			return err
		}
		token, err := e.Auth.NewAuthToken()
		if err != nil {
			return err
		}
		return e.JSON(http.StatusOK, map[string]any{"token": token, "record": e.Auth.PublicExport()})
	}).Bind(apis.BodyLimit(64 << 10))
}
