package proxy

import (
	"strings"
	"unique"
)

// parameters are what ParameterStatus has said, as in a startup packet: name and
// value in turn, each ended by a zero byte. Most sessions have the same, and share them.
type parameters struct{ packed unique.Handle[string] }

func newParameters() parameters { return parameters{unique.Make("")} }

// get is "" for what is not known.
func (p parameters) get(name string) string {
	for rest := p.packed.Value(); rest != ""; {
		var n, v string
		n, rest, _ = strings.Cut(rest, "\x00")
		v, rest, _ = strings.Cut(rest, "\x00")
		if n == name {
			return v
		}
	}
	return ""
}

// without a parameter.
func (p parameters) without(name string) parameters {
	var b strings.Builder
	for rest := p.packed.Value(); rest != ""; {
		var n, v string
		n, rest, _ = strings.Cut(rest, "\x00")
		v, rest, _ = strings.Cut(rest, "\x00")
		if n != name {
			b.WriteString(n + "\x00" + v + "\x00")
		}
	}
	return parameters{unique.Make(b.String())}
}

// with a parameter set; neither name nor value has a zero byte.
func (p parameters) with(name, value string) parameters {
	return parameters{unique.Make(p.without(name).packed.Value() + name + "\x00" + value + "\x00")}
}
