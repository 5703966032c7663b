package fieldsync

import (
	"database/sql"
	"errors"
	"net/http"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// job is one write waiting for the writer: a push, or a picture that takes its place.
type job struct {
	run   func(tx core.App) error
	done  chan error
	size  int
	plain bool // nothing rests on it that may be worked out ahead; a push says itself when it does more than put plain new rows
}

// groupSize bounds how many mutations share a commit, so that the console's own writes get their turn between groups, and pushes
// are worked out while others are written: all that wait in one group, and nobody works meanwhile.
const groupSize = 210

// pushesAtOnce is how many pushes are taken apart, or wait for the writer so, at one time.
const pushesAtOnce = 16

// write queues a job and waits until its group is committed. The writer owns the write connection only while a group runs.
func (s *Server) write(size int, run func(tx core.App) error) error {
	return s.queue(&job{run: run, size: size})
}

// note is write for the books about devices, on which no record rests.
func (s *Server) note(run func(tx core.App) error) error {
	return s.queue(&job{run: run, size: 1, plain: true})
}

func (s *Server) queue(j *job) error {
	j.done = make(chan error, 1)
	select {
	case s.jobs <- j:
	case <-s.stopped:
		return errStopped
	}
	select {
	case err := <-j.done:
		return err
	case <-s.stopped:
		// The writer finishes what it has begun before it stops.
		select {
		case err := <-j.done:
			return err
		default:
			return errStopped
		}
	}
}

var errStopped = errors.New("the server is stopping")

func (s *Server) runWriter() {
	defer close(s.stopped)
	for {
		select {
		case <-s.stop:
			return
		case first := <-s.jobs:
			group, size := []*job{first}, first.size
		drain:
			for size < groupSize {
				select {
				case next := <-s.jobs:
					group = append(group, next)
					size += next.size
				default:
					break drain
				}
			}
			s.commit(group)
		}
	}
}

// commit runs a group in one transaction. A job that fails takes only itself back; when the commit itself fails, nobody
// is told "applied": everyone gets the error and sends again.
//
// SQLite copies each page that a savepoint covers, a quarter of the cost of a push. So a group is first run trusting that all
// goes well, without any; if something must be undone, the whole group is, and runs again carefully.
func (s *Server) commit(group []*job) {
	errs := make([]error, len(group))
	s.trusting, s.disturbed = true, false
	err := s.app.RunInTransaction(func(tx core.App) error { return s.runGroup(tx, group, errs) })
	if errors.Is(err, errAgain) {
		s.trusting = false
		err = s.app.RunInTransaction(func(tx core.App) error { return s.runGroup(tx, group, errs) })
	}
	if err != nil || s.disturbed {
		s.life.Add(1) // only now: who reads the number from here on reads what was committed, too
	}
	for i, j := range group {
		if err != nil && errs[i] == nil {
			errs[i] = err
		}
		j.done <- errs[i]
	}
}

// errAgain asks for the whole group to be undone and run again, carefully.
var errAgain = errors.New("undo this and run it again")

func (s *Server) runGroup(tx core.App, group []*job, errs []error) error {
	if err := s.look(tx); err != nil {
		return err
	}
	crossed, err := tick(tx, s.now())
	if err != nil {
		return err
	}
	s.disturbed = s.disturbed || crossed
	for i, j := range group {
		s.disturbed = s.disturbed || !j.plain
		if s.trusting {
			errs[i] = j.run(tx)
			var refused *callError
			if errs[i] != nil && !errors.As(errs[i], &refused) { // a call is refused before anything is written
				return errAgain
			}
			continue
		}
		var fatal error
		if errs[i], fatal = atomically(tx, j.run); fatal != nil {
			return fatal
		}
	}
	s.seen, err = stateOfDatabase(tx)
	return err
}

// look notes whether anybody else has written since the writer's last commit.
func (s *Server) look(tx core.App) error {
	present, err := stateOfDatabase(tx)
	s.disturbed = s.disturbed || present != s.seen
	return err
}

// state are numbers that stay the same as long as nobody writes: rows changed over this connection, the one that this process
// writes with; commits over any other; and, should the connection be a new one, the last seq.
type state [3]int64

func stateOfDatabase(tx core.App) (m state, err error) {
	g := ground{app: tx}
	err = g.each("SELECT total_changes(), data_version, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'), 0) FROM pragma_data_version", nil,
		func(r *sql.Rows) error { return r.Scan(&m[0], &m[1], &m[2]) })
	return m, err
}

// atomically runs f inside a savepoint: its own error undoes it and nothing else. fatal means that even undoing failed.
func atomically(tx core.App, f func(tx core.App) error) (failed, fatal error) {
	// Savepoints of one name nest, so a mutation inside a push needs no other name.
	if _, err := tx.DB().NewQuery("SAVEPOINT step").Execute(); err != nil {
		return nil, err
	}
	failed = f(tx)
	if failed != nil {
		if _, err := tx.DB().NewQuery("ROLLBACK TO step").Execute(); err != nil {
			return failed, errors.Join(failed, err)
		}
	}
	_, fatal = tx.DB().NewQuery("RELEASE step").Execute()
	return failed, fatal
}

// push applies one device's mutations in the order sent.
func (s *Server) push(user *core.Record, req *PushRequest) (*PushResponse, error) {
	s.working <- struct{}{}
	in := s.receive(user, req)
	<-s.working
	return s.take(in)
}

// incoming is a push on its way to the writer, with what could be worked out of it on the way.
type incoming struct {
	*PushRequest
	applier
	mutations []*sent
	ahead     *ground
}

// receive reads a push and works out what it can, beside the writer and other pushes.
func (s *Server) receive(user *core.Record, req *PushRequest) *incoming {
	in := &incoming{PushRequest: req, applier: applier{root: s.app, user: user, device: req.Device, received: s.now()}}
	in.skew = skewOf(req.SentAt, in.received)
	in.mutations = req.read(user.Id)
	in.ahead = s.workOutAhead(in.applier, in.mutations)
	return in
}

// take settles a push in the writer's turn.
func (s *Server) take(in *incoming) (*PushResponse, error) {
	resp := &PushResponse{ServerTime: hooks.Stored(in.received)}
	var made []*core.Record
	err := s.queue(&job{size: len(in.mutations) + 1, plain: true, run: func(tx core.App) error {
		if err := s.guard.check(tx.DB()); err != nil {
			return err
		}
		// As of this very transaction: a grid won or lost a moment ago counts.
		user, err := tx.FindRecordById("users", in.user.Id)
		if errors.Is(err, sql.ErrNoRows) {
			return refuse(http.StatusUnauthorized, "unauthorized")
		}
		if err != nil { // a server in trouble must not sign anybody out
			return err
		}
		device, err := registerDevice(tx, user, DeviceInfo{ID: in.device})
		if err != nil {
			return err
		}
		if err := mayCall(device, false); err != nil {
			return err
		}
		epoch, err := epochOf(tx.DB())
		if err != nil {
			return err
		}
		if in.Epoch != "" && in.Epoch != epoch {
			refusal := refuse(http.StatusConflict, "epoch_changed")
			refusal.err.With("epoch", epoch)
			return refusal
		}
		if err := noteContact(tx, in.device, in.received, in.skew, in.Pending, ""); err != nil {
			return err
		}
		a := in.applier // anew each time: the group may run twice
		a.tx, a.user = tx, user
		if a.resends, err = resending(tx.DB(), in.received); err != nil {
			return err
		}
		resp.Epoch = epoch
		resp.Results, err = a.applyAll(s, in.mutations, in.ahead)
		made = a.fresh
		return err
	}})
	if err == nil {
		err = s.announce(made)
	}
	return resp, err
}
