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
	has          map[string]simHeld
	own          map[string]simCopy // what it wrote itself and has not pulled yet
	outbox       []*simEntry
	kept         []*simEntry // settled, for 14 days
	pictures     []*simPicture
	download     map[string]bool // records that came since a reset; nil: no full download is under way
	pulls        int
	missingDue   bool // after a restore, once all is sent again
	delayed      []simDelayed
	made         []string // the mutations it made, in order
	results      map[string]Result
	state        string
	newer, older bool // one release ahead or behind
	used         bool // somebody has it in hand
}

type simHeld struct {
	rev    int64
	record simRow
}

// simCopy stays until the end of the first pull begun after the answer; 0: not answered yet.
type simCopy struct {
	record   simRow
	answered int
}

type simEntry struct {
	id         string
	raw        json.RawMessage
	collection string
	record     string
	state      string // "" to be sent, "waiting", "attention"; when kept: the status
	seq        int64
	place      int    // in the order made
	sentAt     string // clocks of the first exchange that was answered
	serverTime string
	settledAt  time.Time
}

type simPicture struct {
	meta   AttachmentMeta
	data   []byte
	status Status // "" to be sent
}

type simDelayed struct {
	asked *string
	raw   []byte
}

func (p *simPhone) now() string { return hooks.Stored(p.w.time.Add(p.clock)) }

// simFate is what becomes of one exchange on its way.
type simFate string

const (
	fine    simFate = "ok"
	lost    simFate = "lost"    // the request never arrives
	unheard simFate = "unheard" // it is served, the answer is lost
	late    simFate = "late"    // it arrives later, when nobody waits for the answer
	double  simFate = "double"  // it arrives, and once more later
	delayed simFate = "delayed" // it is served, the answer comes later
	crash   simFate = "crash"   // the server dies in the middle of it
)

