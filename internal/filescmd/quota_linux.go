package filescmd

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// obeyQuotas gives up what would let whoever is served exceed quotas and use the space that is reserved
// for root: the kernel looks whether the process may (CAP_SYS_RESOURCE), not for whom it acts. All threads
// must give it up, so the process starts its own program once more, and this returns nil in that.
func obeyQuotas() error {
	may, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	if err != nil || may == 0 || os.Geteuid() != 0 {
		return err
	}
	runtime.LockOSThread() // the thread that gives it up is the one that becomes the new program
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_RESOURCE, 0, 0, 0); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}
