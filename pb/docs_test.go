package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	pbcmd "github.com/pocketbase/pocketbase/cmd"
	"github.com/pocketbase/pocketbase/core"
	"github.com/spf13/cobra"

	"gangwan/pb/ops"
	"gangwan/pb/registry"
)

// A page that tells an administrator what to do must not name a table, a field's value or a command that is not there.
func TestTheAdministratorsWeekNamesOnlyWhatExists(t *testing.T) {
	raw, err := os.ReadFile("../docs/admin-week.md")
	if err != nil {
		t.Fatal(err)
	}
	o := openOffice(t)
	root := &cobra.Command{Use: "gangwan"}
	root.AddCommand(pbcmd.NewServeCommand(o.app, false), pbcmd.NewSuperuserCommand(o.app), registry.Command(o.app, time.Now), pipelineCommand(o.app, time.Now))
	root.AddCommand(ops.Commands(o.app, time.Now, version)...)
	collections, err := o.app.FindAllCollections()
	o.ok(err)
	named := func(name string) *core.Collection {
		at := slices.IndexFunc(collections, func(c *core.Collection) bool { return c.Name == name })
		if at < 0 {
			return nil
		}
		return collections[at]
	}
	commands, tables, filters := 0, map[string]bool{}, 0
	for _, line := range strings.Split(string(raw), "\n") {
		var of *core.Collection // the one that the line spoke of last
		for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
			said := quoted[1]
			switch words := strings.Fields(said); {
			case words[0] == "gangwan":
				commands++
				c, rest, err := root.Find(words[1:])
				if err != nil || c == root || c.HasSubCommands() {
					t.Errorf("there is no command %s (%v)", said, err)
					continue
				}
				for _, arg := range rest {
					name, is := strings.CutPrefix(arg, "--")
					if is && !slices.Contains([]string{"dir", "help"}, name) && c.Flags().Lookup(name) == nil { // --dir is PocketBase's own
						t.Errorf("%s has no option --%s", c.CommandPath(), name)
					}
				}
			case regexp.MustCompile(`^[a-z_]+$`).MatchString(said):
				tables[said] = true
				if of = named(said); of == nil {
					t.Errorf("there is no collection %s", said)
				}
			case strings.Contains(said, "="):
				// A filter: somebody will type it as it stands.
				filters++
				if of == nil {
					t.Errorf("of what is %s the filter?", said)
					continue
				}
				if _, err := o.app.FindRecordsByFilter(of, said, "", 1, 0); err != nil {
					t.Errorf("%s cannot be filtered by %s: %v", of.Name, said, err)
				}
				for _, is := range regexp.MustCompile(`(\w+) !?= "(\w+)"`).FindAllStringSubmatch(said, -1) {
					if f, one := of.Fields.GetByName(is[1]).(*core.SelectField); one && !slices.Contains(f.Values, is[2]) {
						t.Errorf("%s.%s is never %s", of.Name, is[1], is[2])
					}
				}
			}
		}
	}
	if commands < 14 || len(tables) < 20 || filters < 6 {
		t.Errorf("only %d commands, %d tables and %d filters were found to check", commands, len(tables), filters)
	}
}
