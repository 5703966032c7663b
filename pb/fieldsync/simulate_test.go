package fieldsync

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How many histories a run plays, from which seed on: `make simulate N=20000 SEED=7`.
func simulated() (n int, seed uint64) {
	n, seed = 300, 1
	if v, err := strconv.Atoi(os.Getenv("SIMULATE")); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = v
	}
	return n, seed
}

const simulation = "TestWhateverTheNetworkPhonesAndOfficeDoNothingIsLostDoubledOrLeaked"

func TestWhateverTheNetworkPhonesAndOfficeDoNothingIsLostDoubledOrLeaked(t *testing.T) {
	n, from := simulated()
	started, total, base := time.Now(), map[string]int{}, t.TempDir()
	for seed := from; seed < from+uint64(n); seed++ {
		steps := rolled(seed, 90)
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		tally, err := play(dir, steps)
		_ = os.RemoveAll(dir) // twenty thousand of them fill a disk
		for what, times := range tally {
			total[what] += times
		}
		if err == nil {
			continue
		}
		small := steps
		if os.Getenv("SHRINK") != "no" {
			small, err = shrink(t, steps, err)
		}
		t.Fatalf("seed %d: %v\nthe same in few steps, ready for testdata/stories:\n\n-- steps --\n%s\n", seed, err, strings.Join(small, "\n"))
	}
	for _, what := range sortedKeys(total) {
		t.Logf("%7d %s", total[what], what)
	}
	t.Logf("%d histories from seed %d, %s each", n, from, time.Since(started)/time.Duration(n))
}

// shrink leaves out steps, larger pieces first, as long as the same invariant stays broken.
func shrink(t *testing.T, steps []string, err error) ([]string, error) {
	same := func(steps []string) error {
		_, other := play(t.TempDir(), steps)
		var a, b *simBroken
		if errors.As(err, &a) && errors.As(other, &b) && a.invariant == b.invariant || !errors.As(err, &a) && other != nil {
			return other
		}
		return nil
	}
	for size := len(steps) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(steps); {
			fewer := append(append([]string{}, steps[:i]...), steps[i+size:]...)
			if other := same(fewer); other != nil {
				steps, err = fewer, other
			} else {
				i += size
			}
		}
		if size == 1 {
			// A late step may have kept an earlier one alive: once more from the start.
			for i := 0; i < len(steps); i++ {
				fewer := append(append([]string{}, steps[:i]...), steps[i+1:]...)
				if other := same(fewer); other != nil {
					steps, err, i = fewer, other, -1
				}
			}
		}
	}
	return steps, err
}
