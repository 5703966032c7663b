package fieldsync

import (
	"testing"

	"gangwan/hooks"
)

// BenchmarkPushVisits pushes visits 50 a call from one phone over HTTP, durable, with feed and idempotency.
func BenchmarkPushVisits(b *testing.B) {
	d := newDistrict(b)
	p := d.phone("worker1")
	next := uint32(0)
	id := func() string {
		next++
		return hooks.NewID(d.time, &counter{next})
	}
	b.ResetTimer()
	for n := 0; n < b.N; {
		batch := []map[string]any{}
		for ; len(batch) < 50 && n < b.N; n++ {
			v := p.visit("ent100000000000", "grid10000000000")
			v["id"], v["record"] = id(), id()
			batch = append(batch, v)
		}
		p.push(batch...)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "visits/s")
}

type counter struct{ n uint32 }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n >> (8 * (i % 4)))
	}
	return len(p), nil
}
