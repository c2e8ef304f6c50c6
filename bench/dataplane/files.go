//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/svcreg/svcreg/bench/dataplane/report"
)

// write writes results as a table, a chart and raw figures.
func write(dir string, r report.Results) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	err = os.MkdirAll(dir, 0o750)
	for name, content := range map[string][]byte{
		"dataplane.json": raw, "dataplane.md": []byte(report.Markdown(r)), "dataplane.svg": []byte(report.Chart(r)),
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), content, 0o644)) //nolint:gosec // for all to read
	}
	return err
}

// read reads the raw figures of an earlier run.
func read(file string) (r report.Results, err error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the user's own
	if err != nil {
		return r, fmt.Errorf("read results: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read results: %s: %w", file, err)
	}
	return r, nil
}
