package oracle

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite"
)

// point is a place on earth; 0,0 means there is none (that spot is in the sea).
type point struct {
	Lon float64 `json:"lon"`
	Lat float64 `json:"lat"`
}

func (p point) known() bool { return p.Lon != 0 || p.Lat != 0 }

type (
	area struct {
		id, kind, parent string
		until            time.Time
	}
	grid       struct{ id, area string }
	enterprise struct {
		id, uscc, kind, size, grid, status, ownership, registryStatus, origin string
		location                                                              point
		foundedOn, confirmedAt                                                time.Time
	}
	visit struct {
		id, enterprise, grid, worker, place, outcome, review, signature string
		startedAt, endedAt                                              time.Time
		location                                                        point
		capturedRecord
	}
	photo struct {
		id, collection, record, file string
		capturedRecord
	}
	demand struct {
		id, enterprise, grid, need, stage string
		amount, acceptedAmount            int64
		withdrawnAt                       time.Time
		capturedRecord
	}
	match struct {
		id, demand, bank, result string
		matchedAt                time.Time
		capturedRecord
	}
	event struct {
		id, demand, match, kind string
		reached                 bool
		at                      time.Time
		capturedRecord
	}
	loan struct {
		id, enterprise, demand, bank, harbour, purpose, evidence string
		amount                                                   int64
		disbursedOn, checkedOn, confirmedAt                      time.Time
		capturedRecord
	}
	device    struct{ id, user string }
	pastValue struct {
		collection, record, field, value string
		since, until                     time.Time
	}
	parameter struct {
		code, value string
		from, until time.Time
	}
	specialDay struct{ date, kind string }
)

type tables struct {
	areas       []area
	grids       []grid
	enterprises []enterprise
	visits      []visit
	photos      []photo
	demands     []demand
	matches     []match
	events      []event
	loans       []loan
	devices     []device
	history     []pastValue
	parameters  []parameter
	holidays    []specialDay
}

// load reads the tables whole, in one read transaction: the server may be writing.
func load(path string) (*tables, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(absolute), RawQuery: "mode=ro"}).String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = tx.Rollback() }()

	t := &tables{}
	r := &reader{tx: tx}
	r.each("areas", "id, kind, parent, until", func(c *cells) {
		t.areas = append(t.areas, area{id: c.text(), kind: c.text(), parent: c.text(), until: c.time()})
	})
	r.each("grids", "id, area", func(c *cells) {
		t.grids = append(t.grids, grid{id: c.text(), area: c.text()})
	})
	r.each("enterprises", "id, uscc, kind, size, grid, status, ownership, registry_status, origin, location, founded_on, confirmed_at", func(c *cells) {
		t.enterprises = append(t.enterprises, enterprise{id: c.text(), uscc: c.text(), kind: c.text(), size: c.text(), grid: c.text(),
			status: c.text(), ownership: c.text(), registryStatus: c.text(), origin: c.text(), location: c.point(), foundedOn: c.time(), confirmedAt: c.time()})
	})
	const head = ", device, captured_at, synced_at"
	r.each("visits", "id, enterprise, grid, worker, place, outcome, review, signature, started_at, ended_at, location"+head, func(c *cells) {
		t.visits = append(t.visits, visit{id: c.text(), enterprise: c.text(), grid: c.text(), worker: c.text(), place: c.text(), outcome: c.text(),
			review: c.text(), signature: c.text(), startedAt: c.time(), endedAt: c.time(), location: c.point(), capturedRecord: c.captured()})
	})
	r.each("photos", "id, collection, record, file"+head, func(c *cells) {
		t.photos = append(t.photos, photo{id: c.text(), collection: c.text(), record: c.text(), file: c.text(), capturedRecord: c.captured()})
	})
	r.each("demands", "id, enterprise, grid, need, stage, amount, accepted_amount, withdrawn_at"+head, func(c *cells) {
		t.demands = append(t.demands, demand{id: c.text(), enterprise: c.text(), grid: c.text(), need: c.text(), stage: c.text(),
			amount: c.whole(), acceptedAmount: c.whole(), withdrawnAt: c.time(), capturedRecord: c.captured()})
	})
	r.each("demand_matches", "id, demand, bank, result, matched_at"+head, func(c *cells) {
		t.matches = append(t.matches, match{id: c.text(), demand: c.text(), bank: c.text(), result: c.text(), matchedAt: c.time(), capturedRecord: c.captured()})
	})
	r.each("demand_events", "id, demand, match, kind, reached, at"+head, func(c *cells) {
		t.events = append(t.events, event{id: c.text(), demand: c.text(), match: c.text(), kind: c.text(), reached: c.yes(), at: c.time(), capturedRecord: c.captured()})
	})
	r.each("loans", "id, enterprise, demand, bank, harbour, purpose, evidence, amount, disbursed_on, first_loan_checked_on, confirmed_at"+head, func(c *cells) {
		t.loans = append(t.loans, loan{id: c.text(), enterprise: c.text(), demand: c.text(), bank: c.text(), harbour: c.text(), purpose: c.text(), evidence: c.text(),
			amount: c.whole(), disbursedOn: c.time(), checkedOn: c.time(), confirmedAt: c.time(), capturedRecord: c.captured()})
	})
	r.each("devices", "id, user", func(c *cells) {
		t.devices = append(t.devices, device{id: c.text(), user: c.text()})
	})
	r.each("scope_history", "id, collection, record, field, value, since, until", func(c *cells) {
		c.text() // the id orders the rows and serves error messages
		t.history = append(t.history, pastValue{collection: c.text(), record: c.text(), field: c.text(), value: c.text(), since: c.time(), until: c.time()})
	})
	r.each("parameters", "id, code, value, `from`, until", func(c *cells) {
		c.text()
		t.parameters = append(t.parameters, parameter{code: c.text(), value: c.text(), from: c.time(), until: c.time()})
	})
	r.each("holidays", "id, day, kind", func(c *cells) {
		c.text()
		t.holidays = append(t.holidays, specialDay{date: c.text(), kind: c.text()})
	})
	if r.err != nil {
		return nil, r.err
	}
	return t, nil
}

