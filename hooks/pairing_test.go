package hooks

import "testing"

func TestAHarbourAndAnAreaArePairedOnceAtATime(t *testing.T) {
	o := openOffice(t)
	o.made(o.staff, "pairings", row{"harbour": o.harbour.Id, "area": o.circle.Id, "from": day("2026-01-01"), "until": day("2026-07-01")})
	o.tryAll("pairings", row{"harbour": o.harbour.Id, "area": o.circle.Id, "from": day("2026-07-01")}, []attempt{
		{"when the one before has ended", o.staff, nil, "", ""},
		{"while the one before is in force", o.staff, row{"from": day("2026-06-30")}, "area", "pairing_in_force"},
		{"since ever", nil, row{"from": ""}, "area", "pairing_in_force"},
		{"before the other began", o.staff, row{"from": day("2025-01-01"), "until": day("2026-01-01")}, "", ""},
		{"into the other", o.staff, row{"from": day("2025-01-01"), "until": day("2026-01-02")}, "area", "pairing_in_force"},
		{"another area", o.staff, row{"from": "", "area": o.park.Id}, "", ""},
		{"another harbour", nil, row{"from": "", "harbour": o.far.Id}, "", ""},
		{"a community is served by its street's pairing", nil, row{"area": o.community.Id}, "area", "area_not_paired"},
		{"it ends after it began", nil, row{"until": day("2026-06-30")}, "until", "ends_before_start"},
		{"verified before it began", o.staff, row{"verified_on": day("2026-06-30")}, "verified_on", "verified_before_pairing"},
		{"verified on its first day", o.staff, row{"verified_on": day("2026-07-01")}, "", ""},
		{"verified tomorrow", o.staff, row{"verified_on": day("2026-11-21")}, "verified_on", "date_in_future"},
		{"a pact of next year", nil, row{"party_pact_on": day("2027-01-01")}, "party_pact_on", "date_in_future"},
	})
}

func TestAServicePlateShowsWhoBothLiaisonsAre(t *testing.T) {
	o := openOffice(t)
	plate := row{"harbour": o.harbour.Id, "area": o.circle.Id, "plates": 2,
		"harbour_liaison": "小李", "harbour_liaison_phone": "023-58123456", "harbour_liaison_unit": "江城银行", "harbour_liaison_address": "江南大道1号",
		"area_liaison": "陈主任", "area_liaison_phone": "13800000001", "area_liaison_unit": "商圈办", "area_liaison_address": "高笋塘1号"}
	attempts := []attempt{{"all eight", o.staff, nil, "", ""}, {"no plate, no names", o.staff, row{"plates": 0, "area_liaison": ""}, "", ""}}
	for _, f := range onThePlate {
		attempts = append(attempts, attempt{"without " + f, o.staff, row{f: ""}, f, "plate_needs_liaison"})
	}
	o.tryAll("pairings", plate, attempts)
	if r := o.made(o.staff, "pairings", plate); Day(r.GetDateTime("plates_on").Time()) != "2026-11-20" {
		t.Error("the plates stand since they were entered, unless said otherwise:", r.GetString("plates_on"))
	}
}

func TestAContactIsOfThisHarbourOrOfNone(t *testing.T) {
	o := openOffice(t)
	o.tryAll("contacts", row{"name": "小李", "kind": "lobby_manager", "harbour": o.harbour.Id}, []attempt{
		{"a name alone", o.staff, nil, "", ""},
		{"a colleague", nil, row{"user": o.staff.Id}, "", ""},
		{"a grid worker has no harbour", nil, row{"user": o.worker.Id}, "", ""},
		{"somebody of another harbour", nil, row{"user": o.farHead.Id}, "user", "not_of_harbour"},
		{"gone before he came", o.staff, row{"from": day("2026-02-01"), "until": day("2026-01-31")}, "until", "ends_before_start"},
	})
}

func TestAWindowIsSomewhereAndWasStockedAlready(t *testing.T) {
	o := openOffice(t)
	o.tryAll("window_packs", row{"unit": "税务局办税厅", "kind": "tax", "harbour": o.harbour.Id}, []attempt{
		{"not yet stocked", o.staff, nil, "", ""},
		{"stocked this morning", o.staff, row{"stocked_at": at("2026-11-20 09:00")}, "", ""},
		{"stocked tonight", o.staff, row{"stocked_at": at("2026-11-20 20:00")}, "stocked_at", "time_in_future"},
		{"by a phone whose clock is known to run an hour ahead", nil, row{"stocked_at": at("2026-11-20 10:58"), "skew": 3600}, "", ""},
		{"nowhere", nil, row{"harbour": ""}, "harbour", "window_place_needed"},
	})
}

func TestAHarbourHasItsNumberAndAHostBank(t *testing.T) {
	o := openOffice(t)
	o.tryAll("harbours", row{"number": "万州港湾-003", "name": "五桥港湾", "kind": "street", "host_bank": o.bank.Id, "partner_banks": []string{o.other.Id}, "status": "operating"}, []attempt{
		{"as on the sign", nil, nil, "", ""},
		{"typed in full width with a space", nil, row{"number": "万州港湾－ ００４"}, "", ""},
		{"one number, one harbour", nil, row{"number": " ００１"}, "number", "not_unique"},
		{"a number ends in digits", nil, row{"number": "万州港湾"}, "number", "bad_harbour_number"},
		{"a number is no sentence", nil, row{"number": "万州，港湾1"}, "number", "bad_harbour_number"},
		{"no number", nil, row{"number": " "}, "number", "required"},
		{"the centre is one of its kind and may lack a host", nil, row{"kind": "centre", "number": "首贷续贷中心", "host_bank": ""}, "", ""},
		{"no other operates without one", nil, row{"host_bank": ""}, "host_bank", "host_bank_needed"},
		{"but may be planned", nil, row{"host_bank": "", "status": "planned", "opened_on": day("2027-01-01")}, "", ""},
		{"a guarantor is no host", nil, row{"host_bank": o.guarantor.Id}, "host_bank", "host_no_bank"},
		{"the host does not assist itself", nil, row{"partner_banks": []string{o.other.Id, o.bank.Id}}, "partner_banks", "partner_is_host"},
		{"what operates has opened", nil, row{"opened_on": day("2026-11-21")}, "opened_on", "date_in_future"},
	})
}

func TestTheHandbooksRunFromLowToHighAndFromFirstToLast(t *testing.T) {
	o := openOffice(t)
	o.tryAll("policies", row{"title": "贴息", "kind": "fiscal", "valid_from": day("2026-01-01"), "valid_until": day("2026-12-31")}, []attempt{
		{"in order", nil, nil, "", ""},
		{"without end", nil, row{"valid_until": ""}, "", ""},
		{"reversed", nil, row{"valid_until": day("2025-12-31")}, "valid_until", "ends_before_start"},
	})
	o.tryAll("products", row{"name": "首贷通", "bank": o.bank.Id, "amount_min": 10_000, "amount_max": 500_000, "term_min": 6, "term_max": 36, "rate_min": 3.2, "rate_max": 4.5}, []attempt{
		{"in order", nil, nil, "", ""},
		{"no upper bounds", nil, row{"amount_max": 0, "term_max": 0, "rate_max": 0}, "", ""},
		{"amounts reversed", nil, row{"amount_min": 500_001}, "amount_max", "range_reversed"},
		{"terms reversed", nil, row{"term_min": 37}, "term_max", "range_reversed"},
		{"rates reversed", nil, row{"rate_max": 3.1}, "rate_max", "range_reversed"},
	})
}
