package hooks

import (
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindCreditLine runs the rules of the 小微企业授权、授信清单 (附件三).
func BindCreditLine(app core.App, now Clock) {
	onSave(app, "credit_lines", now, prepareCreditLine)
}

func prepareCreditLine(app core.App, r, actor *core.Record, now time.Time) error {
	if actor != nil {
		if r.IsNew() {
			defaultTo(r, "bank", actor.GetString("bank"))
		}
		if !hasRole(actor, "bank") || actor.GetString("bank") != r.GetString("bank") {
			return Violation("bank", "line_not_own")
		}
	}
	if r.GetInt("used") > r.GetInt("amount") {
		return Violation("used", "used_above_line")
	}
	if err := notInFuture(r, now, "authorised_on"); err != nil {
		return err
	}
	if err := inOrder(r, "ends_before_start", "authorised_on", "valid_until"); err != nil {
		return err
	}
	if changed(r, "product") {
		if product, err := app.FindRecordById("products", r.GetString("product")); err == nil && product.GetString("bank") != r.GetString("bank") {
			return Violation("product", "product_of_other_bank")
		}
	}
	if !r.IsNew() || r.GetString("harbour") != "" {
		return nil
	}
	if enterprise, err := app.FindRecordById("enterprises", r.GetString("enterprise")); err == nil {
		r.Set("harbour", enterprise.GetString("scope_harbour"))
	}
	return SetScopes(app, r) // the harbour of the host bank is known only now
}
