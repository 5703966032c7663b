package fieldsync

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"gangwan/hooks"
)

// simPhone is a phone that follows the protocol page to the letter. Its fields are what it has stored: it may die between any two
// steps and goes on from here.
type simPhone struct {
	w            *simWorld
	name, user   string
	device       string
	clock        time.Duration // how far its clock is ahead
	epoch        string
	cursor       *string
	has          map[string]held
	own          map[string]ownCopy // what it wrote itself and has not pulled yet
	outbox       []*entry
	kept         []*entry // settled, for 14 days
	pictures     []*picture64
	download     map[string]bool // records that came since a reset; nil: no full download is under way
	pulls        int
	resending    bool
	delayed      []delayedAnswer
	last         Result // of the latest mutation answered
	results      map[string]Result
	state        string
	newer, older bool // one release ahead or behind
	used         bool // somebody has it in hand
}

type held struct {
	rev    int64
	record row
}

// ownCopy stays until the end of the first pull begun after the answer; 0: not answered yet.
type ownCopy struct {
	record   row
	answered int
}

type entry struct {
	id         string
	raw        json.RawMessage
	collection string
	record     string
	state      string // "" to be sent, "waiting", "attention"; when kept: the status
	seq        int64
	sentAt     string // of the exchange that settled it
	serverTime string
	settledAt  time.Time
}

type picture64 struct {
	meta   AttachmentMeta
	data   []byte
	status Status // "" to be sent
}

type delayedAnswer struct {
	asked *string
	raw   []byte
}

func (p *simPhone) now() string { return hooks.Stored(p.w.time.Add(p.clock)) }

// fate is what becomes of one exchange on its way.
type fate string

const (
	fine    fate = "ok"
	lost    fate = "lost"    // the request never arrives
	unheard fate = "unheard" // it is served, the answer is lost
	late    fate = "late"    // it arrives later, when nobody waits for the answer
	double  fate = "double"  // it arrives, and once more later
	delayed fate = "delayed" // it is served, the answer comes later
	crash   fate = "crash"   // the server dies in the middle of it
)

// exchange sends a request and returns what the phone hears; heard is false when it hears nothing.
func (p *simPhone) exchange(how fate, at int, path, contentType string, body []byte) (status int, raw []byte, heard bool) {
	w := p.w
	switch how {
	case lost:
		return 0, nil, false
	case late, double:
		w.late = append(w.late, lateCall{p, path, contentType, body})
		if how == late {
			return 0, nil, false
		}
	case crash:
		w.server.fuse.light(1 + at)
	}
	status, raw = w.serve(p, path, contentType, body)
	w.server.fuse.light(0)
	return status, raw, how != unheard && status < 500
}

// hello opens a session.
func (p *simPhone) hello(how fate, at int) {
	body := mustJSON(HelloRequest{Protocol: 1, Device: DeviceInfo{ID: p.device, Name: p.name, Platform: "sim", AppVersion: "1.0.0"}, SentAt: p.now(), Pending: len(p.outbox), Wiped: p.state == "wiped"})
	status, raw, heard := p.exchange(how, at, "/api/sync/hello", "application/json", body)
	if !heard || status != http.StatusOK {
		return
	}
	var resp HelloResponse
	p.w.parse(raw, &resp)
	p.epochIs(resp.Epoch)
	if resp.DeviceState == "wiped" && p.state != "wiped" {
		p.wipe()
	}
}

// epochIs notes which life of the database answers: after another one what is kept is sent again, and only then anything else.
func (p *simPhone) epochIs(epoch string) {
	if p.epoch != "" && p.epoch != epoch {
		var again []*entry
		for _, e := range p.kept {
			if p.w.time.Sub(e.settledAt) < 14*24*time.Hour {
				again = append(again, e.again())
			}
		}
		for _, e := range p.outbox {
			if e.state == "waiting" {
				e.state = ""
			}
		}
		p.kept, p.outbox, p.resending = nil, append(again, p.outbox...), true
		slices.SortStableFunc(p.outbox, func(a, b *entry) int { return strings.Compare(a.id, b.id) })
	}
	p.epoch = epoch
}

