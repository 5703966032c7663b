package fieldsync

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/pocketbase/dbx"

	"gangwan/hooks"
)

// ledger is what is remembered of a mutation.
type ledger struct {
	Device string `db:"device"`
	Hash   []byte `db:"hash"`
	Status Status `db:"status"`
	Result string `db:"result"` // empty: it was applied, and the other columns say all
	Record string `db:"record"`
	Seq    int64  `db:"seq"`
	Rev    int64  `db:"rev"`
}

// result is what became of the mutation.
func (l *ledger) result(id string) (r Result, err error) {
	if l.Result != "" {
		err = json.Unmarshal([]byte(l.Result), &r)
		return r, err
	}
	return Result{ID: id, Status: l.Status, Seq: l.Seq, Record: &RecordRev{ID: l.Record, Rev: l.Rev}}, nil
}

// resultJSON is what the ledger keeps of a result beside its columns.
func resultJSON(r Result) (string, error) {
	if r.Status == Applied && len(r.Ignored) == 0 && r.Record != nil {
		return "", nil
	}
	raw, err := json.Marshal(r)
	return string(raw), err
}

// sent is one mutation as it came: read before the writer's turn, for reading costs as much as writing.
type sent struct {
	raw  func() json.RawMessage // its text
	m    Mutation
	hash []byte
	ok   bool // it can be read as a mutation at all
}

// read parses what a device sent. Nothing is judged here.
func read(user string, raw json.RawMessage) *sent {
	body := map[string]any{}
	if json.Unmarshal(raw, &body) != nil {
		id, _ := body["id"].(string)
		return &sent{raw: func() json.RawMessage { return raw }, m: Mutation{ID: id}}
	}
	return readMembers(user, body, func() json.RawMessage { return raw })
}

// readMembers is read for one whose members are parsed already.
func readMembers(user string, body map[string]any, raw func() json.RawMessage) *sent {
	s := &sent{raw: raw}
	id, _ := body["id"].(string)
	if id == "" || len(id) > 64 {
		s.m = Mutation{ID: id}
		return s
	}
	// What has a name and makes no sense is remembered under it as anything else is: sent again it is the same, another body is another.
	if !s.m.create(body) && decode(raw(), &s.m) != nil || s.m.ID != id {
		s.m = Mutation{ID: id}
	}
	s.ok, s.hash = true, hashOf(user, body)
	return s
}

// read parses the mutations of a push.
func (req *PushRequest) read(user string) []*sent {
	out := make([]*sent, 0, max(len(req.Mutations), len(req.members)))
	for _, raw := range req.Mutations {
		out = append(out, read(user, raw))
	}
	if out == nil || req.Mutations != nil {
		return out
	}
	// The text of one is seldom asked for: only then is the body cut up.
	texts := sync.OnceValue(func() []json.RawMessage {
		var again struct {
			Mutations []json.RawMessage `json:"mutations"`
		}
		_ = json.Unmarshal(req.body, &again) // it could be read before
		return again.Mutations
	})
	for i, body := range req.members {
		out = append(out, readMembers(user, body, func() json.RawMessage { return texts()[i] }))
	}
	return out
}

// create takes over the members of a plain create, most of all mutations, without parsing them a second time. It answers false,
// having done nothing, where the body holds anything else.
func (m *Mutation) create(body map[string]any) bool {
	create := Mutation{}
	for name, v := range body {
		var ok bool
		switch name {
		case "id":
			create.ID, ok = v.(string)
		case "op":
			create.Op, ok = v.(string)
		case "collection":
			create.Collection, ok = v.(string)
		case "record":
			create.Record, ok = v.(string)
		case "captured_at":
			create.CapturedAt, ok = v.(string)
		case "data":
			create.Data, ok = v.(map[string]any)
		}
		if !ok {
			return false
		}
	}
	*m = create
	return true
}

// hashOf identifies a mutation by its sender and its parsed JSON; the clocks of an exchange are not part of it.
func hashOf(user string, body map[string]any) []byte {
	delete(body, "applied_seq")
	delete(body, "sent_at")
	delete(body, "server_time")
	text := append(make([]byte, 0, 1024), user...)
	sum := sha256.Sum256(appendJSON(append(text, '\n'), body))
	return sum[:]
}

