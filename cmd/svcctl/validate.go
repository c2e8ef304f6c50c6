package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) validateCommand() *cobra.Command {
	var files []string
	command := &cobra.Command{
		Use:     "validate -f FILE|DIR|-",
		Short:   "Check files as apply does, without etcd",
		Example: "  svcctl validate -f services/",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if len(files) == 0 {
				return usagef("want -f FILE")
			}
			documents, err := a.documents(files, "")
			for _, d := range documents {
				if _, err := fmt.Fprintf(a.stdout, "%s valid\n", handle(d.Ref())); err != nil {
					return err
				}
			}
			return err
		},
	}
	filesFlag(command, &files)
	return command
}
