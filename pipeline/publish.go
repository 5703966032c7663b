package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// keepRuns is how many published runs keep their marts and lake, for rollback. Reports are kept for good.
const keepRuns = 7

// Pointer is the file warehouse/current: what readers take as published. It is replaced in one step, last of all.
type Pointer struct {
	PublishedRun                // of the latest day
	Runs         []PublishedRun `json:"runs"` // the last ones made that are still there, the newest first
}

// PublishedRun names the files of one run, relative to the warehouse.
type PublishedRun struct {
	RunID       string `json:"run_id"`
	Date        string `json:"date"`
	Provisional bool   `json:"provisional"`
	Seq         int64  `json:"seq"`
	Marts       string `json:"marts"`
	Lake        string `json:"lake"`
	Reports     string `json:"reports"`
}

// ReadPointer reads the pointer of a data folder; fs.ErrNotExist before the first publish.
func ReadPointer(dataDir string) (Pointer, error) {
	var p Pointer
	b, err := os.ReadFile(filepath.Join(warehouseDir(dataDir), "current"))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("warehouse/current 已损坏：%w", err)
	}
	return p, nil
}

func warehouseDir(dataDir string) string { return filepath.Join(dataDir, "warehouse") }

// place gives a finished file or folder its published name. The name holds the hash of its input, so what already
// stands there is the same: it stays, for a reader may have it open, and a renamed-over DuckDB file serves old data.
func place(from, to string) error {
	if _, err := os.Stat(to); err == nil {
		return os.RemoveAll(from)
	}
	return moveAtomic(from, to)
}

// placeReports moves rendered reports to reports/<date>/<run_id>, or beside it under the next free number when a newer
// version of the report writer has made other bytes of the same figures.
func placeReports(tmp, warehouse, date, runID string) (string, error) {
	for n := 1; ; n++ {
		name := runID
		if n > 1 {
			name = fmt.Sprintf("%s.%d", runID, n)
		}
		rel := filepath.Join("reports", date, name)
		to := filepath.Join(warehouse, rel)
		if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
			return filepath.ToSlash(rel), moveAtomic(tmp, to)
		}
		same, err := sameTree(tmp, to)
		if err != nil {
			return "", err
		}
		if same {
			return filepath.ToSlash(rel), os.RemoveAll(tmp)
		}
	}
}

// movePointer publishes the run, and forgets runs beyond the last keepRuns made; what officials open first is never among these.
// today is the Shanghai day of the run: a day after it was published by a clock that was wrong, and holds nothing on top.
func movePointer(dataDir string, r PublishedRun, today string) (Pointer, error) {
	before, err := ReadPointer(dataDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return before, err
	}
	// A past day computed again is published, but what officials open first stays the latest day, and is never forgotten.
	p := Pointer{PublishedRun: r, Runs: []PublishedRun{r}}
	room := keepRuns - 1
	if before.Date > r.Date && before.Date <= today {
		p.PublishedRun = before.PublishedRun
		room--
	}
	for _, old := range before.Runs {
		switch {
		case old.RunID == r.RunID:
		case old.RunID == p.RunID:
			p.Runs = append(p.Runs, old)
		case room > 0:
			p.Runs = append(p.Runs, old)
			room--
		}
	}
	return p, writeAtomic(filepath.Join(warehouseDir(dataDir), "current"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(p)
	})
}

// removeOldRuns deletes marts and lakes that the pointer no longer names.
func removeOldRuns(warehouse string, p Pointer) error {
	named := map[string]bool{}
	for _, r := range p.Runs {
		named[filepath.FromSlash(r.Marts)], named[filepath.FromSlash(r.Lake)] = true, true
	}
	for _, dir := range []string{"marts", "lake"} {
		entries, err := os.ReadDir(filepath.Join(warehouse, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if rel := filepath.Join(dir, e.Name()); !named[rel] {
				if err := os.RemoveAll(filepath.Join(warehouse, rel)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