// again is a settled mutation as it is sent after a restore: beside the compared body what tells its place in the life before.
func (e *entry) again() *entry {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(e.raw, &m)
	if e.state == string(Applied) {
		m["applied_seq"] = mustJSON(e.seq)
	}
	m["sent_at"], m["server_time"] = mustJSON(e.sentAt), mustJSON(e.serverTime)
	return &entry{id: e.id, raw: mustJSON(m), collection: e.collection, record: e.record}
}

func (p *simPhone) wipe() {
	p.has, p.own, p.outbox, p.kept, p.pictures, p.cursor, p.download = map[string]held{}, map[string]ownCopy{}, nil, nil, nil, nil, nil
	p.state = "wiped"
}

// push sends the next n mutations in order; the answer frees them.
func (p *simPhone) push(how fate, at, n int) {
	batch := p.batch(n)
	if len(batch) == 0 {
		return
	}
	body := p.pushBody(batch)
	status, raw, heard := p.exchange(how, at, "/api/sync/push", "application/json", body)
	if heard && how != delayed {
		p.pushed(status, raw, batch)
	}
}

func (p *simPhone) batch(n int) []*entry {
	var batch []*entry
	for _, e := range p.outbox {
		if e.state != "attention" && len(batch) < n {
			batch = append(batch, e)
		}
	}
	return batch
}

func (p *simPhone) pushBody(batch []*entry) []byte {
	req := PushRequest{Protocol: 1, Device: p.device, Epoch: p.epoch, SentAt: p.now(), Pending: len(p.outbox)}
	for _, e := range batch {
		req.Mutations = append(req.Mutations, e.raw)
		if e.sentAt == "" {
			e.sentAt = req.SentAt
		}
	}
	return mustJSON(req)
}

func (p *simPhone) pushed(status int, raw []byte, batch []*entry) {
	switch {
	case status == http.StatusConflict:
		var e hooks.Error
		p.w.parse(raw, &e)
		if e.Code == "epoch_changed" {
			p.hello(fine, 0)
		}
		return
	case status == http.StatusForbidden:
		var e hooks.Error
		p.w.parse(raw, &e)
		if e.Code == "device_wiped" {
			p.wipe()
			p.hello(fine, 0)
		}
		return
	case status != http.StatusOK:
		p.w.fail(6, "%s: a push of %d is answered %d %s", p.name, len(batch), status, raw)
	}
	var resp PushResponse
	p.w.parse(raw, &resp)
	p.epoch = resp.Epoch
	for i, r := range resp.Results {
		e := batch[i]
		p.results[e.id], p.last = r, r
		switch r.Status {
		case Applied, Conflict:
			e.state, e.seq, e.settledAt, e.serverTime = string(r.Status), r.Seq, p.w.time, resp.ServerTime
			p.outbox = slices.DeleteFunc(p.outbox, func(x *entry) bool { return x == e })
			p.kept = append(p.kept, e)
			if o, ok := p.own[e.collection+"/"+e.record]; ok {
				o.answered = p.pulls + 1
				p.own[e.collection+"/"+e.record] = o
			}
		case Rejected:
			e.state = "attention"
		case Deferred:
			e.state = "waiting"
		}
	}
}

// pull asks for pages until there is no more, or until it is stopped after some.
func (p *simPhone) pull(how fate, at, limit, pages int) {
	p.pulls++
	begun := p.pulls
	for page := 0; pages == 0 || page < pages; page++ {
		asked := p.cursor
		body := mustJSON(PullRequest{Protocol: 1, Device: p.device, Cursor: asked, Limit: limit, Digest: true})
		status, raw, heard := p.exchange(how, at, "/api/sync/pull", "application/json", body)
		if !heard {
			return
		}
		if how == delayed {
			p.delayed = append(p.delayed, delayedAnswer{asked, raw})
			return
		}
		how = fine
		if status == http.StatusForbidden {
			var e hooks.Error
			p.w.parse(raw, &e)
			if e.Code == "device_wiped" && p.state != "wiped" {
				p.wipe()
				p.hello(fine, 0)
			}
			return
		}
		if status != http.StatusOK {
			p.w.fail(2, "%s: a pull is answered %d %s", p.name, status, raw)
		}
		if more := p.pulled(asked, raw, begun); !more {
			return
		}
	}
}

