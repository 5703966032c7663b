package registry

import (
	"strings"

	"github.com/pocketbase/pocketbase/core"
	"golang.org/x/text/width"
)

// places finds the community that a registry row names, and the grid that serves it. Everything is by area code: a grid
// may still point at a row of the area tree that has since been renamed.
type places struct {
	districts   []string
	streets     map[string][]string            // name as compared → codes
	communities map[string]map[string][]string // street code ("" for any) → name as compared → codes
	isStreet    map[string]bool                // by code
	isCommunity map[string]bool
	areaOfGrid  map[string]string
	kindOfGrid  map[string]string
	gridsOf     map[string][]string
	harbourOf   map[string]string
	areaName    map[string]string // by code
	gridName    map[string]string
	memo        map[[2]string]placeAnswer
}

type placeAnswer struct{ area, why string }

// Why an enterprise has no grid yet.
const (
	whyNoCommunity      = "no_community"
	whyUnknownCommunity = "unknown_community"
	whyNoGrid           = "no_grid"
	whySeveralGrids     = "several_grids"
)

func loadPlaces(app core.App) (*places, error) {
	p := &places{
		streets: map[string][]string{}, communities: map[string]map[string][]string{"": {}},
		isStreet: map[string]bool{}, isCommunity: map[string]bool{},
		areaOfGrid: map[string]string{}, kindOfGrid: map[string]string{}, gridsOf: map[string][]string{}, harbourOf: map[string]string{},
		areaName: map[string]string{}, gridName: map[string]string{},
		memo: map[[2]string]placeAnswer{},
	}
	areas, err := app.FindRecordsByFilter("areas", "", "code", 0, 0)
	if err != nil {
		return nil, err
	}
	codeOf, kindOf := map[string]string{}, map[string]string{}
	for _, a := range areas {
		codeOf[a.Id], kindOf[a.Id] = a.GetString("code"), a.GetString("kind")
	}
	for _, a := range areas {
		if a.GetString("until") != "" {
			continue
		}
		code, parent := a.GetString("code"), codeOf[a.GetString("parent")]
		p.areaName[code] = a.GetString("name")
		switch a.GetString("kind") {
		case "district":
			p.districts = append(p.districts, sameText(a.GetString("name")))
		case "street", "town":
			p.isStreet[code] = true
			for _, n := range streetNames(a.GetString("name")) {
				p.streets[n] = append(p.streets[n], code)
			}
		case "community", "village":
			p.isCommunity[code] = true
			for _, under := range []string{parent, ""} {
				if p.communities[under] == nil {
					p.communities[under] = map[string][]string{}
				}
				stem, kind := communityName(a.GetString("name"))
				p.communities[under][stem+kind] = append(p.communities[under][stem+kind], code)
				if kind != "" {
					p.communities[under][stem] = append(p.communities[under][stem], code)
				}
			}
		}
	}
	grids, err := app.FindRecordsByFilter("grids", "", "id", 0, 0)
	if err != nil {
		return nil, err
	}
	for _, g := range grids {
		area := codeOf[g.GetString("area")]
		p.areaOfGrid[g.Id], p.kindOfGrid[g.Id], p.harbourOf[g.Id] = area, kindOf[g.GetString("area")], g.GetString("harbour")
		p.gridName[g.Id] = g.GetString("name")
		p.gridsOf[area] = append(p.gridsOf[area], g.Id)
	}
	return p, nil
}

// resolve finds the community's code, or says why it cannot. A street that is named but not known is never guessed around.
func (p *places) resolve(street, community string) (area, why string) {
	key := [2]string{street, community}
	if a, ok := p.memo[key]; ok {
		return a.area, a.why
	}
	area, why = p.find(sameText(street), sameText(community))
	p.memo[key] = placeAnswer{area, why}
	return area, why
}

