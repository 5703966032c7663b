package fieldsync

import (
	"encoding/json"
	"fmt"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// typed checks that a JSON value has the form of the field. PocketBase itself would turn "abc" into 0: what a person
// meant must not be guessed. null stands for the empty value of every type.
func typed(field core.Field, v any) error {
	ok := true
	switch f := field.(type) {
	case *core.NumberField:
		_, ok = v.(float64)
	case *core.BoolField:
		_, ok = v.(bool)
	case *core.DateField:
		var s string
		if s, ok = v.(string); ok && s != "" {
			_, err := hooks.ParseTime(s)
			ok = err == nil
		}
	case *core.GeoPointField:
		var m map[string]any
		if m, ok = v.(map[string]any); ok {
			_, lon := m["lon"].(float64)
			_, lat := m["lat"].(float64)
			ok = lon && lat
		}
	case *core.SelectField:
		ok = textOrList(v, f.MaxSelect > 1)
	case *core.RelationField:
		ok = textOrList(v, f.MaxSelect > 1)
	case *core.JSONField:
	default:
		_, ok = v.(string)
	}
	if v == nil || ok {
		return nil
	}
	return fmt.Errorf("field %s cannot hold %T", field.GetName(), v)
}

func textOrList(v any, list bool) bool {
	if !list {
		_, ok := v.(string)
		return ok
	}
	items, ok := v.([]any)
	for _, item := range items {
		if _, isText := item.(string); !isText {
			return false
		}
	}
	return ok
}

// canonical brings a JSON value into the form in which the field's collection stores and answers it: what a phone typed with
// spaces compares equal to what the rules made of it.
func canonical(collection *core.Collection, field string, v any) any {
	if s, ok := v.(string); ok {
		v = hooks.Tidy(collection.Name, field, s)
	}
	scratch := core.NewRecord(collection)
	scratch.Set(field, v)
	return plain(scratch.Get(field))
}

// plain turns a record's Go value into plain JSON values.
func plain(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil
	}
	return out
}

// referenced lists the records that a value of a relation field names.
func referenced(field core.Field, v any) []string {
	if _, ok := field.(*core.RelationField); !ok {
		return nil
	}
	var out []string
	switch x := v.(type) {
	case string:
		out = append(out, x)
	case []any:
		for _, item := range x {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}
