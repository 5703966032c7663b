package pb_migrations

import (
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

func init() {
	core.AppMigrations.Register(func(app core.App) error {
		enterprises, grids, harbours, users := find(app, "enterprises"), find(app, "grids"), find(app, "harbours"), find(app, "users")
		policies, products := find(app, "policies"), find(app, "products")
		pictures := []string{"image/jpeg", "image/png", "image/webp"}

		visits := readable(newBase("visits",
			needRel("enterprise", enterprises, "走访的市场主体"),
			rel("grid", grids, "采集时所属网格（固定不变）"),
			rel("harbour", harbours, "采集时服务港湾（系统填写）"),
			needRel("worker", users, "走访人"),
			required(date("started_at", "走访开始时间")),
			date("ended_at", "走访结束时间"),
			geo("location", "走访时定位（WGS-84）；0,0 表示无定位"),
			number("accuracy", 0, 1e5, "定位精度（米）"),
			one("place", "地点：门店、社区、专业市场、园区、楼宇", "shop", "community", "market", "park", "building"),
			required(one("outcome", "结果：见到、无人、拒访、已关停、已搬离、查无此处", "met", "absent", "refused", "closed", "moved", "not_found")),
			one("demand_asked", "融资需求：有、无、未询问", "yes", "no", "not_asked"),
			rels("policies", policies, 20, "讲解的政策"),
			rels("products", products, 20, "介绍的产品"),
			boolean("loan_code_shown", "已展示贷款码"),
			boolean("platform_guided", "已指导线上平台"),
			boolean("handbook_left", "已留宣传手册"),
			boolean("anti_fraud_told", "已做反诈提示"),
			text("notes", 2000, "备注"),
			&core.FileField{Name: "signature", MaxSelect: 1, MaxSize: 512 << 10, MimeTypes: pictures, Protected: true, Help: "受访人签名"},
			whole("photo_count", 0, 50, "应上传照片数"),
			date("next_visit_on", "下次走访日期"),
			text("location_reason", 200, "无法定位或距离过远的原因"),
			one("review", "审核：无、作废、例外通过、疑点属实", "none", "voided", "exception_approved", "suspicion_confirmed"),
		), signedIn+` && (`+holdsGrid+` || `+holdsHarbour+`)`)
		visits.Fields.Add(captured()...)
		visits.Fields.Add(scopes("scope_grid", "scope_harbour")...)
		visits.AddIndex("visits_enterprise", false, "enterprise", "")
		visits.AddIndex("visits_worker", false, "worker, started_at", "")
		visits.AddIndex("visits_scope_grid", false, "scope_grid", "")
		visits.AddIndex("visits_scope_harbour", false, "scope_harbour", "")

		photos := readable(newBase("photos",
			required(text("collection", 40, "属于哪类记录")),
			required(text("record", 32, "属于哪条记录")),
			&core.FileField{Name: "file", MaxSelect: 1, MaxSize: 5 << 20, MimeTypes: pictures, Protected: true, Help: "照片"},
			&core.TextField{Name: "sha256", Max: 64, Pattern: `^[0-9a-f]{64}$`, Help: "文件摘要（SHA-256，十六进制）"},
			&core.NumberField{Name: "bytes", OnlyInt: true, Min: types.Pointer(0.0), Help: "文件大小（字节）"},
			date("taken_at", "拍摄时间"),
			geo("location", "拍摄位置（WGS-84）"),
		), signedIn+` && (`+holdsGrid+` || `+holdsHarbour+`)`)
		photos.Fields.Add(captured()...)
		photos.Fields.Add(scopes("scope_grid", "scope_harbour")...)
		photos.AddIndex("photos_record", false, "record", "")
		photos.AddIndex("photos_scope_grid", false, "scope_grid", "")
		photos.AddIndex("photos_scope_harbour", false, "scope_harbour", "")
		return saveAll(app, visits, photos)
	}, func(app core.App) error { return dropAll(app, "photos", "visits") })
}
