package registry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/xuri/excelize/v2"

	"gangwan/hooks"
)

// templateRows is how far the drop-downs and the text format of a template reach.
const templateRows = 5000

// saveBook writes a workbook to be filled in.
func saveBook(cmd *cobra.Command, path string, list listing, draw func() (*excelize.File, error)) error {
	fail := func(err error) error {
		reason := err.Error()
		var refused *hooks.Error
		if errors.As(err, &refused) {
			reason = refused.Message
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "模板没能写到 %s：%s\n", path, reason)
		return ExitError{exitNothing}
	}
	if !strings.HasSuffix(strings.ToLower(path), ".xlsx") {
		return fail(errors.New("文件名应以 .xlsx 结尾"))
	}
	f, err := draw()
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	if err := f.SaveAs(path); err != nil {
		return fail(err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s的空白模板已写到 %s（带 * 的列必填）\n", list.what, path)
	return nil
}

// newTemplate is an empty workbook that the import reads back: the usual headings, what must be filled marked, every cell a
// text so that Excel rounds no code, drop-downs where there is a choice, and a sheet that explains the columns.
func newTemplate(list listing) (*excelize.File, error) {
	f := excelize.NewFile()
	const help = "填写说明"
	header := make([]any, len(list.columns))
	lines := [][]any{{"栏目", "是否必填", "可选内容", "说明"}}
	for i, c := range list.columns {
		header[i] = c.headings[0]
		need := ""
		if c.required {
			header[i], need = c.headings[0]+"*", "必填"
		}
		lines = append(lines, []any{c.headings[0], need, strings.Join(c.choices, "、"), c.note})
	}
	sheet := list.what
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return nil, err
	}
	if _, err := f.NewSheet(help); err != nil {
		return nil, err
	}
	if err := headed(f, sheet, header); err != nil {
		return nil, err
	}
	for i, c := range list.columns {
		if len(c.choices) > 0 {
			name, err := excelize.ColumnNumberToName(i + 1)
			if err != nil {
				return nil, err
			}
			if err := dropDown(f, sheet, fmt.Sprintf("%s2:%s%d", name, name, templateRows), c.choices); err != nil {
				return nil, err
			}
		}
	}
	for i, line := range lines {
		if err := f.SetSheetRow(help, fmt.Sprint("A", i+1), &line); err != nil {
			return nil, err
		}
	}
	return f, f.SetColWidth(help, "A", "D", 28)
}

// headed writes a sheet's header: bold, kept in sight, and every column below it a text.
func headed(f *excelize.File, sheet string, header []any) error {
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"DDEBF7"}}})
	if err != nil {
		return err
	}
	plain, err := f.NewStyle(&excelize.Style{NumFmt: 49})
	if err != nil {
		return err
	}
	last, err := excelize.ColumnNumberToName(len(header))
	if err != nil {
		return err
	}
	for _, err := range []error{
		f.SetColStyle(sheet, "A:"+last, plain), f.SetColWidth(sheet, "A", last, 18), f.SetSheetRow(sheet, "A1", &header),
		f.SetCellStyle(sheet, "A1", last+"1", bold), f.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// dropDown offers choices in a range of cells.
func dropDown(f *excelize.File, sheet, cells string, choices []string) error {
	v := excelize.NewDataValidation(true)
	v.Sqref = cells
	if err := v.SetDropList(choices); err != nil {
		return err
	}
	v.SetError(excelize.DataValidationErrorStyleStop, "不在可选范围内", "请从下拉列表里选择")
	return f.AddDataValidation(sheet, v)
}