// appendJSON adds what json.Marshal makes of a parsed value, keys sorted: only faster, for what it need not escape.
func appendJSON(b []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, x)
	case float64:
		if size := math.Abs(x); size == 0 || size >= 1e-6 && size < 1e21 {
			return strconv.AppendFloat(b, x, 'f', -1, 64)
		}
	case string:
		if !strings.ContainsFunc(x, escaped) {
			return append(append(append(b, '"'), x...), '"')
		}
	case []any:
		b = append(b, '[')
		for i, item := range x {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, key := range sortedKeys(x) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(append(appendJSON(b, key), ':'), x[key])
		}
		return append(b, '}')
	}
	raw, _ := json.Marshal(v)
	return append(b, raw...)
}

// escaped are the runes that json.Marshal writes otherwise.
func escaped(r rune) bool {
	return r < ' ' || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
}

// apply settles one mutation: exactly one result, remembered in the same transaction as what it did.
func (a *applier) apply(s *sent) (Result, error) {
	if !s.ok {
		return a.refuseUnknown(s.m.ID, s.raw())
	}
	known, err := a.known(s.m.ID)
	if err != nil {
		return Result{}, err
	}
	if known != nil {
		return a.again(s, known)
	}
	r, err := a.settle(s.m, s.raw())
	if err != nil {
		return r, err
	}
	if err := a.remember(s.m, s.hash, r, s.raw()); err != nil {
		return r, err
	}
	if r.Status == Applied && s.m.Op == "create" {
		if err := a.release(s.m.Record, true); err != nil {
			return r, err
		}
	}
	if r.passed != "" {
		err = a.release(r.passed, false)
	}
	return r, err
}

// again answers a mutation that came before: its present result, or a refusal if the id now stands for something else.
func (a *applier) again(s *sent, known *ledger) (Result, error) {
	if !bytes.Equal(known.Hash, s.hash) {
		return a.refuseReuse(s.m, s.raw())
	}
	if known.Status == Deferred {
		var err error
		if _, err = a.resume(s.m.Record, -1, 1); err == nil {
			known, err = a.known(s.m.ID)
		}
		if err != nil {
			return Result{}, err
		}
	}
	r, err := known.result(s.m.ID)
	r.Duplicate = true
	return r, err
}

func (a *applier) known(id string) (*ledger, error) {
	var l ledger
	err := a.tx.DB().NewQuery(`SELECT device, hash, status, result, record, seq, rev FROM sync_mutations WHERE id = {:id}`).Bind(dbx.Params{"id": id}).One(&l)
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
	result, err := resultJSON(r)
	if err != nil {
		return err
	}
	_, err = a.tx.DB().NewQuery(`INSERT INTO sync_mutations (id, device, hash, record, status, seq, result, body, received_at, prev_rev, rev)
		VALUES ({:id}, {:device}, {:hash}, {:record}, {:status}, {:seq}, {:result}, {:body}, {:at}, {:prev}, {:rev})`).
		Bind(dbx.Params{"id": m.ID, "device": a.device, "hash": hash, "record": m.Record, "status": r.Status, "seq": r.Seq,
			"result": result, "body": keptBody(r, string(body)), "at": hooks.Stored(a.received), "prev": r.prev, "rev": r.rev()}).Execute()
	return err
}

// parsePush reads a body that is a push at all; anything less is a 400 and nothing is read further.
func parsePush(raw []byte) (*PushRequest, error) {
	var req PushRequest
	// In one go, as nearly every push can be; where anything is odd, a mutation at a time, for each is judged alone.
	whole := struct {
		*PushRequest
		Mutations []map[string]any `json:"mutations"`
	}{PushRequest: &req}
	if err := json.Unmarshal(raw, &whole); err == nil && whole.Mutations != nil && !slices.ContainsFunc(whole.Mutations, func(m map[string]any) bool { return m == nil }) {
		req.body, req.members = raw, whole.Mutations
	} else {
		req = PushRequest{}
		if err := decode(raw, &req); err != nil {
			return nil, badRequest(err)
		}
	}
	if req.Protocol != Protocol {
		e := refuse(http.StatusConflict, "protocol_unsupported")
		e.err.With("protocol", Protocol)
		return nil, e
	}
	if req.Mutations == nil && req.members == nil {
		e := refuse(http.StatusBadRequest, "bad_request")
		e.err.With("field", "mutations")
		return nil, e
	}
	if max(len(req.Mutations), len(req.members)) > MaxMutations {
		e := refuse(http.StatusRequestEntityTooLarge, "too_large")
		e.err.With("max", MaxMutations)
		return nil, e
	}
	return &req, nil
}