// pulled stores a page with its cursor, in one step; an answer to a cursor that is no longer its own is dropped.
func (p *simPhone) pulled(asked *string, raw []byte, begun int) (more bool) {
	if (asked == nil) != (p.cursor == nil) || asked != nil && *asked != *p.cursor {
		return false
	}
	var resp PullResponse
	p.w.parse(raw, &resp)
	if resp.Reset || asked == nil {
		p.download = map[string]bool{}
	}
	for _, c := range resp.Changes {
		if c.Op == "remove" {
			delete(p.has, c.Collection+"/"+c.ID)
			continue
		}
		var record row
		p.w.parse(c.Record, &record)
		key := c.Collection + "/" + str(record["id"])
		first := p.download != nil && !p.download[key]
		if first {
			p.download[key] = true
		}
		if first || c.Rev >= p.has[key].rev {
			p.has[key] = held{c.Rev, record}
		}
	}
	p.cursor = &resp.Cursor
	if resp.More {
		if len(resp.Changes) == 0 {
			p.w.fail(2, "%s: more without a change", p.name)
		}
		return true
	}
	if p.download != nil {
		for key := range p.has {
			if !p.download[key] {
				delete(p.has, key)
			}
		}
		p.download = nil
	}
	for key, o := range p.own {
		if o.answered != 0 && o.answered <= begun {
			delete(p.own, key)
		}
	}
	p.whole(&resp)
	return false
}

// whole: a phone that has pulled everything holds exactly what its user may see, as the digest says.
func (p *simPhone) whole(resp *PullResponse) {
	w := p.w
	got := map[string]CollectionDigest{}
	for key, h := range p.has {
		collection, id := splitKey(key)
		d := got[collection]
		d.Count++
		d.Xor ^= DigestOf(id, h.rev)
		got[collection] = d
	}
	for _, h := range hooks.Holdings {
		if want, given := resp.Digest[h.Collection]; !given || got[h.Collection] != want {
			w.fail(2, "%s, %s: holds %+v, the digest says %+v (given: %t)", p.name, h.Collection, got[h.Collection], want, given)
		}
	}
	if resp.ServerTime != hooks.Stored(w.time) {
		return // an answer that was long on its way
	}
	for key := range w.rows {
		collection, _ := splitKey(key)
		if collection == "users" {
			continue
		}
		_, holds := p.has[key]
		if sees := w.visible(simUserID(p.user), key, hooks.Stored(w.time)); sees && !holds {
			w.fail(2, "%s does not hold %s", p.name, key)
		}
	}
}

// view is a record as the phone shows it: its own copy before what it pulled.
func (p *simPhone) view(key string) row {
	if o, ok := p.own[key]; ok {
		return o.record
	}
	if h, ok := p.has[key]; ok {
		return h.record
	}
	return nil
}

// shown lists the records of a collection that the phone shows.
func (p *simPhone) shown(collection string) []string {
	keys := map[string]bool{}
	for key := range p.has {
		keys[key] = true
	}
	for key := range p.own {
		keys[key] = true
	}
	var out []string
	for _, key := range sortedKeys(keys) {
		if c, id := splitKey(key); c == collection {
			out = append(out, id)
		}
	}
	return out
}

// capture puts a new record into the outbox and shows it at once.
func (p *simPhone) capture(collection string, data row) string {
	id := p.w.id(p.w.time.Add(p.clock))
	if p.newer {
		data["field_of_the_next_release"] = "kept " + id[:12]
	}
	p.enqueue(row{"op": "create", "collection": collection, "record": id, "data": data})
	copied := row{"id": id}
	for k, v := range data {
		copied[k] = v
	}
	p.own[collection+"/"+id] = ownCopy{record: copied}
	return id
}

