package fieldsync

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/pocketbase/dbx"

	"gangwan/hooks"
)

// ledger is what is remembered of a mutation.
type ledger struct {
	Device string `db:"device"`
	Hash   []byte `db:"hash"`
	Status Status `db:"status"`
	Result string `db:"result"`
}

// apply settles one mutation: exactly one result, remembered in the same transaction as what it did.
func (a *applier) apply(raw json.RawMessage) (Result, error) {
	body := map[string]any{}
	var m Mutation
	if err := json.Unmarshal(raw, &body); err != nil || json.Unmarshal(raw, &m) != nil || m.ID == "" || len(m.ID) > 64 {
		id, _ := body["id"].(string)
		return a.refuseUnknown(clip(id, 64), raw)
	}
	hash := a.hash(body)
	known, err := a.known(m.ID)
	if err != nil {
		return Result{}, err
	}
	if known != nil {
		if !bytes.Equal(known.Hash, hash) {
			return a.refuseReuse(m, raw)
		}
		var r Result
		if err := json.Unmarshal([]byte(known.Result), &r); err != nil {
			return Result{}, err
		}
		r.Duplicate = true
		return r, nil
	}
	r, err := a.settle(m, raw)
	if err != nil {
		return r, err
	}
	if err := a.remember(m, hash, r, raw); err != nil {
		return r, err
	}
	if r.Status == Applied && m.Op == "create" {
		err = a.release(m.Record)
	}
	return r, err
}

// hash identifies a mutation by its sender and its parsed JSON; the clocks of an exchange are not part of it.
func (a *applier) hash(body map[string]any) []byte {
	compared := map[string]any{}
	for k, v := range body {
		if k != "applied_seq" && k != "sent_at" && k != "server_time" {
			compared[k] = v
		}
	}
	canonical, _ := json.Marshal(compared) // maps marshal with sorted keys
	sum := sha256.Sum256(append([]byte(a.user.Id+"\n"), canonical...))
	return sum[:]
}

func (a *applier) known(id string) (*ledger, error) {
	var l ledger
	err := a.tx.DB().NewQuery(`SELECT device, hash, status, result FROM sync_mutations WHERE id = {:id}`).Bind(dbx.Params{"id": id}).One(&l)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &l, err
}

// keptBody is what must be remembered of a mutation whole: one with fields that were ignored, so that none is lost.
func keptBody(r Result, body string) string {
	if len(r.Ignored) > 0 {
		return body
	}
	return ""
}

func (a *applier) remember(m Mutation, hash []byte, r Result, body json.RawMessage) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = a.tx.DB().NewQuery(`INSERT INTO sync_mutations (id, device, hash, record, status, seq, result, body, received_at, prev_rev, rev)
		VALUES ({:id}, {:device}, {:hash}, {:record}, {:status}, {:seq}, {:result}, {:body}, {:at}, {:prev}, {:rev})`).
		Bind(dbx.Params{"id": m.ID, "device": a.device, "hash": hash, "record": m.Record, "status": r.Status, "seq": r.Seq,
			"result": string(raw), "body": keptBody(r, string(body)), "at": hooks.Stored(a.received), "prev": r.prev, "rev": r.rev()}).Execute()
	return err
}

// parsePush reads a body that is a push at all; anything less is a 400 and nothing is read further.
func parsePush(raw []byte) (*PushRequest, error) {
	var req PushRequest
	if err := json.Unmarshal(raw, &req); err != nil {
		e := refuse(http.StatusBadRequest, "bad_request")
		e.err.With("detail", clip(strings.TrimPrefix(err.Error(), "json: "), 200))
		return nil, e
	}
	if req.Protocol != Protocol {
		e := refuse(http.StatusConflict, "protocol_unsupported")
		e.err.With("protocol", Protocol)
		return nil, e
	}
	if req.Mutations == nil {
		e := refuse(http.StatusBadRequest, "bad_request")
		e.err.With("field", "mutations")
		return nil, e
	}
	if len(req.Mutations) > MaxMutations {
		e := refuse(http.StatusRequestEntityTooLarge, "too_large")
		e.err.With("max", MaxMutations)
		return nil, e
	}
	return &req, nil
}
