package ops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/pb/fieldsync"
)

// Diagnosis is what the doctor says of a data directory.
type Diagnosis struct {
	Found  []fieldsync.Finding // still wrong
	Mended []fieldsync.Finding
	Notes  []string // worth knowing, nothing wrong
}

// Examine names what is wrong with a migrated database and its files; with fix it mends what can be mended, in one transaction.
func Examine(ctx context.Context, app core.App, now time.Time, fix bool) (d Diagnosis, err error) {
	var faults []string
	if err := app.ConcurrentDB().NewQuery(`PRAGMA integrity_check(5)`).WithContext(ctx).Column(&faults); err != nil {
		return d, err
	}
	if len(faults) != 1 || faults[0] != "ok" {
		// Nothing is written to a file that SQLite itself does not trust.
		d.Found = append(d.Found, fieldsync.Finding{Code: "database_damaged", Message: "数据库文件已损坏，请从备份恢复（gangwan restore）：" + strings.Join(faults, "；")})
		return d, nil
	}
	if fix {
		d.Mended, d.Found, err = fieldsync.Mend(app, now)
	} else {
		d.Found, err = fieldsync.Doctor(app, now)
	}
	if err != nil || app.Settings().S3.Enabled {
		return d, err
	}
	return d, files(app, &d)
}

// files compares the storage directory with what the database names.
func files(app core.App, d *Diagnosis) error {
	storage := filepath.Join(app.DataDir(), core.LocalStorageDirName)
	named := map[string]bool{}
	var missing []string
	if err := fieldsync.StoredFiles(app, app.DB(), func(f fieldsync.StoredFile) error {
		named[f.Path] = true
		if _, err := os.Stat(filepath.Join(storage, filepath.FromSlash(f.Path))); errors.Is(err, fs.ErrNotExist) && f.Needed {
			missing = append(missing, f.Path)
		}
		return nil
	}); err != nil {
		return err
	}
	if len(missing) > 0 {
		d.Found = append(d.Found, fieldsync.Finding{Code: "file_missing",
			Message: fmt.Sprintf("数据库里有、磁盘上没有的照片和文件 %d 个，如 %s；请从备份的 storage 目录补回", len(missing), strings.Join(missing[:min(3, len(missing))], "、"))})
	}
	unknown := 0
	err := filepath.WalkDir(storage, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // none yet, or swept a moment ago
		}
		if err != nil || e.IsDir() && !strings.HasPrefix(e.Name(), "thumbs_") {
			return err
		}
		if e.IsDir() {
			return filepath.SkipDir // PocketBase's own small copies
		}
		rel, err := filepath.Rel(storage, path)
		if err == nil && !named[strings.TrimSuffix(filepath.ToSlash(rel), ".attrs")] {
			unknown++
		}
		return err
	})
	if unknown > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("磁盘上有 %d 个文件不属于任何记录（没传完的照片等），服务运行时会自动清理", unknown))
	}
	return err
}
