package fieldsync

import (
	"reflect"
)

// merge compares, field by field, what the device saw (from), made of it (to), and what the server holds now. All values
// are already in the field's own type. A field that the server changed meanwhile, to something else, keeps the server's value.
func merge(changes map[string]Change, server map[string]any) (set map[string]any, conflicts map[string]FieldConflict) {
	set, conflicts = map[string]any{}, map[string]FieldConflict{}
	for field, c := range changes {
		present := server[field]
		switch {
		case same(present, c.To):
		case same(present, c.From):
			set[field] = c.To
		default:
			conflicts[field] = FieldConflict{Yours: c.To, Theirs: &present}
		}
	}
	return set, conflicts
}

// same compares typed JSON values; lists compare whole.
func same(a, b any) bool { return reflect.DeepEqual(a, b) }
