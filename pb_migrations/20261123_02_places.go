package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// Areas, banks, harbours and grids: the small reference collections that every signed-in user holds.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		areas := readable(newBase("areas",
			required(text("code", 12, "统计用区划代码（国家统计局），6、9 或 12 位")),
			needText("name", 60, "名称"),
			required(one("kind", "类别：区、街道、镇乡、社区、村、园区、商圈、楼宇、专业市场",
				"district", "street", "town", "community", "village", "park", "business_circle", "building", "market")),
			date("from", "启用日期；代码和名称会变，变更时新增一行"),
			date("until", "停用日期，空为现行"),
		), signedIn)
		areas.AddIndex("areas_code", true, "code, `from`", "")
		if err := app.Save(areas); err != nil {
			return err
		}
		areas.Fields.AddAt(3, rel("parent", areas, "上级区划"))
		areas.AddIndex("areas_parent", false, "parent", "")
		if err := app.Save(areas); err != nil {
			return err
		}

		banks := readable(newBase("banks",
			needText("name", 80, "机构全称"),
			text("short_name", 20, "简称"),
			required(one("kind", "类别：银行、担保、保险、基金（政担银保企）", "bank", "guarantee", "insurer", "fund")),
		), signedIn)
		banks.AddIndex("banks_name", true, "name", "")
		if err := app.Save(banks); err != nil {
			return err
		}

		harbours := readable(newBase("harbours",
			needText("number", 20, "港湾编号，全区唯一，写在标识牌上"),
			needText("name", 80, "港湾名称"),
			required(one("kind", "类别：首贷续贷中心、街道、园区、商圈；首贷续贷中心不计入港湾排名", "centre", "street", "park", "business_circle")),
			rel("host_bank", banks, "主办行"),
			rels("partner_banks", banks, 30, "协办行（“一对多”包片服务）"),
			rel("area", areas, "所在街道、园区或商圈"),
			text("address", 200, "地址"),
			geo("location", "位置（WGS-84）"),
			text("service_phone", 20, "服务电话"),
			text("complaint_phone", 20, "投诉电话"),
			date("opened_on", "启用日期"),
			many("hardware", "便利化设施", "credit_report_kiosk", "loan_code_poster", "led_screen", "low_counter", "barrier_free", "suggestion_box"),
			text("loan_code", 300, "“长江渝融通”贷款码内容（网址）"),
			&core.FileField{Name: "sign_photo", MaxSelect: 1, MaxSize: 5 << 20, MimeTypes: []string{"image/jpeg", "image/png", "image/webp"}, Help: "标识牌照片"},
			one("status", "状态：筹建、运行、停用", "planned", "operating", "closed"),
		), signedIn)
		harbours.AddIndex("harbours_number", true, "number", "")
		if err := app.Save(harbours); err != nil {
			return err
		}

		grids := readable(newBase("grids",
			needText("name", 80, "网格名称"),
			text("code", 30, "网格编号"),
			needRel("area", areas, "所属社区、村、园区、商圈、楼宇或专业市场"),
			one("kind", "类别", "community", "village", "park", "business_circle", "building", "market"),
			rel("harbour", harbours, "服务港湾"),
			jsonField("boundary", 1<<20, "边界（GeoJSON，WGS-84），可空"),
			whole("registered_count", 0, 1e6, "登记机关给出的市场主体数，没有则为 0"),
		), signedIn)
		grids.AddIndex("grids_code", true, "code", "code != ''")
		grids.AddIndex("grids_area", false, "area", "")
		grids.AddIndex("grids_harbour", false, "harbour", "")
		return app.Save(grids)
	}, func(app core.App) error { return dropAll(app, "grids", "harbours", "banks", "areas") })
}
