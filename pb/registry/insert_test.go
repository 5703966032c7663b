package registry

import (
	"context"
	"fmt"
	"testing"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

func TestAPreparedInsertStoresWhatPocketBaseWouldHaveStored(t *testing.T) {
	app := newDistrict(t)
	defer usePreparedInserts(app, "enterprises")()
	collection, err := app.FindCollectionByNameOrId("enterprises")
	if err != nil {
		t.Fatal(err)
	}
	save := func(id string, ctx context.Context) string {
		r := core.NewRecord(collection)
		r.Load(map[string]any{"id": id, "name": "万州区老麻抄手店", "uscc": uscc("92", 1), "kind": "individual_business", "grid": grid(t, app, "一网格").Id,
			"location": map[string]any{"lon": 108.4, "lat": 30.8}, "employees": 3, "revenue": 1e11, "founded_on": "2021-03-04 16:00:00.000Z", "tags": []string{"green"}})
		if err := app.RunInTransaction(func(tx core.App) error { return tx.SaveWithContext(ctx, r) }); err != nil {
			t.Fatal(err)
		}
		if r.IsNew() {
			t.Error("the record does not know that it was saved")
		}
		row := dbx.NullStringMap{}
		if err := app.DB().NewQuery("SELECT *, typeof(revenue) t1, typeof(location) t2, typeof(tags) t3 FROM enterprises WHERE id = {:id}").Bind(dbx.Params{"id": id}).One(row); err != nil {
			t.Fatal(err)
		}
		delete(row, "id")
		delete(row, "created")
		delete(row, "updated")
		return fmt.Sprint(row)
	}
	plain, prepared := save("plain0000000001", context.Background()), save("prepared0000001", withInserter(context.Background()))
	if plain != prepared {
		t.Errorf("stored\n%s\nwant\n%s", prepared, plain)
	}
}
