package sqlparse

import (
	"fmt"
	"strings"
	"testing"
)

const benchSelect = "SELECT abalance FROM pgbench_accounts WHERE aid = $1;"

func benchNames() *Names {
	names := map[string]int{}
	for i := range 200 {
		names[fmt.Sprintf("purge_table_%d", i)] = i
	}
	return NewNames(names)
}

func benchScan(b *testing.B, sql string) {
	names, text := benchNames(), []byte(sql)
	if names.Scan(text) {
		b.Fatal("not plain")
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		names.Scan(text)
	}
}

func BenchmarkScan_Select(b *testing.B) { benchScan(b, benchSelect) }

func BenchmarkScan_Insert1MiB(b *testing.B) {
	row := "(1234567, 'some words of text, as they are', 42.50, '2024-05-06 07:08:09+00', NULL), "
	benchScan(b, "INSERT INTO orders VALUES "+strings.Repeat(row, 1<<20/len(row))+"(1)")
}

func benchParse(b *testing.B, sql string) {
	b.ReportAllocs()
	for b.Loop() {
		Parse(sql)
	}
}

func BenchmarkParse_Select(b *testing.B) { benchParse(b, benchSelect) }

func BenchmarkParse_Delete(b *testing.B) {
	benchParse(b, "DELETE FROM orders o USING customers c WHERE o.customer_id = c.id AND c.is_test")
}
