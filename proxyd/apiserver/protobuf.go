package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
)

// protobufMagic is what the API's protobuf begins with.
var protobufMagic = []byte("k8s\x00")

// fromProtobuf returns a body as JSON if it is protobuf, as some of kubectl's
// commands send it (create service, for one), and as it is otherwise. The
// object is one of the type that is expected.
func fromProtobuf(body []byte, object any) ([]byte, error) {
	rest, ok := bytes.CutPrefix(body, protobufMagic)
	if !ok {
		return body, nil
	}
	message, ok := object.(interface{ Unmarshal([]byte) error })
	if !ok {
		return nil, fmt.Errorf("%T has no protobuf", object)
	}
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(rest); err != nil {
		return nil, err
	}
	if err := message.Unmarshal(envelope.Raw); err != nil {
		return nil, err
	}
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	// What the object is stands in the envelope alone.
	fields := jsonObject{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	fields["kind"], fields["apiVersion"] = envelope.Kind, envelope.APIVersion
	return json.Marshal(fields)
}
