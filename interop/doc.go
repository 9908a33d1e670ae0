// Package interop tries the library against authorization servers that others wrote. It is a module of its own, outside
// go.work, as its tests need more than Go: Node.js, and `npm ci --ignore-scripts` in each server's folder.
package interop
