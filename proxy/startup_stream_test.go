package proxy

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
)

// What a client is told up to its first ReadyForQuery is what the server says,
// message by message.
func TestStartup_EveryMessageIsTheServers(t *testing.T) {
	c, err := pgtest.Start(t.Context(), pgtest.Options{Unsafe: true, Settings: []string{"password_encryption=scram-sha-256"}, HBA: `
host all,replication postgres,nobody,u_nologin 127.0.0.1/32 trust
host all u_password 127.0.0.1/32 password
host all u_md5,ghost_md5 127.0.0.1/32 md5
host all u_scram,u_full,ghost 127.0.0.1/32 scram-sha-256
`})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	pgtest.Exec(t, c.URL("postgres"),
		"SET password_encryption = 'md5'; CREATE USER u_md5 PASSWORD 'secret'; CREATE USER u_password PASSWORD 'secret'; CREATE ROLE u_nologin",
		"SET password_encryption = 'scram-sha-256'; CREATE USER u_scram PASSWORD 'secret'; CREATE USER u_full PASSWORD 'secret' CONNECTION LIMIT 0",
		"ALTER ROLE u_md5 SET DateStyle = 'SQL, DMY'")
	const v3, v32, v39999 = 3 << 16, 3<<16 | 2, 3<<16 | 9999
	for name, tt := range map[string]struct {
		version  uint32
		user, db string
		password string
		more     string // pairs of the startup packet
		want     string // types of what is said
	}{
		"trust":                         {v3, "postgres", "postgres", "", "", "RSKZ"},
		"cleartext":                     {v3, "u_password", "postgres", "secret", "", "RRSKZ"},
		"md5":                           {v3, "u_md5", "postgres", "secret", "", "RRSKZ"},
		"SCRAM":                         {v3, "u_scram", "postgres", "secret", "", "RRRRSKZ"},
		"protocol 3.2":                  {v32, "postgres", "postgres", "", "", "vRSKZ"},
		"protocol 3.2, md5":             {v32, "u_md5", "postgres", "secret", "", "vRRSKZ"},
		"protocol 3.2, SCRAM":           {v32, "u_scram", "postgres", "secret", "", "vRRRRSKZ"},
		"protocol 3.9999":               {v39999, "postgres", "postgres", "", "", "vRSKZ"},
		"protocol 3.9999, with options": {v39999, "u_scram", "postgres", "secret", "_pq_.a\x001\x00_pq_.b\x002\x00", "vRRRRSKZ"},
		"an option of the protocol":     {v3, "postgres", "postgres", "", "_pq_.command_tag\x00x\x00", "vRSKZ"},
		"settings":                      {v3, "postgres", "postgres", "", "application_name\x00me\x00client_encoding\x00LATIN1\x00options\x00-c IntervalStyle=iso_8601 -c timezone=UTC\x00", "RSKZ"},
		"replication":                   {v3, "postgres", "postgres", "", "replication\x00database\x00", "RSKZ"},
		"physical replication":          {v3, "postgres", "postgres", "", "replication\x00true\x00", "RSKZ"},
		"a setting that does not exist": {v3, "postgres", "postgres", "", "nonesuch\x001\x00", "RE"},
		"a setting that cannot be":      {v3, "postgres", "postgres", "", "work_mem\x00much\x00", "RE"},
		"no such database":              {v3, "postgres", "nonesuch", "", "", "RE"},
		"no such database, SCRAM":       {v3, "u_scram", "nonesuch", "secret", "", "RRRRE"},
		"no such user, trust":           {v3, "nobody", "postgres", "", "", "RE"},
		"no such user, SCRAM":           {v3, "ghost", "postgres", "secret", "", "RRE"},
		"no such user, md5":             {v3, "ghost_md5", "postgres", "secret", "", "RRE"},
		"a wrong password, md5":         {v3, "u_md5", "postgres", "wrong", "", "RE"},
		"a wrong password, SCRAM":       {v3, "u_scram", "postgres", "wrong", "", "RRE"},
		"no entry for the user":         {v3, "u_reject", "postgres", "", "", "E"},
		"may not log in":                {v3, "u_nologin", "postgres", "", "", "RE"},
		"too many connections":          {v3, "u_full", "postgres", "secret", "", "RRRRE"},
		"no user":                       {v3, "", "postgres", "", "", "E"},
	} {
		for way, judge := range map[string]Judge{"relayed": nil, "judged": judgeFunc(quiesceAndForward)} {
			t.Run(name+", "+way, func(t *testing.T) {
				s := serve(t, Options{Upstream: c.URL("postgres"), Judge: judge})
				hello := packet(tt.version, "user\x00"+tt.user+"\x00database\x00"+tt.db+"\x00"+tt.more+"\x00")
				direct, types := begins(t, c.Addr(), hello, tt.user, tt.password)
				through, _ := begins(t, s.Addr().String(), hello, tt.user, tt.password)
				if direct != through {
					t.Errorf("the server says\n%sthe proxy\n%s", direct, through)
				}
				if tt.version == v32 { // the server's own, since PostgreSQL 18
					types, tt.want = strings.TrimPrefix(types, "v"), strings.TrimPrefix(tt.want, "v")
				}
				if types != tt.want {
					t.Errorf("it says %s, want %s: the case is another", types, tt.want)
				}
			})
		}
	}
}

