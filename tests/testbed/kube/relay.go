package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// relay listens on an address of the machine and passes each connection on to an address inside
// a network namespace: arguments are the address to listen on, the namespace's file, the target.
func relay(arguments []string) int {
	if len(arguments) != 3 {
		fmt.Fprintln(os.Stderr, "usage: kube relay LISTEN-ADDRESS NAMESPACE-FILE TARGET-ADDRESS")
		return 2
	}
	listener, err := net.Listen("tcp", arguments[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		outer, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		go func() {
			defer outer.Close()
			inner, err := dialInside(arguments[1], arguments[2])
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			defer inner.Close()
			answered := make(chan struct{})
			go func() {
				pass(outer, inner)
				close(answered)
			}()
			pass(inner, outer)
			<-answered
		}()
	}
}

// dialInside leaves its thread locked on return: Go ends a thread that its goroutine has not
// unlocked, so that no other goroutine ever runs in the namespace.
func dialInside(namespace, address string) (net.Conn, error) {
	type dialed struct {
		connection net.Conn
		err        error
	}
	result := make(chan dialed)
	go func() {
		runtime.LockOSThread()
		file, err := os.Open(namespace)
		if err != nil {
			result <- dialed{nil, err}
			return
		}
		defer file.Close()
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- dialed{nil, err}
			return
		}
		connection, err := net.Dial("tcp", address)
		result <- dialed{connection, err}
	}()
	answer := <-result
	return answer.connection, answer.err
}

// pass copies until one side ends, and says so to the other by closing its half.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, can := to.(*net.TCPConn); can {
		_ = half.CloseWrite()
	}
}
