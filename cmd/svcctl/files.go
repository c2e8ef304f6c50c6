package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// extensions are those of the files that are read from a directory.
var extensions = []string{".json", ".yaml", ".yml", ".pb"}

// filesFlag adds -f to a command.
func filesFlag(command *cobra.Command, files *[]string) {
	command.Flags().StringArrayVarP(files, "filename", "f", nil, "`FILE` or directory to read, - for standard input; may be repeated")
}

// documents reads and checks all objects of some files, directories or
// standard input. A namespace is filled in where a document names none. The
// error has a line for each thing that is wrong; there are no documents then.
func (a *app) documents(files []string, namespace string) ([]*codec.Document, error) {
	var all []*codec.Document
	var errs []error
	for _, name := range files {
		documents, err := a.read(name)
		all, errs = append(all, documents...), append(errs, err)
	}
	seen := map[registry.Ref]*codec.Document{}
	for _, d := range all {
		if namespace != "" {
			d.SetNamespace(namespace)
		}
		errs = append(errs, d.Validate())
		if other := seen[d.Ref()]; other != nil {
			errs = append(errs, fmt.Errorf("%s: %s: want it once, it stands in %s too", d.File(), d.Ref(), other.File()))
		}
		seen[d.Ref()] = d
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

// read reads one file, all files of one directory, or standard input.
func (a *app) read(name string) ([]*codec.Document, error) {
	if name == "-" {
		return parse("standard input", a.stdin)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return parseFile(name)
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var all []*codec.Document
	var errs []error
	for _, entry := range entries {
		if isManifest(entry) {
			documents, err := parseFile(filepath.Join(name, entry.Name()))
			all, errs = append(all, documents...), append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil, fmt.Errorf("%s: no file that ends in one of %v", name, extensions)
	}
	return all, errors.Join(errs...)
}

func isManifest(entry fs.DirEntry) bool {
	return !entry.IsDir() && slices.Contains(extensions, filepath.Ext(entry.Name()))
}

func parseFile(name string) ([]*codec.Document, error) {
	file, err := os.Open(name) //nolint:gosec // to open what the user names is the purpose
	if err != nil {
		return nil, err
	}
	documents, err := parse(name, file)
	return documents, errors.Join(err, file.Close())
}

// parse reads documents, but no more than codec takes. A file without any is
// a mistake.
func parse(name string, r io.Reader) ([]*codec.Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, codec.MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	documents, err := codec.ParseDocuments(name, data)
	if err == nil && len(documents) == 0 {
		err = fmt.Errorf("%s: no objects in it", name)
	}
	return documents, err
}
