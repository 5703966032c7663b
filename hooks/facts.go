package hooks

import (
	"errors"
	"slices"
	"strings"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
	"golang.org/x/text/width"
)

// Facts are fields whose form the world fixes: telephone numbers, industry codes, credit codes, places. Each is stored in one
// form however it was typed, so that equal ones compare equal, and refused with the reason where it can be none.

// phoneFields are the telephone numbers that people type, by collection.
var phoneFields = map[string][]string{
	"enterprises": {"phone"},
	"harbours":    {"service_phone", "complaint_phone"},
	"contacts":    {"phone"},
	"pairings":    {"harbour_liaison_phone", "area_liaison_phone"},
	"services":    {"person_phone"},
}

// placeFields are the places that people state. What a phone measured on the spot (visits, photos) is evidence: it is
// judged by distance in the figures, never refused.
var placeFields = map[string][]string{
	"enterprises": {"location"},
	"harbours":    {"location"},
}

// BindFacts holds facts to their form on every save. It is bound before the rules of the nouns, which compare them.
func BindFacts(app core.App) {
	for _, collection := range factCollections() {
		tidy := func(e *core.RecordEvent) error {
			for _, f := range factFields(collection) {
				if value := e.Record.GetString(f); value != "" {
					e.Record.Set(f, Tidy(collection, f, value))
				}
			}
			if collection == "enterprises" {
				deriveFacts(e.Record)
			}
			return e.Next()
		}
		OnCreate(app, collection, tidy)
		app.OnRecordUpdate(collection).BindFunc(tidy)
		OnValidate(app, collection, func(e *core.RecordEvent) error {
			if err := checkFacts(e.Record); err != nil {
				return err
			}
			return e.Next()
		})
	}
}

func factCollections() []string {
	var out []string
	for c := range phoneFields {
		out = append(out, c)
	}
	for c := range placeFields {
		if phoneFields[c] == nil {
			out = append(out, c)
		}
	}
	return out
}

// factFields are the fields of a collection that Tidy changes.
func factFields(collection string) []string {
	fields := phoneFields[collection]
	if collection == "enterprises" {
		fields = append(slices.Clone(fields), "uscc", "industry")
	}
	return fields
}

// Tidy is the stored form of a fact: a telephone number, an industry code or a credit code as one would write it, whatever
// spaces, dashes, width and case it was typed with. Any other field, and what cannot be read, comes back as it is.
func Tidy(collection, field, value string) string {
	switch {
	case slices.Contains(phoneFields[collection], field):
		value, _ = Phone(value)
	case collection == "enterprises" && field == "industry":
		value = tidyIndustry(value)
	case collection == "enterprises" && field == "uscc":
		value = strings.ToUpper(strings.Join(strings.Fields(width.Fold.String(value)), ""))
	}
	return value
}

// deriveFacts flags a credit code whose check digit fails (GB 32100-2015), and classes the enterprise by 国统字〔2017〕213号 where
// nobody has, or where the rule itself had and its measures changed.
func deriveFacts(r *core.Record) {
	var fault *Error
	r.Set("uscc_unverified", errors.As(CheckUSCC(r.GetString("uscc")), &fault) && fault.Code == USCCCheckDigit)

	size, before := r.GetString("size"), r.Original()
	ours := size == "" || size == "unknown" || !r.IsNew() && size == before.GetString("size") && size == sizeOfRecord(before)
	if class := sizeOfRecord(r); ours && class != "unknown" {
		r.Set("size", class)
	}
}

func sizeOfRecord(r *core.Record) string {
	return SizeClass(r.GetString("industry"), r.GetInt("employees"), int64(r.GetFloat("revenue")), int64(r.GetFloat("total_assets")))
}

// checkFacts judges what this save changes: a record that was stored before a rule stays editable.
func checkFacts(r *core.Record) error {
	collection := r.Collection().Name
	changed := func(field string) bool { return r.IsNew() || r.GetString(field) != r.Original().GetString(field) }
	for _, f := range phoneFields[collection] {
		if changed(f) {
			if _, err := Phone(r.GetString(f)); err != nil {
				return Violation(f, err.(*Error).Code)
			}
		}
	}
	for _, f := range placeFields[collection] {
		if p, ok := r.Get(f).(types.GeoPoint); ok && changed(f) {
			if err := CheckPoint(p.Lon, p.Lat); err != nil {
				return Violation(f, err.(*Error).Code)
			}
		}
	}
	if collection == "enterprises" && changed("industry") {
		if code := r.GetString("industry"); code != "" && IndustrySection(code) == "" {
			return Violation("industry", "bad_industry")
		}
	}
	return nil
}
