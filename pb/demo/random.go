package demo

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
)

// Every purpose draws from a stream of its own, so that asking for more phones or days does not reshuffle the names.

func stream(seed uint64, purpose ...any) *rand.Rand {
	return rand.New(rand.NewPCG(seed, mix(purpose)))
}

// randomBytes is a seeded reader for ids.
func randomBytes(seed uint64, purpose ...any) io.Reader {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	binary.LittleEndian.PutUint64(b[8:], mix(purpose))
	return rand.NewChaCha8(sha256.Sum256(b[:]))
}

func mix(purpose []any) uint64 {
	h := fnv.New64a()
	for _, p := range purpose {
		switch v := p.(type) {
		case string:
			_, _ = io.WriteString(h, v)
		case int:
			_, _ = io.WriteString(h, strconv.Itoa(v))
		default:
			panic("demo: a stream is named by strings and numbers")
		}
		_, _ = h.Write([]byte{'/'})
	}
	return h.Sum64()
}

// recordID makes an id in PocketBase's own form, as the console would.
func recordID(r *rand.Rand) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	var b [15]byte
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b[:])
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

// between is a whole number from lo to hi, both included.
func between(r *rand.Rand, lo, hi int) int { return lo + r.IntN(hi-lo+1) }

// weighted picks an index by weight.
func weighted(r *rand.Rand, weights []float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	x := r.Float64() * sum
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return len(weights) - 1
}

type point struct{ lon, lat float64 }

func (p point) known() bool { return p != point{} }

const metresPerDegree = 111_320.0

// shifted moves a point by metres, to six decimals (0.1 m) as a phone reports it.
func (p point) shifted(east, north float64) point {
	return point{
		lon: math.Round((p.lon+east/(metresPerDegree*math.Cos(p.lat*math.Pi/180)))*1e6) / 1e6,
		lat: math.Round((p.lat+north/metresPerDegree)*1e6) / 1e6,
	}
}

func (p point) scattered(r *rand.Rand, metres float64) point {
	return p.shifted(r.NormFloat64()*metres, r.NormFloat64()*metres)
}

// away moves a point by exactly that many metres in some direction.
func (p point) away(r *rand.Rand, metres float64) point {
	a := r.Float64() * 2 * math.Pi
	return p.shifted(metres*math.Cos(a), metres*math.Sin(a))
}
