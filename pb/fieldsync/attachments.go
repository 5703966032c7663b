package fieldsync

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/filesystem"
	"github.com/pocketbase/pocketbase/tools/hook"

	"gangwan/hooks"
)

// recordID is the form of every record's id; it is also a folder's name, so nothing else may pass.
var recordID = regexp.MustCompile(`^[a-z0-9]{15,32}$`)

// MaxMissing is how many pictures one call may ask for.
const MaxMissing = 500

// uploadsAtOnce bounds how many pictures are in memory at a time; the others stay on disk until it is their turn.
const uploadsAtOnce = 4

// turns are locks for uploads, shared by few enough ids.
type turns [64]sync.Mutex

func (t *turns) of(id string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return &t[h.Sum32()%uint32(len(t))]
}

// picture is a row of the ledger of attachments.
type picture struct {
	ID         string `db:"id"`
	User       string `db:"user"`
	Device     string `db:"device"`
	Collection string `db:"collection"`
	Record     string `db:"record"`
	Field      string `db:"field"`
	SHA256     string `db:"sha256"` // of the bytes as sent: by them a repeated upload is known
	Bytes      int64  `db:"bytes"`
	File       string `db:"file"` // '' once the bytes of a refused picture were swept
	Status     Status `db:"status"`
	Errors     string `db:"errors"`
	TakenAt    string `db:"taken_at"`
	Location   string `db:"location"`
	ReceivedAt string `db:"received_at"`
	SettledAt  string `db:"settled_at"`
	// The revisions of the home record before and after the picture took its place; 0 while it has none.
	PrevRev int64 `db:"prev_rev"`
	Rev     int64 `db:"rev"`
}

// pictureColumns are the ledger's, in the order of its struct.
const pictureColumns = `id, user, device, collection, record, field, sha256, bytes, file, status, errors, taken_at, location, received_at, settled_at, prev_rev, rev`

// home is the record and the file field that the picture belongs to.
func (p *picture) home() (collection, record, field string) {
	if p.Field == "" {
		return "photos", p.ID, "file"
	}
	return p.Collection, p.Record, p.Field
}

// repeats tells whether this is the same picture of the same owner from the same person.
func (p *picture) repeats(known *picture) bool {
	return known.User == p.User && known.SHA256 == p.SHA256 && known.Collection == p.Collection && known.Record == p.Record && known.Field == p.Field
}

// result is what the device is told.
func (p *picture) result(duplicate bool) (*AttachmentResult, error) {
	r := &AttachmentResult{ID: p.ID, Status: p.Status, Duplicate: duplicate}
	if p.Status != Rejected {
		return r, nil
	}
	return r, json.Unmarshal([]byte(p.Errors), &r.Errors)
}

// bindPictures keeps the files of a record whose delete was taken back by a savepoint: the group's commit makes PocketBase
// believe in it, and it removes the record's files first of all.
func bindPictures(app core.App) {
	app.OnModelAfterDeleteSuccess().Bind(&hook.Handler[*core.ModelEvent]{Priority: -100, Func: func(e *core.ModelEvent) error {
		r, ok := e.Model.(*core.Record)
		if !ok || hooks.Forms[r.Collection().Name] == nil {
			return e.Next()
		}
		if _, err := app.FindRecordById(r.Collection(), r.Id); !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return e.Next()
	}})
}

