package registry

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/hook"
)

// PocketBase hands SQLite a new INSERT for every record, and SQLite then compiles all the change feed's triggers with it:
// half the time of a first import. Here the statement is compiled once per transaction. Only the last step is replaced:
// every rule, validation and default bound to the record still runs, in its order.

type inserterKey struct{}

type inserter struct {
	columns []string
	query   *dbx.Query
}

// withInserter marks the saves of one transaction for the prepared statement.
func withInserter(ctx context.Context) context.Context {
	return context.WithValue(ctx, inserterKey{}, &inserter{})
}

// usePreparedInserts takes effect for marked saves alone, until the returned function is called.
func usePreparedInserts(app core.App, collection string) (stop func()) {
	const id = "registry_prepared_insert"
	h := app.OnModelCreateExecute(collection)
	h.Bind(&hook.Handler[*core.ModelEvent]{Id: id, Priority: math.MaxInt, Func: func(e *core.ModelEvent) error {
		in, ok := e.Context.Value(inserterKey{}).(*inserter)
		record, isRecord := e.Model.(*core.Record)
		if !ok || !isRecord {
			return e.Next()
		}
		data, err := record.DBExport(e.App)
		if err != nil {
			return err
		}
		if err := in.insert(e.App, record.TableName(), data); err != nil {
			return err
		}
		record.MarkAsNotNew()
		return nil
	}})
	return func() { h.Unbind(id) }
}

func (in *inserter) insert(tx core.App, table string, data map[string]any) error {
	if in.query == nil {
		in.columns = slices.Sorted(maps.Keys(data))
		quoted, params := make([]string, len(in.columns)), make([]string, len(in.columns))
		for i, c := range in.columns {
			quoted[i], params[i] = "`"+c+"`", "{:"+c+"}"
		}
		in.query = tx.DB().NewQuery("INSERT INTO `" + table + "` (" + strings.Join(quoted, ", ") + ") VALUES (" + strings.Join(params, ", ") + ")").Prepare()
	}
	_, err := in.query.Bind(dbx.Params(data)).Execute()
	return err
}
