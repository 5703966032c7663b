package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheCommittedWarehouseSchemaIsTheGeneratedOne(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "schema_gen.go")
	if err := generate(fresh); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../pipeline/schema_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatal("pipeline/schema_gen.go is out of date: run make generate")
	}
}
