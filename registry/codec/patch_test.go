package codec

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatch(t *testing.T) {
	tests := []struct{ name, text, next, want string }{
		{"nothing", ` { "b" : 1.0 , "a":"\u00e9\u003c" } `, `{"a":"é<","b":1.0}`, ` { "b" : 1.0 , "a":"\u00e9\u003c" } `},
		{"a value", `{ "b" : 1.0, "a": {"x":[1, 2]} }`, `{"a":{"x":[1, 2]},"b":[2]}`, `{ "b" : [2], "a": {"x":[1, 2]} }`},
		{"inside", `{ "a": {"y" : 1, "x":[1, 2]}, "c":1 }`, `{"a":{"y":1,"x":"<"},"c":1}`, `{ "a": {"y" : 1, "x":"<"}, "c":1 }`},
		{"an object for something else", `{"a": 1, "b": {"x": 1}}`, `{"a":{"x":1},"b":1}`, `{"a": {"x":1}, "b": 1}`},
		{"a new field", "{\n  \"b\": 1,\n  \"c\": 2\n}\n", `{"b":1,"c":2,"a":3,"d":[4]}`, "{\n  \"b\": 1,\n  \"c\": 2,\n  \"a\":3,\n  \"d\":[4]\n}\n"},
		{"a second field", `{ "b": 1 }`, `{"b":1,"a\"":3}`, `{ "b": 1,"a\"":3 }`},
		{"a first field", `{ }`, `{"a":3}`, `{"a":3 }`},
		{"the first goes", `{ "a": 1, "b": 2 , "c":3}`, `{"b":2,"c":3}`, `{ "b": 2 , "c":3}`},
		{"the one between goes", `{ "a": 1, "b": 2 , "c":3}`, `{"a":1,"c":3}`, `{ "a": 1 , "c":3}`},
		{"the last goes", `{ "a": 1, "b": 2 }`, `{"a":1}`, `{ "a": 1 }`},
		{"all go", `{ "a": 1, "b": 2 }`, `{}`, `{}`},
		{"all go and others come", `{ "a": 1, "b": 2 }`, `{"c":1,"d":2}`, `{ "c":1, "d":2 }`},
		{"an element", `{"a": [ 1.0 , {"x": 1, "y":"\u003c"},  3 ]}`, `{"a":[1.0,{"x":2,"y":"<"},3]}`, `{"a": [ 1.0 , {"x": 2, "y":"\u003c"},  3 ]}`},
		{"a new element", `{"a": [ 1.0 ,  "\u003c" ]}`, `{"a":[1.0,"<",[]]}`, `{"a": [ 1.0 ,  "\u003c" ,  [] ]}`},
		{"a second element", `{"a": [ 1.0 ]}`, `{"a":[1.0,2,3]}`, `{"a": [ 1.0,2,3 ]}`},
		{"a first element", `{"a": [ ]}`, `{"a":[1,2]}`, `{"a": [1,2 ]}`},
		{"an element goes", `{"a": [ 1,  2 ]}`, `{"a":[2]}`, `{"a": [2]}`},
		{"the only one goes and others come", `{ "a": 1 }`, `{"c":1,"d":2}`, `{ "c":1,"d":2 }`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var old, next tree
			if err := old.decode([]byte(tt.text)); err != nil {
				t.Fatal(err)
			}
			if err := next.decode([]byte(tt.next)); err != nil {
				t.Fatal(err)
			}
			got, err := patch([]byte(tt.text), old, next)
			if diff := cmp.Diff(tt.want, string(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// What is written is what was to be written, whatever stood there.
func FuzzPatch(f *testing.F) {
	f.Add(`{"a": {"b": [1.0, "x"], "c": null}, "d": -1e9}`, `{"a":{"b":[2]},"e":{}}`)
	f.Add(` {"a" :"\ud83d\ude00", "\u0062":{"a" : {} }	} `, `{"b":{"a":{"x":1}}}`)
	f.Add(`{}`, `{"a":1}`)
	f.Add(`{"a":[ 1.0 ,{ } ,[]]}`, `{"a":[1.0,{"b":2},[3],4]}`)
	f.Add(`{"a":true ,"b":1 }`, `{"b":2 }`)
	f.Fuzz(func(t *testing.T, from, to string) {
		var old, next, read tree
		if old.decode([]byte(from)) != nil || next.decode([]byte(to)) != nil {
			return
		}
		text, err := patch([]byte(from), old, next)
		if err != nil {
			t.Fatal(err)
		}
		if err := read.decode(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want, _ := next.encode()
		if got, _ := read.encode(); string(got) != string(want) || !json.Valid(text) {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	})
}
