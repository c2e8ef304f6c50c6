package codec

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// Lossless reports, with a *LossError, whether a protobuf document has fields
// that this build would not write back: an apiserver newer than this build's
// k8s.io/api may have stored them.
func (d *Document) Lossless() error {
	if d.original == nil {
		return nil
	}
	c := newConversion(d.file, d.ref)
	u := c.readEnvelope(d.original)
	m := c.readMessage(u)
	again, err := marshalProtobuf(d.ref.Kind, d.version, m)
	if err != nil {
		return err
	}
	if n := lost(d.original[len(protobufMagic):], again[len(protobufMagic):]); n != 0 {
		return &LossError{d.ref, "a field that this build of svcreg doesn't know"}
	}
	return nil
}

// maxNesting is how deep messages are compared.
const maxNesting = 32

// lost returns the number of a field that stands in a protobuf message and not
// in what it became, or zero. What it became may have more: fields that an
// older release did not write.
func lost(before, after []byte) protowire.Number {
	return lostAt(before, after, 0)
}

func lostAt(before, after []byte, depth int) protowire.Number {
	old, ok1 := fieldsOf(before)
	now, ok2 := fieldsOf(after)
	if !ok1 || !ok2 || depth > maxNesting {
		return -1
	}
	for number, values := range old {
		for i, v := range values {
			if i >= len(now[number]) || !survives(v, now[number][i], depth) {
				return number
			}
		}
	}
	return 0
}

// survives reports whether a field's value is the same as before, or is a
// message of which nothing was lost.
func survives(before, after []byte, depth int) bool {
	if bytes.Equal(before, after) {
		return true
	}
	inner, n1 := protowire.ConsumeBytes(before)
	again, n2 := protowire.ConsumeBytes(after)
	return n1 == len(before) && n2 == len(after) && lostAt(inner, again, depth+1) == 0
}

// fieldsOf splits a message into the values of each field.
func fieldsOf(message []byte) (map[protowire.Number][][]byte, bool) {
	fields := map[protowire.Number][][]byte{}
	for len(message) > 0 {
		number, wireType, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(number, wireType, message[n:])
		if size < 0 {
			return nil, false
		}
		fields[number] = append(fields[number], message[n:n+size])
		message = message[n+size:]
	}
	return fields, true
}