// attach takes one picture: checked, stripped, stored, then set in its place in one transaction. The file is written, to
// the disk itself, before the transaction, under a name made of its content: a crash between the two leaves at most a file
// that nobody names, and the upload that is repeated writes the same bytes to the same place.
func (s *Server) attach(user *core.Record, meta AttachmentMeta, data []byte) (*AttachmentResult, error) {
	device, err := findDevice(s.app, user, meta.Device)
	if err != nil {
		return nil, err
	}
	if err := mayCall(device, false); err != nil {
		return nil, err
	}
	p, clean, err := s.examine(user, meta, data)
	var rej *rejection
	if errors.As(err, &rej) {
		return &AttachmentResult{ID: meta.ID, Status: Rejected, Errors: rej.fields}, nil
	}
	if err != nil {
		return nil, err
	}
	// A phone that gave up waiting sends again while the first upload is still being written: the second finds it done.
	turn := s.turns.of(p.ID)
	turn.Lock()
	defer turn.Unlock()
	// From here until the answer the sweep leaves files alone: this one is named by nobody yet.
	s.files.RLock()
	defer s.files.RUnlock()
	if err := s.keepBytes(p, clean); err != nil {
		return nil, err
	}
	var result *AttachmentResult
	err = s.write(1, func(tx core.App) error {
		if err := s.guard.check(tx.DB()); err != nil {
			return err
		}
		device, err := registerDevice(tx, user, DeviceInfo{ID: meta.Device})
		if err != nil {
			return err
		}
		if err := mayCall(device, false); err != nil {
			return err
		}
		a := &applier{tx: tx, user: user, device: meta.Device, skew: skewOf(meta.SentAt, s.now()), received: s.now()}
		result, err = a.receive(p)
		return err
	})
	return result, err
}

// examine checks all that can be told of an upload by itself. What it refuses is not remembered: the same bytes are refused
// again, and better ones are another upload.
func (s *Server) examine(user *core.Record, meta AttachmentMeta, data []byte) (*picture, []byte, error) {
	if !hooks.IsDeviceID(meta.ID) || hooks.Forms[meta.Collection] == nil || !recordID.MatchString(meta.Record) {
		return nil, nil, reject("_", "bad_mutation")
	}
	p := &picture{ID: meta.ID, User: user.Id, Device: meta.Device, Collection: meta.Collection, Record: meta.Record, Field: meta.Field,
		Bytes: meta.Bytes}
	name, _, field := p.home()
	if f := hooks.Forms[name].Field(field); f == nil || !f.Attachment {
		return nil, nil, reject("field", "bad_mutation")
	}
	sum := sha256.Sum256(data)
	if p.SHA256 = hex.EncodeToString(sum[:]); !strings.EqualFold(p.SHA256, meta.SHA256) || meta.Bytes != int64(len(data)) {
		return nil, nil, reject("sha256", "checksum_mismatch")
	}
	collection, err := s.app.FindCachedCollectionByNameOrId(name)
	if err != nil {
		return nil, nil, err
	}
	if max := collection.Fields.GetByName(field).(*core.FileField).MaxSize; max > 0 && int64(len(data)) > max {
		return nil, nil, reject("file", "too_big")
	}
	shot, err := cleanPicture(data)
	if err != nil {
		return nil, nil, err
	}
	p.File = "p" + p.SHA256[:24] + shot.extension
	// What the phone says goes before what the camera wrote.
	if at, err := hooks.ParseTime(meta.TakenAt); err == nil {
		p.TakenAt = hooks.Stored(at)
	} else if !shot.said.taken.IsZero() {
		p.TakenAt = hooks.Stored(shot.said.taken)
	}
	at := meta.Location
	if at == nil || !at.real() {
		at = shot.said.at
	}
	if at != nil {
		raw, err := json.Marshal(at)
		if err != nil {
			return nil, nil, err
		}
		p.Location = string(raw)
	}
	return p, shot.data, nil
}

// keepBytes stores a picture's file, unless its id stands for another picture, or its file is there and named. A file that
// nobody names may be half of one: it is written again.
func (s *Server) keepBytes(p *picture, clean []byte) error {
	known, err := findPicture(s.app, p.ID)
	if err != nil {
		return err
	}
	if known != nil && known.Status != Rejected && !p.repeats(known) {
		return nil
	}
	files, err := s.app.NewFilesystem()
	if err != nil {
		return err
	}
	defer files.Close()
	key, err := s.storageKey(p)
	if err != nil {
		return err
	}
	if known != nil && known.File == p.File && p.repeats(known) {
		if there, err := files.Exists(key); there && err == nil {
			return nil
		}
	}
	for tries := 0; ; tries++ {
		err := files.Upload(clean, key)
		if err == nil {
			err = s.flush(key)
		}
		// PocketBase empties the folder of a deleted record behind everyone's back.
		if !errors.Is(err, fs.ErrNotExist) || tries == 3 {
			return err
		}
	}
}

