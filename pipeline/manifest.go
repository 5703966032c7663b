package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// manifest says which raw files are the warehouse and up to which seq they reach. It is replaced in one step after the
// files of a run are on disk: a run killed before that has changed nothing, its files are not listed and are removed.
type manifest struct {
	Generation  int                     `json:"generation"` // grows with each --full
	Batch       int                     `json:"batch"`      // grows with each extraction; part of file names
	Schema      string                  `json:"schema"`     // another schema needs all rows again
	Epoch       string                  `json:"epoch"`      // another epoch means the database was restored
	Seq         int64                   `json:"seq"`        // sync_feed was read up to here
	DataSeq     int64                   `json:"data_seq"`   // last change of a collection the warehouse holds
	TickSeq     int64                   `json:"tick_seq"`   // sync_ticks was read up to here
	Collections map[string]*rawFileList `json:"collections"`
	Retired     []string                `json:"retired"` // of earlier generations: kept on disk, no longer read
}

type rawFileList struct {
	Files []string `json:"files"`           // relative to the warehouse
	Whole string   `json:"whole,omitempty"` // digest, where the collection has no change capture and is read whole
}

func readManifest(warehouse string) (*manifest, error) {
	m := &manifest{Collections: map[string]*rawFileList{}}
	b, err := os.ReadFile(filepath.Join(warehouse, "manifest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("manifest.json 已损坏，请用 --full 前先移走它：%w", err)
	}
	return m, nil
}

func (m *manifest) write(warehouse string) error {
	return writeAtomic(filepath.Join(warehouse, "manifest.json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(m)
	})
}

func (m *manifest) list(collection string) *rawFileList {
	l := m.Collections[collection]
	if l == nil {
		l = &rawFileList{}
		m.Collections[collection] = l
	}
	return l
}

// retire takes a collection's files out of use without deleting them: raw files are append-only.
func (m *manifest) retire(collection string) {
	if l := m.Collections[collection]; l != nil {
		m.Retired = append(m.Retired, l.Files...)
		delete(m.Collections, collection)
	}
}

// removeOrphans deletes raw files that no finished extraction lists.
func (m *manifest) removeOrphans(warehouse string) error {
	var known []string
	known = append(known, m.Retired...)
	for _, l := range m.Collections {
		known = append(known, l.Files...)
	}
	slices.Sort(known)
	return filepath.WalkDir(filepath.Join(warehouse, "raw"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		name, err := filepath.Rel(warehouse, path)
		if err != nil {
			return err
		}
		if _, ok := slices.BinarySearch(known, filepath.ToSlash(name)); ok {
			return nil
		}
		return os.Remove(path)
	})
}

// schemaDigest changes when a field joins or leaves the warehouse, changes its type, or is trimmed otherwise.
func schemaDigest() string {
	b, err := json.Marshal([]any{rawSchema, trimmed})
	if err != nil {
		panic(err) // nothing but strings
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func digestFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
