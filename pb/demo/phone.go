package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

// Phone is one installation of the field app as the protocol sees it: it works without a network, keeps its own copy of
// what its user may see, and exchanges with the server only in Hello, Push, UploadAttachments and Pull. What it holds
// lives in memory. It is what the demo's people carry and what end-to-end tests drive; a fault (lost answer, broken
// connection) is put in through the http.Client's transport, a wrong clock through Skew.
//
// A Phone may be used by several goroutines; like the app it has at most one push in flight.
type Phone struct {
	// Device is how this installation names itself; its ID never changes.
	Device fieldsync.DeviceInfo
	// Skew is how far this phone's clock is wrong: positive runs ahead. Set it before use.
	Skew time.Duration

	base   string
	client *http.Client
	clock  hooks.Clock

	pushing, pulling sync.Mutex // one push and one pull at a time

	mu     sync.Mutex // everything below
	random io.Reader
	token  string
	user   map[string]any
	state  string
	epoch  string
	limits fieldsync.Limits

	held     map[string]map[string]*held // what was pulled, by collection and id
	cursor   *string
	seen     map[[2]string]bool // while a full download runs: what it brought
	pulls    int                // pulls begun
	inPull   bool               // a pull was begun and has not reached its last page
	entries  []*entry           // every mutation whose effect the pulled copy may still lack, in the order made
	byRecord map[[2]string][]*entry
	flight   []*entry // sent and not answered: sent again, the same, before anything else
	maxBatch int
	uploads  []*upload

	answers  []*entry // what the server has answered, in the order sent, for as long as a restore may ask for it again
	again    []*entry // of answers: still to be sent again in this life of the database
	pictures []*taken // what was uploaded, likewise
	ask      bool     // whether the server still has to be asked which of the pictures it lacks

	refused  []RefusedUpload
	conflict []Conflict
	counters Counters
	created  map[string]int // records captured here, by collection
}

// Counters is what a phone has done since it was made.
type Counters struct {
	Applied, Conflicts, Rejected, Deferred, Duplicates int // answers to mutations; Duplicates counts those the server knew already
	Uploaded, Pulled, Resets                           int // pictures, records brought by pulls, full downloads
	Lives, Resent                                      int // restores noticed, mutations sent again after them
}

type held struct {
	rev    int64
	raw    json.RawMessage
	fields map[string]any // made on first reading: most records are never looked at
}

type entryState int

const (
	queued   entryState = iota // in the outbox
	waiting                    // deferred by the server
	refused                    // needs attention
	answered                   // applied or conflict; shown until a pull begun later has brought the server's copy
)

type entry struct {
	mutation fieldsync.Mutation
	raw      json.RawMessage
	state    entryState
	seq      int64
	after    int // pulls begun when the answer came
	errors   hooks.FieldErrors

	// Of the exchange that brought the answer, for the day the server is restored from a backup.
	status             fieldsync.Status
	sentAt, serverTime string
	at                 time.Time // by this phone's clock
}

type upload struct {
	meta  fieldsync.AttachmentMeta
	bytes []byte
}

// taken is a picture that the server has taken.
type taken struct {
	*upload
	at time.Time
}

// keptFor is how long a phone keeps what the server has answered: a backup older than that brings losses.
const keptFor = 14 * 24 * time.Hour

// Attention is a mutation the server refused, with its reasons: the phone keeps it until it is mended or dropped.
type Attention struct {
	Mutation fieldsync.Mutation
	Errors   hooks.FieldErrors
}

// RefusedUpload is a picture the server refused.
type RefusedUpload struct {
	Meta   fieldsync.AttachmentMeta
	Errors hooks.FieldErrors
}

// Conflict is a field in which the server kept another value.
type Conflict struct {
	Mutation, Collection, Record, Field string
	fieldsync.FieldConflict
}

// CallError is the server's answer to a call that it refused as a whole.
type CallError struct {
	Status     int
	RetryAfter time.Duration
	Code       string
	Message    string
	Data       map[string]any
}

func (e *CallError) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s", e.Status, e.Code, e.Message)
}

