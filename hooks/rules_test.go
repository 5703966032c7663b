package hooks

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// office is a district with two harbours in two streets and everybody who has a say in them. It is Friday, 20 November 2026,
// 10:00 in Shanghai.
type office struct {
	*testing.T
	app                                        core.App
	now                                        time.Time
	bank, other, guarantor                     *core.Record
	street, farStreet, circle, park, community *core.Record
	harbour, far                               *core.Record
	peoplesBank, financeOffice                 *core.Record
	head, staff, farHead, worker               *core.Record
	official, financeOfficial, streetOfficial  *core.Record
}

func openOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, app: migratedApp(t), now: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)}
	Bind(o.app, func() time.Time { return o.now })
	o.bank = o.save("banks", row{"name": "江城银行", "kind": "bank"})
	o.other = o.save("banks", row{"name": "惠民银行", "kind": "bank"})
	o.guarantor = o.save("banks", row{"name": "区担保公司", "kind": "guarantee"})
	o.street = o.save("areas", row{"code": "500101001", "name": "高笋塘街道", "kind": "street"})
	o.farStreet = o.save("areas", row{"code": "500101002", "name": "太白街道", "kind": "street"})
	o.circle = o.save("areas", row{"code": "500101001901", "name": "高笋塘商圈", "kind": "business_circle", "parent": o.street.Id})
	o.park = o.save("areas", row{"code": "500101001902", "name": "经开区", "kind": "park", "parent": o.street.Id})
	o.community = o.save("areas", row{"code": "500101001001", "name": "白岩路社区", "kind": "community", "parent": o.street.Id})
	o.harbour = o.save("harbours", row{"number": "001", "name": "高笋塘港湾", "kind": "street", "host_bank": o.bank.Id, "area": o.street.Id, "status": "operating"})
	o.far = o.save("harbours", row{"number": "002", "name": "太白港湾", "kind": "street", "host_bank": o.other.Id, "area": o.farStreet.Id, "status": "operating"})
	o.peoplesBank = o.save("agencies", row{"name": "人行万州中心支行", "kind": "central_bank"})
	o.financeOffice = o.save("agencies", row{"name": "区金融办", "kind": "financial_office"})
	o.head = o.user("harbour_head", "王主任", row{"harbour": o.harbour.Id})
	o.staff = o.user("harbour_staff", "小李", row{"harbour": o.harbour.Id})
	o.farHead = o.user("harbour_head", "远港负责人", row{"harbour": o.far.Id})
	o.worker = o.user("grid_worker", "网格员", nil)
	o.official = o.user("official", "人行张科", row{"agency": o.peoplesBank.Id})
	o.financeOfficial = o.user("official", "金融办刘科", row{"agency": o.financeOffice.Id})
	o.streetOfficial = o.user("street_official", "街道办", row{"street": o.street.Id})
	return o
}

type row = map[string]any

func with(base row, more row) row {
	all := row{}
	for _, m := range []row{base, more} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func (o *office) user(role, name string, more row) *core.Record {
	o.Helper()
	return o.save("users", with(row{"email": fmt.Sprintf("%x@test.test", name), "password": "harbour-2026", "name": name, "role": role}, more))
}

// as saves a new record on somebody's behalf; nil is the console.
func (o *office) as(actor *core.Record, collection string, values row) (*core.Record, error) {
	o.Helper()
	c, err := o.app.FindCollectionByNameOrId(collection)
	if err != nil {
		o.Fatal(err)
	}
	r := core.NewRecord(c)
	for k, v := range values {
		r.Set(k, v)
	}
	if actor != nil {
		Forms[collection].Prefill(r, actor)
		if err := SetScopes(o.app, r); err != nil {
			o.Fatal(err)
		}
	}
	return r, o.app.SaveWithContext(WithActor(o.Context(), actor), r)
}

// made is as, for what must be accepted.
func (o *office) made(actor *core.Record, collection string, values row) *core.Record {
	o.Helper()
	r, err := o.as(actor, collection, values)
	if err != nil {
		o.Fatalf("%s %v: %v", collection, values, err)
	}
	return r
}

func (o *office) save(collection string, values row) *core.Record {
	o.Helper()
	return o.made(nil, collection, values)
}

// change edits a record as it is in the database now.
func (o *office) change(actor, of *core.Record, values row) error {
	o.Helper()
	r := o.fresh(of)
	for k, v := range values {
		r.Set(k, v)
	}
	return o.app.SaveWithContext(WithActor(o.Context(), actor), r)
}

func (o *office) changed(actor, of *core.Record, values row) *core.Record {
	o.Helper()
	if err := o.change(actor, of, values); err != nil {
		o.Fatalf("%v: %v", values, err)
	}
	return o.fresh(of)
}

func (o *office) fresh(of *core.Record) *core.Record {
	o.Helper()
	r, err := o.app.FindRecordById(of.Collection().Name, of.Id)
	if err != nil {
		o.Fatal(err)
	}
	return r
}

// refused wants a save to have been turned away at a field, with a code that has a sentence in Chinese; "" wants it accepted.
func (o *office) refused(err error, field, code string) {
	o.Helper()
	if code == "" {
		if err != nil {
			o.Errorf("wanted it to be accepted, got %v", err)
		}
		return
	}
	told, _ := FieldErrorsOf(err)
	if told[field].Code != code {
		o.Errorf("wanted %s to be refused with %s, got %v (%v)", field, code, told, err)
	}
	if catalogue[code] == "" {
		o.Errorf("%s has no sentence", code)
	}
}

// attempt is one line of a table of rules: who writes what, and what is said to it.
type attempt struct {
	what        string
	by          *core.Record
	values      row
	field, code string
}

func (o *office) tryAll(collection string, base row, attempts []attempt) {
	o.Helper()
	for _, a := range attempts {
		o.Run(a.what, func(t *testing.T) {
			sub := *o
			sub.T = t
			r, err := sub.as(a.by, collection, with(base, a.values))
			sub.refused(err, a.field, a.code)
			if err == nil {
				if err := o.app.Delete(r); err != nil { // the next line begins where this one did
					t.Fatal(err)
				}
			}
		})
	}
}

// sees tells whether a record reaches somebody. On the server triggers keep the scopes of changed records; here we do.
func (o *office) sees(user, of *core.Record) bool {
	o.Helper()
	r := o.fresh(of)
	if err := SetScopes(o.app, r); err != nil {
		o.Fatal(err)
	}
	mine := UserScopes(user)
	return slices.ContainsFunc(RecordScopes(r), func(s string) bool { return slices.Contains(mine, s) })
}

// day is 00:00 in Shanghai of a day, as it is stored.
func day(s string) string {
	t, err := time.ParseInLocation(time.DateOnly, s, Shanghai)
	if err != nil {
		panic(err)
	}
	return Stored(t)
}

// at is a moment in Shanghai, as it is stored.
func at(s string) string {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, Shanghai)
	if err != nil {
		panic(err)
	}
	return Stored(t)
}
