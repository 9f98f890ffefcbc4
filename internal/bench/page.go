package main

import (
	"html/template"

	"github.com/rowback/rowback/internal/bench/plot"
)

// page is the report for people, in one file.
var page = template.Must(template.New("bench").Funcs(template.FuncMap{
	"amount": amount, "figure": figure, "cpu": cpu, "verdict": result.verdict, "legend": func() string { return legend },
	"draw": func(c curve) (template.HTML, error) {
		svg, err := plot.SVG(c.chart())
		return template.HTML(svg), err
	},
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>rowback bench {{.Commit}}</title><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:84rem;margin:2rem auto;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem;border-bottom:1px solid #d0d7de;text-align:right;white-space:nowrap}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left;white-space:normal}.missed td:last-child{background:#ffebe9}.met td:last-child{background:#dafbe1}
figure{display:inline-block;margin:1rem 1rem 1rem 0}figcaption{max-width:38rem}
</style></head><body><h1>rowback bench</h1>
<p>{{.Date.Format "2006-01-02 15:04 UTC"}}, commit {{.Commit}}. {{.Machine.CPU}}, {{.Machine.Cores}} cores, {{.Machine.MemoryMiB}} MiB, {{.Machine.System}} {{.Machine.Kernel}}, {{.Machine.Go}}, PostgreSQL {{.Machine.PostgreSQL}}.
Client, proxy and server share the machine.</p>
{{if .Results}}<p>{{.Rounds}} rounds, {{.Seconds}} s a side where it is a matter of time. {{legend}}</p>
<table><tr><th></th><th>peer</th><th>peer</th><th>rowback</th><th></th><th>min</th><th>median</th><th>max</th><th></th><th>peer cpu</th><th>cpu</th><th>target</th><th></th></tr>
{{range .Results}}<tr class="{{verdict .}}"><td>{{.Name}}</td>{{if .Problem}}<td colspan="11">{{.Problem}}</td><td>not measured</td>{{else}}<td>{{.Peer}}</td><td>{{if .Peer}}{{amount .Peers}}{{end}}</td><td>{{amount .Ours}}</td><td>{{.Unit}}</td><td>{{figure .Min}}</td><td>{{figure .Median}}</td><td>{{figure .Max}}</td><td>{{.Figure}}</td><td>{{cpu .PeersCPU}}</td><td>{{cpu .OursCPU}}</td><td>{{.Target}}</td><td>{{verdict .}}</td>{{end}}</tr>
{{end}}</table>{{end}}
{{if .Curves}}<h2>How the cost grows</h2>
{{range .Curves}}<figure>{{if .Problem}}<p>{{.Name}}: {{.Problem}}</p>{{else}}{{draw .}}{{end}}<figcaption>{{.Note}}</figcaption></figure>
{{end}}{{end}}</body></html>
`))