// NewPhone makes a phone that has never met the server at baseURL. The clock is the true time (Skew makes it wrong);
// random gives ids their random part, so a seeded reader repeats a run; an empty device.ID is made from both.
func NewPhone(baseURL string, client *http.Client, clock hooks.Clock, random io.Reader, device fieldsync.DeviceInfo) *Phone {
	p := &Phone{
		Device: device, base: baseURL, client: client, clock: clock, random: random,
		held: map[string]map[string]*held{}, byRecord: map[[2]string][]*entry{},
		limits: fieldsync.Limits{PushMutations: fieldsync.MaxMutations, PushBytes: fieldsync.MaxPushBytes,
			PullRecords: fieldsync.MaxPullRecords, AttachmentBytes: fieldsync.MaxAttachmentBytes},
		maxBatch: fieldsync.MaxMutations,
	}
	if p.Device.ID == "" {
		p.Device.ID = hooks.NewID(clock(), random)
	}
	return p
}

// Now is what the phone's own clock shows.
func (p *Phone) Now() time.Time { return p.clock().Add(p.Skew) }

// NewID makes a record or mutation id.
func (p *Phone) NewID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newID()
}

func (p *Phone) newID() string { return hooks.NewID(p.Now(), p.random) }

// ---- what is done on the device ----

// Create captures a new record and returns its id.
func (p *Phone) Create(collection string, data map[string]any) string {
	return p.Capture(fieldsync.Mutation{Op: "create", Collection: collection, Data: data}).Record
}

// Update captures a change of a record the phone holds; the "from" of each field is what the phone shows now.
// Fields that would stay the same are left out; nothing is captured when none is left.
func (p *Phone) Update(collection, record string, to map[string]any) (id string, ok bool) {
	now, ok := p.Record(collection, record)
	if !ok {
		return "", false
	}
	changes := map[string]fieldsync.Change{}
	for field, value := range to {
		if !sameValue(now[field], value) {
			changes[field] = fieldsync.Change{From: now[field], To: value}
		}
	}
	if len(changes) == 0 {
		return "", false
	}
	return p.Capture(fieldsync.Mutation{Op: "update", Collection: collection, Record: record, Changes: changes}).ID, true
}

// Delete captures the removal of a record at the revision the phone holds (0: never pulled).
func (p *Phone) Delete(collection, record string) string {
	p.mu.Lock()
	rev := int64(0)
	if h := p.held[collection][record]; h != nil {
		rev = h.rev
	}
	p.mu.Unlock()
	return p.Capture(fieldsync.Mutation{Op: "delete", Collection: collection, Record: record, Rev: rev}).ID
}

// Capture puts a mutation into the outbox, whatever it says: id, record id of a create and capture time are filled in
// where they are empty. It is shown in Records at once.
func (p *Phone) Capture(m fieldsync.Mutation) fieldsync.Mutation {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.CapturedAt == "" {
		m.CapturedAt = hooks.Stored(p.Now())
	}
	if m.ID == "" {
		m.ID = p.newID()
	}
	if m.Record == "" && m.Op == "create" {
		m.Record = p.newID()
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic("demo: a mutation that is no JSON: " + err.Error())
	}
	p.add(&entry{mutation: m, raw: raw})
	if m.Op == "create" && m.Replaces == "" {
		if p.created == nil {
			p.created = map[string]int{}
		}
		p.created[m.Collection]++
	}
	return m
}

func (p *Phone) add(e *entry) {
	p.entries = append(p.entries, e)
	key := [2]string{e.mutation.Collection, e.mutation.Record}
	p.byRecord[key] = append(p.byRecord[key], e)
}

// AddPhoto captures a photo of a record: the photos record goes out with the next push, the picture with the next upload.
func (p *Phone) AddPhoto(collection, record string, picture []byte, at *fieldsync.LonLat) string {
	return p.AddPhotoOf(collection, record, "", picture, at)
}

// AddPhotoOf is AddPhoto of one item of an inspection.
func (p *Phone) AddPhotoOf(collection, record, item string, picture []byte, at *fieldsync.LonLat) string {
	taken := hooks.Stored(p.Now())
	sum := sha256.Sum256(picture)
	data := map[string]any{"collection": collection, "record": record, "sha256": hex.EncodeToString(sum[:]),
		"bytes": len(picture), "taken_at": taken}
	if at != nil {
		data["location"] = at
	}
	if item != "" {
		data["item"] = item
	}
	id := p.Create("photos", data)
	p.attach(fieldsync.AttachmentMeta{ID: id, Collection: collection, Record: record, TakenAt: taken, Location: at}, picture)
	return id
}

// AddFile captures the picture of a record's own file field, such as a visit's signature.
func (p *Phone) AddFile(collection, record, field string, picture []byte) string {
	id := p.NewID()
	p.attach(fieldsync.AttachmentMeta{ID: id, Collection: collection, Record: record, Field: field, TakenAt: hooks.Stored(p.Now())}, picture)
	return id
}

