package hooks

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/core"
	"golang.org/x/text/width"
)

// A harbour's number is on its sign (附件二 编号管理): Chinese characters, letters and digits in parts, and it ends in digits. The
// district's centre is one of its kind and may be named instead.
var (
	numberShape = regexp.MustCompile(`^[\p{Han}A-Z0-9]+(-[\p{Han}A-Z0-9]+)*$`)
	endsInDigit = regexp.MustCompile(`[0-9]$`)
)

// BindHarbour runs the rules of harbours and the banks that run and assist them (附件一, 二).
func BindHarbour(app core.App, now Clock) {
	onSave(app, "harbours", now, checkHarbour)
}

func checkHarbour(app core.App, r, _ *core.Record, now time.Time) error {
	number := strings.ToUpper(strings.Join(strings.Fields(width.Fold.String(r.GetString("number"))), ""))
	r.Set("number", number)
	centre, host := r.GetString("kind") == "centre", r.GetString("host_bank")
	switch {
	case number == "":
		return Violation("number", "required")
	case !numberShape.MatchString(number) || !centre && !endsInDigit.MatchString(number):
		return Violation("number", "bad_harbour_number")
	case r.GetString("status") == "operating" && !centre && host == "":
		return Violation("host_bank", "host_bank_needed")
	case host != "" && slices.Contains(r.GetStringSlice("partner_banks"), host):
		return Violation("partner_banks", "partner_is_host")
	}
	if host != "" && changed(r, "host_bank") {
		bank, err := app.FindRecordById("banks", host)
		if err != nil {
			return Violation("host_bank", "unknown_reference")
		}
		if bank.GetString("kind") != "bank" {
			return Violation("host_bank", "host_no_bank")
		}
	}
	if r.GetString("status") == "operating" {
		return notInFuture(r, now, "opened_on")
	}
	return nil
}
