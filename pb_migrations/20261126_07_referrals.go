package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// Lists of departments, checked and dispatched by the central bank, answered by banks (§三(三)一).
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		users, agencies, banks := find(app, "users"), find(app, "agencies"), find(app, "banks")
		enterprises, demands := find(app, "enterprises"), find(app, "demands")

		batches := newBase("referral_batches",
			&core.TextField{Name: "title", Max: 120, Required: true, Presentable: true, Help: "名单名称"},
			needRel("agency", agencies, "推送部门"),
			date("due", "应送达日期"),
			date("delivered_at", "送达时间（系统填写）"),
			document("file", "部门的原始名单"),
			required(one("status", "状态：应送未送、已上传、已核对、已退回、已分发", "expected", "uploaded", "checked", "returned", "dispatched")),
			text("return_reason", 500, "退回原因"),
			date("checked_at", "核对时间（系统填写）"),
			rel("checked_by", users, "核对人（系统填写：人行）"),
			date("dispatched_at", "分发时间（系统填写）"),
			rel("dispatched_by", users, "分发人（系统填写：人行）"),
			text("note", 500, "说明"),
		)
		held(batches, true, heldBy(holdsBanks, holdsAgency, holdsOfficial), "scope_agency", "scope_official")
		batches.Fields.Add(&core.RelationField{Name: "scope_banks", CollectionId: banks.Id, MaxSelect: 60, Hidden: true, Help: "可见范围：分发到的各家银行（系统维护）"})
		batches.AddIndex("referral_batches_status", false, "status, due", "")
		if err := app.Save(batches); err != nil {
			return err
		}

		referrals := newBase("referrals",
			needRel("batch", batches, "推送名单"),
			rel("enterprise", enterprises, "市场主体"),
			text("enterprise_name", 120, "主体名称（名单上的写法）"),
			text("enterprise_phone", 20, "联系电话（名单上的，或系统抄录）"),
			rel("bank", banks, "分发给哪家银行；一户多行则每行一条"),
			one("batch_status", "名单状态（系统抄录）", "expected", "uploaded", "checked", "returned", "dispatched"),
			many("why", "推送理由：发展前景好、信贷需求强、信用记录好、绿色", "prospect", "credit_need", "good_record", "green"),
			whole("wanted", 0, 1e10, "需求金额（元）"),
			date("contacted_at", "银行首次联系时间"),
			one("answer", "答复：未答复、拟支持、已授信、已放款、不符合条件、企业无需求、联系不上", "none", "intends", "granted", "disbursed", "ineligible", "no_need", "unreachable"),
			date("answered_at", "答复时间"),
			text("answer_note", 500, "答复说明"),
			rel("demand", demands, "由此登记的融资需求"),
		)
		held(referrals, true, heldBy(holdsBank, holdsHarbour, holdsAgency, holdsOfficial), "scope_bank", "scope_harbour", "scope_agency", "scope_official")
		referrals.AddIndex("referrals_row", true, "batch, enterprise, bank", "enterprise != ''")
		referrals.AddIndex("referrals_batch", false, "batch", "")
		referrals.AddIndex("referrals_enterprise", false, "enterprise", "enterprise != ''")
		if err := app.Save(referrals); err != nil {
			return err
		}
		demands.Fields.Add(rel("referral", referrals, "由哪条推送名单而来"))
		demands.AddIndex("demands_referral", false, "referral", "referral != ''")
		return app.Save(demands)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		if err := dropFields(app, "demands", []string{"demands_referral"}, "referral"); err != nil {
			return err
		}
		return dropAll(app, "referrals", "referral_batches")
	})
}
