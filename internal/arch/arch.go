// Package arch holds the import rule of docs/architecture.md: arrows point
// inward, and risky modules stand behind one door each. Its test walks every
// file of the repository. golangci-lint's depguard says the same to editors.
package arch
