// Command compare computes a published run's indicators again from the SQLite tables, by the oracle, and counts the rows
// that differ: make oracle DIR=./demo_data. Exit status 1 when any does.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gangwan/pipeline/oracle"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "用法：compare 数据目录")
		os.Exit(2)
	}
	differing, err := compare(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if differing > 0 {
		os.Exit(1)
	}
}

func compare(dir string) (differing int, err error) {
	warehouse := filepath.Join(dir, "warehouse")
	raw, err := os.ReadFile(filepath.Join(warehouse, "current"))
	if err != nil {
		return 0, err
	}
	var current struct {
		RunID string `json:"run_id"`
		Date  string `json:"date"`
		Marts string `json:"marts"`
	}
	if err := json.Unmarshal(raw, &current); err != nil {
		return 0, err
	}
	day, err := time.Parse(time.DateOnly, current.Date)
	if err != nil {
		return 0, err
	}
	want, err := oracle.Compute(filepath.Join(dir, "data.db"), current.Date, day.AddDate(0, 0, 1))
	if err != nil {
		return 0, err
	}
	got, err := oracle.ReadMart(filepath.Join(warehouse, current.Marts))
	if err != nil {
		return 0, err
	}
	diff := oracle.Diff(want, got)
	for i, d := range diff {
		if i == 20 {
			fmt.Printf("… and %d more\n", len(diff)-i)
			break
		}
		fmt.Println(d)
	}
	fmt.Printf("run %s: %d rows by the oracle, %d in the marts, %d differing\n", current.RunID, len(want), len(got), len(diff))
	return len(diff), nil
}