func (p *Phone) attach(meta fieldsync.AttachmentMeta, picture []byte) {
	sum := sha256.Sum256(picture)
	meta.Device, meta.SHA256, meta.Bytes = p.Device.ID, hex.EncodeToString(sum[:]), int64(len(picture))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uploads = append(p.uploads, &upload{meta: meta, bytes: picture})
}

// Mend captures a refused mutation again, repaired, under a new id that names the old one. Empty data or changes keep
// what was captured. The record keeps its id and the mutation its capture time.
func (p *Phone) Mend(mutation string, data map[string]any, changes map[string]fieldsync.Change) (fieldsync.Mutation, bool) {
	p.mu.Lock()
	old := p.find(mutation, refused)
	if old == nil {
		p.mu.Unlock()
		return fieldsync.Mutation{}, false
	}
	m := old.mutation
	p.keep(func(e *entry) bool { return e != old })
	p.mu.Unlock()
	m.ID, m.Replaces = "", mutation
	if data != nil {
		m.Data = data
	}
	if changes != nil {
		m.Changes = changes
	}
	return p.Capture(m), true
}

// Drop gives up a refused mutation and what waits behind it, such as the photo of a refused visit; the server keeps it
// whole in its own list.
func (p *Phone) Drop(mutation string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.find(mutation, refused)
	if old == nil {
		return false
	}
	given := map[string]bool{old.mutation.Record: true}
	p.keep(func(e *entry) bool {
		if e.state == waiting && namesAny(e.mutation, given) {
			given[e.mutation.Record] = true
			return false
		}
		return e != old
	})
	return true
}

// namesAny tells whether a mutation is about one of the records, or about something that belongs to it.
func namesAny(m fieldsync.Mutation, records map[string]bool) bool {
	if records[m.Record] {
		return true
	}
	for _, field := range []string{"record", "visit", "demand", "match", "enterprise"} {
		if id, _ := m.Data[field].(string); records[id] {
			return true
		}
	}
	return false
}

func (p *Phone) find(mutation string, state entryState) *entry {
	for _, e := range p.entries {
		if e.mutation.ID == mutation && e.state == state {
			return e
		}
	}
	return nil
}

// keep drops entries that are not wanted. What a person mended or gave up is not sent to a restored server either.
func (p *Phone) keep(wanted func(*entry) bool) {
	left := p.entries[:0]
	dropped := false
	for _, e := range p.entries {
		if wanted(e) {
			left = append(left, e)
			continue
		}
		dropped = true
		if e.state != answered {
			p.answers = slices.DeleteFunc(p.answers, func(a *entry) bool { return a == e })
			p.again = slices.DeleteFunc(p.again, func(a *entry) bool { return a == e })
		}
	}
	clear(p.entries[len(left):])
	p.entries = left
	if !dropped {
		return
	}
	clear(p.byRecord)
	for _, e := range left {
		key := [2]string{e.mutation.Collection, e.mutation.Record}
		p.byRecord[key] = append(p.byRecord[key], e)
	}
}

// ---- what the device shows ----

// Record is one record as the user sees it: the pulled copy with the phone's own unsent or just-sent work on top.
// The map is the caller's.
func (p *Phone) Record(collection, id string) (map[string]any, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view(collection, id)
}

// Records are all records of a collection as the user sees them, by id.
func (p *Phone) Records(collection string) map[string]map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[string]map[string]any, len(p.held[collection]))
	for id := range p.held[collection] {
		if v, ok := p.view(collection, id); ok {
			out[id] = v
		}
	}
	for key := range p.byRecord {
		if key[0] == collection && out[key[1]] == nil {
			if v, ok := p.view(collection, key[1]); ok {
				out[key[1]] = v
			}
		}
	}
	return out
}

func (p *Phone) view(collection, id string) (map[string]any, bool) {
	own := p.byRecord[[2]string{collection, id}]
	h := p.held[collection][id]
	if h == nil && len(own) == 0 {
		return nil, false
	}
	out := map[string]any{"id": id}
	there := h != nil
	if h != nil {
		if h.fields == nil {
			if err := json.Unmarshal(h.raw, &h.fields); err != nil {
				h.fields = map[string]any{}
			}
			h.raw = nil
		}
		for k, v := range h.fields {
			out[k] = v
		}
	}
	for _, e := range own {
		switch e.mutation.Op {
		case "create":
			there = true
			for k, v := range e.mutation.Data {
				out[k] = v
			}
		case "update":
			for k, c := range e.mutation.Changes {
				out[k] = c.To
			}
		case "delete":
			if e.state != refused {
				there = false
			}
		}
	}
	return out, there
}

