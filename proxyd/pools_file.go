package proxyd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry/durable"
)

// savedPools is what a poolWatch knows, as it stands on disk: in the form in
// which it stands in etcd.
type savedPools struct {
	Pools  map[string]json.RawMessage `json:"pools"`
	Claims map[netip.Addr]*pool.Claim `json:"claims"`
}

// load takes in what an earlier process knew.
func (w *poolWatch) load() {
	if w.file == "" {
		return
	}
	text, err := os.ReadFile(w.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var u pool.Update
	if err == nil {
		u, err = readSaved(text)
	}
	if err != nil {
		w.logger.Error("the saved address pools are ignored", "error", err)
		return
	}
	w.hear(u)
}

// readSaved reads what save wrote.
func readSaved(text []byte) (pool.Update, error) {
	var saved savedPools
	if err := json.Unmarshal(text, &saved); err != nil {
		return pool.Update{}, err
	}
	u := pool.Update{Anew: true, Pools: map[string]*pool.Pool{}, Claims: saved.Claims}
	for name, value := range saved.Pools {
		p, err := pool.Decode(name, value)
		if err != nil {
			return pool.Update{}, err
		}
		u.Pools[name] = p
	}
	for a, c := range u.Claims {
		if c == nil {
			return pool.Update{}, fmt.Errorf("claim of %v: want one", a)
		}
		c.Addr = a
	}
	return u, nil
}

// save keeps what is known for the next process.
func (w *poolWatch) save() {
	if w.file == "" {
		return
	}
	if err := durable.Replace(w.file, w.write); err != nil {
		w.logger.Error("the address pools can't be saved", "error", err)
	}
}

func (w *poolWatch) write(to io.Writer) error {
	saved := savedPools{map[string]json.RawMessage{}, map[netip.Addr]*pool.Claim{}}
	for _, p := range w.book.Pools() {
		value, err := p.Encode()
		if err != nil {
			return err
		}
		saved.Pools[p.Name] = value
	}
	for c := range w.book.Claims() {
		saved.Claims[c.Addr] = c
	}
	return json.NewEncoder(to).Encode(saved)
}
