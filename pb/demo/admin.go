package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// What administrators do in the console of an evening, before the phones come in: who walks which grid, which enterprises
// moved or closed, which finds are confirmed, which visits are reviewed.

func (s *story) adminEvening(day int, date time.Time) error {
	return s.app.RunInTransaction(func(tx core.App) error {
		days := s.d.opts.Days
		if day == days*35/100 || day == days*70/100 {
			if err := s.reassign(tx, day); err != nil {
				return err
			}
		}
		if every := max(1, days/10); day%every == every-1 {
			if err := s.moveSome(tx, day); err != nil {
				return err
			}
		}
		if day%7 == 6 || day == days-1 {
			since := hooks.Stored(date.AddDate(0, 0, -8))
			for _, f := range []func(core.App, string) error{s.closeSome, s.reviewSome, s.confirmFinds} {
				if err := f(tx, since); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// replaySome does at the week's end, in the console, what workers had done at the doors of a grid that was taken from them in the
// meantime: nothing is wrong with it. What came back for other reasons stays open until its author mends it.
func (s *story) replaySome(ctx context.Context, day int) error {
	if day%7 != 6 {
		return nil
	}
	// An enterprise found comes before the visit to it, whichever phone came through first.
	var ids []string
	if err := s.app.DB().NewQuery(`SELECT id FROM sync_rejections WHERE status = 'open' AND reason = 'out_of_scope' AND json_extract(mutation, '$.op') = 'create'
		ORDER BY json_extract(mutation, '$.captured_at'), json_extract(mutation, '$.id')`).Column(&ids); err != nil || len(ids) == 0 {
		return err
	}
	admin, err := s.app.FindAuthRecordByEmail(core.CollectionNameSuperusers, adminEmail)
	if err != nil {
		return err
	}
	token, err := admin.NewAuthToken()
	if err != nil {
		return err
	}
	for _, id := range ids {
		settled, err := s.saveInConsole(ctx, token, "sync_rejections/records/"+id, map[string]any{"resolution": "replay", "override_scope": true, "note": "网格已调整，走访属实"})
		if err != nil {
			return err
		}
		if settled {
			s.tally.Replayed++
		}
	}
	return nil
}

// saveInConsole is what the console sends when an administrator saves a record; false when a rule refuses it.
func (s *story) saveInConsole(ctx context.Context, token, path string, values map[string]any) (bool, error) {
	body, err := json.Marshal(values)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, s.base+"/api/collections/"+path, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Authorization": token, "Referer": s.base + "/_/"} {
		req.Header.Set(name, value)
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK && res.StatusCode != http.StatusBadRequest {
		err = fmt.Errorf("%s: %d %s", path, res.StatusCode, answer)
	}
	return res.StatusCode == http.StatusOK, err
}

// reassign hands a grid of one worker in twenty to a neighbour, as of now.
func (s *story) reassign(tx core.App, day int) error {
	n := len(s.workers)
	if n < 2 {
		return nil
	}
	r := stream(s.d.opts.Seed, "reassign", day)
	for range max(1, n/20) {
		i := r.IntN(n)
		own, err := tx.FindRecordsByFilter("assignments", "user = {:user} && until = ''", "grid", 0, 0, dbx.Params{"user": s.workers[i].person.id})
		if err != nil {
			return err
		}
		if len(own) < 2 {
			continue
		}
		own[0].Set("until", hooks.Stored(s.clock.Now()))
		if err := tx.Save(own[0]); err != nil {
			return err
		}
		next := core.NewRecord(own[0].Collection())
		next.Id = recordID(r)
		next.Set("user", s.workers[(i+1)%n].person.id)
		next.Set("grid", own[0].GetString("grid"))
		next.Set("from", hooks.Stored(s.clock.Now()))
		if err := tx.Save(next); err != nil {
			return err
		}
		s.tally.Reassigned++
	}
	return nil
}

// moveSome puts enterprises into the grid where they have moved; over all days one in a hundred.
func (s *story) moveSome(tx core.App, day int) error {
	r := stream(s.d.opts.Seed, "move", day)
	for range max(1, len(s.d.enterprises)/1000) {
		e := pick(r, s.d.enterprises)
		if e.grid < 0 {
			continue
		}
		record, err := tx.FindFirstRecordByFilter("enterprises", "uscc = {:uscc} && uscc != '' && origin = 'registry'", dbx.Params{"uscc": e.uscc})
		if err != nil {
			return err
		}
		to := s.d.grids[(e.grid+1+r.IntN(3))%len(s.d.grids)]
		if record.GetString("grid") == to.id {
			continue
		}
		record.Set("grid", to.id)
		if err := tx.Save(record); err != nil {
			return err
		}
		s.tally.Moved++
	}
	return nil
}

// closeSome believes half of what workers report about closed and moved shops.
func (s *story) closeSome(tx core.App, since string) error {
	var rows []struct{ ID, Enterprise, Outcome string }
	if err := tx.DB().NewQuery(`SELECT id, enterprise, outcome FROM visits WHERE outcome IN ('closed', 'moved') AND captured_at >= {:since} ORDER BY id`).
		Bind(dbx.Params{"since": since}).All(&rows); err != nil {
		return err
	}
	for _, v := range rows {
		if !chance(stream(s.d.opts.Seed, "close", v.ID), 0.5) {
			continue
		}
		e, err := tx.FindRecordById("enterprises", v.Enterprise)
		if err != nil {
			return err
		}
		if e.GetString("status") != "active" {
			continue
		}
		e.Set("status", v.Outcome)
		if err := tx.Save(e); err != nil {
			return err
		}
		s.tally.Closed++
	}
	return nil
}

// reviewSome looks at visits without a fix near the door, and at a few others.
func (s *story) reviewSome(tx core.App, since string) error {
	var rows []struct {
		ID     string
		Reason string
	}
	if err := tx.DB().NewQuery(`SELECT id, location_reason AS reason FROM visits WHERE review IN ('', 'none') AND captured_at >= {:since} ORDER BY id`).
		Bind(dbx.Params{"since": since}).All(&rows); err != nil {
		return err
	}
	for _, v := range rows {
		verdict := ""
		switch x := stream(s.d.opts.Seed, "review", v.ID).Float64(); {
		case v.Reason != "" && x < 0.4:
			verdict = "exception_approved"
		case x > 0.997:
			verdict = "suspicion_confirmed"
		case x > 0.992:
			verdict = "voided"
		default:
			continue
		}
		visit, err := tx.FindRecordById("visits", v.ID)
		if err != nil {
			return err
		}
		visit.Set("review", verdict)
		if err := tx.Save(visit); err != nil {
			return err
		}
		s.tally.Reviewed++
	}
	return nil
}

// confirmFinds takes field-found enterprises into the count, and merges some with the record on the list that they repeat.
func (s *story) confirmFinds(tx core.App, _ string) error {
	records, err := tx.FindRecordsByFilter("enterprises", "origin = 'field' && confirmed_at = '' && status = 'active'", "id", 0, 0)
	if err != nil {
		return err
	}
	for _, listed := range records {
		e, err := tx.FindRecordById("enterprises", listed.Id) // a merge of this evening may have filled it in
		if err != nil {
			return err
		}
		twin := e.GetString("suspected_duplicate_of") != ""
		// One look a find: what is left open stays open.
		if s.clock.Now().Sub(e.GetDateTime("captured_at").Time()) > 9*24*time.Hour || !chance(stream(s.d.opts.Seed, "confirm", e.Id), 0.7) {
			continue
		}
		if twin {
			if err := s.judgeTwin(tx, e); err != nil {
				return err
			}
		} else {
			e.Set("confirmed_at", hooks.Stored(s.clock.Now()))
			if err := tx.Save(e); err != nil {
				return err
			}
		}
		s.tally.Confirmed++
	}
	return nil
}

// judgeTwin merges a find with the enterprise that it seems to be; one in five is another shop after all, and counts.
func (s *story) judgeTwin(tx core.App, find *core.Record) error {
	merges, err := tx.FindCollectionByNameOrId("enterprise_merges")
	if err != nil {
		return err
	}
	kept, err := tx.FindRecordById("enterprises", find.GetString("suspected_duplicate_of"))
	if err != nil {
		return err
	}
	id := kept.Id
	if into := kept.GetString("merged_into"); into != "" {
		id = into
	}
	r := stream(s.d.opts.Seed, "twin", find.Id)
	decision := core.NewRecord(merges)
	decision.Id = recordID(r)
	decision.Load(map[string]any{"kept": id, "merged": find.Id, "status": "merged"})
	if !chance(r, 0.2) {
		return tx.Save(decision)
	}
	decision.Set("status", "different")
	if err := tx.Save(decision); err != nil {
		return err
	}
	find, err = tx.FindRecordById("enterprises", find.Id)
	if err != nil {
		return err
	}
	find.Set("confirmed_at", hooks.Stored(s.clock.Now()))
	return tx.Save(find)
}
