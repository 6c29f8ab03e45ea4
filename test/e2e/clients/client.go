// A client in Go, as node-client.mjs; HOW is `main` or `thread`, a thread of the system that ends at once.
package main

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
)

func main() {
	how, rest := os.Args[1], os.Args[2:]
	at := 0
	for rest[at] != "--" {
		at++
	}
	for _, server := range rest[at+1:] {
		argv := append(append([]string{}, rest[:at]...), server)
		launch := func() {
			command := exec.Command(argv[0], argv[1:]...)
			command.StdinPipe()
			command.Stdout, command.Stderr = os.Stdout, os.Stderr
			if err := command.Start(); err != nil {
				panic(err)
			}
		}
		if how == "main" {
			launch()
			continue
		}
		done := make(chan bool)
		go func() {
			// Without an unlock the thread ends with its goroutine.
			runtime.LockOSThread()
			defer close(done)
			launch()
		}()
		<-done
	}
	bufio.NewReader(os.Stdin).ReadString('\n')
	var kept [][]byte
	for {
		more := make([]byte, 16<<20)
		for i := range more {
			more[i] = 1
		}
		kept = append(kept, more)
	}
}
