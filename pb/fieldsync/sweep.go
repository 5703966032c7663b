package fieldsync

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// orphanAge is how old a file must be to be swept: a console's upload is on disk a moment before its record is saved.
const orphanAge = 24 * time.Hour

// foldersAtOnce is how many records' folders are looked up by one query.
const foldersAtOnce = 500

// sweepOrphans removes the files, with their thumbs, that no record and no picture of the ledger names. Such files are left
// by uploads whose transaction was lost, by deletions that plain SQL made, and by pictures refused 30 days ago. A file's age
// is the server's clock less the file's own time: storage knows no other. Files in a bucket are not swept: nothing lists
// them by age without reading it whole.
func (s *Server) sweepOrphans() error {
	root := storage(s.app)
	if root == "" {
		return nil
	}
	now := s.now()
	if err := s.write(1, func(tx core.App) error {
		_, err := tx.DB().NewQuery(`UPDATE sync_attachments SET file = '' WHERE status = 'rejected' AND file != '' AND settled_at < {:before}`).
			Bind(dbx.Params{"before": hooks.Stored(now.Add(-patience))}).Execute()
		return err
	}); err != nil {
		return err
	}
	for _, name := range sortedKeys(hooks.Forms) {
		if err := s.sweepCollection(root, name, now); err != nil {
			return err
		}
	}
	return nil
}

// sweepCollection walks the folders of a collection's records, some at a time: there may be a million.
func (s *Server) sweepCollection(root, name string, now time.Time) error {
	collection, err := s.app.FindCachedCollectionByNameOrId(name)
	if err != nil {
		return err
	}
	fields := fileFields(collection)
	if len(fields) == 0 {
		return nil
	}
	path := filepath.Join(root, collection.Id)
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(foldersAtOnce)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		records := make([]string, 0, len(entries))
		for _, e := range entries {
			if e.IsDir() {
				records = append(records, e.Name())
			}
		}
		named, err := s.namedFiles(name, fields, records)
		if err != nil {
			return err
		}
		for _, record := range records {
			folder := filepath.Join(path, record)
			if old, err := orphans(folder, named[record], now); err != nil {
				return err
			} else if len(old) == 0 {
				continue
			}
			if err := s.sweepFolder(folder, name, fields, record, now); err != nil {
				return err
			}
		}
	}
}

// sweepFolder looks once more, while no upload is under way, and removes.
func (s *Server) sweepFolder(folder, collection string, fields []string, record string, now time.Time) error {
	s.files.Lock()
	defer s.files.Unlock()
	named, err := s.namedFiles(collection, fields, []string{record})
	if err != nil {
		return err
	}
	old, err := orphans(folder, named[record], now)
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = os.Remove(filepath.Dir(path)) // goes only if it is empty, as is meant
	}
	return nil
}

// fileFields names the fields of a collection that hold files; nil where nothing is attached from phones.
func fileFields(collection *core.Collection) (out []string) {
	attached := false
	for _, f := range collection.Fields {
		if f.Type() == core.FieldTypeFile {
			out = append(out, f.GetName())
			own := hooks.Forms[collection.Name].Field(f.GetName())
			attached = attached || own != nil && own.Attachment
		}
	}
	if !attached {
		return nil
	}
	return out
}

// namedFiles lists, by record, the files that must stay: those of the records, those of pictures that wait, and those of
// refused ones that a person may still look at. A picture in its place counts as long as its record is there.
func (s *Server) namedFiles(collection string, fields, records []string) (map[string][]string, error) {
	list, err := json.Marshal(records)
	if err != nil {
		return nil, err
	}
	key, which := "record", `field != '' AND collection = {:collection}`
	if collection == "photos" {
		key, which = "id", `field = ''`
	}
	queries := []string{`SELECT p.` + key + ` AS record, p.file FROM sync_attachments p WHERE ` + which + ` AND p.` + key + ` IN (SELECT value FROM json_each({:records}))
		AND (p.status != 'applied' OR EXISTS (SELECT 1 FROM ` + collection + ` WHERE id = p.` + key + `))`}
	for _, f := range fields {
		queries = append(queries, `SELECT id AS record, `+f+` AS file FROM `+collection+` WHERE id IN (SELECT value FROM json_each({:records}))`)
	}
	out := map[string][]string{}
	for _, q := range queries {
		var rows []struct {
			Record string `db:"record"`
			File   string `db:"file"`
		}
		if err := s.app.DB().NewQuery(q).Bind(dbx.Params{"records": string(list), "collection": collection}).All(&rows); err != nil {
			return nil, err
		}
		for _, r := range rows {
			// A field of several files holds their names as a JSON list.
			var several []string
			if json.Unmarshal([]byte(r.File), &several) != nil {
				several = []string{r.File}
			}
			out[r.Record] = append(out[r.Record], several...)
		}
	}
	return out, nil
}

// orphans lists the files of a record's folder, thumbs included, that are old and belong to no named file.
func orphans(folder string, named []string, now time.Time) (out []string, err error) {
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || e.IsDir() {
			return err
		}
		of := strings.TrimSuffix(e.Name(), ".attrs")
		if parent := filepath.Base(filepath.Dir(path)); strings.HasPrefix(parent, "thumbs_") {
			of = strings.TrimPrefix(parent, "thumbs_")
		}
		if slices.Contains(named, of) {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && now.Sub(info.ModTime()) > orphanAge {
			out = append(out, path)
		}
		return err
	})
	return out, err
}
