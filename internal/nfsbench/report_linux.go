package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
)

var tables = []benchtest.Table{
	{Workload: localPut16k, Title: "In a directory: put 16 KiB, one at a time", Columns: putColumns, Base: bareRename, Metric: "puts/s"},
	{Workload: localPut16k8, Title: "In a directory: put 16 KiB, 8 at a time", Columns: putColumns, Base: bareRename, Metric: "puts/s"},
	{Workload: localPut1m, Title: "In a directory: put 1 MiB, one at a time", Columns: putColumns, Base: bareRename, Metric: "puts/s"},
	{Workload: localRead64m, Title: "In a directory: open and read 64 MiB", Columns: []string{"MB/s", "CPU ms"}, Base: osFile, Metric: "MB/s"},
	{Workload: download10m, Title: "Over HTTP: download 10 MB, 2 at a time", Columns: []string{"MB/s", "p50 ms", "p99 ms", "CPU ms"}, Base: nginxFiles, Metric: "MB/s"},
	{Workload: nfsPut16k, Title: "Over NFS: put 16 KiB, 8 at a time", Columns: putColumns, Base: atGanesha, Metric: "puts/s"},
	{Workload: nfsGet16k, Title: "Over NFS: open and read 16 KiB, 8 at a time", Columns: []string{"gets/s", "p50 ms", "p99 ms", "CPU ms"}, Base: atGanesha, Metric: "gets/s"},
	{Workload: nfsStat, Title: "Over NFS: attributes of one of 10,000 files, 8 at a time", Columns: []string{"stats/s", "p50 ms", "p99 ms", "CPU ms"}, Base: atGanesha, Metric: "stats/s"},
	{Workload: nfsReaddir, Title: "Over NFS: list 10,000 files with their attributes", Columns: []string{"names/s", "p50 ms", "CPU ms"}, Base: atGanesha, Metric: "names/s"},
	{Workload: nfsWrite64m, Title: "Over NFS: put 64 MiB", Columns: []string{"MB/s", "CPU ms"}, Base: atGanesha, Metric: "MB/s"},
	{Workload: nfsRead64m, Title: "Over NFS: open and read 64 MiB", Columns: []string{"MB/s", "CPU ms"}, Base: atGanesha, Metric: "MB/s"},
}

var putColumns = []string{"puts/s", "p50 ms", "p99 ms", "CPU ms"}

// A bar is what was promised: a ratio that is to be at least that.
type bar struct {
	what, against            string
	least                    float64
	workload, subject, other string
	metric                   string
}

var bars = []bar{
	{"Put 16 KiB in a directory", "write, fsync, rename, fsync of the folder", 0.8, localPut16k, store, bareRename, "puts/s"},
	{"Put 1 MiB in a directory", "the same", 0.8, localPut1m, store, bareRename, "puts/s"},
	{"read 64 MiB in a directory", "os.File", 0.95, localRead64m, store, osFile, "MB/s"},
	{"download 10 MB from filehttp", "nginx", 0.9, download10m, filesHandler, nginxFiles, "MB/s"},
	{"download 10 MB from remora-server", "nginx", 0.9, download10m, wholeServer, nginxFiles, "MB/s"},
	{"read 64 MiB from nfsd", "from NFS-Ganesha", 0.9, nfsRead64m, atNfsd, atGanesha, "MB/s"},
	{"put 64 MiB at nfsd", "at NFS-Ganesha", 0.85, nfsWrite64m, atNfsd, atGanesha, "MB/s"},
	{"put 16 KiB at nfsd", "at NFS-Ganesha without a fence", 0.65, nfsPut16k, atNfsd, atGanesha, "puts/s"},
	{"", "at NFS-Ganesha with a fence", 1, nfsPut16k, atNfsd, atGaneshaFenced, "puts/s"},
	{"put 16 KiB at nfsd with HiddenLater", "at NFS-Ganesha without a fence", 0.65, nfsPut16k, atNfsdLater, atGanesha, "puts/s"},
	{"", "at NFS-Ganesha with a fence", 1, nfsPut16k, atNfsdLater, atGaneshaFenced, "puts/s"},
	{"get 16 KiB from nfsd", "from NFS-Ganesha", 0.85, nfsGet16k, atNfsd, atGanesha, "gets/s"},
	{"", "from go-nfs", 3, nfsGet16k, atNfsd, atGonfsd, "gets/s"},
	{"stat at nfsd", "at NFS-Ganesha", 1, nfsStat, atNfsd, atGanesha, "stats/s"},
	{"list 10,000 files at nfsd", "at NFS-Ganesha", 1, nfsReaddir, atNfsd, atGanesha, "names/s"},
	{"put 16 KiB by our client at NFS-Ganesha without a fence", "by go-nfs-client", 1.5, nfsPut16k, atGanesha, foreignAtGanesha, "puts/s"},
	{"get 16 KiB by our client from NFS-Ganesha", "by go-nfs-client", 4, nfsGet16k, atGanesha, foreignAtGanesha, "gets/s"},
}

// print writes what was found as Markdown.
func (b *bench) print(ctx context.Context, w io.Writer, took time.Duration) error {
	where := append(slices.Clone(b.versions), "on "+benchtest.Machine())
	_, err := fmt.Fprintf(w, "Measured on %s at commit %s, n = %d, %s; `make bench-nfsstore` took %v.\n",
		time.Now().UTC().Format("2006-01-02"), benchtest.Commit(ctx), b.rounds, strings.Join(where, ", "), took.Round(time.Second))
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, x := range bars {
		ratios := b.results.Ratios(x.workload, x.subject, x.other, x.metric)
		if len(ratios) == 0 {
			continue
		}
		if text.Len() == 0 {
			text.WriteString("\n| what | against | bar | measured | |\n|---|---|---|---|---|\n")
		}
		verdict := "**missed**"
		if benchtest.Percentile(ratios, 50) >= x.least {
			verdict = "met"
		}
		fmt.Fprintf(&text, "| %s | %s | ≥ %s | %s | %s |\n", x.what, x.against, benchtest.Number(x.least), benchtest.Spread(ratios), verdict)
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return err
	}
	for _, t := range tables {
		if err := t.Print(w, b.results); err != nil {
			return err
		}
	}
	for _, name := range b.missing {
		if _, err := fmt.Fprintf(w, "\nNot measured, for it is not installed: %s.\n", name); err != nil {
			return err
		}
	}
	return nil
}
