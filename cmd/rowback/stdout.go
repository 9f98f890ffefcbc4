package main

import "io"

// stdout remembers that it could not be written: a report that nobody can read is not
// a success, whatever the command thinks.
type stdout struct {
	io.Writer
	err error // the first
}

func (o *stdout) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// Fd is that of the file, if it is one, for who asks whether it is a terminal.
func (o *stdout) Fd() uintptr {
	if f, ok := o.Writer.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}
