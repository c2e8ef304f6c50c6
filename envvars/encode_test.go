package envvars_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/envvars"
)

// nasty holds all that a reader could trip over.
var nasty = []envvars.Var{
	{"PLAIN", "tcp://[fd00::7]:80"},
	{"EMPTY", ""},
	{"SPACE", " two  words "},
	{"SINGLE", "it's"},
	{"DOUBLE", `a "quoted" word`},
	{"BACKSLASH", `\n\\\`},
	{"COMMAND", "$(echo no) ${HOME} $HOME `echo no`"},
	{"COMMENT", "# not a comment ; nor this"},
	{"LINES", "one\ntwo\n"},
	{"PERCENT", "%h %% !x {a,b} *"},
	{"UTF8", "größer"},
	{"HTML", "<a&b>"},
}

func TestEncode(t *testing.T) {
	vars := []envvars.Var{{"B_SERVICE_HOST", "10.0.0.1"}, {"A", "it's $5"}}
	tests := map[envvars.Format]string{
		envvars.Dotenv:  "B_SERVICE_HOST=10.0.0.1\nA=\"it's \\$5\"\n",
		envvars.Export:  "export B_SERVICE_HOST='10.0.0.1'\nexport A='it'\\''s $5'\n",
		envvars.Systemd: "B_SERVICE_HOST=\"10.0.0.1\"\nA=\"it's \\$5\"\n",
		envvars.JSON:    "{\n  \"A\": \"it's $5\",\n  \"B_SERVICE_HOST\": \"10.0.0.1\"\n}\n",
	}
	for format, want := range tests {
		t.Run(string(format), func(t *testing.T) {
			got, err := envvars.Encode(format, vars)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeNothing(t *testing.T) {
	for _, format := range envvars.Formats() {
		got, err := envvars.Encode(format, nil)
		if want := map[bool]string{true: "{}\n"}[format == envvars.JSON]; err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", format, got, err, want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := []struct {
		name   string
		format envvars.Format
		v      envvars.Var
		want   string
	}{
		{"an unknown format", "toml", envvars.Var{}, `format "toml": want one of [dotenv export systemd json]`},
		{"a name that is a command", envvars.Export, envvars.Var{Name: "X;id"}, `variable "X;id": want a name of letters, digits and underscores`},
		{"an empty name", envvars.JSON, envvars.Var{}, `variable "": want a name of letters, digits and underscores`},
		{"a NUL byte", envvars.Dotenv, envvars.Var{Name: "X", Value: "a\x00b"}, `variable X: its value has a NUL byte`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := envvars.Encode(tt.format, []envvars.Var{tt.v})
			if err == nil || err.Error() != tt.want || out != nil {
				t.Errorf("got %q and error %v, want error %q", out, err, tt.want)
			}
		})
	}
}

// TestShellReadsBack has a shell read what Encode wrote. Systemd's double
// quotes are the shell's by its documentation, and so are dotenv's where a
// value needs any.
func TestShellReadsBack(t *testing.T) {
	for _, format := range []envvars.Format{envvars.Export, envvars.Dotenv, envvars.Systemd} {
		t.Run(string(format), func(t *testing.T) {
			text, err := envvars.Encode(format, nasty)
			if err != nil {
				t.Fatal(err)
			}
			script := "set -a\n" + string(text) + "exec env -0"
			cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
			cmd.Env = []string{"PATH=/usr/bin:/bin"}
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for line := range strings.SplitSeq(string(out), "\x00") {
				name, value, _ := strings.Cut(line, "=")
				got[name] = value
			}
			for _, v := range nasty {
				if got[v.Name] != v.Value {
					t.Errorf("%s is %q, want %q", v.Name, got[v.Name], v.Value)
				}
			}
		})
	}
}

func TestJSONReadsBack(t *testing.T) {
	text, err := envvars.Encode(envvars.JSON, nasty)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, v := range nasty {
		if got[v.Name] != v.Value {
			t.Errorf("%s is %q, want %q", v.Name, got[v.Name], v.Value)
		}
	}
}

// FuzzEncode has a reader of its own for assignments in double quotes, as
// systemd.exec(5) describes them.
func FuzzEncode(f *testing.F) {
	for _, v := range nasty {
		f.Add(v.Value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		text, err := envvars.Encode(envvars.Systemd, []envvars.Var{{"X", value}})
		if strings.ContainsRune(value, 0) {
			if err == nil {
				t.Fatal("a NUL byte was accepted")
			}
			return
		}
		if got, ok := readQuoted(strings.TrimPrefix(string(text), "X=")); err != nil || !ok || got != value {
			t.Fatalf("%q reads back as %q (%v, %v)", text, got, ok, err)
		}
	})
}

// readQuoted reads a value in double quotes that ends the line.
func readQuoted(text string) (string, bool) {
	var value strings.Builder
	rest, ok := strings.CutPrefix(text, `"`)
	for i := 0; ok && i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			return value.String(), rest[i:] == "\"\n"
		case c == '\\' && i+1 < len(rest) && strings.IndexByte("\"\\$`", rest[i+1]) >= 0:
			i++
			value.WriteByte(rest[i])
		default:
			value.WriteByte(c)
		}
	}
	return "", false
}
