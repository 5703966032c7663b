package pb_migrations

import (
	"strings"
	"unicode"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"golang.org/x/text/width"
)

// One enterprise, one record: pairs that seem to be the same, what an administrator decided about them, and the trail by which a
// merge can be undone.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		enterprises := find(app, "enterprises")
		key := text("name_key", 120, "用于比对重复的名称：去掉空格、标点、区划和公司形式（系统生成）")
		key.Hidden = true
		enterprises.Fields.Add(key, rel("merged_into", enterprises, "已合并到哪一户（系统填写，见“合并与判定”）"))
		enterprises.AddIndex("enterprises_name_key", false, "name_key, grid", "name_key != ''")
		enterprises.AddIndex("enterprises_name_near", false, "name_key, (location ->> '$.lat')", "name_key != ''")
		// Who has a code is told apart by it: by name only those without one are compared.
		enterprises.AddIndex("enterprises_uncoded", false, "name_key", "uscc = ''")
		enterprises.AddIndex("enterprises_suspected", false, "suspected_duplicate_of", "suspected_duplicate_of != ''")
		enterprises.AddIndex("enterprises_merged_into", false, "merged_into", "merged_into != ''")
		if err := app.Save(enterprises); err != nil {
			return err
		}
		if err := fillNameKeys(app); err != nil {
			return err
		}

		kept := needRel("kept", enterprises, "保留的一户：另一户的走访、需求、照片等都归到这里")
		merged := needRel("merged", enterprises, "并入的一户；判为两户不同时填另一户")
		kept.Presentable, merged.Presentable = true, true
		merges := newBase("enterprise_merges", kept, merged,
			one("status", "决定：合并（不选即为合并）、两户不同、撤销（把“合并”或“两户不同”改为“撤销”即可恢复原状）", "merged", "different", "undone"),
			&core.TextField{Name: "note", Max: 500, Presentable: true, Help: "说明；两户的信用代码不同时必填依据"},
			jsonField("trail", 50<<20, "合并时改动了什么（系统填写）：changes 为改动的记录，left 为因与保留的一户重复而留在原处的记录"),
			text("by", 255, "谁决定的（系统填写）"),
			date("at", "决定时间（系统填写）"),
			text("undone_by", 255, "谁撤销的（系统填写）"),
			date("undone_at", "撤销时间（系统填写）"),
		)
		merges.AddIndex("enterprise_merges_once", true, "merged", "status = 'merged'")
		merges.AddIndex("enterprise_merges_kept", false, "kept", "")
		merges.AddIndex("enterprise_merges_pair", false, "merged, kept", "")
		if err := app.Save(merges); err != nil {
			return err
		}

		const open = `IN ('', 'active')`
		const first = `(a.origin != 'registry', a.id) < (b.origin != 'registry', b.id)`
		// 200 metres, as on the phone; a degree of latitude is 111.2 km.
		const near = `(a.location ->> '$.lat') != 0 AND (b.location ->> '$.lat') BETWEEN (a.location ->> '$.lat') - 0.0018 AND (a.location ->> '$.lat') + 0.0018
						AND pow((a.location ->> '$.lat') - (b.location ->> '$.lat'), 2) + pow(((a.location ->> '$.lon') - (b.location ->> '$.lon')) * cos(radians(a.location ->> '$.lat')), 2) <= pow(0.2 / 111.2, 2)`
		// CROSS: SQLite would begin with the table instead of the few that stand twice. That they are not empty is said again for the indexes.
		uncoded := func(reason, where string) string {
			return ` UNION ALL SELECT iif(` + first + `, a.id, b.id), iif(` + first + `, b.id, a.id), ` + reason + ` FROM enterprises a CROSS JOIN enterprises b ON b.name_key = a.name_key AND b.name_key != '' AND b.id != a.id AND ` + where + `
					WHERE a.uscc = '' AND a.name_key != '' AND a.status ` + open + ` AND b.status ` + open
		}
		pairs := core.NewViewCollection("suspected_duplicates")
		pairs.ViewQuery = `SELECT p.id, keep.id AS keep, other.id AS other, CAST(p.reasons AS TEXT) AS reasons, keep.uscc AS keep_uscc, other.uscc AS other_uscc,
				keep.grid AS keep_grid, other.grid AS other_grid, other.origin, other.created
			FROM (SELECT s.x || '-' || s.y AS id, s.x, s.y, ltrim(max(CASE s.n WHEN 1 THEN '、信用代码相同' ELSE '' END) || max(CASE s.n WHEN 2 THEN '、电话相同' ELSE '' END) ||
					max(CASE s.n WHEN 3 THEN '、名称相近且在同一网格' ELSE '' END) || max(CASE s.n WHEN 4 THEN '、名称相近且相距不远' ELSE '' END), '、') AS reasons
				FROM (SELECT a.id AS x, b.id AS y, 1 AS n
					FROM (SELECT uscc FROM enterprises WHERE uscc != '' GROUP BY uscc HAVING count(*) > 1) g
					CROSS JOIN enterprises a ON a.uscc = g.uscc AND a.uscc != '' CROSS JOIN enterprises b ON b.uscc = g.uscc AND b.uscc != '' AND ` + first + `
					UNION ALL SELECT a.id, b.id, 2
					` + /* A number that many have is an agent's. */ `FROM (SELECT phone FROM enterprises WHERE phone != '' GROUP BY phone HAVING count(*) BETWEEN 2 AND 10) g
					CROSS JOIN enterprises a ON a.phone = g.phone AND a.phone != '' CROSS JOIN enterprises b ON b.phone = g.phone AND b.phone != '' AND ` + first + `
					WHERE a.status ` + open + ` AND b.status ` + open + ` AND (a.uscc = '' OR b.uscc = '' OR a.name_key = b.name_key)` +
			uncoded("3", `b.grid = a.grid AND b.grid != ''`) + uncoded("4", near) + `) s
				GROUP BY s.x, s.y) p
			JOIN enterprises keep ON keep.id = p.x AND keep.status != 'duplicate'
			JOIN enterprises other ON other.id = p.y AND other.status != 'duplicate'
			WHERE NOT EXISTS (SELECT 1 FROM enterprise_merges m WHERE m.merged = p.y AND m.kept = p.x AND m.status = 'different')
				AND NOT EXISTS (SELECT 1 FROM enterprise_merges m WHERE m.merged = p.x AND m.kept = p.y AND m.status = 'different')`
		return app.Save(pairs)
	}, func(app core.App) error {
		if err := dropAll(app, "suspected_duplicates", "enterprise_merges"); err != nil {
			return err
		}
		enterprises := find(app, "enterprises")
		for _, index := range []string{"name_key", "name_near", "uncoded", "suspected", "merged_into"} {
			enterprises.RemoveIndex("enterprises_" + index)
		}
		enterprises.Fields.RemoveByName("name_key")
		enterprises.Fields.RemoveByName("merged_into")
		return app.Save(enterprises)
	})
}

// fillNameKeys is what hooks.NameKey was on the day of this migration: from then on every save keeps the column.
func fillNameKeys(app core.App) error {
	var rows []struct{ ID, Name string }
	if err := app.DB().NewQuery(`SELECT id, name FROM enterprises`).All(&rows); err != nil {
		return err
	}
	for _, r := range rows {
		key := strings.Map(func(c rune) rune {
			if unicode.IsLetter(c) || unicode.IsNumber(c) {
				return unicode.ToLower(c)
			}
			return -1
		}, width.Fold.String(r.Name))
		short := strings.TrimPrefix(strings.TrimPrefix(key, "重庆市"), "万州区")
		for _, form := range []string{"个体工商户", "股份有限公司", "有限责任公司", "有限公司"} {
			short = strings.TrimSuffix(short, form)
		}
		if short == "" {
			short = key
		}
		if _, err := app.DB().NewQuery(`UPDATE enterprises SET name_key = {:key} WHERE id = {:id}`).Bind(dbx.Params{"key": short, "id": r.ID}).Execute(); err != nil {
			return err
		}
	}
	return nil
}
