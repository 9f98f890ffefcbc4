package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// loader puts a snapshot together from the documents of the catalog queries,
// which come in the order that Load asks for them.
type loader struct {
	snapshot *Snapshot
	types    map[[2]string]dataType // by type OID and modifier
	parents  map[*Table][]uint32
	numbers  map[*Table][]int // attnum of each of Columns
	keys     map[*Table]keyIndex
	strings  map[string]string // one copy of each column name

	signatures map[uint32]signature

	triggers  map[uint32]*triggerRow
	rules     map[uint32]*ruleRow
	functions []*functionRow
	domains   map[uint32]string
	virtual   map[*Table]bool // has virtual generated columns (PG 18)
	uses      []use
}

type dataType struct {
	name, base string
	textual    bool
	shape      string
}

func newLoader(database, fingerprint string) *loader {
	return &loader{
		snapshot: &Snapshot{
			Database: database, Fingerprint: fingerprint,
			Tables: map[uint32]*Table{}, byName: map[string][]*Table{},
		},
		types:      map[[2]string]dataType{},
		parents:    map[*Table][]uint32{},
		numbers:    map[*Table][]int{},
		keys:       map[*Table]keyIndex{},
		strings:    map[string]string{},
		signatures: map[uint32]signature{},
		triggers:   map[uint32]*triggerRow{},
		rules:      map[uint32]*ruleRow{},
		domains:    map[uint32]string{},
		virtual:    map[*Table]bool{},
	}
}

func (l *loader) document(kind, text string) error {
	if kind == "column" {
		return l.column(text)
	}
	d, err := parseDocument(text)
	if err != nil {
		return err
	}
	switch kind {
	case "relation":
		l.relation(d)
	case "type":
		l.types[[2]string{strconv.Itoa(int(d.number(0))), strconv.Itoa(int(d.number(1)))}] = dataType{d.text(2), d.text(3), d.flag(4), d.text(5)}
	case "sequence":
		l.sequence(d)
	case "key":
		return l.key(d)
	case "signature":
		l.signature(d)
	case "foreign key":
		return l.foreignKey(d)
	case "trigger":
		l.trigger(d)
	case "rule":
		l.rule(d)
	case "function":
		l.function(d)
	case "domain":
		l.domains[d.oid(0)] = d.text(1)
	case "edge":
		l.use(d)
	default:
		return fmt.Errorf("catalog: document of unknown kind %q", kind)
	}
	return nil
}

// relation: oid, schema, name, kind, temporary, partition, row security, estimate, updatable, parents.
func (l *loader) relation(d document) {
	t := &Table{
		OID: d.oid(0), Schema: l.intern(d.text(1)), Name: d.text(2), Kind: d.char(3),
		Temporary: d.flag(4), Partition: d.flag(5), RowSecurity: d.flag(6), EstimatedRows: d.number(7), Updatable: d.flag(8), File: d.oid(10),
	}
	l.snapshot.Tables[t.OID] = t
	l.snapshot.byName[t.Name] = append(l.snapshot.byName[t.Name], t)
	parents := d.list(9)
	for i := range parents {
		l.parents[t] = append(l.parents[t], parents.oid(i))
	}
}

// column: table, number, type, modifier, not null (t, f, u: not validated), generated, identity, name.
func (l *loader) column(text string) error {
	f := strings.SplitN(text, " ", 8)
	if len(f) != 8 {
		return fmt.Errorf("catalog: column document %.80q", text)
	}
	oid, err := strconv.ParseUint(f[0], 10, 32)
	if err != nil {
		return fmt.Errorf("catalog: column document %.80q: %w", text, err)
	}
	number, err := strconv.Atoi(f[1])
	if err != nil {
		return fmt.Errorf("catalog: column document %.80q: %w", text, err)
	}
	t := l.snapshot.Tables[uint32(oid)]
	if t == nil {
		return nil // made between two queries: the next fingerprint differs
	}
	typ := l.types[[2]string{f[2], f[3]}]
	c := Column{Name: l.intern(f[7]), Type: typ.name, BaseType: typ.base, Textual: typ.textual, Shape: typ.shape, NotNull: f[4] != "f", Unproved: f[4] == "u", Generated: f[5] != "-"}
	if f[5] == "v" {
		l.virtual[t] = true
	}
	if f[6] != "-" && f[6] != "" {
		c.Identity = f[6][0]
	}
	// They mostly come in order already.
	i, _ := slices.BinarySearch(l.numbers[t], number)
	t.Columns = slices.Insert(t.Columns, i, c)
	l.numbers[t] = slices.Insert(l.numbers[t], i, number)
	return nil
}

// sequence: table, column number, schema, name.
func (l *loader) sequence(d document) {
	if t := l.snapshot.Tables[d.oid(0)]; t != nil {
		if c := l.columnAt(t, int(d.number(1))); c != nil {
			c.Sequence = quote(d.text(2)) + "." + quote(d.text(3))
		}
	}
}

// intern returns the one copy of a string; it does not keep what the string was cut from.
func (l *loader) intern(s string) string {
	if c, ok := l.strings[s]; ok {
		return c
	}
	c := strings.Clone(s)
	l.strings[c] = c
	return c
}

func (l *loader) columnAt(t *Table, number int) *Column {
	if i := slices.Index(l.numbers[t], number); i >= 0 {
		return &t.Columns[i]
	}
	return nil
}

func (l *loader) columnNames(t *Table, numbers []int) []string {
	var names []string
	for _, n := range numbers {
		if c := l.columnAt(t, n); c != nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// finish links what the documents could only name.
func (l *loader) finish() {
	s := l.snapshot
	for _, t := range s.sorted() {
		for i, oid := range l.parents[t] {
			p := s.Tables[oid]
			if p == nil {
				continue
			}
			p.Children = append(p.Children, t)
			if i == 0 {
				t.Parent = p
			}
		}
		t.Key = l.columnNames(t, l.keys[t].columns)
	}
	l.attachSignatures()
	l.inheritForeignKeys()
	l.attachTriggers()
	l.attachRules()
	l.reach()
	for _, t := range s.Tables {
		slices.SortFunc(t.Bases, compareTables)
	}
}

// sorted is all tables by schema and name: what is made from them comes out alike each time.
func (s *Snapshot) sorted() []*Table {
	list := make([]*Table, 0, len(s.Tables))
	for _, t := range s.Tables {
		list = append(list, t)
	}
	slices.SortFunc(list, compareTables)
	return list
}

func compareTables(a, b *Table) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
}
