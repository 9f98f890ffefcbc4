package proxy

import (
	"strings"
	"testing"
)

// Each step is ">" and messages sent, or "<" and messages of the server
// (ReadyForQuery as Z, always with status I).
func TestPending(t *testing.T) {
	for name, tt := range map[string]struct {
		steps                     []string
		quiet, discarding, copyIn bool
	}{
		"nothing":                               {nil, true, false, false},
		"a query":                               {[]string{">Q"}, false, false, false},
		"a query's rows":                        {[]string{">Q", "<TDDC"}, false, false, false},
		"a query answered":                      {[]string{">Q", "<TDDCTDCZ"}, true, false, false},
		"a failed query":                        {[]string{">Q", "<E"}, false, false, false},
		"a failed query is over":                {[]string{">Q", "<EZ"}, true, false, false},
		"asynchronous messages answer none":     {[]string{">Q", "<NASK"}, false, false, false},
		"a function call":                       {[]string{">F", "<VZ"}, true, false, false},
		"unanswered Execute":                    {[]string{">PBDE", "<12T"}, false, false, false},
		"answered without Sync":                 {[]string{">PBDEH", "<12TDDC"}, true, false, false},
		"Describe of a statement":               {[]string{">PDSBDE", "<1tT"}, false, false, false},
		"Describe without rows":                 {[]string{">PD", "<1tn"}, true, false, false},
		"Execute in parts":                      {[]string{">E", "<DDs"}, true, false, false},
		"Execute of nothing":                    {[]string{">E", "<I"}, true, false, false},
		"Close":                                 {[]string{">C", "<3"}, true, false, false},
		"Sync unanswered":                       {[]string{">PBES", "<12C"}, false, false, false},
		"Sync answered":                         {[]string{">PBES", "<12CZ"}, true, false, false},
		"an error discards the rest":            {[]string{">PBE", "<1E"}, true, true, false},
		"up to the next Sync":                   {[]string{">PBE", "<1E", ">PBEQ"}, true, true, false},
		"which is answered":                     {[]string{">PBE", "<1E", ">PBEQS", "<Z"}, true, false, false},
		"an error between messages":             {[]string{">PB", "<12E", ">E"}, true, true, false},
		"is over with the Sync":                 {[]string{">PB", "<12E", ">ES", "<Z"}, true, false, false},
		"an error while nothing is begun":       {[]string{">PBES", "<12CZE"}, true, false, false},
		"a Query is discarded as well":          {[]string{">PQS", "<E"}, false, false, false},
		"and answered by nothing":               {[]string{">PQS", "<EZ"}, true, false, false},
		"a failed Query discards nothing":       {[]string{">PBEQPBE", "<12CEZ12"}, false, false, false},
		"an error at Sync":                      {[]string{">PBES", "<12CE"}, false, false, false},
		"an error at Sync is over":              {[]string{">PBES", "<12CEZ"}, true, false, false},
		"segments":                              {[]string{">PBESPBE", "<12CZ12"}, false, false, false},
		"an error in an earlier segment":        {[]string{">PBESPBES", "<1EZ12CZ"}, true, false, false},
		"COPY in":                               {[]string{">Q", "<G"}, false, false, true},
		"COPY in over":                          {[]string{">Q", "<G", ">dddc", "<CZ"}, true, false, false},
		"COPY in failed by the client":          {[]string{">Q", "<G", ">df", "<EZ"}, true, false, false},
		"a Sync ahead of COPY data":             {[]string{">PBDES", "<12nG"}, false, false, true},
		"is ignored":                            {[]string{">PBDES", "<12nG", ">dcS", "<CZ"}, true, false, false},
		"COPY data sent ahead":                  {[]string{">PBEdcS", "<12G"}, false, false, false},
		"COPY data sent ahead is taken":         {[]string{">PBEdcS", "<12GCZ"}, true, false, false},
		"a Sync during COPY is ignored":         {[]string{">PBE", "<12G", ">dSdcS", "<CZ"}, true, false, false},
		"COPY data with an error":               {[]string{">PBE", "<12G", ">d", "<E", ">dcS", "<Z"}, true, false, false},
		"COPY data with an error seen late":     {[]string{">PBE", "<12G", ">ddcS", "<EZ"}, true, false, false},
		"a message amid COPY ends it":           {[]string{">PBE", "<12G", ">B"}, false, false, false},
		"its Sync is answered":                  {[]string{">PBE", "<12G", ">BES", "<EZ"}, true, false, false},
		"… and before it was seen to begin":     {[]string{">PBEBES", "<12GEZ"}, true, false, false},
		"a Query amid a Query's COPY is none":   {[]string{">Q", "<G", ">dQ", "<EZ"}, true, false, false},
		"… nor before it was seen to begin":     {[]string{">QQ", "<GEZ"}, true, false, false},
		"two COPY in one Query":                 {[]string{">Q", "<G", ">dc", "<CG", ">dc", "<CZ"}, true, false, false},
		"COPY out":                              {[]string{">PBE", "<12Hdddc"}, false, false, false},
		"COPY out over":                         {[]string{">PBE", "<12HdddcC"}, true, false, false},
		"stray CopyDone":                        {[]string{">cQcQ", "<CZCZ"}, true, false, false},
		"more ReadyForQuery than asked for":     {[]string{">Q", "<CZZ", ">Q"}, false, false, false},
		"ReadyForQuery ends what it overtook":   {[]string{">PBS", "<Z"}, true, false, false},
		"an answer that nobody asked for":       {[]string{"<C123", ">E", "<1"}, false, false, false},
		"an uncounted Sync ends the discarding": {[]string{">P", "<EZ"}, true, false, false},
	} {
		var p pending
		p.push('S')
		p.answer('Z', 'I')
		for _, step := range tt.steps {
			for i := 1; i < len(step); i++ {
				if step[0] == '>' {
					p.push(step[i])
				} else {
					p.answer(step[i], 'I')
				}
			}
		}
		if p.quiet() != tt.quiet || p.discarding != tt.discarding || p.copyIn != tt.copyIn {
			t.Errorf("%s %v: quiet %v, discarding %v, copyIn %v", name, tt.steps, p.quiet(), p.discarding, p.copyIn)
		}
		if p.idle() != (tt.quiet && !tt.discarding && !amid(tt.steps)) {
			t.Errorf("%s: idle %v", name, p.idle())
		}
	}
}

