package alert

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// Parse decodes the list under "alerts:". ${NAME} in addresses, headers, keys and
// arguments is taken from the environment. Its errors are *yamlstrict.Error: they
// name the line, and show no secret.
func Parse(n *yaml.Node, env func(string) (string, bool)) (Config, error) {
	var c Config
	lines := map[string]int{}
	err := yamlstrict.List(func(v *yaml.Node) error {
		p := parser{env: env}
		s, err := p.sink(v)
		if err != nil {
			return err
		}
		if line := lines[s.Name]; s.Name != "" && line != 0 {
			return fmt.Errorf("a sink of the name %q is in line %d already", s.Name, line)
		}
		lines[s.Name] = v.Line
		c.Sinks = append(c.Sinks, s)
		return nil
	})(n)
	if err != nil {
		return Config{}, yamlstrict.At(n, err)
	}
	return c, nil
}

// WebhookAt is the config of one webhook alone.
func WebhookAt(url string) Config {
	return Config{Sinks: []Sink{{To: Webhook{URL: Secret(url)}}}}
}

type parser struct {
	env   func(string) (string, bool)
	kinds []string // of target given
}

func (p *parser) sink(n *yaml.Node) (Sink, error) {
	var s Sink
	to := func(kind string, decode func(v *yaml.Node) (Target, error)) yamlstrict.Key {
		return yamlstrict.Key{Name: kind, Decode: func(v *yaml.Node) (err error) {
			p.kinds = append(p.kinds, kind)
			s.To, err = decode(v)
			return err
		}}
	}
	err := yamlstrict.Mapping(n, "key of an alert sink",
		to("webhook", p.webhook), to("slack", p.slack), to("alertmanager", p.alertmanager), to("pagerduty", p.pagerDuty), to("command", p.command),
		yamlstrict.Key{Name: "name", Decode: yamlstrict.Scalar(s.named)},
		yamlstrict.Key{Name: "on", Decode: s.kinds},
		yamlstrict.Key{Name: "repeat", Decode: s.repeat},
		yamlstrict.Key{Name: "timeout", Decode: yamlstrict.Duration(&s.Timeout)},
		yamlstrict.Key{Name: "sql", Decode: yamlstrict.Bool(&s.SQL)},
	)
	switch {
	case err != nil:
		return s, err
	case len(p.kinds) == 0:
		return s, yamlstrict.Errorf(n, "an alert sink needs one of webhook, slack, alertmanager, pagerduty, command")
	case len(p.kinds) > 1:
		return s, yamlstrict.Errorf(n, "an alert sink is one place, not %s; begin a new one with “- %s:”", strings.Join(p.kinds, " and "), p.kinds[1])
	}
	return s, nil
}

func (p *parser) webhook(n *yaml.Node) (Target, error) {
	var w Webhook
	template := yamlstrict.Key{Name: "template", Decode: yamlstrict.Scalar(func(text string) (err error) {
		if w.Template, err = ParseTemplate(text); err != nil {
			return fmt.Errorf("cannot be used: %w", err)
		}
		return nil
	})}
	if err := p.endpoint(n, "webhook", &w.URL, &w.Headers, template); err != nil {
		return nil, err
	}
	if err := w.wellFormed(); err != nil {
		return nil, yamlstrict.Errorf(n, "webhook: template %w", err)
	}
	return w, nil
}

func (p *parser) slack(n *yaml.Node) (Target, error) {
	var s Slack
	err := p.endpoint(n, "slack", &s.URL, &s.Headers)
	return s, err
}

func (p *parser) alertmanager(n *yaml.Node) (Target, error) {
	var a Alertmanager
	err := p.endpoint(n, "alertmanager", &a.URL, &a.Headers)
	return a, err
}

func (p *parser) pagerDuty(n *yaml.Node) (Target, error) {
	d := PagerDuty{URL: pagerDutyURL}
	if n = yamlstrict.Resolve(n); n.Kind == yaml.ScalarNode {
		err := p.secret(&d.RoutingKey)(n)
		return d, err
	}
	err := p.endpoint(n, "pagerduty", &d.URL, &d.Headers, yamlstrict.Key{Name: "routing-key", Decode: p.secret(&d.RoutingKey)})
	if err == nil && d.RoutingKey == "" {
		err = yamlstrict.Errorf(n, "pagerduty needs a routing-key")
	}
	return d, err
}