// IDs are the ids of a collection's records as the user sees them, sorted; far cheaper than Records.
func (p *Phone) IDs(collection string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]string, 0, len(p.held[collection]))
	for id := range p.held[collection] {
		out = append(out, id)
	}
	for key, own := range p.byRecord {
		if key[0] == collection && p.held[collection][key[1]] == nil && own[0].mutation.Op == "create" {
			out = append(out, key[1])
		}
	}
	sort.Strings(out)
	return out
}

// Rev is the revision of the pulled copy, 0 when the record was never pulled.
func (p *Phone) Rev(collection, id string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.held[collection][id]; h != nil {
		return h.rev
	}
	return 0
}

// Outbox is what has not been answered yet, in the order made.
func (p *Phone) Outbox() []fieldsync.Mutation { return p.mutations(queued) }

// Waiting is what the server holds back until a record arrives that it names.
func (p *Phone) Waiting() []fieldsync.Mutation { return p.mutations(waiting) }

func (p *Phone) mutations(state entryState) []fieldsync.Mutation {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []fieldsync.Mutation
	for _, e := range p.entries {
		if e.state == state {
			out = append(out, e.mutation)
		}
	}
	return out
}

// NeedsAttention is what the server refused and nobody has mended yet.
func (p *Phone) NeedsAttention() []Attention {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Attention
	for _, e := range p.entries {
		if e.state == refused {
			out = append(out, Attention{Mutation: e.mutation, Errors: e.errors})
		}
	}
	return out
}

// Conflicts are the fields in which the server kept another value, oldest first.
func (p *Phone) Conflicts() []Conflict {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Conflict(nil), p.conflict...)
}

// PendingUploads is the number of pictures not yet answered for.
func (p *Phone) PendingUploads() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.uploads)
}

// RefusedUploads are the pictures the server refused.
func (p *Phone) RefusedUploads() []RefusedUpload {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]RefusedUpload(nil), p.refused...)
}

// Counters is what this phone has done so far.
func (p *Phone) Counters() Counters {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counters
}

// Created is how many records of a collection were captured on this phone.
func (p *Phone) Created(collection string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.created[collection]
}

// User is the signed-in user as the server last told it; DeviceState and Epoch likewise.
func (p *Phone) User() map[string]any { p.mu.Lock(); defer p.mu.Unlock(); return p.user }

// DeviceState is active, drain_only, suspended or wiped.
func (p *Phone) DeviceState() string { p.mu.Lock(); defer p.mu.Unlock(); return p.state }

// Epoch is the life of the database that this phone knows.
func (p *Phone) Epoch() string { p.mu.Lock(); defer p.mu.Unlock(); return p.epoch }

// ---- the network ----

// SignIn gets a token; identity is an e-mail, mobile or staff number.
func (p *Phone) SignIn(ctx context.Context, identity, password string) error {
	var out struct {
		Token  string         `json:"token"`
		Record map[string]any `json:"record"`
	}
	if err := p.post(ctx, "/api/collections/users/auth-with-password", map[string]string{"identity": identity, "password": password}, &out); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token, p.user = out.Token, out.Record
	return nil
}

// UseToken signs in with a token got elsewhere.
func (p *Phone) UseToken(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token = token
}