// reader keeps the first error, so that the list of tables above reads without checks in between.
type reader struct {
	tx  *sql.Tx
	err error
}

func (r *reader) each(table, columns string, take func(*cells)) {
	if r.err != nil {
		return
	}
	rows, err := r.tx.Query("SELECT " + columns + " FROM " + table + " ORDER BY id")
	if err != nil {
		r.err = fmt.Errorf("read %s: %w", table, err)
		return
	}
	defer func() { _ = rows.Close() }()
	values := make([]sql.NullString, len(strings.Split(columns, ", ")))
	targets := make([]any, len(values))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			r.err = fmt.Errorf("read %s: %w", table, err)
			return
		}
		c := &cells{values: values}
		take(c)
		if c.err != nil {
			r.err = fmt.Errorf("%s %s: %w", table, values[0].String, c.err)
			return
		}
	}
	if err := rows.Err(); err != nil {
		r.err = fmt.Errorf("read %s: %w", table, err)
	}
}

// cells hands out one row's values from left to right. A composite literal evaluates its calls in the order written.
type cells struct {
	values []sql.NullString
	at     int
	err    error
}

func (c *cells) text() string {
	v := c.values[c.at].String
	c.at++
	return v
}

func (c *cells) fail(what, value string) {
	if c.err == nil {
		c.err = fmt.Errorf("column %d holds %q, not %s", c.at, value, what)
	}
}

// time reads PocketBase's text; the zero time means none.
func (c *cells) time() time.Time {
	v := c.text()
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse("2006-01-02 15:04:05Z", v)
	if err != nil {
		c.fail("a time", v)
	}
	return t
}

func (c *cells) point() point {
	v := c.text()
	var p point
	if v != "" {
		if err := json.Unmarshal([]byte(v), &p); err != nil {
			c.fail("a point", v)
		}
	}
	return p
}

func (c *cells) whole() int64 {
	v := c.text()
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || f != math.Trunc(f) {
		c.fail("a whole number", v)
	}
	return int64(f)
}

func (c *cells) yes() bool {
	v := c.text()
	return v == "1" || v == "true"
}

func (c *cells) captured() capturedRecord {
	return capturedRecord{device: c.text(), capturedAt: c.time(), syncedAt: c.time()}
}
