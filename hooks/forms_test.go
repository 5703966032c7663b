package hooks

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/pb_migrations/fresh"
)

func migratedApp(t *testing.T) core.App { return fresh.App(t) }

func TestEveryFormFieldExistsInItsCollectionWithTheSameOptions(t *testing.T) {
	app := migratedApp(t)
	for name, form := range Forms {
		collection, err := app.FindCollectionByNameOrId(name)
		if err != nil {
			t.Errorf("form %s: no such collection", name)
			continue
		}
		for _, f := range form.Fields {
			field := collection.Fields.GetByName(f.Name)
			if field == nil {
				t.Errorf("%s.%s stands in the form and not in the collection", name, f.Name)
				continue
			}
			if _, isFile := field.(*core.FileField); isFile != f.Attachment {
				t.Errorf("%s.%s: attachment must say whether it is a file field", name, f.Name)
			}
			if f.ShowIf != nil && form.Field(f.ShowIf.Field) == nil {
				t.Errorf("%s.%s is shown by a field that does not exist: %s", name, f.Name, f.ShowIf.Field)
			}
			choice, ok := field.(*core.SelectField)
			if !ok {
				continue
			}
			for _, v := range choice.Values {
				if f.Options[v] == "" {
					t.Errorf("%s.%s: option %s has no Chinese label", name, f.Name, v)
				}
			}
			for v := range f.Options {
				if !slices.Contains(choice.Values, v) {
					t.Errorf("%s.%s: option %s is not in the collection", name, f.Name, v)
				}
			}
		}
	}
}

func TestEveryRoleNamedInAFormIsARoleOfUsers(t *testing.T) {
	users, err := migratedApp(t).FindCollectionByNameOrId("users")
	if err != nil {
		t.Fatal(err)
	}
	roles := users.Fields.GetByName("role").(*core.SelectField).Values
	for name, form := range Forms {
		for _, f := range form.Fields {
			for _, r := range append(slices.Clone(f.Writers), f.SeenBy...) {
				if !slices.Contains(roles, r) {
					t.Errorf("%s.%s: unknown role %s", name, f.Name, r)
				}
			}
		}
	}
}

func TestEveryFieldOfACollectionHasChineseHelp(t *testing.T) {
	app := migratedApp(t)
	for _, h := range Holdings {
		collection, err := app.FindCollectionByNameOrId(h.Collection)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range collection.Fields {
			help := ""
			switch x := f.(type) {
			case *core.TextField:
				help = x.Help
			case *core.NumberField:
				help = x.Help
			case *core.SelectField:
				help = x.Help
			case *core.RelationField:
				help = x.Help
			case *core.DateField:
				help = x.Help
			case *core.BoolField:
				help = x.Help
			case *core.FileField:
				help = x.Help
			case *core.GeoPointField:
				help = x.Help
			case *core.JSONField:
				help = x.Help
			default:
				continue
			}
			if help == "" && f.GetName() != "id" {
				t.Errorf("%s.%s has no help", h.Collection, f.GetName())
			}
		}
	}
}

func TestAFormWithAMistakeIsRefusedByName(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown key":           "collection: x\nfields:\n  - {name: a, label: 甲, colour: red}",
		"an unknown merge rule":    "collection: x\nfields:\n  - {name: a, label: 甲, merge: guess}",
		"a field that has no name": "collection: x\nfields:\n  - {name: a}",
		"a field twice":            "collection: x\nfields:\n  - {name: a, label: 甲}\n  - {name: a, label: 乙}",
		"sensitive for everybody":  "collection: x\nfields:\n  - {name: a, label: 甲, privacy: sensitive}",
	} {
		if _, err := parseForms(fstest.MapFS{"forms/x.yaml": {Data: []byte(text)}}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
