package pb_migrations

import (
	"github.com/pocketbase/pocketbase/core"
)

// Who stands behind a harbour: agencies, contacts, pairings, duty, and the windows that carry its leaflets (附件六, 八).
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		users, areas, grids, harbours := find(app, "users"), find(app, "areas"), find(app, "grids"), find(app, "harbours")

		agencies := readable(newBase("agencies",
			text("code", 30, "机构代码；机构更名时新增一行，代码不变"),
			needText("name", 80, "机构名称（当时的全称）"),
			text("short_name", 20, "简称"),
			required(one("kind", "类别：人民银行、金融工作部门、金融监管、区级部门、法院、公安、市场监管、税务、社保、镇街、其他",
				"central_bank", "financial_office", "regulator", "department", "court", "police", "market_regulation", "tax", "social_security", "street", "other")),
			date("from", "此名称启用日期"),
			date("until", "此名称停用日期，空为现行"),
		), signedIn)
		agencies.AddIndex("agencies_name", true, "name, `from`", "")
		if err := app.Save(agencies); err != nil {
			return err
		}

		users.Fields.Add(
			rel("agency", agencies, "所属部门（部门、主管部门账号）"),
			rels("scope_harbours", harbours, 50, "服务其网格的港湾（由“网格分配”和网格的服务港湾自动维护，不要手改）"),
		)
		if err := app.Save(users); err != nil {
			return err
		}
		// From here on triggers keep it; whoever walks grids already stands near their harbours.
		if err := execAll(app, `UPDATE users SET scope_harbours = (SELECT json_group_array(harbour) FROM (SELECT DISTINCT harbour FROM grids
			WHERE harbour != '' AND id IN (SELECT value FROM json_each(users.scope_grids)) ORDER BY harbour)) WHERE json_array_length(scope_grids) > 0`); err != nil {
			return err
		}

		contacts := newBase("contacts",
			needText("name", 40, "姓名"),
			text("phone", 20, "联系电话"),
			text("unit", 80, "所属单位"),
			text("post", 40, "职务或分工"),
			required(one("kind", "类别：街道工作人员、社区工作人员、网格员、双向联络员、大堂经理、青年志愿者、报税专管员",
				"street_staff", "community_staff", "grid_worker", "liaison", "lobby_manager", "volunteer", "tax_officer")),
			rel("harbour", harbours, "对口港湾"),
			rel("area", areas, "所在街道、社区、园区或商圈"),
			rel("agency", agencies, "所属部门"),
			rel("user", users, "系统账号（有则可作交接的接手人）"),
			boolean("sign_language", "会手语"),
			date("from", "起"),
			date("until", "止，空为至今"),
		)
		held(contacts, true, heldBy(holdsHarbour, holdsNear), "scope_harbour")
		contacts.AddIndex("contacts_user", false, "user", "user != ''")

		pairings := newBase("pairings",
			needRel("harbour", harbours, "金融服务港湾"),
			needRel("area", areas, "结对的街道、商圈、园区、专业市场或楼宇"),
			text("harbour_liaison", 40, "港湾方联络员姓名"),
			text("harbour_liaison_phone", 20, "港湾方联络员电话"),
			text("harbour_liaison_unit", 80, "港湾方联络员所属单位"),
			text("harbour_liaison_address", 120, "港湾方联络员单位地址"),
			text("area_liaison", 40, "街道（商圈、园区）方联络员姓名"),
			text("area_liaison_phone", 20, "街道（商圈、园区）方联络员电话"),
			text("area_liaison_unit", 80, "街道（商圈、园区）方联络员所属单位"),
			text("area_liaison_address", 120, "街道（商圈、园区）方联络员单位地址"),
			whole("plates", 0, 1000, "已摆放服务牌（块）"),
			text("plate_places", 500, "服务牌摆放位置"),
			date("plates_on", "服务牌摆放或最近查看日期"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
			date("verified_on", "联系簿最近核对日期"),
			date("party_pact_on", "党建共建协议签订日期"),
			date("from", "结对开始日期"),
			date("until", "结对结束日期，空为至今"),
			text("note", 500, "说明"),
		)
		held(pairings, true, heldBy(holdsHarbour, holdsNear, holdsOfficial, holdsStreet), "scope_harbour", "scope_street", "scope_official")
		pairings.AddIndex("pairings_area", false, "area", "")
		pairings.AddIndex("pairings_harbour", false, "harbour", "")

		packs := newBase("window_packs",
			needText("unit", 80, "行政服务窗口所在单位"),
			required(one("kind", "窗口类别：街道、市场监管、税务、社保、其他", "street", "market_regulation", "tax", "social_security", "other")),
			text("place", 200, "窗口位置"),
			rel("grid", grids, "所在网格"),
			rel("harbour", harbours, "供应资料的港湾"),
			date("stocked_at", "最近摆放资料包的时间；空为尚未纳入"),
			whole("quantity", 0, 1e5, "摆放份数"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
			text("note", 500, "说明"),
		)
		held(packs, true, heldBy(holdsGrid, holdsHarbour, holdsOfficial), "scope_grid", "scope_harbour", "scope_official")
		packs.AddIndex("window_packs_grid", false, "grid", "grid != ''")

		duty := newBase("duty_rosters",
			needRel("harbour", harbours, "金融服务港湾"),
			rel("user", users, "当值工作人员（有账号的）"),
			&core.TextField{Name: "staff_name", Max: 40, Presentable: true, Help: "当值工作人员姓名"},
			required(date("day", "当值日期")),
			required(one("half", "上午、下午", "am", "pm")),
			date("checked_in_at", "签到时间"),
			geo("location", "签到位置（WGS-84）"),
			one("spot_check", "抽查：未抽查、在岗、不在岗；不在岗优先于签到", "none", "pass", "fail"),
			date("spot_checked_at", "抽查时间"),
			rel("spot_checked_by", users, "抽查人（系统填写）"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
			text("note", 300, "说明"),
		)
		held(duty, true, heldBy(holdsHarbour, holdsOfficial), "scope_harbour", "scope_official")
		duty.AddIndex("duty_rosters_slot", true, "harbour, day, half, user, staff_name", "")
		return saveAll(app, contacts, pairings, packs, duty)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		if err := dropAll(app, "duty_rosters", "window_packs", "pairings", "contacts"); err != nil {
			return err
		}
		if err := dropFields(app, "users", nil, "agency", "scope_harbours"); err != nil {
			return err
		}
		return dropAll(app, "agencies")
	})
}
