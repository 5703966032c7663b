package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// A credit code whose check digit fails is flagged for an administrator to look at, and a day of the calendar says which
// document made it one.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		enterprises, holidays := find(app, "enterprises"), find(app, "holidays")
		enterprises.Fields.Add(boolean("uscc_unverified", "统一社会信用代码校验位不符，待核对（系统标记；早期试点代码可能如此）"))
		enterprises.AddIndex("enterprises_uscc_unverified", false, "uscc_unverified", "uscc_unverified")
		holidays.Fields.Add(text("source_doc", 200, "依据文件"))
		if err := saveAll(app, enterprises, holidays); err != nil {
			return err
		}
		// GB 32100-2015 in one statement: the codes stored before this flag existed.
		return execAll(app, `UPDATE enterprises SET uscc_unverified = TRUE WHERE length(uscc) = 18 AND substr(uscc, 18, 1) !=
			substr('0123456789ABCDEFGHJKLMNPQRTUWXY', 1 + (31 - (SELECT sum(w.value * (instr('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(uscc, w.key + 1, 1)) - 1))
			FROM json_each('[1,3,9,27,19,26,16,17,20,29,25,13,8,24,10,30,28]') w) % 31) % 31, 1)`)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		enterprises, holidays := find(app, "enterprises"), find(app, "holidays")
		enterprises.RemoveIndex("enterprises_uscc_unverified")
		enterprises.Fields.RemoveByName("uscc_unverified")
		holidays.Fields.RemoveByName("source_doc")
		return saveAll(app, enterprises, holidays)
	})
}
