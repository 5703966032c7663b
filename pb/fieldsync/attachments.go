package fieldsync

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// recordID is the form of every record's id; it is also a folder's name, so nothing else may pass.
var recordID = regexp.MustCompile(`^[a-z0-9]{15,32}$`)

// picture is a row of the ledger of attachments.
type picture struct {
	ID         string `db:"id"`
	User       string `db:"user"`
	Device     string `db:"device"`
	Collection string `db:"collection"`
	Record     string `db:"record"`
	Field      string `db:"field"`
	SHA256     string `db:"sha256"`
	File       string `db:"file"`
	Status     Status `db:"status"`
}

// home is the record and the file field that the picture belongs to.
func (p picture) home() (collection, record, field string) {
	if p.Field == "" {
		return "photos", p.ID, "file"
	}
	return p.Collection, p.Record, p.Field
}

// attach takes one picture: checked, stored, then set in its place in one transaction. The file is written before the
// transaction, under a name made of its content, so that a repeated upload writes the same bytes to the same place.
func (s *Server) attach(user *core.Record, meta AttachmentMeta, data []byte) (*AttachmentResult, error) {
	result := &AttachmentResult{ID: meta.ID}
	refused := func(field, code string) (*AttachmentResult, error) {
		result.Status, result.Errors = Rejected, reject(field, code).fields
		return result, nil
	}
	if !hooks.IsDeviceID(meta.ID) || hooks.Forms[meta.Collection] == nil || !recordID.MatchString(meta.Record) {
		return refused("_", "bad_mutation")
	}
	p := picture{ID: meta.ID, User: user.Id, Device: meta.Device, Collection: meta.Collection, Record: meta.Record, Field: meta.Field, SHA256: meta.SHA256}
	homeCollection, homeRecord, homeField := p.home()
	if f := hooks.Forms[homeCollection].Field(homeField); f == nil || !f.Attachment {
		return refused("field", "bad_mutation")
	}
	sum := sha256.Sum256(data)
	if hex.EncodeToString(sum[:]) != meta.SHA256 || meta.Bytes != int64(len(data)) {
		return refused("sha256", "checksum_mismatch")
	}
	extension, ok := map[string]string{"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}[http.DetectContentType(data)]
	if !ok {
		return refused("file", "not_a_picture")
	}
	p.File = "p" + meta.SHA256[:24] + extension
	collection, err := s.app.FindCachedCollectionByNameOrId(homeCollection)
	if err != nil {
		return nil, err
	}
	if max := collection.Fields.GetByName(homeField).(*core.FileField).MaxSize; max > 0 && int64(len(data)) > max {
		return refused("file", "too_big")
	}
	known, err := findPicture(s.app, meta.ID)
	if err != nil {
		return nil, err
	}
	if known == nil {
		files, err := s.app.NewFilesystem()
		if err != nil {
			return nil, err
		}
		defer files.Close()
		if err := files.Upload(data, collection.Id+"/"+homeRecord+"/"+p.File); err != nil {
			return nil, err
		}
	}
	device, err := findDevice(s.app, user, meta.Device)
	if err != nil {
		return nil, err
	}
	if err := mayCall(device, false); err != nil {
		return nil, err
	}
	err = s.write(1, func(tx core.App) error {
		if device == nil {
			if _, err := registerDevice(tx, user, DeviceInfo{ID: meta.Device}); err != nil {
				return err
			}
		}
		known, err := findPicture(tx, meta.ID)
		if err != nil {
			return err
		}
		if known != nil {
			if known.SHA256 != p.SHA256 || known.User != user.Id {
				result.Status, result.Errors = Rejected, reject("_", "attachment_reused").fields
				return nil
			}
			result.Status, result.Duplicate = known.Status, true
			return nil
		}
		a := &applier{tx: tx, user: user, device: meta.Device, skew: skewOf(meta.SentAt, s.now()), received: s.now()}
		status, err := a.setPicture(p)
		var rej *rejection
		if errors.As(err, &rej) {
			result.Status, result.Errors = Rejected, rej.fields
			return nil
		}
		if err != nil {
			return err
		}
		result.Status = status
		_, err = tx.DB().NewQuery(`INSERT INTO sync_attachments (id, user, device, collection, record, field, sha256, bytes, file, status, received_at)
			VALUES ({:id}, {:user}, {:device}, {:collection}, {:record}, {:field}, {:sha256}, {:bytes}, {:file}, {:status}, {:at})`).
			Bind(dbx.Params{"id": p.ID, "user": p.User, "device": p.Device, "collection": p.Collection, "record": p.Record, "field": p.Field,
				"sha256": p.SHA256, "bytes": len(data), "file": p.File, "status": status, "at": hooks.Stored(a.received)}).Execute()
		return err
	})
	return result, err
}

func findPicture(app core.App, id string) (*picture, error) {
	var p picture
	err := app.DB().NewQuery(`SELECT id, user, device, collection, record, field, sha256, file, status FROM sync_attachments WHERE id = {:id}`).
		Bind(dbx.Params{"id": id}).One(&p)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &p, err
}

// setPicture sets the file in its record, if the record is there and the sender may write it; else the picture waits.
func (a *applier) setPicture(p picture) (Status, error) {
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
	if p.Field == "" && (r.GetString("collection") != p.Collection || r.GetString("record") != p.Record) {
		return "", reject("record", "attachment_unknown")
	}
	if declared := r.GetString("sha256"); p.Field == "" && declared != "" && declared != p.SHA256 {
		return "", reject("sha256", "checksum_mismatch")
	}
	if present := r.GetString(field); present != "" && present != p.File {
		return "", reject("_", "attachment_reused")
	}
	if ok, err := a.shares(r, r.GetDateTime("captured_at").Time()); err != nil || !ok {
		return "", errors.Join(err, reject("_", "out_of_scope"))
	}
	// Plain SQL: the field's own hooks would move files inside the transaction.
	_, err = a.tx.DB().Update(collection, dbx.Params{field: p.File}, dbx.HashExp{"id": id}).Execute()
	return Applied, err
}

// placeWaitingPictures puts pictures that came before their record where they belong.
func (a *applier) placeWaitingPictures(record string) error {
	var waiting []picture
	if err := a.tx.DB().NewQuery(`SELECT id, user, device, collection, record, field, sha256, file, status FROM sync_attachments
		WHERE status = 'deferred' AND (id = {:record} OR (record = {:record} AND field != '')) ORDER BY id`).
		Bind(dbx.Params{"record": record}).All(&waiting); err != nil {
		return err
	}
	for _, p := range waiting {
		user, err := a.tx.FindRecordById("users", p.User)
		if err != nil {
			return err
		}
		its := &applier{tx: a.tx, user: user, device: p.Device, received: a.received, anyScope: a.anyScope && p.User == a.user.Id}
		status, err := its.setPicture(p)
		var rej *rejection
		if errors.As(err, &rej) {
			status = Rejected
		} else if err != nil {
			return err
		}
		if _, err := a.tx.DB().Update("sync_attachments", dbx.Params{"status": status}, dbx.HashExp{"id": p.ID}).Execute(); err != nil {
			return err
		}
	}
	return nil
}

// missing tells which pictures the server does not have.
func (s *Server) missing(user *core.Record, ids []string) ([]string, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	out := []string{}
	err = s.app.DB().NewQuery(`SELECT value FROM json_each({:ids}) WHERE value NOT IN (SELECT id FROM sync_attachments WHERE user = {:user} AND status != 'rejected')`).
		Bind(dbx.Params{"ids": string(list), "user": user.Id}).Column(&out)
	return out, err
}
