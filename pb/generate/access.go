package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/console"
)

// accessRoles are the roles in the order of the page.
var accessRoles = [][2]string{{"grid_worker", "网格员"}, {"harbour_staff", "当值"}, {"harbour_head", "负责人"}, {"liaison", "联络员"},
	{"bank", "银行"}, {"department", "部门"}, {"official", "主管部门"}, {"street_official", "镇街"}}

// scopeWords say what of a collection somebody sees by a scope.
var scopeWords = map[string]string{hooks.GridScope: "本网格", hooks.NearScope: "服务本网格的港湾", hooks.HarbourScope: "本港湾", hooks.BankScope: "本行",
	hooks.StreetScope: "本镇街", hooks.AgencyScope: "本部门", hooks.OfficialScope: "全区", hooks.UserScope: "本人"}

const accessHead = `# 谁看到什么、谁填写什么

<!-- 由 make generate 从 hooks/access.go、hooks/forms 和各类记录的规则生成，请勿手改。 -->

登录以后才看得到任何记录；首次登录须先改密码，改之前什么也看不到。网页接口、走访应用的下载和文件地址按同一张表判断，
pb/access_test.go 逐条核对。角色栏写的是看得到的范围，**✎** 表示该角色在走访应用里填写这类记录（有的字段另限角色）；“—”为看不到。

- **系统管理员**（superuser）用管理后台，看得到全部记录，包括个人信息；不能直接执行 SQL、不能改表结构、不能以他人名义登录（closed_in_production），每次查看、修改都记入操作日志。
- **导出**是单独的权限：用户的“可导出”（may_export）由区管理员开通，没有的只能看页面；每次导出都记入操作日志。
- **统计报告**：主管部门看全区和各镇街，镇街看本镇街；其他角色没有报告页面。
- **操作日志**（read_log）只增不改：触发器连 SQL 的修改、删除也拒绝，gangwan doctor 检查触发器是否还在。手机上报的每一条另记在 sync_mutations（哪台设备、何时）。

| 记录 |`

// accessPage renders docs/access.md: every collection, every role. A rule it has no words for is an error: the page would not be whole.
func accessPage(collections []*core.Collection) ([]byte, error) {
	byName := map[string]*core.Collection{}
	for _, c := range collections {
		byName[c.Name] = c
	}
	var b bytes.Buffer
	b.WriteString(accessHead)
	for _, r := range accessRoles {
		b.WriteString(" " + r[1] + " |")
	}
	b.WriteString(" 条件 |\n|" + strings.Repeat(" --- |", len(accessRoles)+2) + "\n")
	for _, group := range console.Groups() {
		fmt.Fprintf(&b, "| **%s** |%s\n", group.Title, strings.Repeat("  |", len(accessRoles)+1))
		for _, named := range group.Collections {
			c := byName[named.Collection]
			if c == nil {
				return nil, fmt.Errorf("main.js names %s, which is no collection", named.Collection)
			}
			fmt.Fprintf(&b, "| %s `%s` |", named.Name, c.Name)
			for _, r := range accessRoles {
				sees, err := seenBy(c, r[0])
				if err != nil {
					return nil, err
				}
				if form := hooks.Forms[c.Name]; form != nil && slices.Contains(form.Writers, r[0]) {
					sees += " ✎"
				}
				b.WriteString(" " + sees + " |")
			}
			b.WriteString(" " + strings.Join(conditions(c), "；") + " |\n")
		}
	}
	return b.Bytes(), nil
}

// seenBy says in words what of a collection people of a role see.
func seenBy(c *core.Collection, role string) (string, error) {
	if h := hooks.HoldingOf(c.Name); h != nil {
		if h.All {
			return "全部", nil
		}
		var words []string
		for _, column := range h.Columns {
			word := scopeWords[column.Prefix]
			if (column.Prefix == hooks.UserScope || slices.Contains(hooks.Prefixes(role), column.Prefix)) && !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
		switch {
		case len(words) == 0:
			return "—", nil
		case slices.Contains(words, scopeWords[hooks.OfficialScope]):
			return scopeWords[hooks.OfficialScope], nil // the own ones among them
		}
		return strings.Join(words, "、"), nil
	}
	// What phones never hold: the rule itself has to be one that the page knows.
	switch rule := c.ListRule; {
	case rule == nil:
		return "—", nil
	case *rule == "id = @request.auth.id":
		return "本人", nil
	case strings.HasSuffix(*rule, `(@request.auth.role = "official" || @request.auth.role = "street_official")`):
		if role == "official" || role == "street_official" {
			return "全部", nil
		}
		return "—", nil
	default:
		return "", fmt.Errorf("%s: docs/access.md has no words for the rule %s", c.Name, *rule)
	}
}

// conditions are what the table's cells cannot say: what a record must be, and which fields stay hidden from some who hold it.
func conditions(c *core.Collection) (out []string) {
	if h := hooks.HoldingOf(c.Name); h != nil && h.Note != "" {
		out = append(out, h.Note)
	} else if h == nil && c.ListRule == nil {
		out = append(out, "只有系统管理员")
	}
	if form := hooks.Forms[c.Name]; form != nil {
		for _, f := range form.Fields {
			if f.SeenBy == nil {
				continue
			}
			var roles []string
			for _, r := range accessRoles {
				if slices.Contains(f.SeenBy, r[0]) {
					roles = append(roles, r[1])
				}
			}
			out = append(out, "“"+f.Label+"”只给"+strings.Join(roles, "、"))
		}
	}
	return out
}
