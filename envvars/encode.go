package envvars

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Format is a way to write variables down.
type Format string

// The formats, and who reads them.
const (
	// Dotenv is what Docker's --env-file and dotenv libraries read. Values
	// stand bare wherever they can, since Docker takes quotes literally.
	Dotenv Format = "dotenv"
	// Export is a POSIX shell's: eval "$(…)".
	Export Format = "export"
	// Systemd is that of EnvironmentFile= (systemd.exec(5)).
	Systemd Format = "systemd"
	// JSON is one object that has a member for each variable.
	JSON Format = "json"
)

// Formats returns all formats in the order in which help texts list them.
func Formats() []Format { return []Format{Dotenv, Export, Systemd, JSON} }

// Encode writes variables in a format. It fails for an unknown format, for a
// name that no shell takes and for a value with a NUL byte, which no
// environment can hold.
func Encode(f Format, vars []Var) ([]byte, error) {
	if !slices.Contains(Formats(), f) {
		return nil, fmt.Errorf("format %q: want one of %v", f, Formats())
	}
	for _, v := range vars {
		if !validName(v.Name) {
			return nil, fmt.Errorf("variable %q: want a name of letters, digits and underscores", v.Name)
		}
		if strings.ContainsRune(v.Value, 0) {
			return nil, fmt.Errorf("variable %s: its value has a NUL byte", v.Name)
		}
	}
	if f == JSON {
		return encodeJSON(vars)
	}
	return lines(f, vars), nil
}

// lines writes one assignment after the other.
func lines(f Format, vars []Var) []byte {
	var out bytes.Buffer
	for _, v := range vars {
		switch f {
		case Export:
			fmt.Fprintf(&out, "export %s=%s\n", v.Name, singleQuoted(v.Value))
		case Systemd:
			fmt.Fprintf(&out, "%s=%s\n", v.Name, doubleQuoted(v.Value))
		default:
			fmt.Fprintf(&out, "%s=%s\n", v.Name, quotedIfNeeded(v.Value))
		}
	}
	return out.Bytes()
}

func encodeJSON(vars []Var) ([]byte, error) {
	object := make(map[string]string, len(vars))
	for _, v := range vars {
		object[v.Name] = v.Value
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(object)
	return out.Bytes(), err
}

// singleQuoted quotes for a POSIX shell: between single quotes nothing is
// special, so a single quote itself has to stand outside.
func singleQuoted(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// doubleQuoted quotes for systemd, which has the shell's rule: between double
// quotes a backslash takes the meaning from these four characters, and stands
// for itself before any other.
func doubleQuoted(value string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`")
	return `"` + escape.Replace(value) + `"`
}

// plain are the characters, beside letters and digits, that no reader of
// dotenv files treats specially: those of addresses and URLs among them.
const plain = "_-.,:/@%+=[]"

func quotedIfNeeded(value string) string {
	special := func(c rune) bool {
		letter := 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		return !letter && !strings.ContainsRune(plain, c)
	}
	if strings.ContainsFunc(value, special) {
		return doubleQuoted(value)
	}
	return value
}
