package hooks

import (
	"context"
	"sync"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/hook"
)

// chain is what the rules of one collection do when a record of it is made, in the order bound.
type chain struct{ create, validate hook.Hook[*core.RecordEvent] }

const chainsKey = "gangwan.chains"

func chainOf(app core.App, collection string) *chain {
	all := app.Store().GetOrSet(chainsKey, func() any { return &sync.Map{} }).(*sync.Map)
	c, known := all.Load(collection)
	if !known {
		c, _ = all.LoadOrStore(collection, &chain{})
	}
	return c.(*chain)
}

// OnCreate binds a rule to the making of a collection's records: PocketBase's own saves run it, and Creating does.
func OnCreate(app core.App, collection string, f func(e *core.RecordEvent) error) {
	app.OnRecordCreate(collection).BindFunc(f)
	chainOf(app, collection).create.BindFunc(f)
}

// OnValidate binds a rule to the validation of a collection's records: PocketBase's own saves run it, and Creating does.
func OnValidate(app core.App, collection string, f func(e *core.RecordEvent) error) {
	app.OnRecordValidate(collection).BindFunc(f)
	chainOf(app, collection).validate.BindFunc(f)
}

// Creating runs the rules of a new record around validate and put, in the order of a save, for one who brings validation and
// row himself. Of PocketBase's hooks it runs none: those that listen to a create beside our rules are told by whom the record
// is announced. It returns the first error of a rule, of validate or of put, as it is.
func Creating(ctx context.Context, app core.App, r *core.Record, validate, put func(e *core.RecordEvent) error) error {
	c := chainOf(app, r.Collection().Name)
	event := func(kind string) *core.RecordEvent {
		e := &core.RecordEvent{}
		e.App, e.Context, e.Record, e.Type = app, ctx, r, kind
		return e
	}
	return c.create.Trigger(event(core.ModelEventTypeCreate), func(e *core.RecordEvent) error {
		if err := c.validate.Trigger(event(core.ModelEventTypeValidate), validate); err != nil {
			return err
		}
		return put(e)
	})
}
