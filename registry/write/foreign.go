package write

import (
	"bytes"
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ownerKey is where a registry is marked as svcreg's own.
func (w *Writer) ownerKey() string { return w.layout.Prefix() + "/svcreg/owner" }

// ownerValue is what the marker says to people who look at it.
const ownerValue = `{"owner":"svcreg"}`

// leaseDirs are where apiservers announce that they are alive: the first since
// 1.9, the second since 1.26. The leases of the first end 15 seconds after
// their apiserver; those of the second it deletes an hour after another's end.
func (w *Writer) leaseDirs() [2]string {
	return [2]string{
		w.layout.Prefix() + "/masterleases/",
		w.layout.Prefix() + "/leases/kube-system/apiserver-",
	}
}

// noApiserver are the conditions that no apiserver has come to life.
func (w *Writer) noApiserver() []clientv3.Cmp {
	if w.opts.WriteToKubernetes {
		return nil
	}
	var conditions []clientv3.Cmp
	for _, dir := range w.leaseDirs() {
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(dir), "=", 0).WithPrefix())
	}
	return conditions
}

// permit returns a ForeignError if the registry is a live Kubernetes'.
//
// An apiserver's lease is proof. Without one, svcreg's own marker settles it
// the other way: what is protobuf there, somebody applied. In a registry that
// has neither, protobuf and encrypted values are an apiserver's, maybe one that
// is down right now.
func (w *Writer) permit(ctx context.Context, v *view) error {
	switch {
	case w.opts.WriteToKubernetes:
		return nil
	case v.apiserver != "":
		return &ForeignError{v.apiserver, "the lease of a live apiserver"}
	case v.owned:
		return nil
	case v.stored != nil && isKubernetes(v.stored.Value):
		return &ForeignError{v.key, byApiserver}
	}
	for _, kv := range v.cidrs {
		if isKubernetes(kv.Value) {
			return &ForeignError{string(kv.Key), byApiserver}
		}
	}
	key, err := w.ledger.kubernetesKey(ctx, v.revision)
	if err == nil && key != "" {
		err = &ForeignError{key, byApiserver}
	}
	return err
}

const byApiserver = "a value that an apiserver wrote"

// isKubernetes reports whether a value is of an encoding that only apiservers
// write: protobuf, or encrypted at rest.
func isKubernetes(value []byte) bool {
	return bytes.HasPrefix(value, []byte("k8s\x00")) || bytes.HasPrefix(value, []byte("k8s:enc:"))
}
