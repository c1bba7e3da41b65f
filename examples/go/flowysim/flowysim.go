// Package flowysim gives each test its own Amazon SWF, in memory and on a virtual clock.
//
// All tests share one server: the one at FLOWY_SIM_ENDPOINT if that is set, otherwise a
// "flowy-sim serve" that ends with the test binary.
package flowysim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/swf"
)

// Simulation is an Amazon SWF in memory that no other test uses.
type Simulation struct {
	// Endpoint is its address, for any other client.
	Endpoint string
	t        testing.TB
}

// Clock is the time of a simulation.
type Clock struct {
	Mode string    `json:"mode"`
	Now  time.Time `json:"now"`
	// Next is the time of the next event; nil if none is due.
	Next *time.Time `json:"next"`
}

// Stub answers an activity, a workflow or a Lambda function, so that a test needs no worker.
type Stub struct {
	// One of these is the name of what is stubbed; a Lambda function has no version.
	Activity string `json:"activity,omitempty"`
	Workflow string `json:"workflow,omitempty"`
	Lambda   string `json:"lambda,omitempty"`
	Version  string `json:"version,omitempty"`
	// Answer is the answer to the first call, and Then are those to further calls. The last one is
	// repeated.
	Answer
	Then []Answer `json:"then,omitempty"`
}

// Answer is one answer of a stub: a result, the reason of a failure, or a time-out.
type Answer struct {
	Result  any    `json:"result,omitempty"`
	Error   string `json:"error,omitempty"`
	Timeout string `json:"timeout,omitempty"`
	// Takes is the number of simulated seconds until the answer.
	Takes float64 `json:"takes,omitempty"`
}

// Call is a call of a stub.
type Call struct {
	Activity, Workflow, Lambda, Input string
	At                                time.Time
}

// New returns a simulation, which is deleted when the test ends.
func New(t testing.TB) *Simulation {
	t.Helper()
	address, err := server()
	if err != nil {
		t.Fatalf("flowy-sim cannot be started; is it on the PATH? %v", err)
	}
	name := make([]byte, 8)
	if _, err := rand.Read(name); err != nil {
		t.Fatal(err)
	}
	simulation := &Simulation{Endpoint: address + "/test-" + hex.EncodeToString(name), t: t}
	t.Cleanup(func() { simulation.control(http.MethodDelete, "", nil, nil) })
	simulation.control(http.MethodPost, "/reset", map[string]any{"clock": "virtual"}, nil)
	return simulation
}

// Client returns a client of the AWS SDK for Go v2.
func (s *Simulation) Client() *swf.Client {
	return swf.New(swf.Options{
		BaseEndpoint: aws.String(s.Endpoint),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// Clock returns the simulated time.
func (s *Simulation) Clock() Clock {
	s.t.Helper()
	var clock Clock
	s.control(http.MethodGet, "/clock", nil, &clock)
	return clock
}

// Advance lets simulated time pass.
func (s *Simulation) Advance(duration time.Duration) {
	s.t.Helper()
	s.control(http.MethodPost, "/clock/advance", map[string]any{"seconds": duration.Seconds()}, nil)
}

// After makes a call of Amazon SWF after some simulated time.
func (s *Simulation) After(duration time.Duration, operation string, parameters map[string]any) {
	s.t.Helper()
	s.control(http.MethodPost, "/after", map[string]any{
		"seconds": duration.Seconds(), "operation": operation, "parameters": parameters,
	}, nil)
}

// Stub adds a stub, or replaces the one of the same type.
func (s *Simulation) Stub(stub Stub) {
	s.t.Helper()
	s.control(http.MethodPost, "/stubs", stub, nil)
}

// Calls returns the calls of stubs, the oldest first.
func (s *Simulation) Calls() []Call {
	s.t.Helper()
	var answer struct{ Calls []Call }
	s.control(http.MethodGet, "/stubs/calls", nil, &answer)
	return answer.Calls
}

// Settle waits until nothing will happen any more without a call from outside, and fails the test
// if that takes longer than atMost of real time.
func (s *Simulation) Settle(atMost time.Duration) {
	s.t.Helper()
	var answer struct{ Still bool }
	s.control(http.MethodPost, "/settle", map[string]any{"seconds": atMost.Seconds()}, &answer)
	if !answer.Still {
		s.t.Fatalf("the simulation has not settled after %v", atMost)
	}
}

// Reset deletes everything in the simulation, and answers the waiting polls.
func (s *Simulation) Reset() {
	s.t.Helper()
	s.control(http.MethodPost, "/reset", nil, nil)
}

// control sends a request to control the simulation.
func (s *Simulation) control(method, path string, body, answer any) {
	s.t.Helper()
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			s.t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(
		context.Background(), method, s.Endpoint+"/_flowy"+path, &sent)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s: %s", method, path, response.Status, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

// server returns the address of the one server of this test binary.
var server = sync.OnceValues(func() (string, error) {
	if endpoint := os.Getenv("FLOWY_SIM_ENDPOINT"); endpoint != "" {
		return strings.TrimRight(endpoint, "/"), nil
	}
	// The server ends with the command that it runs. This one prints the address, then reads a pipe
	// that the operating system closes when this process ends.
	command := exec.Command("flowy-sim", "serve", "--clock", "virtual", "--",
		"sh", "-c", `echo "$AWS_ENDPOINT_URL_SWF"; cat`)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return "", err
	}
	if pipe, err = command.StdinPipe(); err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("it ended without printing its address: %w", err)
	}
	return strings.TrimSpace(address), nil
})

// pipe keeps the server running. The garbage collector would close it if nothing referred to it.
var pipe io.Closer
