package qc

// viewerView is what the template shows of a viewer.
type viewerView struct{}
