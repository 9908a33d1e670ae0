// Package interop tries the library against authorization servers that others wrote, and its metrics, dashboard and alerts
// with the real Prometheus. It is a module of its own, outside go.work, as its tests need more than Go: Node.js, with `npm ci
// --ignore-scripts` in each server's folder, and prometheus and promtool on the PATH.
package interop
