package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/lab"
)

const (
	// checked is about how many answers of each kind are compared with what
	// is right.
	checked = 50
	// checkTime is how long a server may take for one of them.
	checkTime = 5 * time.Second
)

// verify compares a sample of a server's answers with what is right, so that
// nobody is fast and wrong.
func verify(ctx context.Context, s *lab.Server, questions []fleet.Question) error {
	client := dns.Client{Timeout: checkTime}
	for i := 0; i < len(questions); i += max(1, len(questions)/checked) {
		q := questions[i]
		reply, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(q.Name, q.Type), s.Addr.String())
		if err == nil {
			err = right(s, q)(reply)
		}
		if err != nil {
			return fmt.Errorf("%s is wrong: %w", s.Peer, err)
		}
	}
	return nil
}
