// Package reports turns one run's marts into the pages officials read, and guards the portal they read them in.
package reports

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Entry is one line of index.json: the portal serves a file only if it is listed there.
type Entry struct {
	Report   string `json:"report"` // coverage, conversion
	AreaCode string `json:"area_code"`
	AreaName string `json:"area_name"`
	Kind     string `json:"kind"` // district, street, town
	File     string `json:"file"`
	Title    string `json:"title"`
	Workbook string `json:"workbook,omitempty"` // the same figures as .xlsx; runs from before there were any have none
}

// RunInfo is run.json, which tells the portal what the list is of without opening a mart.
type RunInfo struct {
	RunID     string `json:"run_id"`
	Date      string `json:"date"`
	AsOf      string `json:"as_of"`
	Status    string `json:"status"`
	DataUntil string `json:"data_until"` // Shanghai time, for people
}

func fileName(report string, a Area) string { return report + "-" + a.File + ".html" }

// Render writes the coverage and conversion reports of the district and of every street and town, each as a page and as a workbook,
// index.json and run.json into outDir, and returns the files written. The same marts give the same bytes: nothing here asks what time it is.
func Render(ctx context.Context, martsPath, outDir string) ([]string, error) {
	m, err := readMarts(ctx, martsPath)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(outDir, 0o755); err != nil {
		return nil, err
	}
	var files []string
	write := func(name string, b []byte) error {
		if name != filepath.Base(name) {
			return fmt.Errorf("report %q: the area's code is not a file name", name)
		}
		path := filepath.Join(outDir, name)
		files = append(files, path)
		return os.WriteFile(path, b, 0o644)
	}
	index := []Entry{}
	var page bytes.Buffer
	areas := append([]Area{m.district}, m.streets...)
	if m.district.ID == "" { // before the areas are imported there is nobody to report on, and that is no error
		areas = nil
	}
	for _, a := range areas {
		for _, r := range []Report{m.coverage(a), m.conversion(a)} {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			page.Reset()
			if err := writeHTML(&page, r); err != nil {
				return nil, fmt.Errorf("report %s of %s: %w", r.Code, a.Name, err)
			}
			e := Entry{Report: r.Code, AreaCode: a.Code, AreaName: a.Name, Kind: a.Kind, File: fileName(r.Code, a), Title: r.Title, Workbook: workbookName(r.Code, a)}
			if err := write(e.File, page.Bytes()); err != nil {
				return nil, err
			}
			page.Reset()
			if err := writeXLSX(&page, r); err != nil {
				return nil, fmt.Errorf("workbook %s of %s: %w", r.Code, a.Name, err)
			}
			if err := write(e.Workbook, page.Bytes()); err != nil {
				return nil, err
			}
			index = append(index, e)
		}
	}
	info := RunInfo{RunID: m.run.ID, Date: m.run.Date, AsOf: m.run.AsOf, Status: m.status(), DataUntil: m.run.DataUntil}
	if err := write("run.json", asJSON(info)); err != nil {
		return nil, err
	}
	// The index comes last: a directory that has one is complete.
	if err := write("index.json", asJSON(index)); err != nil {
		return nil, err
	}
	return files, nil
}

// status of the run's own month: the figures of this year are never frozen.
func (m *marts) status() string {
	if f := m.now("COV-01", "M", m.unitOf(m.district)); f != nil {
		return f.Status
	}
	return open
}

func asJSON(v any) []byte {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}
