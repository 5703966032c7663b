package reports

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

const (
	sessionCookie = "gangwan_reports"
	formCookie    = "gangwan_form"
	sessionLength = 12 * time.Hour // a working day, however long the phone's own sign-in lasts
)

// reader is who is at the portal and what of it he may see.
type reader struct {
	record *core.Record
	Name   string
	Super  bool
	Role   string
	// Street is the code of the street account's own street; others have none.
	Street, StreetName string
}

var (
	errSignedOut    = errors.New("not signed in")
	errNotForRole   = errors.New("the portal is not for this role")
	errMustChange   = errors.New("the password must be changed first")
	errNoStreet     = errors.New("the street account has no street")
	errWrongAddress = errors.New("superusers may not come from this address")
)

// readerOf asks the database on every request: a role taken away, a password changed or an account removed takes effect at once.
func readerOf(e *core.RequestEvent) (*reader, error) {
	c, err := e.Request.Cookie(sessionCookie)
	if err != nil {
		return nil, errSignedOut
	}
	record, err := e.App.FindAuthRecordByToken(c.Value, core.TokenTypeAuth)
	if err != nil {
		return nil, errSignedOut
	}
	return readerFor(e, record)
}

func readerFor(e *core.RequestEvent, record *core.Record) (*reader, error) {
	r := &reader{record: record}
	if record.IsSuperuser() {
		r.Super, r.Name = true, "系统管理员"
		if !addressAllowed(e.App.Settings().SuperuserIPs, e.RealIP()) {
			return nil, errWrongAddress
		}
		return r, nil
	}
	if record.Collection().Name != "users" {
		return nil, errSignedOut
	}
	r.Name, r.Role = record.GetString("name"), record.GetString("role")
	if r.Role != "official" && r.Role != "street_official" {
		return nil, errNotForRole
	}
	if record.GetBool("must_change_password") {
		return r, errMustChange
	}
	if r.Role == "street_official" {
		area, err := e.App.FindRecordById("areas", record.GetString("street"))
		if err != nil || area.GetString("code") == "" {
			return nil, errNoStreet
		}
		r.Street, r.StreetName = area.GetString("code"), area.GetString("name")
	}
	return r, nil
}

// District tells who sees the whole district, and so the runs behind it.
func (r *reader) District() bool { return r.Super || r.Role == "official" }

// Ordinary accounts change their password here; a superuser has the console for it.
func (r *reader) Ordinary() bool { return !r.Super }

// Exports tells whether the reader may download workbooks.
func (r *reader) Exports() bool { return hooks.MayExport(r.record) }

func (r *reader) may(e Entry) bool {
	return r.District() || (r.Street != "" && e.AreaCode == r.Street && e.Kind != "district")
}

// addressAllowed holds superusers to the addresses set in the console, as PocketBase does for its own calls.
func addressAllowed(allowed []string, ip string) bool {
	if len(allowed) == 0 {
		return true
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	for _, a := range allowed {
		if prefix, err := netip.ParsePrefix(a); err == nil && prefix.Contains(addr) {
			return true
		}
		if one, err := netip.ParseAddr(a); err == nil && one == addr {
			return true
		}
	}
	return false
}

// findAccount looks an identity up as the phones' sign-in does: e-mail, mobile, staff number; then the superusers.
func findAccount(app core.App, identity string) *core.Record {
	if identity == "" {
		return nil
	}
	if r, err := app.FindAuthRecordByEmail("users", identity); err == nil {
		return r
	}
	for _, field := range []string{"mobile", "staff_no"} {
		if r, err := app.FindFirstRecordByData("users", field, identity); err == nil {
			return r
		}
	}
	if r, err := app.FindAuthRecordByEmail(core.CollectionNameSuperusers, identity); err == nil {
		return r
	}
	return nil
}

// admitted applies what the collection itself demands of a sign-in. A second factor cannot be asked for here, so it is not skipped either.
func admitted(e *core.RequestEvent, record *core.Record) bool {
	c := record.Collection()
	if !c.PasswordAuth.Enabled || c.MFA.Enabled {
		return false
	}
	ok, err := e.App.CanAccessRecord(record, &core.RequestInfo{Context: core.RequestInfoContextPasswordAuth, Method: e.Request.Method,
		Query: map[string]string{}, Headers: map[string]string{}, Body: map[string]any{}}, c.AuthRule)
	return ok && err == nil
}

func setSession(e *core.RequestEvent, record *core.Record) error {
	token, err := record.NewStaticAuthToken(sessionLength)
	if err != nil {
		return err
	}
	setCookie(e, sessionCookie, token, 0)
	return nil
}

// setCookie keeps a value from scripts and from other sites. age below zero removes it.
func setCookie(e *core.RequestEvent, name, value string, age int) {
	e.SetCookie(&http.Cookie{Name: name, Value: value, Path: "/reports", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: e.IsTLS() || e.Request.Header.Get("X-Forwarded-Proto") == "https"})
}

// formToken ties a form to the browser it was given to.
func formToken(e *core.RequestEvent) string {
	if c, err := e.Request.Cookie(formCookie); err == nil && len(c.Value) >= 20 {
		return c.Value
	}
	token := rand.Text()
	setCookie(e, formCookie, token, 0)
	return token
}

// ownForm tells whether a posted form is one of ours, sent from our own page.
func ownForm(e *core.RequestEvent) bool {
	if http.NewCrossOriginProtection().Check(e.Request) != nil {
		return false
	}
	c, err := e.Request.Cookie(formCookie)
	return err == nil && len(c.Value) >= 20 && subtle.ConstantTimeCompare([]byte(c.Value), []byte(e.Request.PostFormValue("form"))) == 1
}

// backTo keeps a return address inside the portal.
func backTo(next string) string {
	if p := path.Clean("/" + strings.TrimLeft(next, "/")); strings.HasPrefix(p, "/reports/") && !strings.ContainsAny(next, "\\\r\n?#%") {
		if strings.HasSuffix(next, "/") {
			p += "/"
		}
		return p
	}
	return "/reports"
}