func (p *places) find(street, community string) (area, why string) {
	if community == "" {
		return "", whyNoCommunity
	}
	if p.isCommunity[community] {
		return community, "" // given by its code
	}
	street, community = p.withoutDistrict(street), p.withoutDistrict(community)
	under := ""
	if street != "" {
		codes := p.streetCodes(street)
		if len(codes) != 1 {
			return "", whyUnknownCommunity
		}
		under = codes[0]
	}
	for _, name := range p.withoutStreet(community, &under) {
		stem, kind := communityName(name)
		for _, n := range []string{stem + kind, stem} {
			// 桥亭社区 that has become 桥亭村, or the other way round, is still the only one of its name.
			if codes := p.communities[under][n]; n != "" && len(codes) == 1 {
				return codes[0], ""
			}
		}
	}
	return "", whyUnknownCommunity
}

func (p *places) streetCodes(street string) []string {
	if p.isStreet[street] {
		return []string{street}
	}
	for _, n := range streetNames(street) {
		if codes := p.streets[n]; len(codes) > 0 {
			return codes
		}
	}
	return nil
}

// withoutDistrict drops 重庆市万州区 before the name of a street.
func (p *places) withoutDistrict(s string) string {
	for _, d := range p.districts {
		if i := strings.Index(s, d); i >= 0 && len(s) > i+len(d) {
			return s[i+len(d):]
		}
	}
	return s
}

// withoutStreet yields the community's name as written and, where it begins with a street, without that; a street that the
// row names nowhere else is learnt from it.
func (p *places) withoutStreet(community string, under *string) []string {
	names := []string{community}
	for _, end := range []string{"街道", "镇", "乡"} {
		i := strings.Index(community, end)
		if i <= 0 || len(community) == i+len(end) {
			continue
		}
		codes := p.streetCodes(community[:i+len(end)])
		if len(codes) != 1 || (*under != "" && *under != codes[0]) {
			continue
		}
		*under = codes[0]
		names = append(names, strings.TrimLeft(strings.TrimPrefix(community[i+len(end):], "办事处"), "/-_·,、"))
	}
	return names
}

// grid is the only grid of a community.
func (p *places) grid(area string) (grid, why string) {
	switch g := p.gridsOf[area]; len(g) {
	case 0:
		return "", whyNoGrid
	case 1:
		return g[0], ""
	default:
		return "", whySeveralGrids
	}
}

// elsewhere tells that the grid people chose lies in another community than the registry's. A grid in a park, market or
// building is a choice that the registry does not know, and no contradiction.
func (p *places) elsewhere(grid, area string) bool {
	k := p.kindOfGrid[grid]
	return area != "" && (k == "community" || k == "village") && p.areaOfGrid[grid] != area
}

var peoples = strings.NewReplacer("土家族", "", "苗族", "", "回族", "", "彝族", "", "侗族", "", "满族", "", "蒙古族", "", "藏族", "", "壮族", "", "瑶族", "")

// streetNames are the forms in which a street or town is compared: 高笋塘街道办事处 and 高笋塘, 地宝土家族乡 and 地宝乡.
func streetNames(name string) []string {
	s := sameText(name)
	for _, end := range []string{"人民政府", "办事处"} {
		s = strings.TrimSuffix(s, end)
	}
	out := []string{s}
	short := peoples.Replace(s)
	for _, end := range []string{"街道", "镇", "乡"} {
		if stem, ok := strings.CutSuffix(short, end); ok && stem != "" {
			return appendNew(out, short, stem)
		}
	}
	return appendNew(out, short)
}

func appendNew(out []string, more ...string) []string {
	for _, m := range more {
		if m != out[len(out)-1] {
			out = append(out, m)
		}
	}
	return out
}

// communityName splits a community's name into stem and kind, so that 王家坡社区 and 王家坡社区居民委员会 are one, while
// a 和平社区 and a 和平村 in one town stay two.
func communityName(name string) (stem, kind string) {
	s := sameText(width.Fold.String(name))
	for _, e := range []struct{ end, kind string }{
		{"社区居民委员会", "社区"}, {"社区居委会", "社区"}, {"居民委员会", "社区"}, {"居委会", "社区"}, {"社区委员会", "社区"}, {"社区", "社区"},
		{"村民委员会", "村"}, {"村委会", "村"}, {"村", "村"},
	} {
		if stem, ok := strings.CutSuffix(s, e.end); ok && stem != "" {
			if e.kind == "村" {
				if shorter := strings.TrimSuffix(stem, "村"); shorter != "" {
					stem = shorter
				}
			}
			return stem, e.kind
		}
	}
	return s, ""
}
