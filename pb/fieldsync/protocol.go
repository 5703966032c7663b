// Package fieldsync is the offline-first sync protocol, version 1: what a phone captured is never lost, never doubled,
// never shown to the wrong person. DESIGN.md says why each invariant holds.
package fieldsync

import (
	"encoding/json"

	"gangwan/hooks"
)

// Protocol is the version spoken; any other is answered 409 protocol_unsupported.
const Protocol = 1

// The limits a server announces in hello.
const (
	MaxMutations       = 500
	MaxPushBytes       = 4 << 20
	MaxPullRecords     = 2000
	MaxAttachmentBytes = 5 << 20
)

// Status of one mutation or attachment.
type Status string

// What became of a mutation; see the protocol page for what the device does with each.
const (
	Applied  Status = "applied"
	Conflict Status = "conflict"
	Rejected Status = "rejected"
	Deferred Status = "deferred"
)

// DeviceInfo is how an installation of the app names itself. ID is a device-made UUIDv7.
type DeviceInfo struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Platform   string `json:"platform"`
	AppVersion string `json:"app_version"`
}

// HelloRequest opens a session; times are RFC 3339 or PocketBase's form.
type HelloRequest struct {
	Protocol int        `json:"protocol"`
	Device   DeviceInfo `json:"device"`
	SentAt   string     `json:"sent_at"`
	Pending  int        `json:"pending"`
	Wiped    bool       `json:"wiped,omitempty"`
}

// Limits of one call.
type Limits struct {
	PushMutations   int `json:"push_mutations"`
	PushBytes       int `json:"push_bytes"`
	PullRecords     int `json:"pull_records"`
	AttachmentBytes int `json:"attachment_bytes"`
}

// HelloResponse tells a device what the server is and what it may do.
type HelloResponse struct {
	Protocol      int            `json:"protocol"`
	ServerTime    string         `json:"server_time"`
	Epoch         string         `json:"epoch"`
	User          map[string]any `json:"user"`
	DeviceState   string         `json:"device_state"`
	MinAppVersion string         `json:"min_app_version"`
	Limits        Limits         `json:"limits"`
}

// Change is one field of an update: what the device saw and what it made of it.
type Change struct {
	From any `json:"from"`
	To   any `json:"to"`
}

// Mutation is one thing done on a device. Data goes with create, Changes with update, Rev with delete. AppliedSeq, SentAt and
// ServerTime come with what is sent again after a restore: where it stood in the life before, and the clocks of that exchange.
type Mutation struct {
	ID         string            `json:"id"`
	Op         string            `json:"op"`
	Collection string            `json:"collection"`
	Record     string            `json:"record"`
	CapturedAt string            `json:"captured_at"`
	Data       map[string]any    `json:"data,omitempty"`
	Changes    map[string]Change `json:"changes,omitempty"`
	Rev        int64             `json:"rev,omitempty"`
	Replaces   string            `json:"replaces,omitempty"`
	AppliedSeq int64             `json:"applied_seq,omitempty"`
	SentAt     string            `json:"sent_at,omitempty"`
	ServerTime string            `json:"server_time,omitempty"`
}

// PushRequest carries mutations in the order made. They stay raw: a bad one is rejected alone and kept whole.
type PushRequest struct {
	Protocol  int               `json:"protocol"`
	Device    string            `json:"device"`
	Epoch     string            `json:"epoch,omitempty"`
	SentAt    string            `json:"sent_at"`
	Pending   int               `json:"pending"`
	Mutations []json.RawMessage `json:"mutations"`

	body    []byte           // as it came, for a push that parsePush took apart in one go
	members []map[string]any // its mutations
}

// RecordRev names a record and its present revision.
type RecordRev struct {
	ID  string `json:"id"`
	Rev int64  `json:"rev"`
}

