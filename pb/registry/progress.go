package registry

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressOn shows a bar where somebody watches, and otherwise, in a log or a pipe, a line now and then.
func progressOn(lines io.Writer) (show func(done, total int), end func()) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		var bar *progressbar.ProgressBar
		show = func(done, total int) {
			if bar == nil {
				bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("导入"),
					progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("行"), progressbar.OptionFullWidth(),
					progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true))
			}
			_ = bar.Set(done)
		}
		return show, func() {
			if bar != nil {
				_ = bar.Clear()
			}
		}
	}
	began, last := time.Now(), time.Now()
	return func(done, total int) {
		if now := time.Now(); now.Sub(last) >= 5*time.Second || done == total && now.Sub(began) >= 5*time.Second {
			fmt.Fprintf(lines, "已处理 %d / %d 行（%d%%）\n", done, total, done*100/max(total, 1))
			last = now
			if done == total {
				began = now // said once
			}
		}
	}, func() {}
}
