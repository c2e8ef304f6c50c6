package write

import (
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcreg/svcreg/registry/codec"
)

// identify gives an object that is being created its UID and its time. Merge
// keeps both.
func identify(d *codec.Document) {
	d.Identify(string(uuid.NewUUID()), time.Now().Unix())
}