// FieldConflict holds both values; Theirs is left out where the user may not see it. A delete that was not done has the one
// conflict "_".
type FieldConflict struct {
	Yours  any  `json:"yours"`
	Theirs *any `json:"theirs,omitempty"`
}

// Result is what became of one mutation.
type Result struct {
	ID        string                   `json:"id"`
	Status    Status                   `json:"status"`
	Seq       int64                    `json:"seq,omitempty"`
	Duplicate bool                     `json:"duplicate,omitempty"`
	Record    *RecordRev               `json:"record,omitempty"`
	Conflicts map[string]FieldConflict `json:"conflicts,omitempty"`
	Errors    hooks.FieldErrors        `json:"errors,omitempty"`
	Ignored   []string                 `json:"ignored,omitempty"`

	prev int64 // the record's revision before
	// passed is the record on which the mutation that this one replaces held up others.
	passed string
}

// rev is the record's revision after; 0 when nothing was done to it.
func (r Result) rev() int64 {
	if r.Record == nil {
		return 0
	}
	return r.Record.Rev
}

// PushResponse has one result a mutation, in the same order.
type PushResponse struct {
	ServerTime string   `json:"server_time"`
	Epoch      string   `json:"epoch"`
	Results    []Result `json:"results"`
}

// PullRequest asks for everything since a cursor; a null cursor starts a full download.
type PullRequest struct {
	Protocol    int      `json:"protocol"`
	Device      string   `json:"device"`
	Cursor      *string  `json:"cursor"`
	Limit       int      `json:"limit,omitempty"`
	Collections []string `json:"collections,omitempty"`
	Digest      bool     `json:"digest,omitempty"`
}

// PullChange is an upsert (with rev and record) or a remove.
type PullChange struct {
	Collection string          `json:"collection"`
	Op         string          `json:"op"`
	Rev        int64           `json:"rev,omitempty"`
	ID         string          `json:"id,omitempty"`
	Record     json.RawMessage `json:"record,omitempty"`
}

// CollectionDigest is the count of records and the XOR of FNV-1a-32 over "id:rev".
type CollectionDigest struct {
	Count int    `json:"count"`
	Xor   uint32 `json:"xor"`
}

// PullResponse is one page, one consistent read.
type PullResponse struct {
	ServerTime string                      `json:"server_time"`
	Epoch      string                      `json:"epoch"`
	Cursor     string                      `json:"cursor"`
	More       bool                        `json:"more"`
	Reset      bool                        `json:"reset,omitempty"`
	Digest     map[string]CollectionDigest `json:"digest,omitempty"`
	Changes    []PullChange                `json:"changes"`
}

// AttachmentMeta describes a picture. Field, when set, names a file field of the record itself (a visit's signature);
// without it the picture belongs to the photos record whose id is ID.
type AttachmentMeta struct {
	Device     string  `json:"device"`
	ID         string  `json:"id"`
	Collection string  `json:"collection"`
	Record     string  `json:"record"`
	Field      string  `json:"field,omitempty"`
	SHA256     string  `json:"sha256"`
	Bytes      int64   `json:"bytes"`
	SentAt     string  `json:"sent_at"`
	TakenAt    string  `json:"taken_at"`
	Location   *LonLat `json:"location,omitempty"`
}

// LonLat is a WGS-84 position in degrees, PocketBase's geoPoint form.
type LonLat struct {
	Lon float64 `json:"lon"`
	Lat float64 `json:"lat"`
}

// AttachmentResult is what became of a picture.
type AttachmentResult struct {
	ID        string            `json:"id"`
	Status    Status            `json:"status"`
	Duplicate bool              `json:"duplicate,omitempty"`
	Errors    hooks.FieldErrors `json:"errors,omitempty"`
}

// MissingRequest asks which pictures the server does not have.
type MissingRequest struct {
	Device string   `json:"device"`
	IDs    []string `json:"ids"`
}

// MissingResponse lists them.
type MissingResponse struct {
	Missing []string `json:"missing"`
}
