package hooks

import (
	"strings"
	"unicode"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"golang.org/x/text/width"
)

// NameKey is a name as it is compared with others: full width and half width are one, without spaces, punctuation, the district's
// own name in front and the legal form behind. A name of nothing else stays as it is.
func NameKey(name string) string {
	key := strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsNumber(c) {
			return unicode.ToLower(c)
		}
		return -1
	}, width.Fold.String(name))
	short := strings.TrimPrefix(strings.TrimPrefix(key, "重庆市"), "万州区")
	for _, form := range []string{"个体工商户", "股份有限公司", "有限责任公司", "有限公司"} {
		short = strings.TrimSuffix(short, form)
	}
	if short == "" {
		return key
	}
	return short
}

// twinOf finds the record that a field-found enterprise seems to repeat: by USCC, by phone, by name in the same grid or within
// 200 metres, as the view suspected_duplicates does for all. What was merged already leads to the one that was kept. A duplicate is
// accepted and flagged; people merge.
func twinOf(app core.App, r *core.Record) (string, error) {
	place := r.GetGeoPoint("location")
	known := dbx.Params{"id": r.Id, "uscc": r.GetString("uscc"), "phone": r.GetString("phone"), "name": NameKey(r.GetString("name")), "grid": r.GetString("grid"), "lon": place.Lon, "lat": place.Lat}
	const open = ` AND status IN ('', 'active', 'duplicate')`
	// "not empty" is said in SQL too: the indexes leave empty values out, and are used only where the query says so.
	const uncoded = ` AND ({:uscc} = '' OR uscc = '')` + open
	for _, same := range []struct{ given, where string }{
		{"uscc", `uscc = {:uscc} AND uscc != ''`},
		{"phone", `phone = {:phone} AND phone != '' AND ({:uscc} = '' OR uscc = '' OR name_key = {:name})` + open},
		{"grid", `name_key = {:name} AND name_key != '' AND grid = {:grid}` + uncoded},
		{"lat", `name_key = {:name} AND name_key != '' AND (location ->> '$.lat') BETWEEN {:lat} - 0.0018 AND {:lat} + 0.0018` + uncoded +
			` AND pow((location ->> '$.lat') - {:lat}, 2) + pow(((location ->> '$.lon') - {:lon}) * cos(radians({:lat})), 2) <= pow(0.2 / 111.2, 2)`},
	} {
		if known[same.given] == "" || known[same.given] == 0.0 {
			continue
		}
		var ids []string
		if err := app.DB().NewQuery(`SELECT iif(merged_into != '', merged_into, id) FROM enterprises WHERE ` + same.where + ` AND id != {:id} ORDER BY id LIMIT 1`).
			Bind(known).Column(&ids); err != nil {
			return "", err
		}
		if len(ids) > 0 && ids[0] != r.Id {
			return ids[0], nil
		}
	}
	return "", nil
}
