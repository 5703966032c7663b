package reports

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// pointer is the file `current` that the pipeline moves last: what it names is published. Folders are relative to the warehouse.
type pointer struct {
	publishedRun
	Runs []publishedRun `json:"runs"` // this one first, then those before it
}

type publishedRun struct {
	RunID   string `json:"run_id"`
	Date    string `json:"date"`
	Reports string `json:"reports"`
}

// warehouse is read anew on every request: the pipeline publishes by moving a pointer, and nobody restarts the portal for it.
type warehouse struct{ root string }

// published is one day's reports.
type published struct {
	Date    string
	Current bool
	dir     string
	Info    RunInfo
	Entries []Entry
}

var dayForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

var errNoRun = errors.New("no run is published")

func (w warehouse) current() (pointer, error) {
	var p pointer
	b, err := os.ReadFile(filepath.Join(w.root, "current"))
	if errors.Is(err, fs.ErrNotExist) {
		return p, errNoRun
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, err
	}
	if !dayForm.MatchString(p.Date) {
		return p, errNoRun
	}
	return p, nil
}

// dates lists the days that can be read, newest first: the current one and the older ones still kept.
func (w warehouse) dates() ([]string, error) {
	p, err := w.current()
	if err != nil {
		return nil, err
	}
	dates := []string{p.Date}
	entries, err := os.ReadDir(filepath.Join(w.root, "reports"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if !dayForm.MatchString(e.Name()) || e.Name() == p.Date {
			continue
		}
		if w.folder(p, e.Name()) != "" {
			dates = append(dates, e.Name())
		}
	}
	slices.Sort(dates)
	slices.Reverse(dates)
	return dates, nil
}

// folder is where a day's reports are: where the pointer says, and for days it has forgotten the newest complete folder
// of reports/<date>/<run_id>. A run killed before it was published may have left one there; only its date's next run replaces it.
func (w warehouse) folder(p pointer, date string) string {
	for _, r := range append([]publishedRun{p.publishedRun}, p.Runs...) {
		if r.Date != date || r.Reports == "" {
			continue
		}
		if filepath.IsAbs(r.Reports) {
			return r.Reports
		}
		return filepath.Join(w.root, filepath.FromSlash(r.Reports))
	}
	runs, err := filepath.Glob(filepath.Join(w.root, "reports", date, date+"-*", "index.json"))
	if err != nil {
		return ""
	}
	newest, at := "", int64(-1)
	for _, f := range runs { // in order of name, so that equal times give the same answer
		if info, err := os.Stat(f); err == nil && info.ModTime().UnixNano() >= at {
			newest, at = filepath.Dir(f), info.ModTime().UnixNano()
		}
	}
	return newest
}

// at opens one day's list. Only a day of dates() is ever looked for, so that no path can be made up.
func (w warehouse) at(date string) (*published, error) {
	dates, err := w.dates()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(dates, date) {
		return nil, fs.ErrNotExist
	}
	p, err := w.current()
	if err != nil {
		return nil, err
	}
	out := &published{Date: date, Current: date == p.Date, dir: w.folder(p, date)}
	if err := readJSON(filepath.Join(out.dir, "index.json"), &out.Entries); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(out.dir, "run.json"), &out.Info); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return out, nil
}

// entry finds a file by the name the index gives it.
func (p *published) entry(file string) (Entry, bool) {
	i := slices.IndexFunc(p.Entries, func(e Entry) bool { return e.File == file })
	if i < 0 || filepath.Base(p.Entries[i].File) != p.Entries[i].File {
		return Entry{}, false
	}
	return p.Entries[i], true
}

func (p *published) read(e Entry) ([]byte, error) { return os.ReadFile(filepath.Join(p.dir, e.File)) }

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
