//go:build unix

package keyfile

import "syscall"

// nonblock has the opening of a FIFO not wait for its writer.
const nonblock = syscall.O_NONBLOCK
