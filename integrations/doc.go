// Package integrations holds the files with which other programs call dmri-denoise, and the tests of them. It has no code.
package integrations
