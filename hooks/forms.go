package hooks

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"sort"

	"github.com/goccy/go-yaml"
	"github.com/pocketbase/pocketbase/core"
)

//go:embed forms/*.yaml
var formFiles embed.FS

// Form is the meaning of a collection that devices write: what its collection in the database cannot hold.
type Form struct {
	Collection string      `yaml:"collection"`
	Label      string      `yaml:"label"`
	Writers    []string    `yaml:"writers"`
	Fields     []FormField `yaml:"fields"`
	byName     map[string]*FormField
}

// FormField is one field of a form, in the order shown.
type FormField struct {
	Name     string            `yaml:"name"`
	Label    string            `yaml:"label"`
	Help     string            `yaml:"help"`
	Required bool              `yaml:"required"`
	Options  map[string]string `yaml:"options"`
	ShowIf   *ShowIf           `yaml:"show_if"`
	// Merge: "three_way" (default: from, to and server value are compared) or "fixed" (set at create, never after).
	Merge string `yaml:"merge"`
	// Privacy: "open" (default), "business", "personal" (masked in reports, never in the warehouse) or "sensitive" (SeenBy only).
	Privacy string `yaml:"privacy"`
	// SeenBy limits a sensitive field to these roles; Writers narrows the form's writers for this field.
	SeenBy  []string `yaml:"seen_by"`
	Writers []string `yaml:"writers"`
	// Fill is what the app, and for an empty field the server, sets at create: "self", "harbour", "bank" or "agency" of the user, or
	// "now". What is filled with oneself and never changes may be nobody else.
	Fill string `yaml:"fill"`
	// Attachment marks a picture, sent apart from the record.
	Attachment bool `yaml:"attachment"`
}

// ShowIf shows a field only while another has one of the values.
type ShowIf struct {
	Field string   `yaml:"field"`
	In    []string `yaml:"in"`
}

// Forms are all forms by collection, read once from forms/*.yaml; a malformed file stops the program at start.
var Forms = func() map[string]*Form {
	forms, err := parseForms(formFiles)
	if err != nil {
		panic(err)
	}
	return forms
}()

func parseForms(files fs.FS) (map[string]*Form, error) {
	names, err := fs.Glob(files, "forms/*.yaml")
	if err != nil {
		return nil, err
	}
	forms := map[string]*Form{}
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		f := &Form{}
		if err := yaml.NewDecoder(bytes.NewReader(raw), yaml.DisallowUnknownField()).Decode(f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := f.index(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		forms[f.Collection] = f
	}
	return forms, nil
}

func (f *Form) index() error {
	f.byName = map[string]*FormField{}
	for i := range f.Fields {
		field := &f.Fields[i]
		if field.Merge == "" {
			field.Merge = "three_way"
		}
		if field.Privacy == "" {
			field.Privacy = "open"
		}
		if field.Writers == nil {
			field.Writers = f.Writers
		}
		switch {
		case field.Label == "":
			return fmt.Errorf("field %s has no label", field.Name)
		case !slices.Contains([]string{"three_way", "fixed"}, field.Merge):
			return fmt.Errorf("field %s: unknown merge rule %q", field.Name, field.Merge)
		case !slices.Contains([]string{"open", "business", "personal", "sensitive"}, field.Privacy):
			return fmt.Errorf("field %s: unknown privacy class %q", field.Name, field.Privacy)
		case (field.Privacy == "sensitive") != (field.SeenBy != nil):
			return fmt.Errorf("field %s: seen_by goes with privacy sensitive, and only with it", field.Name)
		case !slices.Contains([]string{"", "self", "harbour", "bank", "agency", "now"}, field.Fill):
			return fmt.Errorf("field %s: unknown fill %q", field.Name, field.Fill)
		case f.byName[field.Name] != nil:
			return fmt.Errorf("field %s stands twice", field.Name)
		}
		f.byName[field.Name] = field
	}
	return nil
}

// Field finds a field of the form; nil when the form has none of that name: the server's own or unknown.
func (f *Form) Field(name string) *FormField { return f.byName[name] }

// MayWrite tells whether a role may set the field from a device, at create or at update. Pictures travel apart.
func (f *FormField) MayWrite(role string, create bool) bool {
	return !f.Attachment && slices.Contains(f.Writers, role) && (create || f.Merge != "fixed")
}

// Prefill sets the fields of a new record that its author's post answers and that are still empty.
func (f *Form) Prefill(r, user *core.Record) {
	for _, field := range f.Fields {
		switch field.Fill {
		case "self":
			defaultTo(r, field.Name, user.Id)
		case "harbour", "bank", "agency":
			if len(PostOf(user).Scopes()) > 0 {
				defaultTo(r, field.Name, user.GetString(field.Fill))
			}
		case "now":
			defaultTo(r, field.Name, r.GetString("captured_at"))
		}
	}
}

// BindForms holds every record made on a device to what its form says of its author.
func BindForms(app core.App) {
	for collection, form := range Forms {
		OnValidate(app, collection, func(e *core.RecordEvent) error {
			if actor := actorOf(e.Context); actor != nil && e.Record.IsNew() {
				for _, f := range form.Fields {
					if f.Fill == "self" && f.Merge == "fixed" && e.Record.GetString(f.Name) != actor.Id {
						return Violation(f.Name, "not_self")
					}
				}
			}
			return e.Next()
		})
	}
}

// WritableCollections are the collections that devices write, sorted.
func WritableCollections() []string {
	names := make([]string, 0, len(Forms))
	for n := range Forms {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// HiddenFrom lists the fields of a collection that a role may not see, beside those hidden from everybody.
func HiddenFrom(role, collection string) []string {
	form := Forms[collection]
	if form == nil {
		return nil
	}
	var out []string
	for _, field := range form.Fields {
		if field.SeenBy != nil && !slices.Contains(field.SeenBy, role) {
			out = append(out, field.Name)
		}
	}
	return out
}

// Personal tells whether a field must not enter the warehouse nor stand unmasked in a report. Of a picture only its name is
// a field, and that tells nothing of a person.
func Personal(collection, field string) bool {
	form := Forms[collection]
	if form == nil {
		return false
	}
	f := form.Field(field)
	return f != nil && !f.Attachment && (f.Privacy == "personal" || f.Privacy == "sensitive")
}
