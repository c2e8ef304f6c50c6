package lab

import (
	"fmt"
	"syscall"
)

// spare is how many files a process has open beside those of its clients.
const spare = 200

// Connections raises the limit of open files, of this process and of those that
// it starts, so that each can have so many connections with both ends in it, as
// proxies have. It returns how many those can be if it is not allowed to.
func Connections(n int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	allowed := limit.Max
	limit.Cur = max(limit.Cur, uint64(2*n+spare))
	limit.Max = max(limit.Max, limit.Cur)
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		return n, nil
	}
	limit = syscall.Rlimit{Cur: allowed, Max: allowed}
	// Set in any case: Go takes back in its children what it raised by itself.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("limit of open files, to %d: %w", allowed, err)
	}
	return min(n, int(allowed-spare)/2), nil
}