// amid reports whether messages were sent that no Sync has ended.
func amid(steps []string) bool {
	var sent, last byte
	for _, step := range steps {
		for _, typ := range []byte(step[1:]) {
			if last = typ; step[0] == '>' && strings.IndexByte("QFSPBDEC", typ) >= 0 {
				sent = typ
			}
		}
	}
	return last != 'Z' && strings.IndexByte("PBDEC", sent) >= 0 && sent != 0
}

func TestPending_TakesNoMemoryInALongRun(t *testing.T) {
	var p pending
	for range 100_000 {
		for _, typ := range []byte("PBES") {
			p.push(typ)
		}
		p.answer('1', 0)
		p.answer('2', 0)
		for _, typ := range []byte("PBES") { // never quiet
			p.push(typ)
		}
		for _, typ := range []byte("CZ12C") {
			p.answer(typ, 'I')
		}
		p.answer('Z', 'I')
		p.push('P')
		p.answer('1', 0)
	}
	if cap(p.queue) > 64 {
		t.Error("queue of", cap(p.queue))
	}
}

// A Sync amid the COPY data of an Execute is ignored, whether it was sent before the
// server asked for the data or after; the next one ends the exchange.
func TestPending_IgnoredSync(t *testing.T) {
	for name, send := range map[string]func(p *pending){
		"early": func(p *pending) { p.push('S'); p.answer('G', 0) },
		"late":  func(p *pending) { p.answer('G', 0); p.push('S') },
	} {
		p := &pending{tx: 'I'}
		p.push('E')
		send(p)
		p.push('c')
		p.answer('C', 0)
		if !p.ignored {
			t.Errorf("%s: not ignored", name)
		}
		p.push('S')
		p.answer('Z', 'T')
		if p.ignored {
			t.Errorf("%s: still ignored after the next Sync", name)
		}
	}
	p := &pending{tx: 'I'}
	p.push('Q')
	p.answer('G', 0)
	p.push('S')
	if p.ignored {
		t.Error("a Query that copies ends its own exchange")
	}
}
