package nfs3

import "sync"

// maxDirs is how many handles of directories are kept: some 200 KiB at most with usual names.
const maxDirs = 1024

// A dirCache holds handles of directories by their names. A handle that is no longer valid shows by
// ESTALE when it is used.
type dirCache struct {
	mu sync.Mutex
	m  map[string]handle
}

func (d *dirCache) get(name string) (handle, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h, ok := d.m[name]
	return h, ok
}

func (d *dirCache) put(name string, h handle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.m == nil {
		d.m = make(map[string]handle)
	}
	for k := range d.m { // any one: what is in use comes back with one look-up
		if len(d.m) < maxDirs {
			break
		}
		delete(d.m, k)
	}
	d.m[name] = h
}

// drop forgets a directory and all below it.
func (d *dirCache) drop(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.m {
		if k == name || len(k) > len(name) && k[len(name)] == '/' && k[:len(name)] == name {
			delete(d.m, k)
		}
	}
}

func (d *dirCache) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.m)
}
