// The program balancebench measures the balancer beside HAProxy, nginx, Perlbal, Varnish and Caddy as
// they are installed here, and beside a bare [net/http/httputil.ReverseProxy]: in one run, in turns,
// with access logs on, the proxy alone on one core and everything else on another.
//
//	balancebench                   all workloads; see docs/balance-performance.md
//	balancebench --only freeze     those whose name matches
//	balancebench soak              half an hour of everything at once: does anything leak?
//
// Servers run without privileges on free ports of the loopback address, in temporary folders, and
// end with it. What is not installed is named and left out. It needs Linux, taskset and wrk.
package main
