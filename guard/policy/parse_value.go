package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// limit decodes a number of rows, or unlimited.
func limit(to *int64) func(*yaml.Node) error {
	return yamlstrict.Scalar(func(text string) error {
		if text == "unlimited" {
			*to = Unlimited
			return nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("takes a number of rows, or unlimited, not %q", text)
		}
		if n < 0 {
			return fmt.Errorf("%d is below zero (0 means that no row may be removed; there is unlimited, too)", n)
		}
		*to = n
		return nil
	})
}

func (r *Rule) decodeLimits(n *yaml.Node) error {
	if yamlstrict.Resolve(n).Kind != yaml.MappingNode {
		return errors.New("takes {statement: 500, transaction: 500}; threshold: 500 sets both")
	}
	return yamlstrict.Mapping(n, "limit", notEmpty([]yamlstrict.Key{
		{Name: "statement", Decode: limit(&r.Statement)},
		{Name: "transaction", Decode: limit(&r.Transaction)},
	})...)
}

func (r *Rule) decodeWindows(n *yaml.Node) error {
	r.Windows = nil
	return yamlstrict.List(func(n *yaml.Node) error {
		var w Window
		err := yamlstrict.Mapping(n, "key of a window", notEmpty([]yamlstrict.Key{
			{Name: "rows", Decode: yamlstrict.Int(&w.Rows)},
			{Name: "per", Decode: span(&w.Per)},
			{Name: "by", Decode: words(&w.By, dimensions)},
		})...)
		switch {
		case err != nil:
			return err
		case w.Rows == 0:
			return yamlstrict.Errorf(n, "a window needs rows, 1 or more, such as {rows: 100, per: 1m, by: [table, user]}")
		case w.Per == 0:
			return yamlstrict.Errorf(n, "a window needs per, its length in time, such as {rows: 100, per: 1m, by: [table, user]}")
		}
		r.Windows = append(r.Windows, w)
		return nil
	})(n)
}

// parseFraction reads 10% or 0.1; 0 is no limit.
func parseFraction(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f < 1) {
		return 0, fmt.Errorf("takes a part of a table, such as 10%% or 0.1, or 0 for no such limit, not %q", text)
	}
	return f, nil
}

// parseSpan reads a Go duration above zero, or a number of days or weeks.
func parseSpan(text string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.ParseUint(number, 10, 10); err == nil && n > 0 {
				return time.Duration(n) * length, nil
			}
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("takes a time like 30s, 5m, 1h or 7d, not %q", text)
	}
	return d, nil
}

func (r *Rule) decodeSoftDelete(n *yaml.Node) error {
	r.SoftDelete = nil
	if n = yamlstrict.Resolve(n); n.Kind != yaml.MappingNode {
		on := false
		if err := yamlstrict.Bool(&on)(n); err != nil || on {
			return errors.New("takes {columns: [deleted_at, is_deleted]}, or off")
		}
		return nil
	}
	return yamlstrict.Mapping(n, "key of soft-delete", notEmpty([]yamlstrict.Key{
		{Name: "columns", Decode: yamlstrict.Texts(&r.SoftDelete)},
	})...)
}

// decodeCommentAllowances wants the bound said, if only to say that there is none.
func (r *Rule) decodeCommentAllowances(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		on := false
		if err := yamlstrict.Bool(&on)(n); err != nil || on {
			return errors.New("takes {max: 100000}, {max: unlimited} or off")
		}
		return nil
	}
	most := int64(0)
	err := yamlstrict.Mapping(n, "key of comment-allowances", notEmpty([]yamlstrict.Key{{Name: "max", Decode: limit(&most)}})...)
	switch {
	case err != nil:
		return err
	case most == 0:
		return errors.New("needs max, the most rows that a comment may allow, or unlimited")
	case most == Unlimited:
		most = 0
	}
	r.CommentAllowances, r.CommentMax = true, most
	return nil
}

// globs decodes a list of names; an empty one could be meant as none or as any.
func globs(to *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := yamlstrict.Texts(to)(n); err != nil {
			return err
		}
		if len(*to) == 0 {
			return errors.New("is an empty list; leave it out to match any")
		}
		return nil
	}
}

// words decodes a list of a few known words.
func words[T ~string](to *[]T, known []T) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		*to = nil
		var texts []string
		if err := yamlstrict.Texts(&texts)(n); err != nil {
			return err
		}
		for _, text := range texts {
			if !slices.Contains(known, T(text)) {
				all := strings.Split(list(known), ", ")
				if best := yamlstrict.Nearest(text, all); best != "" {
					return fmt.Errorf("has an unknown word %q, did you mean %q?", text, best)
				}
				return fmt.Errorf("has an unknown word %q; there are: %s", text, list(known))
			}
			*to = append(*to, T(text))
		}
		return nil
	}
}

// decodeNetworks reads prefixes, single addresses, and local.
func (m *Match) decodeNetworks(n *yaml.Node) error {
	var texts []string
	if err := globs(&texts)(n); err != nil {
		return err
	}
	for _, text := range texts {
		if text == "local" {
			m.Local = true
			continue
		}
		p, err := parseNetwork(text)
		if err != nil {
			return err
		}
		m.Networks = append(m.Networks, p)
	}
	return nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("has %q, which is no network; give one such as 10.0.0.0/8, an address, or local for a unix socket", text)
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("has %s; write IPv4 networks as such", text)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("has %s, whose address goes on beyond the prefix; did you mean %s, or %s alone?", text, p.Masked(), p.Addr())
	}
	return p, nil
}
