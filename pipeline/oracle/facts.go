package oracle

import (
	"math"
	"strings"
	"time"
)

// An entity is one credit code; a record without one stands for itself. The prefixes keep the two kinds of name apart.
func entity(e enterprise) string {
	if code := strings.TrimSpace(e.uscc); code != "" {
		return "uscc " + code
	}
	return "id " + e.id
}

func (c *computation) entityOf(enterpriseID string) string {
	if e, exists := c.enterpriseByID[enterpriseID]; exists {
		return entity(e)
	}
	return "id " + enterpriseID
}

// valueAt is what a field of an enterprise was at T: a past value if one covers T, else what the record says now.
func (c *computation) valueAt(e enterprise, field, present string, t time.Time) string {
	var best *pastValue
	for i, h := range c.past[e.id] {
		// No end reads as the zero time, before any T: such a row is no past value, the present one is on the record.
		if h.field != field || h.since.After(t) || !t.Before(h.until) {
			continue
		}
		// Two that cover the same moment should not exist; the later to begin is the better informed.
		if best == nil || h.since.After(best.since) {
			best = &c.past[e.id][i]
		}
	}
	if best != nil {
		return best.value
	}
	return present
}

func trading(registryStatus string) bool {
	return registryStatus == "存续" || registryStatus == "在业" || registryStatus == "开业"
}

func (c *computation) inUniverse(e enterprise, t time.Time) bool {
	registryStatus := c.valueAt(e, "registry_status", e.registryStatus, t)
	switch e.origin {
	case "registry":
		if !trading(registryStatus) {
			return false
		}
	case "field":
		if e.confirmedAt.IsZero() || !e.confirmedAt.Before(t) {
			return false
		}
		if registryStatus != "" && !trading(registryStatus) {
			return false
		}
	default:
		return false
	}
	if status := c.valueAt(e, "status", e.status, t); status != "" && status != "active" {
		return false
	}
	private := e.ownership == "" || e.ownership == "private" || e.ownership == "unknown"
	if e.kind != "individual_business" && !private {
		return false
	}
	if e.size == "medium" || e.size == "large" {
		return false
	}
	return e.foundedOn.IsZero() || e.foundedOn.Before(t)
}

// universeAt is the universe at T, one row for each entity.
func (c *computation) universeAt(t time.Time) map[string]enterprise {
	if known, ok := c.universe[t]; ok {
		return known
	}
	out := map[string]enterprise{}
	for _, e := range c.enterprises {
		if !c.inUniverse(e, t) {
			continue
		}
		other, taken := out[entity(e)]
		if !taken || speaksBefore(e, other) {
			out[entity(e)] = e
		}
	}
	c.universe[t] = out
	return out
}

func speaksBefore(a, b enterprise) bool {
	if a.origin != b.origin {
		return a.origin == "registry"
	}
	return a.id < b.id
}

// earlier is the order in which repeats and duplicates are told: by capture, then by id.
func earlier(aAt time.Time, aID string, bAt time.Time, bID string) bool {
	if !aAt.Equal(bAt) {
		return aAt.Before(bAt)
	}
	return aID < bID
}

// validVisits are the valid visits as known under a cut, in order of capture.
func (c *computation) validVisits(k cut) []visit {
	if known, ok := c.valid[k]; ok {
		return known
	}
	type pair struct{ worker, entity string }
	last := map[pair]time.Time{}
	out := []visit{}
	for _, v := range c.visits {
		if v.capturedAt.IsZero() || !k.admits(v.syncedAt) || !c.otherwiseValid(v, k) {
			continue
		}
		who := pair{v.worker, c.entityOf(v.enterprise)}
		before, seen := last[who]
		// A repeat holds back the next one too: calling every 20 hours earns one visit, not every second one.
		last[who] = v.capturedAt
		if seen && v.capturedAt.Sub(before) < 24*time.Hour {
			continue
		}
		out = append(out, v)
	}
	c.valid[k] = out
	return out
}

// otherwiseValid is everything asked of a valid visit except that it be no repeat.
func (c *computation) otherwiseValid(v visit, k cut) bool {
	e, exists := c.enterpriseByID[v.enterprise]
	if !exists || v.outcome != "met" || v.place != "shop" {
		return false
	}
	if v.review == "voided" || v.review == "suspicion_confirmed" {
		return false
	}
	if v.startedAt.IsZero() || v.endedAt.IsZero() || v.endedAt.Sub(v.startedAt) < 3*time.Minute {
		return false
	}
	return c.hasEvidence(v, k) && nearEnough(v, e)
}

func (c *computation) hasEvidence(v visit, k cut) bool {
	if v.signature != "" {
		return true
	}
	for _, p := range c.pictures[v.id] {
		if k.admits(p.syncedAt) {
			return true
		}
	}
	return false
}

func nearEnough(v visit, e enterprise) bool {
	if v.review == "exception_approved" {
		return true
	}
	if !v.location.known() {
		return false
	}
	return !e.location.known() || metres(v.location, e.location) <= 200
}

// metres is the great-circle distance on a sphere of 6,371,000 m (haversine).
func metres(a, b point) float64 {
	const radius = 6371000.0
	rad := math.Pi / 180
	dLat, dLon := (b.Lat-a.Lat)*rad, (b.Lon-a.Lon)*rad
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * radius * math.Asin(math.Sqrt(math.Min(1, h)))
}

// keptDemands are the demands of all history, as known under a cut, without void ones and duplicates.
func (c *computation) keptDemands(k cut) []demand {
	type chain struct{ entity, need string }
	lastKept := map[chain]time.Time{}
	var out []demand
	for _, d := range c.tables.demands {
		if d.capturedAt.IsZero() || d.stage == "void" || !k.admits(d.syncedAt) {
			continue
		}
		if d.enterprise != "" { // a person without an enterprise cannot be recognised again
			key := chain{c.entityOf(d.enterprise), d.need}
			before, seen := lastKept[key]
			if seen && d.capturedAt.Sub(before) <= 30*24*time.Hour {
				continue
			}
			lastKept[key] = d.capturedAt
		}
		out = append(out, d)
	}
	return out
}

// inCohort leaves out what no bank was asked to answer: void, direct financing, taken back within a day.
func (d demand) inCohort() bool {
	if d.stage == "void" || d.need == "equity" {
		return false
	}
	return d.withdrawnAt.IsZero() || d.withdrawnAt.Sub(d.capturedAt) > 24*time.Hour
}

// isBankContact says whether an event proves, as known for the period, that a bank reached the applicant.
// The end of the month is no limit here: a contact counts until the run, or until the month was frozen.
func (c *computation) isBankContact(e event, p period) bool {
	if e.kind != "contact" || !e.reached || e.match == "" || e.at.IsZero() {
		return false
	}
	if !e.at.Before(c.runEnd) || !p.cut.admits(e.syncedAt) {
		return false
	}
	return !p.cut.frozen || e.at.Before(p.cut.at)
}

// capturedRecord is what timeliness asks of any record made on a device.
type capturedRecord struct {
	device               string
	capturedAt, syncedAt time.Time
}

func (c *computation) capturedRecords() []capturedRecord {
	var out []capturedRecord
	for _, v := range c.visits {
		out = append(out, v.capturedRecord)
	}
	for _, p := range c.photos {
		out = append(out, p.capturedRecord)
	}
	for _, d := range c.tables.demands {
		out = append(out, d.capturedRecord)
	}
	for _, m := range c.matches {
		out = append(out, m.capturedRecord)
	}
	for _, e := range c.events {
		out = append(out, e.capturedRecord)
	}
	return out
}
