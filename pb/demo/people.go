package demo

import (
	"fmt"
	"sort"
)

// person is a user account. Numbers are indexes into the district's lists, -1 for none.
type person struct {
	id, role, name, email, mobile, staffNo string
	street                                 string
	harbour, bank                          int
	agency                                 string // its code
	grids                                  []int  // walked from the first day
}

// makePeople gives every phone a worker, every harbour a head and a person on duty, every bank a desk.
func (d *district) makePeople() {
	serial := map[string]int{}
	add := func(role, prefix string, p person) *person {
		serial[prefix]++
		n := serial[prefix]
		r := stream(d.opts.Seed, "person", prefix, n)
		p.id, p.role = recordID(r), role
		if p.name == "" {
			p.name = personName(r)
		}
		p.email = fmt.Sprintf("%s%03d@demo.gangwan.test", prefix, n)
		p.staffNo = fmt.Sprintf("%s%04d", map[string]string{"wgy": "WGY", "dz": "DZ", "fzr": "FZR", "yh": "YH", "jg": "JG", "jd": "JD", "lly": "LLY", "bm": "BM"}[prefix], n)
		p.mobile = fmt.Sprintf("1990%02d%05d", map[string]int{"wgy": 10, "dz": 20, "fzr": 21, "yh": 30, "jg": 40, "jd": 41, "lly": 42, "bm": 43}[prefix], n)
		d.people = append(d.people, &p)
		return &p
	}
	for _, part := range shareGrids(len(d.grids), d.opts.Phones, d.opts.Seed) {
		w := add("grid_worker", "wgy", person{harbour: -1, bank: -1, street: d.grids[part[0]].street, grids: part})
		d.workers = append(d.workers, w)
	}
	for i := range d.harbours {
		h := &d.harbours[i]
		street := ""
		if h.kind == "street" {
			street = h.area
		}
		h.staff = add("harbour_staff", "dz", person{harbour: i, bank: h.host, street: street})
		h.head = add("harbour_head", "fzr", person{harbour: i, bank: h.host, street: street})
	}
	for i := range d.banks[:lenders] {
		add("bank", "yh", person{harbour: -1, bank: i})
	}
	for _, code := range leads {
		add("official", "jg", person{harbour: -1, bank: -1, agency: code})
	}
	for _, s := range d.inPlay {
		add("street_official", "jd", person{harbour: -1, bank: -1, street: s})
	}
	for i := range min(3, len(d.harbours)-1) {
		add("liaison", "lly", person{harbour: i + 1, bank: -1})
	}
	for _, code := range listing {
		add("department", "bm", person{harbour: -1, bank: -1, agency: code})
	}
}

// shareGrids deals neighbouring grids to the phones, two to six each.
func shareGrids(grids, phones int, seed uint64) [][]int {
	r := stream(seed, "share")
	size := make([]int, phones)
	for i := range size {
		size[i] = 2
	}
	left := grids - 2*phones
	for left > 0 {
		// A few carry many, most four: the smaller of two draws gets the next grid.
		a, b := r.IntN(phones), r.IntN(phones)
		if size[b] < size[a] {
			a = b
		}
		if size[a] < 6 {
			size[a]++
			left--
		}
	}
	out := make([][]int, phones)
	next := 0
	for i, n := range size {
		for range n {
			if next < grids {
				out[i] = append(out[i], next)
				next++
			}
		}
		if len(out[i]) == 0 { // more phones than grids
			out[i] = []int{i % grids}
		}
	}
	return out
}

func (d *district) byRole(role string) (out []*person) {
	for _, p := range d.people {
		if p.role == role {
			out = append(out, p)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].email < out[j].email })
	return out
}