// Hello opens a session: the phone learns the epoch, its state and the limits.
func (p *Phone) Hello(ctx context.Context) (fieldsync.HelloResponse, error) {
	p.mu.Lock()
	req := fieldsync.HelloRequest{Protocol: fieldsync.Protocol, Device: p.Device, SentAt: hooks.Stored(p.Now()), Pending: p.pending()}
	p.mu.Unlock()
	var out fieldsync.HelloResponse
	if err := p.post(ctx, "/api/sync/hello", req, &out); err != nil {
		return out, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live(out.Epoch)
	p.state = out.DeviceState
	if out.User != nil {
		p.user = out.User
	}
	if out.Limits.PushMutations > 0 {
		p.limits = out.Limits
		p.maxBatch = out.Limits.PushMutations
	}
	return out, nil
}

func (p *Phone) pending() (n int) {
	for _, e := range p.entries {
		if e.state == queued {
			n++
		}
	}
	return n
}

// Push sends the outbox, batch by batch, until it is empty or a call fails. After a failure the next Push sends the
// same batch again before anything else.
func (p *Phone) Push(ctx context.Context) error {
	p.pushing.Lock()
	defer p.pushing.Unlock()
	for {
		more, err := p.pushInOrder(ctx, queued)
		if err != nil || !more {
			return err
		}
	}
}

// pushInOrder sends one batch of that state. In a new life of the database, what the server had answered goes first, in its
// old order.
func (p *Phone) pushInOrder(ctx context.Context, state entryState) (more bool, err error) {
	for {
		p.mu.Lock()
		again := len(p.again) > 0
		p.mu.Unlock()
		if again {
			err = p.sendAgain(ctx)
		} else {
			more, err = p.pushOnce(ctx, state)
		}
		var call *CallError
		if errors.As(err, &call) && call.Code == "epoch_changed" {
			epoch, _ := call.Data["epoch"].(string)
			p.mu.Lock()
			changed := p.live(epoch)
			p.mu.Unlock()
			if changed {
				continue
			}
		}
		if err != nil && !errors.Is(err, errTooLarge) || err == nil && !again {
			return more, err
		}
	}
}

// errTooLarge says that the next batch will be smaller.
var errTooLarge = errors.New("the batch is too large")

// live notes which life of the database the server is in. In a new one, all that was answered in the last 14 days is to be sent
// again, and whatever waits or was refused; what was sent and not answered was not read, and takes its turn behind.
func (p *Phone) live(epoch string) (changed bool) {
	if epoch == p.epoch || epoch == "" {
		return false
	}
	known := p.epoch != ""
	p.epoch = epoch
	if !known {
		return true
	}
	p.counters.Lives++
	p.flight, p.ask = nil, true
	p.tidy()
	p.again = slices.Clone(p.answers)
	return true
}

// makeGood brings a restored server what it lacks; before that a pull would take away what it does not have.
func (p *Phone) makeGood(ctx context.Context) error {
	p.mu.Lock()
	need := len(p.again) > 0 || p.ask
	p.mu.Unlock()
	if !need {
		return nil
	}
	if err := p.Push(ctx); err != nil {
		return err
	}
	return p.UploadAttachments(ctx)
}

// remember keeps what became of an entry for the next life. Its clocks stay those of the first exchange.
func (p *Phone) remember(e *entry, status fieldsync.Status, sentAt, serverTime string) {
	if e.status == "" {
		e.sentAt, e.serverTime = sentAt, serverTime
		p.answers = append(p.answers, e)
	}
	e.status, e.at = status, p.Now()
}

// tidy forgets what was answered too long ago to matter after a restore.
func (p *Phone) tidy() {
	end := p.Now().Add(-keptFor)
	p.answers = slices.DeleteFunc(p.answers, func(e *entry) bool {
		return e.at.Before(end) && e.state != waiting && e.state != refused
	})
	p.pictures = slices.DeleteFunc(p.pictures, func(t *taken) bool { return t.at.Before(end) })
}

// sendAgain sends one batch of what a restored server may lack: each mutation as it was, with its place in the life before.
func (p *Phone) sendAgain(ctx context.Context) error {
	p.mu.Lock()
	batch := slices.Clone(p.again)
	req := fieldsync.PushRequest{Protocol: fieldsync.Protocol, Device: p.Device.ID, Epoch: p.epoch, SentAt: hooks.Stored(p.Now()), Pending: p.pending()}
	size := 0
	for i, e := range batch {
		raw := e.withClocks()
		if i >= p.maxBatch || size+len(raw) > p.limits.PushBytes-4096 && i > 0 {
			batch = batch[:i]
			break
		}
		req.Mutations = append(req.Mutations, raw)
		size += len(raw) + 1
	}
	p.mu.Unlock()
	if err := p.exchange(ctx, req, batch); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counters.Resent += len(batch)
	if p.epoch == req.Epoch {
		p.again = slices.DeleteFunc(p.again, func(e *entry) bool { return slices.Contains(batch, e) })
	}
	return nil
}

// withClocks is the mutation with what a restored server must know: when it was first taken and, if it was applied whole,
// where it stood then.
func (e *entry) withClocks() json.RawMessage {
	extra := fmt.Sprintf(`,"sent_at":%q,"server_time":%q}`, e.sentAt, e.serverTime)
	if e.status == fieldsync.Applied {
		extra = fmt.Sprintf(`,"applied_seq":%d`, e.seq) + extra
	}
	return append(append(json.RawMessage(nil), e.raw[:len(e.raw)-1]...), extra...)
}

// AskWaiting sends what is deferred once more: the answer is its present status.
func (p *Phone) AskWaiting(ctx context.Context) error {
	p.pushing.Lock()
	defer p.pushing.Unlock()
	_, err := p.pushInOrder(ctx, waiting)
	return err
}

func (p *Phone) pushOnce(ctx context.Context, state entryState) (more bool, err error) {
	p.mu.Lock()
	if p.flight == nil {
		size := 0
		for _, e := range p.entries {
			if e.state != state {
				continue
			}
			if len(p.flight) >= p.maxBatch || size+len(e.raw) > p.limits.PushBytes-4096 && len(p.flight) > 0 {
				break
			}
			p.flight = append(p.flight, e)
			size += len(e.raw) + 1
		}
	}
	if p.flight == nil {
		p.mu.Unlock()
		return false, nil
	}
	flight := p.flight
	req := fieldsync.PushRequest{Protocol: fieldsync.Protocol, Device: p.Device.ID, Epoch: p.epoch, SentAt: hooks.Stored(p.Now()), Pending: p.pending()}
	for _, e := range flight {
		req.Mutations = append(req.Mutations, e.raw)
	}
	p.mu.Unlock()

	if err := p.exchange(ctx, req, flight); err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending() > 0, nil
}

// exchange sends one push and settles each of its entries by the answer. What the server finds too large it did not read:
// smaller batches of the same mutations are no other order.
func (p *Phone) exchange(ctx context.Context, req fieldsync.PushRequest, sent []*entry) error {
	var out fieldsync.PushResponse
	if err := p.post(ctx, "/api/sync/push", req, &out); err != nil {
		var call *CallError
		if errors.As(err, &call) && call.Code == "too_large" && len(sent) > 1 {
			p.mu.Lock()
			p.maxBatch = max(1, len(sent)/2)
			p.flight = nil
			p.mu.Unlock()
			return errTooLarge
		}
		return err
	}
	if len(out.Results) != len(sent) {
		return fmt.Errorf("push: %d results for %d mutations", len(out.Results), len(sent))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight = nil
	p.live(out.Epoch)
	for i, r := range out.Results {
		if r.ID != sent[i].mutation.ID {
			return fmt.Errorf("push: result %d is of another mutation", i)
		}
		p.settle(sent[i], r)
		if e := sent[i]; e.state != answered && !slices.Contains(p.entries, e) {
			p.add(e) // taken once, and not by the restored server: it is unsettled work again
		}
		p.remember(sent[i], r.Status, req.SentAt, out.ServerTime)
	}
	p.tidy()
	return nil
}

func (p *Phone) settle(e *entry, r fieldsync.Result) {
	if r.Duplicate {
		p.counters.Duplicates++
	}
	if e.seq == 0 { // sent again after a restore it keeps its place in the order of the life before
		e.seq = r.Seq
	}
	count := func(counter *int) {
		if e.status != r.Status { // not the same answer again
			*counter++
		}
	}
	switch r.Status {
	case fieldsync.Applied, fieldsync.Conflict:
		e.state, e.after, e.errors = answered, p.pulls, nil
		if r.Status == fieldsync.Applied {
			count(&p.counters.Applied)
			return
		}
		count(&p.counters.Conflicts)
		fields := make([]string, 0, len(r.Conflicts))
		for field := range r.Conflicts {
			fields = append(fields, field)
			delete(e.mutation.Changes, field) // the server's value stands
		}
		sort.Strings(fields)
		for _, field := range fields {
			told := Conflict{Mutation: e.mutation.ID, Collection: e.mutation.Collection,
				Record: e.mutation.Record, Field: field, FieldConflict: r.Conflicts[field]}
			if i := slices.IndexFunc(p.conflict, func(c Conflict) bool { return c.Mutation == told.Mutation && c.Field == field }); i >= 0 {
				p.conflict[i] = told
			} else {
				p.conflict = append(p.conflict, told)
			}
		}
	case fieldsync.Deferred:
		count(&p.counters.Deferred)
		e.state = waiting
	default:
		count(&p.counters.Rejected)
		e.state, e.errors = refused, r.Errors
	}
}

// Pull brings everything the user may see that changed since the cursor, page by page.
func (p *Phone) Pull(ctx context.Context) error { _, err := p.pull(ctx, false); return err }

// Verify pulls and compares digests; a phone that differs starts a full download again and reports false.
func (p *Phone) Verify(ctx context.Context) (equal bool, err error) {
	theirs, err := p.pull(ctx, true)
	if err != nil {
		return false, err
	}
	if equal = sameDigest(p.Digest(), theirs); equal {
		return true, nil
	}
	p.mu.Lock()
	p.cursor = nil
	p.mu.Unlock()
	return false, p.Pull(ctx)
}

// Digest is the count of pulled records of each collection and the XOR of FNV-1a-32 over "id:rev".
func (p *Phone) Digest() map[string]fieldsync.CollectionDigest {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]fieldsync.CollectionDigest{}
	for collection, records := range p.held {
		d := fieldsync.CollectionDigest{Count: len(records)}
		for id, h := range records {
			f := fnv.New32a()
			_, _ = io.WriteString(f, id+":"+strconv.FormatInt(h.rev, 10))
			d.Xor ^= f.Sum32()
		}
		out[collection] = d
	}
	return out
}

// An empty collection may be absent on either side.
func sameDigest(a, b map[string]fieldsync.CollectionDigest) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	for k, v := range b {
		if a[k] != v {
			return false
		}
	}
	return true
}