// change puts an update into the outbox: what is shown becomes to.
func (p *simPhone) change(collection, id string, to row) {
	key := collection + "/" + id
	changes, shown := row{}, row{}
	for k, v := range p.view(key) {
		shown[k] = v
	}
	for k, v := range to {
		changes[k] = row{"from": shown[k], "to": v}
		shown[k] = v
	}
	if p.newer {
		changes["field_of_the_next_release"] = row{"from": nil, "to": "kept"}
	}
	p.enqueue(row{"op": "update", "collection": collection, "record": id, "changes": changes})
	p.own[key] = ownCopy{record: shown}
}

func (p *simPhone) enqueue(m row) *entry {
	m["id"], m["captured_at"] = p.w.id(p.w.time.Add(p.clock)), p.now()
	e := &entry{id: str(m["id"]), raw: mustJSON(m), collection: str(m["collection"]), record: str(m["record"])}
	p.outbox = append(p.outbox, e)
	return e
}

// photograph captures a photo record and keeps the picture for its own way to the server.
func (p *simPhone) photograph(collection, record string) {
	p.w.shade++
	img := image.NewGray16(image.Rect(0, 0, 2, 2))
	img.SetGray16(0, 0, color.Gray16{Y: p.w.shade})
	var data bytes.Buffer
	if err := png.Encode(&data, img); err != nil {
		panic(err)
	}
	sum := sha256.Sum256(data.Bytes())
	digest := hex.EncodeToString(sum[:])
	id := p.capture("photos", row{"collection": collection, "record": record, "sha256": digest, "bytes": float64(data.Len()), "taken_at": p.now()})
	p.pictures = append(p.pictures, &picture64{meta: AttachmentMeta{Device: p.device, ID: id, Collection: collection, Record: record, SHA256: digest, Bytes: int64(data.Len()), TakenAt: p.now()}, data: data.Bytes()})
}

// upload sends the next picture.
func (p *simPhone) upload(how fate, at int) bool {
	i := slices.IndexFunc(p.pictures, func(x *picture64) bool { return x.status == "" })
	if i < 0 {
		return false
	}
	x := p.pictures[i]
	x.meta.SentAt = p.now()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.SetBoundary("simulated-boundary")
	_ = form.WriteField("meta", string(mustJSON(x.meta)))
	file, _ := form.CreateFormFile("file", "photo.png")
	_, _ = file.Write(x.data)
	_ = form.Close()
	status, raw, heard := p.exchange(how, at, "/api/sync/attachments", form.FormDataContentType(), body.Bytes())
	if !heard || how == delayed {
		return true
	}
	if status != http.StatusOK {
		if status == http.StatusForbidden {
			return false
		}
		p.w.fail(6, "%s: a picture is answered %d %s", p.name, status, raw)
	}
	var r AttachmentResult
	p.w.parse(raw, &r)
	x.status = r.Status
	return true
}

// missing asks which pictures the server lost in a restore, and means to send them again.
func (p *simPhone) missing() {
	if len(p.pictures) == 0 {
		return
	}
	req := MissingRequest{Device: p.device}
	for _, x := range p.pictures {
		req.IDs = append(req.IDs, x.meta.ID)
	}
	status, raw, _ := p.exchange(fine, 0, "/api/sync/attachments/missing", "application/json", mustJSON(req))
	if status != http.StatusOK {
		p.w.fail(6, "%s: missing is answered %d %s", p.name, status, raw)
	}
	var resp MissingResponse
	p.w.parse(raw, &resp)
	for _, x := range p.pictures {
		if slices.Contains(resp.Missing, x.meta.ID) && x.status != Rejected {
			x.status = ""
		}
	}
}

// drained: nothing is left that the phone could still do by itself.
func (p *simPhone) drained() bool {
	return !slices.ContainsFunc(p.outbox, func(e *entry) bool { return e.state == "" }) &&
		!slices.ContainsFunc(p.pictures, func(x *picture64) bool { return x.status == "" })
}

func (p *simPhone) String() string {
	return fmt.Sprintf("%s (%d in the outbox, %d held)", p.name, len(p.outbox), len(p.has))
}
