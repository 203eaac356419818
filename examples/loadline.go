// Marks the phases of a Go program for Loadline. Copy this file next to your program.
//
//	Phase("load", func() { modules = load(n) })
package main

import (
	"bufio"
	"fmt"
	"os"
)

var loadlineAnswers = bufio.NewReader(os.Stdin)

func loadlineMark(name string) {
	fmt.Printf("\nloadline:phase=%s\n", name)
	if os.Getenv("LOADLINE_ACK") != "" {
		loadlineAnswers.ReadString('\n') // Loadline has read its counters
	}
}

// Phase counts work as the phase name; the same name may come several times.
func Phase(name string, work func()) {
	loadlineMark(name)
	work()
	loadlineMark("none")
}
