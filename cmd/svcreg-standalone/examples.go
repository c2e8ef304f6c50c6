package main

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/svcreg/svcreg/examples"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// applyExamples writes the example services into the registry.
func applyExamples(ctx context.Context, writer *write.Writer) error {
	files, err := fs.Glob(examples.Files, "*.*")
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := examples.Files.ReadFile(file)
		if err != nil {
			return err
		}
		documents, err := codec.ParseDocuments("examples/"+file, data)
		if err != nil {
			return err
		}
		for _, d := range documents {
			if _, err := writer.Apply(ctx, d); err != nil {
				return fmt.Errorf("examples/%s: %w", file, err)
			}
		}
	}
	return nil
}
