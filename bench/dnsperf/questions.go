package dnsperf

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/bench/fleet"
)

// WriteQuestions writes questions to a file that a Load can name, in a random
// order that is the same every time.
func WriteQuestions(file string, questions []fleet.Question) (err error) {
	f, err := os.Create(file) //nolint:gosec // in the benchmark's own directory
	if err != nil {
		return fmt.Errorf("write questions: %w", err)
	}
	out := bufio.NewWriter(f)
	order := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same order every time
	for _, i := range order.Perm(len(questions)) {
		// An error stays with the writer, for Flush.
		_, _ = fmt.Fprintln(out, questions[i].Name, dns.TypeToString[questions[i].Type])
	}
	if err := out.Flush(); err != nil {
		_ = f.Close() // the first error says it
		return fmt.Errorf("write questions: %w", err)
	}
	return f.Close()
}