func (p *parser) command(n *yaml.Node) (Target, error) {
	var words []string
	if err := yamlstrict.Texts(&words)(n); err != nil {
		return nil, err
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("takes a list: the program and its arguments")
	}
	if yamlstrict.Resolve(n).Kind == yaml.ScalarNode && strings.Contains(words[0], " ") {
		return nil, errors.New("takes a list, each argument apart: [program, argument, …]; there is no shell")
	}
	c := Command{Args: make([]Secret, len(words))}
	for i, w := range words {
		text, err := expand(w, p.env)
		if err != nil {
			return nil, err
		}
		c.Args[i] = Secret(text)
	}
	return c, nil
}

// endpoint decodes an address alone, or a mapping with it.
func (p *parser) endpoint(n *yaml.Node, kind string, to *Secret, headers *map[string]Secret, more ...yamlstrict.Key) error {
	address := yamlstrict.Scalar(func(text string) error {
		text, err := expand(text, p.env)
		if err != nil {
			return err
		}
		u, err := url.Parse(text)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return errors.New("is not an http or https URL")
		}
		*to = Secret(text)
		return nil
	})
	if yamlstrict.Resolve(n).Kind == yaml.ScalarNode {
		return address(n)
	}
	keys := append([]yamlstrict.Key{{Name: "url", Decode: address}, {Name: "headers", Decode: p.headers(headers)}}, more...)
	if err := yamlstrict.Mapping(n, "key of "+kind, keys...); err != nil {
		return err
	}
	if *to == "" {
		return yamlstrict.Errorf(n, "%s needs a url", kind)
	}
	return nil
}

func (p *parser) headers(to *map[string]Secret) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n = yamlstrict.Resolve(n); n.Kind != yaml.MappingNode {
			return errors.New("takes lines of the form “Name: value”")
		}
		*to = map[string]Secret{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i]
			if strings.Trim(name.Value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || name.Value == "" {
				return yamlstrict.Errorf(name, "%q is no name of a header", name.Value)
			}
			if _, twice := (*to)[name.Value]; twice {
				return yamlstrict.Errorf(name, "the header %s is already set", name.Value)
			}
			var value Secret
			if err := p.secret(&value)(n.Content[i+1]); err != nil {
				return yamlstrict.Errorf(name, "the header %s %w", name.Value, err)
			}
			(*to)[name.Value] = value
		}
		return nil
	}
}

func (p *parser) secret(to *Secret) func(*yaml.Node) error {
	return yamlstrict.Scalar(func(text string) error {
		text, err := expand(text, p.env)
		switch {
		case err != nil:
			return err
		case text == "":
			return errors.New("is empty")
		case strings.ContainsFunc(text, unicode.IsControl):
			return errors.New("has a line break or another control character")
		}
		*to = Secret(text)
		return nil
	})
}

func (s *Sink) named(text string) error {
	if text == "" || len(text) > 40 {
		return errors.New("takes 1 to 40 characters")
	}
	s.Name = text
	return nil
}

func (s *Sink) kinds(n *yaml.Node) error {
	var words []string
	if err := yamlstrict.Texts(&words)(n); err != nil {
		return err
	}
	names := make([]string, len(Kinds))
	known := map[string]bool{}
	for i, k := range Kinds {
		names[i], known[string(k)] = string(k), true
	}
	for _, w := range words {
		if !known[w] {
			return yamlstrict.At(n, yamlstrict.Unknown("kind of alert", w, names))
		}
		s.On = append(s.On, Kind(w))
	}
	if len(s.On) == 0 {
		return errors.New("names no kind of alert; leave the sink out instead")
	}
	return nil
}

func (s *Sink) repeat(n *yaml.Node) error {
	if n = yamlstrict.Resolve(n); n.Value == "off" || n.Value == "0" {
		s.Repeat = -1
		return nil
	}
	return yamlstrict.Duration(&s.Repeat)(n)
}
