package learned

import (
	"bytes"
	_ "embed"
	"sync"
)

// embedded is made by `go run ./internal/learneval -train`, from nothing but
// simulations and a seed, which its description records.
//
//go:embed embedded.net
var embedded []byte

// Embedded returns the model shipped with the program, trained on simulated tissue
// over random gradient tables. It is shared: not to be changed.
var Embedded = sync.OnceValue(func() *Model {
	m, _, err := ReadModel(bytes.NewReader(embedded))
	if err != nil {
		panic("learned: embedded model: " + err.Error())
	}
	return m
})