// exchange sends a request and returns what the phone hears; heard is false when it hears nothing.
func (p *simPhone) exchange(how simFate, at int, path, contentType string, body []byte) (status int, raw []byte, heard bool) {
	w := p.w
	switch how {
	case lost:
		return 0, nil, false
	case late, double:
		w.late = append(w.late, simLate{p, path, contentType, body})
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
func (p *simPhone) hello(how simFate, at int) {
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

// epochIs notes which life of the database answers. In another one than before, all that is kept is sent again first, in its old
// order: what was applied for 14 days, what was refused, what waits.
func (p *simPhone) epochIs(epoch string) {
	if p.epoch != "" && p.epoch != epoch {
		var all []*simEntry
		for _, e := range p.kept {
			if p.w.time.Sub(e.settledAt) < 14*24*time.Hour {
				all = append(all, e)
			}
		}
		all = append(all, p.outbox...)
		for _, e := range all {
			e.again()
		}
		slices.SortStableFunc(all, func(a, b *simEntry) int { return a.place - b.place })
		p.kept, p.outbox, p.missingDue = nil, all, true
	}
	p.epoch = epoch
}

// again makes a mutation that was answered before one to be sent after a restore: beside the compared body it says where it stood
// in the life before, and with which clocks it was exchanged first.
func (e *simEntry) again() {
	if e.state == "" {
		return
	}
	var m map[string]json.RawMessage
	_ = json.Unmarshal(e.raw, &m)
	if e.state == string(Applied) {
		m["applied_seq"] = mustJSON(e.seq)
	}
	m["sent_at"], m["server_time"] = mustJSON(e.sentAt), mustJSON(e.serverTime)
	e.raw, e.state = mustJSON(m), ""
}

func (p *simPhone) wipe() {
	p.has, p.own, p.outbox, p.kept, p.pictures, p.cursor, p.download = map[string]simHeld{}, map[string]simCopy{}, nil, nil, nil, nil, nil
	p.state = "wiped"
}

// push sends the next n mutations in order; the answer frees them.
func (p *simPhone) push(how simFate, at, n int) {
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

func (p *simPhone) batch(n int) []*simEntry {
	var batch []*simEntry
	for _, e := range p.outbox {
		if e.state != "attention" && len(batch) < n {
			batch = append(batch, e)
		}
	}
	return batch
}

func (p *simPhone) pushBody(batch []*simEntry) []byte {
	req := PushRequest{Protocol: 1, Device: p.device, Epoch: p.epoch, SentAt: p.now(), Pending: len(p.outbox)}
	for _, e := range batch {
		req.Mutations = append(req.Mutations, e.raw)
		if e.serverTime == "" {
			e.sentAt = req.SentAt
		}
	}
	return mustJSON(req)
}

func (p *simPhone) pushed(status int, raw []byte, batch []*simEntry) {
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
	if p.epoch == "" {
		p.epoch = resp.Epoch
	}
	for i, r := range resp.Results {
		e := batch[i]
		p.results[e.id] = r
		if e.serverTime == "" {
			e.serverTime = resp.ServerTime
		}
		switch r.Status {
		case Applied, Conflict:
			e.state, e.seq, e.settledAt = string(r.Status), r.Seq, p.w.time
			p.outbox = slices.DeleteFunc(p.outbox, func(x *simEntry) bool { return x == e })
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
func (p *simPhone) pull(how simFate, at, limit, pages int) {
	p.pulls++
	begun := p.pulls
	for page := 0; pages == 0 || page < pages; page++ {
		asked := p.cursor
		body := mustJSON(PullRequest{Protocol: 1, Device: p.device, Cursor: asked, Limit: limit, Digest: true})
		status, raw, heard := p.exchange(how, at, "/api/sync/pull", "application/json", body)
		if !heard {
			return
		}
		if how == delayed && status == http.StatusOK {
			p.delayed = append(p.delayed, simDelayed{asked, raw})
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
		if more := p.pulled(asked, raw, begun, true); !more {
			return
		}
	}
}

// pulled stores a page with its cursor, in one step (fresh: nothing has happened since it was made); an answer to a cursor that is no longer its own is dropped.
func (p *simPhone) pulled(asked *string, raw []byte, begun int, fresh bool) (more bool) {
	if (asked == nil) != (p.cursor == nil) || asked != nil && *asked != *p.cursor {
		return false
	}
	var resp PullResponse
	p.w.parse(raw, &resp)
	p.epochIs(resp.Epoch)
	if resp.Reset || asked == nil {
		p.download = map[string]bool{}
	}
	for _, c := range resp.Changes {
		if c.Op == "remove" {
			delete(p.has, c.Collection+"/"+c.ID)
			continue
		}
		var record simRow
		p.w.parse(c.Record, &record)
		key := c.Collection + "/" + str(record["id"])
		first := p.download != nil && !p.download[key]
		if first {
			p.download[key] = true
		}
		if first || c.Rev >= p.has[key].rev {
			p.has[key] = simHeld{c.Rev, record}
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
	p.whole(&resp, fresh)
	return false
}

// whole: a phone that has pulled everything holds exactly what its user may see, as the digest says.
func (p *simPhone) whole(resp *PullResponse, fresh bool) {
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
	if !fresh {
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
func (p *simPhone) view(key string) simRow {
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
func (p *simPhone) capture(collection string, data simRow) string {
	id := p.w.id(p.w.time.Add(p.clock))
	if p.newer {
		data["field_of_the_next_release"] = "kept " + id[:12]
	}
	p.enqueue(simRow{"op": "create", "collection": collection, "record": id, "data": data})
	copied := simRow{"id": id}
	for k, v := range data {
		copied[k] = v
	}
	p.own[collection+"/"+id] = simCopy{record: copied}
	return id
}

// change puts an update into the outbox: what is shown becomes to.
func (p *simPhone) change(collection, id string, to simRow) {
	key := collection + "/" + id
	changes, shown := simRow{}, simRow{}
	for k, v := range p.view(key) {
		shown[k] = v
	}
	for k, v := range to {
		changes[k] = simRow{"from": shown[k], "to": v}
		shown[k] = v
	}
	if p.newer {
		changes["field_of_the_next_release"] = simRow{"from": nil, "to": "kept"}
	}
	p.enqueue(simRow{"op": "update", "collection": collection, "record": id, "changes": changes})
	p.own[key] = simCopy{record: shown}
}

func (p *simPhone) enqueue(m simRow) *simEntry {
	m["id"], m["captured_at"] = p.w.id(p.w.time.Add(p.clock)), p.now()
	e := &simEntry{id: str(m["id"]), raw: mustJSON(m), collection: str(m["collection"]), record: str(m["record"])}
	e.place = len(p.made)
	p.outbox, p.made = append(p.outbox, e), append(p.made, e.id)
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
	id := p.capture("photos", simRow{"collection": collection, "record": record, "sha256": digest, "bytes": float64(data.Len()), "taken_at": p.now()})
	p.pictures = append(p.pictures, &simPicture{meta: AttachmentMeta{Device: p.device, ID: id, Collection: collection, Record: record, SHA256: digest, Bytes: int64(data.Len()), TakenAt: p.now()}, data: data.Bytes()})
}

// upload sends the next picture.
func (p *simPhone) upload(how simFate, at int) bool {
	i := slices.IndexFunc(p.pictures, func(x *simPicture) bool { return x.status == "" })
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
	return !slices.ContainsFunc(p.outbox, func(e *simEntry) bool { return e.state == "" }) &&
		!slices.ContainsFunc(p.pictures, func(x *simPicture) bool { return x.status == "" })
}

func (p *simPhone) String() string {
	return fmt.Sprintf("%s (%d in the outbox, %d held)", p.name, len(p.outbox), len(p.has))
}

// returns tells whether the phone still calls: nobody has stopped it.
func (p *simPhone) returns() bool { return p.state == "" || p.state == "drain_only" }

// stateNow is what the server lets the phone do; "told": it is to erase its data and hears of it at its next call.
func (p *simPhone) stateNow() string {
	if p.state == "wiped" {
		return p.state
	}
	r, err := p.w.server.app.FindRecordById("devices", p.device)
	if err != nil || r.GetString("state") == "active" {
		return "" // or never seen yet
	}
	if r.GetString("state") == "wiped" {
		return "told"
	}
	return r.GetString("state")
}
