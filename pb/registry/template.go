package registry

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/xuri/excelize/v2"
)

// templateRows is how far the drop-downs and the text format of a template reach.
const templateRows = 5000

// saveTemplate writes an empty workbook that the import reads back: the usual headings, what must be filled marked, every
// cell a text so that Excel rounds no code, drop-downs where there is a choice, and a sheet that explains the columns.
func saveTemplate(cmd *cobra.Command, path string, list listing) error {
	fail := func(err error) error {
		fmt.Fprintf(cmd.ErrOrStderr(), "模板没能写到 %s：%v\n", path, err)
		return ExitError{exitNothing}
	}
	if !strings.HasSuffix(strings.ToLower(path), ".xlsx") {
		return fail(fmt.Errorf("文件名应以 .xlsx 结尾"))
	}
	f, err := template(list)
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

func template(list listing) (*excelize.File, error) {
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
			if err := dropDown(f, sheet, i+1, templateRows, c.choices); err != nil {
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

// dropDown offers choices in the rows of a column below the header.
func dropDown(f *excelize.File, sheet string, column, rows int, choices []string) error {
	name, err := excelize.ColumnNumberToName(column)
	if err != nil {
		return err
	}
	v := excelize.NewDataValidation(true)
	v.Sqref = fmt.Sprintf("%s2:%s%d", name, name, rows+1)
	if err := v.SetDropList(choices); err != nil {
		return err
	}
	v.SetError(excelize.DataValidationErrorStyleStop, "不在可选范围内", "请从下拉列表里选择")
	return f.AddDataValidation(sheet, v)
}