// begins logs in and returns what is said up to ReadyForQuery or the end, without what
// differs from login to login, and the types of it.
func begins(t *testing.T, addr string, hello []byte, user, password string) (said, types string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	write(t, c, hello)
	scram := scramClient{password: password}
	for !strings.HasSuffix(types, "Z") {
		header := make([]byte, headerLen)
		if _, err := io.ReadFull(c, header); err == io.EOF {
			said += "end\n"
			break
		} else if err != nil {
			t.Fatalf("%v after\n%s", err, said)
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(c, body); err != nil {
			t.Fatal(err)
		}
		if typ := string(header[:1]); typ != "S" || !strings.HasSuffix(types, "S") {
			types += typ
		}
		var answer []byte
		secret := len(body) // what comes from here on is random
		if header[0] == 'K' {
			secret = 0
		}
		if header[0] == 'R' {
			switch code, rest := binary.BigEndian.Uint32(body), body[4:]; code {
			case 3:
				answer = []byte(password + "\x00")
			case 5:
				secret = 4
				inner := fmt.Sprintf("%x", md5.Sum([]byte(password+user)))
				answer = fmt.Appendf(nil, "md5%x\x00", md5.Sum(append([]byte(inner), rest...)))
			case 10:
				answer = scram.first()
			case 11:
				secret = 4
				answer = scram.final(t, string(rest))
			case 12:
				secret = 4
			}
		}
		said += fmt.Sprintf("%c %d %q\n", header[0], len(body), body[:secret])
		if answer != nil {
			write(t, c, appendFrame(nil, 'p', answer))
		}
	}
	return said, types
}

// scramClient is a client of SCRAM-SHA-256, without channel binding.
type scramClient struct{ password string }

const scramFirst = "n=,r=rOprNGfwEbeRWgbNEkqO"

func (scramClient) first() []byte {
	b := append([]byte("SCRAM-SHA-256\x00"), binary.BigEndian.AppendUint32(nil, uint32(len("n,,"+scramFirst)))...)
	return append(b, "n,,"+scramFirst...)
}

func (s scramClient) final(t *testing.T, server string) []byte {
	t.Helper()
	field := map[byte]string{}
	for f := range strings.SplitSeq(server, ",") {
		field[f[0]] = f[2:]
	}
	salt, err := base64.StdEncoding.DecodeString(field['s'])
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(field['i'])
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, n, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	final := "c=biws,r=" + field['r']
	signature := mac(stored[:], scramFirst+","+server+","+final)
	for i := range key {
		key[i] ^= signature[i]
	}
	return []byte(final + ",p=" + base64.StdEncoding.EncodeToString(key))
}
