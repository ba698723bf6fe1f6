// The peer "go": bench.v1.Echo on grpc-go, `server PORT`. Threads: as many as CPUs it may use.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"benchv1"

	"google.golang.org/grpc"
)

type echoServer struct{}

func (echoServer) Unary(ctx context.Context, request *benchv1.Payload) (*benchv1.Payload, error) {
	return &benchv1.Payload{Data: request.Data}, nil
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: server PORT")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[1]))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	benchv1.RegisterEchoServer(server, echoServer{})
	return server.Serve(listener)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(69)
	}
}