func (p *Phone) pull(ctx context.Context, digest bool) (map[string]fieldsync.CollectionDigest, error) {
	p.pulling.Lock()
	defer p.pulling.Unlock()
	p.mu.Lock()
	if !p.inPull {
		// What is answered from here on may be missing from this pull: it is shown until the next one ends.
		p.pulls++
		p.inPull = true
	}
	p.mu.Unlock()
	for {
		p.mu.Lock()
		asked := p.cursor
		p.mu.Unlock()
		if err := p.makeGood(ctx); err != nil {
			return nil, err
		}
		var page fieldsync.PullResponse
		req := fieldsync.PullRequest{Protocol: fieldsync.Protocol, Device: p.Device.ID, Cursor: asked, Digest: digest}
		if err := p.post(ctx, "/api/sync/pull", req, &page); err != nil {
			return nil, err
		}
		p.mu.Lock()
		first := p.epoch == ""
		changed := p.live(page.Epoch)
		p.mu.Unlock()
		if changed && !first {
			continue
		}
		done, err := p.takePage(asked, page)
		if err != nil {
			return nil, err
		}
		if done {
			return page.Digest, nil
		}
	}
}

// takePage stores a page and its cursor together.
func (p *Phone) takePage(asked *string, page fieldsync.PullResponse) (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if (asked == nil) != (p.cursor == nil) || asked != nil && *asked != *p.cursor {
		return false, nil // an answer to a cursor no longer ours
	}
	ids := make([]string, len(page.Changes))
	for i, c := range page.Changes {
		ids[i] = c.ID
		if c.Op == "upsert" {
			var r struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(c.Record, &r); err != nil || r.ID == "" {
				return false, fmt.Errorf("pull: a record of %s without id", c.Collection)
			}
			ids[i] = r.ID
		}
	}
	if page.Reset || asked == nil {
		p.seen = map[[2]string]bool{}
		if page.Reset {
			p.counters.Resets++
		}
	}
	for i, c := range page.Changes {
		key := [2]string{c.Collection, ids[i]}
		records := p.held[c.Collection]
		switch c.Op {
		case "upsert":
			if records == nil {
				records = map[string]*held{}
				p.held[c.Collection] = records
			}
			first := p.seen != nil && !p.seen[key]
			if h := records[ids[i]]; h == nil || first || c.Rev >= h.rev {
				records[ids[i]] = &held{rev: c.Rev, raw: c.Record}
			}
			if p.seen != nil {
				p.seen[key] = true
			}
			p.counters.Pulled++
		case "remove":
			delete(records, ids[i])
			if p.seen != nil {
				delete(p.seen, key)
			}
		}
	}
	p.cursor = &page.Cursor
	if page.More {
		return false, nil
	}
	if p.seen != nil {
		for collection, records := range p.held {
			for id := range records {
				if !p.seen[[2]string{collection, id}] {
					delete(records, id)
				}
			}
		}
		p.seen = nil
	}
	p.inPull = false
	p.keep(func(e *entry) bool { return e.state != answered || e.after >= p.pulls })
	return true, nil
}