// storageKey is where a picture's file stands in PocketBase's storage.
func (s *Server) storageKey(p *picture) (string, error) {
	name, record, _ := p.home()
	collection, err := s.app.FindCachedCollectionByNameOrId(name)
	if err != nil {
		return "", err
	}
	return collection.Id + "/" + record + "/" + p.File, nil
}

// storage is the folder of stored files; "" when they are kept in a bucket.
func storage(app core.App) string {
	if app.Settings().S3.Enabled {
		return ""
	}
	return filepath.Join(app.DataDir(), core.LocalStorageDirName)
}

// flush makes a stored file survive a power loss, as what the ledger says of it does: PocketBase leaves that to the system.
func (s *Server) flush(key string) error {
	root := storage(s.app)
	if root == "" {
		return nil
	}
	path := filepath.Join(root, filepath.FromSlash(key))
	names := []string{path, path + ".attrs"}
	if runtime.GOOS != "windows" { // which knows no flush of a folder
		names = append(names, filepath.Dir(path), filepath.Dir(filepath.Dir(path)), root)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// receive settles a picture whose bytes are kept, once: the same id from the same person with the same bytes gets its
// present status. A refused picture holds no claim on its id, and is judged anew when it comes again and its record is there.
func (a *applier) receive(p *picture) (*AttachmentResult, error) {
	known, err := findPicture(a.tx, p.ID)
	if err != nil {
		return nil, err
	}
	repeated := known != nil && p.repeats(known)
	if known != nil && !repeated && known.Status != Rejected {
		return &AttachmentResult{ID: p.ID, Status: Rejected, Errors: reject("_", "attachment_reused").fields}, nil
	}
	p.ReceivedAt = hooks.Stored(a.received)
	if repeated {
		p.ReceivedAt = known.ReceivedAt
		// In its place; or a person has taken it out since, or put another there.
		collection, record, _ := p.home()
		if known.Status == Applied {
			there, err := a.exists(collection, record)
			if err != nil {
				return nil, err
			}
			if there {
				return known.result(true)
			}
		}
	}
	if err := a.judge(p); err != nil {
		return nil, err
	}
	if repeated && known.Status == Rejected && p.Status == Deferred {
		return known.result(true) // its record did not come in time, and still has not
	}
	if err := a.rememberPicture(p); err != nil {
		return nil, err
	}
	return p.result(repeated)
}

// judge sets the picture in its place, or says why not, and notes what became of it.
func (a *applier) judge(p *picture) error {
	received, err := hooks.ParseTime(p.ReceivedAt)
	if err != nil {
		return err
	}
	// What counts is when the picture came, not when its record did.
	its := *a
	its.received = received
	status, err := its.setPicture(p)
	p.Status, p.Errors, p.SettledAt = status, "", hooks.Stored(a.received)
	var rej *rejection
	if !errors.As(err, &rej) {
		return err
	}
	p.Status, p.Errors = Rejected, errorsJSON(rej)
	return nil
}

func errorsJSON(rej *rejection) string {
	raw, _ := json.Marshal(rej.fields)
	return string(raw)
}

func (a *applier) rememberPicture(p *picture) error {
	_, err := a.tx.DB().NewQuery(`INSERT OR REPLACE INTO sync_attachments (` + pictureColumns + `) VALUES ({:id}, {:user}, {:device}, {:collection},
		{:record}, {:field}, {:sha256}, {:bytes}, {:file}, {:status}, {:errors}, {:taken_at}, {:location}, {:received_at}, {:settled_at}, {:prev}, {:rev})`).
		Bind(dbx.Params{"id": p.ID, "user": p.User, "device": p.Device, "collection": p.Collection, "record": p.Record, "field": p.Field,
			"sha256": p.SHA256, "bytes": p.Bytes, "file": p.File, "status": p.Status, "errors": p.Errors, "taken_at": p.TakenAt,
			"location": p.Location, "received_at": p.ReceivedAt, "settled_at": p.SettledAt, "prev": p.PrevRev, "rev": p.Rev}).Execute()
	return err
}

func findPicture(app core.App, id string) (*picture, error) {
	var p picture
	err := app.DB().NewQuery(`SELECT ` + pictureColumns + ` FROM sync_attachments WHERE id = {:id}`).Bind(dbx.Params{"id": id}).One(&p)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &p, err
}

// exists tells whether the record is there now.
func (a *applier) exists(collection, id string) (bool, error) {
	var n int
	err := a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM ` + collection + ` WHERE id = {:id})`).Bind(dbx.Params{"id": id}).Row(&n)
	return n != 0, err
}

// setPicture sets the file in its record, if the record is there and the sender may write it; else the picture waits. What
// the phone's record left empty of time and place is filled from the picture.
func (a *applier) setPicture(p *picture) (Status, error) {
	collection, id, field := p.home()
	r, err := a.tx.FindRecordById(collection, id)
	if errors.Is(err, sql.ErrNoRows) {
		gone, err := a.gone(collection, id)
		if err == nil && gone {
			err = reject("_", "record_gone")
		}
		return Deferred, err
	}
	if err != nil {
		return "", err
	}
	// Before anything else, so that nobody learns more of a record that is not theirs.
	if own, err := a.made(r); err != nil || !own {
		return "", errors.Join(err, reject("_", "out_of_scope"))
	}
	if ok, err := a.shares(r, r.GetDateTime("captured_at").Time()); err != nil || !ok {
		return "", errors.Join(err, reject("_", "out_of_scope"))
	}
	if p.Field == "" {
		if ok, err := a.belongs(r, p); err != nil || !ok {
			return "", errors.Join(err, reject("record", "attachment_unknown"))
		}
		if declared := r.GetString("sha256"); declared != "" && declared != p.SHA256 {
			return "", reject("sha256", "checksum_mismatch")
		}
	}
	switch r.GetString(field) {
	case p.File:
		return Applied, nil
	case "":
	default:
		return "", reject("_", "attachment_reused")
	}
	set := dbx.Params{field: p.File}
	if p.Field == "" {
		if p.TakenAt != "" && r.GetDateTime("taken_at").IsZero() {
			set["taken_at"] = p.TakenAt
		}
		if at := r.GetGeoPoint("location"); p.Location != "" && at.Lon == 0 && at.Lat == 0 {
			set["location"] = p.Location
		}
	}
	if p.PrevRev, err = a.revOf(collection, id); err != nil {
		return "", err
	}
	// Plain SQL: the field's own hooks would move files inside the transaction.
	if _, err = a.tx.DB().Update(collection, set, dbx.HashExp{"id": id}).Execute(); err != nil {
		return "", err
	}
	p.Rev, err = a.revOf(collection, id)
	return Applied, err
}

// made tells whether the record was captured by the sender, on whichever device; one made in the console is anybody's who
// shares its scope.
func (a *applier) made(r *core.Record) (bool, error) {
	device := r.GetString("device")
	if device == "" {
		return true, nil
	}
	return a.isDeviceOfUser(device)
}

// belongs tells whether the photo's record names the picture's owner, or the one that the owner was merged into.
func (a *applier) belongs(photo *core.Record, p *picture) (bool, error) {
	owner := photo.GetString("record")
	if photo.GetString("collection") != p.Collection {
		return false, nil
	}
	survivor, err := a.survivor(p.Collection, p.Record)
	return owner == survivor, err
}

// placeWaitingPictures puts pictures that came before their record where they belong, also those whose waiting had ended:
// a record that was mended late finds its picture as long as its bytes are kept.
func (a *applier) placeWaitingPictures(record string) error {
	var waiting []*picture
	if err := a.tx.DB().NewQuery(`SELECT ` + pictureColumns + ` FROM sync_attachments
		WHERE (id = {:record} OR (record = {:record} AND field != '')) AND (status = 'deferred' OR (status = 'rejected' AND file != '' AND errors = {:missing})) ORDER BY id`).
		Bind(dbx.Params{"record": record, "missing": errorsJSON(parentMissing)}).All(&waiting); err != nil {
		return err
	}
	for _, p := range waiting {
		user, err := userOf(a.tx, p.User)
		if errors.Is(err, sql.ErrNoRows) {
			continue // nobody to judge it by: it ends with its waiting
		}
		if err != nil {
			return err
		}
		its := &applier{tx: a.tx, user: user, device: p.Device, received: a.received, anyScope: a.anyScope && p.User == a.user.Id}
		if err := its.judge(p); err != nil {
			return err
		}
		if err := its.rememberPicture(p); err != nil {
			return err
		}
	}
	return nil
}

var parentMissing = reject("_", "parent_missing")

// expirePictures refuses the pictures that have waited 30 days for their record; it runs in a transaction of the writer.
func expirePictures(tx core.App, now time.Time) error {
	_, err := tx.DB().NewQuery(`UPDATE sync_attachments SET status = 'rejected', errors = {:errors}, settled_at = {:now}
		WHERE status = 'deferred' AND received_at <= {:end}`).
		Bind(dbx.Params{"errors": errorsJSON(parentMissing), "now": hooks.Stored(now), "end": hooks.Stored(now.Add(-patience))}).Execute()
	return err
}

// dropPictures refuses the pictures that wait for a record, or for a photo of it, when that record will not come; it runs
// in a transaction of the writer.
func dropPictures(tx core.App, record string) error {
	_, err := tx.DB().NewQuery(`UPDATE sync_attachments SET status = 'rejected', errors = {:errors}, settled_at = ` + clockNow + `
		WHERE status = 'deferred' AND (id = {:record} OR record = {:record})`).
		Bind(dbx.Params{"errors": errorsJSON(parentMissing), "record": record}).Execute()
	return err
}

// missing tells which of these pictures the server does not have from this user: never received, refused, or lost from
// storage. A picture whose record has been deleted since, or given another picture, is not asked for again.
func (s *Server) missing(user *core.Record, req *MissingRequest) ([]string, error) {
	if len(req.IDs) > MaxMissing {
		large := refuse(http.StatusRequestEntityTooLarge, "too_large")
		large.err.With("max", MaxMissing)
		return nil, large
	}
	files, err := s.app.NewFilesystem()
	if err != nil {
		return nil, err
	}
	defer files.Close()
	out := []string{}
	for _, id := range req.IDs {
		p, err := findPicture(s.app, id)
		if err != nil {
			return nil, err
		}
		has := p != nil && p.User == user.Id && p.Status != Rejected
		if has {
			if has, err = s.holds(files, p); err != nil {
				return nil, err
			}
		}
		if !has {
			out = append(out, id)
		}
	}
	return out, nil
}

// holds tells whether the file of a picture is there, if it is still to be there.
func (s *Server) holds(files *filesystem.System, p *picture) (bool, error) {
	if p.Status == Applied {
		collection, record, field := p.home()
		var named []string
		if err := s.app.DB().Select(field).From(collection).Where(dbx.HashExp{"id": record}).Column(&named); err != nil {
			return false, err
		}
		if len(named) == 0 || named[0] != p.File {
			return true, nil
		}
	}
	key, err := s.storageKey(p)
	if err != nil {
		return false, err
	}
	// What cannot be read, such as half of a file's attributes, is not there: sending it again mends it.
	there, err := files.Exists(key)
	return there && err == nil, nil
}
