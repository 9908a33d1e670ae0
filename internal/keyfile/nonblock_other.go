//go:build !unix

package keyfile

const nonblock = 0