// UploadAttachments sends the pictures in the order taken; what fails stays and is sent again by the next call.
func (p *Phone) UploadAttachments(ctx context.Context) error {
	if err := p.askForPictures(ctx); err != nil {
		return err
	}
	for {
		p.mu.Lock()
		if len(p.uploads) == 0 {
			p.mu.Unlock()
			return nil
		}
		next := p.uploads[0]
		p.mu.Unlock()
		next.meta.SentAt = hooks.Stored(p.Now())
		result, err := p.upload(ctx, next)
		if err != nil {
			return err
		}
		p.mu.Lock()
		if len(p.uploads) > 0 && p.uploads[0] == next {
			p.uploads = p.uploads[1:]
			if result.Status == fieldsync.Rejected {
				p.refused = append(p.refused, RefusedUpload{Meta: next.meta, Errors: result.Errors})
			} else {
				p.counters.Uploaded++
				p.pictures = append(p.pictures, &taken{next, p.Now()})
			}
		}
		p.mu.Unlock()
	}
}

// askForPictures asks a restored server which of the pictures it had taken it lacks; they go first.
func (p *Phone) askForPictures(ctx context.Context) error {
	p.mu.Lock()
	if !p.ask {
		p.mu.Unlock()
		return nil
	}
	p.tidy()
	kept, epoch, most := slices.Clone(p.pictures), p.epoch, p.limits.PushMutations
	p.mu.Unlock()
	lacks := map[string]bool{}
	for part := range slices.Chunk(kept, most) {
		ids := make([]string, len(part))
		for i, t := range part {
			ids[i] = t.meta.ID
		}
		missing, err := p.MissingAttachments(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range missing {
			lacks[id] = true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.epoch != epoch {
		return nil // restored once more meanwhile: asked again then
	}
	p.ask = false
	var first []*upload
	p.pictures = slices.DeleteFunc(p.pictures, func(t *taken) bool {
		if lacks[t.meta.ID] {
			first = append(first, t.upload)
		}
		return lacks[t.meta.ID]
	})
	p.uploads = append(first, p.uploads...)
	return nil
}

func (p *Phone) upload(ctx context.Context, u *upload) (out fieldsync.AttachmentResult, err error) {
	meta, err := json.Marshal(u.meta)
	if err != nil {
		return out, err
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	if err := w.WriteField("meta", string(meta)); err != nil {
		return out, err
	}
	kind, name := http.DetectContentType(u.bytes), u.meta.ID+".jpg"
	if kind == "image/png" {
		name = u.meta.ID + ".png"
	}
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {kind}, "Content-Disposition": {`form-data; name="file"; filename="` + name + `"`}})
	if err != nil {
		return out, err
	}
	if _, err := part.Write(u.bytes); err != nil {
		return out, err
	}
	if err := w.Close(); err != nil {
		return out, err
	}
	err = p.send(ctx, "/api/sync/attachments", w.FormDataContentType(), body.Bytes(), &out)
	return out, err
}

// MissingAttachments asks which of these pictures the server does not have.
func (p *Phone) MissingAttachments(ctx context.Context, ids []string) ([]string, error) {
	var out fieldsync.MissingResponse
	err := p.post(ctx, "/api/sync/attachments/missing", fieldsync.MissingRequest{Device: p.Device.ID, IDs: ids}, &out)
	return out.Missing, err
}

// Sync does what the app does when the network is there: push, what waits, pictures, pull.
func (p *Phone) Sync(ctx context.Context) error {
	if p.Epoch() == "" {
		if _, err := p.Hello(ctx); err != nil {
			return err
		}
	}
	if err := p.Push(ctx); err != nil {
		return err
	}
	if err := p.AskWaiting(ctx); err != nil {
		return err
	}
	if err := p.UploadAttachments(ctx); err != nil {
		return err
	}
	return p.Pull(ctx)
}

func (p *Phone) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return p.send(ctx, path, "application/json", body, out)
}

func (p *Phone) send(ctx context.Context, path, kind string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	p.mu.Lock()
	if p.token != "" {
		req.Header.Set("Authorization", p.token)
	}
	p.mu.Unlock()
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		call := &CallError{Status: res.StatusCode}
		var told hooks.Error
		if json.Unmarshal(answer, &told) == nil {
			call.Code, call.Message, call.Data = told.Code, told.Message, told.Data
		}
		if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
			call.RetryAfter = time.Duration(s) * time.Second
		}
		if call.Code == "" {
			call.Message = string(answer[:min(len(answer), 300)])
		}
		return fmt.Errorf("%s: %w", path, call)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// sameValue compares a field as the server sends it with one made here: by their JSON, so that 3 and 3.0 are one.
func sameValue(a, b any) bool {
	ja, errA := json.Marshal(a)
	jb, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(ja, jb)
}
